"""Operators that are computed in Python, and random numbers, against what the real CNTK 2.7 gave."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError, UnsupportedOperatorError
from onnx_workbench.cntk.random_numbers import RandomNumbers

RECORDED = Path(__file__).parent / "recorded"
spec = importlib.util.spec_from_file_location("cntk_python_cases", RECORDED / "python_cases.py")
CASES = importlib.util.module_from_spec(spec)
spec.loader.exec_module(CASES)
ANSWERS = np.load(RECORDED / "python_answers.npz")


@pytest.mark.parametrize("name", sorted(CASES.CASES))
def test_a_program_gives_what_cntk_gave(name):
    pytest.importorskip("torch")
    found = {f"{name}/{part}": np.asarray(value) for part, value in CASES.CASES[name](C).items()}
    expected = {key: ANSWERS[key] for key in ANSWERS.files if key.startswith(f"{name}/")}
    assert sorted(found) == sorted(expected)
    for key, value in expected.items():
        assert found[key].shape == value.shape, key
        assert found[key].dtype == value.dtype, key
        np.testing.assert_allclose(found[key], value, rtol=2e-5, atol=2e-6, err_msg=key)


def test_numbers_do_not_depend_on_how_many_are_drawn_at_once():
    whole = RandomNumbers(5).normal(20_000)
    random = RandomNumbers(5)
    parts = np.concatenate([random.normal(count) for count in (1, 2, 310, 311, 1, 4_375, 15_000)])
    np.testing.assert_array_equal(parts, whole)


def test_the_generator_is_the_published_one():
    # The first numbers of std::mt19937_64 with its default seed; the standard names the 10,000th.
    assert int(RandomNumbers(5489).words(10_000)[-1]) == 9981545732273789042


@pytest.mark.parametrize("kind", ["uniform", "normal", "gumbel", "bernoulli"])
@pytest.mark.parametrize("like", [False, True])
def test_exported_random_numbers_have_the_mean_and_the_deviation_of_cntks(kind, like, tmp_path):
    import onnxruntime

    arguments = {"uniform": (-1, 3), "normal": (2, 3), "gumbel": (1, 2), "bernoulli": (0.3,)}[kind]
    x = C.input_variable((100, 50), name="x")
    if like:
        drawn = getattr(C.random, f"{kind}_like")(x, *arguments, seed=3) + 0 * x
    else:
        drawn = getattr(C.random, kind)((100, 50), np.float32, *arguments, seed=3) + 0 * x
    zeros = np.zeros((4, 100, 50), np.float32)
    drawn.save(str(tmp_path / "m.onnx"), format=C.ModelFormat.ONNX)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"x": zeros})
    expected = drawn.eval({x: zeros})
    assert found.shape == expected.shape
    assert abs(found.mean() - expected.mean()) < 0.1
    assert abs(found.std() - expected.std()) < 0.1


def test_what_cannot_be_drawn_is_refused_in_cntks_words():
    with pytest.raises(
        CntkRuntimeError, match=r"low end of the range \(2\) must be < high end of the range \(1\)"
    ):
        C.random.uniform((2,), low=2, high=1)
    with pytest.raises(CntkRuntimeError, match=r"mean \(2\) must be between 0 and 1"):
        C.random.bernoulli((2,), mean=2)
    with pytest.raises(CntkValueError, match="must not have an unbound dimension"):
        C.random.normal((-1, 2))
    with pytest.raises(CntkValueError, match=r"negative number -1\.0"):
        C.random_sample(np.array([1, -1.0], np.float32), 1, True)
    with pytest.raises(CntkValueError, match=r"samples \(5\) must be less than the number of classes \(2\)"):
        C.random_sample(np.array([1, 1.0], np.float32), 5, False)
    with pytest.raises(CntkValueError, match="fewer have a weight above 0"):
        C.random_sample(np.array([1, 0, 0, 1.0], np.float32), 3, False).eval()


def test_a_user_function_in_a_loop_is_refused():
    cubed = CASES.classes_of_user_functions(C)[0]
    x = C.sequence.input_variable(2)
    loop = C.layers.Recurrence(lambda state, new: C.user_function(cubed(state + new)))(x)
    with pytest.raises(CntkRuntimeError, match="stands in a loop over the steps"):
        loop.eval({x: np.ones((1, 3, 2), np.float32)})


def test_a_user_function_that_gives_no_pair_is_told_so():
    class Wrong(C.UserFunction):
        def __init__(self, x, name="wrong"):
            super().__init__([x], name=name)

        def infer_outputs(self):
            return [
                C.output_variable(self.inputs[0].shape, self.inputs[0].dtype, self.inputs[0].dynamic_axes)
            ]

        def forward(self, argument, device=None, outputs_to_retain=None):  # noqa: ARG002
            return argument

    x = C.input_variable(2)
    with pytest.raises(CntkValueError, match=r"Wrong.forward must return \(state, value\); got a ndarray"):
        C.user_function(Wrong(x)).eval({x: [[1, 2]]})


def test_nothing_is_assigned_to_an_input():
    x = C.input_variable(2)
    with pytest.raises(CntkValueError, match="is no parameter and no constant"):
        C.assign(x, C.parameter(2)).eval({x: [[1, 2]]})


def test_a_trainer_says_what_it_cannot_train():
    x, w = C.input_variable(2), C.parameter(2, init=1)
    z = C.element_times(x, w)
    learner = C.sgd(z.parameters, 0.1)
    with pytest.raises(CntkValueError, match="are not part of the model specified"):
        C.Trainer(z, (z, None), C.sgd([C.parameter(3)], 0.1))
    with pytest.raises(CntkValueError, match="must be a singleton or a tuple of 2 elements"):
        C.Trainer(z, (z, z, z), learner)
    with pytest.raises(CntkValueError, match="must not be empty"):
        C.sgd([], 0.1)
    with pytest.raises(CntkValueError, match="at least one learner"):
        C.Trainer(z, z, [])
    with pytest.raises(CntkValueError, match="no evaluation function was specified"):
        C.Trainer(z, z, learner).test_minibatch({x: [[1, 2]]})


def test_dropout_in_a_loop_is_refused_in_training_and_passed_in_evaluation():
    pytest.importorskip("torch")
    x = C.sequence.input_variable(2, needs_gradient=True)
    loop = C.layers.Recurrence(lambda state, new: C.dropout(C.tanh(state + new), 0.5))(x)
    assert np.shape(loop.eval({x: np.ones((1, 3, 2), np.float32)})) == (1, 3, 2)
    with pytest.raises(CntkRuntimeError, match=r"Dropout .* stands in a loop"):
        loop.grad({x: np.ones((1, 3, 2), np.float32)})


def test_a_constant_of_single_precision_is_widened_and_never_the_other_way():
    x, y = C.input_variable((2, 2), dtype=np.float64), C.input_variable((2, 2))
    widened = x * C.constant(np.full((2, 2), 2, np.float32))
    assert widened.eval({x: np.ones((1, 2, 2))}).dtype == np.float64
    with pytest.raises(CntkValueError, match="different DataTypes"):
        y * C.constant(np.full((2, 2), 2.0))


@pytest.mark.parametrize(
    "name", ["CBFDeserializer", "HTKFeatureDeserializer", "HTKMLFBinaryDeserializer", "LatticeDeserializer"]
)
def test_other_readers_can_be_imported_and_say_that_they_do_not_read(name):
    with pytest.raises(
        UnsupportedOperatorError, match=f"cntk.io.{name} is not supported: .* are not read here"
    ):
        getattr(C.io, name)("file")
