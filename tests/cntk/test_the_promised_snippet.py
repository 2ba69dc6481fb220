"""The lines that must run word for word, with a colour picture and a network of convolutions."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

import onnx_workbench.cntk as C  # noqa: N812

SNIPPET = """
# Load ONNX model and classify the input image
model = C.Function.load(filename, format=C.ModelFormat.ONNX)
image_data = np.ascontiguousarray(np.transpose(image_data, (2, 0, 1)))
result = np.squeeze(model.eval({model.arguments[0]:[image_data]}))

# Save a model to ONNX format
mymodel = create_my_model()
mymodel.save(output_file_path, format=C.ModelFormat.ONNX)
"""


def create_my_model():
    C.cntk_py.set_fixed_random_seed(1)
    x = C.input_variable((3, 8, 8), name="picture")
    layers = C.layers
    return layers.Sequential(
        [
            layers.Convolution2D((3, 3), 4, activation=C.relu, pad=True),
            layers.MaxPooling((2, 2), strides=2),
            layers.Dense(5, name="classes"),
        ]
    )(x)


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "old.onnx"
    create_my_model().save(str(path), format=C.ModelFormat.ONNX)
    return path


@pytest.mark.parametrize("seed", range(3))
def test_the_snippet_runs_word_for_word_and_answers_as_onnxruntime_does(model_file, tmp_path, seed):
    picture = np.random.default_rng(seed).uniform(0, 1, (8, 8, 3)).astype(np.float32)
    names = {
        "C": C,
        "np": np,
        "filename": str(model_file),
        "image_data": picture,
        "create_my_model": create_my_model,
        "output_file_path": str(tmp_path / "new.onnx"),
    }
    exec(SNIPPET, names)
    session = onnxruntime.InferenceSession(str(model_file), providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: picture.transpose(2, 0, 1)[None]})[0][0]
    assert names["result"].shape == (5,)
    np.testing.assert_allclose(names["result"], expected, 1e-4, 1e-5)


def test_the_written_file_is_valid_has_a_free_batch_and_keeps_the_names(model_file):
    proto = onnx.load(model_file)
    onnx.checker.check_model(proto, full_check=True)
    assert {one.domain: one.version for one in proto.opset_import}[""] >= 17
    assert [one.name for one in proto.graph.input] == ["picture"]
    first = proto.graph.input[0].type.tensor_type.shape.dim[0]
    assert first.dim_param
    assert not first.dim_value
    assert [one.name for one in proto.graph.output] == ["classes"]
    batch = np.random.default_rng(0).uniform(0, 1, (7, 3, 8, 8)).astype(np.float32)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = create_my_model().eval(batch)
    np.testing.assert_allclose(session.run(None, {"picture": batch})[0], expected, 1e-4, 1e-5)


def test_a_picture_in_hwc_order_is_told_the_transposition(model_file):
    model = C.Function.load(str(model_file), format=C.ModelFormat.ONNX)
    with pytest.raises(ValueError, match=r"np\.transpose\(value, \(2, 0, 1\)\)"):
        model.eval({model.arguments[0]: [np.zeros((8, 8, 3), np.float32)]})
