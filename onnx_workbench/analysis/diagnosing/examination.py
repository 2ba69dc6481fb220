"""examine: what is wrong with a model's input, found by rules first and by trial second."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from onnx_workbench.analysis.diagnosing.arrays import array_corrections
from onnx_workbench.analysis.diagnosing.diagnosis import UNCHANGED, Diagnosis
from onnx_workbench.analysis.diagnosing.layout import PictureInput, fittings, picture_input
from onnx_workbench.analysis.diagnosing.pictures import picture_corrections
from onnx_workbench.analysis.diagnosing.steps import Array
from onnx_workbench.analysis.diagnosing.trials import MOST_PICTURES, Label, Trial, Trials, try_all
from onnx_workbench.analysis.diagnosing.values import declared_range, plausibility, sampled_planes
from onnx_workbench.analysis.mistakes import MISTAKES
from onnx_workbench.core.errors import InputError
from onnx_workbench.core.formatting import clean_text, format_shape
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.runtime.input_advice import advise
from onnx_workbench.runtime.session import session_of

_LIKELY = 0.85
_SHOWN_BY_VALUES = 6.0  # a lead of e^6 from the values alone, beyond the cost of the slips
_SHOWN_BY_LABELS = (
    6.0  # the same, of labels, for the range of a model that says nothing of it: no single one gives it
)
_UNEXPLAINED = (
    "most expected labels come out of no correction tried: the model or the labels may be wrong, or the slip is none "
    "that the doctor knows."
)


def examine(
    model: object,
    picture_or_array: object,
    expected_label: Label | Sequence[Label] | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    labels: Sequence[str] | None = None,
) -> Diagnosis:
    """Do what `doctor` says."""
    session = session_of(model)
    if session.model is None:
        raise InputError(
            "doctor takes a model, not a live module. Open it first: open_model(module, example_inputs=x)."
        )
    declared = preprocessing or session.model.preprocessing
    wanted = picture_input(session.model, declared)
    expected = _expected(expected_label)
    given = _sorted_input(picture_or_array, wanted)
    if given.array is None:
        corrections = picture_corrections(given.pictures, wanted, declared, base=given.base)
        findings: tuple[str, ...] = ()
    else:
        corrections = array_corrections(given.array, wanted, declared, base=given.base)
        findings = _findings(given.array, wanted, declared)
    trials = try_all(
        session,
        session.model,
        corrections,
        wanted=wanted,
        expected=expected,
        labels=labels or session.model.labels,
    )
    return _Judge(trials, findings, given, declared).diagnosis()


def _expected(label: Label | Sequence[Label] | None) -> tuple[Label, ...] | None:
    if label is None:
        return None
    plain = label.tolist() if hasattr(label, "tolist") else label  # numpy, torch
    listed = list(plain) if isinstance(plain, (list, tuple)) else [plain]
    found = [item if isinstance(item, str) else _index(item) for item in listed]
    if not found:
        raise InputError("expected_label is an empty list: give a label for each picture, or leave it out.")
    return tuple(found)


def _index(item: object) -> int:
    if isinstance(item, bool) or not isinstance(item, (int, np.integer)):
        raise InputError(f"expected_label is a label or the index of a class; got {item!r:.80}.")
    return int(item)


@dataclass(frozen=True, eq=False)
class _Given:
    """What is to be judged: an array, or pictures; and the expression that makes it of ``x``."""

    array: Array | None
    pictures: object
    base: str = "x"


def _sorted_input(given: object, wanted: PictureInput) -> _Given:
    if isinstance(given, (str, os.PathLike, bytes, bytearray, Image.Image)):
        return _Given(None, given)
    if hasattr(given, "detach"):  # a torch tensor
        return _Given(_checked(given.detach().cpu().numpy()), None, "x.detach().cpu().numpy()")
    if isinstance(given, (list, tuple)):
        return _sorted_list(given, wanted)
    if not isinstance(given, np.ndarray):
        raise InputError(
            f"The doctor takes an array, a picture, or a list of these; got {type(given).__name__}."
        )
    array = _checked(given)
    return _Given(None, array) if _is_picture(array, wanted) else _Given(array, None)


def _sorted_list(given: Sequence[object], wanted: PictureInput) -> _Given:
    if not given:
        raise InputError("There is nothing to judge: the list is empty.")
    arrays = [
        np.asarray(item) for item in given if hasattr(item, "__array__") and not isinstance(item, Image.Image)
    ]
    if not arrays and all(isinstance(item, (str, os.PathLike, bytes, Image.Image)) for item in given):
        return _Given(None, list(given))
    if len(arrays) != len(given):
        return _from_numbers(given)
    arrays = [_checked(array) for array in arrays]
    if all(_is_picture(array, wanted) for array in arrays):
        return _Given(None, arrays)
    if len({(array.shape, array.dtype) for array in arrays}) > 1:
        shapes = ", ".join(format_shape(array.shape) for array in arrays[:4])
        raise InputError(f"Arrays of one shape and dtype are needed to be judged together; got {shapes}.")
    if arrays[0].ndim == wanted.axes.rank and arrays[0].shape[0] == 1:
        return _Given(np.concatenate(arrays), None, "np.concatenate(x)")
    return _Given(np.stack(arrays), None, "np.stack(x)")


def _from_numbers(given: Sequence[object]) -> _Given:
    try:
        return _Given(_checked(np.asarray(given)), None, "np.asarray(x)")
    except ValueError as error:
        raise InputError(
            f"This list is neither of pictures nor of arrays of one shape: {clean_text(str(error))}"
        ) from error


def _checked(array: Array) -> Array:
    """Return an array of finite numbers, or say why it cannot be judged."""
    if array.dtype.kind not in "fiu":
        raise InputError(
            f"The array has dtype {array.dtype}, and pictures are numbers: bytes 0..255 or floats.\n"
            "Pictures of several sizes in one array make dtype object: give them as a list."
        )
    if array.size == 0:
        raise InputError(f"There is nothing to judge: the array has shape {format_shape(array.shape)}.")
    if array.dtype.kind == "f" and (bad := int((~np.isfinite(array)).sum())):
        raise InputError(
            f"{bad:,} of {array.size:,} values are NaN or infinite: no correction of layout or range mends that. "
            "Look at where they come from: a division by a std of 0, or a missing value in the data."
        )
    return array


def _is_picture(array: Array, wanted: PictureInput) -> bool:
    """Tell whether an array is a picture, or a batch of them, that has still to be resized for the model."""
    shaped = (array.ndim in {3, 4} and array.shape[-1] in {1, 3, 4}) or array.ndim == 2
    return array.dtype == np.uint8 and shaped and not fittings(array, wanted)


def _findings(array: Array, wanted: PictureInput, declared: Preprocessing | None) -> tuple[str, ...]:
    """Return what the rules say: the declaration of the model first, then the preprocessing."""
    found = []
    if advice := advise([wanted.value], {wanted.value.name: array}):
        found += [line for line in advice.replace("And: ", "").split("\n") if not line.startswith("Give ")]
    if declared is not None and (fits := fittings(array, wanted)):
        fitted = array
        for step in fits[0].steps:
            fitted = step.apply(fitted)
        right = declared_range(declared, wanted.channels)
        planes = sampled_planes(fitted, wanted.axes)
        made = right.bytes_of(planes)
        if plausibility(planes, right, 0.0) < -3.5:
            black, white = ((np.array([0.0, 255.0]) * right.scale - right.mean[0]) / right.std[0]).tolist()
            found.append(
                f"values from {array.min():.4g} to {array.max():.4g}: the preprocessing makes {black:.4g} of black and "
                f"{white:.4g} of white, so that these would be bytes from {made.min():.4g} to {made.max():.4g}"
            )
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Judge:
    """Puts the outcome of the trials into words no stronger than the evidence."""

    trials: Trials
    findings: tuple[str, ...]
    given: _Given
    declared: Preprocessing | None

    def diagnosis(self) -> Diagnosis:
        if not self.trials.ranked:
            summary = "no usual correction makes this array fit the model."
            return Diagnosis("certain", summary, self.findings, (), ())
        best = self.trials.ranked[0]
        verdict, summary = self._verdict(best)
        suggestions = self.trials.suggestions()
        if summary == _UNEXPLAINED:  # then the input as it came is as good as any
            suggestions = tuple(sorted(suggestions, key=lambda item: item.title not in UNCHANGED))
        notes = self._notes(verdict)
        if (
            (needed := self._needed()) is not None
            and verdict == "undecided"
            and self._says_more(needed, best)
        ):
            # What the model refuses is certain, whatever else may be wrong.
            code = needed.correction.code
            suggestions = tuple(sorted(suggestions, key=lambda item: item.code != code))
            notes = (f"Beside that, {summary}", *notes)
            verdict, summary, best = "certain", f"{needed.correction.title}.", needed
        explanation = ""
        if verdict != "well":
            explanation = " ".join(MISTAKES[s].consequence for s in best.correction.slips if s in MISTAKES)
        return Diagnosis(verdict, summary, self.findings, suggestions, notes, explanation)

    def _says_more(self, needed: Trial, best: Trial) -> bool:
        """Tell whether the least correction is a better answer than the best, of which nothing is sure."""
        is_shown = self.trials.targets is not None and best.score - needed.score >= _SHOWN_BY_LABELS
        return self.given_is_array and not is_shown

    def _needed(self) -> Trial | None:
        """Return the trial of the least that makes the model run the array at all; None if it runs as it is."""
        fewest = min((len(trial.correction.slips) for trial in self.trials.ranked), default=0)
        least = [trial for trial in self.trials.ranked if len(trial.correction.slips) == fewest]
        return max(least, key=lambda trial: trial.correction.prior) if fewest else None

    def _verdict(self, best: Trial) -> tuple[str, str]:
        if not self.given_is_array and self.declared is None:
            return self._of_undeclared(best)
        if not best.correction.slips:
            return self._without_slip(best)
        title, support = best.correction.title, self._support(best)
        as_given = next((trial for trial in self.trials.ranked if not trial.correction.slips), None)
        plain = as_given or self._needed() or best
        if plain is best:
            return "certain", f"{title}."
        if best.correction.into and (doubt := self._doubt_of_range(best, plain)):
            return "undecided", doubt
        if best.correction.into and self._support(best, into=best.correction.into) < _LIKELY:
            title += ", or into another range: several fit the labels"
        by_rules = best.by_rules - plain.by_rules > _SHOWN_BY_VALUES
        if support >= _LIKELY and by_rules:
            return "certain", f"{title}."
        if self._is_unexplained(best):
            return "undecided", _UNEXPLAINED
        if support >= _LIKELY and plain.support < 1 - _LIKELY:
            return ("likely" if as_given is not None else "certain"), f"{title}."
        return "undecided", f"perhaps {title}; the evidence does not decide. {self._what_would()}"

    def _support(self, best: Trial, *, into: str = "") -> float:
        """Return the support of the slips that the best correction mends, of all that mend them (into a range).

        Whatever else may be wrong as well, these slips are.
        """
        slips = set(best.correction.slips)
        found = [trial for trial in self.trials.ranked if slips <= set(trial.correction.slips)]
        return sum(trial.support for trial in found if into in {"", trial.correction.into})

    def _doubt_of_range(self, best: Trial, plain: Trial) -> str:
        """Return why the range of a model that says nothing of it is a guess; empty if labels show it."""
        title = best.correction.title
        if self.trials.targets is None:
            return f"at best, {title}; without expected labels, the range of an unknown model is a guess."
        if best.score - plain.score < _SHOWN_BY_LABELS:
            return (
                f"perhaps {title}; the model says nothing of its range, and so few labels do not show it. "
                f"{self._what_would()}"
            )
        return ""

    def _right(self, trial: Trial) -> tuple[int, int]:
        """Return how many pictures get the expected label, and of how many."""
        if trial.probabilities is None or self.trials.targets is None:
            return 0, 0
        hits = trial.probabilities.argmax(axis=1) == self.trials.targets
        return int(hits.sum()), len(hits)

    def _is_unexplained(self, best: Trial) -> bool:
        """Tell whether even the best correction leads to other labels than the expected ones."""
        hits, count = self._right(best)
        return 2 * hits < count

    def _unexplained(self, how: str) -> str:
        """Return why nothing is decided: no correction leads to the expected labels, or several do."""
        if all(self._is_unexplained(trial) for trial in self.trials.ranked):
            return _UNEXPLAINED
        return (
            f"{how}, the expected label does not come out; corrections lead to it, and which is not clear. "
            + (self._what_would())
        )

    @property
    def given_is_array(self) -> bool:
        return self.given.array is not None

    def _of_undeclared(self, best: Trial) -> tuple[str, str]:
        title = best.correction.title
        if self.trials.targets is not None and best.support >= _LIKELY:
            return "likely", f"the model says nothing of its preprocessing; it takes {title}."
        return (
            "undecided",
            f"the model says nothing of its preprocessing; at best {title}. {self._what_would()}",
        )

    def _without_slip(self, best: Trial) -> tuple[str, str]:
        how = "as given" if self.given_is_array else "with the file's preprocessing"
        if best.probabilities is None and not self.findings:
            return "well", f"shape, dtype and values fit what the model declares ({how})."
        if self.trials.targets is None and self.findings:
            return "undecided", "the values fit no range that the doctor knows, or hold no picture."
        if self.trials.targets is None:
            return "well", f"{how}, nothing speaks for a slip."
        if self._is_unexplained(best):
            return "undecided", self._unexplained(how)
        hits, count = self._right(best)
        what = "the picture gets" if count == 1 else f"{hits} of {count} pictures get"
        return "well", f"{how}, {what} the expected label."

    def _what_would(self) -> str:
        if self.trials.targets is None:
            return "Give expected_label, best for several pictures."
        return "Give more pictures, with their labels."

    def _notes(self, verdict: str) -> tuple[str, ...]:
        trials, notes = self.trials, []
        best = trials.ranked[0]
        rows = best.probabilities
        if trials.stopped:
            notes.append(f"Stopped: only {len(trials.ranked)} corrections were tried.")
        if rows is None:
            notes.append(f"Judged by rules alone, as the model could not be asked: {trials.refusal}")
        elif trials.targets is None:
            what = "one picture" if len(rows) == 1 else f"{len(rows)} pictures"
            hidden = (
                "the preprocessing" if not self.given_is_array else "swapped colours, or height and width,"
            )
            notes.append(f"From {what} without expected labels, {hidden} can hardly be judged.")
        if rows is not None and len(rows) == MOST_PICTURES:
            notes.append(f"Judged by the first {MOST_PICTURES} pictures.")
        if trials.targets is not None and verdict == "well" and rows is not None and len(rows) == 1:
            notes.append("Several pictures tell more than one.")
        rivals = [t.correction for t in trials.ranked[1:] if 3 * t.support > best.support]
        if self.declared is None and rivals and verdict != "well":
            others = "another does" if len(rivals) == 1 else f"{len(rivals)} others do"
            notes.append(f"It cannot be told from here: {others} about as well, such as  {rivals[0].code}")
        return tuple(notes)
