"""How primitives that reshape, cut, join and choose are written in ONNX's operators."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto, helper

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, broadcast_shapes, refuse
from onnx_workbench.cntk.as_onnx.rule_parts import (
    DYNAMIC_AXIS,
    END_STATIC_AXIS,
    Rule,
    axes_of,
    expanded,
    integers,
    like,
    number,
    row_axis,
)
from onnx_workbench.cntk.native.graph import Primitive
from onnx_workbench.cntk.native.values import NativeAxis, Shape


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
    if any(x.shape[row] < 0 for row in rows):
        raise refuse(primitive, "it cuts an axis of free size.")
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
    if any(n < 0 for n in x.shape[first:last]) or min(new, default=0) < -1:
        raise refuse(primitive, "it reshapes an axis of free size.")
    replaced, target = math.prod(x.shape[first:last]), list(new)
    if -1 in target:
        known = math.prod(n for n in target if n != -1)
        target[target.index(-1)] = replaced // known if known > 0 else 0
    return [emit.reshaped(x, (*x.shape[:first], *target, *x.shape[last:]))]


def _border(axis: object, default: int, rank: int) -> int:
    if not isinstance(axis, NativeAxis) or axis.index in {END_STATIC_AXIS, -3}:
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
    common = broadcast_shapes(rest)
    if any(value.shape[row] < 0 for value in padded):
        raise refuse(primitive, "it joins along an axis of free size.")
    widened = [expanded(emit, value, common, row, axes, padded) for value in padded]
    shape = tuple(sum(v.shape[row] for v in padded) if i == row else n for i, n in enumerate(common))
    return [Emitted(emit.node("Concat", widened, axis=row + axes), shape, axes, inputs[0].dtype)]


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


SHAPE_RULES: dict[str, Rule] = {
    "TransposeAxes": _transpose,
    "Slice": _slice,
    "Reshape": _reshape,
    "Splice": _splice,
    "OneHotOp": _one_hot,
    "Gather": _gather,
    "Pad": _pad,
    "TopK": _top_k,
    "Squeeze": _squeeze,
}
