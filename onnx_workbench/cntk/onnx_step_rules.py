"""Operators on the steps of sequences and on the batch. Sequences of one call have one length."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from onnx_workbench.cntk.native_graph import Primitive
from onnx_workbench.cntk.onnx_emitter import Emitted, Emitter, refuse
from onnx_workbench.cntk.onnx_rules import DYNAMIC_AXIS, Rule, axes_of, like, number

_END = 1 << 62
_ALL_AXES = DYNAMIC_AXIS - 4
_REDUCTIONS = {
    "Sum": "ReduceSum",
    "LogSum": "ReduceLogSumExp",
    "Mean": "ReduceMean",
    "Max": "ReduceMax",
    "Min": "ReduceMin",
    "Prod": "ReduceProd",
}


def _of_sequences(rule: Rule) -> Rule:
    """Return a rule that refuses operands that are no sequences."""

    def checked(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        if inputs[0].axes != 2:
            raise refuse(primitive, "its operand is no sequence.")
        return rule(emit, primitive, inputs)

    return checked


def _step(index: int) -> Rule:
    def rule(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        x = inputs[0]
        name = emit.node("Gather", [x, emit.array(np.array(index, np.int64), "step")], axis=1)
        return [Emitted(name, x.shape, 1, x.dtype)]

    return _of_sequences(rule)


def _is_step(index: int) -> Rule:
    """Return the rule for 1 at the first or last step, 0 at others."""

    def rule(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        x = inputs[0]
        sizes = emit.node("Shape", [x], start=0, end=2)
        length = emit.node("Squeeze", [emit.node("Slice", [sizes, emit.numbers([1]), emit.numbers([2])])])
        zero, one = (emit.array(np.array(n, np.int64), "number") for n in (0, 1))
        places = emit.node("Range", [zero, length, one])
        wanted = zero if index == 0 else emit.node("Sub", [length, one])
        code = helper.np_dtype_to_tensor_dtype(x.dtype)
        flags = emit.node("Cast", [emit.node("Equal", [places, wanted])], to=code)
        return [Emitted(emit.node("Expand", [flags, sizes]), (), 2, x.dtype)]

    return _of_sequences(rule)


def _reduce_steps(op_type: str) -> Rule:
    def rule(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        x = inputs[0]
        return [Emitted(emit.node(op_type, [x, emit.numbers([1])], keepdims=0), x.shape, 1, x.dtype)]

    return _of_sequences(rule)


def _softmax(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    return like(inputs[0], emit.node("Softmax", inputs[:1], axis=1))


def _slice(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    begin, end = (int(number(primitive, key, 0)) for key in ("beginIndex", "endIndex"))
    parts = [emit.numbers([begin]), emit.numbers([end or _END]), emit.numbers([1])]
    return like(inputs[0], emit.node("Slice", [inputs[0], *parts]))


def _places(emit: Emitter, flags: Emitted) -> str:
    """Return the steps, a vector, whose flag is not 0; of one sequence."""
    flat = emit.node("Reshape", [flags, emit.numbers([-1])])
    return emit.node("Reshape", [emit.node("NonZero", [flat]), emit.numbers([-1])])


def where_steps(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return the numbers of the steps whose value is not 0, of one sequence."""
    x = inputs[0]
    places = emit.node("Cast", [_places(emit, x)], to=helper.np_dtype_to_tensor_dtype(x.dtype))
    return [Emitted(emit.node("Unsqueeze", [places, emit.numbers([0])]), (), 2, x.dtype)]


def _gather(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    return like(inputs[0], emit.node("Gather", [inputs[0], _places(emit, inputs[1])], axis=1))


def _scatter(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, flags = inputs[:2]
    steps = emit.node("Shape", [flags], start=1, end=2)
    whole = emit.node("Concat", [steps, emit.numbers(list(x.shape))], axis=0)
    zeros = emit.node("Expand", [emit.scalar(0, x.dtype), whole])
    rows = emit.node("Unsqueeze", [_places(emit, flags), emit.numbers([1])])
    placed = emit.node("ScatterND", [zeros, rows, emit.node("Squeeze", [x, emit.numbers([0])])])
    return like(x, emit.node("Unsqueeze", [placed, emit.numbers([0])]))


def _to_sequence(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Make a sequence of the first static axis; of one sample if its length is given."""
    x = inputs[0]
    if x.axes != 1 or not x.rank:
        raise refuse(primitive, "its operand has no axis that could become a sequence.")
    if len(inputs) < 2 or primitive.operator == "ToSequenceLike":
        return [Emitted(emit.node("Identity", [x]), x.shape[1:], 2, x.dtype)]
    length = emit.node("Cast", [emit.node("Reshape", [inputs[1], emit.numbers([-1])])], to=TensorProto.INT64)
    name = emit.node("Slice", [x, emit.numbers([0]), length, emit.numbers([1])])
    return [Emitted(name, x.shape[1:], 2, x.dtype)]


def _unpack_sequence(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Make a static axis of the steps, padded to the longest of all sequences, and tell which steps there are."""
    x, size = inputs[0], int(number(primitive, "size", 0))
    if not size:
        raise refuse(
            primitive, "the number of steps must be known beforehand; it is when values are given to eval()."
        )
    missing = emit.node("Sub", [emit.numbers([size]), emit.node("Shape", [x], start=1, end=2)])
    padding = emit.scalar(number(primitive, "sequenceUnpackPaddingValue", 0.0), x.dtype)
    before = emit.numbers([0] * (2 + x.rank) + [0])
    amounts = emit.node("Concat", [before, missing, emit.numbers([0] * x.rank)], axis=0)
    padded = Emitted(emit.node("Pad", [x, amounts, padding]), (size, *x.shape), 1, x.dtype)
    ones = emit.node("Expand", [emit.scalar(1, x.dtype), emit.node("Shape", [x], start=0, end=2)])
    some = emit.node("Concat", [emit.numbers([0, 0, 0]), missing], axis=0)
    mask = emit.node("Pad", [ones, some, emit.scalar(0, x.dtype)])
    return [padded, Emitted(mask, (size,), 1, x.dtype)]


def _unpack_batch(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, size = inputs[0], int(number(primitive, "size", 0))
    if x.axes != 1 or not size:
        raise refuse(
            primitive, "the size of the batch must be known beforehand, and steps there may be none."
        )
    return [Emitted(emit.node("Identity", [x]), (size, *x.shape), 0, x.dtype)]


def _to_batch(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x = inputs[0]
    if x.axes or not x.rank:
        raise refuse(primitive, "its operand has a batch already, or no axis.")
    return [Emitted(emit.node("Identity", [x]), x.shape[1:], 1, x.dtype)]


def with_dynamic_axes(rule: Rule) -> Rule:
    """Return a rule for reductions that also works along the batch."""

    def whole(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        x, axes = inputs[0], axes_of(primitive)
        everything = any(axis.index == _ALL_AXES for axis in axes) and x.axes > 0
        dynamic = [axis for axis in axes if axis.index == DYNAMIC_AXIS]
        if not everything and not any(not axis.ordered for axis in dynamic):
            return rule(emit, primitive, inputs)
        op_type = _REDUCTIONS.get(str(primitive.attributes.get("reductionOpName")))
        if op_type is None:
            raise refuse(primitive, "this reduction does not go along the batch.")
        if everything:
            return [Emitted(emit.node(op_type, [x], keepdims=0), (), 0, x.dtype)]
        if len(axes) != 1 or x.axes != 1:
            raise refuse(
                primitive, "a reduction along the batch together with other axes is not written as ONNX."
            )
        return [Emitted(emit.node(op_type, [x, emit.numbers([0])], keepdims=0), x.shape, 0, x.dtype)]

    return whole


STEP_RULES: dict[str, Rule] = {
    "Sequence::First": _step(0),
    "Sequence::Last": _step(-1),
    "Sequence::IsFirst": _is_step(0),
    "Sequence::IsLast": _is_step(-1),
    "Sequence::ReduceSum": _reduce_steps("ReduceSum"),
    "Sequence::ReduceMax": _reduce_steps("ReduceMax"),
    "Sequence::Softmax": _of_sequences(_softmax),
    "Sequence::Slice": _of_sequences(_slice),
    "Sequence::Gather": _of_sequences(_gather),
    "Sequence::Scatter": _of_sequences(_scatter),
    "ToSequenceOp": _to_sequence,
    "UnpackSequenceOp": _of_sequences(_unpack_sequence),
    "UnpackBatchAxis": _unpack_batch,
    "ToBatchAxis": _to_batch,
    "ToSequenceLike": _to_sequence,
}
