"""What users call in CNTK's C++ bindings: seeds, and switches that change nothing here."""

from __future__ import annotations

from onnx_workbench.cntk.logging.progress_writer import ProgressWriter
from onnx_workbench.cntk.seeds import (
    AUTO,
    get_fixed_random_seed,
    is_random_seed_fixed,
    reset_random_seed,
    set_fixed_random_seed,
)

__all__ = [
    "ProgressWriter",
    "always_allow_setting_default_device",
    "disable_cpueval_optimization",
    "enable_cpueval_optimization",
    "force_deterministic_algorithms",
    "get_fixed_random_seed",
    "is_random_seed_fixed",
    "reset_random_seed",
    "sentinel_value_for_auto_select_random_seed",
    "set_fixed_random_seed",
    "set_gpumemory_allocation_trace_level",
    "should_force_deterministic_algorithms",
]  # fmt: skip

InferredDimension, FreeDimension = -1, -3
sentinel_value_for_auto_select_random_seed = AUTO


def force_deterministic_algorithms() -> None:
    """Accept: onnxruntime on the CPU computes the same each time."""


def set_gpumemory_allocation_trace_level(level: int) -> None:
    """Accept a level of messages that are not written."""


def enable_cpueval_optimization() -> None:
    """Accept: onnxruntime optimises always."""


def disable_cpueval_optimization() -> None:
    """Accept: onnxruntime optimises always."""


def should_force_deterministic_algorithms() -> bool:
    """Tell that results are the same each time."""
    return True


def always_allow_setting_default_device() -> None:
    """Accept: the device can always be set, to the CPU."""
