"""Pictures brought to another size as CNTK's reader does it: OpenCV 3.1's interpolation, its rounding with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_UNITS = 2048
"""Weights on pictures of whole bytes are whole parts of this."""


def resized(pixels: Array, width: int, height: int, interpolation: str) -> Array:
    """Return a picture of another size.

    Parameters
    ----------
    pixels
        Rows, columns and channels: bytes, which stay bytes, or float32.
    width, height
        The new size.
    interpolation
        ``"nearest"``, ``"linear"``, ``"cubic"`` or ``"lanczos"``. None of them averages when a picture shrinks.
    """
    rows, columns = pixels.shape[:2]
    if (rows, columns) == (height, width):
        return pixels
    if interpolation == "nearest":
        return pixels[_nearest(rows, height)][:, _nearest(columns, width)]
    if interpolation == "linear" and (rows, columns) == (2 * height, 2 * width) and pixels.dtype == np.uint8:
        parts = pixels.astype(np.int64).reshape(height, 2, width, 2, -1).sum((1, 3))
        return np.asarray((parts + 2) >> 2, np.uint8)
    taps = {"linear": _linear, "cubic": _cubic, "lanczos": _lanczos}[interpolation]
    across, down = _places(columns, width, taps), _places(rows, height, taps)
    if interpolation == "linear":  # beyond its sides OpenCV takes a picture's outermost column alone
        across[1][:] = np.where(across[0][0] == across[0][1], np.array([[1], [0]], np.float32), across[1])
    if pixels.dtype == np.uint8:
        return _of_bytes(pixels, across, down, interpolation)
    wide = _mixed(pixels, *across)
    return _mixed(wide.swapaxes(0, 1), *down).swapaxes(0, 1).astype(np.float32)


def _mixed(pixels: Array, places: Array, weights: Array) -> Array:
    """Return weighted sums of columns."""
    parts = [pixels[:, where] * weight[:, None] for where, weight in zip(places, weights, strict=True)]
    return np.asarray(sum(parts[1:], parts[0]))


def _nearest(old: int, new: int) -> Array:
    return np.asarray(np.minimum(np.floor(np.arange(new) * (old / new)), old - 1), np.int64)


def _places(old: int, new: int, taps: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Return from where each new row or column is mixed, and with which weights: taps first."""
    at = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(at).astype(np.int64)
    part = at - first.astype(np.float32)
    weights = taps(part)
    count = len(weights)
    where = first + np.arange(count)[:, None] - (count // 2 - 1)
    return np.clip(where, 0, old - 1), weights


def _linear(part: Array) -> Array:
    return np.stack([1 - part, part])


def _cubic(part: Array) -> Array:
    sharpness = np.float32(-0.75)
    beyond, before = part + 1, 1 - part
    first = ((sharpness * beyond - 5 * sharpness) * beyond + 8 * sharpness) * beyond - 4 * sharpness
    second = ((sharpness + 2) * part - (sharpness + 3)) * part * part + 1
    third = ((sharpness + 2) * before - (sharpness + 3)) * before * before + 1
    return np.stack([first, second, third, 1 - first - second - third]).astype(np.float32)


def _lanczos(part: Array) -> Array:
    angles = -(part[None].astype(np.float64) + 3 - np.arange(8)[:, None]) * (np.pi / 4)
    first = angles[0]
    half = np.sqrt(0.5)
    turns = np.array(
        [(1, 0), (-half, -half), (0, 1), (half, -half), (-1, 0), (half, half), (0, -1), (-half, half)]
    )
    waves = turns[:, :1] * np.sin(first) + turns[:, 1:] * np.cos(first)
    whole = part < np.finfo(np.float32).eps
    weights = (waves / np.where(angles == 0, 1, angles) ** 2).astype(np.float32)
    weights = weights / weights.sum(0)
    exact = np.zeros(8, np.float32)
    exact[3] = 1
    return np.where(whole, exact[:, None], weights).astype(np.float32)


def _of_bytes(
    pixels: Array, across: tuple[Array, Array], down: tuple[Array, Array], interpolation: str
) -> Array:
    """Mix bytes with whole weights, and round where OpenCV rounds."""
    # Two weights, which add up to 2048, leave room in 32 bits; more weights, some of them negative, do not.
    kind = np.int32 if interpolation == "linear" else np.int64
    wide = _mixed(pixels.astype(kind), across[0], _whole(across[1]).astype(kind))
    if interpolation == "linear":
        weights = _whole(down[1]).astype(kind)[:, :, None, None]
        parts = [(wide[where] >> 4) * weight >> 16 for where, weight in zip(down[0], weights, strict=True)]
        mixed = (parts[0] + parts[1] + 2) >> 2
    else:
        exact = _mixed(wide.swapaxes(0, 1), down[0], _whole(down[1])).swapaxes(0, 1) / (_UNITS * _UNITS)
        mixed = np.rint(exact) if interpolation == "cubic" else np.floor(exact + 0.5)
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def _whole(weights: Array) -> Array:
    return np.asarray(np.rint(weights * _UNITS), np.int64)
