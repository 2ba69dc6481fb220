"""Preprocessing against Pillow and numpy written by hand, and through the model's file and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from tiny_models import convnet

import onnx_workbench as ow
from onnx_workbench.core.errors import ImageError, PreprocessingError
from onnx_workbench.core.metadata import PREPROCESSING_KEY

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
TALL = np.ascontiguousarray(PICTURE.transpose(1, 0, 2))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pillow_resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def by_hand(picture: np.ndarray, mean=0.0, std=1.0) -> np.ndarray:
    scaled = picture.astype(np.float64) / 255
    return ((scaled - mean) / std).transpose(2, 0, 1)[np.newaxis]


def test_stretch_is_pillows_resize():
    prepared = ow.Preprocessing(size=(20, 24))(PICTURE)
    assert prepared.dtype == np.float32
    assert prepared.flags.c_contiguous
    np.testing.assert_allclose(prepared, by_hand(pillow_resize(PICTURE, 20, 24)), atol=1e-6)


@pytest.mark.parametrize("picture", [PICTURE, TALL])
def test_crop_is_what_torchvision_does(picture):
    """Resize(16) of the shorter side, then CenterCrop(14), as ImageNet models are evaluated."""
    height, width = picture.shape[:2]
    ratio = 16 / min(height, width)
    whole = pillow_resize(picture, round(height * ratio), round(width * ratio))
    top, left = round((whole.shape[0] - 14) / 2), round((whole.shape[1] - 14) / 2)
    expected = by_hand(whole[top : top + 14, left : left + 14], MEAN, STD)
    how = ow.Preprocessing(size=(14, 14), resize="crop", crop_fraction=14 / 16, mean=MEAN, std=STD)
    np.testing.assert_allclose(how(picture), expected, atol=1e-5)


@pytest.mark.parametrize("picture", [PICTURE, TALL])
@pytest.mark.parametrize("size", [(20, 20), (10, 40), (64, 32)])
def test_pad_shows_the_whole_picture_between_black_borders(picture, size):
    prepared = ow.Preprocessing(size=size, resize="pad", scale=1)(picture)[0]
    assert prepared.shape == (3, *size)
    height, width = picture.shape[:2]
    ratio = min(size[0] / height, size[1] / width)
    inner = pillow_resize(picture, round(height * ratio), round(width * ratio))
    top, left = (size[0] - inner.shape[0]) // 2, (size[1] - inner.shape[1]) // 2
    expected = np.zeros((*size, 3), np.float32)
    expected[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    np.testing.assert_array_equal(prepared, expected.transpose(2, 0, 1))


def test_a_picture_of_the_right_size_is_not_touched():
    for resize in ("stretch", "crop", "pad"):
        prepared = ow.Preprocessing(size=(30, 50), resize=resize, scale=1)(PICTURE)
        np.testing.assert_array_equal(prepared[0], PICTURE.transpose(2, 0, 1))


def test_bgr_swaps_red_and_blue_and_mean_is_in_its_order():
    prepared = ow.Preprocessing(color="BGR", scale=1, mean=(103, 116, 123))(PICTURE)[0]
    np.testing.assert_array_equal(prepared[0], PICTURE[:, :, 2].astype(np.float32) - 103)
    np.testing.assert_array_equal(prepared[2], PICTURE[:, :, 0].astype(np.float32) - 123)


def test_gray_is_the_luma_of_itu_r_601():
    prepared = ow.Preprocessing(color="GRAY", scale=1)(PICTURE)
    assert prepared.shape == (1, 1, 30, 50)
    np.testing.assert_allclose(prepared[0, 0], PICTURE @ np.array([0.299, 0.587, 0.114]), atol=1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("color", ["RGB", "BGR", "GRAY"])
def test_nhwc_is_nchw_with_the_axes_moved(dtype, color):
    channels = 1 if color == "GRAY" else 3
    options = {"color": color, "mean": (0.4,) * channels, "std": (0.2,) * channels, "dtype": dtype}
    first = ow.Preprocessing(**options)([PICTURE, PICTURE])
    last = ow.Preprocessing(layout="NHWC", **options)([PICTURE, PICTURE])
    assert last.dtype == np.dtype(dtype)
    assert last.flags.c_contiguous
    np.testing.assert_array_equal(last, first.transpose(0, 2, 3, 1))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 1e-6), ("float16", 2e-3)])
def test_dtypes_hold_the_same_values(dtype, tolerance):
    prepared = ow.Preprocessing(mean=MEAN, std=STD, dtype=dtype)(PICTURE)
    assert prepared.dtype == np.dtype(dtype)
    np.testing.assert_allclose(prepared, by_hand(PICTURE, MEAN, STD), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("std", [1, 1.0, (1, 1, 1)])
def test_uint8_is_handed_through(std):
    prepared = ow.Preprocessing(dtype="uint8", scale=1, std=std, layout="NHWC")(PICTURE)
    assert prepared.dtype == np.uint8
    np.testing.assert_array_equal(prepared[0], PICTURE)


def test_one_many_files_and_batches_agree(tmp_path):
    pictures = np.random.default_rng(1).integers(0, 256, (40, 30, 50, 3), np.uint8)
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{index:02}.png")
    how = ow.Preprocessing(size=(30, 50), color="BGR", mean=MEAN, std=STD)
    singly = np.concatenate([how(picture) for picture in pictures])
    np.testing.assert_array_equal(how(pictures), singly)
    np.testing.assert_array_equal(how(list(pictures)), singly)
    np.testing.assert_array_equal(how(tmp_path), singly)
    np.testing.assert_array_equal(how([str(path) for path in sorted(tmp_path.iterdir())]), singly)


def test_pictures_of_several_sizes_need_a_size():
    with pytest.raises(PreprocessingError, match=r"Picture 0 is 30 x 50 .* picture 1 is 50 x 30.*size="):
        ow.Preprocessing()([PICTURE, TALL])
    assert ow.Preprocessing(size=8)([PICTURE, TALL]).shape == (2, 3, 8, 8)


def test_an_unreadable_picture_among_many_is_named(tmp_path):
    paths = [tmp_path / f"{index}.png" for index in range(9)]
    for path in paths:
        Image.fromarray(PICTURE).save(path)
    paths[7].write_bytes(b"broken")
    with pytest.raises(ImageError, match=r"7\.png.* cannot be read"):
        ow.Preprocessing(size=8)(paths)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("color", ["RGB", "BGR", "GRAY"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_picture_of_is_the_inverse(layout, color, dtype):
    grey = np.repeat(PICTURE[:, :, :1], 3, axis=2)
    channels = 1 if color == "GRAY" else 3
    how = ow.Preprocessing(
        color=color,
        layout=layout,
        mean=(0.4, 0.5, 0.6)[:channels],
        std=(0.2, 0.3, 0.4)[:channels],
        dtype=dtype,
    )
    batch = how(grey if color == "GRAY" else PICTURE)
    np.testing.assert_array_equal(how.picture_of(batch[0]), grey if color == "GRAY" else PICTURE)
    np.testing.assert_array_equal(how.picture_of(batch), how.picture_of(batch[0]))


def test_picture_of_shows_mistakes_and_clips_what_no_picture_holds():
    how = ow.Preprocessing()
    swapped = ow.Preprocessing(color="BGR")(PICTURE)
    np.testing.assert_array_equal(how.picture_of(swapped), PICTURE[:, :, ::-1])
    extreme = np.array([[[np.nan, np.inf, -np.inf, 9e9]]] * 3, np.float32)
    assert how.picture_of(extreme)[0, :, 0].tolist() == [0, 255, 0, 255]
    with pytest.raises(
        PreprocessingError, match=r"\(C, height, width\) with C = 3 was expected; got \(30, 50, 3\)"
    ):
        how.picture_of(PICTURE)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("color", ["RGB", "GRAY"])
def test_show_pictures_every_plane(layout, color):
    how = ow.Preprocessing(size=(8, 8), layout=layout, color=color)
    sheet = how.show(PICTURE)
    assert isinstance(sheet, Image.Image)
    blank = Image.new("RGB", sheet.size, "white")
    assert np.asarray(sheet).std() > np.asarray(blank).std()


def test_a_sheet_can_be_read_on_light_and_dark_notebooks():
    sheet = ow.Preprocessing(size=(8, 8)).show(PICTURE)
    clear = np.asarray(sheet)[..., 3] == 0
    assert clear[0].all()  # the notebook's own colour is around the tiles
    assert clear[:, 0].all()
    for ground in ("white", "#111111"):
        page = Image.new("RGBA", sheet.size, ground)
        page.alpha_composite(sheet)
        captions = np.asarray(page.convert("L"), np.float64)[-32:]  # the last two lines of text
        assert abs(captions - captions[0, 0]).max() > 90


FIELDS = [
    {},
    {"size": 7, "resize": "crop", "crop_fraction": 0.875, "mean": MEAN, "std": STD},
    {
        "size": (4, 9),
        "color": "BGR",
        "layout": "NHWC",
        "scale": 1,
        "mean": [1, 2, 3],
        "interpolation": "nearest",
    },
    {"color": "GRAY", "dtype": "uint8", "scale": 1},
    {"size": np.int64(5), "mean": np.array(MEAN), "scale": np.float32(0.5), "dtype": "float16"},
    {"mean": np.float32(0.5), "std": np.array(2)},
]


@pytest.mark.parametrize("fields", FIELDS)
def test_it_goes_through_json_and_a_models_file_and_back(fields, tmp_path):
    how = ow.Preprocessing(**fields)
    assert ow.Preprocessing.from_dict(json.loads(json.dumps(how.to_dict()))) == how
    saved = ow.open_model(convnet()).with_metadata(preprocessing=how).save(tmp_path / "m.onnx")
    assert ow.open_model(saved).preprocessing == how
    assert json.loads(ow.open_model(saved).metadata[PREPROCESSING_KEY])["layout"] == how.layout


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"resize": "squash"}, r"resize='squash'\): possible are 'stretch', 'crop', 'pad'"),
        ({"color": "rgb"}, "possible are 'RGB', 'BGR', 'GRAY'"),
        ({"layout": "CHW"}, "possible are 'NCHW', 'NHWC'"),
        ({"dtype": "int8"}, "possible are 'float32'"),
        ({"size": (0, 5)}, "each from 1 to 32,768"),
        ({"size": (5, 99999)}, "each from 1 to 32,768"),
        ({"size": (32768, 32768)}, "at most 67,108,864 pixels"),
        ({"size": "224"}, r"size is \(height, width\)"),
        ({"size": (1, 2, 3)}, r"size is \(height, width\)"),
        ({"size": True}, r"size is \(height, width\)"),
        ({"size": (True, True)}, r"size is \(height, width\)"),
        ({"size": (2.0, 2.0)}, r"size is \(height, width\)"),
        ({"crop_fraction": 0}, "above 0 and up to 1"),
        ({"crop_fraction": 1.5}, "above 0 and up to 1"),
        ({"scale": 0}, "scale=0 would make every picture black"),
        ({"scale": "1/255"}, "scale takes numbers"),
        ({"scale": float("nan")}, "scale takes finite numbers"),
        ({"scale": 10**400}, "scale takes finite numbers"),
        ({"scale": 1e-320}, "scale takes finite numbers"),
        ({"std": 0}, "std=0 would divide by zero"),
        ({"std": (1, 1, 0)}, "std=0 would divide by zero"),
        ({"mean": (1, 2)}, r"mean has 2 number\(s\), and color='RGB' has 3"),
        ({"mean": "0.5"}, "mean is a number, or one number for each"),
        ({"mean": [[1], [2], [3]]}, "mean takes numbers"),
        ({"mean": (1, 2, float("inf"))}, "mean takes finite numbers"),
        ({"color": "GRAY", "mean": MEAN}, "color='GRAY' has 1 channel"),
        ({"dtype": "uint8"}, "dtype='uint8' goes with scale=1"),
        ({"resize": []}, "possible are"),
        ({"colour": "RGB"}, r"no 'colour'\. It has color, "),
    ],
)
def test_fields_that_cannot_be_are_refused_also_from_a_file(fields, says):
    with pytest.raises(PreprocessingError, match=says):
        ow.Preprocessing.from_dict(fields)
    proto = convnet()
    proto.metadata_props.add(key=PREPROCESSING_KEY, value=json.dumps(fields))
    opened = ow.open_model(proto)
    with pytest.raises(PreprocessingError, match=says):
        _ = opened.preprocessing
    assert "not understood" in " ".join(ow.summarize(opened).preprocessing)


@pytest.mark.parametrize("text", ["", "[", "[]", "null", "3", '"x"', "[" * 100_000, '{"scale": 1e999}'])
def test_metadata_that_is_no_description_is_refused(text):
    proto = convnet()
    proto.metadata_props.add(key=PREPROCESSING_KEY, value=text)
    with pytest.raises(PreprocessingError, match=r"is no JSON|takes finite"):
        _ = ow.open_model(proto).preprocessing


@pytest.mark.parametrize("fields", FIELDS)
def test_the_steps_in_words_name_what_is_done(fields):
    how = ow.Preprocessing(**fields)
    text = str(how)
    assert ("BGR" in text) == (how.color == "BGR")
    assert ("np.transpose" in text) == (how.layout == "NCHW")
    assert f"dtype {how.dtype}" in text
    assert how._repr_html_().count("<li>") == len(how.steps)
    assert repr(ow.Preprocessing(**fields)) == repr(how)


def test_no_pictures_are_named():
    with pytest.raises(ImageError, match=r"No pictures: the array has shape \(0, 8, 8, 3\)"):
        ow.Preprocessing()(np.zeros((0, 8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    ("shape", "fraction"), [((1, 60_000), 1.0), ((60_000, 1), 1.0), ((30, 50), 1e-4)], ids=str
)
def test_cutting_out_of_a_picture_enlarged_beyond_measure_is_refused(shape, fraction):
    """A file of a few bytes would take gigabytes."""
    how = ow.Preprocessing(size=224, resize="crop", crop_fraction=fraction)
    with pytest.raises(ImageError, match=r"enlarged to [\d,]+ x [\d,]+ .*\n.*resize='stretch' or 'pad'"):
        how(np.zeros((*shape, 3), np.uint8))
