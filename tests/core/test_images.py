"""Pictures of every kind become HWC uint8 RGB, upright; what is no picture is refused before it costs anything."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw
from processor_time import bounded_work

import onnx_workbench as ow
from onnx_workbench.core.errors import ImageError
from onnx_workbench.core.images import iterate_images

SIZE = (7, 5)  # width, height: never square, so that swapped axes show


def gradient() -> np.ndarray:
    """A picture of which every pixel is different, HWC."""
    height, width = SIZE[1], SIZE[0]
    return np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3) * 2


def encoded(picture: Image.Image, file_format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("how", ["path", "text", "bytes", "bytearray", "memoryview", "file", "PIL", "array"])
def test_every_way_to_give_a_picture_gives_the_same(tmp_path, how):
    picture = Image.fromarray(gradient())
    path = tmp_path / "p.png"
    picture.save(path)
    content = path.read_bytes()
    ways = {
        "path": path,
        "text": str(path),
        "bytes": content,
        "bytearray": bytearray(content),
        "memoryview": memoryview(content),
        "file": io.BytesIO(content),
        "PIL": picture,
        "array": gradient(),
    }
    loaded = ow.load_image(ways[how])
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, gradient())


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "TGA", "JPEG2000"])
def test_lossless_formats_give_the_very_pixels(file_format):
    options = {"lossless": True} if file_format == "WEBP" else {}
    content = encoded(Image.fromarray(gradient()), file_format, **options)
    np.testing.assert_array_equal(ow.load_image(content), gradient())


def test_the_array_of_a_file_may_be_written_to():
    """A learner who paints into a picture should not meet a read-only array."""
    loaded = ow.load_image(encoded(Image.fromarray(gradient())))
    loaded[0, 0] = 255
    assert loaded[0, 0].tolist() == [255, 255, 255]


# What the viewer must do to the stored pixels for each orientation (EXIF 2.32, tag 0x0112).
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation, file_format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    content = encoded(Image.fromarray(gradient()), file_format, exif=exif, **options)
    np.testing.assert_array_equal(ow.load_image(content), UPRIGHT[orientation](gradient()))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, of corrupt EXIF
def test_broken_exif_is_passed_over_or_refused():
    dice = random.Random(1)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    content = encoded(Image.fromarray(gradient()), "JPEG", exif=exif)
    for _ in range(300):
        broken = bytearray(content)
        for _ in range(dice.randrange(1, 5)):
            broken[dice.randrange(20, 120)] = dice.randrange(256)
        try:
            assert ow.load_image(bytes(broken)).shape[2] == 3
        except ImageError:
            continue


def on_white(rgb, alpha: float) -> np.ndarray:
    return np.rint(np.array(rgb) * alpha + 255 * (1 - alpha))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.new("RGBA", SIZE, (200, 100, 0, 255)), [200, 100, 0]),
        (Image.new("RGBA", SIZE, (200, 100, 0, 0)), [255, 255, 255]),
        (Image.new("RGBA", SIZE, (200, 100, 0, 51)), on_white((200, 100, 0), 0.2)),
        (Image.new("LA", SIZE, (100, 255)), [100, 100, 100]),
        (Image.new("LA", SIZE, (100, 0)), [255, 255, 255]),
        (Image.new("L", SIZE, 100), [100, 100, 100]),
        (Image.new("1", SIZE, 1), [255, 255, 255]),
        (Image.new("1", SIZE, 0), [0, 0, 0]),
        (Image.new("CMYK", SIZE, (0, 255, 255, 0)), [255, 0, 0]),
        (Image.new("YCbCr", SIZE, (255, 128, 128)), [255, 255, 255]),
        (Image.new("HSV", SIZE, (0, 0, 80)), [80, 80, 80]),
        (Image.new("P", SIZE, 0), [0, 0, 0]),
        (Image.fromarray(np.full((5, 7), 65535, np.uint16)), [255, 255, 255]),
        (Image.fromarray(np.full((5, 7), 257 * 80, np.uint16)), [80, 80, 80]),
        (Image.fromarray(np.full((5, 7), 200, np.uint16)), [1, 1, 1]),
        (Image.fromarray(np.full((5, 7), 30000, np.int32)), on_white((30000 / 257,) * 3, 1)),
        (Image.fromarray(np.full((5, 7), 0.5, np.float32)), [128, 128, 128]),
        (Image.fromarray(np.full((5, 7), 128.0, np.float32)), [128, 128, 128]),
    ],
)
def test_modes_of_pillow_become_rgb(picture, expected):
    loaded = ow.load_image(picture)
    assert loaded.shape == (5, 7, 3)
    np.testing.assert_allclose(loaded.reshape(-1, 3), np.tile(expected, (35, 1)), atol=1)


def test_sixteen_bit_grey_png_keeps_its_range():
    values = np.linspace(0, 65535, 35).astype(np.uint16).reshape(5, 7)
    loaded = ow.load_image(encoded(Image.fromarray(values)))
    np.testing.assert_allclose(loaded[:, :, 0], values / 257, atol=0.6)


def test_a_cmyk_jpeg_is_read():
    content = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100)
    np.testing.assert_allclose(ow.load_image(content)[8, 8], [255, 0, 0], atol=4)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_colour_becomes_white(mode):
    """A palette entry, a grey or one RGB colour of a PNG or GIF can stand for "transparent"."""
    picture = Image.new("RGB", SIZE, (10, 20, 30))
    ImageDraw.Draw(picture).rectangle((0, 0, 2, 4), fill=(200, 200, 200))
    picture = picture.convert(mode)
    key = picture.getpixel((0, 0))
    loaded = ow.load_image(encoded(picture, "PNG", transparency=key))
    assert loaded[0, 0].tolist() == [255, 255, 255]
    assert loaded[0, 6].tolist() != [255, 255, 255]


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert ow.load_image(content)[0, 0].tolist() == [255, 0, 0]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("side", [11_000, 60_000, 2_000_000_000])
def test_a_picture_that_claims_too_many_pixels_is_refused_before_it_is_decoded(side):
    content = png(side, side)
    tracemalloc.start()
    with bounded_work(2), pytest.raises(ImageError, match=r"pixels"):
        ow.load_image(content)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_the_limit_can_be_moved():
    content = encoded(Image.fromarray(gradient()))
    with pytest.raises(ImageError, match=r"has 7 x 5 pixels, more than the 34 that are read"):
        ow.load_image(content, max_pixels=34)
    assert ow.load_image(content, max_pixels=35).shape == (5, 7, 3)
    with pytest.raises(ImageError, match="more than the 34"):
        ow.load_image(Image.fromarray(gradient()), max_pixels=34)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_pictures_without_pixels_are_refused(size):
    with pytest.raises(ImageError, match=r"no pixels|cannot be read"):
        ow.load_image(png(*size))
    with pytest.raises(ImageError, match="no pixels"):
        ow.load_image(np.zeros((*size, 3), np.uint8))
    with pytest.raises(ImageError, match="no pixels"):
        ow.load_image(Image.new("RGB", size))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is an empty file"),
        (b"\0" * 300, "it is a file of zeros"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 102\n",
            "it is a Git LFS pointer",
        ),
        (b"<!DOCTYPE html><html>a page about the picture</html>", "it is an HTML page"),
        (b"Not Found", "it is a text file"),
        (b"GIF89a\0\0\0\0\0\0\0", "no pixels"),
        (png(0, 5), "no pixels"),
        (b"\x89PNG\r\n\x1a\n", "its header is damaged"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 50, "its content is none of PNG"),
    ],
)
@pytest.mark.parametrize("how", ["path", "bytes", "file"])
def test_what_is_no_picture_is_called_by_its_name(tmp_path, content, says, how):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    source = {"path": path, "bytes": content, "file": io.BytesIO(content)}[how]
    with pytest.raises(ImageError, match=f"cannot be read as a picture: .*{says}"):
        ow.load_image(source)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(pwned) print flush\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="http://example.com"/></svg>'


@pytest.mark.parametrize(
    "content", [b"", b"a note", EPS, SVG, b"%PDF-1.4", b"\0" * 100, b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_picture_is_refused(content, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    for source in (content, path):
        with pytest.raises(ImageError, match=r"cannot be read as a picture: "):
            ow.load_image(source)


def test_postscript_is_never_handed_to_another_program(monkeypatch):
    def forbidden(*_arguments, **_options):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", forbidden)
    with pytest.raises(ImageError, match="none of PNG"):
        ow.load_image(EPS)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_picture_cut_off_anywhere_is_refused_or_read(file_format):
    content = encoded(Image.fromarray(gradient()).resize((40, 40)), file_format)
    refused = 0
    for length in range(0, len(content) - 1, max(1, len(content) // 60)):
        try:
            ow.load_image(content[:length])
        except ImageError:
            refused += 1
    assert refused > 20


def test_a_truncated_jpeg_says_so():
    content = encoded(Image.fromarray(gradient()).resize((90, 90)), "JPEG")
    with pytest.raises(ImageError, match="seems damaged or cut off"):
        ow.load_image(content[: len(content) // 2])


@pytest.mark.parametrize(
    "file_format", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "JPEG2000", "ICO", "TGA"]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_flipped_bytes_are_refused_or_read(file_format):
    dice = random.Random(file_format)
    content = encoded(Image.fromarray(gradient()).resize((32, 32)), file_format)
    for _ in range(80):
        broken = bytearray(content)
        for _ in range(dice.randrange(1, 6)):
            broken[dice.randrange(min(len(broken), 300))] = dice.randrange(256)
        try:
            ow.load_image(bytes(broken), max_pixels=10_000_000)
        except ImageError:
            continue


def test_missing_files_and_folders_are_told_apart(tmp_path):
    with pytest.raises(ImageError, match=r"'gone\.png' does not exist \(working folder"):
        ow.load_image("gone.png")
    with pytest.raises(ImageError, match="is a folder"):
        ow.load_image(tmp_path)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (
            np.zeros((3, 40, 50), np.uint8),
            r"seems to be CHW already.\n.*np\.transpose\(picture, \(1, 2, 0\)\)",
        ),
        (
            np.zeros((2, 40, 50, 3), np.uint8),
            r"a batch of 2 pictures where one is expected\. Take picture\[0\]",
        ),
        (
            np.zeros((40, 50, 3), np.float32),
            r"in 0\.\.1: give  \(picture \* 255\)\.round\(\)\.astype\(np\.uint8\)",
        ),
        (np.zeros((40, 50, 3), np.float64) + 9, r"float64 .*\nConvert it with  picture\.astype\(np\.uint8\)"),
        (
            np.zeros((40, 50, 3), np.float32) - 1,
            "seems to be normalised already; give prepared arrays to run",
        ),
        (np.zeros((40, 50, 3), np.int64), r"are uint8 arrays .*; this one is int64"),
        (np.full((40, 50, 3), np.nan), "this one is float64"),
        (np.zeros((40, 50, 7), np.uint8), r"has shape \(height, width, 3\)"),
        (np.zeros(9, np.uint8), r"has shape \(height, width, 3\)"),
        (np.zeros((1, 2, 3, 4, 5), np.uint8), r"has shape \(height, width, 3\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
def test_arrays_that_are_no_pictures_say_which_line_mends_them(array, says):
    with pytest.raises(ImageError, match=says):
        ow.load_image(array)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
def test_arrays_of_one_three_and_four_channels_are_pictures(shape):
    loaded = ow.load_image(np.full(shape, 255, np.uint8))
    assert loaded.shape == (5, 7, 3)
    assert (loaded == 255).all()


@pytest.mark.parametrize("thing", [None, 3, {"a": 1}, object()])
def test_other_things_are_named(thing):
    with pytest.raises(ImageError, match=f"got {type(thing).__name__}"):
        ow.load_image(thing)


def test_one_many_and_folders(tmp_path):
    for name in ("b.png", "a.JPG", "note.txt"):
        (tmp_path / name).touch()
    (tmp_path / "sub.png").mkdir()
    assert [path.name for path in iterate_images(tmp_path)] == ["a.JPG", "b.png"]
    assert len(list(iterate_images(np.zeros((4, 5, 7, 3), np.uint8)))) == 4
    assert list(iterate_images(["a", "b"])) == ["a", "b"]
    assert list(iterate_images("a")) == ["a"]
    with pytest.raises(ImageError, match="the list is empty"):
        list(iterate_images([]))
    with pytest.raises(ImageError, match=r"holds no pictures \(.*\.png"):
        list(iterate_images(tmp_path / "sub.png"))


def test_names_of_files_are_cleaned_in_errors(tmp_path):
    with pytest.raises(ImageError) as caught:
        ow.load_image(tmp_path / "\x1b[31mred.png")
    assert "\x1b" not in str(caught.value)
    assert sys.getsizeof(str(caught.value)) < 2000
