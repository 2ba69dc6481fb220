"""Learners, step by step, against what the real CNTK 2.7 made of the same gradients."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError

RECORDED = Path(__file__).parent / "recorded"
spec = importlib.util.spec_from_file_location("cntk_learner_cases", RECORDED / "learner_cases.py")
CASES = importlib.util.module_from_spec(spec)
spec.loader.exec_module(CASES)
ANSWERS = np.load(RECORDED / "learner_answers.npz")
STEPS = sorted(key.rsplit("|", 1)[0] for key in ANSWERS.files if key.endswith("|rates"))


@pytest.fixture(autouse=True)
def seeds_begin_anew():
    yield
    C.cntk_py.reset_random_seed(0)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_cntks(step):
    name, dtype = step.split("|")
    found = CASES.course(C, name, np.dtype(dtype).type)
    rtol = 1e-4 if dtype == "float32" else 1e-9
    np.testing.assert_allclose(found["values"], ANSWERS[f"{step}|values"], rtol=rtol, atol=rtol / 100)
    np.testing.assert_allclose(found["rates"], ANSWERS[f"{step}|rates"], rtol=1e-12)


def test_every_case_was_recorded():
    assert {step.split("|")[0] for step in STEPS} == set(CASES.names())


@pytest.mark.parametrize("name", CASES.TRAINED)
def test_a_network_is_trained_as_cntk_trains_it(name):
    pytest.importorskip("torch")
    found = CASES.training(C, name)
    for part, value in found.items():
        expected = ANSWERS[f"training|{name}|{part}"]
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5, err_msg=part)


@pytest.mark.parametrize(
    "name", ["momentum_by_samples", "adam", "fsadagrad", "rmsprop", "adadelta", "adam/noise"]
)
def test_a_restored_learner_goes_on_as_if_nothing_had_been(name):
    def parameters():
        return [C.parameter(init=value) for _, value in sorted(CASES.starts(np.float32).items())]

    C.cntk_py.reset_random_seed(4)
    first = parameters()
    straight = CASES.made(C, name, first)
    steps = [[one[key] for key in sorted(one)] for one in CASES.gradients(np.float32)]

    def run(learner, chosen, start):
        for number, step in enumerate(chosen, start):
            learner.update(
                dict(zip(learner.parameters, step, strict=True)), CASES.COUNTS[number], number == 3
            )

    run(straight, steps[:6], 0)
    kept, values = straight.create_checkpoint(), [one.value for one in first]
    run(straight, steps[6:], 6)
    second = parameters()
    resumed = CASES.made(C, name, second)
    run(resumed, steps[:2], 0)
    resumed.restore_from_checkpoint(kept)
    for one, value in zip(second, values, strict=True):
        one.value = value
    run(resumed, steps[6:], 6)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.value, b.value)
    assert resumed.learning_rate() == straight.learning_rate()
    assert resumed.total_number_of_samples_seen() == sum(CASES.COUNTS)


def test_a_checkpoint_of_another_learner_is_refused():
    parameter = C.parameter(init=np.zeros(3, np.float32))
    adam = C.adam([parameter], 0.1, 0.9)
    with pytest.raises(CntkRuntimeError, match="of a 'Adam' and not of a 'Learner'"):
        C.sgd([parameter], 0.1).restore_from_checkpoint(adam.create_checkpoint())
    adam.update({parameter: np.ones(3, np.float32)}, 1)
    other = C.adam([C.parameter(init=np.zeros(4, np.float32))], 0.1, 0.9)
    with pytest.raises(CntkRuntimeError, match="shapes"):
        other.restore_from_checkpoint(adam.create_checkpoint())


def test_a_learner_of_the_users_own_is_asked_for_each_minibatch():
    pytest.importorskip("torch")
    seen = []

    class Halving(C.learners.UserLearner):
        def update(self, gradient_values, training_sample_count, sweep_end):
            for parameter, gradient in gradient_values.items():
                seen.append((gradient.shape, training_sample_count, sweep_end, self.learning_rate()))
                parameter.value = parameter.value - self.learning_rate() / training_sample_count * gradient
            return True

    data, labels = np.ones((4, 3), np.float32), np.eye(2, dtype=np.float32)[[0, 1, 1, 1]]
    results = []
    for make in (Halving, C.sgd):
        trainer, x, y, learnt = CASES.network(
            C, lambda p, make=make: make(p, C.learning_parameter_schedule(0.2))
        )
        assert trainer.train_minibatch({x: data, y: labels})
        results.append(np.concatenate([one.value.ravel() for one in learnt]))
    assert seen == [(shape, 4, False, 0.2) for shape in ((3, 5), (5,), (5, 2), (2,))]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)
    with pytest.raises(NotImplementedError, match="must be overriden"):
        C.learners.UserLearner(learnt, C.learning_parameter_schedule(1)).update({}, 1)


def test_wrong_calls_say_what_is_wrong():
    parameter = C.parameter(init=np.zeros(3, np.float32))
    with pytest.raises(CntkValueError, match="must not be empty"):
        C.adam([], 0.1, 0.9)
    with pytest.raises(CntkValueError, match="inferred dimensions"):
        C.sgd([C.parameter((-1, 3))], 0.1)
    with pytest.raises(CntkValueError, match="two arguments"):
        C.universal(lambda p: p, [parameter])
    with pytest.raises(CntkTypeError, match="multiple values for l1_regularization_weight"):
        C.sgd([parameter], 0.1, 0.2, l1_regularization_weight=0.3)
    with pytest.raises(CntkValueError, match="learning_rate type"):
        C.sgd([parameter], 0.1).reset_learning_rate("0.1")
    with pytest.raises(CntkValueError, match="gradients are missing"):
        C.rmsprop([parameter], 0.1, 0.9, 1.2, 0.5, 2, 0.1).update({}, 3)
    with pytest.raises(CntkRuntimeError, match="no learning rate"):
        C.universal(CASES.own_rule(C, 0.5), [parameter]).learning_rate()
