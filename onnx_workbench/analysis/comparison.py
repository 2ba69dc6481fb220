"""compare: for each node the error that it carries on and the error that it adds, and who is to blame."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from onnx_workbench.analysis.blaming import Blame, blames, float_steps, looked_into, walk_through
from onnx_workbench.analysis.replay import write_replay
from onnx_workbench.analysis.step_sources import example_inputs, opened, refuse_bfloat16, steps_of, title_of
from onnx_workbench.analysis.verdict import Verdict
from onnx_workbench.core.errors import InputError, NameNotFoundError, no_such
from onnx_workbench.core.formatting import clean_text, escape, html_table, text_table
from onnx_workbench.core.model import Model, as_model
from onnx_workbench.core.provenance import is_of_torch
from onnx_workbench.runtime.live_module import TorchBackend, is_live_module
from onnx_workbench.runtime.onnx_steps import OnnxSteps
from onnx_workbench.runtime.session import Session
from onnx_workbench.runtime.steps import StepwiseRun

_ROWS_SHOWN = 12


@dataclass(frozen=True)
class ComparedValue:
    """One value of the run under test. Errors are in units of the value's own scale, its largest expected magnitude.

    Attributes
    ----------
    name
        Name of the value.
    twin
        Its name on the other side; None if it has no twin there.
    own_error
        What its node adds, fed with the other side's values; NaN if it has no twin.
    carried_error
        How far it is off in the whole run; NaN if that was not measured.
    threshold
        What rounding explains of `own_error`.
    problem
        Why it cannot be compared: shape, dtype, NaN or infinities.
    """

    name: str
    twin: str | None
    op_type: str
    shape: tuple[int, ...]
    dtype: str
    own_error: float
    carried_error: float
    threshold: float
    problem: str = ""


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; true when no node adds more error than rounding explains.

    Attributes
    ----------
    values
        Every value of the run under test, in order.
    blamed
        The nodes that are to blame, in the order of the graph.
    unmatched
        Values of the run under test without a twin: they were judged by the next value that has one.
    notes
        What else should be known.
    complete
        False if it was stopped.
    """

    actual: str
    expected: str
    values: tuple[ComparedValue, ...]
    blamed: tuple[Blame, ...]
    unmatched: tuple[str, ...]
    notes: tuple[str, ...] = ()
    complete: bool = True
    _faults: tuple[Verdict, ...] = field(default=(), repr=False, compare=False)
    _run: StepwiseRun | None = field(default=None, repr=False, compare=False)

    @property
    def passed(self) -> bool:
        """Whether nobody is to blame."""
        return not self.blamed and self.complete

    def __bool__(self) -> bool:
        """Tell whether nobody is to blame."""
        return self.passed

    @property
    def overlays(self) -> dict[str, dict[str, float]]:
        """Numbers for ``view(model, overlay=...)``: added and carried error of each value, in units of its scale."""
        return {
            "added error, share of scale": {v.name: v.own_error for v in self.values if v.twin is not None},
            "carried error, share of scale": {
                v.name: v.carried_error for v in self.values if not math.isnan(v.carried_error) or v.problem
            },
        }

    def replay(self, folder: str | os.PathLike[str], key: str | None = None) -> Path:
        """Write the smallest piece of the model that shows a fault: what belongs into a bug report.

        Parameters
        ----------
        folder
            Where to write; it is made if it is missing. It gets ``piece.onnx`` with the weights, ``inputs.npz`` and
            ``expected.npz`` (the other side's values), and ``replay.py``, which runs the piece and says what differs.
        key
            Which of `blamed`; None for the first.

        Returns
        -------
        Path
            The program.

        Raises
        ------
        NameNotFoundError
            If nobody of this name is to blame, or nobody at all.
        """
        keys = [blame.key for blame in self.blamed]
        if not keys:
            raise NameNotFoundError("Nobody is to blame, so that there is nothing to replay.")
        if (wanted := keys[0] if key is None else key) not in keys:
            raise NameNotFoundError(no_such("blamed value", wanted, keys))
        return write_replay(folder, wanted, self._faults, self._run)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON can hold it; numbers that are not finite become None."""
        return {
            "passed": self.passed,
            "complete": self.complete,
            "actual": self.actual,
            "expected": self.expected,
            "blamed": [_plain(vars(blame)) for blame in self.blamed],
            "values": [_plain(vars(value)) for value in self.values],
            "unmatched": list(self.unmatched),
            "notes": list(self.notes),
        }

    def _verdict(self) -> str:
        compared = sum(value.twin is not None for value in self.values)
        counted = f"{compared:,} of {len(self.values):,} values compared"
        if not self.complete:
            counted += ", then stopped"
        if not self.blamed:
            largest = max((v.own_error for v in self.values if v.own_error == v.own_error), default=0.0)
            return f"{counted}: no node adds more than rounding (at most {largest:.2g} of a value's scale)."
        nodes = "1 node adds" if len(self.blamed) == 1 else f"{len(self.blamed)} nodes add"
        wrong = sum(v.carried_error > v.threshold or bool(v.problem) for v in self.values)
        return f"{counted}: {nodes} an error; {wrong:,} values are off in the end."

    def _table(self) -> tuple[list[tuple[object, ...]], tuple[str, ...]]:
        """Return a row for each node to blame, and the header; lines of the program only where some are known."""
        shown = self.blamed[:_ROWS_SHOWN]
        lines = [_own_line(blame.source_line) for blame in shown]
        rows: list[tuple[object, ...]] = []
        for blame, line in zip(shown, lines, strict=True):
            figures = (_shown(blame.own_error), _shown(blame.threshold), _shown(blame.carried_error))
            place = (blame.module_path, line) if any(lines) else (blame.module_path,)
            rows.append((blame.op_type, blame.key, *figures, *place, blame.why))
        return rows, (*_HEADER, "line", "why") if any(lines) else (*_HEADER, "why")

    def _remarks(self) -> list[str]:
        others = sum(value.twin is None for value in self.values) - len(self.unmatched)
        unmatched = [_about_unmatched(self.unmatched, others)] if self.unmatched else []
        return [*unmatched, *self.notes]

    def __str__(self) -> str:
        """Return the verdict, and a line for each node to blame."""
        parts = [f"{clean_text(self.actual)} against {clean_text(self.expected)}", self._verdict()]
        if self.blamed:
            rows, header = self._table()
            parts.append(text_table(rows, header=header))
        if len(self.blamed) > _ROWS_SHOWN:
            parts.append(f"... and {len(self.blamed) - _ROWS_SHOWN} more")
        return "\n".join([*parts, *self._remarks()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        mark = "✓" if self else "✗"
        rows, header = self._table()
        table = html_table(rows, header=header) if self.blamed else ""
        lines = "".join(f"<div>{escape(note, limit=400)}</div>" for note in self._remarks())
        return f"<div><strong>{mark} {escape(self._verdict(), limit=400)}</strong>{table}{lines}</div>"


_HEADER = ("operator", "to blame", "adds", "allowed", "carries", "module")


def _own_line(source_line: str) -> str:
    """Return a line of the user's program, briefly; nothing for one of PyTorch's own."""
    if is_of_torch(source_line):
        return ""
    return PurePath(source_line).name if PurePath(source_line).is_absolute() else source_line


def _about_unmatched(names: tuple[str, ...], others: int) -> str:
    shown = ", ".join(clean_text(name) for name in names[:4]) + (", ..." if len(names) > 4 else "")
    more = f", and {others:,} shapes or constants" if others else ""
    return f"Without a twin on the other side: {len(names):,} ({shown}){more}; they were judged by what comes of them."


def _shown(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.2g}"


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields.items()}


def compare(actual: object, expected: object, inputs: object = None, *, carried: bool = True) -> Comparison:
    """Compare two runs value by value, and blame the nodes that add an error of their own.

    Each node of `actual` is fed with the values of `expected`: what is then wrong in what it writes, it has done
    itself. What it makes of the errors before it is measured as well, and blames nobody.

    Parameters
    ----------
    actual
        What is checked: a Model or anything that ``open_model`` takes, node by node as the file has it; a Session, for
        the graph that onnxruntime really runs, fused and laid out anew, or for its backend; or a live torch module.
    expected
        What it is checked against; as `actual`. A live module is run by PyTorch, operation by operation.
    inputs
        Arrays, as for ``run``. None makes random ones, seeded, and says so.
    carried
        Whether to measure the carried error too; without, it takes about half the time.

    Returns
    -------
    Comparison
        True if no node adds more error than rounding explains, by its dtype and the number of terms it sums.

    Raises
    ------
    InputError
        If the inputs do not fit, or cannot be made.
    RunError
        If `expected` cannot be run.

    Examples
    --------
    >>> model = ow.open_model(network, example_inputs=data.example)
    >>> found = ow.compare(model, network, data.example)
    >>> found.passed
    True
    """
    notes: list[str] = []
    actual, expected = opened(actual), opened(expected)
    refuse_bfloat16(actual, expected)
    if inputs is None:
        inputs, note = example_inputs(actual, expected)
        notes.append(note)
    if is_live_module(actual) and not is_live_module(expected):
        actual, expected = expected, actual
        notes.append("The nodes are those of the ONNX model, which is judged by the live module.")
    # Between two live modules a linear layer is one operation: half of it would be blamed beside the whole.
    products = not is_live_module(actual)
    tested = steps_of(actual, inputs, as_optimised=True, products=products)
    feeds = tested.feeds(inputs)
    right = steps_of(expected, _for_other(expected, feeds), as_optimised=True, products=products)
    right_feeds = right.feeds(_for_other(expected, feeds))
    if len(tested.output_names) != len(right.output_names):
        raise InputError(
            f"actual has {len(tested.output_names)} output(s), expected has {len(right.output_names)}: give models of "
            "the same task."
        )
    walk = walk_through(tested, right, feeds, right_feeds, carried=carried)
    if not walk.complete:
        notes.append("Stopped: the nodes after this were not compared.")
    blamed, complete = blames(walk.verdicts), walk.complete
    if isinstance(tested, OnnxSteps) and is_live_module(expected) and complete:
        try:
            blamed, more = looked_into(walk, tested, right, expected, feeds, right_feeds)
            notes += more
        except KeyboardInterrupt:
            complete = False
            notes.append(
                "Stopped: who is to blame was told without a fresh export, in which more can be seen."
            )
    floats = float_steps(walk.verdicts)
    return Comparison(
        title_of(actual),
        title_of(expected),
        tuple(map(_compared, walk.verdicts)),
        blamed,
        tuple(v.name for v in walk.verdicts if v.twin is None and v.step.index in floats),
        tuple(notes),
        complete,
        tuple(v for v in walk.verdicts if blamed and (v.failed or v.is_doubtful)),
        tested,
    )


def _for_other(side: object, feeds: Mapping[str, Any]) -> object:
    """Return inputs for the other side: by name if it has the same names, else by their order."""
    arrays = list(feeds.values())
    if is_live_module(side):
        return dict(zip(feeds, arrays, strict=True)) if TorchBackend(side).takes(feeds) else arrays
    names = [value.name for value in _model_of(side).inputs]
    return dict(feeds) if set(names) == set(feeds) else arrays


def _model_of(side: object) -> Model:
    return as_model(side.model if isinstance(side, Session) else side)


def _compared(verdict: Verdict) -> ComparedValue:
    own, carried = verdict.own, verdict.carried
    return ComparedValue(
        verdict.name,
        verdict.twin,
        verdict.step.operator,
        verdict.shape,
        verdict.dtype,
        own.relative if own else math.nan,
        carried.relative if carried else math.nan,
        verdict.threshold,
        verdict.reason or (own.problem if own else ""),
    )
