"""The real CNTK 2.7 reads native files that we save, and computes with them what it computes with its own."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from cntk_recorded_models import FOLDER, cases, recorded, structures

import onnx_workbench.cntk as C  # noqa: N812

TOLERANCES = {"float32": (1e-4, 1e-5), "float64": (1e-9, 1e-9)}
RECORDED = [
    (name, dtype) for name in sorted(cases.CASES) for dtype in TOLERANCES if recorded(name, dtype, "output")
]
THROUGH_ONNX = "float32 through ONNX"


@cache
def read_back() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "read_back.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize(("name", "dtype"), RECORDED)
def test_cntk_computes_with_what_we_saved_what_it_computes_with_its_own(name, dtype):
    rtol, atol = TOLERANCES[dtype]
    for number, pieces in enumerate(recorded(name, dtype, "output")):
        for piece, expected in enumerate(pieces):
            found = read_back()[f"{name}|{dtype}|output|{number}|{piece}"]
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
            np.testing.assert_allclose(found, expected, rtol, atol)


def came_through_onnx() -> list[str]:
    found = {key.split("|")[0] for key in read_back() if f"|{THROUGH_ONNX}|output|" in key}
    return sorted(name for name in found if recorded(name, "float32", "output"))


def test_cntk_computes_the_same_with_models_that_came_to_us_as_onnx():
    assert len(came_through_onnx()) > 200
    for name in came_through_onnx():
        for number, pieces in enumerate(recorded(name, "float32", "output")):
            for piece, expected in enumerate(pieces):
                value = read_back()[f"{name}|{THROUGH_ONNX}|output|{number}|{piece}"]
                assert value.size == expected.size, name  # a scalar may have come back as a vector of one
                np.testing.assert_allclose(value.ravel(), expected.ravel(), 1e-4, 1e-5, err_msg=name)


@pytest.mark.parametrize("name", came_through_onnx())
def test_a_model_that_came_as_onnx_is_saved_natively(name, tmp_path):
    one = cases.CASES[name]
    cases.model_of(one, C, np.float32).save(tmp_path / "m.onnx", format=C.ModelFormat.ONNX)
    C.Function.load(tmp_path / "m.onnx", format=C.ModelFormat.ONNX).save(tmp_path / "m.model")
    again = C.Function.load(tmp_path / "m.model")
    assert not C.logging.graph.depth_first_search(again, lambda node: "ONNX::" in str(node), depth=-1)
    feed = cases.values_of(one, np.float32)
    values = again.eval({variable: feed[variable.name] for variable in again.arguments})
    values = [values[output] for output in again.outputs] if isinstance(values, dict) else [values]
    for value, pieces in zip(values, recorded(name, "float32", "output"), strict=True):
        found = (
            np.concatenate([np.ravel(part) for part in value]) if isinstance(value, list) else np.ravel(value)
        )
        expected = np.concatenate([np.ravel(part) for part in pieces])
        np.testing.assert_allclose(found, expected, 1e-4, 1e-5)


def test_cntk_finds_in_what_we_saved_the_arguments_and_parameters_of_its_own():
    shown = json.loads(str(read_back()["shown"]))
    for name, structure in structures().items():
        assert shown[f"{name}|float32"] == [structure["arguments"], structure["parameters"]], name
