"""Arrays as pictures: maps of channels, matrices, and what three channels look like together. numpy in, PNG out."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH = 398
TALLEST = 420
MOST_TILES = 64
GAP = 2
COMPOSITE = 180
_MOST_PIXELS = 4_000_000
_LONGEST_VECTOR = 20_000
_COLOURS = 254
_ODD, _NOTHING = 254, 255

SEQUENTIAL = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
DIVERGING = ("#053061", "#2166ac", "#67a9cf", "#f7f7f7", "#ef8a62", "#b2182b", "#67001f")
ODD_COLOUR = "#ff00d0"
"""NaN and infinity: a colour that neither scale has."""

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class ColourScale:
    """How numbers become colours: from `lowest` to `highest`, through `ramp`; `odd` if some are not finite."""

    lowest: float
    highest: float
    ramp: tuple[str, ...]
    odd: bool = False

    def indices(self, plane: Plane) -> NDArray[np.uint8]:
        """Return the palette's index of each number."""
        # Halved, as the difference of two finite numbers may be infinite.
        width = self.highest / 2 - self.lowest / 2
        with np.errstate(all="ignore"):
            share = (plane / 2 - self.lowest / 2) / (width or 1.0)
            index = np.clip(np.nan_to_num(share), 0, 1) * (_COLOURS - 1)
        return np.where(np.isfinite(plane), np.rint(index), _ODD).astype(np.uint8)


def scale_of(numbers: NDArray[np.float64]) -> ColourScale:
    """Return the scale for some numbers: symmetric about 0 if they have both signs."""
    finite = numbers[np.isfinite(numbers)]
    lowest, highest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    odd = finite.size < numbers.size
    if lowest < 0 < highest:
        reach = max(-lowest, highest)
        return ColourScale(-reach, reach, DIVERGING, odd)
    return ColourScale(lowest, highest, SEQUENTIAL, odd)


def as_numbers(array: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return an array as float64; None for what has no order, such as text and complex numbers."""
    if array.dtype.kind not in "biuf" and not (array.dtype.kind == "V" and "float" in array.dtype.name):
        return None
    try:
        return np.asarray(array, np.float64)
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Tiles:
    """A sheet of tiles: its address, the scale that all share (None if each has its own), and how the tiles lie."""

    address: str
    scale: ColourScale | None
    columns: int
    width: int
    height: int
    count: int


def tile_picture(planes: NDArray[np.float64], *, alike: bool) -> Tiles:
    """Return planes side by side; `planes` is (count, height, width), of 64 planes at most.

    With `alike`, all share one scale; else each has its own, and only the palette in common.
    """
    shared = scale_of(planes)
    count, height, width = planes.shape
    columns = columns_for(count)
    most = (WIDTH - GAP * (columns - 1)) // columns
    size = fitted((height, width), most, most)
    rows = math.ceil(count / columns)
    high, wide = size[0] + GAP, size[1] + GAP
    sheet = np.full((rows * high - GAP, columns * wide - GAP), _NOTHING, np.uint8)
    for number, plane in enumerate(planes):
        top, left = number // columns * high, number % columns * wide
        scale = shared if alike else _own_scale(plane, shared)
        sheet[top : top + size[0], left : left + size[1]] = scale.indices(resized(plane, size))
    return Tiles(png_address(sheet, shared.ramp), shared if alike else None, columns, wide, high, count)


def columns_for(count: int) -> int:
    """Return how many tiles stand in a row."""
    return count if count <= 3 else min(8, math.ceil(math.sqrt(count)))


def _own_scale(plane: Plane, shared: ColourScale) -> ColourScale:
    """Return a plane's own scale, in the palette of all."""
    own = scale_of(plane)
    if own.ramp == shared.ramp:
        return own
    reach = max(abs(own.lowest), abs(own.highest))
    return ColourScale(-reach, reach, DIVERGING)


def matrix_picture(matrix: Plane) -> tuple[str, ColourScale]:
    """Return a matrix as a PNG data address, with its scale."""
    scale = scale_of(matrix)
    size = fitted(matrix.shape, TALLEST, WIDTH)
    return png_address(scale.indices(resized(matrix, size)), scale.ramp), scale


def colour_picture(planes: NDArray[np.float64]) -> str:
    """Return three planes as the red, green and blue of one picture, from their lowest to their highest number."""
    size = fitted(planes.shape[1:], COMPOSITE, COMPOSITE)
    return _address(Image.fromarray(_coloured(planes, size, _range_of(planes))))


def colour_tiles(kernels: NDArray[np.float64]) -> str:
    """Return kernels (count, 3, height, width) side by side in colour, all on one scale; 64 of them at most."""
    columns = columns_for(len(kernels))
    most = (WIDTH - GAP * (columns - 1)) // columns
    size = fitted(kernels.shape[2:], most, most)
    rows, high, wide = math.ceil(len(kernels) / columns), size[0] + GAP, size[1] + GAP
    sheet = np.zeros((rows * high - GAP, columns * wide - GAP, 4), np.uint8)
    scale = _range_of(kernels)
    for number, kernel in enumerate(kernels):
        top, left = number // columns * high, number % columns * wide
        tile = sheet[top : top + size[0], left : left + size[1]]
        tile[..., :3], tile[..., 3] = _coloured(kernel, size, scale), 255
    return _address(Image.fromarray(sheet))


def _range_of(numbers: NDArray[np.float64]) -> ColourScale:
    finite = numbers[np.isfinite(numbers)]
    lowest, highest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return ColourScale(lowest, highest, SEQUENTIAL)


def _coloured(planes: NDArray[np.float64], size: tuple[int, int], scale: ColourScale) -> NDArray[np.uint8]:
    """Return three planes as (row, column, 3) of bytes."""
    small = np.stack([resized(plane, size) for plane in planes], axis=-1)
    levels = scale.indices(small).astype(np.float64) * (255 / (_COLOURS - 1))
    pixels = levels.clip(0, 255).astype(np.uint8)
    pixels[~np.isfinite(small).all(axis=-1)] = _rgb(ODD_COLOUR)
    return pixels


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def vector_picture(vector: NDArray[np.float64]) -> tuple[str, ColourScale, int]:
    """Return a long vector in rows, about twice as wide as high: its picture, its scale, and the length of a row."""
    scale = scale_of(vector)
    if vector.size > _LONGEST_VECTOR:
        vector = resized(vector[None], (1, _LONGEST_VECTOR))[0]
    columns = max(1, math.ceil(math.sqrt(vector.size * 2)))
    rows = math.ceil(vector.size / columns)
    indices = np.full(rows * columns, _NOTHING, np.uint8)
    indices[: vector.size] = scale.indices(vector)
    factor = max(1, min(WIDTH // columns, 24))
    enlarged = indices.reshape(rows, columns).repeat(factor, axis=0).repeat(factor, axis=1)
    return png_address(enlarged, scale.ramp), scale, columns


def fitted(shape: Sequence[int], most_high: int, most_wide: int) -> tuple[int, int]:
    """Return the size in pixels of a picture of some rows and columns; small ones are enlarged by whole factors."""
    height, width = shape
    factor = min(most_high / height, most_wide / width)
    factor = math.floor(factor) if factor > 1 else factor
    # Long and thin ones keep a few pixels of thickness, or nothing of them could be seen.
    thinnest = max(1, min(most_high, most_wide) // 8)
    high, wide = round(height * factor), round(width * factor)
    return min(most_high, max(high, thinnest)), min(most_wide, max(wide, thinnest))


def resized(plane: Plane, size: tuple[int, int]) -> Plane:
    """Return a plane with another number of rows and columns: means of what falls together, NaN where one was."""
    if plane.size > _MOST_PIXELS:
        step = math.ceil(math.sqrt(plane.size / _MOST_PIXELS))
        plane = plane[::step, ::step]
    high, wide = size
    if plane.shape == size:
        return plane
    shrinks = plane.shape[0] > high or plane.shape[1] > wide
    method = Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST
    odd = ~np.isfinite(plane)
    largest = float(np.max(np.abs(plane), where=~odd, initial=0.0)) or 1.0
    shares = np.where(odd, 0, plane / largest).astype(np.float32)
    means = np.asarray(Image.fromarray(shares).resize((wide, high), method), np.float64) * largest
    if odd.any():
        spread = np.asarray(Image.fromarray(odd.astype(np.float32)).resize((wide, high), method))
        means[spread > 0] = np.nan
    return means


def png_address(indices: NDArray[np.uint8], ramp: Sequence[str]) -> str:
    """Return an indexed picture as a ``data:`` address."""
    image = Image.fromarray(indices, mode="P")
    image.putpalette(_palette(ramp))
    return _address(image, transparency=_NOTHING)


def _palette(ramp: Sequence[str]) -> bytes:
    stops = np.array([_rgb(colour) for colour in ramp], np.float64)
    places = np.linspace(0, len(ramp) - 1, _COLOURS)
    mixed = [np.interp(places, range(len(ramp)), stops[:, part]) for part in range(3)]
    white = (255, 255, 255)
    colours: NDArray[np.float64] = np.vstack([np.stack(mixed, axis=1), [_rgb(ODD_COLOUR), white]])
    return bytes(np.rint(colours).astype(np.uint8))


def _address(image: Image.Image, **options: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
