"""How many threads compute, as scripts may say in CNTK's own words."""

from __future__ import annotations

import os
from typing import Any

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.runtime.backends import default_threads


class _Most:
    said: int | None = None


def threads_of_sessions() -> int:
    """Return how many threads compute: as were said, or as OMP_NUM_THREADS says; 0 leaves it to onnxruntime."""
    if _Most.said is not None:
        return _Most.said
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() else default_threads()


def get_max_num_cputhreads() -> int:
    """Return how many threads compute at most."""
    return threads_of_sessions() or os.cpu_count() or 1


def set_max_num_cputhreads(num_cputhreads: Any) -> None:
    """Say how many threads compute in what is evaluated for the first time from now on.

    Raises
    ------
    ValueError
        If it is no whole number from 1.
    """
    if isinstance(num_cputhreads, bool) or not isinstance(num_cputhreads, int) or num_cputhreads < 1:
        raise CntkValueError(f"The number of threads is a whole number from 1; got {num_cputhreads!r}.")
    _Most.said = num_cputhreads
