"""What an array holds, in numbers: range, mean, zeros, NaN, and a histogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 32
MOST_ELEMENTS = 1_000_000
_PIECES = 64


def sample_of(array: NDArray[np.generic], *, most: int = MOST_ELEMENTS) -> NDArray[np.float64] | None:
    """Return the elements as float64; of a large array, evenly spread pieces of it. None for what has no order."""
    flat = array.reshape(-1)
    if flat.size > most:
        length = most // _PIECES
        starts = np.linspace(0, flat.size - length, _PIECES).astype(np.int64)
        flat = np.concatenate([flat[start : start + length] for start in starts])
    if flat.dtype.kind in "OSUMmcV" and not _is_small_float(flat.dtype):
        return None
    try:
        return flat.astype(np.float64)
    except (TypeError, ValueError):
        return None


def _is_small_float(dtype: np.dtype[Any]) -> bool:
    """Tell whether a dtype is one of ml_dtypes' (bfloat16, float8), which numpy calls void."""
    return dtype.kind == "V" and dtype.names is None and "float" in dtype.name


def statistics_of(sample: NDArray[np.float64], count: int, odd: int | None = None) -> list[list[str]]:
    """Return rows of name and text: range, mean, zeros, what is not finite (`odd` of all, if it was counted)."""
    finite = sample[np.isfinite(sample)]
    rows: list[list[str]] = []
    if finite.size:
        lowest, highest = finite.min(), finite.max()
        # The sum of the largest floats, and their squares, would be infinite.
        peak = max(abs(lowest), abs(highest)) or 1.0
        shares = finite / peak
        rows = [
            ["min … max", f"{lowest:.4g} … {highest:.4g}"],
            ["mean ± std", f"{shares.mean() * peak:.4g} ± {shares.std() * peak:.4g}"],
            ["zeros", f"{np.mean(finite == 0):.1%}"],
        ]
    odd = sample.size - finite.size if odd is None else odd
    if odd:
        rows.append(["NaN or infinite", f"{odd:,}"])
    if sample.size < count:
        rows.append(["measured on", f"{sample.size:,} of {count:,} elements"])
    return rows


def histogram_of(sample: NDArray[np.float64]) -> dict[str, Any] | None:
    """Return counts over equal steps, for the panel; None where there is nothing to count."""
    finite = sample[np.isfinite(sample)]
    if finite.size < 2:
        return None
    lowest, highest = float(finite.min()), float(finite.max())
    if not np.isfinite(highest - lowest) or highest == lowest:
        return None
    counts, _ = np.histogram(finite, bins=BINS, range=(lowest, highest))
    return {"counts": counts.tolist(), "lowest": f"{lowest:.4g}", "highest": f"{highest:.4g}"}


def odd_count(array: NDArray[Any]) -> int:
    """Return how many elements are NaN or infinite, of all of them."""
    if array.dtype.kind in "biu":
        return 0
    flat = array.reshape(-1)
    return sum(
        int(np.count_nonzero(~np.isfinite(flat[start : start + MOST_ELEMENTS])))
        for start in range(0, flat.size, MOST_ELEMENTS)
    )
