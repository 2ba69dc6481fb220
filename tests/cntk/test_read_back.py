"""The real CNTK 2.7 reads native files that we save, and computes with them what it computes with its own."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from cntk_recorded_models import FOLDER, cases, recorded, structures

TOLERANCES = {"float32": (1e-4, 1e-5), "float64": (1e-9, 1e-9)}
RECORDED = [
    (name, dtype) for name in sorted(cases.CASES) for dtype in TOLERANCES if recorded(name, dtype, "output")
]
RANDOM = {"Dropout": "it draws anew"}


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


def test_cntk_finds_in_what_we_saved_the_arguments_and_parameters_of_its_own():
    shown = json.loads(str(read_back()["shown"]))
    for name, structure in structures().items():
        assert shown[f"{name}|float32"] == [structure["arguments"], structure["parameters"]], name
