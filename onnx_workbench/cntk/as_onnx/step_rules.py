"""Operators on the steps of sequences and on the batch. Sequences of one call have one length."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, refuse
from onnx_workbench.cntk.as_onnx.rule_parts import ALL_AXES, DYNAMIC_AXIS, Rule, axes_of, number
from onnx_workbench.cntk.native.graph import Primitive
from onnx_workbench.cntk.native.values import FREE_DIMENSION

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


def is_single(primitive: Primitive) -> bool:
    """Tell whether a Where picks one step of each sequence, as `sequence.first` and `last` have it."""
    additive = number(primitive, "newSequenceAxisLengthAdditiveFactor", 0)
    return (additive, number(primitive, "newSequenceAxisLengthScalingFactor", 0)) == (1, 0)


def _where(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return the numbers of the steps that are flagged: one of each sequence, or as many of each sequence."""
    flags = inputs[0]
    if flags.axes != 2 or flags.size != 1:
        raise refuse(primitive, "its operand is no sequence of single numbers.")
    code = int(helper.np_dtype_to_tensor_dtype(flags.dtype))
    if is_single(primitive):
        flat = emit.node("Reshape", [flags, emit.numbers([0, 0])])
        raised = emit.node("Cast", [emit.node("Cast", [flat], to=TensorProto.BOOL)], to=TensorProto.INT64)
        index = emit.node("ArgMax", [raised], axis=1, keepdims=0)
        return [Emitted(emit.node("Cast", [index], to=code), (), 1, flags.dtype)]
    # One row for each sequence: where they have flagged steps in different numbers, Reshape fails when it is run.
    flat = emit.node("Cast", [emit.node("Reshape", [flags, emit.numbers([0, 0])])], to=TensorProto.BOOL)
    counted = emit.node(
        "ReduceSum", [emit.node("Cast", [flat], to=TensorProto.INT64), emit.numbers([1])], keepdims=0
    )
    most = emit.node("ReduceMax", [counted, emit.numbers([0])])
    rows = emit.node("Concat", [emit.node("Shape", [flags], start=0, end=1), most], axis=0)
    steps = emit.node("Gather", [emit.node("NonZero", [flat]), emit.array(np.array(1))], axis=0)
    places = emit.node("Cast", [emit.node("Reshape", [steps, rows])], to=code)
    return [Emitted(places, (), 2, flags.dtype)]


def _where_often(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return the numbers of steps that count the same number of times each, as often as they count."""
    x, factor = inputs[0], number(primitive, "factor", 1.0)
    if x.axes != 2:
        raise refuse(primitive, "its operand is no sequence.")
    code, double = int(helper.np_dtype_to_tensor_dtype(x.dtype)), np.dtype(np.float64)
    steps = emit.node("Cast", [emit.node("Shape", [x], start=1, end=2)], to=TensorProto.DOUBLE)
    count = emit.node("Ceil", [emit.node("Mul", [steps, emit.scalar(factor, double)])])
    whole = emit.node("Cast", [count], to=TensorProto.INT64)
    last = emit.node("Squeeze", [whole, emit.numbers([0])])
    places = emit.node("Range", [emit.array(np.array(0)), last, emit.array(np.array(1))])
    row = emit.node("Cast", [places], to=TensorProto.DOUBLE)
    taken = emit.node("Floor", [emit.node("Div", [row, emit.scalar(factor, double)])])
    shape = emit.node("Concat", [emit.node("Shape", [x], start=0, end=1), whole], axis=0)
    found = emit.node("Expand", [emit.node("Cast", [taken], to=code), shape])
    return [Emitted(found, (), 2, x.dtype)]


def _index(emit: Emitter, value: Emitted) -> str:
    number = emit.node("Cast", [value], to=TensorProto.INT64)
    return emit.node("Unsqueeze", [number, emit.numbers([-1])])


def _gather_packed(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Take the steps of the numbers given; where there is one, the result is no sequence."""
    x, steps = inputs[:2]
    if x.axes != 2 or not steps.axes:
        raise refuse(primitive, "its operand or its index is no sequence.")
    name = emit.node("GatherND", [x, _index(emit, steps)], batch_dims=1)
    return [Emitted(name, x.shape, steps.axes, x.dtype)]


def _scatter_packed(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Put steps in the places of the numbers given, zeros elsewhere."""
    x, steps, like_this = inputs[:3]
    dynamic = emit.node("Shape", [like_this], start=0, end=2)
    whole = emit.node("Concat", [dynamic, emit.numbers(list(x.shape))], axis=0)
    zeros = emit.node("Expand", [emit.scalar(0, x.dtype), whole])
    index = _index(emit, steps)
    count = emit.node("Squeeze", [emit.node("Shape", [index], start=0, end=1), emit.numbers([0])])
    numbered = emit.node("Range", [emit.array(np.array(0)), count, emit.array(np.array(1))])
    sequence = emit.node("Reshape", [numbered, emit.numbers([-1, 1, 1])])
    places = emit.node(
        "Concat", [emit.node("Expand", [sequence, emit.node("Shape", [index])]), index], axis=2
    )
    return [Emitted(emit.node("ScatterND", [zeros, places, x]), x.shape, 2, x.dtype)]


def _to_sequence(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Make a sequence of the first static axis; of one sample if its length is given, or as long as another one."""
    x = inputs[0]
    if x.axes != 1 or not x.rank:
        raise refuse(primitive, "its operand has no axis that could become a sequence.")
    if len(inputs) < 2:
        return [Emitted(emit.node("Identity", [x]), x.shape[1:], 2, x.dtype)]
    if primitive.operator == "ToSequenceLikeOp":
        steps = emit.node("Shape", [inputs[1]], start=1, end=2)
        name = emit.node("Slice", [x, emit.numbers([0]), steps, emit.numbers([1])])
        return [Emitted(name, x.shape[1:], 2, x.dtype)]
    length = emit.node("Cast", [emit.node("Reshape", [inputs[1], emit.numbers([-1])])], to=TensorProto.INT64)
    name = emit.node("Slice", [x, emit.numbers([0]), length, emit.numbers([1])])
    return [Emitted(name, x.shape[1:], 2, x.dtype)]


def _unpack_sequence(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Make a static axis of the steps, padded to the longest of all sequences, and tell which steps there are."""
    x, size = inputs[0], int(number(primitive, "size", 0))
    if not size:
        return _unpacked_as_given(emit, x)
    missing = emit.node("Sub", [emit.numbers([size]), emit.node("Shape", [x], start=1, end=2)])
    padding = emit.scalar(number(primitive, "sequenceUnpackPaddingValue", 0.0), x.dtype)
    before = emit.numbers([0] * (2 + x.rank) + [0])
    amounts = emit.node("Concat", [before, missing, emit.numbers([0] * x.rank)], axis=0)
    padded = Emitted(emit.node("Pad", [x, amounts, padding]), (size, *x.shape), 1, x.dtype)
    ones = emit.node("Expand", [emit.scalar(1, x.dtype), emit.node("Shape", [x], start=0, end=2)])
    some = emit.node("Concat", [emit.numbers([0, 0, 0]), missing], axis=0)
    mask = emit.node("Pad", [ones, some, emit.scalar(0, x.dtype)])
    return [padded, Emitted(mask, (size,), 1, x.dtype)]


def _unpacked_as_given(emit: Emitter, x: Emitted) -> list[Emitted]:
    """Make a static axis of the steps where nobody says how many there are: in ONNX, all sequences have as many."""
    ones = emit.node("Expand", [emit.scalar(1, x.dtype), emit.node("Shape", [x], start=0, end=2)])
    whole = emit.node("Identity", [x])
    return [
        Emitted(whole, (FREE_DIMENSION, *x.shape), 1, x.dtype),
        Emitted(ones, (FREE_DIMENSION,), 1, x.dtype),
    ]


def _unpack_batch(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, size = inputs[0], int(number(primitive, "size", 0)) or FREE_DIMENSION
    if x.axes != 1:
        raise refuse(primitive, "its operand has no batch, or steps as well.")
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
        everything = any(axis.index == ALL_AXES for axis in axes) and x.axes > 0
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
    "Where": _where,
    "WhereOften": _where_often,
    "GatherPacked": _gather_packed,
    "ScatterPacked": _scatter_packed,
    "ToSequenceOp": _to_sequence,
    "UnpackSequenceOp": _of_sequences(_unpack_sequence),
    "UnpackBatchAxis": _unpack_batch,
    "ToBatchAxis": _to_batch,
    "ToSequenceLikeOp": _to_sequence,
}
