"""Learners: how gradients change parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError
from onnx_workbench.cntk.learners.schedules import (
    IGNORE,
    TrainingParameterSchedule,
    learning_parameter_schedule,
    momentum_schedule,
)
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
        gradient_clipping_threshold_per_sample: float = np.inf,
        gradient_clipping_with_truncation: bool = True,
        use_mean_gradient: bool | None = None,
    ) -> None:
        self._parameters = tuple(parameters)
        if not self._parameters:
            raise CntkValueError("The parameters list specified to a Learner must not be empty.")
        for one in self._parameters:
            if not isinstance(one, Parameter):
                raise CntkTypeError(f"Learners change parameters; got {one}.")
        if minibatch_size is None and use_mean_gradient:
            minibatch_size = IGNORE
        self._minibatch_size = minibatch_size
        self._learning_rate_schedule = self._rate(lr, epoch_size)
        if use_mean_gradient and self._learning_rate_schedule.minibatch_size == 1:
            self._learning_rate_schedule.minibatch_size = IGNORE
        self._l1, self._l2 = l1_regularization_weight, l2_regularization_weight
        self._clip, self._truncate = gradient_clipping_threshold_per_sample, gradient_clipping_with_truncation
        self._kept: dict[Parameter, Any] = {}
        self._samples = self._sweeps = 0

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

    def learning_rate(self) -> float:
        """Return the rate of the next update."""
        return self._learning_rate_schedule.at(self._samples, self._sweeps)

    def reset_learning_rate(self, learning_rate: Any) -> None:
        """Take another rate from now on."""
        self._learning_rate_schedule = self._rate(learning_rate, None)

    def update(
        self, gradient_values: dict[Parameter, Any], training_sample_count: int, is_sweep_end: bool = False
    ) -> bool:
        """Change the parameters by the gradients of a minibatch of so many samples; tell whether that was done."""
        if training_sample_count <= 0:
            return False
        missing = [one for one in self._parameters if one not in gradient_values]
        if missing:
            raise CntkValueError(f"Learner.update: gradients are missing for {', '.join(map(str, missing))}.")
        mean = self.is_compatible_mode()
        weight = 1 if mean else training_sample_count
        rate = self.learning_rate() * self._learning_rate_schedule.over(training_sample_count)
        if not mean:
            rate /= training_sample_count  # what follows works on the gradient of the sum
        for parameter in self._parameters:
            value = parameter._numbers()
            gradient = np.asarray(gradient_values[parameter], value.dtype)
            gradient = self._prepared(gradient / training_sample_count if mean else gradient, value, weight)
            new = value - self._step(parameter, gradient, rate, training_sample_count)
            if self._l1:
                new = np.sign(new) * np.maximum(np.abs(new) - rate * self._l1 * weight, 0)
            parameter.value = new.astype(value.dtype)
        self._samples += training_sample_count
        self._sweeps += bool(is_sweep_end)
        return True

    def _prepared(self, gradient: Array, value: Array, weight: int) -> Array:
        bound = self._clip * weight
        if np.isfinite(bound):
            length = float(np.linalg.norm(gradient))
            if self._truncate:
                gradient = np.clip(gradient, -bound, bound)
            elif length > bound:
                gradient = gradient * (bound / length)
        return gradient + self._l2 * weight * value if self._l2 else gradient

    def _step(self, parameter: Parameter, gradient: Array, rate: float, count: int) -> Array:
        """Return what is taken from a parameter: here the gradient itself, times the rate."""
        return rate * gradient


class _WithMomentum(Learner):
    """A learner that remembers the steps before."""

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: Any,
        momentum: Any,
        unit_gain: bool | None = None,
        **more: Any,
    ) -> None:
        super().__init__(parameters, lr, **more)
        epoch_size = more.get("epoch_size") if isinstance(momentum, list) else None
        self._momentum = momentum_schedule(momentum, epoch_size, self._minibatch_size)
        self._gains = default_unit_gain_value() if unit_gain is None else unit_gain

    def _remembers(self, schedule: TrainingParameterSchedule, count: int) -> float:
        """Return how much is remembered after a minibatch of so many samples."""
        found = schedule.at(self._samples, self._sweeps)
        return math.pow(found, schedule.over(count))

    def _smoothed(self, parameter: Parameter, part: Array, momentum: float) -> Array:
        gain = 1 - momentum if self._gains else 1.0
        found: Array = momentum * self._kept.get(parameter, 0.0) + gain * part
        self._kept[parameter] = found
        return found

    def _step(self, parameter: Parameter, gradient: Array, rate: float, count: int) -> Array:
        return self._smoothed(parameter, rate * gradient, self._remembers(self._momentum, count))


class _Nesterov(_WithMomentum):
    """Momentum that looks a step ahead (Nesterov, 1983)."""

    def _step(self, parameter: Parameter, gradient: Array, rate: float, count: int) -> Array:
        momentum = self._remembers(self._momentum, count)
        smoothed = self._smoothed(parameter, rate * gradient, momentum)
        gain = 1 - momentum if self._gains else 1.0
        return momentum * smoothed + gain * rate * gradient


def sgd(parameters: Any, lr: Any, **options: Any) -> Learner:
    """Return a learner that takes the gradient times the rate (stochastic gradient descent).

    Parameters
    ----------
    parameters
        What it changes.
    lr
        Learning rate: `learning_parameter_schedule`, a number or a list.
    options
        Those of `Learner`: ``minibatch_size``, ``epoch_size``, ``l1_regularization_weight``,
        ``l2_regularization_weight``, ``gradient_clipping_threshold_per_sample``, ...
    """
    return Learner(parameters, lr, **options)


def momentum_sgd(
    parameters: Any, lr: Any, momentum: Any, unit_gain: bool | None = None, **options: Any
) -> Learner:
    """Return a learner that goes on in the direction of the steps before."""
    return _WithMomentum(parameters, lr, momentum, unit_gain, **options)


def nesterov(
    parameters: Any, lr: Any, momentum: Any, unit_gain: bool | None = None, **options: Any
) -> Learner:
    """Return a learner with a momentum that looks a step ahead (Nesterov, 1983)."""
    return _Nesterov(parameters, lr, momentum, unit_gain, **options)
