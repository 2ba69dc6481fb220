"""Sheets of small pictures with captions, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_TILE = 168
_GAP = 14
_LINE = 16
_INK = (111, 119, 131)
"""A grey that can be read on white and on a dark notebook alike: sheets have no background of their own."""


def sheet(tiles: Sequence[tuple[Image.Image, str]], *, columns: int = 6, tile: int = _TILE) -> Image.Image:
    """Return pictures in a grid on nothing (RGBA), each above its caption of some lines; small ones are enlarged."""
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    lines = max(caption.count("\n") for _, caption in tiles) + 1
    cell_width, cell_height = tile + _GAP, tile + lines * _LINE + _GAP
    # Nothing has the ink's colour, or the edges of letters would be pale.
    canvas = Image.new("RGBA", (columns * cell_width + _GAP, rows * cell_height + _GAP), (*_INK, 0))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(12)
    for index, (picture, caption) in enumerate(tiles):
        left = _GAP + (index % columns) * cell_width
        top = _GAP + (index // columns) * cell_height
        small = _fitted(picture, tile)
        canvas.paste(small, (left + (tile - small.width) // 2, top + (tile - small.height) // 2))
        for line, text in enumerate(caption.split("\n")):
            draw.text((left, top + tile + 4 + line * _LINE), text, fill=(*_INK, 255), font=font)
    return canvas


def _fitted(picture: Image.Image, tile: int) -> Image.Image:
    ratio = tile / max(picture.size)
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    # Enlarged pixels stay visible as squares: they are what the model gets.
    filter_ = Image.Resampling.NEAREST if ratio > 1 else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize(size, filter_)


def plane_tile(plane: NDArray[Any], name: str) -> tuple[Image.Image, str]:
    """Return one plane of an array as a grey tile from its lowest to its highest value, both in the caption."""
    low, high = float(plane.min()), float(plane.max())
    grey = (plane.astype(np.float32) - low) / (high - low or 1) * 255
    return Image.fromarray(grey.astype(np.uint8)), f"{name}\n{low:.3g} to {high:.3g}"
