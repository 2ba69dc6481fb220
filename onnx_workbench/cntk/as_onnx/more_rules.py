"""Operators that native files hold as blocks, or seldom, and that graphs built here hold as primitives."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto, helper

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, refuse
from onnx_workbench.cntk.as_onnx.rule_parts import Rule, elementwise, integers, like, number, row_axis
from onnx_workbench.cntk.native.graph import Primitive
from onnx_workbench.cntk.native.values import Shape


def _code(value: Emitted) -> int:
    return int(helper.np_dtype_to_tensor_dtype(value.dtype))


def _flags(emit: Emitter, name: str, x: Emitted) -> str:
    """Return booleans as 0 and 1 in the dtype of an operand."""
    return emit.node("Cast", [name], to=_code(x))


def _not(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x = inputs[0]
    return like(x, _flags(emit, emit.node("Equal", [x, emit.scalar(0, x.dtype)]), x))


def _softsign(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x = inputs[0]
    below = emit.node("Add", [emit.node("Abs", [x]), emit.scalar(1, x.dtype)])
    return like(x, emit.node("Div", [x, below]))


def _elu(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return x where positive, alpha (exp(x) - 1) elsewhere: of primitives, as not every dtype has ONNX's Elu."""
    x = inputs[0]
    zero = emit.scalar(0, x.dtype)
    negative = emit.node("Sub", [emit.node("Exp", [emit.node("Min", [x, zero])]), emit.scalar(1, x.dtype)])
    scaled = emit.node("Mul", [negative, emit.scalar(number(primitive, "alpha", 1.0), x.dtype)])
    return like(x, emit.node("Add", [emit.node("Max", [x, zero]), scaled]))


def _straight_through(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x = inputs[0]
    positive = emit.node("Greater", [x, emit.scalar(0, x.dtype)])
    signs = emit.node("Where", [positive, emit.scalar(1, x.dtype), emit.scalar(-1, x.dtype)])
    within = emit.node("Min", [emit.node("Max", [x, emit.scalar(-1, x.dtype)]), emit.scalar(1, x.dtype)])
    zero = emit.node("Mul", [within, emit.scalar(0, x.dtype)], doc_string="StraightThrough")
    return like(x, emit.node("Add", [signs, zero]))


def _stop_gradient(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    return like(inputs[0], emit.node("Identity", inputs[:1], doc_string="StopGradient"))


def _filled(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x = inputs[0]
    value = helper.make_tensor("value", _code(x), [1], [number(primitive, "fillValue", 0.0)])
    return like(x, emit.node("ConstantOfShape", [emit.node("Shape", [x])], value=value))


def _eye(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x = inputs[0]
    if x.rank + x.axes != 2:
        raise refuse(primitive, f"it has {x.rank + x.axes} axes, and a matrix has two.")
    return like(x, emit.node("EyeLike", [x], dtype=_code(x)))


def _logistic(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """-sum(t log(p) + (1 - t) log(1 - p)), times a weight for each sample."""
    (p, t), shape, axes = emit.aligned(inputs[:2])
    one = emit.scalar(1, p.dtype)
    tiny = emit.scalar(1e-37, p.dtype)

    def logarithm(value: str | Emitted) -> str:
        return emit.node("Log", [emit.node("Max", [value, tiny])])

    hit = emit.node("Mul", [t, logarithm(p)])
    miss = emit.node("Mul", [emit.node("Sub", [one, t]), logarithm(emit.node("Sub", [one, p]))])
    loss = Emitted(emit.node("Neg", [emit.node("Add", [hit, miss])]), shape, axes, p.dtype)
    if len(inputs) > 2:
        (a, b), shape, axes = emit.aligned([loss, inputs[2]])
        loss = Emitted(emit.node("Mul", [a, b]), shape, axes, p.dtype)
    flat = emit.reshaped(loss, (loss.size,))
    return [Emitted(emit.node("ReduceSum", [flat, emit.numbers([flat.axes])], keepdims=0), (), axes, p.dtype)]


def _number_of_best(primitive: Primitive, inputs: list[Emitted]) -> int:
    if len(inputs) < 3:
        return 1
    leaf = inputs[2].leaf
    if leaf is None or leaf.value is None or inputs[2].size != 1:
        raise refuse(primitive, "how many of the greatest outputs count must be a constant.")
    return int(np.asarray(leaf.value if isinstance(leaf.value, np.ndarray) else leaf.value.values()).item())


def _classification_error(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return 1 where the label is not the greatest output, or not among the `topN` greatest."""
    x, labels = (emit.reshaped(value, (value.size,)) for value in inputs[:2])
    best = _number_of_best(primitive, inputs)
    target = emit.node("ArgMax", [labels], axis=labels.axes, keepdims=1)
    if best == 1:
        found = emit.node("Equal", [emit.node("ArgMax", [x], axis=x.axes, keepdims=1), target])
        wrong = emit.node("Not", [found])
        return [Emitted(_flags(emit, wrong, x), (1,), max(x.axes, labels.axes), x.dtype)]
    values, indices = emit.names.new("top_values"), emit.names.new("top_indices")
    emit.nodes.append(
        helper.make_node("TopK", [x.name, emit.numbers([best])], [values, indices], axis=x.axes)
    )
    hits = _flags(emit, emit.node("Equal", [indices, target]), x)
    among = emit.node("ReduceMax", [hits, emit.numbers([x.axes])], keepdims=0)
    wrong = emit.node("Sub", [emit.scalar(1, x.dtype), among])
    return [Emitted(emit.node("ReduceSum", [wrong], keepdims=0), (), 0, x.dtype)]


_MOST_CLASSES = 1 << 24


def _one_hot(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return 1 where the number of a class equals the operand: a comparison, as not every dtype has ONNX's OneHot."""
    x, classes = inputs[0], int(number(primitive, "numClass", 0))
    if not 0 <= classes <= _MOST_CLASSES:
        raise refuse(primitive, f"it makes {classes:,} classes; at most {_MOST_CLASSES:,} are written.")
    row = row_axis(primitive.attributes.get("onehotAxis"), x.rank + 1, primitive)
    wide = emit.reshaped(x, (*x.shape[:row], 1, *x.shape[row:]))
    numbers = np.arange(classes, dtype=x.dtype).reshape(classes, *[1] * (x.rank - row))
    whole = emit.node("Floor", [wide])
    name = _flags(emit, emit.node("Equal", [whole, emit.array(numbers, "classes")]), x)
    return like(x, name, (*x.shape[:row], classes, *x.shape[row:]))


def exact_normalization(rule: Rule) -> Rule:
    """Return a rule for BatchNormalization that keeps the precision of float64: ONNX's epsilon is a float32."""

    def whole(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        x = inputs[0]
        if x.dtype != np.float64 or len(inputs) < 5:
            return rule(emit, primitive, inputs)
        spatial = bool(primitive.attributes.get("spatial", False)) and x.rank > 0
        shape = (x.shape[0], *[1] * (x.rank - 1)) if spatial else x.shape
        found = [emit.reshaped(one, shape) if one.size == math.prod(shape) else one for one in inputs[1:5]]
        scale, bias, mean, variance = found
        wide = emit.node("Add", [variance, emit.scalar(number(primitive, "epsilon", 1e-5), x.dtype)])
        normal = emit.node("Div", [emit.node("Sub", [x, mean]), emit.node("Sqrt", [wide])])
        return like(x, emit.node("Add", [emit.node("Mul", [normal, scale]), bias]))

    return whole


def _log(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x = inputs[0]
    tiny = emit.scalar(1e-37, x.dtype)
    lowest = emit.scalar(float(np.float32(-85.1)), x.dtype)
    logarithm = emit.node("Log", [emit.node("Max", [x, tiny])])
    return like(x, emit.node("Where", [emit.node("Less", [x, tiny]), lowest, logarithm]))


def _depth_to_space(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, block = inputs[0], int(number(primitive, "blockSize", 1))
    channels, height, width = x.shape
    depth = channels // block**2
    split = emit.reshaped(x, (block, block, depth, height, width))
    order = [2, 3, 0, 4, 1]
    name = emit.node("Transpose", [split], perm=[*range(x.axes), *(x.axes + axis for axis in order)])
    turned = like(x, name, (depth, height, block, width, block))[0]
    return [emit.reshaped(turned, (depth, height * block, width * block))]


def _space_to_depth(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, block = inputs[0], int(number(primitive, "blockSize", 1))
    channels, height, width = x.shape
    split = emit.reshaped(x, (channels, height // block, block, width // block, block))
    order = [2, 4, 0, 1, 3]
    name = emit.node("Transpose", [split], perm=[*range(x.axes), *(x.axes + axis for axis in order)])
    turned = like(x, name, (block, block, channels, height // block, width // block))[0]
    return [emit.reshaped(turned, (channels * block**2, height // block, width // block))]


def _crop(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, referent = inputs[:2]
    right, down = integers(primitive, "offset") or (0, 0)
    height, width = referent.shape[-2:]
    first = x.axes + x.rank - 2
    starts, ends = [down, right], [down + height, right + width]
    if ends[0] > x.shape[-2] or ends[1] > x.shape[-1]:
        raise refuse(primitive, f"a part of {height} x {width} from {starts} is not inside {x.shape}.")
    name = emit.node("Slice", [x, emit.numbers(starts), emit.numbers(ends), emit.numbers([first, first + 1])])
    return like(x, name, (*x.shape[:-2], height, width))


def _symmetric_pad(emit: Emitter, x: Emitted, head: list[int], foot: list[int]) -> Emitted:
    """Repeat the border too: by gathering the indices, which are known."""
    for row, (before, after) in enumerate(zip(head, foot, strict=True)):
        if before or after:
            places = np.pad(np.arange(x.shape[row]), (before, after), mode="symmetric")
            name = emit.node("Gather", [x, emit.array(places.astype(np.int64), "places")], axis=row + x.axes)
            x = like(x, name, tuple(len(places) if i == row else n for i, n in enumerate(x.shape)))[0]
    return x


def with_symmetric_padding(rule: Rule) -> Rule:
    """Return a rule for Pad that knows the symmetric mode too."""

    def whole(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        if int(number(primitive, "paddingMode", 0)) != 2:
            return rule(emit, primitive, inputs)
        head, foot = (integers(primitive, key)[::-1] for key in ("paddingHead", "paddingFoot"))
        if len(head) != inputs[0].rank or len(foot) != inputs[0].rank:
            raise refuse(primitive, "its padding does not go with the operand.")
        return [_symmetric_pad(emit, inputs[0], head, foot)]

    return whole


def _gather(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Take parts of a reference, which may be a parameter or of the same batch."""
    indices, data = inputs[:2]
    axis = primitive.attributes.get("axis")
    row = 0 if axis is None else row_axis(axis, data.rank, primitive)
    index = emit.node("Cast", [indices], to=TensorProto.INT64)
    shape = data.shape[:row] + indices.shape + data.shape[row + 1 :]
    if not (data.axes and indices.axes):
        if indices.axes and row:
            raise refuse(primitive, "parts of a parameter are gathered along its first axis only.")
        name = emit.node("Gather", [data, index], axis=row + data.axes)
        return [Emitted(name, shape, max(data.axes, indices.axes), data.dtype)]
    if data.axes != 1 or indices.axes != 1 or row:
        raise refuse(
            primitive, "parts of sequences, or along other axes than the first, are not gathered in ONNX."
        )
    flat = emit.node("Reshape", [index, emit.numbers([0, math.prod(indices.shape), 1])])
    name = emit.node("GatherND", [data, flat], batch_dims=1)
    gathered = Emitted(name, (math.prod(indices.shape), *data.shape[1:]), 1, data.dtype)
    return [emit.reshaped(gathered, shape)]


def _roi_pooling(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, rois = inputs[:2]
    grid = primitive.attributes.get("roiOutputShape")
    if not isinstance(grid, Shape) or x.axes != 1 or rois.axes != 1:
        raise refuse(primitive, "its grid is missing, or its operands have no batch.")
    count = rois.shape[0]
    batch = emit.node("Shape", [x], start=0, end=1)
    number_of = emit.node(
        "Range", [emit.array(np.array(0)), emit.node("Squeeze", [batch]), emit.array(np.array(1))]
    )
    repeated = emit.node(
        "Expand", [emit.node("Unsqueeze", [number_of, emit.numbers([1])]), emit.numbers([1, count])]
    )
    column = emit.node("Cast", [emit.node("Reshape", [repeated, emit.numbers([-1, 1])])], to=_code(x))
    corners = emit.node("Reshape", [rois, emit.numbers([-1, 4])])
    name = emit.node(
        "MaxRoiPool",
        [x, emit.node("Concat", [column, corners], axis=1)],
        pooled_shape=list(grid)[-2:],
        spatial_scale=number(primitive, "spatialScale", 1.0),
    )
    shape = (count, x.shape[0], *list(grid)[-2:])
    return [Emitted(emit.node("Reshape", [name, emit.numbers([-1, *shape])]), shape, 1, x.dtype)]


def _assign(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return what is assigned; that it is kept is up to who evaluates."""
    return like(inputs[1], emit.node("Identity", [inputs[1]]))


MORE_RULES: dict[str, Rule] = {
    "Ceil": elementwise("Ceil"),
    "Not": _not,
    "SoftSign": _softsign,
    "ELU": _elu,
    "StopGradient": _stop_gradient,
    "StraightThrough": _straight_through,
    "ConstantOp": _filled,
    "EyeLikeOp": _eye,
    "Log": _log,
    "OneHotOp": _one_hot,
    "Logistic": _logistic,
    "ClassificationError": _classification_error,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Crop": _crop,
    "Gather": _gather,
    "ROIPooling": _roi_pooling,
    "Assign": _assign,
}
