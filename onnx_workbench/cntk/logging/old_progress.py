"""What scripts from before trainers took progress writers call: sums that they feed themselves."""

from __future__ import annotations

import time
from typing import Any

from onnx_workbench.cntk.logging.progress_writer import ProgressWriter, share


class OldProgress(ProgressWriter):
    """Sums of losses and metrics since the start and since the last line, fed by `update`."""

    freq: int
    first: int

    def begin_old_progress(self) -> None:
        """Set all sums to 0."""
        self.loss_since_start = self.metric_since_start = 0.0
        self.loss_since_last = self.metric_since_last = 0.0
        self.samples_since_start = self.samples_since_last = 0
        self.updates_since_start = self.total_updates = self.epochs = 0
        self.epoch_start_time = time.time()

    def update(self, loss: float, minibatch_size: int, metric: float | None = None) -> None:
        """Take in a minibatch, and write a line when it is time for one.

        Parameters
        ----------
        loss, metric
            Means over the minibatch; without a metric the lines have none.
        minibatch_size
            How many samples it has; of none nothing is taken.
        """
        if minibatch_size == 0:
            return
        self.samples_since_start += minibatch_size
        self.samples_since_last += minibatch_size
        self.loss_since_start += loss * minibatch_size
        self.loss_since_last += loss * minibatch_size
        self.updates_since_start += 1
        self.total_updates += 1
        if metric is not None:
            self.metric_since_start += metric * minibatch_size
            self.metric_since_last += metric * minibatch_size
        if self._is_due():
            self._write_update(with_metric=metric is not None)
            self.reset_last()

    def _is_due(self) -> bool:
        count = self.updates_since_start
        if self.freq == 0:
            return (count + 1) & count == 0
        return count % self.freq == 0 or count <= self.first

    def _write_update(self, *, with_metric: bool) -> None:
        count = self.updates_since_start
        begun = count if count <= self.first else max(count - self.freq, self.first)

        def pair(start: Any, last: Any) -> tuple[Any, Any]:
            return start - last, start

        self.on_write_training_update(
            pair(self.samples_since_start, self.samples_since_last),
            (begun, count) if self.freq else None,
            pair(self.loss_since_start, self.loss_since_last),
            pair(self.metric_since_start, self.metric_since_last) if with_metric else None,
        )

    def update_with_trainer(self, trainer: Any, with_metric: bool = False) -> None:
        """Take in the last minibatch of a trainer."""
        if trainer is not None and trainer.previous_minibatch_sample_count != 0:
            self.update(
                trainer.previous_minibatch_loss_average,
                trainer.previous_minibatch_sample_count,
                trainer.previous_minibatch_evaluation_average if with_metric else None,
            )

    def epoch_summary(self, with_metric: bool = False) -> tuple[float, float, int] | None:
        """Write a line about the minibatches since the start and begin anew; return what they had.

        On the geometric schedule nothing is written, and nothing begins anew.
        """
        self.epochs += 1
        now = time.time()
        took, self.epoch_start_time = 1000 * (now - self.epoch_start_time), now
        metric = self.metric_since_start if with_metric else None
        self.on_write_training_summary(
            self.samples_since_start,
            self.updates_since_start,
            self.epochs,
            self.loss_since_start,
            metric,
            took,
        )
        return self.reset_start() if self.freq > 0 else None

    def avg_loss_since_start(self) -> float:
        """Return the mean loss since the start."""
        return share(self.loss_since_start, self.samples_since_start)

    def avg_metric_since_start(self) -> float:
        """Return the mean metric since the start."""
        return share(self.metric_since_start, self.samples_since_start)

    def avg_loss_since_last(self) -> float:
        """Return the mean loss since the last line."""
        return share(self.loss_since_last, self.samples_since_last)

    def avg_metric_since_last(self) -> float:
        """Return the mean metric since the last line."""
        return share(self.metric_since_last, self.samples_since_last)

    def reset_start(self) -> tuple[float, float, int]:
        """Begin the sums since the start anew; return mean loss, mean metric and the number of samples."""
        found = (self.avg_loss_since_start(), self.avg_metric_since_start(), self.samples_since_start)
        self.loss_since_start = self.metric_since_start = 0.0
        self.samples_since_start = self.updates_since_start = 0
        return found

    def reset_last(self) -> tuple[float, float, int]:
        """Begin the sums since the last line anew; return mean loss, mean metric and the number of samples."""
        found = (self.avg_loss_since_last(), self.avg_metric_since_last(), self.samples_since_last)
        self.loss_since_last = self.metric_since_last = 0.0
        self.samples_since_last = 0
        return found
