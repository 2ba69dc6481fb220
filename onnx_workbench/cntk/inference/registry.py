"""The rules of shapes and axes: where operators register theirs, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.value_types import FREE, INFERRED
from onnx_workbench.cntk.variables import Constant, Parameter

Shape = tuple[int, ...]
ELEMENTWISE = {
    "Plus", "Minus", "ElementTimes", "LogPlus", "Pow", "Equal", "NotEqual", "Less", "LessEqual", "Greater",
    "GreaterEqual", "Select", "Clip",
}  # fmt: skip
SHAPES: dict[str, Callable[[Any], Any]] = {}
AXES: dict[str, Callable[[Any], tuple[Axis, ...]]] = {}


def shapes(*op_names: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register how the shapes of some operators' outputs follow from the operands."""

    def register(rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
        SHAPES.update(dict.fromkeys(op_names, rule))
        return rule

    return register


def axes(*op_names: str) -> Callable[[Callable[[Any], tuple[Axis, ...]]], Callable[[Any], tuple[Axis, ...]]]:
    """Register how the dynamic axes of some operators' outputs follow from the operands."""

    def register(rule: Callable[[Any], tuple[Axis, ...]]) -> Callable[[Any], tuple[Axis, ...]]:
        AXES.update(dict.fromkeys(op_names, rule))
        return rule

    return register


def joined_axes(operands: Any) -> tuple[Axis, ...]:
    """Return the dynamic axes of something made of several operands: the most that one of them has."""
    unknown = any(one.dynamic_axes == UNKNOWN_AXES for one in operands)
    known = [one.dynamic_axes for one in operands if one.dynamic_axes != UNKNOWN_AXES]
    if unknown and not any(known):
        return UNKNOWN_AXES
    longest: tuple[Axis, ...] = max(known, key=len, default=())
    for one in known:
        if one and len(one) == len(longest) and one != longest:
            raise CntkRuntimeError(
                f"Operands have different dynamic axes: {one} and {longest}. Sequences of different inputs may have "
                "different lengths: give them the same axis, or use reconcile_dynamic_axes."
            )
    return longest


def broadcast(name: str, operands: Any) -> Shape:
    """Return the shape of operands of which any axis of length 1 is repeated; weights left open are filled in."""
    rank = max(one.rank for one in operands)
    found: list[int] = []
    for position in range(rank):
        sizes = [one.shape[position - rank + one.rank] for one in operands if position - rank + one.rank >= 0]
        wide = {size for size in sizes if size not in {1, INFERRED}}
        fixed = wide - {FREE}
        if len(fixed) > 1:
            left, right = operands[0], operands[-1]
            raise CntkRuntimeError(
                f"Binary elementwise operation {name}: Left operand '{left}' shape '{text_of(left.shape)}' is not "
                f"compatible with right operand '{right}' shape '{text_of(right.shape)}'."
            )
        found.append((fixed or wide or {INFERRED if INFERRED in sizes else 1}).pop())
    for one in operands:
        if INFERRED in one.shape and (one.is_placeholder or isinstance(one, Parameter | Constant)):
            tail = found[len(found) - one.rank :]
            one.resolve(
                tuple(size if own == INFERRED else own for own, size in zip(one.shape, tail, strict=True))
            )
    return tuple(found)


def text_of(shape: Shape) -> str:
    """Return a shape as CNTK's errors write it."""
    return f"[{' x '.join(str(size) for size in shape)}]"


def static_axes(function: Any, *, what: Any = None) -> list[int]:
    """Return the static axes that a reduction works along, from the front."""
    rank = function.inputs[0].rank
    found = what if what is not None else function.attributes["axisVec"]
    indices: list[int] = []
    if what is None and not found:
        raise CntkRuntimeError(
            f"{function.op_name}: operand '{function.inputs[0]}'; Empty axes argument provided."
        )
    for axis in found:
        if axis is None or axis.name in {"AllStaticAxes", "AllAxes"}:
            indices += range(rank)
        elif axis.is_static_axis:
            indices.append(checked_axis(axis, rank, function))
    return sorted(set(indices))


def checked_axis(axis: Axis, rank: int, function: Any) -> int:
    """Return a static axis counted from the front, or refuse it."""
    index = axis.static_axis_index()
    if not -rank <= index < rank:
        raise CntkValueError(
            f"{function.op_name}: axis {index} is out of range for the operand '{function.inputs[0]}' with {rank} "
            "static axes."
        )
    return index % rank


def reduced_dynamic_axes(function: Any) -> tuple[bool, bool]:
    """Return whether a reduction works along the batch, and along the sequence."""
    found = function.attributes.get("axisVec") or [function.attributes.get("axis")]  # one axis, or several
    names = [axis for axis in found if axis is not None]
    everything = any(axis.name == "AllAxes" for axis in names)
    batch = everything or any(axis.is_batch_axis for axis in names)
    sequence = everything or any(axis.is_sequence_axis for axis in names)
    return batch, sequence
