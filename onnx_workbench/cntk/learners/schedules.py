"""Numbers that change while training goes on: learning rates and momenta by samples or by sweeps through the data."""

from __future__ import annotations

import copy
import math
import warnings
from enum import Enum, unique
from typing import Any

from onnx_workbench.cntk.errors import CntkValueError

IGNORE = 0
"""The minibatch size of schedules whose numbers hold for minibatches of any size."""


@unique
class UnitType(Enum):
    """What the numbers of old schedules are for."""

    sample = "sample"
    minibatch = "minibatch"


class TrainingParameterSchedule:
    """Numbers by how many samples have been seen, or by how many sweeps where there is no `epoch_size`.

    Parameters
    ----------
    entries
        Pairs: how many units, and the number; the last one holds on.
    epoch_size
        Samples of a unit; None for a sweep.
    minibatch_size
        The size of minibatches that the numbers are for; `IGNORE` for any.
    """

    def __init__(self, entries: list[tuple[int, float]], epoch_size: int | None, minibatch_size: int) -> None:
        self.entries, self.epoch_size, self.minibatch_size = entries, epoch_size, minibatch_size
        self.is_minibatch_size_explicitly_specified = True
        self._origin = 0

    def __getitem__(self, count: int) -> float:
        unit = count // (self.epoch_size or 1)
        for units, value in self.entries:
            if unit < units:
                return value
            unit -= units
        return self.entries[-1][1]

    def at(self, samples: int, sweeps: int) -> float:
        """Return the number after so many samples and sweeps."""
        return self[(sweeps if self.epoch_size is None else samples) - self._origin]

    def begun_at(self, samples: int, sweeps: int) -> TrainingParameterSchedule:
        """Return the same numbers, their units counted from here."""
        found = copy.copy(self)
        found._origin = sweeps if self.epoch_size is None else samples
        return found

    def unit(self) -> str:
        """Say what its numbers are for."""
        return "minibatch" if self.minibatch_size == IGNORE else f"{self.minibatch_size} samples"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, for a checkpoint."""
        return {
            "units": [units for units, _ in self.entries],
            "values": [value for _, value in self.entries],
            "epoch_size": self.epoch_size or 0,
            "minibatch_size": self.minibatch_size,
            "origin": self._origin,
        }

    @staticmethod
    def from_dict(kept: dict[str, Any]) -> TrainingParameterSchedule:
        """Return the schedule of a checkpoint."""
        entries = [(int(units), float(one)) for units, one in zip(kept["units"], kept["values"], strict=True)]
        found = TrainingParameterSchedule(
            entries, int(kept["epoch_size"]) or None, int(kept["minibatch_size"])
        )
        found._origin = int(kept["origin"])
        return found

    def over(self, count: int) -> float:
        """Return how many times the minibatch that the numbers are for one of `count` samples is."""
        return 1.0 if self.minibatch_size == IGNORE else count / self.minibatch_size


def _entries(schedule: Any, epoch_size: int | None) -> list[tuple[int, float]]:
    if isinstance(schedule, int | float) and not isinstance(schedule, bool):
        if epoch_size is not None:
            warnings.warn(
                "When providing the schedule as a number, epoch_size is ignored", RuntimeWarning, stacklevel=4
            )
        return [(1, float(schedule))]
    if not isinstance(schedule, list) or not schedule:
        raise CntkValueError(f"schedule must be either a float or a list, not {type(schedule).__name__}")
    pairs = [one if isinstance(one, tuple) else (1, one) for one in schedule]
    return [(int(units), float(value)) for units, value in pairs]


def _made(schedule: Any, epoch_size: int | None, minibatch_size: int | None) -> TrainingParameterSchedule:
    if epoch_size is not None and epoch_size <= 0:
        raise CntkValueError(f"epoch_size must be positive; got {epoch_size}.")
    if isinstance(schedule, TrainingParameterSchedule):
        return schedule
    entries = _entries(schedule, epoch_size)
    made = TrainingParameterSchedule(entries, epoch_size, minibatch_size or IGNORE)
    made.is_minibatch_size_explicitly_specified = minibatch_size is not None
    return made


def learning_parameter_schedule(
    schedule: Any, minibatch_size: int | None = None, epoch_size: int | None = None
) -> TrainingParameterSchedule:
    """Return a schedule of learning rates or the like.

    Parameters
    ----------
    schedule
        A number; a list of numbers, one for each unit; or pairs of how many units and a number.
    minibatch_size
        Size of minibatches that the numbers are for: others are scaled. None: they hold for any, as those of most
        other frameworks, which divide gradients by the size of the minibatch.
    epoch_size
        Samples of a unit; a sweep through the data if not given.

    Examples
    --------
    >>> rate = C.learning_parameter_schedule([0.5, 0.1], epoch_size=1000)
    >>> rate[0], rate[1000]
    (0.5, 0.1)
    """
    return _made(schedule, epoch_size, minibatch_size)


def learning_parameter_schedule_per_sample(
    schedule: Any, epoch_size: int | None = None
) -> TrainingParameterSchedule:
    """Return a schedule whose numbers are for minibatches of one sample."""
    return _made(schedule, epoch_size, 1)


def learning_rate_schedule(lr: Any, unit: Any, epoch_size: int | None = None) -> TrainingParameterSchedule:
    """Return a schedule by the old call: numbers for each sample, or for each minibatch."""
    made = _made(lr, epoch_size, 1 if UnitType(unit) is UnitType.sample else IGNORE)
    made.is_minibatch_size_explicitly_specified = True
    return made


def training_parameter_schedule(
    schedule: Any, unit: Any = UnitType.minibatch, epoch_size: int | None = None
) -> TrainingParameterSchedule:
    """Return a schedule by the old call: numbers for each minibatch unless told otherwise."""
    return learning_rate_schedule(schedule, unit, epoch_size)


def momentum_schedule(
    momentum: Any, epoch_size: int | None = None, minibatch_size: int | None = None
) -> TrainingParameterSchedule:
    """Return a schedule of momenta, for minibatches of any size or of the one given."""
    return _made(momentum, epoch_size, minibatch_size)


def momentum_schedule_per_sample(momentum: Any, epoch_size: int | None = None) -> TrainingParameterSchedule:
    """Return a schedule of momenta for minibatches of one sample."""
    return _made(momentum, epoch_size, 1)


def momentum_as_time_constant_schedule(
    momentum: Any, epoch_size: int | None = None
) -> TrainingParameterSchedule:
    """Return a schedule of momenta by the number of samples after which 1/e of a gradient is left."""
    if isinstance(momentum, TrainingParameterSchedule):
        return momentum
    made = _made(momentum, epoch_size, 1)
    made.entries = [(units, math.exp(-1.0 / value) if value else 0.0) for units, value in made.entries]
    return made
