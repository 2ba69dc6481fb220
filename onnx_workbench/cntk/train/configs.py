"""What is done beside training: checkpoints, cross-validation and tests, and how often."""

from __future__ import annotations

import enum
import sys
import warnings
from typing import Any

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.io.minibatch_source import INFINITELY_REPEAT, MinibatchSource
from onnx_workbench.cntk.io.user_sources import MinibatchSourceFromData, UserMinibatchSource
from onnx_workbench.cntk.learners.schedules import TrainingParameterSchedule

Sources = MinibatchSource | UserMinibatchSource


class DataUnit(enum.IntEnum):
    """What frequencies are counted in."""

    sweep = 0
    sample = 1
    minibatch = 2


def minibatch_size_schedule(schedule: Any, epoch_size: int = 1) -> TrainingParameterSchedule:
    """Return a schedule of the sizes of minibatches.

    Parameters
    ----------
    schedule
        A number; a list of numbers, one for each unit; or pairs of how many units and a number.
    epoch_size
        Samples of a unit.
    """
    if isinstance(schedule, int) and not isinstance(schedule, bool):
        if epoch_size != 1:
            raise CntkValueError("when providing the schedule as a number, epoch_size is ignored")
        return TrainingParameterSchedule([(1, schedule)], 1, 0)
    if not isinstance(schedule, list) or not schedule:
        raise CntkValueError(f"schedule must be either a number or a list, not {type(schedule).__name__}")
    entries = [one if isinstance(one, tuple) else (1, one) for one in schedule]
    return TrainingParameterSchedule(entries, epoch_size, 0)


def sizes(given: Any) -> TrainingParameterSchedule:
    """Return the schedule for what callers give as the size of minibatches."""
    return given if isinstance(given, TrainingParameterSchedule) else minibatch_size_schedule(given)


def unpacked(frequency: Any) -> tuple[int | None, DataUnit]:
    """Return how often, and in which unit."""
    if frequency is None:
        return None, DataUnit.sample
    if isinstance(frequency, int):
        return frequency, DataUnit.sample
    if isinstance(frequency, tuple) and len(frequency) == 2 and isinstance(frequency[1], DataUnit):
        return frequency[0], frequency[1]
    raise CntkValueError(
        f"Unsupported frequency specification: {frequency!r}. Give a number, or a pair of a number and a DataUnit."
    )


class CheckpointConfig:
    """When and where checkpoints are saved.

    Parameters
    ----------
    filename
        Where; None for no checkpoints.
    frequency
        After how many samples, or a pair of a number and a `DataUnit`; None for once, at the end.
    restore
        Whether training goes on from a checkpoint that is there.
    preserve_all
        Whether each checkpoint is kept, with its number after the name.
    """

    def __init__(
        self, filename: Any, frequency: Any = None, restore: bool = True, preserve_all: bool = False
    ) -> None:
        count, self.unit = unpacked(frequency)
        if filename is None and count:
            raise CntkValueError("Checkpoint frequency cannot be specified without checkpoint_filename")
        self.filename = filename
        self.frequency = sys.maxsize if count is None else count
        self.restore, self.preserve_all = restore, preserve_all


class CrossValidationConfig:
    """When and on what the network is tested while it is trained.

    Parameters
    ----------
    minibatch_source
        A source, or a tuple of arrays in the order of the criterion's arguments.
    frequency
        After how many samples, or a pair of a number and a `DataUnit`; None for once, at the end.
    minibatch_size
        A number or a schedule.
    callback
        Called with the number of the test, the mean error, and how many samples and minibatches there were; training
        stops when it returns False.
    max_samples
        How many samples at most.
    model_inputs_to_streams
        Streams by input; as in training if not given.
    criterion
        Whose arguments arrays are for.
    source, mb_size
        Old names of ``minibatch_source`` and ``minibatch_size``.
    """

    def __init__(
        self,
        minibatch_source: Any = None,
        frequency: Any = None,
        minibatch_size: Any = 32,
        callback: Any = None,
        max_samples: int | None = None,
        model_inputs_to_streams: Any = None,
        criterion: Any = None,
        source: Any = None,
        mb_size: Any = None,
    ) -> None:
        minibatch_source, minibatch_size = _renamed(minibatch_source, minibatch_size, source, mb_size)
        count, self.unit = unpacked(frequency)
        if minibatch_source is None and callback is None and count:
            raise CntkValueError("Either minibatch_source of callback should be specified.")
        self.frequency = sys.maxsize if count is None else count
        self.callback, self.sizes = callback, sizes(1 if minibatch_size is None else minibatch_size)
        self.max_samples = sys.maxsize if max_samples is None else max_samples
        self.source, self.streams = as_source(
            minibatch_source, model_inputs_to_streams, criterion, endless=False
        )


class TestConfig:
    """On what the network is tested after training.

    Parameters
    ----------
    minibatch_source, minibatch_size, model_inputs_to_streams, criterion, source, mb_size
        As in `CrossValidationConfig`.
    """

    __test__ = False  # its name is not that of a test

    def __init__(
        self,
        minibatch_source: Any = None,
        minibatch_size: Any = 32,
        model_inputs_to_streams: Any = None,
        criterion: Any = None,
        source: Any = None,
        mb_size: Any = None,
    ) -> None:
        minibatch_source, minibatch_size = _renamed(minibatch_source, minibatch_size, source, mb_size)
        self.sizes = sizes(minibatch_size)
        self.source, self.streams = as_source(
            minibatch_source, model_inputs_to_streams, criterion, endless=False
        )


def _renamed(source: Any, size: Any, old_source: Any, old_size: Any) -> tuple[Any, Any]:
    """Return a source and a size, which old names may have."""
    for name, old, new in (
        ("source", old_source, "minibatch_source"),
        ("mb_size", old_size, "minibatch_size"),
    ):
        if old is not None:
            warnings.warn(
                f'DEPRECATED: "{name}" parameter is deprecated, please use "{new}" instead',
                DeprecationWarning,
                stacklevel=3,
            )
    return source if old_source is None else old_source, size if old_size is None else old_size


def limited(source: Any, kind: str) -> None:
    """Refuse a source that never ends.

    Raises
    ------
    ValueError
        If it does not.
    """
    if source is not None and source.is_infinite():
        raise CntkValueError(
            f"{kind} minibatch source must have a limited number of samples or sweeps: make it with max_samples or "
            "max_sweeps."
        )


def as_source(
    given: Any, streams: Any, criterion: Any, *, endless: bool = True
) -> tuple[Sources | None, Any]:
    """Return a source and its streams by input, for a source or for arrays.

    Raises
    ------
    ValueError
        If there are not as many arrays as arguments, or nothing says whose arguments they are for.
    """
    if given is None or isinstance(given, MinibatchSource | UserMinibatchSource):
        return given, streams
    arrays = given if isinstance(given, tuple) else (given,)
    if criterion is None:
        raise CntkValueError(
            "when passing data directly in place of a minibatch source, criterion must be given"
        )
    if streams is not None:
        raise CntkValueError("mapping must not be provided when data is passed directly")
    inputs = criterion.arguments
    if len(inputs) != len(arrays):
        raise CntkValueError(
            "to pass data directly in place of a minibatch source, pass a tuple of "
            f"{len(inputs)} numpy or scipy arrays, in the order of the arguments of the criterion function. You passed "
            f"{len(arrays)} value(s)"
        )
    names = [f"stream_{number}" for number in range(len(inputs))]
    first = arrays[0]
    count = len(first) if isinstance(first, list) else int(first.shape[0])
    data = {name: (array, one.type) for name, array, one in zip(names, arrays, inputs, strict=True)}
    source = MinibatchSourceFromData(data, max_samples=INFINITELY_REPEAT if endless else count)
    return source, {one: source.streams[name] for one, name in zip(inputs, names, strict=True)}
