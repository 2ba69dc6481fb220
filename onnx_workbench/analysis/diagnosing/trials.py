"""Trials: run the model on each correction and weigh what it says with what the values themselves say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.analysis.classification import class_probabilities
from onnx_workbench.analysis.diagnosing.diagnosis import Suggestion
from onnx_workbench.analysis.diagnosing.layout import PictureInput, roughness
from onnx_workbench.analysis.diagnosing.steps import Array
from onnx_workbench.core.errors import InputError, NameNotFoundError, RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model
from onnx_workbench.runtime.session import Session

MOST_PICTURES = 32
"""Pictures that are tried at most, the first ones: more would hardly tell more."""

MOST_TRIALS = 48
"""Corrections that are run at most, the most plausible first."""

SLIP_PENALTY = 2.5
"""What each slip costs, as a logarithm: the simplest correction that explains the evidence wins."""

_DOUBT = 0.05  # share of labels and predictions that may be wrong for reasons of their own
_CONFIDENCE_WEIGHT = 0.5  # without labels, confidence counts, but wrong inputs make confident networks too
_ROUGHNESS_WEIGHT = 8.0
_MOST_BY_ROUGHNESS = 16.0
_COMPARED = 20_000
_SAME = 1e-4

Label = str | int


@dataclass(frozen=True)
class Correction:
    """A way to prepare the input, not yet tried.

    Attributes
    ----------
    prior
        What speaks for it before the model has run, as a logarithm.
    into
        The range that it brings the values into, in words, where that is a guess: the model says nothing of it.
    """

    slips: tuple[str, ...]
    title: str
    code: str
    prior: float
    make: Callable[[], Array]
    into: str = ""


@dataclass(frozen=True, eq=False)
class Trial:
    """A correction, what the model said of it, and how much speaks for it, before and after."""

    correction: Correction
    probabilities: NDArray[np.float32] | None
    by_rules: float
    score: float = 0.0
    support: float = 0.0


@dataclass(frozen=True, eq=False)
class Trials:
    """All trials, the best first; `targets` are the expected classes, if any were given."""

    ranked: tuple[Trial, ...]
    targets: NDArray[np.int64] | None
    labels: tuple[str, ...]
    stopped: bool = False
    refusal: str = ""

    def suggestions(self) -> tuple[Suggestion, ...]:
        """Return what a reader sees of the trials."""
        return tuple(self._suggestion(trial) for trial in self.ranked)

    def _suggestion(self, trial: Trial) -> Suggestion:
        correction, rows = trial.correction, trial.probabilities
        facts = (correction.slips, correction.title, correction.code, trial.support)
        if rows is None:
            return Suggestion(*facts)
        best = rows.argmax(axis=1)
        predictions = tuple(
            (self.labels[index], float(row[index])) for index, row in zip(best, rows, strict=True)
        )
        if self.targets is None:
            return Suggestion(*facts, predictions)
        expected = float(rows[np.arange(len(rows)), self.targets].mean())
        return Suggestion(*facts, predictions, expected, float((best == self.targets).mean()))


def try_all(
    session: Session,
    model: Model,
    corrections: Sequence[Correction],
    *,
    wanted: PictureInput,
    expected: Sequence[Label] | None,
    labels: Sequence[str] | None,
) -> Trials:
    """Run the model on each correction, and rank them.

    Ctrl-C ends the trials; those done by then count.
    """
    done: list[Trial] = []
    seen: list[Array] = []
    stopped, refusal = False, ""
    for correction in sorted(corrections, key=lambda item: -item.prior)[:MOST_TRIALS]:
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # half precision ends at 65,504
                array = np.ascontiguousarray(correction.make())
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                continue
            sample = _sample(array)
            if any(_are_same(sample, other) for other in seen):
                continue
            seen.append(sample)
            rows, reason = _run(session, model, array)
            refusal = refusal or reason
            done.append(Trial(correction, rows, _smoothness(array, wanted)))
        except KeyboardInterrupt:
            if not done:
                raise
            stopped = True
            break
    counts = [len(trial.probabilities) for trial in done if trial.probabilities is not None]
    if not counts:
        return Trials(_ranked(done, None), None, (), stopped, refusal)
    # The same numbers may be one colour picture or three grey ones: as many as there are labels, if any fits.
    count = len(expected) if expected and len(expected) in counts else counts[0]
    kept = [t for t in done if t.probabilities is not None and len(t.probabilities) == count]
    classes = max(t.probabilities.shape[1] for t in kept if t.probabilities is not None)
    names = _names(labels, classes)
    targets = _targets(expected, names, count)
    return Trials(_ranked(kept, targets), targets, names, stopped)


def _run(session: Session, model: Model, array: Array) -> tuple[NDArray[np.float32] | None, str]:
    """Return probabilities, or None and the reason why there are none."""
    try:
        return np.nan_to_num(class_probabilities(session, model, array)), ""
    except (InputError, RunError) as error:
        return None, str(error).partition("\n")[0]


def _sample(array: Array) -> Array:
    flat = array.reshape(-1)
    return flat[:: max(1, math.ceil(len(flat) / _COMPARED)) | 1].astype(np.float32)


def _are_same(one: Array, other: Array) -> bool:
    return len(one) == len(other) and float(np.abs(one - other).max()) < _SAME


def _smoothness(array: Array, wanted: PictureInput) -> float:
    return -_ROUGHNESS_WEIGHT * math.log(roughness(array, wanted.axes))


def _ranked(trials: list[Trial], targets: NDArray[np.int64] | None) -> tuple[Trial, ...]:
    if not trials:
        return ()
    usual = max(trials, key=lambda trial: trial.correction.prior).by_rules
    weighed = []
    for trial in trials:
        smoothness = float(np.clip(trial.by_rules - usual, -_MOST_BY_ROUGHNESS, _MOST_BY_ROUGHNESS))
        by_rules = trial.correction.prior + smoothness
        score = by_rules + _evidence(trial.probabilities, targets)
        weighed.append(Trial(trial.correction, trial.probabilities, by_rules, score))
    top = max(trial.score for trial in weighed)
    total = sum(math.exp(trial.score - top) for trial in weighed)
    supported = [
        Trial(t.correction, t.probabilities, t.by_rules, t.score, math.exp(t.score - top) / total)
        for t in weighed
    ]
    return tuple(sorted(supported, key=lambda trial: -trial.score))


def _evidence(rows: NDArray[np.float32] | None, targets: NDArray[np.int64] | None) -> float:
    """Return what the model's answers say for a correction, as a logarithm."""
    if rows is None:
        return 0.0
    if targets is None:
        return _CONFIDENCE_WEIGHT * float(np.log(np.maximum(rows.max(axis=1), 1e-3)).sum())
    right = rows[np.arange(len(rows)), targets].astype(np.float64)
    return float(np.log((1 - _DOUBT) * right + _DOUBT / rows.shape[1]).sum())


def _names(labels: Sequence[str] | None, classes: int) -> tuple[str, ...]:
    if labels is not None and len(labels) == classes:
        return tuple(labels)
    return tuple(f"class {index}" for index in range(classes))


def _targets(
    expected: Sequence[Label] | None, names: tuple[str, ...], count: int
) -> NDArray[np.int64] | None:
    """Return the expected class of each picture, as indices."""
    if expected is None:
        return None
    is_cut = count == MOST_PICTURES < len(expected)
    if len(expected) not in {1, count} and not is_cut:
        raise InputError(
            f"expected_label has {len(expected)} labels for {count} pictures: give one for each, or one for all."
        )
    indices = [_target(label, names) for label in expected]
    return np.asarray(indices * count if len(indices) == 1 else indices[:count], np.int64)


def _target(label: Label, names: tuple[str, ...]) -> int:
    if isinstance(label, str):
        if label not in names:
            listed = ", ".join(repr(clean_text(name, limit=40)) for name in names[:10])
            raise NameNotFoundError(
                f"The model has no label {clean_text(label)!r}; it has {listed}{', ...' if len(names) > 10 else ''}.\n"
                "Give one of these, or the index of the class."
            )
        return names.index(label)
    if not 0 <= label < len(names):
        raise InputError(f"expected_label is the index of a class, 0 to {len(names) - 1}; got {label}.")
    return label
