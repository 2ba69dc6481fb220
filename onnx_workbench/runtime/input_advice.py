"""Say what is wrong with inputs, and the line that mends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from onnx_workbench.core.formatting import clean_text, format_shape
from onnx_workbench.core.graph_parts import Value

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
    text = f"Input {clean_text(value.name)!r} takes {value.dtype}; got {array.dtype.name}."
    line = f"x.astype({'np' if hasattr(np, value.dtype) else 'ml_dtypes'}.{value.dtype})"
    if array.dtype == np.uint8 and value.dtype.startswith("float"):
        return (
            f"{text}\nGive  {line}  after scaling: bytes are 0..255, and most models take 0..1 or normalised values "
            f"(x.astype(np.{value.dtype}) / 255, then mean and std). Preprocessing does all of it."
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
    if len(shape) == len(expected):
        return f"{start}{_advise_on_sizes(expected, shape)}"
    return f"{start}: {len(shape)} axes where {len(expected)} are expected.{_advise_on_axes(expected, shape)}"


def _advise_on_sizes(expected: Sequence[int | str | None], shape: Sequence[int]) -> str:
    """Return the end of the sentence for a shape of the right rank."""
    wrong = [
        i
        for i, (want, got) in enumerate(zip(expected, shape, strict=True))
        if isinstance(want, int) and want != got
    ]
    if wrong == [0] and len(expected) > 1:
        return (
            f": the model's batch size is fixed at {expected[0]}.\nGive that many items at a time (x[:{expected[0]}]), "
            "or export the model with a dynamic batch."
        )
    if len(shape) == 4 and wrong and set(wrong) <= {2, 3} and shape[1] in {1, 3, 4}:
        return f": pictures of another size.\nResize them:  Preprocessing(size=({expected[2]}, {expected[3]}))  does."
    for axes in permutations(range(len(shape))) if len(shape) <= 4 else ():
        if _fits(expected, [shape[axis] for axis in axes]):
            return f": its axes stand in another order.\nGive  np.transpose(x, {axes})  if that is what they mean."
    if len(shape) == 4 and wrong == [1] and {shape[1], expected[1]} == {1, 3}:
        how = "np.repeat(x, 3, axis=1)" if shape[1] == 1 else "Preprocessing(color='GRAY')"
        return f": the model takes {expected[1]} channel(s).\nGive  {how}."
    named = ", ".join(f"axis {i} is {shape[i]} and should be {expected[i]}" for i in wrong)
    return f": {named}." if named else ": axes with one symbolic name must be equal."


def _advise_on_axes(expected: Sequence[int | str | None], shape: Sequence[int]) -> str:
    """Return advice for arrays that hold the right number of elements under another rank."""
    fixed = [dimension for dimension in expected if isinstance(dimension, int)]
    if len(fixed) == len(expected) - 1 and isinstance(expected[0], str) and shape:
        per_item = int(np.prod(fixed))
        if per_item and int(np.prod(shape[1:])) == per_item:
            inner = ", ".join(map(str, fixed))
            return f"\nEach item has the right number of elements: x.reshape(len(x), {inner})  if their order fits."
    return ""
