"""Predictions: what is asked of them by hand."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_workbench.analysis.predictions import Predictions
from onnx_workbench.core.errors import InputError

FOUND = Predictions(
    np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]], np.float32),
    ("cat", "dog"),
    ("0", "1", "2", "3"),
)


@pytest.mark.parametrize("kind", [list, np.array])
def test_accuracy_takes_indices_or_labels(kind):
    assert FOUND.accuracy(kind([0, 1, 1, 0])) == 0.75
    assert FOUND.accuracy(kind(["cat", "dog", "dog", "cat"])) == 0.75


@pytest.mark.parametrize("expected", [[0], [0.0, 1.0, 0.0, 1.0], [[0, 1, 0, 0]], [None] * 4])
def test_accuracy_of_anything_else_is_refused(expected):
    with pytest.raises(
        InputError, match=r"^4 class indices are needed, one for each picture \(or labels\); got "
    ):
        FOUND.accuracy(expected)


def test_a_label_that_no_class_has_is_named():
    with pytest.raises(InputError, match=r"No class is called 'cow'; they are cat, dog"):
        FOUND.accuracy(["cat", "cow", "dog", "cat"])
