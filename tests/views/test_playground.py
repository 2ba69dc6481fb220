"""The playground without a browser: setting a control's value does what a hand would do."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from tiny_models import convnet
from tiny_models import model as tiny_model

import onnx_workbench as ow
from onnx_workbench import training
from onnx_workbench.core.errors import InputError, MissingPackageError, PreprocessingError
from onnx_workbench.lessons import playground
from onnx_workbench.views.distortions import distorted

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def data():
    return training.signs(8, 32)


@pytest.fixture(scope="module")
def signs():
    return training.signs_model()


@pytest.fixture(scope="module")
def bare_session(signs):
    return onnxruntime.InferenceSession(signs.to_bytes())


@pytest.fixture
def play(signs, data):
    return playground(signs, data.test_images, expected=data.test_labels)


@pytest.fixture
def tiny():
    labels = [MARKUP, "b", "c", "d"]
    return ow.open_model(convnet()).with_metadata(labels=labels, preprocessing=ow.Preprocessing(size=(8, 8)))


def flattening(shape, count):
    """Return a model of which each number of the picture is the logit of a class of its own."""
    return ow.open_model(
        tiny_model(f"flat (float[N,{shape}] x) => (float[N,{count}] y) {{ y = Flatten(x) }}")
    )


def probabilities_by_hand(session, planes):
    """Softmax of what onnxruntime itself says of prepared planes (3, 32, 32)."""
    feeds = {session.get_inputs()[0].name: np.ascontiguousarray(planes[np.newaxis], np.float32)}
    logits = session.run(None, feeds)[0][0].astype(np.float64)
    return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


WRONG_PLANES = {
    (): lambda hwc: (hwc / 255 - 0.5).transpose(2, 0, 1) / 0.5,
    ("reshape",): lambda hwc: ((hwc / 255 - 0.5) / 0.5).reshape(3, 32, 32),
    ("bgr",): lambda hwc: ((hwc / 255 - 0.5) / 0.5)[:, :, ::-1].transpose(2, 0, 1),
    ("unscaled",): lambda hwc: hwc.astype(float).transpose(2, 0, 1),
    ("swapped",): lambda hwc: ((hwc / 255 - 0.5) / 0.5).transpose(2, 1, 0),
    ("reshape", "bgr"): lambda hwc: ((hwc / 255 - 0.5) / 0.5)[:, :, ::-1].reshape(3, 32, 32),
}


@pytest.mark.parametrize("mistakes", WRONG_PLANES, ids="+".join)
def test_probabilities_are_those_of_onnxruntime_on_planes_made_by_hand(play, data, bare_session, mistakes):
    for name in mistakes:
        play.controls[name].value = True
    planes = WRONG_PLANES[mistakes](data.test_images[0])
    np.testing.assert_allclose(play.array[0], planes, atol=1e-5)
    np.testing.assert_allclose(
        play.predictions.probabilities[0], probabilities_by_hand(bare_session, planes), atol=1e-5
    )


def test_choosing_another_picture_shows_that_picture(play, data):
    play.controls["picture"].value = 7
    np.testing.assert_array_equal(play.picture, data.test_images[7])


def test_forgetting_the_transpose_costs_most_signs_their_name(signs, data):
    play = playground(signs, data.test_images, expected=data.test_labels)
    play.controls["reshape"].value = True
    right = 0
    for index, label in enumerate(data.test_labels):
        play.controls["picture"].value = index
        right += play.predictions.indices[0] == label
    assert right < len(data.test_labels) / 3


def test_a_mistake_is_explained_and_taken_back(play):
    before = play.predictions.probabilities.copy()
    play.controls["bgr"].value = True
    assert "what is red looks blue" in play.sentence
    assert play.sentence.split(". ")[0] in html_of(play)
    play.start_again()
    assert play.mistakes == ()
    assert "red" not in play.sentence
    np.testing.assert_array_equal(play.predictions.probabilities, before)


def test_the_button_takes_everything_back(play, data):
    for name, value in {"rotate": 90, "dim": 50, "blur": 5, "noise": 40, "swapped": True}.items():
        play.controls[name].value = value
    play.controls["again"].click()
    np.testing.assert_array_equal(play.picture, data.test_images[0])


def test_the_sentence_says_whether_the_model_is_right(play, data):
    name = data.labels[data.test_labels[0]]
    assert re.fullmatch(rf"The model says {name} \([\d.]+%\), and that is right\.", play.sentence)
    play.controls["dim"].value = 95
    play.controls["noise"].value = 100
    assert play.sentence.endswith(f", but it is {name}.")


def test_a_quarter_turn_is_numpys_quarter_turn(data):
    turned = distorted(data.test_images[0], {"rotate": 90})
    np.testing.assert_array_equal(turned, np.rot90(data.test_images[0]))


def test_dimming_takes_its_share_of_the_light(data):
    picture = data.test_images[0]
    np.testing.assert_array_equal(
        distorted(picture, {"dim": 50}), np.rint(picture / np.float32(2)).astype("uint8")
    )


def test_blur_takes_away_differences_between_neighbours(data):
    def roughness(picture):
        return np.abs(np.diff(picture.astype(float), axis=0)).mean()

    amounts = [roughness(distorted(data.test_images[0], {"blur": blur})) for blur in (0, 3, 8)]
    assert amounts == sorted(amounts, reverse=True)


def test_noise_has_the_strength_that_the_slider_says_and_is_the_same_each_time():
    grey = np.full((64, 64, 3), 128, np.uint8)
    noisy = distorted(grey, {"noise": 20})
    assert 19 < noisy.astype(float).std() < 21
    np.testing.assert_array_equal(noisy, distorted(grey, {"noise": 20}))


def test_a_file_is_read_when_it_is_chosen_and_not_at_every_move_of_a_slider(signs, tmp_path):
    files = [tmp_path / "red.png", tmp_path / "blue.png", tmp_path / "gone.png"]
    for file in files:
        file.write_bytes(png(file.stem if file.stem != "gone" else "green"))
    play = playground(signs, files)
    play.controls["picture"].value = 1
    for file in files:
        file.unlink()
    play.controls["dim"].value = 50
    assert (play.picture == (0, 0, 128)).all()
    play.controls["picture"].value = 2
    assert "gone.png" in html_of(play)
    assert (play.picture == (0, 0, 128)).all()


def uploaded(content, name="mine.png"):
    return (
        {
            "name": name,
            "type": "image/png",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime.now(UTC),
        },
    )


def png(color, size=(40, 20)):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_of_ones_own_is_added_and_chosen(play, data):
    play.controls["upload"].value = uploaded(png("red"))
    assert play.controls["picture"].label == "mine.png"
    assert play.controls["picture"].value == len(data.test_images)
    assert (play.picture == (255, 0, 0)).all()
    assert play.picture.shape == (32, 32, 3)


def test_a_file_that_is_no_picture_is_refused_in_words_and_changes_nothing(play, data):
    before = play.sentence
    play.controls["upload"].value = uploaded(b"<html>" + MARKUP.encode(), "page.png")
    assert len(play.controls["picture"].options) == len(data.test_images)
    assert play.sentence == before
    assert "picture" in html_of(play)
    assert MARKUP not in html_of(play)


def widgets_of(play):
    waiting, found = [play.widget], []
    while waiting:
        found.append(waiting.pop())
        waiting += getattr(found[-1], "children", ())
    return found


def html_of(play):
    return "".join(widget.value for widget in widgets_of(play) if type(widget).__name__ == "HTML")


def test_names_from_the_file_are_text(tiny):
    play = playground(tiny, np.zeros((1, 8, 8, 3), np.uint8), expected=[MARKUP])
    assert "&lt;img src=x onerror=alert(1)&gt;" in html_of(play)
    assert MARKUP not in html_of(play)
    assert not play.controls["picture"].description_allow_html


def test_every_picture_has_a_text_and_the_verdict_is_a_status(play):
    images = re.findall(r"<img[^>]*>", html_of(play))
    assert len(images) == 2
    assert all(re.search(r"alt='[^']{10,}'", image) for image in images)
    assert html_of(play).count("role='status'") == 1


def test_every_control_has_a_name_and_what_needs_it_an_explanation(play):
    for name, control in play.controls.items():
        assert control.description
        assert name == "picture" or control.tooltip


def test_mistakes_that_a_model_cannot_suffer_are_switched_off():
    grey = ow.Preprocessing(size=(8, 4), color="GRAY", scale=1)
    model = flattening("1,8,4", 32).with_metadata(preprocessing=grey)
    controls = playground(model, np.zeros((8, 4, 3), np.uint8)).controls
    assert all(controls[name].disabled for name in ("reshape", "bgr", "unscaled", "swapped"))


def test_a_channels_last_model_suffers_the_reshape_too(data):
    model = flattening("32,32,3", 3072).with_metadata(
        preprocessing=ow.Preprocessing(size=(32, 32), layout="NHWC", scale=1)
    )
    play = playground(model, data.test_images[:1])
    play.controls["reshape"].value = True
    np.testing.assert_array_equal(play.array[0], data.test_images[0].transpose(2, 0, 1).reshape(32, 32, 3))
    play.controls["bgr"].value = True
    np.testing.assert_array_equal(
        play.array[0], data.test_images[0][:, :, ::-1].transpose(2, 0, 1).reshape(32, 32, 3)
    )


def test_of_many_classes_the_likeliest_have_bars(data):
    model = flattening("3,32,32", 3072).with_metadata(preprocessing=ow.Preprocessing(size=(32, 32)))
    assert html_of(playground(model, data.test_images[:1])).count("<tr") == 10


def test_a_reader_without_a_kernel_gets_a_picture_and_a_sentence(play):
    bundle = play._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.width > 300
    assert play.sentence in bundle["text/plain"]


def test_neither_output_nor_interact_is_used(play):
    """They make nbclient wait for messages that never come."""
    assert {type(widget).__name__ for widget in widgets_of(play)}.isdisjoint({"Output", "interactive"})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"expected": [0]}, InputError, "expected has 1 entries, and there are 2 pictures"),
        ({"expected": [0, 4]}, InputError, "class index 4; there are 4 classes"),
        ({"expected": ["b", "x"]}, InputError, "'x', which is no class"),
    ],
)
def test_expectations_that_do_not_fit_are_refused(tiny, arguments, error, message):
    with pytest.raises(error, match=message):
        playground(tiny, np.zeros((2, 8, 8, 3), np.uint8), **arguments)


def test_a_model_without_preprocessing_is_told_how_to_get_it():
    with pytest.raises(PreprocessingError, match=r"with_metadata\(preprocessing="):
        playground(convnet(), np.zeros((8, 8, 3), np.uint8))


def test_a_model_that_takes_bytes_is_refused(tiny):
    model = tiny.with_metadata(preprocessing=ow.Preprocessing(size=(8, 8), scale=1, dtype="uint8"))
    with pytest.raises(InputError, match="takes floating numbers"):
        playground(model, np.zeros((8, 8, 3), np.uint8))


def test_without_ipywidgets_the_error_names_the_extra(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(MissingPackageError, match=r"onnx-workbench\[notebook\]"):
        playground(tiny, np.zeros((8, 8, 3), np.uint8))


def test_the_playground_needs_no_torch():
    code = (
        "import sys; from onnx_workbench import lessons, training;"
        "lessons.playground(training.signs_model(), training.signs(8, 8).test_images); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
