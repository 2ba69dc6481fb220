"""What is done to pictures as they are read, by CNTK's names: crop, scale, mean, color."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.internal.sanitize import sanitize_2d_number, sanitize_range
from onnx_workbench.cntk.io.picture_sizes import resized

__all__ = ["color", "crop", "mean", "scale"]

Array = NDArray[Any]
_ATTEMPTS = 10


class Draws:
    """Random numbers of one transform: those of the Mersenne twister that begins at 0, as CNTK's do for a picture."""

    def __init__(self) -> None:
        self._words = np.random.RandomState(0)

    def unit(self) -> float:
        """Return a number from 0 to below 1."""
        return int(self._words.randint(0, 2**32, dtype=np.uint64)) / 2**32

    def between(self, low: float, high: float) -> float:
        """Return a number between two; the first one itself if they are the same, and nothing is drawn."""
        return low if low == high else low + (high - low) * self.unit()

    def below(self, count: int) -> int:
        """Return a whole number from 0 to below `count`."""
        return int(self.unit() * count)


class Transform(ABC):
    """What is done to a picture: rows, columns and channels (blue, green, red), of bytes or float32."""

    @abstractmethod
    def apply(self, pixels: Array, draws: Draws) -> Array:
        """Return the picture that becomes of one."""


@dataclass(frozen=True)
class Crop(Transform):
    """A part of a picture; see `crop`."""

    kind: str
    size: tuple[int, int]
    side: tuple[float, float]
    area: tuple[float, float]
    aspect: tuple[float, float]
    jitter: bool

    def apply(self, pixels: Array, draws: Draws) -> Array:
        """Return the part."""
        rows, columns = pixels.shape[:2]
        width, height = self._sides(rows, columns, draws)
        flip = False
        if self.kind == "center":
            left, top = (columns - width) // 2, (rows - height) // 2
        elif self.kind == "multiview10":  # CNTK 2.7 reads the first of the ten views, and no other
            left, top = 0, 0
        else:
            left, top = draws.below(columns - width + 1), draws.below(rows - height + 1)
            flip = draws.unit() <= 0.5
        part = pixels[top : top + height, left : left + width]
        return part[:, ::-1] if flip else part

    def _sides(self, rows: int, columns: int, draws: Draws) -> tuple[int, int]:
        if all(self.size):
            return min(self.size[0], columns), min(self.size[1], rows)
        if any(self.side) and any(self.area):
            raise CntkRuntimeError(
                "sideRatio and areaRatio cannot be specified simultaneously: give one of them."
            )
        if not any(self.side) and not any(self.area):
            return columns, rows
        for _ in range(_ATTEMPTS):
            if any(self.side):
                length = min(rows, columns) * self._drawn(self.side, draws)
            else:
                length = float(np.sqrt(rows * columns * self._drawn(self.area, draws)))
            width = height = int(np.floor(length + 0.5))
            if self.aspect != (1, 1):
                ratio = float(np.float32(self._drawn(self.aspect, draws))) ** 0.5
                if draws.unit() <= 0.5:
                    ratio = 1 / ratio
                width, height = int(width / ratio), int(height * ratio)
            if 0 < width <= columns and 0 < height <= rows:
                return width, height
        return columns, rows

    def _drawn(self, ends: tuple[float, float], draws: Draws) -> float:
        return draws.between(*ends) if self.jitter else ends[0]


@dataclass(frozen=True)
class Scale(Transform):
    """Another size; see `scale`."""

    width: int
    height: int
    channels: int
    interpolation: str
    mode: str
    pad: int

    def apply(self, pixels: Array, draws: Draws) -> Array:
        """Return the picture in its new size."""
        del draws
        if self.mode == "fill":
            return resized(pixels, self.width, self.height, self.interpolation)
        rows, columns = pixels.shape[:2]
        by_width = columns < rows if self.mode == "crop" else columns > rows
        if by_width:
            width, height = self.width, int(np.floor(rows * self.width / columns + 0.5))
        else:
            width, height = int(np.floor(columns * self.height / rows + 0.5)), self.height
        inner = resized(pixels, max(width, 1), max(height, 1), self.interpolation)
        return self._cut(inner) if self.mode == "crop" else self._padded(inner)

    def _cut(self, pixels: Array) -> Array:
        rows, columns = pixels.shape[:2]
        left, top = max(0, columns - self.width) // 2, max(0, rows - self.height) // 2
        return pixels[top : top + self.height, left : left + self.width]

    def _padded(self, pixels: Array) -> Array:
        rows, columns = pixels.shape[:2]
        top, left = max(0, self.height - rows) // 2, max(0, self.width - columns) // 2
        bottom, right = max(0, self.height - rows - top), max(0, self.width - columns - left)
        sides = ((top, bottom), (left, right), (0, 0))
        if self.pad == -1:
            return np.pad(pixels, sides, "edge")
        value = min(self.pad, 255) if pixels.dtype == np.uint8 else self.pad
        return np.pad(pixels, sides, "constant", constant_values=value)


@dataclass(frozen=True)
class Mean(Transform):
    """A mean that is taken off; see `mean`."""

    filename: str

    def apply(self, pixels: Array, draws: Draws) -> Array:
        """Return the picture less the mean; a mean of another size is left alone, as CNTK leaves it."""
        del draws
        if pixels.shape != self.values.shape:
            return pixels
        return pixels.astype(np.float32) - self.values

    @cached_property
    def values(self) -> Array:
        """Rows, columns and channels of the mean.

        Raises
        ------
        CntkRuntimeError
            If the file cannot be read, or is no mean.
        """
        return _mean_in(Path(self.filename).expanduser())


@dataclass(frozen=True)
class Color(Transform):
    """Brightness, contrast and saturation at random; see `color`."""

    brightness: float
    contrast: float
    saturation: float

    def apply(self, pixels: Array, draws: Draws) -> Array:
        """Return the picture in other colours."""
        found = pixels.astype(np.float32)
        if self.brightness or self.contrast:
            shift = self._drawn(self.brightness, draws) * float(found.mean(dtype=np.float64))
            factor = 1 + self._drawn(self.contrast, draws)
            found = np.clip(found * np.float32(factor) + np.float32(shift), 0, 255)
        if self.saturation and found.shape[2] == 3:
            factor = 1 + self._drawn(self.saturation, draws)
            most, least = found.max(2, keepdims=True), found.min(2, keepdims=True)
            spread = np.maximum(most - least, np.finfo(np.float32).tiny)
            stretch = np.minimum(np.float32(factor), most / spread)
            found = most - (most - found) * stretch
        return found

    def _drawn(self, radius: float, draws: Draws) -> float:
        return draws.between(-radius, radius) if radius else 0.0


def crop(
    crop_type: str = "center",
    crop_size: Any = 0,
    side_ratio: Any = 0.0,
    area_ratio: Any = 0.0,
    aspect_ratio: Any = 1.0,
    jitter_type: str = "none",
) -> Crop:
    """Return a transform that cuts a part out.

    Parameters
    ----------
    crop_type
        ``"center"``; ``"randomside"`` or ``"randomarea"``: anywhere, and every second one mirrored; ``"multiview10"``:
        the corner at the top left, which is what CNTK 2.7 makes of it.
    crop_size
        Width and height, or one number for both; 0 to go by a ratio. No more than the picture has.
    side_ratio
        Length of the sides against the shorter side of the picture, above 0 and up to 1; a pair for a range.
    area_ratio
        Area against that of the picture; not together with `side_ratio`.
    aspect_ratio
        Width against height, or height against width, at random; the area stays.
    jitter_type
        ``"uniratio"`` draws ratios from their ranges, ``"none"`` takes the lower ends.

    Raises
    ------
    RuntimeError, ValueError
        If something is out of its range, or unknown.

    Examples
    --------
    >>> C.io.transforms.crop(crop_type="randomside", side_ratio=(0.8, 1.0), jitter_type="uniratio").kind
    'randomside'
    """
    size = sanitize_2d_number(crop_size)
    side, area, aspect = (sanitize_range(one) for one in (side_ratio, area_ratio, aspect_ratio))
    kind = _one_of("crop type", str(crop_type).lower(), ("center", "randomside", "randomarea", "multiview10"))
    jitter = _one_of("jitter type", str(jitter_type).lower(), ("none", "uniratio"))
    if min(size) < 0:
        raise CntkRuntimeError(f"Invalid cropSize value, must be >= 0; got {crop_size!r}.")
    for name, ends, given in (("sideRatio", side, side_ratio), ("areaRatio", area, area_ratio)):
        if any(ends) and not (0 < ends[0] <= ends[1] <= 1):
            raise CntkRuntimeError(f"Invalid {name} value, must be > 0 and <= 1; got {given!r}.")
    if aspect[0] <= 0:
        raise CntkRuntimeError(f"Invalid aspectRatio value, must be > 0; got {aspect_ratio!r}.")
    return Crop(kind, (int(size[0]), int(size[1])), side, area, aspect, jitter == "uniratio")


def scale(
    width: int,
    height: int,
    channels: int,
    interpolations: str = "linear",
    scale_mode: str = "fill",
    pad_value: int = -1,
) -> Scale:
    """Return a transform that brings a picture to a size.

    Parameters
    ----------
    width, height
        The size.
    channels
        3; or 1 for grey pictures, of which CNTK 2.7 itself reads nothing but their first bytes.
    interpolations
        ``"nearest"``, ``"linear"``, ``"cubic"`` or ``"lanczos"``, OpenCV's: none averages when a picture shrinks.
    scale_mode
        ``"fill"`` stretches; ``"crop"`` fits the shorter side and cuts the middle out; ``"pad"`` fits the longer one
        and fills up.
    pad_value
        What it is filled with; -1 goes on with the pixels of the border.

    Raises
    ------
    RuntimeError, TypeError
        If something is out of its range, or unknown.

    Examples
    --------
    >>> C.io.transforms.scale(width=32, height=32, channels=3).width
    32
    """
    for name, given in (
        ("width", width),
        ("height", height),
        ("channels", channels),
        ("pad_value", pad_value),
    ):
        if isinstance(given, bool) or not isinstance(given, int | np.integer):
            raise CntkTypeError(f"scale: {name} is a whole number; got {given!r}.")
    if min(width, height, channels) < 1:
        raise CntkRuntimeError(f"Invalid image dimensions: {width} x {height} pixels, {channels} channels.")
    if channels not in {1, 3}:
        raise CntkRuntimeError(
            f"Invalid image dimensions: pictures are read with 3 channels, or with 1; got {channels}."
        )
    if pad_value < -1:
        raise CntkRuntimeError(
            f"Invalid padValue value, must be -1 (replicates border) or >= 0 (constant); got {pad_value}."
        )
    kinds = ("nearest", "cubic", "lanczos", "linear")
    interpolation = _one_of("interpolations value", str(interpolations).lower(), kinds)
    mode = _one_of("scaleMode value", scale_mode, ("fill", "crop", "pad"))
    return Scale(int(width), int(height), int(channels), interpolation, mode, int(pad_value))


def mean(filename: Any) -> Mean:
    """Return a transform that takes the mean picture off.

    Parameters
    ----------
    filename
        OpenCV's XML, with the numbers of a picture row by row, pixel by pixel, blue first. It is read when pictures
        are. Where a picture has another size than the mean nothing is done, as in CNTK.

    Examples
    --------
    >>> C.io.transforms.mean("CIFAR-10_mean.xml").filename
    'CIFAR-10_mean.xml'
    """
    return Mean(str(filename))


def color(
    brightness_radius: float = 0.0, contrast_radius: float = 0.0, saturation_radius: float = 0.0
) -> Color:
    """Return a transform that changes colours at random.

    Parameters
    ----------
    brightness_radius
        How much of the picture's mean is added, or taken off, at most.
    contrast_radius
        By how much of itself each number changes, at most.
    saturation_radius
        By how much of itself the saturation changes, at most. Each is from 0 to 1.

    Raises
    ------
    ValueError
        If a radius is not from 0 to 1.

    Examples
    --------
    >>> C.io.transforms.color(brightness_radius=0.2).brightness
    0.2
    """
    radii = {"brightness": brightness_radius, "contrast": contrast_radius, "saturation": saturation_radius}
    for name, given in radii.items():
        if not 0 <= given <= 1:
            raise CntkValueError(f"{name}Radius must be >= 0.0 and <= 1.0; got {given!r}.")
    return Color(float(brightness_radius), float(contrast_radius), float(saturation_radius))


def _one_of(what: str, given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        raise CntkRuntimeError(f"Invalid {what}: {given}. It must be {', '.join(known[:-1])} or {known[-1]}.")
    return given


def _mean_in(path: Path) -> Array:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CntkRuntimeError(f"Could not open file: {path} ({error.strerror or error}).") from error
    try:
        shape = tuple(int(_inside(tag, text)) for tag in ("Row", "Col", "Channel"))
        return np.array(_inside("data", text).split(), np.float32).reshape(shape)
    except ValueError as error:
        raise CntkRuntimeError(
            f"The mean file {path} is not what OpenCV writes: the numbers Channel, Row and Col, and MeanImg with as "
            f"many numbers as they multiply to ({error})."
        ) from error


def _inside(tag: str, text: str) -> str:
    """Return what stands in the first element of a name in the XML that OpenCV writes."""
    found = re.search(rf"<{tag}\b[^>]*>([^<]*)</{tag}>", text)
    if found is None:
        raise CntkValueError(f"there is no {tag}")
    return found.group(1)
