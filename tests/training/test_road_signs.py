"""Road signs: what holds for every picture, whatever the version of Pillow that draws them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from onnx_workbench import training
from onnx_workbench.core.errors import InputError

RED = ("stop", "no entry", "yield", "speed limit", "warning")
BLUE = ("mandatory", "parking")


def test_same_seed_same_bytes_and_another_seed_other_pictures():
    first, second, other = training.signs(40, 24), training.signs(40, 24), training.signs(40, 24, seed=1)
    for part in ("train_images", "train_labels", "test_images", "test_labels"):
        assert getattr(first, part).tobytes() == getattr(second, part).tobytes()
    assert first.train_images.tobytes() != other.train_images.tobytes()
    assert first.test_images.tobytes() != other.test_images.tobytes()


def test_more_pictures_to_train_with_leave_those_to_test_with_alone():
    np.testing.assert_array_equal(training.signs(8, 24).test_images, training.signs(64, 24).test_images)


def test_no_picture_is_in_both_parts_or_twice(pictures):
    train = {image.tobytes() for image in pictures.train_images}
    test = {image.tobytes() for image in pictures.test_images}
    assert len(train) == 800
    assert len(test) == 400
    assert not train & test


@pytest.mark.parametrize("count", [8, 20, 63])
def test_classes_have_equal_shares_in_an_order_that_says_nothing(count):
    labels = training.signs(count, 8).train_labels
    shares = np.bincount(labels, minlength=8)
    assert shares.max() - shares.min() <= 1
    assert shares.sum() == count
    assert not np.array_equal(labels, np.sort(labels))


def test_shapes_dtypes_and_range_are_those_of_pictures(pictures):
    assert pictures.train_images.shape == (800, 32, 32, 3)
    assert pictures.test_images.shape == (400, 32, 32, 3)
    assert pictures.train_images.dtype == np.uint8
    assert pictures.train_labels.dtype == np.int64
    inputs = pictures.test_inputs
    assert inputs.shape == (400, 3, 32, 32)
    assert inputs.dtype == np.float32
    assert -1 <= inputs.min() < -0.9
    assert 0.9 < inputs.max() <= 1


def test_preprocessing_is_what_one_would_write_by_hand(pictures):
    by_hand = (pictures.test_images[:5] / 255 - 0.5) / 0.5
    np.testing.assert_allclose(
        pictures.preprocessing(pictures.test_images[:5]), by_hand.transpose(0, 3, 1, 2), atol=1e-6
    )


def test_red_and_blue_signs_trade_places_when_red_and_blue_are_swapped(pictures):
    """Why BGR is fatal here: each red sign's colour, read as BGR, is nearer to the blue signs', and vice versa."""

    def mean_color(name: str) -> np.ndarray:
        chosen = pictures.train_images[pictures.train_labels == pictures.labels.index(name)]
        return chosen.reshape(-1, 3).mean(axis=0)

    red, blue = (np.mean([mean_color(name) for name in names], axis=0) for names in (RED, BLUE))
    for name in (*RED, *BLUE):
        own, other = (red, blue) if name in RED else (blue, red)
        swapped = mean_color(name)[::-1]
        assert np.linalg.norm(swapped - other) < np.linalg.norm(swapped - own), name
        assert np.linalg.norm(mean_color(name) - own) < np.linalg.norm(mean_color(name) - other), name


def test_the_signs_are_not_symmetric_so_that_swapped_axes_show(pictures):
    transposed = pictures.test_images.transpose(0, 2, 1, 3).astype(float)
    assert np.abs(transposed - pictures.test_images).mean() > 15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": 0}, r"At least one picture .* train=0, test=800"),
        ({"test": -1}, "At least one picture .* test=-1"),
        ({"train": 8, "test": 8, "seed": -2}, "seed is a whole number from 0; got -2"),
    ],
)
def test_impossible_arguments_are_told(arguments, message):
    with pytest.raises(InputError, match=message):
        training.signs(**arguments)


def test_drawing_signs_and_opening_the_shipped_model_need_no_torch():
    code = (
        "import sys, onnx_workbench as ow; from onnx_workbench import training\n"
        "data = training.signs(8, 8); data.show(8); ow.classify(training.signs_model(), data.test_images)\n"
        "print([name for name in ('torch', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
