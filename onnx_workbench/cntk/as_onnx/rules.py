"""How each primitive of CNTK is written in ONNX's operators."""

from __future__ import annotations

import math

from onnx import TensorProto, helper

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, refuse
from onnx_workbench.cntk.as_onnx.rule_parts import (
    ALL_AXES,
    ALL_STATIC_AXES,
    DYNAMIC_AXIS,
    Rule,
    axes_of,
    broadcast,
    compare,
    elementwise,
    like,
    number,
    row_axis,
    same,
)
from onnx_workbench.cntk.native.graph import Primitive
from onnx_workbench.cntk.native.values import DATA_TYPES, NativeAxis

_SMALLEST_LOGARITHM, _SMALLEST_ARGUMENT = -85.1, 1e-37  # CNTK's log never gives less


def _identity(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    return like(inputs[0], emit.node("Identity", inputs[:1]))


def _log(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x = inputs[0]
    small = emit.node("Less", [x, emit.scalar(_SMALLEST_ARGUMENT, x.dtype)])
    safe = emit.node("Max", [x, emit.scalar(_SMALLEST_ARGUMENT, x.dtype)])
    logarithm = emit.node("Log", [safe])
    return like(x, emit.node("Where", [small, emit.scalar(_SMALLEST_LOGARITHM, x.dtype), logarithm]))


def _sqrt(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return the root; of negative numbers it is 0 in CNTK."""
    positive = emit.node("Max", [inputs[0], emit.scalar(0, inputs[0].dtype)])
    return like(inputs[0], emit.node("Sqrt", [positive]))


def _reciprocal(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return 1/x; of 0 it is 0 in CNTK."""
    x = inputs[0]
    zero = emit.scalar(0, x.dtype)
    return like(x, emit.node("Where", [emit.node("Equal", [x, zero]), zero, emit.node("Reciprocal", [x])]))


def _power(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return the power; 0 to any power but 0 is 0 in CNTK, where it would be infinite too."""
    (base, exponent), shape, axes = emit.aligned(inputs)
    zero = emit.scalar(0, inputs[0].dtype)
    lost = emit.node("And", [emit.node("Equal", [base, zero]), emit.node("Less", [exponent, zero])])
    return [
        Emitted(
            emit.node("Where", [lost, zero, emit.node("Pow", [base, exponent])]), shape, axes, inputs[0].dtype
        )
    ]


def _over_all_axes(op_type: str) -> Rule:
    """Return the rule for softmax and its kin, which span all static axes together."""

    def rule(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        x = inputs[0]
        flat = emit.reshaped(x, (x.size,))
        found = like(flat, emit.node(op_type, [flat], axis=flat.axes))
        return [emit.reshaped(found[0], x.shape)]

    return rule


_REDUCTIONS = {
    "Sum": "ReduceSum",
    "LogSum": "ReduceLogSumExp",
    "Mean": "ReduceMean",
    "Max": "ReduceMax",
    "Min": "ReduceMin",
    "Prod": "ReduceProd",
    "Argmax": "ArgMax",
    "Argmin": "ArgMin",
}


def _reduce(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, attributes = inputs[0], primitive.attributes
    name = attributes.get("reductionOpName")
    op_type = _REDUCTIONS.get(name) if isinstance(name, str) else None
    if op_type is None:
        raise refuse(primitive, f"the reduction {name!r} is not known.")
    keep = bool(attributes.get("reductionKeepDimensions", True))
    axes = axes_of(primitive)
    if any(axis.index == DYNAMIC_AXIS for axis in axes):
        return _reduce_sequence(emit, primitive, x, op_type, axes)
    every = any(axis.index in {ALL_STATIC_AXES, ALL_AXES} for axis in axes)
    if every and any(axis.index == ALL_AXES for axis in axes) and x.axes:
        raise refuse(primitive, "a reduction over the batch is not written as ONNX.")
    rows = range(x.rank) if every else sorted({row_axis(axis, x.rank, primitive) for axis in axes})
    if not rows:
        return [x]
    if op_type.startswith("Arg"):
        if len(rows) > 1:
            x, rows = emit.reshaped(x, (x.size,)), range(1)
        index = emit.node(op_type, [x], axis=rows[0] + x.axes, keepdims=1)
        reduced = emit.node("Cast", [index], to=helper.np_dtype_to_tensor_dtype(x.dtype))
    else:
        reduced = emit.node(op_type, [x, emit.numbers([row + x.axes for row in rows])], keepdims=1)
    kept = like(x, reduced, tuple(1 if row in rows else n for row, n in enumerate(x.shape)))[0]
    if keep and not every:
        return [kept]
    return [emit.reshaped(kept, [n for row, n in enumerate(x.shape) if row not in rows])]


def _reduce_sequence(
    emit: Emitter, primitive: Primitive, x: Emitted, op_type: str, axes: list[NativeAxis]
) -> list[Emitted]:
    if len(axes) != 1 or x.axes != 2 or op_type.startswith("Arg") or axes[0].name == "defaultBatchAxis":
        raise refuse(primitive, "a reduction over these dynamic axes is not written as ONNX.")
    name = emit.node(op_type, [x, emit.numbers([1])], keepdims=0)
    return [Emitted(name, x.shape, 1, x.dtype)]


def _sum_all(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    return [Emitted(emit.node("ReduceSum", inputs[:1], keepdims=0), (), 0, inputs[0].dtype)]


def _times(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Contract the last axes of the right operand in the file's order with the first of the left one.

    The file has the operands in C++ order, and column-major: in row-major terms the second is the left one.
    """
    right, left = inputs[:2]
    output_rank = int(number(primitive, "outputRank", 1))
    infer = int(number(primitive, "inferInputRankToMap", -1))
    count = right.rank - output_rank
    if count < 0:
        raise refuse(
            primitive, f"the weights of shape {right.shape} have no {output_rank} output dimensions."
        )
    if infer >= 0 and not count:
        count = left.rank - infer
    if count > left.rank or right.shape[:count] != left.shape[left.rank - count :]:
        raise refuse(primitive, f"shapes {left.shape} and {right.shape} cannot be multiplied.")
    kept, free = left.shape[: left.rank - count], right.shape[count:]
    inner = math.prod(right.shape[:count])
    matrix = emit.reshaped(right, (inner, math.prod(free)))
    rows = emit.reshaped(left, (math.prod(kept), inner))
    return _matrix_product(emit, rows, matrix, kept + free)


def _matrix_product(emit: Emitter, left: Emitted, right: Emitted, shape: tuple[int, ...]) -> list[Emitted]:
    axes = max(left.axes, right.axes)
    operands = [
        Emitted(emit.node("Unsqueeze", [value, emit.numbers([1])]), value.shape, 2, value.dtype)
        if value.axes == 1 and axes == 2
        else value
        for value in (left, right)
    ]
    product = Emitted(emit.node("MatMul", operands), (left.shape[0], right.shape[1]), axes, left.dtype)
    return [emit.reshaped(product, shape)]


def _transpose_times(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Multiply with the transposed of the file's first operand, which is the right one in row-major terms."""
    right, left = inputs[:2]
    if right.rank > 2 or int(number(primitive, "outputRank", 1)) != 1:
        raise refuse(primitive, f"a transposed operand of shape {right.shape} is not written as ONNX.")
    matrix = emit.reshaped(right, (1, *right.shape)[-2:])  # (outputs, inputs)
    turned = [*range(matrix.axes), matrix.axes + 1, matrix.axes]
    flipped = like(matrix, emit.node("Transpose", [matrix], perm=turned), matrix.shape[::-1])[0]
    inner = flipped.shape[0]
    if not left.shape or left.shape[-1] != inner:
        raise refuse(primitive, f"shapes {left.shape} and {right.shape} cannot be multiplied.")
    kept = left.shape[:-1]
    rows = emit.reshaped(left, (math.prod(kept), inner))
    return _matrix_product(emit, rows, flipped, (*kept, flipped.shape[1]))


def _batch_normalization(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, *parameters = inputs[:5]
    if len(parameters) < 4:
        raise refuse(primitive, f"it has {len(inputs)} inputs, and five are needed.")
    spatial = bool(primitive.attributes.get("spatial", False))
    channels = x.shape[0] if spatial and x.shape else x.size
    shaped = x if spatial and x.rank else emit.reshaped(x, (x.size,))
    if x.axes == 2:
        raise refuse(primitive, "normalisation of sequences is not written as ONNX yet.")
    names = [_channel_vector(emit, primitive, value, channels) for value in parameters]
    name = emit.node("BatchNormalization", [shaped, *names], epsilon=number(primitive, "epsilon", 1e-5))
    return [emit.reshaped(like(shaped, name)[0], x.shape)]


def _channel_vector(emit: Emitter, primitive: Primitive, value: Emitted, channels: int) -> Emitted:
    if value.size == channels:
        return emit.reshaped(value, (channels,))
    if value.size != 1:
        raise refuse(primitive, f"statistics of shape {value.shape} do not go with {channels} channels.")
    name = emit.node("Expand", [emit.reshaped(value, (1,)), emit.numbers([channels])])
    return Emitted(name, (channels,), 0, value.dtype)


def _clip(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Limit a value; as in CNTK, no gradient goes to the limits."""
    (x, low, high), shape, axes = emit.aligned(inputs[:3])
    above = emit.node("Max", [x, low], doc_string="Limit")
    return [Emitted(emit.node("Min", [above, high], doc_string="Limit"), shape, axes, x.dtype)]


def _select(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    (flag, yes, no), shape, axes = emit.aligned(inputs[:3])
    condition = emit.node("Cast", [flag], to=TensorProto.BOOL)
    return [Emitted(emit.node("Where", [condition, yes, no]), shape, axes, yes.dtype)]


def _log_plus(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """log(exp a + exp b), written so that it does not overflow."""
    (a, b), shape, axes = emit.aligned(inputs[:2])
    largest = emit.node("Max", [a, b])
    distance = emit.node("Neg", [emit.node("Abs", [emit.node("Sub", [a, b])])])
    rest = emit.node("Log", [emit.node("Add", [emit.node("Exp", [distance]), emit.scalar(1, a.dtype)])])
    return [Emitted(emit.node("Add", [largest, rest]), shape, axes, a.dtype)]


def _squared_error(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return the sum over the whole batch: so does the primitive, unlike the function of this name."""
    (a, b), _, _ = emit.aligned(inputs[:2])
    difference = emit.node("Sub", [a, b])
    return [Emitted(emit.node("ReduceSumSquare", [difference], keepdims=0), (), 0, a.dtype)]


def _cross_entropy(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return -sum(label * log_softmax(z)) over the whole batch: so does the primitive."""
    logits, labels = emit.reshaped(inputs[0], (inputs[0].size,)), emit.reshaped(inputs[1], (inputs[1].size,))
    logarithms = like(logits, emit.node("LogSoftmax", [logits], axis=logits.axes))[0]
    (a, b), _, _ = emit.aligned([logarithms, labels])
    total = emit.node("ReduceSum", [emit.node("Mul", [a, b])], keepdims=0)
    return [Emitted(emit.node("Neg", [total]), (), 0, logits.dtype)]


def _cosine(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    (a, b), _, axes = emit.aligned([emit.reshaped(value, (value.size,)) for value in inputs[:2]])
    last = emit.numbers([axes])
    product = emit.node("ReduceSum", [emit.node("Mul", [a, b]), last], keepdims=1)
    lengths = emit.node("Mul", [emit.node("ReduceL2", [value, last], keepdims=1) for value in (a, b)])
    quotient = Emitted(emit.node("Div", [product, lengths]), (1,), axes, a.dtype)
    return [emit.reshaped(quotient, ())]


def _cast(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, code = inputs[0], int(number(primitive, "newDataType", 0))
    if code not in DATA_TYPES:
        raise refuse(primitive, f"data type {code} is not known.")
    dtype = DATA_TYPES[code][0]
    name = emit.node("Cast", [x], to=helper.np_dtype_to_tensor_dtype(dtype))
    return [Emitted(name, x.shape, x.axes, dtype)]


RULES: dict[str, Rule] = {
    "Negate": elementwise("Neg"),
    "Sigmoid": elementwise("Sigmoid"),
    "StableSigmoid": elementwise("Sigmoid"),
    "Tanh": elementwise("Tanh"),
    "ReLU": elementwise("Relu"),
    "Exp": elementwise("Exp"),
    "Log": _log,
    "Sqrt": _sqrt,
    "Floor": elementwise("Floor"),
    "Abs": elementwise("Abs"),
    "Reciprocal": _reciprocal,
    "Softmax": _over_all_axes("Softmax"),
    "LogSoftmax": _over_all_axes("LogSoftmax"),
    "Hardmax": _over_all_axes("Hardmax"),
    "Dropout": same,
    "SumAll": _sum_all,
    "Plus": broadcast("Add"),
    "Minus": broadcast("Sub"),
    "ElementTimes": broadcast("Mul"),
    "Pow": _power,
    "Equal": compare("Equal"),
    "NotEqual": compare("Equal", negated=True),
    "Less": compare("Less"),
    "LessEqual": compare("LessOrEqual"),
    "Greater": compare("Greater"),
    "GreaterEqual": compare("GreaterOrEqual"),
    "Times": _times,
    "TransposeTimes": _transpose_times,
    "SquaredError": _squared_error,
    "CrossEntropyWithSoftmax": _cross_entropy,
    "CosDistance": _cosine,
    "ReduceElements": _reduce,
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Select": _select,
    "LogPlus": _log_plus,
    "Pass": same,
    "NoOp": _identity,
    "StopGradient": same,
    "ELU": elementwise("Elu"),
    "Cast": _cast,
    **{
        name: elementwise(name)
        for name in ("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Atanh")
    },
}
