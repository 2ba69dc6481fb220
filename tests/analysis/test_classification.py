"""classify: every kind of output becomes probabilities, every kind of picture gets in, nothing is guessed silently."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from PIL import Image
from tiny_models import convnet, model

import onnx_workbench as ow
from onnx_workbench.analysis import classification
from onnx_workbench.core.errors import ImageError, InputError, PreprocessingError, WorkbenchWarning

LABELS = ("cat", "dog", "cow", "<b>fox</b>")
HOW = ow.Preprocessing(size=(8, 8))
PICTURES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
BATCH = HOW(PICTURES)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


EXPECTED = softmax(ow.run(convnet(), BATCH)["logits"].astype(np.float64))


@pytest.fixture
def labelled():
    return ow.open_model(convnet()).with_metadata(labels=LABELS, preprocessing=HOW)


def ending(text: str, shape: str = "N,4", **weights) -> onnx.ModelProto:
    """Return convnet with an ending: `text` makes y of logits."""
    proto = convnet()
    tail = model(f"t (float[N,4] logits) => (float[{shape}] y) {{ {text} }}", **weights)
    proto.graph.node.extend(tail.graph.node)
    proto.graph.initializer.extend(tail.graph.initializer)
    proto.graph.output[0].CopyFrom(tail.graph.output[0])
    return proto


@pytest.mark.parametrize(
    "proto",
    [
        convnet(),
        ending("y = Softmax(logits)"),
        ending("y = LogSoftmax(logits)"),
        ending("s = Softmax(logits)  y = Identity(s)"),
        ending("s = Exp(logits)  t = ReduceSum<keepdims=1>(s, axis)  y = Div(s, t)", axis=np.array([1])),
        ending("y = Reshape(logits, to)", "N,4,1,1", to=np.array([-1, 4, 1, 1])),
        ending("s = Softmax(logits)  y = Reshape(s, to)", "N,4,1,1", to=np.array([-1, 4, 1, 1])),
    ],
    ids=["logits", "softmax", "logsoftmax", "identity", "by hand", "N411", "softmax N411"],
)
def test_logits_and_probabilities_of_every_form_give_the_same(proto):
    found = ow.classify(proto, PICTURES, preprocessing=HOW)
    np.testing.assert_allclose(found.probabilities, EXPECTED, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.indices, EXPECTED.argmax(axis=1))
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert found.labels == ("class 0", "class 1", "class 2", "class 3")


def test_huge_logits_do_not_overflow():
    found = ow.classify(ending("y = Mul(logits, k)", k=np.float32(1e30)), PICTURES, preprocessing=HOW)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)


def test_nan_is_reported_and_kept_as_nan():
    proto = ending("y = Add(logits, nan)", nan=np.float32([np.nan, 0, 0, 0]))
    with pytest.warns(WorkbenchWarning, match="NaN or infinities for 5 of 5 pictures"):
        found = ow.classify(proto, PICTURES, preprocessing=HOW)
    assert np.isnan(found.probabilities).all()
    assert str(found)


def test_every_way_to_give_pictures_gives_the_same(tmp_path, labelled):
    for index, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    paths = sorted(tmp_path.iterdir())
    for given in (
        PICTURES,
        list(PICTURES),
        tmp_path,
        str(tmp_path),
        paths,
        tuple(map(str, paths)),
        [path.read_bytes() for path in paths],
        [Image.open(path) for path in paths],
        BATCH,
        torch.tensor(BATCH),
        BATCH.astype(np.float32, order="F"),
    ):
        found = ow.classify(labelled, given)
        np.testing.assert_allclose(found.probabilities, EXPECTED, rtol=1e-3, atol=1e-5)
        assert len(found) == 5
    assert ow.classify(labelled, tmp_path).pictures == tuple(path.name for path in paths)
    single = ow.classify(labelled, paths[2])
    assert single.best == (LABELS[EXPECTED[2].argmax()],)
    assert single.pictures == ("2.png",)


def test_arguments_win_over_the_file(labelled):
    names = ["a", "b", "c", "d"]
    assert ow.classify(labelled, PICTURES, labels=names).labels == tuple(names)
    other = ow.Preprocessing(size=(8, 8), color="BGR")
    expected = softmax(ow.run(convnet(), other(PICTURES))["logits"])
    found = ow.classify(labelled, PICTURES, preprocessing=other)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-3, atol=1e-6)


def test_a_file_that_says_nothing_of_preprocessing_teaches_how_to_give_it():
    with pytest.raises(PreprocessingError, match=r"'image' \(float32 \(N, 3, 8, 8\)\)") as caught:
        ow.classify(convnet(), PICTURES)
    line = str(caught.value).split("preprocessing=", 1)[1].split(")\n")[0]
    how = eval(line, {"Preprocessing": ow.Preprocessing})
    np.testing.assert_allclose(
        ow.classify(convnet(), PICTURES, preprocessing=how).probabilities, EXPECTED, rtol=1e-3
    )
    assert "with_metadata(preprocessing=..., labels=[...])" in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (("N", 28, 28, 1), r"size=\(28, 28\), layout='NHWC', color='GRAY'"),
        (("N", 64, 48, 3), r"size=\(64, 48\), layout='NHWC'"),
        (("N", 1, 28, 28), r"size=\(28, 28\), color='GRAY'"),
        (("N", 3, "H", "W"), r"size=\(224, 224\)"),
        (None, r"size=\(224, 224\)"),
    ],
)
def test_the_suggestion_follows_the_models_input(shape, says):
    proto = convnet()
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", 1, shape))
    with pytest.raises(PreprocessingError, match=says):
        ow.classify(proto, PICTURES)


def test_metadata_of_others_is_understood(labelled):
    for key, text in (
        ("names", str(dict(enumerate(LABELS)))),
        ("classes", '["cat", "dog", "cow", "<b>fox</b>"]'),
    ):
        proto = convnet()
        proto.metadata_props.add(key=key, value=text)
        assert ow.classify(proto, PICTURES, preprocessing=HOW).labels == LABELS


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="labels has 2 names, and the model gives 4 classes"):
        ow.classify(convnet(), PICTURES, preprocessing=HOW, labels=["a", "b"])
    with pytest.raises(InputError, match="labels is a list of 4 names"):
        ow.classify(convnet(), PICTURES, preprocessing=HOW, labels="abcd")
    wrong = ow.open_model(convnet()).with_metadata(labels=["a"])
    with pytest.raises(
        InputError, match=r"The model's file has 1 labels, .* 4 classes\. Give the right ones"
    ):
        ow.classify(wrong, PICTURES, preprocessing=HOW)


def test_a_folder_with_a_corrupt_picture_gives_the_others(tmp_path, labelled):
    for index, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    (tmp_path / "3.png").write_bytes(b"<script>alert(1)</script>")
    found = ow.classify(labelled, tmp_path)
    assert found.pictures == ("0.png", "1.png", "2.png", "4.png")
    np.testing.assert_allclose(found.probabilities, EXPECTED[[0, 1, 2, 4]], rtol=1e-3, atol=1e-6)
    assert list(found.errors) == ["3.png"]
    assert "not read: 3.png" in str(found)
    assert "not read: 3.png" in found._repr_html_()
    with pytest.raises(ImageError, match=r"3\.png"):
        ow.classify(labelled, sorted(tmp_path.iterdir()))


def test_a_folder_of_nothing_but_corrupt_pictures_is_an_error(tmp_path, labelled):
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(ImageError, match=r"No picture could be read: a\.png:"):
        ow.classify(labelled, tmp_path)


def test_pictures_of_several_sizes_without_a_size_are_told(tmp_path):
    for index, side in enumerate((8, 9)):
        Image.new("RGB", (side, side)).save(tmp_path / f"{index}.png")
    (tmp_path / "broken.png").write_bytes(b"no")
    with pytest.raises(PreprocessingError, match=r"one batch needs one size"):
        ow.classify(convnet(), tmp_path, preprocessing=ow.Preprocessing())


@pytest.mark.parametrize("batch", [1, 2, 4, 5, 7])
@pytest.mark.parametrize("given", [PICTURES, BATCH], ids=["pictures", "prepared"])
def test_a_model_of_a_fixed_batch_size_gets_it(batch, given):
    found = ow.classify(convnet(batch=str(batch)), given, preprocessing=HOW)
    np.testing.assert_allclose(found.probabilities, EXPECTED, rtol=1e-3, atol=1e-6)


def test_many_pictures_go_in_several_batches(labelled):
    many = np.repeat(PICTURES, 20, axis=0)
    found = ow.classify(labelled, many)
    np.testing.assert_allclose(found.probabilities, np.repeat(EXPECTED, 20, axis=0), rtol=1e-3, atol=1e-6)
    assert found.pictures == tuple(str(index) for index in range(100))


def test_ctrl_c_keeps_what_is_done(labelled, monkeypatch):
    calls = []
    original = classification.class_probabilities

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(classification, "class_probabilities", interrupted)
    with pytest.warns(WorkbenchWarning, match="Stopped: these are the first 64 pictures"):
        found = ow.classify(labelled, np.repeat(PICTURES, 40, axis=0))
    assert len(found) == len(found.probabilities) == 64
    monkeypatch.setattr(
        classification, "class_probabilities", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        ow.classify(labelled, PICTURES)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (BATCH[0], "the batch axis is missing"),
        (BATCH.transpose(0, 2, 3, 1), "it is NHWC"),
        (BATCH[:0], r"No pictures: the array has shape \(0, 3, 8, 8\)"),
    ],
)
def test_prepared_arrays_that_do_not_fit_say_why(labelled, given, says):
    with pytest.raises(InputError, match=says):
        ow.classify(labelled, given)


@pytest.mark.parametrize("given", [np.rint(BATCH * 255).astype(np.uint8), [], "gone.png", 5])
def test_what_is_no_picture_says_so(labelled, given):
    with pytest.raises(ImageError, match=r"CHW already|list is empty|does not exist|got int"):
        ow.classify(labelled, given)


@pytest.mark.parametrize(
    "proto",
    [
        model("g (float[N,3,8,8] x) => (float[N,3,8,8] y) { y = Relu(x) }"),
        model(
            "g (float[N,3,8,8] x) => (float[N,1] y) { f = Flatten(x)  y = ReduceMean<keepdims=1>(f, a) }",
            a=np.array([1]),
        ),
        model(
            "g (float[N,3,8,8] x) => (float[N] y) { y = ReduceMean<keepdims=0>(x, a) }", a=np.array([1, 2, 3])
        ),
        model("g (float[N,3,8,8] x) => (float y) { y = ReduceMean<keepdims=0>(x) }"),
        model(
            "g (float[N,3,8,8] x) => (int64[N,4] y) { s = Shape(x)  y = Unsqueeze(s, a) }", a=np.array([0])
        ),
        model("g (float[N,3,8,8] x) => (float[N,4] y) { s = Flatten<axis=0>(x)  y = Identity(s) }"),
    ],
    ids=["picture", "one column", "one number", "scalar", "integers", "rows lost"],
)
def test_models_that_are_no_classifiers_are_told_apart(proto):
    with pytest.raises(InputError, match="no classifier"):
        ow.classify(proto, PICTURES, preprocessing=HOW)


def test_live_modules_and_impossible_numbers_are_refused(labelled):
    with pytest.raises(InputError, match="not a live module"):
        ow.classify(torch.nn.Linear(1, 1), PICTURES)
    with pytest.raises(InputError, match="top is the number of classes to show, from 1; got 0"):
        ow.classify(labelled, PICTURES, top=0)


def test_text_html_and_json(labelled):
    found = ow.classify(labelled, PICTURES, top=2)
    page = ow.classify(labelled, PICTURES, top=4)._repr_html_()
    assert "<b>fox" not in page
    assert "&lt;b&gt;fox" in page
    assert page.count("<img alt=") == 5
    assert page.count("data:image/png;base64,") == 5
    rows = found.to_dict()["predictions"]
    assert [len(row["top"]) for row in rows] == [2] * 5
    assert rows[0]["top"][0]["probability"] == pytest.approx(EXPECTED[0].max(), rel=1e-3)
    assert len(str(found).splitlines()) == 5
    assert found.top(0, 4)[0][0] == found.best[0]
    assert found.accuracy(EXPECTED.argmax(axis=1)) == 1
    with pytest.raises(InputError, match="5 class indices are needed"):
        found.accuracy([1])


def test_many_pictures_show_a_few_and_say_how_many_more(labelled):
    found = ow.classify(labelled, np.repeat(PICTURES, 20, axis=0))
    assert found._repr_html_().count("<img alt=") == 24
    assert "and 76 more pictures" in found._repr_html_()
    assert "... and 50 more" in str(found)


def test_a_single_array_has_no_number_above_its_answer(labelled):
    one, two = (ow.classify(labelled, PICTURES[:count])._repr_html_() for count in (1, 2))
    assert "<strong>" not in one
    assert two.count("<strong>") == 2


def test_names_of_pictures_are_escaped(tmp_path, labelled):
    Image.fromarray(PICTURES[0]).save(tmp_path / "<img src=x onerror=alert(1)>.png")
    page = ow.classify(labelled, tmp_path)._repr_html_()
    assert "<img src=x" not in page


def test_a_table_of_numbers_may_be_classified_too():
    proto = model("g (float[N,3] x) => (float[N,2] y) { y = MatMul(x, w) }", w=np.eye(3, 2, dtype=np.float32))
    rows = np.float32([[5, 0, 0], [0, 5, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ow.classify(proto, rows).indices.tolist() == [0, 1]


def test_large_pictures_are_prepared_few_at_a_time(monkeypatch):
    """A batch of 32 pictures as large as a model's file may ask for would take tens of gigabytes."""
    prepared = []
    original = ow.Preprocessing.__call__
    monkeypatch.setattr(
        ow.Preprocessing, "__call__", lambda self, part: (prepared.append(len(part)), original(self, part))[1]
    )
    monkeypatch.setattr(classification, "_BATCH_BYTES", 3 * 3 * 8 * 8 * 4)
    found = ow.classify(convnet(), [PICTURES[0]] * 8, preprocessing=HOW)
    assert (prepared, len(found)) == ([3, 3, 2], 8)


def test_classes_that_do_not_exclude_each_other_keep_their_own_probabilities():
    found = ow.classify(ending("y = Sigmoid(logits)"), PICTURES, preprocessing=HOW)
    logits = ow.run(convnet(), BATCH)["logits"].astype(np.float64)
    np.testing.assert_allclose(found.probabilities, 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_a_preprocessing_that_does_not_fit_the_model_is_what_the_error_speaks_of():
    wrong = ow.Preprocessing(size=(9, 8), layout="NHWC")
    with pytest.raises(
        PreprocessingError,
        match=r"makes \(1, 9, 8, 3\) of a picture \(layout NHWC\), and input 'image' takes \(N, 3, 8, 8\)",
    ) as raised:
        ow.classify(
            ow.open_model(convnet()).with_metadata(preprocessing=wrong), np.zeros((5, 5, 3), np.uint8)
        )
    mend = "dataclasses.replace(preprocessing, layout='NCHW', size=(8, 8))"
    assert mend in str(raised.value)
    mended = eval(mend, {"dataclasses": dataclasses, "preprocessing": wrong})
    found = ow.classify(convnet(), np.zeros((5, 5, 3), np.uint8), preprocessing=mended)
    assert found.probabilities.shape == (1, 4)


def test_labels_in_the_file_that_cannot_be_understood_are_named_and_given_ones_win():
    proto = convnet()
    proto.metadata_props.add(key="onnx_workbench.labels", value="{stop")
    steps = ow.Preprocessing(size=(8, 8))
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(PreprocessingError, match=r"is no JSON list of names: it begins with '{stop'"):
        ow.classify(proto, picture, preprocessing=steps)
    found = ow.classify(proto, picture, preprocessing=steps, labels=list("abcd"))
    assert set(found.labels) == set("abcd")
