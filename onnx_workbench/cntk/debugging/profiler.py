"""CNTK's profiler, whose calls are accepted: onnxruntime's is the one that measures here."""

from __future__ import annotations

import warnings
from typing import Any

from onnx_workbench.core.errors import WorkbenchWarning

__all__ = ["disable_profiler", "enable_profiler", "start_profiler", "stop_profiler"]


def start_profiler(dir: Any = "profiler", sync_gpu: bool = True, reserve_mem: int = 32 << 20) -> None:
    """Warn that nothing is measured, and where it can be.

    Parameters
    ----------
    dir, sync_gpu, reserve_mem
        Accepted and not used.
    """
    warnings.warn(
        f"CNTK's profiler is not here: nothing is measured, and nothing is written to {str(dir)!r}. Save the model as "
        "ONNX, and use onnx_workbench.profile(model, inputs).",
        WorkbenchWarning,
        stacklevel=2,
    )


def enable_profiler() -> None:
    """Accept: nothing is measured."""


def disable_profiler() -> None:
    """Accept: nothing is measured."""


def stop_profiler() -> None:
    """Accept: nothing is measured."""
