"""Training from a source to its end, with checkpoints, cross-validation, tests and summaries on the way."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.io.minibatch_source import MinibatchSource
from onnx_workbench.cntk.learners.schedules import TrainingParameterSchedule
from onnx_workbench.cntk.train.configs import (
    CheckpointConfig,
    CrossValidationConfig,
    DataUnit,
    Sources,
    TestConfig,
    as_source,
    limited,
    sizes,
    unpacked,
)
from onnx_workbench.cntk.train.trainer import Trainer


@dataclass
class _Action:
    """Something that is done every so often; it returns whether training goes on."""

    frequency: int
    unit: DataUnit
    act: Callable[[int], bool]
    done: int = 0
    last: int = 0


class TrainingSession:
    """Trains from a source; `training_session` makes it.

    Parameters
    ----------
    trainer
        What trains.
    mb_source
        A source, or a tuple of arrays in the order of the loss's arguments.
    mb_size
        Size of minibatches: a number or a schedule.
    model_inputs_to_streams
        Streams by input.
    max_samples
        After how many samples, in all, it ends.
    progress_frequency
        After how many samples, or a pair of a number and a `DataUnit`, progress is summarized.
    checkpoint_config, cv_config, test_config
        What is done beside.
    """

    def __init__(
        self,
        trainer: Trainer,
        mb_source: Any,
        mb_size: Any,
        model_inputs_to_streams: Any,
        max_samples: int | None,
        progress_frequency: Any,
        checkpoint_config: CheckpointConfig | None,
        cv_config: CrossValidationConfig | None,
        test_config: TestConfig | None,
    ) -> None:
        if trainer is None:
            raise CntkValueError("Trainer must not be None.")
        if mb_source is None:
            raise CntkValueError("Training minibatch source must not be None.")
        source, streams = as_source(mb_source, model_inputs_to_streams, trainer.loss_function)
        if not streams:
            raise CntkValueError("Mapping between input vars and streams should not be empty.")
        self._trainer, self._sizes, self._streams = trainer, sizes(mb_size), streams
        self._source: Sources = source  # type: ignore[assignment]
        self._max_samples = sys.maxsize if max_samples is None else max_samples
        self._checkpoint = checkpoint_config or CheckpointConfig(None)
        self._validation, self._test = cv_config or CrossValidationConfig(), test_config or TestConfig()
        if max_samples is None:
            limited(source, "Train")
        limited(self._test.source, "Test")
        limited(self._validation.source, "Cross validation")
        self._updates = self._sweeps = 0
        self._actions = self._made_actions(*unpacked(progress_frequency))
        source = self._validation.source
        self._start = {} if source is None else source.get_checkpoint_state()

    def _made_actions(self, frequency: int | None, unit: DataUnit) -> list[_Action]:
        found = []
        if self._checkpoint.filename is not None:
            found.append(_Action(self._checkpoint.frequency, self._checkpoint.unit, self._save))
        found.append(_Action(sys.maxsize if frequency is None else frequency, unit, self._summarize))
        if self._validation.source is not None or self._validation.callback is not None:
            found.append(_Action(self._validation.frequency, self._validation.unit, self._validate))
        return [one for one in found if one.frequency]

    def train(self, device: Any = None) -> None:
        """Train to the end of the data, or of `max_samples`."""
        self._restore()
        begun, goes_on = self._updates, True
        while goes_on and (left := self._max_samples - self._trainer.total_number_of_samples_seen) > 0:
            size = min(int(self._sizes[self._trainer.total_number_of_samples_seen]), left)
            data = _read(self._source, size, self._streams)
            if not data or not self._trainer.train_minibatch(data):
                break
            self._updates += 1
            self._sweeps += any(one.end_of_sweep for one in data.values())
            goes_on = self._act()
        if self._updates > begun:
            for action in self._actions:
                if action.last != self._updates:  # once more, for what has been trained since
                    action.act(action.done)
            if self._checkpoint.filename is not None:
                self._save_as(str(self._checkpoint.filename))
        if self._test.source is not None:
            for data in minibatches(self._test.source, self._test.sizes, self._test.streams or self._streams):
                self._trainer.test_minibatch(data)
            self._trainer.summarize_test_progress()

    def _counts(self) -> dict[DataUnit, int]:
        samples = self._trainer.total_number_of_samples_seen
        return {DataUnit.sample: samples, DataUnit.minibatch: self._updates, DataUnit.sweep: self._sweeps}

    def _act(self) -> bool:
        """Do what is due; tell whether training goes on."""
        counts, goes_on = self._counts(), True
        for action in self._actions:
            number = counts[action.unit] // action.frequency
            if number != action.done:
                goes_on = action.act(action.done) and goes_on
                action.done, action.last = number, self._updates
        return goes_on

    def _summarize(self, number: int) -> bool:
        self._trainer.summarize_training_progress()
        return True

    def _save(self, number: int) -> bool:
        self._save_as(f"{self._checkpoint.filename}{number if self._checkpoint.preserve_all else ''}")
        return True

    def _save_as(self, filename: str) -> None:
        counts = {"updates": self._updates, "sweeps": self._sweeps}
        self._trainer.save_checkpoint(
            filename, {"source": dict(self._source.get_checkpoint_state()), **counts}
        )

    def _restore(self) -> None:
        config = self._checkpoint
        if config.filename is None or not config.restore:
            return
        found = _latest(Path(config.filename).expanduser())
        if found is None:
            return
        state = self._trainer.restore_from_checkpoint(str(found))
        self._source.restore_from_checkpoint(state["source"])
        self._updates, self._sweeps = int(state["updates"]), int(state["sweeps"])
        counts = self._counts()
        for action in self._actions:
            action.done = counts[action.unit] // action.frequency

    def _validate(self, number: int) -> bool:
        config = self._validation
        error, samples, times = 0.0, 0, 0
        if config.source is not None:
            config.source.restore_from_checkpoint(self._start)
            streams = config.streams or self._streams
            for data in minibatches(config.source, config.sizes, streams, config.max_samples):
                mean = self._trainer.test_minibatch(data)
                count = self._trainer.previous_test_sample_count
                error, samples, times = error + mean * count, samples + count, times + 1
            self._trainer.summarize_test_progress()
        mean = error / samples if samples else 0.0
        return self.on_cross_validation_end(number, mean, samples, times)

    def on_cross_validation_end(
        self, index: int, average_error: float, num_samples: int, num_minibatches: int
    ) -> bool:
        """Ask the callback whether training goes on; users may write another."""
        callback = self._validation.callback
        return (
            True if callback is None else bool(callback(index, average_error, num_samples, num_minibatches))
        )


def _read(source: Sources, size: int, streams: dict[Any, Any]) -> dict[Any, Any]:
    """Return the next minibatch by input."""
    data: dict[Any, Any] = (
        source.next_minibatch(size)
        if isinstance(source, MinibatchSource)
        else source.next_minibatch(size, 1, 0)
    )
    if not data:
        return {}
    return {key: data[stream] for key, stream in streams.items()}


def minibatches(
    source: Sources, schedule: TrainingParameterSchedule, streams: dict[Any, Any], most: int = sys.maxsize
) -> Iterator[dict[Any, Any]]:
    """Yield the minibatches of a source by input, up to so many samples."""
    seen = 0
    while seen < most and (data := _read(source, min(int(schedule[seen]), most - seen), streams)):
        seen += max(one.num_samples for one in data.values())
        yield data


def _latest(filename: Path) -> Path | None:
    """Return the checkpoint of a name, or the last of those that have a number after it."""
    if filename.exists():
        return filename
    numbered = re.compile(re.escape(filename.name) + r"(\d+)")
    found = [
        (int(match[1]), one)
        for one in filename.parent.glob("*")
        if (match := numbered.fullmatch(one.name)) is not None
    ]
    return max(found)[1] if found else None


def training_session(
    trainer: Trainer,
    mb_source: Any,
    mb_size: Any,
    model_inputs_to_streams: Any,
    progress_frequency: Any = None,
    max_samples: int | None = None,
    checkpoint_config: CheckpointConfig | None = None,
    cv_config: CrossValidationConfig | None = None,
    test_config: TestConfig | None = None,
) -> TrainingSession:
    """Return what trains from a source to its end; see `TrainingSession`.

    Examples
    --------
    >>> x, y = C.input_variable(2), C.input_variable(1)
    >>> loss = C.squared_error(C.layers.Dense(1)(x), y)
    >>> learner = C.sgd(loss.parameters, C.learning_parameter_schedule(0.01))
    >>> given, wanted = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    >>> source = C.io.MinibatchSourceFromData({"x": (given, x.type), "y": (wanted, y.type)}, max_samples=8)
    >>> trainer = C.Trainer(None, (loss, None), [learner])
    >>> streams = {x: source.streams.x, y: source.streams.y}
    >>> C.training_session(trainer, source, 4, streams).train()
    >>> trainer.total_number_of_samples_seen
    8
    """
    return TrainingSession(
        trainer, mb_source, mb_size, model_inputs_to_streams, max_samples, progress_frequency,
        checkpoint_config, cv_config, test_config,
    )  # fmt: skip
