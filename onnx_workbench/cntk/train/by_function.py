"""`Function.train` and `Function.test`: a criterion trained or tested in one call."""

from __future__ import annotations

import sys
from typing import Any

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.io.minibatch_source import MinibatchSource
from onnx_workbench.cntk.io.user_sources import UserMinibatchSource
from onnx_workbench.cntk.logging.progress_writer import ProgressWriter, mean_since, share
from onnx_workbench.cntk.train.configs import (
    CheckpointConfig,
    CrossValidationConfig,
    TestConfig,
    as_source,
    limited,
    sizes,
)
from onnx_workbench.cntk.train.evaluator import Evaluator
from onnx_workbench.cntk.train.trainer import Trainer
from onnx_workbench.cntk.train.training_session import minibatches, training_session
from onnx_workbench.cntk.value_types import Record


class _Collector(ProgressWriter):
    """Keeps what training and tests sum up to."""

    def __init__(self, period: int) -> None:
        super().__init__(period, 0)
        self.updates: list[Record] = []
        self.summaries: list[Record] = []
        self.tests: list[Record] = []

    def on_write_training_update(
        self, samples: Any, updates: Any, aggregate_loss: Any, aggregate_metric: Any
    ) -> None:
        """Keep the means of some minibatches."""
        loss, metric = mean_since(aggregate_loss, samples), mean_since(aggregate_metric, samples)
        self.updates.append(Record(loss=loss, metric=metric, samples=samples[1] - samples[0]))

    def on_write_training_summary(
        self,
        samples: int,
        updates: int,
        summaries: int,
        aggregate_loss: float,
        aggregate_metric: float,
        elapsed_milliseconds: float,
    ) -> None:
        """Keep the means of a part of training."""
        loss, metric = share(aggregate_loss, samples), share(aggregate_metric, samples)
        self.summaries.append(Record(loss=loss, metric=metric, samples=samples))

    def on_write_test_summary(
        self,
        samples: int,
        updates: int,
        summaries: int,
        aggregate_metric: float,
        elapsed_milliseconds: float,
    ) -> None:
        """Keep the mean of a test."""
        self.tests.append(Record(metric=share(aggregate_metric, samples), samples=samples))


def _config(callbacks: list[Any], kind: type) -> Any:
    found = [one for one in callbacks if isinstance(one, kind)]
    if len(found) > 1:
        raise CntkValueError(f"only one callback of type {kind.__name__} is permitted; got {len(found)}.")
    return found[0] if found else None


def _writers(callbacks: list[Any]) -> list[ProgressWriter]:
    kinds = (ProgressWriter, CheckpointConfig, CrossValidationConfig, TestConfig)
    for one in callbacks:
        if not isinstance(one, kinds):
            raise CntkValueError(
                "callbacks list can only contain objects of type ProgressWriter, CheckpointConfig, "
                f"CrossValidationConfig, and TestConfig; got a {type(one).__name__}."
            )
    return [one for one in callbacks if isinstance(one, ProgressWriter)]


def _most(
    source: Any, epochs: float | None, epoch_size: int | None, most: int | None
) -> tuple[int, int | None]:
    """Return how many samples there are in all, and in an epoch."""
    if most is not None:
        if epochs is not None:
            raise CntkValueError("max_epochs and max_samples are mutually exclusive.")
        return most, epoch_size
    if epoch_size is None:
        if isinstance(source, MinibatchSource | UserMinibatchSource):
            raise CntkValueError(
                "epoch_size must be specified, unless max_samples is given or input is given as numpy/scipy arrays."
            )
        first = source[0] if isinstance(source, tuple) else source
        epoch_size = len(first) if isinstance(first, list) else int(first.shape[0])
    return int((1 if epochs is None else epochs) * epoch_size), epoch_size


def train(
    criterion: Any,
    source: Any,
    size: Any,
    streams: Any,
    mapping: Any,
    learners: Any,
    callbacks: list[Any],
    frequency: int | None,
    epochs: float | None,
    epoch_size: int | None,
    most: int | None,
) -> Record:
    """Train a criterion; see `Function.train`."""
    if size is None:
        raise CntkValueError("minibatch_size must not be None.")
    schedule, writers = sizes(size), _writers(callbacks)
    total, epoch = _most(source, epochs, epoch_size, most)
    frequency = epoch if frequency is None else frequency
    period = getattr(writers[0], "freq", None) if writers else None
    if period is None:
        period = sys.maxsize if frequency is None else max(int(frequency // schedule[0]), 1)
    collector = _Collector(period)
    trainer = Trainer(None, criterion, learners, [*writers, collector])
    test = _config(callbacks, TestConfig)
    training_session(
        trainer,
        source,
        schedule,
        _mapped(criterion, streams, mapping),
        progress_frequency=frequency,
        max_samples=total,
        checkpoint_config=_config(callbacks, CheckpointConfig),
        cv_config=_config(callbacks, CrossValidationConfig),
        test_config=test,
    ).train()
    nothing = [Record(loss=0, metric=0, samples=0)]
    found = Record(
        updates=collector.updates if collector.summaries else nothing,
        epoch_summaries=collector.summaries or nothing,
    )
    return found if test is None else found.updated_with(test_summary=collector.tests[-1])


def _mapped(criterion: Any, streams: Any, mapping: Any) -> Any:
    if not streams:
        return mapping
    if mapping:
        raise CntkValueError("streams and model_inputs_to_streams are mutually exclusive.")
    return criterion.argument_map(*streams)


def test(criterion: Any, source: Any, size: Any, streams: Any, mapping: Any, callbacks: list[Any]) -> Record:
    """Test the last output of a criterion; see `Function.test`."""
    if size is None:
        raise CntkValueError("minibatch_size must not be None.")
    found, inputs = as_source(source, _mapped(criterion, streams, mapping), criterion, endless=False)
    limited(found, "Test")
    collector = _Collector(sys.maxsize)
    evaluator = Evaluator(criterion.outputs[-1], [*_writers(callbacks), collector])
    needed = set(evaluator.evaluation_function.arguments)
    for data in minibatches(found, sizes(size), inputs):  # type: ignore[arg-type]
        evaluator.test_minibatch({key: value for key, value in data.items() if key in needed})
    evaluator.summarize_test_progress()
    return collector.tests[-1]
