"""Dataset: what it refuses, and how it shows itself."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_workbench import training
from onnx_workbench.core.errors import InputError
from onnx_workbench.core.preprocessing import Preprocessing

IMAGES = np.zeros((3, 4, 5, 3), np.uint8)
LABELS = np.array([0, 1, 1])


def dataset(**changes) -> training.Dataset:
    parts = {
        "name": "things",
        "train_images": IMAGES,
        "train_labels": LABELS,
        "test_images": IMAGES[:2],
        "test_labels": LABELS[:2],
        "labels": ("cat", "dog"),
        "preprocessing": Preprocessing(size=(4, 5)),
    }
    return training.Dataset(**(parts | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train_images": IMAGES.astype(np.float32)},
            r"train_images are uint8 .* got float32 \(3, 4, 5, 3\)",
        ),
        ({"train_images": IMAGES.transpose(0, 3, 1, 2)}, r"got uint8 \(3, 3, 4, 5\)"),
        ({"test_images": IMAGES[0]}, r"test_images are .*got uint8 \(4, 5, 3\)"),
        ({"test_images": IMAGES[:0], "test_labels": LABELS[:0]}, "at least one"),
        ({"train_labels": LABELS[:2]}, r"train_labels are 3 whole numbers, .* got int64 \(2,\)"),
        ({"train_labels": LABELS.astype(float)}, r"got float64 \(3,\)"),
        ({"test_labels": np.array([0, 2])}, r"go from 0 to 2, and there are 2 labels: 0 to 1 are possible"),
        ({"test_labels": np.array([-1, 0])}, "go from -1 to 0"),
    ],
)
def test_parts_that_do_not_go_together_are_told(changes, message):
    with pytest.raises(InputError, match=message):
        dataset(**changes)


def test_the_example_is_the_first_test_pictures_prepared(few):
    assert few.example.shape == (4, 3, 32, 32)
    np.testing.assert_array_equal(few.example, few.test_inputs[:4])


def test_names_with_markup_appear_as_text():
    hostile = dataset(name="<script>alert(1)</script>", labels=("<b>cat", "dog'>"))
    page = hostile._repr_html_()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<") == 3  # <p>, </p>, <img>


def test_its_text_says_sizes_and_classes(few):
    assert str(few) == (
        "road signs: 64 pictures to train with and 16 to test with, 32 x 32, 8 classes: stop, no entry, yield, "
        "priority, mandatory, parking, speed limit, warning"
    )


def test_the_sheet_has_a_tile_for_each_picture_as_far_as_there_are_pictures(few):
    one_row, two_rows = few.show(8), few.show(16)
    assert two_rows.width == one_row.width
    assert two_rows.height > one_row.height + 96
    assert few.show(100).size == two_rows.size  # there are 16


@pytest.mark.parametrize("wrong", [{"count": 0}, {"count": -3}, {"columns": 0}])
def test_a_sheet_of_nothing_is_refused(few, wrong):
    with pytest.raises(InputError, match="both are whole numbers from 1"):
        few.show(**wrong)


def test_digits_are_all_of_scikit_learns_split_by_seed():
    from sklearn.datasets import load_digits

    data = training.digits()
    found = load_digits()
    assert len(data.train_images) + len(data.test_images) == len(found.images) == 1797
    assert np.bincount(np.concatenate([data.train_labels, data.test_labels])).tolist() == (
        np.bincount(found.target).tolist()
    )
    assert data.labels == tuple("0123456789")
    assert data.train_inputs.shape[1:] == (1, 8, 8)
    # Grey values 0..16 become 0..1; a picture of the set is found again, with its own label.
    place = int(
        np.flatnonzero([np.allclose(data.test_inputs[0, 0], i / 16, atol=0.003) for i in found.images])[0]
    )
    assert found.target[place] == data.test_labels[0]
    np.testing.assert_array_equal(data.test_images, training.digits(seed=0).test_images)
    assert not np.array_equal(data.test_labels, training.digits(seed=1).test_labels)
