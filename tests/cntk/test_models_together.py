"""Models of several files in one graph: their parts may have the same uids, and are told apart all the same."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnxruntime

import onnx_workbench.cntk as C  # noqa: N812


def saved_by_another_process(path, weight):
    """Save x * weight + weight with the uids that any process gives its first things."""
    script = (
        "import sys, numpy as np, onnx_workbench.cntk as C\n"
        "x, w = C.input_variable(3, name='x'), C.parameter((3,), init=float(sys.argv[2]), name='w')\n"
        "(x * w + w).save(sys.argv[1])\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path), str(weight)], check=True)
    return C.load_model(path)


def test_models_whose_parts_have_the_same_uids_are_computed_together(tmp_path):
    one, other = (saved_by_another_process(tmp_path / f"{w}.model", w) for w in (2, 5))
    assert one.parameters[0].uid == other.parameters[0].uid
    assert one.uid == C.load_model(tmp_path / "2.model").uid
    x, values = C.input_variable(3), np.array([[1, 2, 3]], np.float32)
    both = one(x) + other(x)
    np.testing.assert_array_equal(both.eval({x: values}), 2 * values + 2 + 5 * values + 5)
    found = both.grad({x: values}, wrt=[one.parameters[0], other.parameters[0]])
    np.testing.assert_array_equal(found[other.parameters[0]], values[0] + 1)
    parts = C.combine([one, other]).eval({one.arguments[0]: values, other.arguments[0]: 10 * values})
    np.testing.assert_array_equal(parts[other.output], 50 * values + 5)
    both.save(tmp_path / "both.model")
    again = C.load_model(tmp_path / "both.model")
    np.testing.assert_array_equal(again.eval(values), 7 * values + 7)
    assert len({part.uid for part in again.parameters}) == 2
    both.save(tmp_path / "both.onnx", format=C.ModelFormat.ONNX)
    session = onnxruntime.InferenceSession(tmp_path / "both.onnx")
    np.testing.assert_array_equal(
        session.run(None, {session.get_inputs()[0].name: values})[0], 7 * values + 7
    )


def test_new_parts_with_the_uid_of_a_loaded_one_are_others(tmp_path):
    C.parameter((3,), init=1.0)
    path = tmp_path / "taken.model"
    last = int(C.parameter(()).uid.removeprefix("Parameter"))
    x, weight = C.input_variable(3, name="x"), C.parameter((3,), init=2.0)
    weight.uid = f"Parameter{last + 40}"
    (x * weight).save(path)
    del weight
    model, values = C.load_model(path), np.ones((1, 3), np.float32)
    found = set()
    for _ in range(60):
        more = C.parameter((3,), init=7.0)
        found.add(float((model(x) + more).eval({x: values}).sum()))
    assert found == {27.0}


def test_an_open_placeholder_stays_one(tmp_path):
    hole = C.placeholder(name="hole")
    (C.relu(hole) + 1).save(tmp_path / "open.model")
    model = C.load_model(tmp_path / "open.model")
    assert str(model.arguments[0]) == "Placeholder('hole', [???], [???])"
    assert model.output.shape == C.relu(C.placeholder()).shape
    x = C.input_variable(2)
    model.replace_placeholder(x)
    np.testing.assert_array_equal(model.eval({x: [[-1, 2]]}), [[1, 3]])
