"""What CNTK keeps under `cntk.eval.evaluator`."""

from __future__ import annotations

from onnx_workbench.cntk.train.evaluator import Evaluator

__all__ = ["Evaluator"]
