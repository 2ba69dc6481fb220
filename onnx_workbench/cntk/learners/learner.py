"""What all learners do: rates by schedule, clipped and regularised gradients, noise, and their state in checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.learners.schedules import (
    IGNORE,
    TrainingParameterSchedule,
    learning_parameter_schedule,
    training_parameter_schedule,
)
from onnx_workbench.cntk.random_numbers import RandomNumbers
from onnx_workbench.cntk.seeds import chosen_seed
from onnx_workbench.cntk.value_types import INFERRED
from onnx_workbench.cntk.variables import Parameter

Array = NDArray[Any]
_unit_gain = {"default": True}


def default_unit_gain_value() -> bool:
    """Tell whether momenta weigh new gradients by 1 - momentum where callers do not say."""
    return _unit_gain["default"]


def set_default_unit_gain_value(value: bool) -> None:
    """Set whether momenta weigh new gradients by 1 - momentum where callers do not say."""
    _unit_gain["default"] = bool(value)


class Learner:
    """Changes parameters by the gradients of a loss that is summed over the minibatch.

    Parameters
    ----------
    parameters
        What it changes.
    lr
        Learning rate: a schedule, a number or a list.
    minibatch_size
        The size of minibatches that rates without one of their own are for; `IGNORE` takes the mean gradient.
    epoch_size
        Samples of a unit of a rate given as a list.
    l1_regularization_weight, l2_regularization_weight
        Pull towards zero, by sign and in proportion, for each sample.
    gaussian_noise_injection_std_dev
        Standard deviation of noise that is added to parameters after each update: a number, a list or a schedule.
    gradient_clipping_threshold_per_sample, gradient_clipping_with_truncation
        Bound of gradients for each sample: of each number, or of the length of a parameter's.
    use_mean_gradient
        The old name of ``minibatch_size=IGNORE``.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: Any,
        *,
        minibatch_size: int | None = None,
        epoch_size: int | None = None,
        l1_regularization_weight: float = 0.0,
        l2_regularization_weight: float = 0.0,
        gaussian_noise_injection_std_dev: Any = 0.0,
        gradient_clipping_threshold_per_sample: float = np.inf,
        gradient_clipping_with_truncation: bool = True,
        use_mean_gradient: bool | None = None,
    ) -> None:
        self._parameters = checked_parameters(parameters)
        if minibatch_size is None and use_mean_gradient:
            minibatch_size = IGNORE
        self._minibatch_size, self._epoch_size = minibatch_size, epoch_size
        self._learning_rate_schedule = self._rate(lr, epoch_size)
        if use_mean_gradient and self._learning_rate_schedule.minibatch_size == 1:
            self._learning_rate_schedule.minibatch_size = IGNORE
        self._l1, self._l2 = l1_regularization_weight, l2_regularization_weight
        self._clip, self._truncate = gradient_clipping_threshold_per_sample, gradient_clipping_with_truncation
        self._noise = training_parameter_schedule(gaussian_noise_injection_std_dev)
        self._noise_seed = chosen_seed()
        self._kept: list[dict[str, Array]] = [{} for _ in self._parameters]
        self._counted: dict[str, float] = {}
        self._samples = self._sweeps = self._minibatches = 0

    def _rate(self, lr: Any, epoch_size: int | None) -> TrainingParameterSchedule:
        if not isinstance(lr, TrainingParameterSchedule):
            return learning_parameter_schedule(lr, self._minibatch_size or IGNORE, epoch_size)
        if not lr.is_minibatch_size_explicitly_specified and self._minibatch_size is not None:
            lr.minibatch_size = self._minibatch_size
        return lr

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What it changes."""
        return self._parameters

    @property
    def minibatch_size(self) -> int:
        """The size of minibatches that it is made for; `IGNORE` for any."""
        return self._minibatch_size or IGNORE

    @minibatch_size.setter
    def minibatch_size(self, size: int) -> None:
        self._minibatch_size = size

    def is_compatible_mode(self) -> bool:
        """Tell whether it takes the mean gradient, as learners of other frameworks."""
        return self._minibatch_size == IGNORE

    def total_number_of_samples_seen(self) -> int:
        """Return how many samples it has learnt from."""
        return self._samples

    def total_number_of_minibatches_seen(self) -> int:
        """Return how many minibatches it has learnt from."""
        return self._minibatches

    def total_number_of_sweeps_seen(self) -> int:
        """Return how often it has gone through the data."""
        return self._sweeps

    def reset_smoothed_gradients(self) -> None:
        """Begin momenta and means of gradients anew, as if nothing had been learnt."""
        self._kept = [{} for _ in self._parameters]
        self._counted = {}

    def learning_rate(self) -> float:
        """Return the rate of the next update."""
        return self._learning_rate_schedule.at(self._samples, self._sweeps)

    def reset_learning_rate(self, learning_rate: Any) -> None:
        """Take another rate from now on, its units counted from here.

        As in CNTK, it is for minibatches of the size that the first one was for, whatever it says itself.
        """
        if not isinstance(learning_rate, TrainingParameterSchedule):
            raise CntkValueError(
                f"learning_rate type ({type(learning_rate).__name__}) not supported. learning_rate must be a training "
                "schedule (output of learning_parameter_schedule() function)"
            )
        size = self._learning_rate_schedule.minibatch_size
        self._learning_rate_schedule = learning_rate.begun_at(self._samples, self._sweeps)
        self._learning_rate_schedule.minibatch_size = size

    def rates(self) -> dict[str, float]:
        """Return what progress writers are told, by the words that CNTK has for it."""
        return {f"Learning rate per {self._learning_rate_schedule.unit()}": self.learning_rate()}

    def update(
        self, gradient_values: dict[Parameter, Any], training_sample_count: int, is_sweep_end: bool = False
    ) -> bool:
        """Change the parameters by the gradients of a minibatch of so many samples; tell whether that was done."""
        if training_sample_count <= 0:
            return False
        missing = [one for one in self._parameters if one not in gradient_values]
        if missing:
            raise CntkValueError(f"Learner.update: gradients are missing for {', '.join(map(str, missing))}.")
        self._before(training_sample_count)
        rate = self._rate_for(training_sample_count)
        for parameter, kept in zip(self._parameters, self._kept, strict=True):
            value = parameter._numbers()
            gradient = np.asarray(plain(gradient_values[parameter]), value.dtype).reshape(value.shape)
            gradient = self._prepared(gradient, value, training_sample_count)
            new = value - self._step(gradient, rate, training_sample_count, kept)
            parameter.value = self._finished(np.asarray(new), rate, training_sample_count).astype(value.dtype)
        self._samples += training_sample_count
        self._minibatches += 1
        self._sweeps += bool(is_sweep_end)
        return True

    def _rate_for(self, count: int) -> float:
        """Return the rate for gradients as they are summed, or averaged, over a minibatch of so many samples."""
        rate = self.learning_rate() * self._learning_rate_schedule.over(count)
        return rate if self.is_compatible_mode() else rate / count

    def _before(self, count: int) -> None:
        """Note what learners count once for each minibatch."""

    def _prepared(self, gradient: Array, value: Array, count: int) -> Array:
        weight = 1 if self.is_compatible_mode() else count
        if self.is_compatible_mode():
            gradient = gradient / count
        bound = self._clip * weight
        if np.isfinite(bound):
            length = float(np.linalg.norm(gradient))
            if self._truncate:
                gradient = np.clip(gradient, -bound, bound)
            elif length > bound:
                gradient = gradient * (bound / length)
        return gradient + self._l2 * weight * value if self._l2 else gradient

    def _step(self, gradient: Array, rate: float, count: int, kept: dict[str, Array]) -> Array:
        """Return what is taken from a parameter: here the gradient itself, times the rate."""
        return rate * gradient

    def _finished(self, value: Array, rate: float, count: int) -> Array:
        """Return a parameter with noise added, and pulled towards zero."""
        deviation = self._noise.at(self._samples, self._sweeps)
        if deviation > 0:
            drawn = RandomNumbers(self._noise_seed).normal(value.size, 0.0, deviation)
            self._noise_seed += 1
            value = value + drawn.reshape(value.shape).astype(value.dtype)
        if self._l1:
            pull = rate * self._l1 * (1 if self.is_compatible_mode() else count)
            value = np.sign(value) * np.maximum(np.abs(value) - pull, 0)
        return value

    def create_checkpoint(self) -> dict[str, Any]:
        """Return all that learning goes on from: counts, schedules, and what is kept for each parameter."""
        return {
            "kind": type(self).__name__,
            "samples": self._samples,
            "sweeps": self._sweeps,
            "minibatches": self._minibatches,
            "noise_seed": self._noise_seed,
            "minibatch_size": -1 if self._minibatch_size is None else self._minibatch_size,
            "rate": self._learning_rate_schedule.to_dict(),
            "counted": dict(self._counted),
            "kept": [{key: value.copy() for key, value in one.items()} for one in self._kept],
        }

    def restore_from_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from where a checkpoint was made.

        Raises
        ------
        RuntimeError
            If it is of another kind of learner, or of one of other parameters.
        """
        kept = checkpoint.get("kept")
        if checkpoint.get("kind") != type(self).__name__ or not isinstance(kept, list):
            raise CntkRuntimeError(
                f"This checkpoint is of a {checkpoint.get('kind')!r} and not of a {type(self).__name__!r}: restore it "
                "into a learner made by the same call."
            )
        shapes = [one.shape for one in self._parameters]
        found = [{value.shape for value in one.values()} for one in kept]
        if len(found) != len(shapes) or any(a - {b} for a, b in zip(found, shapes, strict=True)):
            raise CntkRuntimeError(
                f"This checkpoint keeps numbers for {len(found)} parameters of shapes {found}; the learner has "
                f"{len(shapes)} of shapes {shapes}."
            )
        self._samples, self._sweeps = int(checkpoint["samples"]), int(checkpoint["sweeps"])
        self._minibatches, self._noise_seed = int(checkpoint["minibatches"]), int(checkpoint["noise_seed"])
        size = int(checkpoint["minibatch_size"])
        self._minibatch_size = None if size < 0 else size
        self._learning_rate_schedule = TrainingParameterSchedule.from_dict(checkpoint["rate"])
        self._counted = {key: float(value) for key, value in checkpoint["counted"].items()}
        self._kept = [{key: np.array(value) for key, value in one.items()} for one in kept]


def checked_parameters(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """Return parameters, known to be some, each once."""
    found = tuple(parameters)
    if not found:
        raise CntkValueError("The parameters list specified to a Learner must not be empty.")
    for one in found:
        if not isinstance(one, Parameter):
            raise CntkTypeError(f"Learners change parameters; got {one}.")
        if INFERRED in one.shape:
            raise CntkValueError(
                f"parameter {one} has inferred dimensions. Please create the learner after all parameter shapes have "
                "been determined"
            )
    return found


def plain(value: Any) -> Any:
    """Return the array in whatever holds one."""
    return value.asarray() if hasattr(value, "asarray") else value
