"""Pictures in, arrays out: reading picture files safely, and Preprocessing."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from onnx_workbench.core.content import HEAD_BYTES, recognise
from onnx_workbench.core.errors import ImageError
from onnx_workbench.core.formatting import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator

ImageLike: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]"
"""What counts as one picture: a file, its bytes, a PIL picture, or an HWC uint8 RGB array."""

LARGEST_PIXELS = 100_000_000
"""Pictures of more pixels are refused before they are decoded (a few bytes can claim gigapixels)."""

# Formats that Pillow decodes itself. EPS, for one, would be handed to another program.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "ICO", "AVIF", "JPEG2000", "TGA")
SUFFIXES = frozenset(
    (
        ".png",
        ".jpg",
        ".jpeg",
        ".bmp",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".avif",
        ".jp2",
        ".tga",
    )
)
_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)


def load_image(source: ImageLike, *, max_pixels: int = LARGEST_PIXELS) -> NDArray[np.uint8]:
    """Return a picture as an HWC uint8 RGB array, upright.

    Parameters
    ----------
    source
        A file, its bytes, a PIL picture, or an array: HWC or HW, uint8 (returned as RGB).
        EXIF rotation is applied; transparent parts become white; CMYK, palette, grey and 16-bit pictures are
        converted; of an animation, the first frame is taken.
    max_pixels
        Larger pictures are refused before they are decoded.

    Returns
    -------
    ndarray
        Shape (height, width, 3), dtype uint8, values 0 to 255, channels in RGB order.

    Raises
    ------
    ImageError
        If it cannot be read as a picture, is damaged, empty, or larger than `max_pixels`.

    Examples
    --------
    >>> ow.load_image("portrait.jpg").shape
    (600, 512, 3)
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    return np.array(open_image(source, max_pixels=max_pixels))  # a copy: Pillow's own memory is read-only


def open_image(
    source: ImageLike, *, max_pixels: int = LARGEST_PIXELS, background: str | None = "white"
) -> Image.Image:
    """Return a picture as an upright RGB PIL picture; the rules of `load_image` hold.

    With `background=None` transparent parts keep the colours that lie under them.
    """
    if isinstance(source, np.ndarray):
        return Image.fromarray(_from_array(source))
    name = _describe(source)
    try:
        picture = _open(source, name)
        width, height = picture.size
        if width * height > max_pixels:
            raise ImageError(
                f"{name} has {width:,} x {height:,} pixels, more than the {max_pixels:,} that are read.\n"
                "A damaged or hostile file can claim any size. If it is meant, give max_pixels=..., or shrink it."
            )
        if width == 0 or height == 0:
            raise ImageError(f"{name} has no pixels ({width} x {height}).")
        return _as_rgb(picture, background)
    except ImageError:
        raise
    except (Image.DecompressionBombError, *_DECODING_ERRORS) as error:
        raise ImageError(f"{name} cannot be read as a picture: {_reason(error, source)}") from error


def _image_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the picture files of a folder, by name; sub-folders are not entered."""
    return sorted(
        path
        for path in Path(folder).expanduser().iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file()
    )


def _describe(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return f"The picture {clean_text(os.fspath(source))!r}"
    return f"The picture given as {type(source).__name__}"


def _reason(error: BaseException, source: object) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return (
            "it claims far more pixels than any real picture has. If they are meant, shrink it, or raise "
            "PIL.Image.MAX_IMAGE_PIXELS and give max_pixels."
        )
    if isinstance(error, UnidentifiedImageError):
        return _reason_of_content(_head(source))
    return f"{clean_text(str(error)) or type(error).__name__}. The file seems damaged or cut off."


def _reason_of_content(head: bytes) -> str:
    """Return why Pillow knows no format for content of these first bytes."""
    if head.startswith((b"GIF8", b"\x89PNG", b"BM", b"\xff\xd8\xff")):
        return "it begins like one, but it has no pixels or its header is damaged."
    found = recognise(head)
    formats = f"none of {', '.join(FORMATS)}"
    return f"it is {found[0]}, and {formats}." if found else f"its content is {formats}."


def _head(source: object) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(memoryview(source)[:HEAD_BYTES])
    try:
        if isinstance(source, (str, os.PathLike)):
            with Path(source).expanduser().open("rb") as file:
                return file.read(HEAD_BYTES)
        source.seek(0)  # type: ignore[attr-defined]
        return bytes(source.read(HEAD_BYTES))  # type: ignore[attr-defined]
    except (OSError, ValueError):  # gone, or closed, in the meantime
        return b"?"


def _open(source: object, name: str) -> Image.Image:
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        file: object = io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise ImageError(f"{name} {what} (working folder: {Path.cwd()}).")
        file = path
    elif hasattr(source, "read"):
        file = source
    else:
        raise ImageError(
            f"A picture can be a path, bytes, a PIL picture or an HWC uint8 array; got {type(source).__name__}."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # max_pixels decides
        return Image.open(file, formats=FORMATS)  # type: ignore[arg-type]


def _as_rgb(picture: Image.Image, background: str | None = "white") -> Image.Image:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode == "RGB" and "transparency" not in picture.info:
        picture.load()
        return picture
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_wide(picture)
    if picture.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        if background is not None:
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, background), picture)
        return picture.convert("RGB")
    return picture.convert("RGB")


def _from_wide(picture: Image.Image) -> Image.Image:
    """Return a grey picture of 16 or 32 bits with its range brought to 0..255; Pillow alone would clip it."""
    pixels = np.asarray(picture).astype(np.float64)
    top = float(np.nanmax(pixels)) if pixels.size else 0.0
    if picture.mode == "F":
        factor = 255.0 if top <= 1 else 1.0
    else:
        factor = 255 / 65535 if picture.mode.startswith("I;16") or top > 255 else 1.0
    if not np.isfinite(pixels).all() or pixels.min() < 0 or top * factor > 255.5:
        raise ImageError(
            f"A grey picture with values from {pixels.min():g} to {top:g} has no agreed range. "
            "Scale it to 0..255 and give it as a uint8 array."
        )
    grey = np.rint(pixels * factor).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _from_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    shape = array.shape
    if array.dtype != np.uint8:
        raise ImageError(_dtype_advice(array))
    if 0 in shape:
        raise ImageError(f"A picture array of shape {shape} has no pixels.")
    if array.ndim == 2:
        return np.repeat(array[:, :, np.newaxis], 3, axis=2)
    if array.ndim == 3 and shape[2] in {1, 3}:
        return np.repeat(array, 3, axis=2) if shape[2] == 1 else array
    if array.ndim == 3 and shape[2] == 4:
        return np.asarray(_as_rgb(Image.fromarray(array)))
    if array.ndim == 3 and shape[0] in {1, 3, 4}:
        raise ImageError(
            f"A picture array has shape (height, width, 3), and this one has {shape}: it seems to be CHW already.\n"
            "Turn it back with  np.transpose(picture, (1, 2, 0)),  or give prepared arrays to run()."
        )
    if array.ndim == 4:
        raise ImageError(
            f"This array has shape {shape}: a batch of {shape[0]} pictures where one is expected. Take picture[0]."
        )
    raise ImageError(f"A picture array has shape (height, width, 3) or (height, width); got {shape}.")


def _dtype_advice(array: NDArray[Any]) -> str:
    advice = "Convert it with  picture.astype(np.uint8)."
    if array.dtype.kind == "f" and array.size:
        top = float(np.nanmax(array))
        if top <= 1.0 and float(np.nanmin(array)) >= 0:
            advice = "Its values lie in 0..1: give  (picture * 255).round().astype(np.uint8)."
        elif float(np.nanmin(array)) < 0:
            advice = (
                "It has negative values: it seems to be normalised already; give prepared arrays to run()."
            )
    return f"Pictures are uint8 arrays with values 0..255; this one is {array.dtype} of shape {array.shape}.\n{advice}"


def iterate_images(pictures: object) -> Iterator[ImageLike]:
    """Yield single pictures of whatever stands for one or many: a picture, a folder, a list, an NHWC array."""
    if isinstance(pictures, (str, os.PathLike)) and Path(pictures).expanduser().is_dir():
        files = _image_files(pictures)
        if not files:
            raise ImageError(
                f"The folder {clean_text(os.fspath(pictures))!r} holds no pictures ({', '.join(sorted(SUFFIXES))})."
            )
        yield from files
    elif isinstance(pictures, np.ndarray) and pictures.ndim == 4:
        if not len(pictures):
            raise ImageError(f"No pictures: the array has shape {pictures.shape}.")
        yield from pictures
    elif isinstance(pictures, (list, tuple)):
        if not pictures:
            raise ImageError("No pictures: the list is empty.")
        yield from pictures
    else:
        yield pictures  # type: ignore[misc]
