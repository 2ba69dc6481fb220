"""How the array behind a value is shown: as channels, a matrix, bars, and always as statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.views.array_pictures import (
    MOST_TILES,
    ODD_COLOUR,
    ColourScale,
    as_numbers,
    colour_picture,
    colour_tiles,
    matrix_picture,
    tile_picture,
    vector_picture,
)
from onnx_workbench.views.array_statistics import histogram_of, odd_count, sample_of, statistics_of
from onnx_workbench.views.node_lines import format_product

MOST_BARS = 64
_MOST_LISTED = 5
_MOST_ELEMENTS = 4_000_000
_COLOUR_CHANNELS = 3
_PICTURE_CHANNELS = {1, 3, 4}

LAYOUTS = {
    "CHW": ("C×H×W", "The first axis of the sample counts channels"),
    "HWC": ("H×W×C", "The last axis of the sample counts channels"),
    "filled": (
        "refilled",
        "The same numbers as if they had been filled in the other order: where this looks right and the other does "
        "not, the array was reshaped where it had to be transposed",
    ),
}


@dataclass(frozen=True)
class Look:
    """What the reader asks to see of an array.

    `layout` is a key of `LAYOUTS`, or empty for the likelier one; `channel` is -1 for all, from `first` on; with
    `alike`, all channels share one scale of colours.
    """

    sample: int = 0
    layout: str = ""
    first: int = 0
    channel: int = -1
    alike: bool = True

    @staticmethod
    def of(asked: Mapping[str, Any]) -> Look:
        """Return the look in a message from the browser; what is not sound in it is left out."""

        def number(field: str, default: int) -> int:
            given = asked.get(field)
            return given if type(given) is int and -1 <= given < 2**31 else default

        layout = asked.get("layout")
        return Look(
            sample=number("sample", 0),
            layout=layout if isinstance(layout, str) and layout in LAYOUTS else "",
            first=number("first", 0),
            channel=number("channel", -1),
            alike=asked.get("alike") is not False,
        )


def look_at(array: NDArray[Any], look: Look, labels: Sequence[str] | None = None) -> dict[str, Any]:
    """Return everything the panel shows of an array, as JSON holds it; `labels` name the places of a vector."""
    rows = [["array", f"{clean_text(str(array.dtype))} {format_product(array.shape)}"]]
    answer: dict[str, Any] = {"rows": rows, "pictures": [], "controls": {}, "histogram": None, "bars": None}
    sample = sample_of(array, most=_MOST_ELEMENTS)
    if sample is None:
        text = ", ".join(clean_text(str(item), limit=40) for item in array.reshape(-1)[:_MOST_LISTED])
        return answer | {"rows": [*rows, ["begins", text or "empty"]]}
    if array.size == 0:
        return answer | {"rows": [*rows, ["content", "empty"]]}
    rows += statistics_of(sample, array.size, odd_count(array))
    answer["histogram"] = histogram_of(sample)
    if array.size > 1:
        answer |= _seen(array, look, labels)
    answer["rows"] = rows + answer.pop("more", [])
    return answer


def _seen(array: NDArray[Any], look: Look, labels: Sequence[str] | None) -> dict[str, Any]:
    """Return pictures or bars of one sample, by the number of axes."""
    if array.ndim <= 1 or (array.ndim == 2 and array.shape[0] == 1):
        return _vector(array.reshape(-1), labels)
    place = min(max(look.sample, 0), len(array) - 1)
    controls: dict[str, Any] = {"samples": len(array), "sample": place}
    sample = array[place]
    if array.ndim == 2:
        return _matrix(array, {}) | _row(sample, controls, labels)
    if sample.size == max(sample.shape):
        return _vector(sample.reshape(-1), labels) | {"controls": controls}
    if sample.ndim == 2:
        return _matrix(sample, controls)
    return _channels(sample.reshape(-1, *sample.shape[-2:]), look, controls)


def _row(row: NDArray[Any], controls: dict[str, Any], labels: Sequence[str] | None) -> dict[str, Any]:
    """Return the bars of one row of a matrix; nothing if they would be too many."""
    return _vector(row, labels) | {"controls": controls} if len(row) <= MOST_BARS else {}


def _channels(sample: NDArray[Any], look: Look, controls: dict[str, Any]) -> dict[str, Any]:
    offered = _layouts(sample.shape)
    layout = look.layout if look.layout in offered else offered[0]
    planes = _planes(sample, layout)
    count = len(planes)
    one = 0 <= look.channel < count
    first = look.channel if one else min(max(look.first, 0), count - 1) // MOST_TILES * MOST_TILES
    shown = as_numbers(planes[first : first + (1 if one else MOST_TILES)])
    if shown is None:
        return {}
    pictures = []
    if count == _COLOUR_CHANNELS and not one:
        pictures.append(_colour(as_numbers(planes), layout))
    pictures.append(_tiles(shown, first, count, layout, alike=look.alike or one))
    controls |= {
        "layouts": [[key, *LAYOUTS[key]] for key in offered],
        "layout": layout,
        "channels": count,
        "first": first,
        "page": MOST_TILES,
        "channel": look.channel if one else -1,
        "alike": look.alike,
    }
    return {"pictures": pictures, "controls": controls}


def _layouts(shape: tuple[int, ...]) -> list[str]:
    """Return the layouts that a sample may have, the likelier one first."""
    first, last = shape[0] in _PICTURE_CHANNELS, shape[-1] in _PICTURE_CHANNELS
    order = ["HWC", "CHW"] if last and not first else ["CHW", "HWC"]
    return [*order, "filled"] if first != last else order


def _planes(sample: NDArray[Any], layout: str) -> NDArray[Any]:
    """Return a sample as (channel, row, column)."""
    if layout == "CHW":
        return sample
    if layout == "HWC":
        return np.moveaxis(sample, -1, 0)
    a, b, c = sample.shape
    if c in _PICTURE_CHANNELS and a not in _PICTURE_CHANNELS:  # filled in the order C×H×W
        return sample.reshape(c, a, b)
    return np.moveaxis(sample.reshape(b, c, a), -1, 0)


def _colour(planes: NDArray[np.float64] | None, layout: str) -> dict[str, Any]:
    if planes is None:
        return {}
    size = f"{planes.shape[1]} × {planes.shape[2]}"
    return {
        "source": colour_picture(planes),
        "alt": f"The three channels as red, green and blue, {size}, read as {LAYOUTS[layout][0]}",
        "caption": "as red, green and blue",
        "scale": None,
        "grid": None,
        "small": True,
    }


def _tiles(shown: NDArray[np.float64], first: int, count: int, layout: str, *, alike: bool) -> dict[str, Any]:
    tiles = tile_picture(shown, alike=alike)
    last = first + len(shown) - 1
    which = f"channel {first}" if len(shown) == 1 else f"channels {first} to {last}"
    size = f"each {shown.shape[1]} × {shown.shape[2]}"
    grid = {"columns": tiles.columns, "width": tiles.width, "height": tiles.height, "count": tiles.count}
    return {
        "source": tiles.address,
        "alt": f"{which} of {count} as {LAYOUTS[layout][0]}, {size}. {_scale_words(tiles.scale)}",
        "caption": f"{which} of {count:,}, {size}",
        "scale": _scale(tiles.scale),
        "grid": grid | {"first": first} if len(shown) > 1 else None,
    }


def _matrix(matrix: NDArray[Any], controls: dict[str, Any]) -> dict[str, Any]:
    thinned = matrix[:: math.ceil(matrix.shape[0] / 4000), :: math.ceil(matrix.shape[1] / 4000)]
    numbers = as_numbers(thinned)
    if numbers is None:
        return {}
    address, scale = matrix_picture(numbers)
    size = f"{matrix.shape[0]:,} rows, {matrix.shape[1]:,} columns"
    caption = size + ", thinned out" * (thinned.size < matrix.size)
    picture = {
        "source": address,
        "alt": f"Matrix of {size}. {_scale_words(scale)}",
        "caption": caption,
        "scale": _scale(scale),
        "grid": None,
    }
    return {"pictures": [picture], "controls": controls}


def _vector(vector: NDArray[Any], labels: Sequence[str] | None) -> dict[str, Any]:
    numbers = as_numbers(vector)
    if numbers is None or not numbers.size:
        return {}
    names = _place_names(len(numbers), labels)
    if len(numbers) <= MOST_BARS:
        return {"bars": _bars(numbers, names)}
    address, scale, row = vector_picture(numbers)
    picture = {
        "source": address,
        "alt": f"{len(numbers):,} numbers in rows. {_scale_words(scale)}",
        "caption": f"{len(numbers):,} numbers in rows of {row:,}",
        "scale": _scale(scale),
        "grid": None,
    }
    order = np.argsort(np.where(np.isnan(numbers), np.inf, numbers))[::-1][:_MOST_LISTED]
    greatest = [[f"greatest {rank + 1}", f"{names[i]}: {numbers[i]:.4g}"] for rank, i in enumerate(order)]
    return {"pictures": [picture], "more": greatest}


def _place_names(count: int, labels: Sequence[str] | None) -> list[str]:
    if labels is not None and len(labels) == count:
        return [clean_text(label, limit=40) for label in labels]
    return [str(place) for place in range(count)]


def _bars(numbers: NDArray[np.float64], names: Sequence[str]) -> dict[str, Any]:
    """Return bars as shares of the greatest magnitude; None for what is not finite."""
    finite = np.abs(numbers[np.isfinite(numbers)])
    reach = float(finite.max()) if finite.size else 0.0
    return {
        "names": list(names),
        "texts": [f"{number:.4g}" for number in numbers],
        "shares": [
            round(float(number / (reach or 1.0)), 4) if np.isfinite(number) else None for number in numbers
        ],
        "signed": bool((numbers < 0).any()),
    }


def _scale(scale: ColourScale | None) -> dict[str, Any] | None:
    if scale is None:
        return None
    return {
        "lowest": f"{scale.lowest:.3g}",
        "highest": f"{scale.highest:.3g}",
        "ramp": list(scale.ramp),
        "odd": ODD_COLOUR if scale.odd else "",
    }


def _scale_words(scale: ColourScale | None) -> str:
    if scale is None:
        return "Each has its own scale of colours"
    odd = "; magenta is NaN or infinite" * scale.odd
    return f"Colours from {scale.lowest:.3g} to {scale.highest:.3g}{odd}"


def look_at_weight(weight: NDArray[Any]) -> list[dict[str, Any]]:
    """Return pictures of a weight: kernels as tiles, those of three channels in colour, matrices as they are."""
    if weight.ndim < 2 or weight.size < 2 or weight.dtype.kind not in "biufV":
        return []
    if weight.ndim == 2 or max(weight.shape[2:]) == 1:
        pictures: list[dict[str, Any]] = _matrix(weight.reshape(weight.shape[:2]), {}).get("pictures", [])
        return pictures
    filters, channels = weight.shape[:2]
    coloured = channels == _COLOUR_CHANNELS and weight.ndim == 4
    count = filters if coloured else filters * channels
    needed = -(-MOST_TILES // channels)
    some = as_numbers(weight if coloured else weight[:needed])
    if some is None:
        return []
    shape = " × ".join(map(str, weight.shape[2:]))
    if coloured:
        shown = min(count, MOST_TILES)
        words = f"{shown:,} of {count:,} kernels, each {shape}, with their channels as red, green and blue"
        return [{"source": colour_tiles(some[:MOST_TILES]), "alt": words, "caption": words, "grid": None}]
    planes = some.reshape(-1, *weight.shape[-2:])[:MOST_TILES]
    tiles = tile_picture(planes, alike=True)
    words = f"{len(planes):,} of {count * math.prod(weight.shape[2:-2]):,} kernels, each {shape}"
    alt = f"{words}. {_scale_words(tiles.scale)}"
    return [
        {"source": tiles.address, "alt": alt, "caption": words, "scale": _scale(tiles.scale), "grid": None}
    ]
