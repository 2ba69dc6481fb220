"""The input doctor: planted slips are found and mended, sound inputs are left alone, bad ones refused."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import onnx
import pytest
import torch
from onnx import compose
from PIL import Image
from tiny_models import convnet, dense, model, random_weights

import onnx_workbench as ow
from onnx_workbench import training
from onnx_workbench.analysis.diagnosing import trials as doctor_trials
from onnx_workbench.analysis.diagnosing.diagnosis import Diagnosis, Suggestion
from onnx_workbench.analysis.mistakes import MISTAKES, prepare
from onnx_workbench.core.errors import ImageError, InputError, NameNotFoundError

MEAN = (103.939, 116.779, 123.68)
FIRM = {"certain", "likely"}
BATCH = 16


@pytest.fixture(scope="module")
def data():
    return training.signs(8, 100, seed=7)


@pytest.fixture(scope="module")
def signs():
    return training.signs_model()


def behind(proto: onnx.ModelProto, signs: ow.Model, preprocessing: ow.Preprocessing | None) -> ow.Model:
    """Return the sign classifier behind a graph that turns another kind of input into its own."""
    classifier = signs.to_proto()
    joined = compose.merge_models(
        proto, classifier, io_map=[(proto.graph.output[0].name, classifier.graph.input[0].name)]
    )
    del joined.metadata_props[:]
    return ow.open_model(joined).with_metadata(labels=signs.labels, preprocessing=preprocessing)


def takes_nhwc(signs: ow.Model) -> ow.Model:
    proto = model(
        "nhwc (float[N,32,32,3] x) => (float[N,3,32,32] joint) { joint = Transpose<perm=[0,3,1,2]>(x) }"
    )
    return behind(proto, signs, ow.Preprocessing(size=(32, 32), layout="NHWC", mean=0.5, std=0.5))


def takes_bytes(signs: ow.Model, *, declares: bool = True) -> ow.Model:
    """0..255, as float32: the scaling is inside."""
    proto = model(
        """raw (float[N,3,32,32] x) => (float[N,3,32,32] joint)
        { unit = Div(x, c255) shifted = Sub(unit, half) joint = Div(shifted, half) }""",
        c255=np.float32([255]),
        half=np.float32([0.5]),
    )
    return behind(proto, signs, ow.Preprocessing(size=(32, 32), scale=1) if declares else None)


def takes_bgr_minus_mean(signs: ow.Model, *, declares: bool = True) -> ow.Model:
    """As the networks of Caffe's time; 0..255, blue first, the mean colour subtracted."""
    proto = model(
        """caffe (float[N,3,32,32] x) => (float[N,3,32,32] joint)
        { whole = Add(x, mean) rgb = Gather<axis=1>(whole, order) unit = Div(rgb, c255)
          shifted = Sub(unit, half) joint = Div(shifted, half) }""",
        mean=np.float32(MEAN).reshape(1, 3, 1, 1),
        order=np.int64([2, 1, 0]),
        c255=np.float32([255]),
        half=np.float32([0.5]),
    )
    steps = ow.Preprocessing(size=(32, 32), color="BGR", scale=1, mean=MEAN)
    return behind(proto, signs, steps if declares else None)


VARIANTS = {
    "as shipped": lambda signs: signs,
    "NHWC": takes_nhwc,
    "0..255": takes_bytes,
    "BGR minus mean": takes_bgr_minus_mean,
}


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request, signs):
    return VARIANTS[request.param](signs)


def mended(diagnosis: Diagnosis, given: object) -> np.ndarray:
    """Run the line of code, as a user would."""
    return eval(diagnosis.code, {"x": given, "np": np, "ow": ow})


def agrees(actual: np.ndarray, expected: np.ndarray) -> bool:
    reach = max(1.0, float(np.abs(expected).max()))
    return (actual.shape, actual.dtype) == (expected.shape, expected.dtype) and np.allclose(
        actual, expected, atol=1e-4 * reach
    )


def possible_slips(preprocessing: ow.Preprocessing) -> list[tuple[str, ...]]:
    single = [name for name, mistake in MISTAKES.items() if mistake.is_possible(preprocessing)]
    return [*((name,) for name in single), *combinations(single, 2)]


def batches(count: int, *, draws: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.choice(count, BATCH, replace=False) for _ in range(draws)]


def takes_half_precision(signs: ow.Model) -> ow.Model:
    proto = model("half (float16[N,3,32,32] x) => (float[N,3,32,32] joint) { joint = Cast<to=1>(x) }")
    steps = ow.Preprocessing(size=(32, 32), mean=0.5, std=0.5, dtype="float16")
    return behind(proto, signs, steps)


# Planted slips


def test_every_slip_and_pair_of_slips_is_undone_exactly_by_the_first_suggestion(variant, data):
    """In at least 95 % of the batches of 16; the oracle is the rightly prepared array itself."""
    right = variant.preprocessing(data.test_images)
    failed = []
    tried = 0
    for slips in possible_slips(variant.preprocessing):
        wrong = prepare(variant.preprocessing, data.test_images, slips)
        for draw in batches(100, draws=3):
            diagnosis = ow.doctor(variant, wrong[draw], data.test_labels[draw])
            tried += 1
            if not agrees(mended(diagnosis, wrong[draw]), right[draw]) or diagnosis.verdict not in FIRM:
                failed.append((slips, diagnosis.code))
    assert len(failed) <= 0.05 * tried, failed


def test_rightly_prepared_inputs_raise_no_alarm(variant, data):
    """Fewer than 2 in 100, for single pictures with and without label, and for batches."""
    right = variant.preprocessing(data.test_images)
    found = [ow.doctor(variant, right[i : i + 1], int(data.test_labels[i])) for i in range(50)]
    found += [ow.doctor(variant, right[i : i + 1]) for i in range(50, 100)]
    found += [ow.doctor(variant, right[draw], data.test_labels[draw]) for draw in batches(100, draws=5)]
    alarms = [str(diagnosis) for diagnosis in found if diagnosis.verdict in FIRM]
    assert len(alarms) < 0.02 * len(found), alarms[:1]


def test_pictures_in_half_precision_raise_no_alarm_and_their_range_is_seen(signs, data):
    half = takes_half_precision(signs)
    right = half.preprocessing(data.test_images[:12])
    assert right.dtype == np.float16
    for i in range(12):
        assert ow.doctor(half, right[i : i + 1]), i
        found = ow.doctor(signs, right[i : i + 1])
        assert (found.verdict, found.slips) == ("certain", ("dtype",))
    bytes_as_half = data.test_images[:1].transpose(0, 3, 1, 2).astype(np.float16)
    assert ow.doctor(half, bytes_as_half).slips == ("unscaled",)


@pytest.mark.parametrize("declares", [True, False])
def test_bytes_are_given_no_history_that_bytes_cannot_have(signs, data, declares):
    """What was normalised, or scaled to 0..1, is in no array of uint8."""
    taker = signs if declares else behind(model(_SAME), signs, None)
    for given in (data.test_images[:2], data.test_images[:2].transpose(0, 3, 1, 2)):
        slips = {slip for item in ow.doctor(taker, given).suggestions for slip in item.slips}
        assert slips <= {"dtype", "layout", "unscaled", "bgr", "swapped", "reshape"}


_SAME = "same (float[N,3,32,32] x) => (float[N,3,32,32] joint) { joint = Identity(x) }"


def test_one_label_does_not_show_the_range_of_a_model_that_says_nothing_of_it_and_many_do(signs, data):
    bare = behind(model(_SAME), signs, None)
    unit = (data.test_images / np.float32(255)).transpose(0, 3, 1, 2)  # it takes -1..1
    for i in range(12):
        assert ow.doctor(bare, unit[i : i + 1], int(data.test_labels[i])).verdict not in FIRM
    half = unit[:1].astype(np.float16)
    found = ow.doctor(bare, half, int(data.test_labels[0]))
    assert (found.verdict, found.code) == ("certain", "x.astype(np.float32)")  # that much is sure
    taker = takes_bytes(signs, declares=False)  # 0..255
    many = ow.doctor(taker, unit[:32], data.test_labels[:32])
    assert (many.verdict, many.slips) == ("likely", ("scaled",))
    assert ow.classify(signs, mended(many, unit[:32]) / 127.5 - 1).accuracy(data.test_labels[:32]) >= 0.9


HISTORIES = {
    "channels last": (lambda _, x: x.transpose(0, 2, 3, 1), {"layout"}),
    "untouched bytes": (lambda u, _: u, {"dtype", "layout", "unscaled"}),
    "bytes from OpenCV": (lambda u, _: u[..., ::-1], {"dtype", "layout", "unscaled", "bgr"}),
    "float64": (lambda _, x: x.astype(np.float64), {"dtype"}),
    "an axis too many": (lambda _, x: x[np.newaxis], {"batch axis"}),
    "rows": (lambda _, x: x.reshape(BATCH, -1), {"axes"}),
    "rows of channels last": (
        lambda _, x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(BATCH, -1),
        {"axes", "layout"},
    ),
    "an alpha channel": (lambda _, x: np.concatenate([x, np.ones_like(x[:, :1])], 1), {"channels"}),
    "0..1": (lambda _, x: (x / 2 + 0.5).astype(np.float32), {"scaled"}),
    "128 subtracted": (lambda _, x: ((x / 2 + 0.5) * 255 - 128).astype(np.float32), {"minus 128"}),
    "normalised twice": (lambda _, x: (x - 0.5) / 0.5, {"normalised twice"}),
    "scaled twice": (lambda _, x: ((x / 2 + 0.5) / 255 - 0.5) / 0.5, {"scaled twice"}),
    "mean missing": (lambda _, x: x + 1, {"mean missing"}),
    "ImageNet's constants": (
        lambda u, _: ow.Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))(u),
        {"imagenet"},
    ),
    "ImageNet's constants on BGR": (
        lambda u, _: ow.Preprocessing(color="BGR", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))(u),
        {"imagenet", "bgr"},
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_what_people_do_to_arrays_is_undone(signs, data, name):
    spoil, slips = HISTORIES[name]
    pictures, labels = data.test_images[:BATCH], data.test_labels[:BATCH]
    right = signs.preprocessing(pictures)
    wrong = spoil(pictures, right)
    diagnosis = ow.doctor(signs, wrong, labels)
    assert (diagnosis.verdict, set(diagnosis.slips)) == ("certain", slips)
    assert agrees(mended(diagnosis, wrong), right)


@pytest.mark.parametrize(
    ("given", "slips"),
    [
        (lambda x: x[0], {"batch axis"}),
        (lambda x: x[0].transpose(1, 2, 0), {"batch axis", "layout"}),
        (lambda x: x[0].ravel(), {"axes"}),
        (lambda x: x[0].astype(np.float64).tolist(), {"batch axis", "dtype"}),
    ],
    ids=["CHW", "HWC", "row", "list of numbers"],
)
def test_one_picture_that_the_runtime_refuses_is_mended_without_a_label(signs, data, given, slips):
    right = signs.preprocessing(data.test_images[:1])
    diagnosis = ow.doctor(signs, given(right))
    assert set(diagnosis.slips) == slips
    assert agrees(mended(diagnosis, given(right)), right)


def test_a_reshape_shows_in_one_picture_without_a_label(signs, data):
    wrong = prepare(signs.preprocessing, data.test_images, ["reshape"])
    found = [ow.doctor(signs, wrong[i : i + 1]).slips == ("reshape",) for i in range(40)]
    assert sum(found) >= 36


def test_the_predictions_side_by_side_are_those_of_the_code(signs, data):
    wrong = prepare(signs.preprocessing, data.test_images[:4], ["bgr"])
    diagnosis = ow.doctor(signs, wrong, data.test_labels[:4])
    for item in diagnosis.suggestions[:10]:
        array = eval(item.code, {"x": wrong, "np": np, "ow": ow})
        assert [label for label, _ in item.predictions] == list(ow.classify(signs, array).best)
    assert "x" in [item.code for item in diagnosis.suggestions]


@pytest.mark.parametrize("shape", ["list of items", "list of batches", "torch"])
def test_lists_and_tensors_are_taken_and_the_code_takes_them_too(signs, data, shape):
    wrong = prepare(signs.preprocessing, data.test_images[:BATCH], ["bgr"])
    given = (
        torch.from_numpy(wrong)
        if shape == "torch"
        else list(wrong if "items" in shape else wrong[:, np.newaxis])
    )
    diagnosis = ow.doctor(signs, given, data.test_labels[:BATCH])
    assert agrees(mended(diagnosis, given), signs.preprocessing(data.test_images[:BATCH]))


def test_of_many_pictures_the_first_32_are_tried_and_the_code_mends_all(signs, data):
    wrong = prepare(signs.preprocessing, data.test_images, ["swapped"])
    diagnosis = ow.doctor(signs, wrong, data.test_labels)
    assert len(mended(diagnosis, wrong)) == 100
    assert {len(item.predictions) for item in diagnosis.suggestions} == {32}
    assert "first 32 pictures" in str(diagnosis)


# Other models


def test_a_grey_model_gets_its_grey_pictures_the_right_way_round():
    """Bright in the upper half is class 0, dark is class 1; the matrix is made by hand."""
    matrix = np.concatenate([np.full(32, 0.2), np.full(32, -0.2)]).astype(np.float32)
    proto = model(
        "grey (float[N,1,8,8] x) => (float[N,2] y) { f = Flatten(x) y = MatMul(f, w) }",
        w=np.stack([matrix, -matrix], 1),
    )
    steps = ow.Preprocessing(size=(8, 8), color="GRAY", mean=0.5, std=0.5)
    grey = ow.open_model(proto).with_metadata(labels=["sky", "ground"], preprocessing=steps)
    generator = np.random.default_rng(0)
    upper = generator.integers(140, 256, (BATCH, 4, 8), dtype=np.uint8)
    lower = generator.integers(0, 120, (BATCH, 4, 8), dtype=np.uint8)
    pictures = np.concatenate([upper, lower], 1)
    right = (pictures[:, np.newaxis].astype(np.float32) / 255 - 0.5) / np.float32(0.5)
    assert ow.doctor(grey, right, "sky")
    cases = {
        "inverted": -right,
        "swapped": right.transpose(0, 1, 3, 2),
        "unscaled": pictures[:, np.newaxis].astype(np.float32),
        "channels": pictures,
    }
    for slip, wrong in cases.items():
        diagnosis = ow.doctor(grey, wrong, "sky")
        assert slip in diagnosis.slips
        assert agrees(mended(diagnosis, wrong), right)


def test_colour_for_a_grey_model_is_joined_by_the_weights_of_the_eye(data):
    steps = ow.Preprocessing(size=(32, 32), color="GRAY", scale=1)
    proto = model(
        "grey (float[N,1,32,32] x) => (float[N,4] y) { f = Flatten(x) y = MatMul(f, w) }",
        w=random_weights(1024, 4),
    )
    colour = data.test_images[:4].transpose(0, 3, 1, 2).astype(np.float32)
    diagnosis = ow.doctor(ow.open_model(proto).with_metadata(preprocessing=steps), colour)
    assert "channels" in diagnosis.slips
    np.testing.assert_allclose(mended(diagnosis, colour), steps(data.test_images[:4]), atol=1.0)


def test_a_model_of_bytes_takes_them_as_they_are_and_gets_fractions_back_as_bytes(data):
    proto = model(
        """bytes (uint8[N,32,32,3] x) => (float[N,4] y)
        { c = Cast<to=1>(x) t = ReduceMean<keepdims=0>(c, axes) y = MatMul(t, w) }""",
        axes=np.int64([1, 2]),
        w=random_weights(3, 4),
    )
    pictures = data.test_images[:4]
    assert ow.doctor(proto, pictures)
    np.testing.assert_array_equal(mended(ow.doctor(proto, pictures / 255), pictures / 255), pictures)


def test_a_model_fixed_at_one_picture_is_tried_on_many(data):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    diagnosis = ow.doctor(convnet(batch="1"), images)
    assert len(diagnosis.best.predictions) == 4


def test_a_model_without_metadata_and_bytes_of_unknown_order_is_read_from_labels(signs, data):
    bare = takes_bgr_minus_mean(signs, declares=False)
    right = takes_bgr_minus_mean(signs).preprocessing(data.test_images[:BATCH])
    labels = data.test_labels[:BATCH]
    assert ow.doctor(bare, right, labels)
    diagnosis = ow.doctor(bare, data.test_images[:BATCH], labels)
    assert {"layout", "bgr", "unscaled"} <= set(diagnosis.slips)
    accuracy = ow.classify(bare, mended(diagnosis, data.test_images[:BATCH])).accuracy(labels)
    assert accuracy >= 0.9
    for slip in (("bgr",), ("reshape",), ("swapped",)):
        wrong = prepare(takes_bgr_minus_mean(signs).preprocessing, data.test_images[:BATCH], slip)
        assert agrees(mended(ow.doctor(bare, wrong, labels), wrong), right)


def test_without_metadata_and_labels_a_range_is_never_claimed(signs, data):
    bare = takes_bgr_minus_mean(signs, declares=False)
    for picture in data.test_images[:10]:
        assert ow.doctor(bare, np.repeat(picture, 2, 0)).verdict == "undecided"
        unit = (picture / 255).astype(np.float32).transpose(2, 0, 1)[np.newaxis]
        assert ow.doctor(bare, unit).verdict not in FIRM


def test_a_model_that_is_no_classifier_is_judged_by_rules():
    proto = model("filter (float[N,3,8,8] x) => (float[N,3,8,8] y) { y = Relu(x) }")
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    diagnosis = ow.doctor(proto, images)
    assert {"layout", "dtype"} <= set(diagnosis.slips)
    assert any("no classifier" in note for note in diagnosis.notes)


def test_a_model_of_rows_gets_pictures_as_rows():
    diagnosis = ow.doctor(dense(), random_weights(3, 4, 4))
    assert diagnosis.code == "x.reshape(-1, 16)"


# Pictures


def test_a_picture_prepared_as_its_file_says_is_well(signs, data, tmp_path):
    Image.fromarray(data.test_images[0]).save(tmp_path / "sign.png")
    label = data.labels[data.test_labels[0]]
    diagnosis = ow.doctor(signs, tmp_path / "sign.png", label)
    assert diagnosis
    assert str(diagnosis).startswith("All is well")
    assert "\n" not in str(diagnosis)
    assert agrees(mended(diagnosis, tmp_path / "sign.png"), signs.preprocessing(tmp_path / "sign.png"))


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_a_file_that_declares_the_wrong_order_of_colours_is_contradicted(signs, data, color):
    wrong = signs.with_metadata(
        preprocessing=ow.Preprocessing(size=(32, 32), color=color, mean=0.5, std=0.5), labels=signs.labels
    )
    large = [np.repeat(np.repeat(picture, 2, 0), 2, 1) for picture in data.test_images[:BATCH]]
    diagnosis = ow.doctor(wrong, large, data.test_labels[:BATCH])
    assert (diagnosis.verdict == "well") == (color == "RGB")
    assert diagnosis.slips == (("bgr",) if color == "BGR" else ())


def test_a_model_without_metadata_learns_its_preprocessing_from_labelled_pictures(signs, data):
    bare = takes_bgr_minus_mean(signs, declares=False)
    large = [np.repeat(np.repeat(picture, 2, 0), 2, 1) for picture in data.test_images[:32]]
    diagnosis = ow.doctor(bare, large, data.test_labels[:32])
    assert "color='BGR'" in diagnosis.code
    assert ow.classify(bare, mended(diagnosis, large)).accuracy(data.test_labels[:32]) >= 0.9


def test_a_list_of_pictures_of_several_sizes_is_no_list_of_arrays(signs, data):
    given = [data.test_images[0], np.repeat(data.test_images[1], 2, 0)]
    assert mended(ow.doctor(signs, [given[1], given[1]]), [given[1], given[1]]).shape == (2, 3, 32, 32)
    with pytest.raises(InputError, match=r"one shape and dtype"):
        ow.doctor(signs, given)


# Honesty


def test_when_no_correction_leads_to_the_labels_none_is_claimed(signs, data):
    right = signs.preprocessing(data.test_images[:BATCH])
    diagnosis = ow.doctor(signs, right, (data.test_labels[:BATCH] + 1) % 8)
    assert diagnosis.verdict == "undecided"
    assert diagnosis.slips == ()
    assert "the model or the labels may be wrong" in str(diagnosis)


def test_one_picture_without_label_says_what_it_cannot_tell(signs, data):
    text = str(ow.doctor(signs, signs.preprocessing(data.test_images[:1])))
    assert text.startswith("Nothing wrong found")
    assert "without expected labels" in text


@pytest.mark.parametrize("array", [np.zeros((2, 3, 32, 32)), np.full((2, 3, 32, 32), 1e30)])
def test_values_of_which_nothing_can_be_said_are_not_called_well(signs, array):
    diagnosis = ow.doctor(signs, array.astype(np.float32))
    assert diagnosis.verdict == "undecided"
    assert "values from" in diagnosis.findings[0]


def test_a_slip_that_labels_deny_is_not_claimed(signs, data):
    """Whole bytes would speak for a range; sixteen right answers speak louder."""
    half = signs.with_metadata(
        labels=signs.labels, preprocessing=ow.Preprocessing(size=(32, 32), scale=1, mean=128, std=128)
    )
    right = signs.preprocessing(data.test_images[:BATCH])
    assert not set(ow.doctor(half, right, data.test_labels[:BATCH]).slips) & {"bgr", "reshape", "swapped"}


def test_trials_are_bounded(signs, data, monkeypatch):
    ran = []
    original = doctor_trials.class_probabilities
    monkeypatch.setattr(
        doctor_trials, "class_probabilities", lambda *given: ran.append(1) or original(*given)
    )
    ow.doctor(takes_bgr_minus_mean(signs, declares=False), data.test_images[:2], [0, 1])
    assert 10 < len(ran) <= doctor_trials.MOST_TRIALS


@pytest.mark.parametrize("stop_at", [1, 5])
def test_ctrl_c_keeps_the_trials_done(signs, data, monkeypatch, stop_at):
    ran = []
    original = doctor_trials.class_probabilities

    def interrupted(*given):
        ran.append(1)
        if len(ran) == stop_at:
            raise KeyboardInterrupt
        return original(*given)

    monkeypatch.setattr(doctor_trials, "class_probabilities", interrupted)
    batch = signs.preprocessing(data.test_images[:2])
    if stop_at == 1:
        with pytest.raises(KeyboardInterrupt):
            ow.doctor(signs, batch)
    else:
        diagnosis = ow.doctor(signs, batch)
        assert len(diagnosis.suggestions) == stop_at - 1
        assert "Stopped" in str(diagnosis)


# Bad input


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (np.full((1, 3, 32, 32), np.nan), "3,072 of 3,072 values are NaN"),
        (np.zeros((0, 3, 32, 32)), r"nothing to judge.*\(0, 3, 32, 32\)"),
        (np.array([None, 1]), "dtype object"),
        (np.array(["a"]), "pictures are numbers"),
        (np.zeros((1, 3, 32, 32), complex), "dtype complex128"),
        (3, "got int"),
        ({}, "got dict"),
        ([], "the list is empty"),
        ([np.zeros((3, 8, 8)), np.zeros((3, 9, 9))], r"\(3, 8, 8\), \(3, 9, 9\)"),
        ([np.zeros((3, 8, 8)), "a.png"], "neither of pictures nor of arrays"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_what_is_no_input_at_all_is_refused(signs, given, sentence):
    with pytest.raises(InputError, match=sentence):
        ow.doctor(signs, given)


@pytest.mark.parametrize(
    ("label", "error", "sentence"),
    [
        ("no such sign", NameNotFoundError, "it has 'stop'"),
        (8, InputError, "0 to 7; got 8"),
        (-1, InputError, "0 to 7; got -1"),
        ([0, 1, 2], InputError, "3 labels for 2 pictures"),
        ([], InputError, "empty list"),
        (True, InputError, "index of a class; got True"),
        (1.5, InputError, r"index of a class; got 1\.5"),
    ],
)
def test_labels_that_cannot_be_are_refused(signs, data, label, error, sentence):
    with pytest.raises(error, match=sentence):
        ow.doctor(signs, signs.preprocessing(data.test_images[:2]), label)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            "two (float[N,3,8,8] a, float[N,3,8,8] b) => (float[N,3,8,8] y) { y = Add(a, b) }",
            "this one has 2",
        ),
        ("words (string[N,3] a) => (string[N,3] y) { y = Identity(a) }", "This model takes a: string"),
        ("long (float[N] a) => (float[N] y) { y = Relu(a) }", "2 to 4 axes"),
    ],
)
def test_models_that_take_no_picture_are_refused(body, sentence):
    with pytest.raises(InputError, match=sentence):
        ow.doctor(model(body), np.zeros((1, 3, 8, 8), np.float32))


def test_a_live_module_is_refused(data):
    with pytest.raises(InputError, match="not a live module"):
        ow.doctor(torch.nn.Flatten(), data.test_images)


def test_a_missing_picture_is_named(signs):
    with pytest.raises(ImageError, match=r"'nowhere\.png' does not exist"):
        ow.doctor(signs, "nowhere.png")


def test_an_array_that_nothing_makes_fit_is_told_why(signs):
    diagnosis = ow.doctor(signs, np.ones((7, 11, 13)))
    assert (diagnosis.verdict, diagnosis.best, diagnosis.code) == ("certain", None, None)
    assert "3 axes where 4 are expected" in str(diagnosis)


# The result


def test_names_from_the_file_are_escaped(signs, data):
    labels = ["<script>alert(1)</script>", *signs.labels[1:]]
    hostile = signs.with_metadata(labels=labels, preprocessing=signs.preprocessing)
    images = data.test_images[data.test_labels == 0][:4]
    diagnosis = ow.doctor(hostile, prepare(signs.preprocessing, images, ["unscaled"]), labels[0])
    page = diagnosis._repr_html_()
    assert "<script" not in page
    assert "&lt;script" in page
    assert "(x / 255 - 0.5) / 0.5" in page


def test_a_diagnosis_is_plain_data(signs, data):
    wrong = prepare(signs.preprocessing, data.test_images[:4], ["bgr"])
    facts = ow.doctor(signs, wrong, data.test_labels[:4]).to_dict()
    assert facts["code"] == facts["suggestions"][0]["code"] == "x[:, ::-1]"
    assert sum(item["support"] for item in facts["suggestions"]) == pytest.approx(1)
    assert MISTAKES["bgr"].consequence in facts["explanation"]


def test_the_table_shows_the_input_as_given_however_far_behind():
    tried = [Suggestion((f"slip {i}",), f"slip {i}", f"x + {i}", 0.1) for i in range(9)]
    text = str(Diagnosis("likely", "slip 0.", (), (*tried, Suggestion((), "as given", "x", 0.0))))
    assert "slip 5" in text
    assert "slip 6" not in text
    assert "as given" in text


def test_of_one_picture_that_several_corrections_mend_none_is_said_to_be_missing():
    from onnx_workbench.training.shipped_model import SIGNS_MODEL

    proto = ow.open_model(SIGNS_MODEL).to_proto()
    del proto.metadata_props[:]
    data = training.signs()
    picture = (data.test_images[:1].transpose(0, 3, 1, 2) / 255).astype(np.float32)  # it takes -1..1
    wanted = data.labels[data.test_labels[0]]
    found = ow.doctor(proto, picture, wanted, labels=data.labels)
    mended = ow.run(proto, (picture - np.float32(0.5)) / np.float32(0.5))["logits"]
    assert data.labels[int(mended.argmax())] == wanted  # so that there is a correction, whatever is said
    assert "come out of no correction" not in str(found)
    assert "which is not clear" in str(found)
