"""Orders of leaves, sequences of two lengths, and gradients at limits, as in the real CNTK 2.7."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import onnxruntime

import onnx_workbench.cntk as C  # noqa: N812

RECORDED = Path(__file__).with_name("recorded")


def test_parameters_and_their_like_come_in_the_order_of_native_code():
    spec = importlib.util.spec_from_file_location("order_cases", RECORDED / "order_cases.py")
    cases = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cases)
    assert cases.orders(C) == json.loads((RECORDED / "order_answers.json").read_text())


def test_sequences_of_two_axes_have_lengths_of_their_own(tmp_path):
    source, target = (
        C.input_variable(2, name=name, dynamic_axes=[C.Axis.default_batch_axis(), C.Axis(name)])
        for name in "st"
    )
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    total = C.sequence.last(C.times(source, C.parameter((2, 3), init=weights)))
    model = C.times(target, C.parameter((2, 3), init=weights)) + C.sequence.broadcast_as(total, target)
    sources = [np.full((n, 2), n, np.float32) for n in (3, 2)]
    targets = [np.full((n, 2), n, np.float32) for n in (1, 4)]
    model.save(str(tmp_path / "two.onnx"), format=C.ModelFormat.ONNX)
    session = onnxruntime.InferenceSession(tmp_path / "two.onnx")
    by_name = {argument.name: argument for argument in model.arguments}
    found = model.eval({by_name["s"]: sources, by_name["t"]: targets})
    for value, s, t in zip(found, sources, targets, strict=True):
        expected = t @ weights + s[-1] @ weights
        np.testing.assert_allclose(value, expected)
        np.testing.assert_allclose(session.run(None, {"s": s[None], "t": t[None]})[0][0], expected)


def test_no_gradient_goes_to_the_limits_of_clip():
    x, low, high = (C.input_variable(3, needs_gradient=True, name=name) for name in ("x", "low", "high"))
    at = {
        x: np.float32([[-5, 0.3, 2]]), low: np.float32([[-1, -1, -1]]), high: np.float32([[1, 1, 1]])
    }  # fmt: skip
    found = C.clip(x, low, high).grad(at, wrt=[x, low, high])
    np.testing.assert_array_equal(
        [found[one].ravel() for one in (x, low, high)], [[0, 1, 0], [0] * 3, [0] * 3]
    )


def test_the_gradient_of_straight_through_passes_within_one():
    x = C.input_variable(5, needs_gradient=True)
    found = C.straight_through_impl(x).grad({x: np.float32([[-2, -0.5, 0.3, 1, 1.5]])})
    np.testing.assert_array_equal(found, [[0, 1, 1, 1, 0]])


def test_top_k_of_an_axis_before_the_last_is_made_of_the_nodes_that_cntk_makes():
    """CNTK's native TopK works along the last axis whatever its file says; depth-first order of CNTK 2.7."""
    x = C.input_variable((6, 3))
    model = C.combine(C.top_k(x, 2, 0).outputs)
    found = C.logging.graph.depth_first_search(model, lambda _: True, depth=-1)
    kinds = [one.op_name if isinstance(one, C.Function) else type(one).__name__ for one in found]
    assert kinds == [
        "Combine", "TopK", "Variable", "Combine", "TransposeAxes", "TopK", "TransposeAxes", "TransposeAxes"
    ]  # fmt: skip
    given = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)
    values = model.eval({x: given})
    np.testing.assert_array_equal(values[model.outputs[0]], -np.sort(-given, axis=1)[:, :2])
    np.testing.assert_array_equal(values[model.outputs[1]], np.argsort(-given, axis=1)[:, :2])


def test_edit_distances_are_saved_in_the_types_that_cntk_reads(tmp_path):
    a, b = (C.sequence.input_variable(4) for _ in "ab")
    C.edit_distance_error(a, b, 1, 1, 1, True, [3]).save(str(tmp_path / "edit.model"))
    data = (tmp_path / "edit.model").read_bytes()
    for penalty in (b"SubstitutionPenalty", b"DeletionPenalty", b"InsertionPenalty"):
        assert np.float32(1).tobytes() in data.split(penalty)[1][:16]
        assert np.float64(1).tobytes() not in data.split(penalty)[1][:16]
