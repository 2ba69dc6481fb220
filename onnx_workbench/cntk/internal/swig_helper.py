"""What scripts import from `cntk.internal.swig_helper`: nothing has to be wrapped here, as there is no C++ part."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.internal.sanitize import typemap

__all__ = ["map_if_possible", "typemap"]


def map_if_possible(obj: Any) -> None:
    """Accept a thing: it is of Python's class already."""
