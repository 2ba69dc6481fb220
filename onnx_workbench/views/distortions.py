"""What light, lens and hand do to a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter


@dataclass(frozen=True)
class Distortion:
    """A slider: its ends, its step, and what its numbers mean; 0 leaves the picture as it is."""

    lowest: int
    highest: int
    step: int
    meaning: str


DISTORTIONS = {
    "rotate": Distortion(-180, 180, 5, "Degrees, against the clock"),
    "dim": Distortion(0, 95, 5, "Per cent of the light that is taken away"),
    "blur": Distortion(0, 10, 1, "Radius, in per cent of the picture's shorter side"),
    "noise": Distortion(0, 100, 5, "Standard deviation, where white is 255"),
}


def distorted(picture: NDArray[np.uint8], amounts: Mapping[str, float]) -> NDArray[np.uint8]:
    """Return a picture turned, blurred, dimmed and made noisy, in this order.

    Parameters
    ----------
    picture
        HWC uint8 RGB.
    amounts
        A number for each of `DISTORTIONS`; missing ones are 0. The same numbers give the same picture.
    """
    image = Image.fromarray(picture)
    if angle := amounts.get("rotate", 0):
        around = tuple(int(mean) for mean in picture.mean(axis=(0, 1)))
        image = image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=around)
    if blur := amounts.get("blur", 0):
        image = image.filter(ImageFilter.GaussianBlur(blur / 100 * min(image.size)))
    pixels = np.asarray(image, np.float32) * (1 - amounts.get("dim", 0) / 100)
    if noise := amounts.get("noise", 0):
        pixels += np.random.default_rng(0).normal(scale=noise, size=pixels.shape)
    clipped: NDArray[np.uint8] = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return clipped
