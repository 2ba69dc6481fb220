"""What graphs and their parts look like in a cell and in print: as the real CNTK 2.7 writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from onnx_workbench import cntk

RECORDED = Path(__file__).parent / "recorded"
sys.path.insert(0, str(RECORDED))

from text_cases import texts  # noqa: E402 - it lies beside the recordings


def test_repr_and_str_of_functions_variables_axes_and_devices_are_those_of_cntk():
    wanted = json.loads((RECORDED / "texts.json").read_text())
    assert [list(pair) for pair in texts(cntk)] == wanted


def test_the_first_axis_of_a_name_has_no_number_and_later_ones_have():
    names = [cntk.Axis.new_unique_dynamic_axis("q").name for _ in range(3)]
    assert len(set(names)) == 3
    assert all(name.startswith("q") for name in names)


def test_a_block_named_like_a_reduction_is_evaluated():
    x, y = cntk.sequence.input_variable(5), cntk.input_variable(3)
    found = cntk.layers.AttentionModel(4)(x, y)
    values = found.eval(
        {x: [np.ones((4, 5), np.float32), np.zeros((2, 5), np.float32)], y: np.ones((2, 3), np.float32)}
    )
    # Attention over equal rows is one of them, scaled by the stabilizer: softplus(log(e^4 - 1)) / 4 = 1 for both.
    assert np.allclose(np.asarray(values[0]).ravel(), 1, atol=1e-5)
    assert np.allclose(np.asarray(values[1]).ravel(), 0, atol=1e-6)
