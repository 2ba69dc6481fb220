"""What CNTK keeps under `cntk.tensor`: the operators of Python on variables and functions."""

from __future__ import annotations

from onnx_workbench.cntk.tensor_operators import TensorOperators as TensorOpsMixin

__all__ = ["TensorOpsMixin"]
