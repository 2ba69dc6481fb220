"""The reader of pictures against what the real CNTK 2.7 read from the same files."""

import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError

RECORDED = Path(__file__).parent / "recorded"
spec = importlib.util.spec_from_file_location("cntk_picture_cases", RECORDED / "picture_cases.py")
CASES = importlib.util.module_from_spec(spec)
spec.loader.exec_module(CASES)
ANSWERS = json.loads((RECORDED / "picture_answers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    CASES.write_files(folder)
    return folder


@pytest.fixture
def folder(written, monkeypatch):
    monkeypatch.chdir(written)
    return written


@pytest.mark.usefixtures("folder")
def test_each_pixel_is_the_one_that_cntk_computes():
    with np.load(RECORDED / "picture_answers.npz") as expected:
        for number, case in enumerate(CASES.one_by_one()):
            found = CASES.pixels(C, case, number)
            assert found.shape == expected[str(number)].shape, case
            np.testing.assert_allclose(found, expected[str(number)], atol=1e-4, err_msg=str(case))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", sorted(CASES.LISTS))
def test_a_list_of_pictures_holds_what_cntk_reads_from_it(name):
    assert CASES.of_list(C, name) == ANSWERS["lists"][name]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", CASES.TEXTS)
def test_pictures_in_text_are_what_cntk_reads_from_it(name):
    assert CASES.of_text(C, name) == ANSWERS["texts"][name]


@pytest.mark.usefixtures("folder")
def test_transforms_that_cannot_be_are_refused_as_cntk_refuses_them():
    assert [CASES.wrong(C, number) for number in range(len(CASES.WRONG))] == ANSWERS["wrong"]


@pytest.mark.usefixtures("folder")
def test_pictures_come_in_the_order_of_cntks():
    assert [CASES.taken(C, number) for number in range(len(CASES.TAKEN))] == ANSWERS["taken"]


@pytest.mark.usefixtures("folder")
def test_pictures_are_put_together_with_other_data_by_number():
    assert [CASES.joined(C, first) for first in (False, True)] == ANSWERS["joined"]


@pytest.mark.usefixtures("folder")
def test_streams_of_pictures_are_told_in_cntks_words():
    assert CASES.streams(C) == ANSWERS["streams"]


def _read(path, steps=(), labels=False, size=9, **options):
    streams = {"x": C.io.StreamDef(field="image", transforms=list(steps))}
    if labels:
        streams["y"] = C.io.StreamDef(field="label", shape=4)
    source = C.io.MinibatchSource(C.io.ImageDeserializer(path, C.io.StreamDefs(**streams)), **options)
    return source.next_minibatch(size)[source.streams.x].asarray()


def test_transparent_pixels_keep_their_colours(tmp_path):
    colours = np.array([[[10, 20, 30, 0], [40, 50, 60, 255]]], np.uint8)
    Image.fromarray(colours, "RGBA").save(tmp_path / "p.png")
    (tmp_path / "m.txt").write_text(".../p.png\t0\n")
    found = _read(tmp_path / "m.txt")
    np.testing.assert_array_equal(found[0, 0, :, 0], [[30, 60], [20, 50], [10, 40]])


def test_grey_is_read_as_opencv_weighs_colours(tmp_path):
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    (tmp_path / "m.txt").write_text(".../p.png\t0\n")
    found = _read(tmp_path / "m.txt", [C.io.transforms.scale(3, 1, 1)])
    np.testing.assert_array_equal(found[0, 0], [[[76, 150, 29]]])


def test_random_parts_differ_from_picture_to_picture_and_lie_within(tmp_path):
    pixels = np.arange(100, dtype=np.uint8).reshape(10, 10)
    Image.fromarray(np.stack([pixels] * 3, -1)).save(tmp_path / "p.png")
    (tmp_path / "m.txt").write_text(".../p.png\t0\n" * 200)
    steps = [C.io.transforms.crop(crop_type="randomside", crop_size=7)]
    found = _read(tmp_path / "m.txt", steps, size=200, randomize=False)[:, 0, 0]
    corners = {(int(one.min()) // 10, int(one.min()) % 10, bool(one[0, 0] > one[0, 1])) for one in found}
    assert corners == {(top, left, flip) for top in range(4) for left in range(4) for flip in (False, True)}


def test_an_epoch_is_not_the_same_as_the_one_before(tmp_path):
    Image.fromarray(CASES.picture("b")).save(tmp_path / "p.png")
    (tmp_path / "m.txt").write_text(".../p.png\t0\n")
    streams = C.io.StreamDefs(
        x=C.io.StreamDef(field="image", transforms=[C.io.transforms.crop("randomside", 5)])
    )
    source = C.io.MinibatchSource(C.io.ImageDeserializer(tmp_path / "m.txt", streams))
    first, second = (source.next_minibatch(1)[source.streams.x].asarray() for _ in range(2))
    assert np.abs(first - second).max() > 0


def test_a_network_learns_from_pictures(tmp_path):
    for name, colour in (("red", (200, 20, 20)), ("blue", (20, 20, 200))):
        Image.new("RGB", (6, 5), colour).save(tmp_path / f"{name}.jpg")
    (tmp_path / "m.txt").write_text(".../red.jpg\t0\n.../blue.jpg\t1\n")
    streams = C.io.StreamDefs(
        x=C.io.StreamDef(field="image", transforms=[C.io.transforms.scale(4, 4, 3)]),
        y=C.io.StreamDef(field="label", shape=2),
    )
    source = C.io.MinibatchSource(C.io.ImageDeserializer(tmp_path / "m.txt", streams))
    x, y = C.input_variable((3, 4, 4)), C.input_variable(2)
    model = C.layers.Dense(2)(x / 255)
    criterion = (C.cross_entropy_with_softmax(model, y), C.classification_error(model, y))
    trainer = C.Trainer(model, criterion, C.sgd(model.parameters, 0.1))
    for _ in range(20):
        trainer.train_minibatch(source.next_minibatch(2, {x: source.streams.x, y: source.streams.y}))
    assert trainer.previous_minibatch_evaluation_average == 0


def test_what_is_wrong_with_a_reader_of_pictures_is_told(tmp_path):
    def reader(**streams):
        return C.io.ImageDeserializer(tmp_path / "m.txt", C.io.StreamDefs(**streams))

    with pytest.raises(CntkValueError, match="allowed are 'image' and 'label'"):
        reader(x=C.io.StreamDef(field="features"))
    with pytest.raises(CntkValueError, match=r"stream name \('image' or 'label'\) must be specified"):
        reader(y=C.io.StreamDef(field="label", shape=2))
    with pytest.raises(CntkValueError, match="how many classes there are; got None"):
        reader(x=C.io.StreamDef(field="image"), y=C.io.StreamDef(field="label"))
    with pytest.raises(CntkTypeError, match=r"crop\(\.\.\.\), scale"):
        reader(x=C.io.StreamDef(field="image", transforms=["crop"]))
    with pytest.raises(CntkRuntimeError, match="could not open the file"):
        C.io.MinibatchSource(reader(x=C.io.StreamDef(field="image")))
    with pytest.raises(CntkTypeError, match=r"width is a whole number; got 3\.5"):
        C.io.transforms.scale(3.5, 3, 3)
    with pytest.raises(CntkRuntimeError, match="3 channels, or with 1; got 4"):
        C.io.transforms.scale(3, 3, 4)
    bad = tmp_path / "mean.xml"
    bad.write_text("<a><Row>2</Row><Col>x</Col></a>")
    with pytest.raises(CntkRuntimeError, match="is not what OpenCV writes"):
        _ = C.io.transforms.mean(bad).values
    bad.write_text("hello")
    with pytest.raises(CntkRuntimeError, match="there is no Row"):
        _ = C.io.transforms.mean(bad).values


def test_what_is_no_picture_is_told_with_its_line(tmp_path):
    hollow = io.BytesIO()
    Image.new("RGB", (50, 50), "red").save(hollow, "PNG")
    (tmp_path / "cut.png").write_bytes(hollow.getvalue()[:60])
    (tmp_path / "m.txt").write_text(".../cut.png\t0\n")
    with pytest.raises(CntkRuntimeError, match=r"Cannot open file '.../cut.png', of line 0 in .*m.txt: "):
        _read(tmp_path / "m.txt")
    (tmp_path / "m.txt").write_text("none.zip@/a.png\t0\n")
    with pytest.raises(CntkRuntimeError, match=r"Cannot open file .none\.zip@.a\.png"):
        _read(tmp_path / "m.txt")
