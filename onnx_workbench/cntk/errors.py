"""Errors of the CNTK front, of the builtin classes that CNTK raises."""

from __future__ import annotations

from onnx_workbench.core.errors import ModelFileError, WorkbenchError, WriteError


class CntkValueError(WorkbenchError, ValueError):
    """An argument that does not fit: a shape, a dtype, a name."""


class CntkTypeError(WorkbenchError, TypeError):
    """An argument of the wrong type."""


class CntkIndexError(WorkbenchError, IndexError):
    """What stands in brackets is no part of a variable."""


class CntkRuntimeError(WorkbenchError, RuntimeError):
    """Something that cannot be done with this graph."""


class UnsupportedOperatorError(WorkbenchError, NotImplementedError, RuntimeError):
    """A primitive that this front can show but not compute."""


class CntkFileError(CntkRuntimeError, ModelFileError):
    """A file or bytes that CNTK's `load` cannot read: a RuntimeError there."""


class CntkWriteError(CntkRuntimeError, WriteError):
    """A file that CNTK's `save` cannot write: a RuntimeError there."""
