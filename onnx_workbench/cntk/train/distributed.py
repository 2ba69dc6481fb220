"""Training by several workers, as scripts that may run with one write it: here there is one, and it is the first."""

from __future__ import annotations

import math
import socket
from dataclasses import dataclass
from typing import Any

from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError, UnsupportedOperatorError
from onnx_workbench.cntk.learners import Learner
from onnx_workbench.cntk.variables import Parameter

__all__ = [
    "Communicator",
    "DistributedLearner",
    "WorkerDescriptor",
    "block_momentum_distributed_learner",
    "data_parallel_distributed_learner",
    "mpi_communicator",
]


@dataclass(frozen=True)
class WorkerDescriptor:
    """A worker: its number among all, and the machine that it is on."""

    global_rank: int = 0
    host_id: str = ""

    def is_main(self) -> bool:
        """Tell whether it is the first."""
        return self.global_rank == 0


class Communicator:
    """What workers would speak to each other by; there is one worker.

    Examples
    --------
    >>> C.train.distributed.Communicator.num_workers(), C.train.distributed.Communicator.rank()
    (1, 0)
    """

    def workers(self) -> list[WorkerDescriptor]:
        """Return all workers."""
        return [self.current_worker()]

    def current_worker(self) -> WorkerDescriptor:
        """Return this worker."""
        return WorkerDescriptor(0, socket.gethostname())

    def barrier(self) -> None:
        """Wait for the others, of whom there are none."""

    def is_main(self) -> bool:
        """Tell whether this worker is the first."""
        return True

    @staticmethod
    def finalize() -> None:
        """End what workers have to say to each other."""

    @staticmethod
    def num_workers() -> int:
        """Return how many workers there are."""
        return 1

    @staticmethod
    def rank() -> int:
        """Return the number of this worker."""
        return 0


def mpi_communicator() -> Communicator:
    """Return the communicator of all workers."""
    return Communicator()


class DistributedLearner(Learner):
    """A learner among workers; with one worker its steps are those of the learner inside.

    Parameters
    ----------
    learner
        The learner inside.
    distributed_after
        After how many samples workers would begin to share what they learn.
    forget_after
        After how many samples momenta begin anew; None for never.
    """

    def __init__(self, learner: Learner, distributed_after: int = 0, forget_after: int | None = None) -> None:
        if not isinstance(learner, Learner):
            raise CntkTypeError(
                f"A distributed learner is made of a learner; got a {type(learner).__name__}."
            )
        self._learner, self._after, self._forget_after = learner, int(distributed_after), forget_after
        self._since = 0

    def communicator(self) -> Communicator:
        """Return what workers speak to each other by."""
        return Communicator()

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What it changes."""
        return self._learner.parameters

    @property
    def minibatch_size(self) -> int:
        """The size of minibatches that it is made for."""
        return self._learner.minibatch_size

    @minibatch_size.setter
    def minibatch_size(self, size: int) -> None:
        self._learner.minibatch_size = size

    @property
    def total_number_of_samples_seen(self) -> int:  # type: ignore[override]
        """How many samples it has learnt from: no method here, as in CNTK."""
        return self._learner.total_number_of_samples_seen()

    def total_number_of_minibatches_seen(self) -> int:
        """Return how many minibatches it has learnt from."""
        return self._learner.total_number_of_minibatches_seen()

    def total_number_of_sweeps_seen(self) -> int:
        """Return how often it has gone through the data."""
        return self._learner.total_number_of_sweeps_seen()

    def is_compatible_mode(self) -> bool:
        """Tell whether it takes the mean gradient."""
        return self._learner.is_compatible_mode()

    def learning_rate(self) -> float:
        """Return the rate of the next update."""
        return self._learner.learning_rate()

    def reset_learning_rate(self, learning_rate: Any) -> None:
        """Take another rate from now on."""
        self._learner.reset_learning_rate(learning_rate)

    def reset_smoothed_gradients(self) -> None:
        """Begin momenta anew."""
        self._learner.reset_smoothed_gradients()

    def rates(self) -> dict[str, float]:
        """Return what progress writers are told."""
        return self._learner.rates()

    def update(
        self, gradient_values: dict[Parameter, Any], training_sample_count: int, is_sweep_end: bool = False
    ) -> bool:
        """Change the parameters by the gradients of a minibatch."""
        done = self._learner.update(gradient_values, training_sample_count, is_sweep_end)
        seen = self._learner.total_number_of_samples_seen()
        if self._forget_after is not None and done and seen > self._after:
            self._since += training_sample_count
            if self._since >= self._forget_after:
                self._since = 0
                self._learner.reset_smoothed_gradients()
        return done

    def create_checkpoint(self) -> dict[str, Any]:
        """Return all that learning goes on from: that of the learner inside."""
        return self._learner.create_checkpoint()

    def restore_from_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from where a checkpoint was made."""
        self._since = 0
        self._learner.restore_from_checkpoint(checkpoint)


def data_parallel_distributed_learner(
    learner: Learner,
    distributed_after: int = 0,
    num_quantization_bits: int = 32,
    use_async_buffered_parameter_update: bool = False,
) -> DistributedLearner:
    """Return a learner whose workers add their gradients up; one worker's are all there are.

    Parameters
    ----------
    learner
        The learner of each worker.
    distributed_after
        After how many samples workers begin to share.
    num_quantization_bits
        1 to 32: how coarse the gradients are that go to other workers.
    use_async_buffered_parameter_update
        Only False, as in CNTK.

    Raises
    ------
    ValueError
        If the number of bits is another one.

    Examples
    --------
    >>> model = C.layers.Dense(2)(C.input_variable(3))
    >>> C.train.distributed.data_parallel_distributed_learner(C.sgd(model.parameters, 0.1)).learning_rate()
    0.1
    """
    if not 1 <= num_quantization_bits <= 32:
        raise CntkValueError(f"num_quantization_bits is from 1 to 32; got {num_quantization_bits!r}.")
    if use_async_buffered_parameter_update:
        raise UnsupportedOperatorError(
            "data_parallel_distributed_learner(use_async_buffered_parameter_update=True) is not supported, nor is it "
            "in CNTK: leave it False."
        )
    return DistributedLearner(learner, distributed_after)


def block_momentum_distributed_learner(
    learner: Learner,
    block_size: int,
    block_momentum_as_time_constant: float | None = None,
    use_nestrov_momentum: bool = True,
    reset_sgd_momentum_after_aggregation: bool = True,
    block_learning_rate: float = 1.0,
    distributed_after: int = 0,
) -> DistributedLearner:
    """Return a learner whose workers bring their parameters together after each block of samples.

    With one worker CNTK's own momentum of blocks is 0, so that nothing is brought together; momenta of the learner
    inside begin anew all the same.

    Parameters
    ----------
    learner
        The learner of each worker.
    block_size
        Samples between two times that workers come together.
    block_momentum_as_time_constant
        Only None or 0: another one changes the steps of one worker too, which is not done here.
    use_nestrov_momentum
        Accepted: there is no momentum of blocks.
    reset_sgd_momentum_after_aggregation
        Whether momenta of the learner begin anew after a block.
    block_learning_rate
        Only 1.
    distributed_after
        After how many samples that begins.
    """
    if block_size <= 0:
        raise CntkValueError(f"block_size is how many samples a block has; got {block_size!r}.")
    if block_momentum_as_time_constant or not math.isclose(block_learning_rate, 1.0):
        raise UnsupportedOperatorError(
            "block_momentum_distributed_learner is supported for one worker with its own block momentum, 0, and the "
            f"block learning rate 1; got a time constant of {block_momentum_as_time_constant!r} and a rate of "
            f"{block_learning_rate!r}. Leave them out, or use the learner alone."
        )
    forget = int(block_size) if reset_sgd_momentum_after_aggregation else None
    return DistributedLearner(learner, distributed_after, forget)
