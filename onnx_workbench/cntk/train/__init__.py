"""Training: minibatch by minibatch so far."""

from onnx_workbench.cntk.train.trainer import Trainer

__all__ = ["Trainer"]
