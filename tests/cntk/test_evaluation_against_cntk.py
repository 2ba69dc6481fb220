"""What graphs compute, held to what the real CNTK 2.7 computed for the same lines."""

from __future__ import annotations

import numpy as np
import pytest
from cntk_recorded_models import cases, recorded

import onnx_workbench.cntk as C  # noqa: N812

DTYPES = {"float32": (np.float32, 1e-4, 1e-5), "float64": (np.float64, 1e-9, 1e-9)}
DIFFERENT = {
    ("roipooling", "float32"): "CNTK rounds the borders of regions in a way of its own",
    ("roipooling", "float64"): "ONNX has MaxRoiPool for float32 only",
}


def pieces(value) -> list[np.ndarray]:
    return [np.asarray(one) for one in value] if isinstance(value, list) else [np.asarray(value)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(cases.CASES))
def test_a_graph_computes_what_cntk_computed(name, dtype):
    expected = recorded(name, dtype, "output")
    if not expected:
        pytest.skip("the real CNTK cannot build this in this dtype")
    if (name, dtype) in DIFFERENT:
        pytest.xfail(DIFFERENT[name, dtype])
    kind, rtol, atol = DTYPES[dtype]
    model = cases.model_of(cases.CASES[name], C, kind)
    feed = cases.values_of(cases.CASES[name], kind)
    found = model.eval({variable: feed[variable.name] for variable in model.arguments})
    found = [found[output] for output in model.outputs] if isinstance(found, dict) else [found]
    assert len(found) == len(expected)
    for value, parts in zip(found, expected, strict=True):
        for one, part in zip(pieces(value), parts, strict=True):
            assert one.dtype == part.dtype
            np.testing.assert_allclose(one, part, rtol, atol)


def picture() -> np.ndarray:
    return np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("value", "samples"),
    [
        (picture(), 1),
        (picture()[None].repeat(5, 0), 5),
        (picture()[None, None].repeat(5, 0), 5),
        ([picture()], 1),
        ([picture()] * 3, 3),
        ([picture()[None]] * 2, 2),
        ([picture().tolist()], 1),
    ],
    ids=[
        "one sample",
        "batch",
        "batch of one step",
        "list",
        "list of three",
        "list with an axis",
        "nested lists",
    ],
)
def test_values_are_taken_in_all_the_forms_that_cntk_takes(value, samples):
    x = C.input_variable((2, 3, 4), name="x")
    model = x * 2
    for arguments in ({x: value}, {"x": value}, value):
        found = model.eval(arguments)
        np.testing.assert_array_equal(found, np.stack([picture() * 2] * samples))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.zeros((3, 4, 2), np.float32), r"np\.transpose\(value, \(2, 0, 1\)\) has the shape \[2 x 3 x 4\]"),
        ([np.zeros((3, 4, 2), np.float32)], r"HWC order: np\.transpose\(value, \(2, 0, 1\)\)"),
        (np.zeros(4, np.float32), r"Value's rank \(1\) should be >= the Variable's rank \(3\)"),
        (
            np.zeros((1, 5, 2, 3, 4), np.float32),
            r"must be 1, because this axis is not specified as a dynamic axis",
        ),
        (np.zeros((2, 3, 4), np.uint8), r"you gave uint8 .* value\.astype\(np\.float32\)"),
        (7, r"batch must be a list of NumPy arrays .* got a int"),
        ([], "is empty"),
    ],
)
def test_values_that_do_not_fit_are_told_with_the_mend(value, says):
    x = C.input_variable((2, 3, 4), name="x")
    with pytest.raises(ValueError, match=says):
        (x * 2).eval({x: value})


def test_arguments_that_do_not_fit_are_told():
    x, y = C.input_variable(3, name="x"), C.input_variable(3, name="y")
    same = C.input_variable(3, name="x")
    ones = np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"Values for 1 required arguments 'Input\('y'"):
        (x + y).eval({x: ones})
    with pytest.raises(ValueError, match="function expects 2 arguments"):
        (x + y).eval()
    with pytest.raises(ValueError, match="not supported for nodes with more than one input"):
        (x + y).eval(ones)
    with pytest.raises(
        ValueError, match=r'variable with name "z" does not exist.*Available variable names: x, y'
    ):
        (x + y).eval({"z": ones})
    with pytest.raises(ValueError, match='node name "x" is not unique'):
        (x + same).eval({"x": ones})
    with pytest.raises(ValueError, match="Different minibatch layouts"):
        (x + y).eval({x: np.ones((5, 3), np.float32), y: np.ones((4, 3), np.float32)})


def test_outputs_are_asked_for_and_given_by_variable():
    x, unused = C.input_variable(3, name="x"), C.input_variable(3)
    total, rest = x + 1, x - 1
    model = C.combine([total, rest, x + unused])
    found = model.eval({x: [[1, 2, 3]]}, outputs=[total.output, rest.output])
    assert list(found) == [total.output, rest.output]
    np.testing.assert_array_equal(found[total.output], [[2, 3, 4]])
    np.testing.assert_array_equal(model.eval({x: [[1, 2, 3]]}, outputs=[rest.output]), [[0, 1, 2]])
    np.testing.assert_array_equal(C.combine([x]).eval({x: [[1, 2, 3]]}), [[1, 2, 3]])


def test_a_new_value_of_a_parameter_and_a_replaced_placeholder_are_seen():
    x, hole = C.input_variable(2), C.placeholder()
    weights = C.parameter((2,), init=1.0)
    model = hole * weights
    model.replace_placeholders({hole: x})
    np.testing.assert_array_equal(model.eval({x: [[3, 4]]}), [[3, 4]])
    weights.value = np.array([2, 10], np.float32)
    np.testing.assert_array_equal(model.eval({x: [[3, 4]]}), [[6, 40]])


def test_a_placeholder_that_is_left_is_told():
    hole = C.placeholder(shape=(2,), name="hole")
    with pytest.raises((RuntimeError, ValueError), match="placeholder"):
        (hole + 1).eval({hole: np.ones(2, np.float32)})


@pytest.mark.parametrize("lengths", [(3,), (3, 1, 4), (2, 2)])
def test_sequences_of_any_lengths_come_out_by_themselves(lengths):
    x = C.sequence.input_variable(2)
    values = [np.random.default_rng(n).normal(size=(n, 2)).astype(np.float32) for n in lengths]
    found = C.combine([x * 2, C.sequence.last(x), C.sequence.past_value(x)]).eval({x: values})
    doubled, last, before = found.values()
    for index, value in enumerate(values):
        np.testing.assert_allclose(doubled[index], value * 2)
        np.testing.assert_allclose(last[index], value[-1])
        np.testing.assert_allclose(before[index], np.concatenate([np.zeros((1, 2)), value[:-1]]))


def test_free_axes_take_any_length():
    x = C.input_variable((C.FreeDimension, 3))
    model = C.reduce_sum(x * 2, axis=0)
    for length in (2, 5):
        found = model.eval({x: np.ones((1, length, 3), np.float32)})
        np.testing.assert_array_equal(found, np.full((1, 1, 3), 2.0 * length))


def test_old_code_finds_this_front_under_the_name_of_cntk():
    import subprocess
    import sys

    script = (
        "import onnx_workbench.cntk as ours; ours.install(); ours.install()\n"
        "import cntk as C, cntk.ops.functions, cntk.device\n"
        "from cntk import combine\nfrom cntk.ops.functions import Function\nfrom cntk.layers import Dense\n"
        "assert C is ours and Function is ours.Function and C.device.cpu() == C.cpu()\n"
        "C.cntk_py.set_fixed_random_seed(1); C.try_set_default_device(C.device.gpu(0))\n"
        "try:\n    import cntk.nothing\nexcept ModuleNotFoundError as error:\n    assert 'cntk.nothing' in str(error)\n"
        "import numpy as np; x = C.input_variable(3); print(Dense(2)(x).eval(np.ones((4, 3), 'f')).shape)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "(4, 2)"
