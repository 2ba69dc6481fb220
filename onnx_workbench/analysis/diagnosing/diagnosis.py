"""Diagnosis: what is wrong with a model's input, how sure that is, and the line that mends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from onnx_workbench.core.formatting import clean_text, escape, html_table, text_table

UNCHANGED = ("as given", "as the preprocessing says")
"""Titles of the input as it came: always shown, to compare with."""

_SHOWN = 6
_FEW = 3
_TITLE = 45
_CODE = 60
_FEW_WORDS = {
    "bgr": "red and blue swapped",
    "swapped": "height and width swapped",
    "layout": "other layout",
    "reshape": "reshaped",
    "scaled": "0..1",
    "unscaled": "0..255",
    "range -1..1": "-1..1",
    "imagenet": "normalised as for ImageNet",
}
_OPENINGS = {
    "well": "All is well",
    "certain": "Wrong",
    "likely": "Likely wrong",
    "undecided": "Cannot be told",
}


@dataclass(frozen=True)
class Suggestion:
    """One correction that was tried.

    Attributes
    ----------
    slips
        What it mends, as short names: ``("unscaled", "bgr")``; empty for the input as it was given.
    title
        The same in words.
    code
        The Python expression, in ``x`` (what was given), ``np`` and ``ow``, that prepares the input.
    support
        Share of the evidence for it among everything tried, 0 to 1.
    predictions
        The most probable label of each picture, with its probability.
    expected_probability
        Mean probability of the expected labels; None if none were given.
    correct
        Share of the pictures whose most probable label is the expected one; None if none were given.
    """

    slips: tuple[str, ...]
    title: str
    code: str
    support: float
    predictions: tuple[tuple[str, float], ...] = ()
    expected_probability: float | None = None
    correct: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the suggestion as JSON can hold it."""
        return {
            "slips": list(self.slips),
            "title": self.title,
            "code": self.code,
            "support": self.support,
            "predictions": [{"label": label, "probability": p} for label, p in self.predictions],
            "expected_probability": self.expected_probability,
            "correct": self.correct,
        }


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found. True in a condition when all is well.

    Attributes
    ----------
    verdict
        ``"well"``; ``"certain"``: shown by the model's declaration or by the values themselves; ``"likely"``: shown by
        the trial; ``"undecided"``: the evidence does not tell.
    summary
        The verdict in a sentence.
    findings
        What the rules say of the input, before anything was run.
    suggestions
        Everything tried, the best first; also the input as given, if the model runs it.
    notes
        What limits this diagnosis.
    """

    verdict: str
    summary: str
    findings: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    notes: tuple[str, ...] = ()
    explanation: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        """Tell whether all is well."""
        return self.verdict == "well"

    @property
    def best(self) -> Suggestion | None:
        """The suggestion with most support; None if no correction could be tried."""
        return self.suggestions[0] if self.suggestions else None

    @property
    def slips(self) -> tuple[str, ...]:
        """Short names of what the best suggestion mends; empty if nothing is to be mended."""
        return self.best.slips if self.best else ()

    @property
    def code(self) -> str | None:
        """The Python expression of the best suggestion; None if there is none."""
        return self.best.code if self.best else None

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as JSON can hold it."""
        return {
            "verdict": self.verdict,
            "summary": self.summary,
            "slips": list(self.slips),
            "code": self.code,
            "findings": list(self.findings),
            "suggestions": [item.to_dict() for item in self.suggestions],
            "notes": list(self.notes),
            "explanation": self.explanation,
        }

    def __str__(self) -> str:
        """Return one line if all is well, otherwise the mend and the predictions side by side."""
        first = f"{self._opening()}: {self.summary}"
        if self.verdict == "well":
            return " ".join((first, *self.notes))
        lines = [first, *(f"  - {item}" for item in self.findings)]
        if self.explanation:
            lines.append(self.explanation)
        if self.best is not None and self.best.code != "x":
            lines += ["", f"    x = {self.best.code}", ""]
        if self.suggestions:
            lines.append(text_table(self._rows(), header=self._header(), right=self._alignment()))
        return "\n".join((*lines, *(f"Note: {note}" for note in self.notes)))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{self._opening()}:</strong> {escape(self.summary, limit=600)}</p>"]
        if self.verdict != "well":
            items = "".join(f"<li>{escape(item, limit=600)}</li>" for item in self.findings)
            parts.append(f"<ul>{items}</ul>" if items else "")
            parts.append(f"<p>{escape(self.explanation, limit=600)}</p>" if self.explanation else "")
            if self.best is not None and self.best.code != "x":
                parts.append(f"<pre>x = {escape(self.best.code, limit=2000)}</pre>")
            if self.suggestions:
                parts.append(html_table(self._rows(), header=self._header(), right=self._alignment()))
        parts += [f"<p>{escape(note, limit=600)}</p>" for note in self.notes]
        return f"<div>{''.join(parts)}</div>"

    def _opening(self) -> str:
        if self.verdict == "well" and not self._has_labels():
            return "Nothing wrong found"
        return _OPENINGS[self.verdict]

    def _has_labels(self) -> bool:
        return any(item.expected_probability is not None for item in self.suggestions)

    def _header(self) -> tuple[str, ...]:
        expected = ("expected label", "right") if self._has_labels() else ()
        return ("tried", "support", "prediction", *expected, "code")

    def _alignment(self) -> str:
        return "lrlrrl" if self._has_labels() else "lrll"

    def _rows(self) -> list[tuple[str, ...]]:
        """Return the best few, and the input as given wherever it stands."""
        first_of_title: dict[str, Suggestion] = {}
        for item in self.suggestions:
            first_of_title.setdefault(item.title, item)
        listed = list(first_of_title.values())
        shown = listed[:_SHOWN] + [item for item in listed[_SHOWN:] if item.title in UNCHANGED]
        return [_row(item, has_labels=self._has_labels()) for item in shown]


def _short_title(item: Suggestion) -> str:
    """Return the title, or its slips in few words where it is too long for a column."""
    if len(item.title) <= _TITLE or not item.slips:
        return item.title
    return " + ".join(_FEW_WORDS.get(slip, slip) for slip in item.slips)


def _row(item: Suggestion, *, has_labels: bool) -> tuple[str, ...]:
    seen = ", ".join(f"{clean_text(label, limit=40)} {p:.0%}" for label, p in item.predictions[:_FEW])
    more = f", and {len(item.predictions) - _FEW} more" if len(item.predictions) > _FEW else ""
    expected: tuple[str, ...] = ()
    if has_labels:
        shares = (item.expected_probability, item.correct)
        expected = tuple("" if share is None else f"{share:.0%}" for share in shares)
    return (
        _short_title(item),
        f"{item.support:.0%}",
        seen + more,
        *expected,
        clean_text(item.code, limit=_CODE),
    )
