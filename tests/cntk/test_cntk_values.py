"""Value and NDArrayView, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.core.errors import WorkbenchError


def test_one_hot_samples_are_rows_of_the_identity():
    value = C.Value.one_hot([2, 0], 3)
    np.testing.assert_array_equal(value.asarray(), np.eye(3, dtype=np.float32)[[2, 0]])


def test_one_hot_sequences_are_fed_as_sequences():
    x = C.sequence.input_variable(3)
    found = (x * 2).eval({x: C.Value.one_hot([[0, 2], [1]], 3)})
    np.testing.assert_array_equal(found[0], 2 * np.eye(3)[[0, 2]])
    np.testing.assert_array_equal(found[1], 2 * np.eye(3)[[1]])


def test_a_skipped_class_is_all_zeros():
    value = C.Value.one_hot([C.Value.ONE_HOT_SKIP, 1], 2)
    np.testing.assert_array_equal(value.asarray(), [[0, 0], [0, 1]])


@pytest.mark.parametrize("batch", [[5], [-1]])
def test_classes_that_there_are_not_are_refused(batch):
    with pytest.raises(ValueError, match="from 0 to 2"):
        C.Value.one_hot(batch, 3)


def test_one_hot_of_other_than_whole_numbers_is_refused():
    with pytest.raises(ValueError, match="type integer"):
        C.Value.one_hot([0.5], 3)


def test_sequences_of_a_value_are_those_given_and_padded_with_a_mask():
    x = C.sequence.input_variable(1)
    value = C.Value.create(x, [np.ones((2, 1), np.float32), np.ones((1, 1), np.float32)])
    assert [len(one) for one in value.as_sequences(x)] == [2, 1]
    np.testing.assert_array_equal(value.mask, [[2, 1], [2, 0]])
    assert value.shape == (2, 2, 1)


def test_a_view_of_other_than_an_array_is_refused():
    with pytest.raises(TypeError, match=r"numpy\.ndarray"):
        C.NDArrayView.from_dense([1.0])
    with pytest.raises(TypeError, match="is not supported"):
        C.NDArrayView.from_data("text")


def test_a_part_of_a_view_is_numpys():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    part = C.NDArrayView.from_dense(array).slice_view((1, 1), (1, 2))
    np.testing.assert_array_equal(part.asarray(), array[1:2, 1:3])


def test_a_reduction_over_a_batch_of_sequences_of_several_lengths_takes_all_of_them():
    x = C.sequence.input_variable(1)
    ragged = [np.ones((2, 1), np.float32), np.ones((1, 1), np.float32)]
    total = C.reduce_sum(x, axis=C.Axis.all_axes())
    assert total.eval({x: ragged}) == 3
    assert total.eval({x: [np.ones((2, 1), np.float32)] * 2}) == 4


def test_steps_of_several_lengths_are_not_added_across_the_batch():
    x = C.sequence.input_variable(1)
    ragged = [np.ones((2, 1), np.float32), np.ones((1, 1), np.float32)]
    with pytest.raises(WorkbenchError, match="along the batch together with other axes is not written"):
        C.reduce_sum(x, axis=C.Axis.default_batch_axis()).eval({x: ragged})
