"""Say what is wrong with inputs, and the line that mends it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from onnx_workbench.core.formatting import clean_text, format_shape
from onnx_workbench.core.graph_parts import Value
from onnx_workbench.runtime.picture_advice import advise_on_pictures

_LAYOUTS: dict[tuple[int, ...], str] = {
    (0, 3, 1, 2): "NHWC (channels last), and the model takes NCHW",
    (0, 2, 3, 1): "NCHW (channels first), and the model takes NHWC",
    (0, 1, 3, 2): "of swapped height and width",
}
_PICTURE_LAYOUTS: dict[tuple[int, ...], str] = {
    (2, 0, 1): "one HWC picture (channels last, no batch axis), and the model takes NCHW",
    (1, 2, 0): "one CHW picture (channels first, no batch axis), and the model takes NHWC",
}


def advise(expected: Sequence[Value], given: Mapping[str, Any], defaults: Sequence[Value] = ()) -> str | None:
    """Return what is wrong with the inputs and how to mend it, or None if they fit what is declared.

    Parameters
    ----------
    expected
        The model's inputs as declared.
    given
        The feeds: arrays by input name.
    defaults
        Inputs that the model has a value for; they may be given.
    """
    names = [value.name for value in expected]
    known = {*names, *(value.name for value in defaults)}
    if advice := _advise_on_names(names, [name for name in given if name not in known], given):
        return advice
    for value in (*expected, *(value for value in defaults if value.name in given)):
        if advice := _advise_on_value(value, given[value.name]):
            return advice
    return _advise_on_symbols(expected, given)


def _advise_on_symbols(expected: Sequence[Value], given: Mapping[str, Any]) -> str | None:
    """Return which two inputs give one symbolic dimension two sizes."""
    seen: dict[str, tuple[str, int]] = {}
    for value in expected:
        array = given[value.name]
        shape = array.shape if isinstance(array, np.ndarray) else ()
        for dimension, size in zip(value.shape or (), shape, strict=False):
            if not isinstance(dimension, str):
                continue
            first, known = seen.setdefault(dimension, (value.name, size))
            if known != size:
                return (
                    f"The dimension {clean_text(dimension)!r} is {known} in input {clean_text(first)!r} and {size} in "
                    f"{clean_text(value.name)!r}: the model declares that they are equal.\n"
                    "Give arrays that agree there, such as batches of as many items."
                )
    return None


def _advise_on_names(names: list[str], unknown: list[str], given: Mapping[str, Any]) -> str | None:
    missing = [name for name in names if name not in given]
    listed = ", ".join(repr(clean_text(name)) for name in names) or "none"
    if unknown:
        wrong = ", ".join(repr(clean_text(str(name))) for name in unknown)
        mend = ""
        if len(missing) == len(unknown):
            pairs = ", ".join(f"{clean_text(name)!r}: ..." for name in names)
            mend = f"\nGive  {{{pairs}}}."
        return f"The model has no input {wrong}; its inputs are: {listed}.{mend}"
    if missing:
        wanted = ", ".join(repr(clean_text(name)) for name in missing)
        return f"Input {wanted} is missing; the model's inputs are: {listed}."
    return None


def _advise_on_value(value: Value, array: Any) -> str | None:
    name = clean_text(value.name)
    if not isinstance(array, np.ndarray):
        if value.dtype and "(" in value.dtype:
            return None
        return (
            f"Input {name!r} takes a numpy array; got {type(array).__name__}.\n"
            "Give  np.asarray(x, dtype=...)  of it."
        )
    shape_advice = _advise_on_shape(value, array)
    dtype_advice = _advise_on_dtype(value, array)
    if shape_advice and dtype_advice:
        return f"{shape_advice}\nAnd: {dtype_advice}"
    return shape_advice or dtype_advice


def _advise_on_dtype(value: Value, array: np.ndarray[Any, Any]) -> str | None:
    if value.dtype is None or "(" in value.dtype or value.dtype == array.dtype.name:
        return None
    if value.dtype == "string":
        return (
            None
            if array.dtype.kind in "OU"
            else f"Input {clean_text(value.name)!r} takes strings; got {array.dtype}.\nGive  x.astype(str)."
        )
    got = "text" if array.dtype.kind in "US" else array.dtype.name
    text = f"Input {clean_text(value.name)!r} takes {value.dtype}; got {got}."
    line = f"x.astype({'np' if hasattr(np, value.dtype) else 'ml_dtypes'}.{value.dtype})"
    if array.dtype == np.uint8 and value.dtype.startswith("float"):
        return (
            f"{text}\nGive  {line}  after scaling: bytes are 0..255, and most models take 0..1 or normalised values "
            f"(x.astype(np.{value.dtype}) / 255, then mean and std). Preprocessing does all of it."
        )
    if (
        value.dtype == "uint8"
        and array.dtype.kind == "f"
        and array.size
        and array.min() >= 0
        and array.max() <= 1
    ):
        return (
            f"{text} Its values lie in 0..1, and bytes in 0..255.\nGive  (x * 255).round().astype(np.uint8)."
        )
    if array.dtype == np.float64 and value.dtype == "float32":
        return f"{text} numpy makes float64 by default.\nGive  {line}."
    return f"{text}\nGive  {line}  if the values mean the same."


def _fits(expected: Sequence[int | str | None], shape: Sequence[int]) -> bool:
    """Tell whether a shape fits; symbolic dimensions of one name must be equal."""
    bound: dict[str, int] = {}
    return len(expected) == len(shape) and all(
        dimension is None
        or dimension == size
        or (isinstance(dimension, str) and bound.setdefault(dimension, size) == size)
        for dimension, size in zip(expected, shape, strict=True)
    )


def _advise_on_shape(value: Value, array: np.ndarray[Any, Any]) -> str | None:
    expected, shape = value.shape, array.shape
    if expected is None or _fits(expected, shape):
        return None
    start = (
        f"Input {clean_text(value.name)!r} takes shape {format_shape(expected)}; got {format_shape(shape)}"
    )
    for axes, what in _LAYOUTS.items():
        if len(shape) == 4 and _fits(expected, [shape[axis] for axis in axes]):
            return f"{start}: it is {what}.\nGive  np.transpose(x, {axes})  (not reshape, which would mix the pixels)."
    if len(shape) + 1 == len(expected):
        if _fits(expected[1:], shape):
            return f"{start}: the batch axis is missing.\nGive  x[np.newaxis]."
        for axes, what in _PICTURE_LAYOUTS.items():
            if len(shape) == 3 and _fits(expected[1:], [shape[axis] for axis in axes]):
                return f"{start}: it is {what}.\nGive  np.transpose(x, {axes})[np.newaxis]."
    if len(shape) == len(expected) + 1 and shape[0] == 1 and _fits(expected, shape[1:]):
        return f"{start}: there is one axis too many.\nGive  x[0]."
    return start + (
        _advise_on_batch(expected, shape)
        or advise_on_pictures(expected, shape, value.dtype, resized=False)
        or _advise_on_items(expected, shape)
        or advise_on_pictures(expected, shape, value.dtype)
        or _advise_on_sizes(expected, shape)
    )


def _advise_on_batch(expected: Sequence[int | str | None], shape: Sequence[int]) -> str | None:
    """Return the end of the sentence for a batch of another size than the only one that the model takes."""
    if len(shape) < 2 or not isinstance(expected[0], int) or not _fits(expected[1:], shape[1:]):
        return None
    return (
        f": the model's batch size is fixed at {expected[0]}.\nGive that many items at a time (x[:{expected[0]}]), "
        "or export the model with a dynamic batch."
    )


def _advise_on_items(expected: Sequence[int | str | None], shape: Sequence[int]) -> str | None:
    """Return advice for arrays that hold the right number of elements under another rank."""
    sizes = [size for size in expected[1:] if isinstance(size, int)]
    if len(sizes) != len(expected) - 1 or len(shape) == len(expected) > 2 or 0 in sizes or 0 in shape:
        return None
    start = f"{_on_rank(expected, shape)}.\n"
    inner, per_item = ", ".join(map(str, sizes)), math.prod(sizes)
    if expected[0] in {1, None} or isinstance(expected[0], str):
        if math.prod(shape) == per_item:
            return f"{start}It has the elements of one item: x.reshape(1, {inner})  if their order fits."
        if expected[0] != 1 and math.prod(shape[1:]) == per_item:
            return f"{start}Each item has as many elements: x.reshape(len(x), {inner})  if their order fits."
    return None


def _on_rank(expected: Sequence[object], shape: Sequence[int]) -> str:
    same = len(shape) == len(expected)
    return "" if same else f": {len(shape)} axes where {len(expected)} are expected"


def _advise_on_sizes(expected: Sequence[int | str | None], shape: Sequence[int]) -> str:
    """Return the end of the sentence for a shape of which nothing better can be said."""
    if len(shape) != len(expected):
        return f"{_on_rank(expected, shape)}."
    for axes in permutations(range(len(shape))) if len(shape) <= 4 else ():
        if _fits(expected, [shape[axis] for axis in axes]):
            return f": its axes stand in another order.\nGive  np.transpose(x, {axes})  if that is what they mean."
    named = ", ".join(
        f"axis {i} is {got} and should be {want}"
        for i, (want, got) in enumerate(zip(expected, shape, strict=True))
        if isinstance(want, int) and want != got
    )
    return f": {named}." if named else ": axes with one symbolic name must be equal."
