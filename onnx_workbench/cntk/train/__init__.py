"""Training and tests by minibatches."""

from onnx_workbench.cntk.train.configs import (
    CheckpointConfig,
    CrossValidationConfig,
    DataUnit,
    TestConfig,
    minibatch_size_schedule,
)
from onnx_workbench.cntk.train.distributed import (
    Communicator,
    DistributedLearner,
    WorkerDescriptor,
    block_momentum_distributed_learner,
    data_parallel_distributed_learner,
    mpi_communicator,
)
from onnx_workbench.cntk.train.evaluator import Evaluator
from onnx_workbench.cntk.train.trainer import Trainer
from onnx_workbench.cntk.train.training_session import TrainingSession, training_session

__all__ = [
    "CheckpointConfig",
    "Communicator",
    "CrossValidationConfig",
    "DataUnit",
    "DistributedLearner",
    "Evaluator",
    "TestConfig",
    "Trainer",
    "TrainingSession",
    "WorkerDescriptor",
    "block_momentum_distributed_learner",
    "data_parallel_distributed_learner",
    "minibatch_size_schedule",
    "mpi_communicator",
    "training_session",
]
