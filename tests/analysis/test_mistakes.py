"""Mistakes of preparing pictures: each is the line of numpy that people write."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_workbench.analysis.mistakes import MISTAKES, prepare
from onnx_workbench.core.errors import InputError
from onnx_workbench.core.preprocessing import Preprocessing

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
NCHW = Preprocessing(size=(6, 6), mean=0.5, std=0.25)
NHWC = Preprocessing(size=(6, 6), mean=0.5, std=0.25, layout="NHWC")


def test_without_mistakes_it_is_the_preprocessing_itself():
    np.testing.assert_array_equal(prepare(NCHW, PICTURES), NCHW(PICTURES))


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("preprocessing", [NCHW, NHWC], ids=["NCHW", "NHWC"])
def test_shape_and_dtype_stay_so_that_no_runtime_complains_and_the_numbers_do_not(name, preprocessing):
    right, wrong = preprocessing(PICTURES), prepare(preprocessing, PICTURES, [name])
    assert (wrong.shape, wrong.dtype) == (right.shape, right.dtype)
    assert wrong.flags.c_contiguous
    assert not np.allclose(wrong, right)


@pytest.mark.parametrize("name", ["reshape", "bgr", "swapped"])
def test_a_mistake_of_order_keeps_every_number(name):
    np.testing.assert_array_equal(
        np.sort(prepare(NCHW, PICTURES, [name]), axis=None), np.sort(NCHW(PICTURES), axis=None)
    )


def test_skipping_the_scaling_leaves_the_bytes():
    np.testing.assert_array_equal(prepare(NHWC, PICTURES, ["unscaled"]), PICTURES.astype(np.float32))


def test_a_model_that_takes_bgr_is_fed_rgb_by_mistake():
    bgr = Preprocessing(size=(6, 6), color="BGR")
    np.testing.assert_array_equal(prepare(bgr, PICTURES, ["bgr"]), Preprocessing(size=(6, 6))(PICTURES))


@pytest.mark.parametrize(
    ("preprocessing", "name"),
    [
        (Preprocessing(size=(6, 6), color="GRAY"), "bgr"),
        (Preprocessing(size=(6, 8)), "swapped"),
        (Preprocessing(size=(6, 6), scale=1), "unscaled"),
        (NCHW, "no such mistake"),
    ],
)
def test_an_impossible_mistake_is_refused_with_those_that_can_be_made(preprocessing, name):
    with pytest.raises(InputError, match=rf"{name}.*possible are '"):
        prepare(preprocessing, PICTURES, [name])
