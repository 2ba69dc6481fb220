"""Learners with a rate of its own for each number, by how large its gradients have been.

All in CNTK's ways, which differ from the published ones: AdaGrad and RMSProp divide by the mean multiplier, FSAdaGrad
bounds how much a gradient is magnified, and variances remember by samples unless told otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from onnx_workbench.cntk.learners.learner import Array, Learner
from onnx_workbench.cntk.learners.schedules import (
    learning_parameter_schedule_per_sample,
    momentum_schedule_per_sample,
)
from onnx_workbench.cntk.learners.update_rules import WithMomentum, common
from onnx_workbench.cntk.variables import Parameter

_VARIANCE_MOMENTUM = 0.9999986111120757  # of one sample: a time constant of 720,000 samples


class AdaGrad(Learner):
    """Rates by the sum of all squared gradients (Duchi, Hazan and Singer, 2011)."""

    def __init__(
        self, parameters: Iterable[Parameter], lr: Any, *, need_ave_multiplier: bool = True, **more: Any
    ) -> None:
        super().__init__(parameters, lr, **more)
        self._averages = need_ave_multiplier

    def _step(self, gradient: Array, rate: float, count: int, kept: dict[str, Array]) -> Array:
        kept["squares"] = squares = kept.get("squares", 0) + gradient * gradient
        multiplier = 1 / np.sqrt(squares + 1e-16)
        average = float(np.mean(multiplier)) if self._averages else 1.0
        return rate / average * gradient * multiplier


class AdaDelta(Learner):
    """Rates by recent gradients and recent steps (Zeiler, 2012)."""

    def __init__(
        self, parameters: Iterable[Parameter], lr: Any, *, rho: float, epsilon: float, **more: Any
    ) -> None:
        super().__init__(parameters, lr, **more)
        self._rho, self._epsilon = rho, epsilon

    def _step(self, gradient: Array, rate: float, count: int, kept: dict[str, Array]) -> Array:
        rho, epsilon = self._rho, self._epsilon
        kept["squares"] = squares = rho * kept.get("squares", 0) + (1 - rho) * gradient * gradient
        before = kept.get("steps", np.zeros_like(gradient))
        step = np.sqrt(before + epsilon) / np.sqrt(squares + epsilon) * gradient
        kept["steps"] = rho * before + (1 - rho) * step * step
        return rate * step


class _WithVariance(WithMomentum):
    """A learner that smooths gradients and their squares."""

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: Any,
        momentum: Any,
        unit_gain: bool | None,
        variance_momentum: Any,
        **more: Any,
    ) -> None:
        super().__init__(parameters, lr, momentum, unit_gain, **more)
        usual = momentum_schedule_per_sample(_VARIANCE_MOMENTUM)
        self._variance = usual if variance_momentum is None else self._schedule(variance_momentum)

    def _squared(self, gradient: Array, count: int, kept: dict[str, Array]) -> Array:
        # In the dtype of the gradient, as CNTK: where the weight is almost 1, float32 leaves little of the rest.
        weight = gradient.dtype.type(self._remembers(self._variance, count))
        squares: Array = weight * kept.get("squares", 0) + (1 - weight) * gradient * gradient
        kept["squares"] = squares
        return squares


class FsAdaGrad(_WithVariance):
    """CNTK's own: gradients scaled to a common size, at most tenfold, then smoothed."""

    _most = 10.0

    def _before(self, count: int) -> None:
        weight = self._remembers(self._variance, count)
        self._counted["smoothed"] = weight * self._counted.get("smoothed", 0.0) + (1 - weight) * count

    def _step(self, gradient: Array, rate: float, count: int, kept: dict[str, Array]) -> Array:
        length = np.sqrt(self._squared(gradient, count, kept))
        target = math.sqrt(self._counted["smoothed"])
        nonzero = length != 0
        scale = np.divide(target, length, out=np.ones_like(length), where=nonzero)
        part = gradient * np.where(nonzero, np.minimum(scale, self._most), 1)
        momentum = self._remembers(self._momentum, count)
        return rate * (self._smoothed(part, momentum, kept) if momentum > 0 else part)


class Adam(_WithVariance):
    """Rates by means and variances of gradients (Kingma and Ba, 2015), or by their largest with `adamax`."""

    def __init__(self, *arguments: Any, epsilon: float, adamax: bool, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._epsilon, self._by_largest = epsilon, adamax

    def _before(self, count: int) -> None:
        self._counted["updates"] = self._counted.get("updates", 0) + 1

    def _step(self, gradient: Array, rate: float, count: int, kept: dict[str, Array]) -> Array:
        updates = self._counted["updates"]
        momentum = self._remembers(self._momentum, count)
        weight = self._remembers(self._variance, count)
        correction = 1 / (1 - momentum**updates) if momentum < 1 else math.inf
        if self._by_largest:
            kept["largest"] = size = np.maximum(weight * kept.get("largest", 0), np.abs(gradient))
        else:
            size = np.sqrt(self._squared(gradient, count, kept))
            correction *= math.sqrt(1 - weight**updates)
        scale = correction / (size + self._epsilon)
        return self._smoothed(gradient, momentum, kept) * scale * rate


class RmsProp(Learner):
    """Rates by recent squared gradients and by how steadily signs stay (Tieleman and Hinton, 2012)."""

    _first, _floor = 0.02, 1e-6

    def __init__(
        self,
        parameters: Iterable[Parameter],
        lr: Any,
        *,
        gamma: float,
        factors: tuple[float, float],
        bounds: tuple[float, float],
        need_ave_multiplier: bool = True,
        **more: Any,
    ) -> None:
        super().__init__(parameters, lr, **more)
        self._gamma, self._averages = gamma, need_ave_multiplier
        (self._up, self._down), (self._most, self._least) = factors, bounds

    def _step(self, gradient: Array, rate: float, count: int, kept: dict[str, Array]) -> Array:
        square = gradient * gradient
        if not kept:
            kept["squares"], kept["signs"] = square, np.zeros_like(gradient)
            kept["steps"] = np.full_like(gradient, self._first)
        kept["squares"] = squares = self._gamma * kept["squares"] + (1 - self._gamma) * square
        sign = np.sign(gradient)
        up, down = kept["steps"] * self._up, kept["steps"] * self._down
        steady = kept["signs"] * sign > 0
        kept["steps"] = steps = np.where(steady, np.minimum(up, self._most), np.maximum(down, self._least))
        kept["signs"] = sign
        multiplier = steps / np.sqrt(squares + self._floor)
        average = float(np.mean(multiplier)) if self._averages else 1.0
        return rate / average * gradient * multiplier


def adagrad(
    parameters: Any, lr: Any, need_ave_multiplier: bool = True, *positional: Any, **options: Any
) -> Learner:
    """Return a learner with rates by the sum of all squared gradients.

    Parameters
    ----------
    parameters, lr
        As in `sgd`.
    need_ave_multiplier
        Whether rates are divided by their mean, so that only their proportions matter.
    positional, options
        As in `sgd`.
    """
    return AdaGrad(parameters, lr, need_ave_multiplier=need_ave_multiplier, **common(positional, options))


def adadelta(
    parameters: Any,
    lr: Any = None,
    rho: float = 0.95,
    epsilon: float = 1e-8,
    *positional: Any,
    **options: Any,
) -> Learner:
    """Return a learner with rates by recent gradients and recent steps.

    Parameters
    ----------
    parameters, lr
        As in `sgd`; the rate is 1 for each sample if not given.
    rho
        How much of the squares before is kept.
    epsilon
        Added to squares before their root is taken.
    positional, options
        As in `sgd`.
    """
    lr = learning_parameter_schedule_per_sample(1) if lr is None else lr
    return AdaDelta(parameters, lr, rho=rho, epsilon=epsilon, **common(positional, options))


def fsadagrad(
    parameters: Any,
    lr: Any,
    momentum: Any,
    unit_gain: bool | None = None,
    variance_momentum: Any = None,
    *positional: Any,
    **options: Any,
) -> Learner:
    """Return CNTK's learner with gradients scaled to a common size, and a momentum.

    Parameters
    ----------
    parameters, lr, momentum, unit_gain
        As in `momentum_sgd`.
    variance_momentum
        How much of the squares before is kept; for one sample 0.9999986 if not given.
    positional, options
        As in `sgd`.
    """
    return FsAdaGrad(parameters, lr, momentum, unit_gain, variance_momentum, **common(positional, options))


def adam(
    parameters: Any,
    lr: Any,
    momentum: Any,
    unit_gain: bool | None = None,
    variance_momentum: Any = None,
    *positional: Any,
    epsilon: float = 1e-8,
    adamax: bool = False,
    **options: Any,
) -> Learner:
    """Return a learner with rates by means and variances of gradients.

    Parameters
    ----------
    parameters, lr, momentum, unit_gain, variance_momentum
        As in `fsadagrad`; the published way has ``unit_gain=True`` and ``variance_momentum=0.999``.
    positional, options
        As in `sgd`; by position, `epsilon` and `adamax` stand before the size of the minibatch.
    epsilon
        Added to the root of the variance.
    adamax
        Whether rates are by the largest recent gradient.
    """
    named = {"epsilon": epsilon, "adamax": adamax, **common(positional, options, ("epsilon", "adamax"))}
    return Adam(parameters, lr, momentum, unit_gain, variance_momentum, **named)


def rmsprop(
    parameters: Any,
    lr: Any,
    gamma: float,
    inc: float,
    dec: float,
    max: float,
    min: float,
    need_ave_multiplier: bool = True,
    *positional: Any,
    **options: Any,
) -> Learner:
    """Return a learner with rates by recent squared gradients and by how steadily signs stay.

    Parameters
    ----------
    parameters, lr
        As in `sgd`.
    gamma
        How much of the squares before is kept.
    inc, dec
        Factors of a number's rate where its gradients keep their sign, and where they change it.
    max, min
        Bounds of that rate, which begins at 0.02.
    need_ave_multiplier
        Whether rates are divided by their mean.
    positional, options
        As in `sgd`.
    """
    return RmsProp(
        parameters, lr, gamma=gamma, factors=(inc, dec), bounds=(max, min),
        need_ave_multiplier=need_ave_multiplier, **common(positional, options),
    )  # fmt: skip
