"""Lines that tell how training goes, as CNTK 2.7 writes them."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

from onnx_workbench.cntk.logging.old_progress import OldProgress
from onnx_workbench.cntk.logging.progress_writer import TrainingSummaryProgressCallback, mean_since, share
from onnx_workbench.cntk.logging.tensorboard import TensorBoardProgressWriter

__all__ = [
    "ProgressPrinter",
    "TensorBoardProgressWriter",
    "TrainingSummaryProgressCallback",
    "log_number_of_parameters",
]


class ProgressPrinter(OldProgress):
    """Writes the mean loss and metric of some minibatches in a line.

    Parameters
    ----------
    freq
        After how many minibatches a line is written; 0 for the first, the third, the seventh, and so on, with the mean
        since the start too; None for none.
    first
        How many of the first minibatches have a line each.
    tag
        Written in the lines of summaries.
    log_to_file
        Lines go there and not to the standard output.
    rank
        Number of the worker, for the name of the file.
    gen_heartbeat
        Accepted.
    num_epochs
        How many summaries there will be, for their lines.
    test_freq, test_first
        The same for tests.
    metric_is_pct
        Whether the metric is a share, written in percent.
    distributed_freq, distributed_first
        Accepted: there is one worker.
    """

    def __init__(
        self,
        freq: int | None = None,
        first: int = 0,
        tag: str = "",
        log_to_file: Any = None,
        rank: int | None = None,
        gen_heartbeat: bool = False,
        num_epochs: int | None = None,
        test_freq: int | None = None,
        test_first: int = 0,
        metric_is_pct: bool = True,
        distributed_freq: int | None = None,
        distributed_first: int = 0,
    ) -> None:
        self.freq = sys.maxsize if freq is None else freq
        self.test_freq = sys.maxsize if test_freq is None else test_freq
        super().__init__(self.freq, first, self.test_freq, test_first)
        self.first, self.num_epochs, self.metric_is_pct = first, num_epochs, metric_is_pct
        self.tag = f"[{tag}] " if tag else ""
        self.begin_old_progress()
        self._file: Path | None = None
        if log_to_file is not None:
            self._redirect(f"{log_to_file}{'' if rank is None else f'rank{rank}'}")
        if freq == 0:
            self.log(" average      since    average      since      examples")
            self.log("    loss       last     metric       last              ")
            self.log(" ------------------------------------------------------")

    def _redirect(self, name: str) -> None:
        sys.stdout.write(f"Redirecting log to file {name}\n")
        self._file = Path(name)
        self._file.write_text(f"{name}\n", encoding="utf-8")
        count = 300 if self.num_epochs is None else self.num_epochs
        self.log(f"CNTKCommandTrainInfo: train : {count}")
        self.log(f"CNTKCommandTrainInfo: CNTKNoMoreCommands_Total : {count}")
        self.log("CNTKCommandTrainBegin: train")

    def log(self, message: str) -> None:
        """Write a line."""
        if self._file is None:
            sys.stdout.write(f"{message}\n")
        else:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{message}\n")

    def end_progress_print(self, msg: str = "") -> None:
        """Write that training has ended."""
        self.log("CNTKCommandTrainEnd: train")
        if msg and self._file is not None:
            self.log(msg)

    def write(self, key: str, value: Any) -> None:
        """Write a rate or a momentum that has changed."""
        self.log(f"{key}: {value}")

    def on_write_training_update(
        self, samples: Any, updates: Any, aggregate_loss: Any, aggregate_metric: Any
    ) -> None:
        """Write a line about some minibatches of training."""
        if self.freq == 0:
            self.log(_geometric(samples, aggregate_loss, aggregate_metric))
            return
        count, loss = samples[1] - samples[0], mean_since(aggregate_loss, samples)
        metric = (
            ""
            if aggregate_metric is None
            else f", {self._told(mean_since(aggregate_metric, samples), count)}"
        )
        self.log(f" Minibatch[{updates[0] + 1:4d}-{updates[1]:4d}]: loss = {loss:0.6f} * {count}{metric};")

    def on_write_test_update(self, samples: Any, updates: Any, aggregate_metric: Any) -> None:
        """Write a line about some minibatches of a test."""
        if self.test_freq == 0:
            self.log(_geometric(samples, None, aggregate_metric))
            return
        self.log(
            f" Evaluation Minibatch[{updates[0] + 1:4d}-{updates[1]:4d}]: "
            f"{self._told(mean_since(aggregate_metric, samples), samples[1] - samples[0])};"
        )

    def on_write_training_summary(
        self,
        samples: int,
        updates: int,
        summaries: int,
        aggregate_loss: float,
        aggregate_metric: float | None,
        elapsed_milliseconds: float,
    ) -> None:
        """Write a line about all of training since the last one; not on the geometric schedule."""
        if self.freq == 0:
            return
        seconds = elapsed_milliseconds / 1000
        total = "" if self.num_epochs is None else f" of {self.num_epochs}"
        metric = (
            "" if aggregate_metric is None else f", {self._told(share(aggregate_metric, samples), samples)}"
        )
        self.log(
            f"Finished Epoch[{summaries}{total}]: {self.tag}loss = {share(aggregate_loss, samples):0.6f} * {samples}"
            f"{metric} {seconds:0.3f}s ({share(samples, seconds):5.1f} samples/s);"
        )

    def on_write_test_summary(
        self,
        samples: int,
        updates: int,
        summaries: int,
        aggregate_metric: float,
        elapsed_milliseconds: float,
    ) -> None:
        """Write a line about all of a test."""
        metric = self._told(share(aggregate_metric, samples), samples)
        self.log(f"Finished Evaluation [{summaries}]: Minibatch[1-{updates}]: {metric};")

    def on_write_distributed_sync_update(self, samples: Any, updates: Any, aggregate_metric: Any) -> None:
        """Write a line about workers that have been brought together."""
        self.log(
            f"Distributed training: #Syncs elapsed = {updates[1] - updates[0]}, "
            f"#Samples elapsed = {samples[1] - samples[0]}"
        )

    def _told(self, value: float, count: int) -> str:
        number = f"{100 * value:0.2f}%" if self.metric_is_pct else f"{value:0.6f}"
        return f"metric = {number} * {count}"


def _geometric(samples: Any, losses: Any, metrics: Any) -> str:
    def pair(sums: Any) -> str:
        if sums is None:
            return f"{'':8s}   {'':8s}   "
        return f"{share(sums[1], samples[1]):8.3g}   {mean_since(sums, samples):8.3g}   "

    return f" {pair(losses)}{pair(metrics)} {samples[1]:10d}"


def log_number_of_parameters(model: Any, trace_level: int = 0) -> None:
    """Write how many numbers are learnt in a model, and in how many arrays.

    Parameters
    ----------
    model
        A Function.
    trace_level
        Above 0 the shape of each array is written too.

    Examples
    --------
    >>> C.logging.log_number_of_parameters(C.layers.Dense(4)(C.input_variable(3)))
    Training 16 parameters in 2 parameter tensors.
    """
    shapes = [one.shape for one in model.parameters]
    known = all(size >= 0 for shape in shapes for size in shape)
    count = sum(math.prod(shape) for shape in shapes) if known else "so far unspecified number of"
    lines = [f"Training {count} parameters in {len(shapes)} parameter tensors."]
    if trace_level > 0:
        lines += ["", *(f"\t{shape}" for shape in shapes)]
    sys.stdout.write("\n".join(lines) + "\n")
