"""How each primitive of CNTK is written in ONNX's operators."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper

from onnx_workbench.cntk.native_graph import Primitive
from onnx_workbench.cntk.native_values import DATA_TYPES, NativeAxis, Shape
from onnx_workbench.cntk.onnx_emitter import Emitted, Emitter, refuse

Rule = Callable[[Emitter, Primitive, list[Emitted]], list[Emitted]]

# CNTK's marks for axes that are not static (CNTKLibrary.h).
DYNAMIC_AXIS = 2147483647
_ALL_STATIC_AXES, _END_STATIC_AXIS, _ALL_AXES = DYNAMIC_AXIS - 1, DYNAMIC_AXIS - 3, DYNAMIC_AXIS - 4

_SMALLEST_LOGARITHM, _SMALLEST_ARGUMENT = -85.1, 1e-37  # CNTK's log never gives less


def row_axis(axis: object, rank: int, primitive: Primitive) -> int:
    """Return the row-major static axis that the file counts from the last."""
    if not isinstance(axis, NativeAxis):
        raise refuse(primitive, "its axis is missing.")
    index = axis.index + rank if axis.index < 0 else axis.index
    if not 0 <= index < rank:
        raise refuse(primitive, f"its axis {axis.index} is not one of {rank} static axes.")
    return rank - 1 - index


def axes_of(primitive: Primitive) -> list[NativeAxis]:
    """Return the axes of a primitive, one in old files, a list in younger ones."""
    several = primitive.attributes.get("axisVec")
    found = several if isinstance(several, list) else [primitive.attributes.get("axis")]
    return [axis for axis in found if isinstance(axis, NativeAxis)]


def integers(primitive: Primitive, key: str) -> list[int]:
    """Return a list of whole numbers among the attributes."""
    found = primitive.attributes.get(key)
    return [int(item) for item in found if isinstance(item, int)] if isinstance(found, list) else []


def number(primitive: Primitive, key: str, default: float) -> float:
    """Return a number among the attributes."""
    found = primitive.attributes.get(key, default)
    return found if isinstance(found, (int, float)) else default


def like(value: Emitted, name: str, shape: tuple[int, ...] | None = None) -> list[Emitted]:
    """Return a new value with the dynamic axes and dtype of another, as the only output."""
    return [Emitted(name, value.shape if shape is None else shape, value.axes, value.dtype)]


def elementwise(op_type: str) -> Rule:
    """Return the rule for an operator of one operand that ONNX has under another name, or the same."""

    def rule(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        return like(inputs[0], emit.node(op_type, inputs[:1]))

    return rule


def broadcast(op_type: str) -> Rule:
    """Return the rule for an operator of two operands that are broadcast."""

    def rule(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        operands, shape, axes = emit.aligned(inputs)
        return [Emitted(emit.node(op_type, operands), shape, axes, inputs[0].dtype)]

    return rule


def compare(op_type: str, *, negated: bool = False) -> Rule:
    """Return the rule for a comparison, which gives 0 or 1 in the dtype of its operands."""

    def rule(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        operands, shape, axes = emit.aligned(inputs)
        name = emit.node(op_type, operands)
        name = emit.node("Not", [name]) if negated else name
        dtype = inputs[0].dtype
        return [
            Emitted(emit.node("Cast", [name], to=helper.np_dtype_to_tensor_dtype(dtype)), shape, axes, dtype)
        ]

    return rule


def same(_emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return the operand itself."""
    return inputs[:1]


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


def _over_all_axes(op_type: str) -> Rule:
    """Return the rule for softmax and its kin, which span all static axes together."""

    def rule(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        x = inputs[0]
        flat = emit.reshaped(x, (x.size,))
        found = like(flat, emit.node(op_type, [flat], axis=flat.axes))
        return [emit.reshaped(found[0], x.shape)]

    return rule


def _transpose(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, attributes = inputs[0], primitive.attributes
    order = list(range(x.rank))
    if isinstance(several := attributes.get("axisVec"), list):
        if len(several) != x.rank:
            raise refuse(primitive, f"it permutes {len(several)} axes of {x.rank}.")
        # The permutation is of column-major axes: both its order and its entries are turned round.
        order = [row_axis(axis, x.rank, primitive) for axis in reversed(several)]
    else:
        a, b = (row_axis(attributes.get(key), x.rank, primitive) for key in ("axis1", "axis2"))
        order[a], order[b] = order[b], order[a]
    if sorted(order) != list(range(x.rank)):
        raise refuse(primitive, "its axes are not a permutation.")
    permutation = [*range(x.axes), *(axis + x.axes for axis in order)]
    name = emit.node("Transpose", [x], perm=permutation)
    return like(x, name, tuple(x.shape[axis] for axis in order))


def _slice(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, attributes = inputs[0], primitive.attributes
    axes = axes_of(primitive)
    if "axisVec" in attributes:
        begins, ends = integers(primitive, "beginIndexVec"), integers(primitive, "endIndexVec")
        strides = integers(primitive, "sliceStridesVec") or [1] * len(axes)
    else:
        begins, ends = [int(number(primitive, "beginIndex", 0))], [int(number(primitive, "endIndex", 0))]
        strides = [int(number(primitive, "sliceStrides", 1))]
    if not len(axes) == len(begins) == len(ends) == len(strides) or not axes:
        raise refuse(primitive, "its axes and indices differ in number.")
    if any(axis.index == DYNAMIC_AXIS for axis in axes):
        raise refuse(primitive, "a slice of a dynamic axis is not written as ONNX yet.")
    rows = [row_axis(axis, x.rank, primitive) for axis in axes]
    shape, where = list(x.shape), []
    for row, begin, end, stride in zip(rows, begins, ends, strides, strict=True):
        stop = (1 << 62) if end == 0 else end
        if stride < 0:
            begin, stop = (-1, begin - x.shape[row] - 1) if begin == 0 else (stop - 1, begin - 1)
        picked = range(*slice(begin, stop, stride or 1).indices(x.shape[row]))
        shape[row] = len(picked)
        where.append((begin, stop, row + x.axes, stride))
    parameters = [emit.numbers(column) for column in zip(*where, strict=True)]
    return like(x, emit.node("Slice", [x, *parameters]), tuple(shape))


def _reshape(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, attributes = inputs[0], primitive.attributes
    new = attributes.get("newShape")
    if not isinstance(new, Shape):
        raise refuse(primitive, "its new shape is missing.")
    begin = _border(attributes.get("beginAxis"), 0, x.rank)
    end = _border(attributes.get("endAxis"), x.rank, x.rank)
    if not 0 <= begin <= end <= x.rank:
        raise refuse(primitive, "the axes that it replaces are not there.")
    first, last = x.rank - end, x.rank - begin  # borders between column-major axes, turned round
    replaced, target = math.prod(x.shape[first:last]), list(new)
    if -1 in target:
        known = math.prod(n for n in target if n != -1)
        target[target.index(-1)] = replaced // known if known > 0 else 0
    return [emit.reshaped(x, (*x.shape[:first], *target, *x.shape[last:]))]


def _border(axis: object, default: int, rank: int) -> int:
    if not isinstance(axis, NativeAxis) or axis.index in {_END_STATIC_AXIS, -3}:
        return default
    return axis.index + rank if axis.index < 0 else axis.index


def _squeeze(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x = inputs[0]
    rows = {row_axis(axis, x.rank, primitive) for axis in axes_of(primitive)}
    if not rows:
        rows = {row for row, n in enumerate(x.shape) if n == 1}
    return [emit.reshaped(x, [n for row, n in enumerate(x.shape) if row not in rows])]


def _splice(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    rank = max(value.rank for value in inputs)
    axis = primitive.attributes.get("axis")
    if isinstance(axis, NativeAxis) and axis.index >= rank:  # a new axis in front
        rank = axis.index + 1
        inputs = [emit.reshaped(value, (1,) * (rank - value.rank) + value.shape) for value in inputs]
    row = row_axis(axis, rank, primitive)
    axes = max(value.axes for value in inputs)
    padded = [
        value if value.rank == rank else emit.reshaped(value, (1,) * (rank - value.rank) + value.shape)
        for value in inputs
    ]
    rest = [tuple(1 if i == row else n for i, n in enumerate(value.shape)) for value in padded]
    try:
        common = tuple(int(n) for n in np.broadcast_shapes(*rest))
    except ValueError as error:
        raise refuse(primitive, f"shapes {[value.shape for value in inputs]} cannot be joined.") from error
    expanded = [_expanded(emit, value, common, row, axes, padded) for value in padded]
    shape = tuple(sum(v.shape[row] for v in padded) if i == row else n for i, n in enumerate(common))
    return [Emitted(emit.node("Concat", expanded, axis=row + axes), shape, axes, inputs[0].dtype)]


def _expanded(
    emit: Emitter, value: Emitted, common: tuple[int, ...], row: int, axes: int, others: list[Emitted]
) -> str:
    """Return the name of an operand in the size that joining it with others needs."""
    target = tuple(value.shape[i] if i == row else n for i, n in enumerate(common))
    if value.axes == axes and value.shape == target:
        return value.name
    if value.axes == axes:
        return emit.node("Expand", [value, emit.numbers([1] * axes + list(target))])
    carrier = next(other for other in others if other.axes == axes)
    return expanded_like(emit, value, carrier, target)


def expanded_like(emit: Emitter, value: Emitted, carrier: Emitted, shape: tuple[int, ...]) -> str:
    """Return the name of a value with the dynamic axes of another and the static shape given."""
    if value.axes and value.rank < len(shape):
        value = emit.reshaped(value, (1,) * (len(shape) - value.rank) + value.shape)
    later = value.axes == 1 and carrier.axes == 2
    name = emit.node("Unsqueeze", [value, emit.numbers([1])]) if later else value.name
    dynamic = emit.node("Shape", [carrier], start=0, end=carrier.axes)
    return emit.node("Expand", [name, emit.node("Concat", [dynamic, emit.numbers(list(shape))], axis=0)])


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
    every = any(axis.index in {_ALL_STATIC_AXES, _ALL_AXES} for axis in axes)
    if every and any(axis.index == _ALL_AXES for axis in axes) and x.axes:
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
    (x, low, high), shape, axes = emit.aligned(inputs[:3])
    return [Emitted(emit.node("Min", [emit.node("Max", [x, low]), high]), shape, axes, x.dtype)]


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


def _one_hot(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, classes = inputs[0], int(number(primitive, "numClass", 0))
    axis = primitive.attributes.get("onehotAxis")
    row = row_axis(axis, x.rank + 1, primitive)
    index = emit.node("Cast", [x], to=TensorProto.INT64)
    values = emit.array(np.array([0, 1], x.dtype), "off_and_on")
    name = emit.node("OneHot", [index, emit.numbers([classes]), values], axis=row + x.axes)
    return like(x, name, (*x.shape[:row], classes, *x.shape[row:]))


def _gather(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    indices, data = inputs[:2]
    if data.axes or "axis" in primitive.attributes or axes_of(primitive):
        raise refuse(primitive, "only rows of a parameter or constant can be gathered.")
    index = emit.node("Cast", [indices], to=TensorProto.INT64)
    name = emit.node("Gather", [data, index], axis=0)
    return [Emitted(name, indices.shape + data.shape[1:], indices.axes, data.dtype)]


def _pad(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x = inputs[0]
    head, foot = integers(primitive, "paddingHead")[::-1], integers(primitive, "paddingFoot")[::-1]
    mode = int(number(primitive, "paddingMode", 0))
    if len(head) != x.rank or len(foot) != x.rank or mode not in {0, 1}:
        raise refuse(primitive, "its padding does not go with the operand, or is symmetric.")
    dynamic = [0] * x.axes
    amounts = emit.numbers([*dynamic, *head, *dynamic, *foot])
    given: list[Emitted | str] = [x, amounts]
    if mode == 0:
        given.append(emit.scalar(number(primitive, "paddingConstantValue", 0), x.dtype))
    name = emit.node("Pad", given, mode=("constant", "reflect")[mode])
    return like(x, name, tuple(a + n + b for a, n, b in zip(head, x.shape, foot, strict=True)))


def _top_k(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, count = inputs[0], int(number(primitive, "numItems", 1))
    row = row_axis(primitive.attributes.get("axis"), x.rank, primitive)
    values, indices = emit.names.new("top_values"), emit.names.new("top_indices")
    emit.nodes.append(
        helper.make_node("TopK", [x.name, emit.numbers([count])], [values, indices], axis=row + x.axes)
    )
    shape = tuple(count if i == row else n for i, n in enumerate(x.shape))
    index = emit.node("Cast", [indices], to=helper.np_dtype_to_tensor_dtype(x.dtype))
    return [*like(x, values, shape), *like(x, index, shape)]


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
    "TransposeAxes": _transpose,
    "Slice": _slice,
    "Dropout": same,
    "Reshape": _reshape,
    "SumAll": _sum_all,
    "Plus": broadcast("Add"),
    "Minus": broadcast("Sub"),
    "ElementTimes": broadcast("Mul"),
    "Pow": broadcast("Pow"),
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
    "Splice": _splice,
    "LogPlus": _log_plus,
    "Pass": same,
    "NoOp": _identity,
    "StopGradient": same,
    "ELU": elementwise("Elu"),
    "OneHot": _one_hot,
    "Gather": _gather,
    "Pad": _pad,
    "TopK": _top_k,
    "Squeeze": _squeeze,
    "Cast": _cast,
    **{
        name: elementwise(name)
        for name in ("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Atanh")
    },
}
