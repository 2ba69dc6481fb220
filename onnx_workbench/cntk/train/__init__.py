"""Training and tests by minibatches."""

from onnx_workbench.cntk.train.configs import (
    CheckpointConfig,
    CrossValidationConfig,
    DataUnit,
    TestConfig,
    minibatch_size_schedule,
)
from onnx_workbench.cntk.train.evaluator import Evaluator
from onnx_workbench.cntk.train.trainer import Trainer
from onnx_workbench.cntk.train.training_session import TrainingSession, training_session

__all__ = [
    "CheckpointConfig",
    "CrossValidationConfig",
    "DataUnit",
    "Evaluator",
    "TestConfig",
    "Trainer",
    "TrainingSession",
    "minibatch_size_schedule",
    "training_session",
]
