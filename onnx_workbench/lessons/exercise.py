"""Exercises that check themselves: a question, a check that never raises, hints one by one, a solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from onnx_workbench.core.formatting import clean_text, escape

_MARKS = {"passed": "✓", "not yet": "…", "try again": "✗", "raised": "!"}
_OPENINGS = {
    "passed": "Right.",
    "not yet": "Not yet.",
    "try again": "Not quite.",
    "raised": "Your answer raised an error.",
}
_BORDERS = {"passed": "#2e7d46", "not yet": "#8a8f98", "try again": "#b8671b", "raised": "#b03a2e"}


@dataclass(frozen=True)
class Outcome:
    """What a check found. Words and mark carry the meaning, colour only helps.

    Attributes
    ----------
    status
        ``"passed"``; ``"not yet"``: the blank is still there; ``"try again"``; ``"raised"``: the answer could not
        be judged, because it raised an error.
    message
        A sentence or two for the learner.
    """

    status: str
    message: str

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.status == "passed"

    def __bool__(self) -> bool:
        """Tell whether the answer is right."""
        return self.passed

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON can hold it."""
        return {"status": self.status, "message": self.message}

    def __str__(self) -> str:
        """Return mark, verdict and message."""
        return f"{_MARKS[self.status]} {_OPENINGS[self.status]} {self.message}".rstrip()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        style = f"border-left:4px solid {_BORDERS[self.status]};padding:4px 12px"
        verdict = f"{_MARKS[self.status]} {_OPENINGS[self.status]}"
        return (
            f"<div role='status' style='{style}'><strong>{escape(verdict)}</strong> "
            f"{escape(self.message, limit=1000)}</div>"
        )


@dataclass(frozen=True)
class Note:
    """A hint or a solution, as text or as code."""

    title: str
    text: str
    is_code: bool = False

    def __str__(self) -> str:
        """Return title and text."""
        return f"{self.title}\n{self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        body = escape(self.text, limit=2000) if not self.is_code else _code(self.text)
        return f"<div><strong>{escape(self.title)}</strong> {body}</div>"


def _code(text: str) -> str:
    lines = "\n".join(escape(line, limit=300) for line in text.splitlines())
    return f"<pre style='margin:4px 0'>{lines}</pre>"


Judge = Callable[[Any], str | None]
"""Returns None for a right answer, else the sentence that helps."""


@dataclass
class Exercise:
    """One exercise of a lesson.

    Parameters
    ----------
    name
        What it is called in the lesson.
    judge
        Called with the learner's answer: None if it is right, else the sentence that helps.
    praise
        Said when it is right: what the learner has just shown.
    hints
        From the gentlest to the plainest.
    solution_code
        Code that ends in a call of ``check`` which passes.
    """

    name: str
    judge: Judge = field(repr=False)
    praise: str = field(repr=False)
    hints: tuple[str, ...] = field(repr=False)
    solution_code: str = field(repr=False)
    _given: int = field(default=0, repr=False)

    def check(self, answer: object) -> Outcome:
        """Return what is to be said of an answer; ``...``, the blank, is not judged."""
        if answer is ... or answer is None:
            return Outcome("not yet", "Put your answer in the place of the three dots.")
        try:
            complaint = self.judge(answer)
        except Exception as error:  # noqa: BLE001  whatever the learner gave, the notebook goes on
            reason = clean_text(str(error), limit=300)
            return Outcome("raised", f"{type(error).__name__}: {reason}")
        return Outcome("passed", self.praise) if complaint is None else Outcome("try again", complaint)

    def hint(self) -> Note:
        """Return the next hint; after the last one, the last again."""
        number = min(self._given, len(self.hints) - 1)
        self._given = number + 1
        return Note(f"Hint {number + 1} of {len(self.hints)}:", self.hints[number])

    def solution(self) -> Note:
        """Return code that solves the exercise."""
        return Note("One way:", self.solution_code, is_code=True)
