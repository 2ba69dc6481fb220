"""Shapes of what reshapes, cuts, joins and slides windows."""

from __future__ import annotations

import math
from typing import Any

from onnx_workbench.cntk import windows
from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.inference.registry import Shape, checked_axis, shapes, static_axes, text_of
from onnx_workbench.cntk.value_types import FREE, INFERRED


@shapes("Reshape")
def _reshape(function: Any) -> Shape:
    shape = function.inputs[0].shape
    begin, end = reshaped_axes(function)
    replaced, new = shape[begin:end], function.attributes["newShape"]
    if new.count(INFERRED) > 1:
        raise CntkValueError(
            f"Reshape: More than one axis's dimension was unspecified in the replacement shape '{text_of(new)}'; "
            "one -1 can be worked out."
        )
    if INFERRED in new:
        rest = math.prod(size for size in new if size != INFERRED)
        size = math.prod(replaced)
        if FREE in replaced:
            length = FREE
        elif not rest or size % rest:
            raise CntkValueError(
                f"Reshape: '{text_of(replaced)}' of '{function.inputs[0]}' cannot become '{text_of(new)}': {size} "
                f"numbers are no multiple of {rest}."
            )
        else:
            length = size // rest
        new = tuple(length if size == INFERRED else size for size in new)
    elif FREE not in (*new, *replaced) and math.prod(new) != math.prod(replaced):
        raise CntkValueError(
            f"Reshape: '{text_of(replaced)}' of '{function.inputs[0]}' cannot become '{text_of(new)}': "
            f"{math.prod(replaced)} numbers are not {math.prod(new)}."
        )
    return (*shape[:begin], *new, *shape[end:])


def reshaped_axes(function: Any) -> tuple[int, int]:
    """Return the first axis that a reshape replaces, and the first one after."""
    rank = function.inputs[0].rank

    def place(axis: Axis | None, default: int) -> int:
        if axis is None or axis.name == "EndStaticAxis":
            return default
        index = axis.static_axis_index()
        if not -rank <= index <= rank:
            raise CntkValueError(f"Reshape: axis {index} is out of range for '{function.inputs[0]}'.")
        return index + rank if index < 0 else index

    begin = function.attributes["beginAxis"]
    first = rank if begin is not None and begin.name == "EndStaticAxis" else place(begin, 0)
    return first, place(function.attributes["endAxis"], rank)


@shapes("Squeeze")
def _squeeze(function: Any) -> Shape:
    shape, which = function.inputs[0].shape, function.attributes["axisVec"]
    along = [i for i, size in enumerate(shape) if size == 1] if which is None else static_axes(function)
    for index in along:
        if shape[index] not in {1, FREE, INFERRED}:
            raise CntkRuntimeError(
                f"Squeeze: axis {index} of '{function.inputs[0]}' has length {shape[index]}; only axes of length 1 can "
                "be left out."
            )
    return tuple(size for index, size in enumerate(shape) if index not in along)


@shapes("Flatten")
def _flatten(function: Any) -> Shape:
    shape, axis = function.inputs[0].shape, function.attributes["axis"]
    at = 0 if axis is None else axis.static_axis_index()
    if not -len(shape) - 1 <= at <= len(shape):
        raise CntkRuntimeError(
            f"Flatten: unsupported axis {at}; the operand '{function.inputs[0]}' has {len(shape)} axes."
        )
    at = at + len(shape) + 1 if at < 0 else at
    return tuple(FREE if FREE in part else math.prod(part) for part in (shape[:at], shape[at:]))


@shapes("TransposeAxes")
def _transpose(function: Any) -> Shape:
    shape = function.inputs[0].shape
    return tuple(shape[index] for index in permutation(function))


def permutation(function: Any) -> list[int]:
    """Return the order of axes that a transposition makes."""
    rank = function.inputs[0].rank
    if "axisVec" in function.attributes:
        order = function.attributes["axisVec"]
        if len(order) != rank:
            raise (CntkRuntimeError if len(order) > rank else CntkValueError)(
                f"transpose: perm {order} names {len(order)} axes; the operand '{function.inputs[0]}' has {rank}."
            )
        return list(order)
    order = list(range(rank))
    one, other = (checked_axis(function.attributes[name], rank, function) for name in ("axis1", "axis2"))
    order[one], order[other] = order[other], order[one]
    return order


@shapes("Splice")
def _splice(function: Any) -> Shape:
    rank = max(one.rank for one in function.inputs)
    at = spliced_axis(function)
    if at >= rank:
        raise CntkValueError(
            f"Splice: axis {at} is out of range; the operands {', '.join(map(str, function.inputs))} have {rank} axes."
        )
    front = at < 0
    parts = [(1,) * (rank - one.rank) + one.shape for one in function.inputs]
    if front:
        parts, at = [(1,) * -at + part if len(part) == rank else part for part in parts], 0
        parts = [(1, *part[1:]) for part in parts]
    sizes = [part[at] for part in parts]
    whole = [max(column) if FREE not in column else FREE for column in zip(*parts, strict=True)]
    for part in parts:
        for index, size in enumerate(part):
            if index != at and size not in {1, whole[index]}:
                raise CntkValueError(
                    f"Splice: Conflicting dimensionality of axis {index}: the operands "
                    f"{', '.join(map(str, function.inputs))} do not agree but along axis {at}."
                )
    whole[at] = FREE if FREE in sizes else sum(sizes)
    return tuple(whole)


def spliced_axis(function: Any) -> int:
    """Return along which axis operands are put together; negative: so many new ones in front."""
    axis = function.attributes["axis"]
    rank = max(one.rank for one in function.inputs)
    index = axis.static_axis_index(False) if axis.is_static_axis else 0
    return int(index if index >= 0 else index + rank)


@shapes("Slice")
def _slice(function: Any) -> Shape:
    shape = list(function.inputs[0].shape)
    for index, begin, end, step in slices(function):
        size = shape[index]
        if not step:
            raise CntkRuntimeError(
                f"Slice operation: a stride of 0 along axis {index} goes nowhere; expected 1, 2, -1."
            )
        if size == FREE:
            continue
        start = begin + size if begin < 0 else begin
        stop = end + size if end <= 0 else end
        if not 0 <= start < stop <= size:
            raise CntkRuntimeError(
                f"Slice operation: Index range [{begin},{end}), that is [{start},{stop}), is invalid for input's "
                f"shape '{text_of(function.inputs[0].shape)}' along axis {index}."
            )
        shape[index] = -(-(stop - start) // abs(step))
    return tuple(shape)


def slices(function: Any) -> list[tuple[int, int, int, int]]:
    """Return axis, begin, end and step of each static axis that is sliced."""
    attributes = function.attributes
    parts = zip(
        attributes["axisVec"],
        attributes["beginIndexVec"],
        attributes["endIndexVec"],
        attributes["sliceStridesVec"],
        strict=True,
    )
    rank = function.inputs[0].rank
    return [
        (checked_axis(axis, rank, function), begin, end, step)
        for axis, begin, end, step in parts
        if axis.is_static_axis
    ]


_REFLECT = 1


@shapes("Pad")
def _pad(function: Any) -> Shape:
    head, foot = function.attributes["paddingHead"], function.attributes["paddingFoot"]
    shape = function.inputs[0].shape
    if len(head) != len(shape):
        raise CntkRuntimeError(
            f"Pad: the pattern names {len(head)} axes; the operand '{function.inputs[0]}' has {len(shape)}."
        )
    if min([*head, *foot]) < 0:
        raise CntkValueError(f"Pad: the pattern {list(zip(head, foot, strict=True))} has negative numbers.")
    mode = function.attributes["paddingMode"]
    for size, *amounts in zip(shape, head, foot, strict=True):
        if mode and size != FREE and max(amounts) > size - (mode == _REFLECT):
            raise CntkRuntimeError(
                f"Pad: by {'reflection' if mode == _REFLECT else 'symmetry'}, an axis of length {size} cannot be "
                f"lengthened by {max(amounts)}; at most by {size - (mode == _REFLECT)}."
            )
    return tuple(size if size == FREE else size + a + b for size, a, b in zip(shape, head, foot, strict=True))


@shapes("OneHotOp")
def _one_hot(function: Any) -> Shape:
    shape = list(function.inputs[0].shape)
    shape.insert(one_hot_axis(function), function.attributes["numClass"])
    return tuple(shape)


def one_hot_axis(function: Any) -> int:
    """Return where the axis of the classes is inserted."""
    index = function.attributes["oneHotAxis"].static_axis_index()
    rank = function.inputs[0].rank
    if not -rank - 1 <= index <= rank:
        raise CntkValueError(
            f"one_hot: axis {index} is out of bounds for '{function.inputs[0]}' of {rank} axes."
        )
    return index if index >= 0 else function.inputs[0].rank + 1 + index  # type: ignore[no-any-return]


@shapes("Gather")
def _gather(function: Any) -> Shape:
    reference, indices = function.inputs
    axis = function.attributes["axis"]
    at = 0 if axis is None else checked_axis(axis, reference.rank, function)
    return (*reference.shape[:at], *indices.shape, *reference.shape[at + 1 :])


@shapes("UnpackBatchAxis")
def _unpack_batch(function: Any) -> Shape:
    return (FREE, *function.inputs[0].shape)


@shapes("ToBatchAxis", "ToSequenceOp", "ToSequenceLikeOp")
def _to_batch(function: Any) -> Shape:
    return function.inputs[0].shape[1:]  # type: ignore[no-any-return]


@shapes("UnpackSequenceOp")
def _unpack_sequence(function: Any) -> list[Shape]:
    return [(FREE, *function.inputs[0].shape), (FREE,)][: len(function._made)]


@shapes("Crop")
def _crop(function: Any) -> Shape:
    x, referent = function.inputs
    return (*x.shape[:-2], *referent.shape[-2:])


@shapes("Assign")
def _assign(function: Any) -> Shape:
    return function.inputs[0].shape  # type: ignore[no-any-return]


@shapes("Convolution")
def _convolution(function: Any) -> Shape:
    return windows.convolution_shape(function)


@shapes("Pooling")
def _pooling(function: Any) -> Shape:
    return windows.pooling_shape(function)


@shapes("Unpooling")
def _unpooling(function: Any) -> Shape:
    x, original = function.inputs
    pooled = windows.pooled_shape(function, original)
    if FREE not in (*pooled, *x.shape) and pooled != x.shape:
        raise CntkRuntimeError(
            f"Unpooling: the operand '{x}' has another shape than '{text_of(pooled)}', which pooling of '{original}' "
            "gives."
        )
    return function.inputs[1].shape  # type: ignore[no-any-return]


@shapes("ROIPooling")
def _roi_pooling(function: Any) -> Shape:
    x, rois = function.inputs
    if x.rank != 3 or rois.rank != 2 or rois.shape[1] not in {4, FREE}:
        raise CntkRuntimeError(
            f"ROIPooling: expected a picture (channels, height, width) and regions (n, 4); got '{x}' and '{rois}'."
        )
    return (*rois.shape[:-1], x.shape[0], *function.attributes["roiOutputShape"])


# Dynamic axes
