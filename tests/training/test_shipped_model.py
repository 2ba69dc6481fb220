"""The classifier that comes with the package, and the script that makes it."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
from PIL import Image

from onnx_workbench import training
from onnx_workbench.analysis.classification import classify
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.training.make_signs_model import DATA_SEED, main, make
from onnx_workbench.training.shipped_model import SIGNS_MODEL


@pytest.fixture(scope="module")
def unseen() -> training.Dataset:
    return training.signs(8, 600, seed=99)


def test_it_knows_signs_that_it_never_saw(unseen):
    """Run by onnxruntime itself, on pictures prepared by hand."""
    session = onnxruntime.InferenceSession(SIGNS_MODEL.read_bytes(), providers=["CPUExecutionProvider"])
    inputs = ((unseen.test_images / 255 - 0.5) / 0.5).astype(np.float32).transpose(0, 3, 1, 2)
    (logits,) = session.run(["logits"], {"image": inputs})
    assert (logits.argmax(axis=1) == unseen.test_labels).mean() >= 0.96


def test_swapped_colours_cost_it_almost_everything(unseen):
    found = classify(training.signs_model(), unseen.test_images[..., ::-1])
    assert found.accuracy(unseen.test_labels) < 0.3


def test_it_classifies_a_picture_file_with_nothing_else_given(unseen, tmp_path):
    Image.fromarray(unseen.test_images[0]).save(tmp_path / "sign.png")
    found = classify(training.signs_model(), tmp_path / "sign.png")
    assert found.labels == unseen.labels
    assert found.best == (unseen.labels[unseen.test_labels[0]],)


def test_the_file_is_small_sound_and_says_nothing_of_the_machine_that_made_it():
    content = SIGNS_MODEL.read_bytes()
    assert 20_000 < len(content) < 45_000
    proto = onnx.load_from_string(content)
    onnx.checker.check_model(proto, full_check=True)
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)
    assert b'File "' not in content
    for word in (b"/work", b"/tmp", b"/home", b"/root", b"site-packages", b'.py"'):
        assert word not in content
    assert {entry.key for entry in proto.metadata_props} == {
        "onnx_workbench.labels",
        "onnx_workbench.preprocessing",
    }


def test_the_reference_evaluator_agrees_with_onnxruntime(unseen):
    inputs = unseen.test_inputs[:3]
    session = onnxruntime.InferenceSession(SIGNS_MODEL.read_bytes(), providers=["CPUExecutionProvider"])
    (expected,) = onnx.reference.ReferenceEvaluator(str(SIGNS_MODEL)).run(None, {"image": inputs})
    np.testing.assert_allclose(session.run(None, {"image": inputs})[0], expected, rtol=1e-3, atol=1e-5)


def test_it_was_not_trained_on_what_tests_and_lessons_show():
    assert DATA_SEED not in {0, 3, 99}
    made_from = {image.tobytes() for image in training.signs(800, 8, seed=DATA_SEED).train_images}
    shown = {image.tobytes() for image in training.signs(8, 800).test_images}
    assert not made_from & shown


def test_the_scripts_recipe_gives_a_model_as_good_even_from_fewer_pictures(unseen):
    model = make(training.signs(1600, 8, seed=DATA_SEED), epochs=8)
    inputs = ((unseen.test_images / 255 - 0.5) / 0.5).astype(np.float32).transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(model.to_bytes(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": inputs})
    assert (logits.argmax(axis=1) == unseen.test_labels).mean() >= 0.96
    shipped = onnx.load(SIGNS_MODEL)
    assert [node.op_type for node in model.to_proto().graph.node] == [n.op_type for n in shipped.graph.node]


def test_the_script_makes_a_sound_model_of_any_data(few, tmp_path, monkeypatch):
    monkeypatch.setattr("onnx_workbench.training.make_signs_model.make", lambda: make(few, epochs=1))
    main(tmp_path / "signs.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["signs.onnx"]
    proto = onnx.load(tmp_path / "signs.onnx")
    onnx.checker.check_model(proto, full_check=True)
    assert not any(node.metadata_props for node in proto.graph.node)
    assert proto.graph.input[0].name == "image"
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    assert "make_signs_model" in proto.doc_string
    entries = {entry.key for entry in proto.metadata_props}
    assert entries == {"onnx_workbench.labels", "onnx_workbench.preprocessing"}
    assert (
        training.signs_model().preprocessing
        == few.preprocessing
        == Preprocessing(size=(32, 32), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    )
