"""How far two arrays are apart, in the words of floating-point numbers: scales, rounding units, what noise explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_SAMPLE = 64
_CHUNK = 1 << 20
_SAMPLED = 1 << 16
_SMALLER = 8
_MUCH_SMALLER = 64
_ALIKE = 0.25


@dataclass(frozen=True)
class Difference:
    """How `actual` differs from `expected`.

    Attributes
    ----------
    largest
        Largest absolute difference where both are finite.
    scale
        Largest magnitude of the finite expected numbers.
    problem
        What makes them incomparable, in words: shape, dtype, or NaN and infinities at different places.
    units
        For half precision, the root mean square of the differences in units of the last place; else NaN.
    """

    largest: float
    scale: float
    problem: str = ""
    units: float = float("nan")

    @property
    def relative(self) -> float:
        """The largest difference in units of the value's own scale; infinite if they cannot be compared."""
        if self.problem:
            return float("inf")
        if self.largest == 0:
            return 0.0
        return self.largest / self.scale if self.scale > 0 else float("inf")


def is_float(array: Array | None) -> bool:
    """Tell whether an array holds floating-point numbers."""
    return array is not None and (
        array.dtype.kind in "fc" or array.dtype.name.startswith(("bfloat", "float"))
    )


def epsilon(dtype: np.dtype[Any]) -> float:
    """Return the spacing of the dtype's numbers at 1; 0 for dtypes that do not round."""
    if dtype.kind in "fc":
        return float(np.finfo(dtype).eps)
    return {"bfloat16": 2.0**-7}.get(dtype.name, 2.0**-3 if dtype.name.startswith("float") else 0.0)


def difference(actual: Array, expected: Array) -> Difference:
    """Return how two arrays differ; NaN and infinities agree where both sides have the same."""
    if actual.shape != expected.shape:
        return Difference(np.nan, np.nan, f"has the shape {actual.shape}, and {expected.shape} was expected")
    if actual.dtype.kind in "OUS" or expected.dtype.kind in "OUS":
        same = bool(np.array_equal(actual, expected))
        return Difference(0.0 if same else np.nan, 1.0, "" if same else "has other contents")
    largest = scale = 0.0
    half = 1e-5 < epsilon(actual.dtype) == epsilon(expected.dtype)
    flat_a, flat_e = np.ravel(actual), np.ravel(expected)
    for start in range(0, flat_a.size, _CHUNK):
        a, e = _wide(flat_a[start : start + _CHUNK]), _wide(flat_e[start : start + _CHUNK])
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(a - e)
            top = float(apart.max(initial=0.0))
        magnitude = np.abs(e)
        if np.isfinite(top) and np.isfinite(bound := float(magnitude.max(initial=0.0))):
            largest, scale = max(largest, top), max(scale, bound)
            continue
        if problem := _not_finite(a, e):
            return Difference(np.nan, np.nan, problem)
        largest = max(largest, float(apart[np.isfinite(apart)].max(initial=0.0)))
        scale = max(scale, float(magnitude[np.isfinite(magnitude)].max(initial=0.0)))
    return Difference(largest, scale, units=_units(flat_a, flat_e, scale) if half else float("nan"))


def _units(actual: Array, expected: Array, scale: float) -> float:
    """Return the root mean square difference in units of the last place; numbers near zero count as if larger."""
    step = max(1, actual.size // _SAMPLED)
    a, e = _wide(actual[::step]), _wide(expected[::step])
    known = np.isfinite(a) & np.isfinite(e)
    if not known.any():
        return 0.0
    a, e = a[known], e[known]
    place = epsilon(expected.dtype) * 2.0 ** np.floor(np.log2(np.maximum(np.abs(e), scale / 64 or 1.0)))
    return float(np.sqrt(np.mean(((a - e) / place) ** 2)))


def _wide(array: Array) -> Array:
    """Return numbers in which a difference can be taken."""
    if array.dtype.kind in "fc" and array.dtype.itemsize >= 4:
        return array
    return array.astype(np.float64) if array.dtype.kind in "iub" else array.astype(np.float32)


def _not_finite(actual: Array, expected: Array) -> str:
    """Return where NaN and infinities do not agree, in words; empty if they do."""
    wrong_nan = np.isnan(actual) & ~np.isnan(expected)
    if count := int(wrong_nan.sum()):
        return f"holds NaN ({count:,} of {actual.size:,}) where numbers were expected"
    if count := int((np.isnan(expected) & ~np.isnan(actual)).sum()):
        return f"holds numbers where NaN was expected ({count:,} of {actual.size:,})"
    apart = (np.isinf(actual) | np.isinf(expected)) & (actual != expected)
    if count := int(apart.sum()):
        side = (
            "infinities" if np.isinf(actual[apart]).any() else "finite numbers where infinities were expected"
        )
        return f"holds {side} ({count:,} of {actual.size:,})"
    return ""


def may_agree(actual: Array, expected: Array, tolerance: float) -> bool:
    """Tell from a few elements whether two arrays of one shape may agree within a share of their scale."""
    if actual.size <= _SAMPLE:
        return difference(actual, expected).relative <= tolerance
    step = max(1, actual.size // _SAMPLE)
    a, e = np.ravel(actual)[::step], np.ravel(expected)[::step]
    found = difference(a, e)
    if found.problem:
        return False
    # The sample does not know the whole scale; its own may be smaller.
    return found.largest <= tolerance * max(
        found.scale, float(np.abs(_wide(np.ravel(expected))).max(initial=0.0))
    )


def is_alike(actual: Array, expected: Array, tolerance: float = _ALIKE) -> bool:
    """Tell whether the small numbers of two arrays are alike too, and not only the few large ones that set the scale.

    Masked attention is full of -10000 or worse: beside such numbers all others agree.
    """
    small = np.abs(_wide(expected))
    scale = small[np.isfinite(small)].max(initial=0.0)
    chosen = small < scale / _MUCH_SMALLER
    if not chosen.any() or small[chosen].max() == 0 or (~chosen & (small < scale / _SMALLER)).any():
        return True
    return difference(actual[chosen], expected[chosen]).relative < min(tolerance, _ALIKE)


def jittered(array: Array, generator: np.random.Generator) -> Array:
    """Return an array with each number moved by up to one rounding unit: what any other way of computing may do."""
    if not is_float(array) or array.dtype.kind == "c":
        return array
    signs: Array = generator.integers(0, 2, array.shape, np.int8).astype(np.float32) * 2 - 1
    wide: Array = array.astype(np.float64 if array.dtype.itemsize == 8 else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        moved: Array = wide * (1 + signs * np.asarray(epsilon(array.dtype), wide.dtype))
        back: Array = moved.astype(array.dtype)
    return np.where(
        np.isfinite(array.astype(np.float32)) & ~np.isfinite(back.astype(np.float32)), array, back
    )


def is_telling(array: Array) -> bool:
    """Tell whether an array can be recognised by its contents: floating-point numbers, enough of them, not all one."""
    if not is_float(array) or array.size < 6:
        return False
    flat = np.ravel(array)[:: max(1, array.size // 256)]
    finite = flat[np.isfinite(flat.astype(np.float32))]
    return finite.size > 3 and bool(finite.min() != finite.max())
