"""Gradients, held to what the real CNTK 2.7 computed for the same lines, and to finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from cntk_recorded_models import cases, recorded

import onnx_workbench.cntk as C  # noqa: N812

NAMES = sorted(name for name in cases.CASES if cases.CASES[name].gradients)
DIFFERENT = {
    "tan": "CNTK's gradient of tan is not 1 + tan(x)^2; ours is held to finite differences below",
}


def pieces(value) -> list[np.ndarray]:
    return [np.asarray(one) for one in value] if isinstance(value, list) else [np.asarray(value)]


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_cntk(name):
    expected = recorded(name, "float64", "gradient")
    if not expected:
        pytest.skip("the real CNTK gives none")
    if name in DIFFERENT:
        pytest.xfail(DIFFERENT[name])
    model = cases.model_of(cases.CASES[name], C, np.float64)
    feed = cases.values_of(cases.CASES[name], np.float64)
    wanted = [*model.arguments, *model.parameters]
    found = model.grad({variable: feed[variable.name] for variable in model.arguments}, wrt=wanted)
    found = found if isinstance(found, dict) else {wanted[0]: found}
    for one, parts in zip(wanted, expected, strict=True):
        for value, part in zip(pieces(found[one]), parts, strict=True):
            np.testing.assert_allclose(value, part, 1e-9, 1e-9)


def test_the_gradient_of_tan_is_that_of_finite_differences():
    x = C.input_variable(3, dtype=np.float64, needs_gradient=True)
    model, at, step = C.tan(x), np.array([[-1.2, 0.1, 0.9]]), 1e-6
    rise = (model.eval({x: at + step}) - model.eval({x: at - step})) / (2 * step)
    np.testing.assert_allclose(model.grad({x: at}), rise, 1e-6)


def test_gradients_come_in_the_forms_that_cntk_gives_them():
    x = C.input_variable(3, needs_gradient=True)
    w = C.parameter((3,), init=2.0)
    model = x * w
    ones = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(model.grad({x: ones}), ones * 2)
    np.testing.assert_array_equal(model.grad({x: ones}, wrt=[w]), [2, 2, 2])
    both = model.grad({x: ones}, wrt=[w, x])
    assert list(both) == [w, x]
    gradient, value = model.grad({x: ones}, wrt=[w], outputs=[model.output])
    np.testing.assert_array_equal(gradient, [2, 2, 2])
    np.testing.assert_array_equal(value, ones * 2)
    np.testing.assert_array_equal(model.grad({x: ones}, wrt=[w], outputs=[]), [2, 2, 2])


def test_forward_and_backward_take_gradients_of_outputs():
    x = C.input_variable(2, needs_gradient=True)
    w = C.parameter((2,), init=3.0)
    model = x * w
    at = np.array([[1, 2], [3, 4]], np.float32)
    state, values = model.forward({x: at}, [model.output], {model.output})
    np.testing.assert_array_equal(values[model.output], at * 3)
    root = np.array([[1, 10], [100, 1000]], np.float32)
    found = model.backward(state, {model.output: root}, {x, w})
    np.testing.assert_array_equal(found[x], root * 3)
    np.testing.assert_array_equal(found[w], (root * at).sum(0))


def test_no_gradient_flows_where_it_is_stopped_and_none_is_asked_of_what_has_none():
    x = C.input_variable(2, needs_gradient=True)
    ones = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal((C.stop_gradient(x) * x).grad({x: ones * 3}), ones * 3)
    plain = C.input_variable(2)
    with pytest.raises(ValueError, match=r"None of the Function .* have 'needs_gradient == True'"):
        (plain * 2).grad({plain: ones})
    with pytest.raises(ValueError, match="has no gradient: needs_gradient is False"):
        (plain * x).grad({plain: ones, x: ones}, wrt=[plain])
    state, _ = (x * 2).forward({x: ones})
    with pytest.raises(ValueError, match="keep_for_backward"):
        (x * 2).backward(state, ones, [x])


@pytest.mark.parametrize(
    ("reduction", "slope"),
    [
        ("reduce_sum", lambda x, _: np.ones_like(x)),
        ("reduce_mean", lambda x, all_of: np.ones_like(x) / all_of.size),
        ("reduce_max", lambda x, all_of: (x == all_of.max()).astype(x.dtype)),
        ("reduce_log_sum_exp", lambda x, all_of: np.exp(x) / np.exp(all_of).sum()),
        ("reduce_prod", lambda x, all_of: all_of.prod() / x),
    ],
)
def test_what_is_reduced_over_all_steps_of_a_ragged_batch_has_the_gradient_of_calculus(reduction, slope):
    x = C.sequence.input_variable((2, 2), needs_gradient=True)
    step = np.arange(1, 5, dtype=np.float32).reshape(2, 2)
    sequences = [np.stack([step, step - 0.5]), np.stack([step + 0.25])]
    found = getattr(C, reduction)(x, axis=C.Axis.all_axes()).grad({x: sequences})
    everything = np.concatenate([one.ravel() for one in sequences])
    for gradient, sequence in zip(found, sequences, strict=True):
        np.testing.assert_allclose(gradient, slope(sequence, everything), rtol=1e-5)
