"""trace: every value of one run, measured as it comes, and let go when nobody reads it any more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.analysis.step_sources import example_inputs, opened, steps_of, title_of
from onnx_workbench.analysis.value_statistics import ValueStatistics, measure
from onnx_workbench.core.errors import InputError, NameNotFoundError, RunError, no_such
from onnx_workbench.core.formatting import clean_text, escape, format_shape, html_table, text_table
from onnx_workbench.runtime.steps import Step, StepwiseRun, run_all

_ROWS_SHOWN = 40


@dataclass(frozen=True)
class Trace:
    """Every value of one run, in the order in which they were computed.

    Attributes
    ----------
    values
        Statistics of each value.
    arrays
        The values that were asked for with `keep`, whole.
    complete
        False if it was stopped, by `stop_after`, Ctrl-C or an error.
    notes
        What else should be known.
    """

    model: str
    values: tuple[ValueStatistics, ...]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    complete: bool = True
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> ValueStatistics:
        """Return the statistics of a value.

        Raises
        ------
        NameNotFoundError
            If no value of this name was computed.
        """
        for value in self.values:
            if value.name == name:
                return value
        raise NameNotFoundError(no_such("value", name, [value.name for value in self.values]))

    @property
    def first_not_finite(self) -> str | None:
        """Name of the first value that holds NaN or infinities; None if all are finite."""
        return next((value.name for value in self.values if not value.is_finite), None)

    @property
    def overlays(self) -> dict[str, dict[str, float]]:
        """Numbers for ``view(model, overlay=...)``, by the name of the value."""
        numbers = [value for value in self.values if not math.isnan(value.largest) or not value.is_finite]
        return {
            "NaN and infinities, elements": {v.name: float(v.nan_count + v.inf_count) for v in numbers},
            "largest magnitude": {v.name: _magnitude(v) for v in numbers},
            "standard deviation": {v.name: v.std for v in numbers},
            "size, elements": {v.name: float(v.count) for v in self.values},
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as JSON can hold them; the arrays are left out."""
        first = self.first_not_finite
        return {
            "model": self.model,
            "complete": self.complete,
            "first_not_finite": first,
            "notes": list(self.notes),
            "values": [
                {
                    k: None if isinstance(v, float) and not math.isfinite(v) else v
                    for k, v in asdict(value).items()
                }
                for value in self.values
            ],
        }

    def _verdict(self) -> str:
        count = f"{len(self.values):,} values"
        if not self.complete:
            count += ", then stopped"
        if (first := self.first_not_finite) is None:
            return f"{count}, all of them finite."
        value = self[first]
        after = sum(not v.is_finite for v in self.values) - 1
        return (
            f"{count}. The first that is not finite is {clean_text(first)!r} ({clean_text(value.op_type)}): "
            f"{value.nan_count:,} NaN, {value.inf_count:,} infinite of {value.count:,}; {after:,} more after it."
        )

    def _chosen(self) -> list[ValueStatistics]:
        """Return the values to show: all, or those around the first that is not finite, or the first ones."""
        if len(self.values) <= _ROWS_SHOWN:
            return list(self.values)
        bad = next((i for i, value in enumerate(self.values) if not value.is_finite), 0)
        start = max(0, min(bad - _ROWS_SHOWN // 2, len(self.values) - _ROWS_SHOWN))
        return list(self.values[start : start + _ROWS_SHOWN])

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (
                value.op_type,
                value.name,
                f"{value.dtype} {format_shape(value.shape)}",
                *(_shown(number) for number in (value.smallest, value.mean, value.largest, value.std)),
                value.nan_count or "",
                value.inf_count or "",
            )
            for value in self._chosen()
        ]

    def _rest(self) -> str:
        left = len(self.values) - len(self._chosen())
        return f"({left:,} more in .values)" if left > 0 else ""

    def __str__(self) -> str:
        """Return the verdict, and a line for each value."""
        table = text_table(self._rows(), header=_HEADER, right="   rrrrrr")
        parts = [f"{clean_text(self.model)}: {self._verdict()}", table, self._rest(), *self.notes]
        return "\n".join(part for part in parts if part)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = html_table(self._rows(), header=_HEADER, right="   rrrrrr")
        lines = "".join(
            f"<div>{escape(note, limit=400)}</div>" for note in [self._rest(), *self.notes] if note
        )
        return f"<div><strong>{escape(self.model)}: {escape(self._verdict(), limit=400)}</strong>{table}{lines}</div>"


_HEADER = ("operator", "value", "type", "min", "mean", "max", "std", "NaN", "Inf")


def _shown(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.4g}"


def _magnitude(value: ValueStatistics) -> float:
    return math.nan if math.isnan(value.largest) else max(abs(value.smallest), abs(value.largest))


def trace(
    model: object,
    inputs: object = None,
    *,
    keep: Iterable[str] = (),
    stop_after: str | None = None,
    stop_at_not_finite: bool = False,
) -> Trace:
    """Run a model once, and take the measure of every value on the way.

    Each node runs in a session of its own, unoptimised, and a value is let go when its last reader has run: memory
    stays at what the values alive need, and weights stay mapped in their file.

    Parameters
    ----------
    model
        A Model, anything that ``open_model`` takes, or a live ``torch.nn.Module``, which PyTorch runs operation by
        operation.
    inputs
        Arrays, as for ``run``. None makes random ones, seeded, and says so.
    keep
        Names of values of which the array is wanted, in ``.arrays``.
    stop_after
        Name of a value after which the run may stop.
    stop_at_not_finite
        Stop at the first value that holds NaN or infinities.

    Returns
    -------
    Trace
        Statistics of every value. After Ctrl-C, of those that were computed until then: of a live module none while
        its first run, in which its steps are found, goes on.

    Raises
    ------
    InputError
        If the inputs do not fit.
    NameNotFoundError
        If `keep` or `stop_after` name no value of the model.
    RunError
        If the very first node fails; a later failure ends the trace, which says where.

    Examples
    --------
    >>> found = ow.trace("signs.onnx", data.example, keep=["relu"])
    >>> found.first_not_finite is None, found.arrays["relu"].shape
    (True, (4, 10, 32, 32))
    """
    notes: list[str] = []
    model = opened(model)
    if inputs is None:
        inputs, note = example_inputs(model)
        notes.append(note)
    try:
        run = steps_of(model, inputs)
    except KeyboardInterrupt:
        found = "Stopped by Ctrl-C while the run's steps were found: no value was taken yet."
        return Trace(title_of(model), (), {}, complete=False, notes=(*notes, found))
    wanted = {keep} if isinstance(keep, str) else set(keep)
    _check_names(run, wanted | ({stop_after} if stop_after is not None else set()))
    feeds = run.feeds(inputs)
    recorder = _Recorder(run, wanted, {name: feeds[name] for name in wanted if name in feeds})
    complete, error = recorder.record(feeds, stop_after, stop_at_not_finite=stop_at_not_finite)
    return Trace(
        title_of(model),
        tuple(recorder.values),
        recorder.arrays,
        complete,
        (*notes, *([error] if error else ())),
    )


def _check_names(run: StepwiseRun, names: set[str]) -> None:
    known = {name for step in run.steps for name in step.outputs} | {*run.input_names}
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"keep and stop_after take names of values; got {name!r:.80}.")
        if name not in known:
            raise NameNotFoundError(no_such("value", name, sorted(known)))


class _Recorder:
    def __init__(self, run: StepwiseRun, wanted: set[str], arrays: Mapping[str, Any]) -> None:
        self._run, self._wanted = run, wanted
        self.values: list[ValueStatistics] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        for name, value in arrays.items():
            if (array := run.array(value)) is not None:
                self.arrays[name] = np.array(array)

    def record(
        self, feeds: Mapping[str, Any], stop_after: str | None, *, stop_at_not_finite: bool
    ) -> tuple[bool, str]:
        """Run, and return whether to the end, and what stopped it."""
        from tqdm.auto import tqdm

        progress = tqdm(total=len(self._run.steps), desc="trace", unit="node", leave=False, delay=1)
        try:
            for step, written in run_all(self._run, feeds):
                for name, value in written.items():
                    self._take(step, name, value)
                progress.update()
                found = stop_at_not_finite and not all(v.is_finite for v in self.values[-len(written) :])
                if stop_after in written or found:
                    return step.index == len(self._run.steps) - 1, ""
        except KeyboardInterrupt:
            return False, "Stopped by Ctrl-C."
        except RunError as error:
            if not self.values:
                raise
            return False, f"Stopped by an error: {error}"
        finally:
            progress.close()
        return True, ""

    def _take(self, step: Step, name: str, value: Any) -> None:
        array = self._run.array(value)
        known: dict[str, Any] = {"module_path": step.module_path, "source_line": step.source_line}
        if array is None:
            length = len(value) if isinstance(value, (list, tuple)) else 0
            self.values.append(ValueStatistics(name, step.operator, (length,), "sequence", **known))
            return
        self.values.append(
            ValueStatistics(name, step.operator, array.shape, array.dtype.name, **measure(array), **known)
        )
        if name in self._wanted:
            self.arrays[name] = np.array(array)
