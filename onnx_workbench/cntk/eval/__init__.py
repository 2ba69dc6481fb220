"""What CNTK keeps under `cntk.eval`."""

from onnx_workbench.cntk.train.evaluator import Evaluator

__all__ = ["Evaluator"]
