"""Exercises: four outcomes, hints one by one, and nothing that a learner gives can stop the notebook."""

from __future__ import annotations

import json

import pytest

from onnx_workbench.lessons.exercise import Exercise


@pytest.fixture
def exercise() -> Exercise:
    return Exercise(
        "double",
        lambda answer: None if 2 * answer == 8 else f"{answer} <b>doubled</b> is {2 * answer}, not 8.",
        "4 + 4 is 8.",
        ("Halve it.", "8 / 2"),
        "check(4)",
    )


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (4, "passed", "4 + 4 is 8."),
        (..., "not yet", "Put your answer in the place of the three dots."),
        (None, "not yet", "Put your answer in the place of the three dots."),
        (3, "try again", "3 <b>doubled</b> is 6, not 8."),
        ({}, "raised", "TypeError: unsupported operand type(s) for *: 'int' and 'dict'"),
    ],
)
def test_an_answer_has_one_of_four_outcomes(exercise, answer, status, message):
    found = exercise.check(answer)
    assert found.to_dict() == {"status": status, "message": message}
    assert bool(found) is found.passed is (status == "passed")
    assert message in str(found)
    json.dumps(found.to_dict())


def test_an_outcome_is_told_to_screen_readers_and_is_escaped(exercise):
    html = exercise.check(3)._repr_html_()
    assert "role='status'" in html
    assert "✗ Not quite." in html
    assert "<b>" not in html
    assert "&lt;b&gt;doubled" in html


def test_an_answer_that_ends_the_program_is_caught_and_ctrl_c_is_not(exercise):
    class Stop:
        def __rmul__(self, other):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercise.check(Stop())


def test_hints_come_one_by_one_and_the_last_one_stays(exercise):
    assert [str(exercise.hint()) for _ in range(3)] == [
        "Hint 1 of 2:\nHalve it.",
        "Hint 2 of 2:\n8 / 2",
        "Hint 2 of 2:\n8 / 2",
    ]


def test_the_solution_is_shown_as_code(exercise):
    assert exercise.solution()._repr_html_().endswith("<pre style='margin:4px 0'>check(4)</pre></div>")
