"""Sums over minibatches, and when something is told about them."""

from __future__ import annotations

import sys
import time
from typing import Any


class _Sums:
    """What minibatches sum up to since the last summary, and since something was last told."""

    def __init__(self, frequency: int, first: int) -> None:
        self._frequency, self._first = frequency, first
        self.summaries = self.total = 0
        self.begin()

    def begin(self) -> None:
        """Begin anew, as after a summary."""
        self.samples = self.updates = 0
        self.loss = self.metric = 0.0
        self.before: tuple[int, int, float, float] = (0, 0, 0.0, 0.0)
        self.started = time.perf_counter()

    def add(self, samples: int, loss: float, metric: float) -> bool:
        """Add a minibatch; tell whether something is to be told."""
        self.samples, self.updates = self.samples + samples, self.updates + 1
        self.total += 1
        self.loss, self.metric = self.loss + loss, self.metric + metric
        if self._frequency == 0:
            return (self.updates + 1) & self.updates == 0
        return self.updates % self._frequency == 0 or self.updates <= self._first

    def told(self) -> tuple[tuple[Any, Any], ...]:
        """Return pairs of before and now: samples, updates, losses, metrics."""
        now = (self.samples, self.updates, self.loss, self.metric)
        pairs = tuple(zip(self.before, now, strict=True))
        self.before = now
        return pairs

    def milliseconds(self) -> float:
        """Return how long it has taken."""
        return 1000 * (time.perf_counter() - self.started)


class ProgressWriter:
    """Base of what is told how training and tests go: derive from it and write the methods that begin with ``on_``.

    Parameters
    ----------
    training_update_freq, test_update_freq
        After how many minibatches something is told; 0 for the first, the third, the seventh, and so on.
    training_first_updates_to_write, test_first_updates_to_write
        How many of the first minibatches are told each.
    distributed_sync_update_freq, distributed_sync_first_updates_to_write
        Accepted: there is one worker.
    """

    def __init__(
        self,
        training_update_freq: int = sys.maxsize,
        training_first_updates_to_write: int = 0,
        test_update_freq: int = sys.maxsize,
        test_first_updates_to_write: int = 0,
        distributed_sync_update_freq: int = sys.maxsize,
        distributed_sync_first_updates_to_write: int = 0,
    ) -> None:
        self._training = _Sums(training_update_freq, training_first_updates_to_write)
        self._test = _Sums(test_update_freq, test_first_updates_to_write)
        self._rates: dict[str, float] = {}

    def __disown__(self) -> None:
        """Accept: CNTK's classes call it."""

    def update_training(self, samples: int, loss: float, metric: float | None) -> None:
        """Take in one minibatch of training: how many samples, and the sums of loss and metric."""
        if self._training.add(samples, loss, metric or 0.0):
            self.on_write_training_update(*self._training.told())
        self.on_training_update_end()

    def update_test(self, samples: int, metric: float) -> None:
        """Take in one minibatch of a test: how many samples, and the sum of the metric."""
        if self._test.add(samples, 0.0, metric):
            counts, updates, _, metrics = self._test.told()
            self.on_write_test_update(counts, updates, metrics)

    def update_rate(self, name: str, value: float) -> None:
        """Take in a rate or a momentum, and write it if it has changed."""
        if self._rates.get(name) != value:
            self._rates[name] = value
            self.write(name, value)

    def total_training_updates(self) -> int:
        """Return how many minibatches of training there have been."""
        return self._training.total

    def total_test_updates(self) -> int:
        """Return how many minibatches of tests there have been."""
        return self._test.total

    def write_training_summary(self) -> None:
        """Tell what training has summed up to, and begin anew."""
        sums = self._training
        sums.summaries += 1
        self.on_write_training_summary(
            sums.samples, sums.updates, sums.summaries, sums.loss, sums.metric, sums.milliseconds()
        )
        sums.begin()

    def write_test_summary(self) -> None:
        """Tell what the test has summed up to, and begin anew."""
        sums = self._test
        sums.summaries += 1
        self.on_write_test_summary(
            sums.samples, sums.updates, sums.summaries, sums.metric, sums.milliseconds()
        )
        sums.begin()

    def on_write_training_update(
        self, samples: Any, updates: Any, aggregate_loss: Any, aggregate_metric: Any
    ) -> None:
        """Tell of some minibatches of training: pairs of the sums before them and after them."""

    def on_training_update_end(self) -> None:
        """Do what is to be done after each minibatch of training."""

    def on_write_test_update(self, samples: Any, updates: Any, aggregate_metric: Any) -> None:
        """Tell of some minibatches of a test: pairs of the sums before them and after them."""

    def on_write_training_summary(
        self,
        samples: int,
        updates: int,
        summaries: int,
        aggregate_loss: float,
        aggregate_metric: Any,
        elapsed_milliseconds: float,
    ) -> None:
        """Tell of all minibatches of training since the last summary; scripts that give no metric have None for it."""

    def on_write_test_summary(
        self,
        samples: int,
        updates: int,
        summaries: int,
        aggregate_metric: float,
        elapsed_milliseconds: float,
    ) -> None:
        """Tell of all minibatches of a test since the last summary."""

    def on_write_distributed_sync_update(self, samples: Any, updates: Any, aggregate_metric: Any) -> None:
        """Tell of workers that have been brought together: never called, for there is one."""

    def write(self, key: str, value: Any) -> None:
        """Tell of a rate or a momentum that has changed."""


def share(whole: float, count: float) -> float:
    """Return the mean of what sums up to `whole`; of nothing it is 0."""
    return whole / count if count > 0 else 0.0


def mean_since(sums: Any, samples: Any) -> float:
    """Return the mean over some minibatches, of the sums before them and after them."""
    return share(sums[1] - sums[0], samples[1] - samples[0])


class TrainingSummaryProgressCallback(ProgressWriter):
    """Calls a function after each part of training.

    Parameters
    ----------
    epoch_size
        Accepted: how often it is called is a matter of who summarizes.
    callback
        Called with the number of the summary, from 0, the sums of loss and metric, and the number of samples.
    """

    def __init__(self, epoch_size: int, callback: Any) -> None:
        super().__init__(sys.maxsize, 0, epoch_size, 0)
        self._callback = callback

    def on_write_training_summary(
        self,
        samples: int,
        updates: int,
        summaries: int,
        aggregate_loss: float,
        aggregate_metric: float,
        elapsed_milliseconds: float,
    ) -> None:
        """Call the function."""
        self._callback(summaries - 1, aggregate_loss, aggregate_metric, samples)
