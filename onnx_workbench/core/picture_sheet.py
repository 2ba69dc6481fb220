"""Sheets of small pictures with captions, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from onnx_workbench.core.preprocessing import Preprocessing

_TILE = 168
_GAP = 14
_LINE = 16


def sheet(tiles: Sequence[tuple[Image.Image, str]], *, columns: int = 6, tile: int = _TILE) -> Image.Image:
    """Return pictures in a grid, each above its caption of one line or more; small ones are enlarged."""
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    lines = max(caption.count("\n") for _, caption in tiles) + 1
    cell_width, cell_height = tile + _GAP, tile + lines * _LINE + _GAP
    canvas = Image.new("RGB", (columns * cell_width + _GAP, rows * cell_height + _GAP), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(12)
    for index, (picture, caption) in enumerate(tiles):
        left = _GAP + (index % columns) * cell_width
        top = _GAP + (index // columns) * cell_height
        small = _fitted(picture, tile)
        canvas.paste(small, (left + (tile - small.width) // 2, top + (tile - small.height) // 2))
        for line, text in enumerate(caption.split("\n")):
            draw.text((left, top + tile + 4 + line * _LINE), text, fill=(40, 40, 40), font=font)
    return canvas


def _fitted(picture: Image.Image, tile: int) -> Image.Image:
    ratio = tile / max(picture.size)
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    # Enlarged pixels stay visible as squares: they are what the model gets.
    filter_ = Image.Resampling.NEAREST if ratio > 1 else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize(size, filter_)


def sheet_of_planes(original: Image.Image, item: NDArray[Any], preprocessing: Preprocessing) -> Image.Image:
    """Return the picture, what a model sees of it, and each plane of the prepared array with its range."""
    height, width = item.shape[1:] if preprocessing.layout == "NCHW" else item.shape[:2]
    seen = Image.fromarray(preprocessing.picture_of(item))
    tiles = [
        (original, f"the picture\n{original.height} x {original.width}, HWC uint8"),
        (seen, f"what the model sees\n{height} x {width}, {preprocessing.layout} {preprocessing.dtype}"),
    ]
    planes = item if preprocessing.layout == "NCHW" else np.moveaxis(item, -1, 0)
    names = "Y" if preprocessing.color == "GRAY" else preprocessing.color
    for index, plane in enumerate(planes):
        low, high = float(plane.min()), float(plane.max())
        grey = (plane.astype(np.float32) - low) / (high - low or 1) * 255
        caption = f"plane {index}: {names[index]}\n{low:.3g} to {high:.3g}"
        tiles.append((Image.fromarray(grey.astype(np.uint8)), caption))
    return sheet(tiles)
