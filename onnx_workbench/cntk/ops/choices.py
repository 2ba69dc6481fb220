"""Choices that users pass to functions: formats of files, kinds of clones."""

from __future__ import annotations

from enum import Enum, unique

__all__ = ["CloneMethod", "ModelFormat"]


@unique
class ModelFormat(Enum):
    """How a model is kept in a file."""

    CNTKv2 = 0
    ONNX = 1


@unique
class CloneMethod(Enum):
    """What becomes of parameters in a clone."""

    share = "share"
    clone = "clone"
    freeze = "freeze"
