"""How much CNTK tells while it works: levels that are kept, and that nothing here depends on."""

from __future__ import annotations

from enum import Enum, unique
from typing import Any

from onnx_workbench.cntk.errors import CntkTypeError

__all__ = ["TraceLevel", "get_trace_level", "set_trace_level"]


@unique
class TraceLevel(Enum):
    """Levels; each equals its number."""

    Error = 0
    Warning = 1
    Info = 2

    def __eq__(self, other: object) -> bool:
        return bool(self.value == (other.value if isinstance(other, TraceLevel) else other))

    def __hash__(self) -> int:
        return hash(self.value)


class _Level:
    current = 1


def set_trace_level(value: Any) -> None:
    """Keep a level.

    Parameters
    ----------
    value
        A `TraceLevel`, or its number.

    Raises
    ------
    TypeError
        If it is neither.
    """
    number = value.value if isinstance(value, TraceLevel) else value
    if isinstance(number, bool) or not isinstance(number, int):
        raise CntkTypeError(f"set_trace_level takes a TraceLevel (Error, Warning, Info); got {value!r}.")
    _Level.current = number


def get_trace_level() -> int:
    """Return the level as a number, 1 (warnings) to begin with."""
    return _Level.current
