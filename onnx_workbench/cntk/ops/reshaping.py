"""Operators that reshape, cut, join and rearrange arrays."""

from __future__ import annotations

import numbers
from typing import Any

from onnx_workbench.cntk.axis import Axis, axis_of
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.ops.composition import combine
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, as_block_of, operand
from onnx_workbench.cntk.value_types import FREE, shape_of

__all__ = [
    "CONSTANT_PAD",
    "REFLECT_PAD",
    "SYMMETRIC_PAD",
    "crop_manual",
    "depth_to_space",
    "expand_dims",
    "flatten",
    "gather",
    "one_hot",
    "pad",
    "reshape",
    "slice",
    "space_to_depth",
    "splice",
    "squeeze",
    "swapaxes",
    "to_batch",
    "transpose",
    "unpack_batch",
]  # fmt: skip

CONSTANT_PAD, REFLECT_PAD, SYMMETRIC_PAD = 0, 1, 2


def reshape(x: Any, shape: Any, begin_axis: Any = None, end_axis: Any = None, name: str = "") -> Function:
    """Return the numbers in another shape, or with some axes replaced.

    Parameters
    ----------
    x
        Operand.
    shape
        What replaces the axes; one may be -1.
    begin_axis, end_axis
        The axes replaced, the second one exclusive; all if not given.
    name
        Name of the result.
    """
    begin, end = axis_of(begin_axis), axis_of(end_axis)
    return apply("Reshape", [x], {"newShape": shape_of(shape), "beginAxis": begin, "endAxis": end}, name)


def squeeze(x: Any, axes: Any = None, name: str = "") -> Function:
    """Remove axes of length 1, all or some."""
    found = (
        None if axes is None else [axis_of(a) for a in (axes if isinstance(axes, list | tuple) else [axes])]
    )
    return apply("Squeeze", [x], {"axisVec": found}, name)


def expand_dims(x: Any, axis: Any, name: str = "") -> Function:
    """Insert an axis of length 1 behind the axis named, as CNTK does; counted from the end, -1 is the last one."""
    found = axis_of(axis) or Axis(0)

    def build(a: Any) -> Function:
        at = _inserted_at(found, a)
        return reshape(a, (1,), at if at < a.rank else Axis.new_leading_axis(), at if at < a.rank else None)

    return as_block_of("ExpandDims", build, [x], name)


def _inserted_at(axis: Axis, x: Any) -> int:
    if axis.name == "EndStaticAxis":
        return 0
    rank, index = x.rank, axis.static_axis_index()
    if not -rank - 1 <= index < rank:
        raise CntkValueError(f"Axis '{axis}' is out of bounds for the rank '{rank}' it applies to.")
    return index + 1 if index >= 0 else rank + 1 + index


def flatten(x: Any, axis: Any = None, name: str = "") -> Function:
    """Return a matrix: the axes before `axis`, and those from it on."""
    primitive = apply("Flatten", [x], {"axis": axis_of(axis)}, name)
    shape = primitive.shape if operand(x).rank is not None else (FREE,)
    if any(length < 0 for length in shape):
        return primitive  # of what is not known yet
    return as_block_of("Flatten", lambda a: reshape(a, shape, name=name), [x], name)


def transpose(x: Any, perm: Any, name: str = "") -> Function:
    """Return the axes in another order.

    Raises
    ------
    TypeError
        If `perm` is one axis: to swap two, use `swapaxes`.
    ValueError
        If `perm` is no permutation.
    """
    if isinstance(perm, int | Axis):
        raise CntkTypeError("transpose expects a permutation; to swap two axes use swapaxes")
    order = [axis.static_axis_index() if isinstance(axis, Axis) else int(axis) for axis in perm]
    count = len(order)
    if (
        sorted(index % count for index in order) != list(range(count))
        or min(order) < -count
        or max(order) >= count
    ):
        raise CntkValueError(
            f"transpose: perm = {tuple(order)} is no permutation of the axes: elements must be from "
            f"{{-len(perm), ..., len(perm)-1}}, each axis once."
        )
    return apply("TransposeAxes", [x], {"axisVec": [index % len(order) for index in order]}, name)


def swapaxes(x: Any, axis1: Any = 0, axis2: Any = 1, name: str = "") -> Function:
    """Swap two axes."""
    return apply("TransposeAxes", [x], {"axis1": axis_of(axis1), "axis2": axis_of(axis2)}, name)


def splice(*inputs: Any, axis: Any = -1, name: str = "") -> Function:
    """Concatenate along an axis; one that is not there yet is inserted in front."""
    if len(inputs) == 1 and isinstance(inputs[0], list | tuple):
        inputs = tuple(inputs[0])
    if not inputs:
        raise CntkValueError("splice needs at least one operand; got none.")
    if len(inputs) == 1:
        return combine([inputs[0]])
    return apply("Splice", list(inputs), {"axis": axis_of(axis)}, name)


def slice(
    x: Any, axis: Any, begin_index: Any, end_index: Any, strides: Any = None, name: str = ""
) -> Function:
    """Return part of an operand along one axis or several; an end of 0 is the end.

    Parameters
    ----------
    x
        Operand.
    axis, begin_index, end_index, strides
        One of each, or lists of the same length.
    name
        Name of the result.
    """
    axes = [axis_of(one) for one in (axis if isinstance(axis, list | tuple) else [axis])]
    begin, end = shape_of(begin_index), shape_of(end_index)
    steps = (1,) * len(axes) if strides is None else shape_of(strides)
    if not len(axes) == len(begin) == len(end) == len(steps):
        raise CntkValueError(
            f"slice: there are {len(axes)} axes, {len(begin)} begins, {len(end)} ends and {len(steps)} strides; "
            "expected as many of each."
        )
    attributes = {"axisVec": axes, "beginIndexVec": begin, "endIndexVec": end, "sliceStridesVec": steps}
    return apply("Slice", [x], attributes, name)


def pad(
    x: Any, pattern: Any, mode: int = CONSTANT_PAD, constant_value: float = 0, name: str = ""
) -> Function:
    """Pad every axis by a pair of lengths, with a number or by reflection.

    Raises
    ------
    NotImplementedError
        If the mode is not one of the three.
    ValueError
        If the pattern is no list of pairs.
    """
    if mode not in {CONSTANT_PAD, REFLECT_PAD, SYMMETRIC_PAD}:
        raise NotImplementedError(
            f"pad: mode {mode!r} is not known; use CONSTANT_PAD, REFLECT_PAD or SYMMETRIC_PAD of cntk.ops."
        )
    if any(len(pair) != 2 for pair in pattern):
        raise CntkValueError("padding pattern should be a integer list with shape [n, 2]")
    attributes = {
        "paddingHead": [int(pair[0]) for pair in pattern],
        "paddingFoot": [int(pair[1]) for pair in pattern],
        "paddingMode": int(mode),
        "paddingConstantValue": float(constant_value),
    }
    return apply("Pad", [x], attributes, name)


def _count(number: Any, what: str) -> int:
    """Return a whole number that is not negative."""
    if not isinstance(number, numbers.Integral) or number < 0:
        raise CntkValueError(f"{what} must be a whole number, 0 or more; got {number!r}.")
    return int(number)


def one_hot(
    x: Any, num_classes: int, sparse_output: bool = False, axis: Any = -1, name: str = ""
) -> Function:
    """Return a 1 in the place that each number names, along a new axis."""
    attributes = {
        "numClass": _count(num_classes, "one_hot: num_classes"),
        "oneHotOutputSparse": sparse_output,
        "oneHotAxis": axis_of(axis),
    }
    return apply("OneHotOp", [x], attributes, name)


def gather(reference: Any, indices: Any, axis: Any = None, name: str = "") -> Function:
    """Return the parts of a reference that indices name, along its first axis or another."""
    return apply("Gather", [reference, indices], {"axis": axis_of(axis)}, name)


def unpack_batch(x: Any, name: str = "") -> Function:
    """Return the batch as the first static axis."""
    return apply("UnpackBatchAxis", [x], name=name)


def to_batch(x: Any, name: str = "") -> Function:
    """Return the first static axis as the batch."""
    return apply("ToBatchAxis", [x], name=name)


def depth_to_space(operand: Any, block_size: int, name: str = "") -> Function:
    """Move blocks of channels into space: (c b b, h, w) becomes (c, h b, w b), the blocks' axes counting first."""
    size = _block_size(block_size)
    channels, height, width = _picture("DepthToSpace", operand)
    if channels % (size * size):
        raise CntkRuntimeError(
            f"DepthToSpace: {channels} channels are no multiple of {size * size}, block_size squared."
        )
    depth = channels // (size * size)

    def build(x: Any) -> Function:
        parts = transpose(reshape(x, (size, size, depth, height, width)), (2, 3, 0, 4, 1))
        return reshape(
            reshape(parts, (depth, height * size, width, size)), (depth, height * size, width * size)
        )

    return as_block_of("DepthToSpace", build, [operand], name)


def space_to_depth(operand: Any, block_size: int, name: str = "") -> Function:
    """Move blocks of space into channels, which `depth_to_space` moves back."""
    size = _block_size(block_size)
    channels, height, width = _picture("SpaceToDepth", operand)
    if height % size or width % size:
        raise CntkRuntimeError(
            f"SpaceToDepth: height {height} and width {width} are no multiples of block_size {size}."
        )
    rows, columns = height // size, width // size

    def build(x: Any) -> Function:
        parts = reshape(reshape(x, (channels, height, columns, size)), (channels, rows, size, columns, size))
        return reshape(transpose(parts, (2, 4, 0, 1, 3)), (channels * size * size, rows, columns))

    return as_block_of("SpaceToDepth", build, [operand], name)


def _block_size(block_size: Any) -> int:
    if not float(block_size).is_integer() or block_size < 1:
        raise CntkValueError(f"block_size must be an integer; got {block_size}.")
    return int(block_size)


def _picture(op_name: str, x: Any) -> tuple[int, int, int]:
    variable = operand(x)
    if variable.rank != 3 or min(variable.shape) < 1:
        raise CntkValueError(f"{op_name}: expected (channels, height, width); got '{variable}'.")
    channels, height, width = variable.shape
    return channels, height, width


def crop_manual(
    node_input: Any, node_referent: Any, offset_x: int, offset_y: int, name: str = ""
) -> Function:
    """Return a part as large as the referent, from an offset."""
    return apply("Crop", [node_input, node_referent], {"offset": [int(offset_x), int(offset_y)]}, name)
