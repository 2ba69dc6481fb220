"""Learners that go down the gradient: plainly, or with a momentum."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from onnx_workbench.cntk.errors import CntkTypeError
from onnx_workbench.cntk.learners.learner import Array, Learner, default_unit_gain_value
from onnx_workbench.cntk.learners.schedules import TrainingParameterSchedule, momentum_schedule
from onnx_workbench.cntk.variables import Parameter


class WithMomentum(Learner):
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
        self._momentum = self._schedule(momentum)
        self._gains = default_unit_gain_value() if unit_gain is None else unit_gain

    def _schedule(self, momentum: Any) -> TrainingParameterSchedule:
        """Return the schedule for what callers give as a momentum."""
        if isinstance(momentum, TrainingParameterSchedule):
            if not momentum.is_minibatch_size_explicitly_specified and self._minibatch_size is not None:
                momentum.minibatch_size = self._minibatch_size
            return momentum
        epoch_size = self._epoch_size if isinstance(momentum, list) else None
        return momentum_schedule(momentum, epoch_size, self._minibatch_size)

    def rates(self) -> dict[str, float]:
        """Return what progress writers are told, by the words that CNTK has for it."""
        momentum = self._momentum.at(self._samples, self._sweeps)
        return {**super().rates(), f"Momentum per {self._momentum.unit()}": momentum}

    def _remembers(self, schedule: TrainingParameterSchedule, count: int) -> float:
        """Return how much is remembered after a minibatch of so many samples."""
        return math.pow(schedule.at(self._samples, self._sweeps), schedule.over(count))

    def _smoothed(self, part: Array, momentum: float, kept: dict[str, Array]) -> Array:
        gain = 1 - momentum if self._gains else 1.0
        found: Array = gain * part
        if "smoothed" in kept:
            found = momentum * kept["smoothed"] + found
        kept["smoothed"] = found
        return found

    def _step(self, gradient: Array, rate: float, count: int, kept: dict[str, Array]) -> Array:
        return self._smoothed(rate * gradient, self._remembers(self._momentum, count), kept)


class Nesterov(WithMomentum):
    """Momentum that looks a step ahead (Nesterov, 1983)."""

    def _step(self, gradient: Array, rate: float, count: int, kept: dict[str, Array]) -> Array:
        momentum = self._remembers(self._momentum, count)
        smoothed = self._smoothed(rate * gradient, momentum, kept)
        gain = 1 - momentum if self._gains else 1.0
        return momentum * smoothed + gain * rate * gradient


def sgd(parameters: Any, lr: Any, *positional: Any, **options: Any) -> Learner:
    """Return a learner that takes the gradient times the rate (stochastic gradient descent).

    Parameters
    ----------
    parameters
        What it changes.
    lr
        Learning rate: `learning_parameter_schedule`, a number or a list.
    positional, options
        Those of `Learner`, in CNTK's order: ``l1_regularization_weight``, ``l2_regularization_weight``,
        ``gaussian_noise_injection_std_dev``, ``gradient_clipping_threshold_per_sample``,
        ``gradient_clipping_with_truncation``, ``use_mean_gradient``, ``minibatch_size``, ``epoch_size``.
    """
    return Learner(parameters, lr, **common(positional, options))


def momentum_sgd(
    parameters: Any,
    lr: Any,
    momentum: Any,
    unit_gain: bool | None = None,
    *positional: Any,
    **options: Any,
) -> Learner:
    """Return a learner that goes on in the direction of the steps before.

    Parameters
    ----------
    parameters, lr
        As in `sgd`.
    momentum
        How much of the steps before is kept: `momentum_schedule`, a number or a list.
    unit_gain
        Whether new gradients weigh 1 - momentum; `default_unit_gain_value` if not given.
    positional, options
        As in `sgd`.
    """
    return WithMomentum(parameters, lr, momentum, unit_gain, **common(positional, options))


def nesterov(
    parameters: Any,
    lr: Any,
    momentum: Any,
    unit_gain: bool | None = None,
    *positional: Any,
    **options: Any,
) -> Learner:
    """Return a learner with a momentum that looks a step ahead (Nesterov, 1983); arguments as in `momentum_sgd`."""
    return Nesterov(parameters, lr, momentum, unit_gain, **common(positional, options))


_COMMON = (
    "l1_regularization_weight", "l2_regularization_weight", "gaussian_noise_injection_std_dev",
    "gradient_clipping_threshold_per_sample", "gradient_clipping_with_truncation", "use_mean_gradient",
    "minibatch_size", "epoch_size",
)  # fmt: skip


def common(
    positional: tuple[Any, ...], options: dict[str, Any], extra: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the options that all learners have, by name; `extra` are those of one that stand before the size.

    Raises
    ------
    TypeError
        If there are too many, or one is given twice.
    """
    order = (*_COMMON[:6], *extra, *_COMMON[6:])
    if len(positional) > len(order):
        raise CntkTypeError(
            f"{len(positional)} options by position are too many; there are {', '.join(order)}."
        )
    named = dict(zip(order, positional, strict=False))
    twice = named.keys() & options.keys()
    if twice:
        raise CntkTypeError(f"got multiple values for {', '.join(sorted(twice))}")
    return {**named, **options}
