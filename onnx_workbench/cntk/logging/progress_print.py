"""Lines that tell how training goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


class ProgressPrinter:
    """Writes the mean loss and metric of some minibatches in a line.

    Parameters
    ----------
    freq
        After how many minibatches a line is written; 0 for the first, the second, the fourth, and so on, with the mean
        since the start too; None for none.
    first
        How many of the first minibatches have a line each.
    tag
        Written in front.
    log_to_file
        Lines go there and not to the standard output.
    metric_is_pct
        Whether the metric is a share, written in percent.
    more
        CNTK's other options, accepted and not used.
    """

    def __init__(
        self,
        freq: int | None = None,
        first: int = 0,
        tag: str = "",
        log_to_file: Any = None,
        metric_is_pct: bool = True,
        **more: Any,
    ) -> None:
        self.freq, self.first, self.tag, self.metric_is_pct = freq, first, tag, metric_is_pct
        self._file = None if log_to_file is None else Path(log_to_file)
        self._updates = self._start = 0
        self._since, self._all = _Sums(), _Sums()
        if freq == 0:
            self._write(f"{' average':>9s} {'since':>10s} {'average':>10s} {'since':>10s} {'examples':>13s}")
            self._write(f"{'loss':>9s} {'last':>10s} {'metric':>10s} {'last':>10s}")
            self._write(" " + "-" * 54)

    def update(self, samples: int, loss: float, metric: float | None) -> None:
        """Take in one minibatch: how many samples, and the sums of loss and metric."""
        self._updates += 1
        self._since.add(samples, loss, metric)
        self._all.add(samples, loss, metric)
        if self.freq == 0:
            if self._updates & (self._updates - 1) == 0:
                self._write(self._geometric())
                self._since = _Sums()
        elif self.freq and (self._updates <= self.first or self._updates % self.freq == 0):
            tag = f"[{self.tag}] " if self.tag else ""
            self._write(
                f" {tag}Minibatch[{self._start + 1:4d}-{self._updates:4d}]: {self._since.text(self.metric_is_pct)};"
            )
            self._start, self._since = self._updates, _Sums()

    def _geometric(self) -> str:
        all_, since = self._all, self._since
        metrics = f"{'':>10s} {'':>10s}" if all_.metric is None else f"{all_.error:10.3g} {since.error:10.3g}"
        return f" {all_.mean:8.3g} {since.mean:10.3g} {metrics} {all_.samples:13d}"

    def _write(self, line: str) -> None:
        if self._file is None:
            sys.stdout.write(line + "\n")
        else:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


class _Sums:
    """Sums over minibatches."""

    def __init__(self) -> None:
        self.samples, self.loss = 0, 0.0
        self.metric: float | None = None

    def add(self, samples: int, loss: float, metric: float | None) -> None:
        """Add a minibatch."""
        self.samples += samples
        self.loss += loss
        if metric is not None:
            self.metric = (self.metric or 0.0) + metric

    @property
    def mean(self) -> float:
        """Loss of each sample."""
        return self.loss / max(self.samples, 1)

    @property
    def error(self) -> float:
        """Metric of each sample."""
        return (self.metric or 0.0) / max(self.samples, 1)

    def text(self, percent: bool) -> str:
        """Say both, with the number of samples."""
        loss = f"loss = {self.mean:8.6f} * {self.samples}"
        if self.metric is None:
            return loss
        metric = f"{100 * self.error:.2f}%" if percent else f"{self.error:.6f}"
        return f"{loss}, metric = {metric} * {self.samples}"
