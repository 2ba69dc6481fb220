"""What rules for ONNX are made of: axes and numbers of primitives, and rules that many primitives share."""

from __future__ import annotations

from collections.abc import Callable

from onnx import helper

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, refuse
from onnx_workbench.cntk.native.graph import Primitive
from onnx_workbench.cntk.native.values import NativeAxis

Rule = Callable[[Emitter, Primitive, list[Emitted]], list[Emitted]]

# CNTK's marks for axes that are not static (CNTKLibrary.h).
DYNAMIC_AXIS = 2147483647
ALL_STATIC_AXES, END_STATIC_AXIS, ALL_AXES = DYNAMIC_AXIS - 1, DYNAMIC_AXIS - 3, DYNAMIC_AXIS - 4


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


def expanded(
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
