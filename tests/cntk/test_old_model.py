"""The old sign classifier of lesson 03 answers as the real CNTK 2.7 did, natively, from its ONNX, and saved anew."""

from __future__ import annotations

import numpy as np
import pytest

import onnx_workbench as ow
import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench import lessons


@pytest.fixture(scope="module")
def old():
    return lessons.old_cntk_model()


@pytest.fixture(scope="module")
def pictures(old):
    return np.ascontiguousarray(old.images.transpose(0, 3, 1, 2)).astype(np.float32)


@pytest.mark.parametrize("source", ["native", "onnx"])
def test_both_files_answer_as_they_did_then(old, pictures, source):
    kind = C.ModelFormat.ONNX if source == "onnx" else C.ModelFormat.CNTKv2
    model = C.Function.load(getattr(old, source), format=kind)
    np.testing.assert_allclose(model.eval({model.arguments[0]: pictures}), old.logits, rtol=1e-4, atol=1e-4)


def test_the_lines_of_cntks_manual_run_word_for_word(old, tmp_path):
    filename, output_file_path = old.onnx, tmp_path / "new.onnx"
    image_data = old.images[1].astype(np.float32)

    def create_my_model():
        return C.load_model(old.native)

    # fmt: off
    # Load ONNX model and classify the input image
    model = C.Function.load(filename, format=C.ModelFormat.ONNX)
    image_data = np.ascontiguousarray(np.transpose(image_data, (2, 0, 1)))
    result = np.squeeze(model.eval({model.arguments[0]:[image_data]}))

    # Save a model to ONNX format
    mymodel = create_my_model()
    mymodel.save(output_file_path, format=C.ModelFormat.ONNX)
    # fmt: on
    np.testing.assert_allclose(result, old.logits[1], rtol=1e-4, atol=1e-4)
    (saved,) = ow.run(output_file_path, image_data[None]).values()
    np.testing.assert_allclose(saved[0], old.logits[1], rtol=1e-4, atol=1e-4)


def test_a_picture_in_the_wrong_order_is_refused_with_the_transposition_that_mends_it(old):
    model = C.load_model(old.native)
    with pytest.raises(ValueError, match=r"np\.transpose\(value, \(2, 0, 1\)\)"):
        model.eval({model.arguments[0]: [old.images[0].astype(np.float32)]})


def test_reshaped_pictures_are_taken_and_misread(old, pictures):
    model = C.load_model(old.native)
    reshaped = old.images.reshape(pictures.shape).astype(np.float32)
    right = (model.eval(pictures).argmax(axis=1) == old.labels).mean()
    wrong = (model.eval(reshaped).argmax(axis=1) == old.labels).mean()
    assert right > 0.9
    assert wrong < 0.5


def test_the_description_says_what_there_is(old):
    assert "32 pictures" in str(old)
    assert "signs.model" in old._repr_html_()
    assert old.to_dict()["names"][0] == "stop"
