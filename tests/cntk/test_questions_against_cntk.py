"""Short questions get the answers, or the class of error, that the real CNTK 2.7 gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from tests.cntk.recorded import harder_questions, questions

QUESTIONS = questions.QUESTIONS | harder_questions.QUESTIONS
ANSWERS = json.loads((Path(__file__).parent / "recorded" / "question_answers.json").read_text())


def test_every_question_was_asked_of_the_real_one():
    assert list(ANSWERS) == list(QUESTIONS)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_gets_the_answer_that_cntk_gives(name):
    expected = ANSWERS[name]
    actual = questions.answer(QUESTIONS[name], questions.namespace(C) | harder_questions.more_names(C))
    if "error" in expected:  # ours are children of the class that CNTK raises
        assert actual == expected
    elif "numbers" in expected:
        assert len(actual["numbers"]) == len(expected["numbers"])
        for ours, theirs in zip(actual["numbers"], expected["numbers"], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    else:
        assert actual == expected
