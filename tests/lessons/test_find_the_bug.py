"""Find the bug: each case is broken as its complaint says, and each exercise is right about every kind of answer."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import onnx_workbench as ow
from onnx_workbench import lessons, training
from onnx_workbench.core.errors import InputError, NameNotFoundError

NAMES = ["crooked", "silent", "elsewhere", "company", "last digit"]


@pytest.fixture(scope="module")
def data():
    return training.signs(800, 200, seed=3)


@pytest.fixture(scope="module")
def network(data):
    return training.fit(training.small_convnet(data), data, epochs=8, batch_size=32, threads=1)


@pytest.fixture(scope="module")
def cases(network, data):
    return lessons.find_the_bug(network, data)


@pytest.fixture(scope="module")
def expected(network, cases):
    with torch.no_grad():
        return network(torch.from_numpy(cases["crooked"].inputs)).numpy()


def logits(case) -> np.ndarray:
    return ow.run(case.model, case.inputs)["logits"]


def test_there_are_five_cases_with_a_complaint_each(cases):
    assert list(cases) == NAMES
    assert len(cases) == len({case.complaint for case in cases.values()}) == 5
    assert all(
        case.complaint in str(cases) and case.complaint in cases._repr_html_() for case in cases.values()
    )


def test_the_crooked_model_answers_otherwise_and_the_shape_does_not_tell(cases, expected):
    found = logits(cases["crooked"])
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() > 0.1


def test_the_silent_model_answers_nothing_but_nan(cases):
    assert np.isnan(logits(cases["silent"])).all()


def test_elsewhere_the_model_is_sound_and_the_batch_is_bgr(cases, expected):
    case = cases["elsewhere"]
    right = case.inputs[:, ::-1]
    np.testing.assert_allclose(ow.run(case.model, right.copy())["logits"], expected, rtol=1e-3, atol=1e-4)
    assert ow.classify(case.model, case.inputs).accuracy(case.labels) < 0.4
    assert ow.classify(case.model, right.copy()).accuracy(case.labels) > 0.9


def test_in_company_the_answer_depends_on_the_neighbours(cases):
    case = cases["company"]
    alone = ow.run(case.model, case.inputs[:1])["logits"]
    assert np.abs(alone - logits(case)[:1]).max() > 0.05


def test_the_last_digits_differ_and_nothing_else(cases, expected):
    difference = np.abs(logits(cases["last digit"]) - expected).max()
    assert 1e-5 < difference < 1e-2


def test_the_network_is_left_as_it_was(network, data):
    before = copy.deepcopy(network.state_dict())
    lessons.find_the_bug(network, data)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training


@pytest.mark.parametrize("name", NAMES)
def test_the_blank_is_no_answer_yet(cases, name):
    assert cases[name].check(...).status == "not yet"


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes(cases, name, network):
    case = cases[name]
    code = str(case.solution()).partition("\n")[2]
    *steps, last = code.splitlines()
    known = {"ow": ow, "case": case, "network": network}
    exec("\n".join(steps), known)
    outcome = eval(last, known)
    assert outcome.passed, outcome


@pytest.mark.parametrize("name", ["crooked", "silent", "company", "last digit"])
def test_wrong_names_get_the_sentence_that_helps(cases, name):
    case = cases[name]
    if name != "last digit":  # there, nothing comes after the culprit
        assert "is innocent: it was fed with wrong numbers" in str(case.check("logits"))
    assert "is as it should be. Look further down." in str(case.check("image"))
    assert "The model has no value 'conv9'" in str(case.check("conv9"))
    assert "The answer is the name of a value, a string; got int." in str(case.check(3))


def test_what_points_at_the_culprit_without_naming_its_value_is_led_on(cases, network):
    case = cases["silent"]
    for weight in ("conv2.weight", "conv0.weight"):
        assert f"{weight!r} is a weight: a node reads it." in str(case.check(weight))
    assert "'Conv' is an operator" in str(case.check("Conv"))
    listed = str(case.check("nonsense"))
    assert "'getitem'" in listed
    assert "weight" not in listed  # a weight is never the answer
    assert case.check(ow.compare(case.model, network, case.inputs).blamed[0]).passed


def test_the_last_digit_is_lost_in_the_last_node_and_nowhere_before(cases):
    case = cases["last digit"]
    assert case.check("logits").passed
    assert not any(case.check(node.key).passed for node in case.model.nodes[:-1])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("logits", "No node is guilty here."),
        (np.zeros((2, 2)), "has the shape (64, 3, 32, 32); yours has (2, 2)"),
        ("as it came", None),
        ("transposed", "All the numbers are there, and not in their places."),
        ("halved", "Nothing has to be scaled"),
        ([[1], [1, 2]], "raised an error"),
    ],
)
def test_wrong_batches_get_the_sentence_that_helps(cases, answer, message):
    case = cases["elsewhere"]
    given = {
        "as it came": case.inputs,
        "transposed": case.inputs.transpose(0, 1, 3, 2),
        "halved": case.inputs / 2,
    }
    if isinstance(answer, str):
        answer = given.get(answer, answer)
    outcome = case.check(answer)
    assert not outcome.passed
    assert (message or "That is the batch as it came.") in str(outcome)


def test_a_case_that_is_not_there_is_answered_with_those_that_are(cases):
    with pytest.raises(NameNotFoundError, match=r"no case 'croocked'. The cases: crooked, silent"):
        cases["croocked"]


def test_another_network_is_refused(data):
    with pytest.raises(InputError, match=r"breaks a network of training.small_convnet"):
        lessons.find_the_bug(torch.nn.Linear(3, 4), data)
