"""Switches of `cntk.debugging`, accepted: shapes and numbers are checked always here."""

from __future__ import annotations

from typing import Any

__all__ = [
    "dump_function",
    "dump_signature",
    "force_deterministic",
    "set_checked_mode",
    "set_computation_network_trace_level",
    "set_node_timing",
]


def set_checked_mode(enable: bool) -> None:
    """Accept: shapes are checked always."""


def set_computation_network_trace_level(level: Any) -> None:
    """Accept a level of messages that are not written."""


def set_node_timing(enable: bool) -> None:
    """Accept: times of nodes are measured by `onnx_workbench.profile`, of the model saved as ONNX."""


def force_deterministic(seed: int) -> None:
    """Make what follows draw the same numbers in every run."""
    from onnx_workbench.cntk.seeds import set_fixed_random_seed

    set_fixed_random_seed(seed)


def dump_signature(root: Any, tag: str | None = None) -> str:
    """Return a function's signature as text."""
    return f"{tag}: {root}" if tag else str(root)


def dump_function(root: Any, tag: str | None = None) -> str:
    """Return a graph as text, one primitive a line."""
    from onnx_workbench.cntk.logging.graph import plot

    return f"{dump_signature(root, tag)}\n{plot(root)}"


def __getattr__(name: str) -> Any:
    """Give what steps through graphs here too, where CNTK has it: it is made of operators, which this is not."""
    if name in {"DEBUG_USAGE", "_DebugNode", "debug_model"}:
        from onnx_workbench.cntk.debugging import stepping

        return getattr(stepping, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
