"""Training and tests by minibatches."""

from onnx_workbench.cntk.train.evaluator import Evaluator
from onnx_workbench.cntk.train.trainer import Trainer

__all__ = ["Evaluator", "Trainer"]
