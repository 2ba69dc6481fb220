"""The measure of a value: range, mean, spread, NaN and infinities, histogram."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 32
_SAMPLED = 1 << 16
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ValueStatistics:
    """What is known of one value of a run.

    Attributes
    ----------
    name, op_type
        The value, and the operator that wrote it.
    shape, dtype
        As computed; sequences have the dtype ``sequence`` and the shape ``(length,)``.
    smallest, largest, mean, std
        Of the finite elements; NaN if there are none, or none are numbers.
    nan_count, inf_count
        Elements that are NaN or infinite.
    histogram
        Counts in 32 equal bins from `smallest` to `largest`, of at most 65,536 elements evenly taken.
    module_path, source_line
        Where the node comes from, as far as that is known.
    """

    name: str
    op_type: str
    shape: tuple[int, ...]
    dtype: str
    smallest: float = math.nan
    largest: float = math.nan
    mean: float = math.nan
    std: float = math.nan
    nan_count: int = 0
    inf_count: int = 0
    histogram: tuple[int, ...] = ()
    module_path: str = ""
    source_line: str = ""

    @property
    def is_finite(self) -> bool:
        """Whether no element is NaN or infinite."""
        return not (self.nan_count or self.inf_count)

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def measure(array: NDArray[Any]) -> dict[str, Any]:
    """Return the statistics of an array, as fields of `ValueStatistics`; nothing for texts."""
    if array.dtype.kind in "OUSMmV" and not array.dtype.name.startswith(("bfloat", "float")):
        return {}
    flat = np.ravel(np.abs(array) if array.dtype.kind == "c" else array)
    totals = _Totals()
    for start in range(0, flat.size, _CHUNK):
        totals.add(flat[start : start + _CHUNK])
    sample = _wide(flat[:: max(1, math.ceil(flat.size / _SAMPLED))])
    finite = sample[np.isfinite(sample)]
    bins = _histogram(finite, totals.smallest, totals.largest) if finite.size else ()
    return {**totals.fields(), "histogram": bins}


def _histogram(finite: NDArray[np.float64], smallest: float, largest: float) -> tuple[int, ...]:
    """Return how many numbers fall into each bin; all into the middle one where they are too close to be told apart."""
    width = (largest - smallest) / _BINS
    if not np.isfinite(width):
        return ()
    if width <= np.spacing(max(abs(smallest), abs(largest))):
        return tuple(finite.size if index == _BINS // 2 else 0 for index in range(_BINS))
    return tuple(int(n) for n in np.histogram(finite, _BINS, (smallest, largest))[0])


def _wide(array: NDArray[Any]) -> NDArray[np.float64]:
    return array.astype(np.float64)


class _Totals:
    """Sums over the chunks of an array."""

    def __init__(self) -> None:
        self.smallest, self.largest = math.inf, -math.inf
        self._count = self._nan = self._inf = 0
        self._mean = self._squares = 0.0

    def add(self, chunk: NDArray[Any]) -> None:
        """Take in a chunk; the spread is joined by Chan's formula, which does not cancel."""
        wide = _wide(chunk)
        with np.errstate(invalid="ignore", over="ignore"):
            total = wide.sum()
        if not np.isfinite(total):
            nan = int(np.isnan(wide).sum())
            finite = wide[np.isfinite(wide)]
            self._nan, self._inf = self._nan + nan, self._inf + wide.size - nan - finite.size
            wide = finite
        if not wide.size:
            return
        self.smallest, self.largest = (
            min(self.smallest, float(wide.min())),
            max(self.largest, float(wide.max())),
        )
        with np.errstate(over="ignore"):
            mean = float(wide.mean())
            wide -= mean
            squares = float(np.dot(wide, wide))
        count = self._count + wide.size
        apart = mean - self._mean
        self._squares += squares + apart * apart * self._count * wide.size / count
        self._mean += apart * wide.size / count
        self._count = count

    def fields(self) -> dict[str, Any]:
        """Return the results by name."""
        if not self._count:
            return {"nan_count": self._nan, "inf_count": self._inf}
        return {
            "smallest": self.smallest,
            "largest": self.largest,
            "mean": self._mean,
            "std": math.sqrt(self._squares / self._count),
            "nan_count": self._nan,
            "inf_count": self._inf,
        }
