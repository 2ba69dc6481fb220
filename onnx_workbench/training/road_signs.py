"""Road signs, drawn here: small colour pictures on which layout, colour order and range all matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.training.dataset import Dataset

SIDE = 32
LABELS = ("stop", "no entry", "yield", "priority", "mandatory", "parking", "speed limit", "warning")

_FACE = 128  # pixels of a sign as drawn, before it is shrunk
_CANVAS = 64  # pixels of a picture before the last halving
_RED, _BLUE, _YELLOW, _WHITE, _BLACK = (
    (200, 22, 32),
    (16, 72, 172),
    (250, 196, 20),
    (250, 250, 250),
    (20, 20, 20),
)

Color = tuple[int, int, int]
Point = tuple[float, float]


def signs(train: int = 2400, test: int = 800, *, seed: int = 0) -> Dataset:
    """Return generated road signs: 32 x 32 RGB, 8 classes in equal shares, no download.

    Each sign is turned, scaled, moved, dimmed, blurred and made noisy at random on a coloured background. Red and
    blue signs differ by colour as much as by form, so that a model fed BGR trades them.

    Parameters
    ----------
    train, test
        Number of pictures in each part.
    seed
        Same seed, same pictures (with the same version of Pillow).

    Returns
    -------
    Dataset
        With preprocessing to (N, 3, 32, 32) float32, values -1 to 1.

    Examples
    --------
    >>> data = training.signs()
    >>> data.train_images.shape
    (2400, 32, 32, 3)
    """
    if train < 1 or test < 1:
        raise InputError(f"At least one picture is needed in each part; got train={train}, test={test}.")
    if seed < 0:
        raise InputError(f"seed is a whole number from 0; got {seed}.")
    train_stream, test_stream = np.random.default_rng(seed).spawn(2)
    train_images, train_labels = _pictures(train, train_stream)
    test_images, test_labels = _pictures(test, test_stream)
    preprocessing = Preprocessing(size=(SIDE, SIDE), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return Dataset("road signs", train_images, train_labels, test_images, test_labels, LABELS, preprocessing)


def _pictures(count: int, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    labels = random.permutation(np.arange(count, dtype=np.int64) % len(LABELS))
    images = np.stack([_picture(LABELS[label], random) for label in labels])
    return images, labels


def _picture(label: str, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return one picture: a sign somewhere on a blurred background, in some light, through some lens."""
    faces = _faces(label)
    face = faces[random.integers(len(faces))]
    rough = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    canvas = Image.fromarray(rough).resize((_CANVAS, _CANVAS), Image.Resampling.BICUBIC)
    placed = face.transform(
        (_CANVAS, _CANVAS), Image.Transform.AFFINE, _placement(random), resample=Image.Resampling.BILINEAR
    )
    canvas.paste(placed, mask=placed.getchannel("A"))
    small = canvas.reduce(2)
    blur = random.uniform(0, 1.3)
    if blur > 0.3:
        small = small.filter(ImageFilter.GaussianBlur(blur))
    light = random.uniform(0.25, 1.2) * random.uniform(0.85, 1.15, 3)  # how much, and of what tint
    noise = random.normal(scale=random.uniform(0, 22), size=(SIDE, SIDE, 3))
    return np.clip(np.asarray(small, np.float64) * light + noise, 0, 255).astype(np.uint8)


def _placement(random: np.random.Generator) -> tuple[float, ...]:
    """Return the affine map from canvas to face: turned up to 20 degrees, 50 to 98 % of the canvas, a little off."""
    angle = math.radians(random.uniform(-20, 20))
    scale = _FACE / (_CANVAS * random.uniform(0.5, 0.98))
    squeeze = random.uniform(0.85, 1.15)  # a sign seen a little from the side
    cosine, sine = math.cos(angle) * scale, math.sin(angle) * scale
    a, b, d, e = cosine * squeeze, sine, -sine * squeeze, cosine
    x, y = _CANVAS / 2 + random.uniform(-6, 6, 2)
    return a, b, _FACE / 2 - a * x - b * y, d, e, _FACE / 2 - d * x - e * y


def _regular(corners: int, radius: float, turn: float) -> list[Point]:
    """Return the corners of a regular polygon around the face's centre; `turn` is in corners."""
    angles = [2 * math.pi * (corner + turn) / corners for corner in range(corners)]
    return [(_FACE / 2 + radius * math.sin(a), _FACE / 2 - radius * math.cos(a)) for a in angles]


def _disc(draw: ImageDraw.ImageDraw, radius: float, color: Color) -> None:
    center = _FACE / 2
    draw.ellipse((center - radius, center - radius, center + radius, center + radius), fill=color)


def _text(draw: ImageDraw.ImageDraw, text: str, size: float, color: Color, *, down: float = 0) -> None:
    font = ImageFont.load_default(size)  # the face that comes with Pillow
    position = (_FACE / 2, _FACE / 2 + down)
    draw.text(position, text, fill=color, font=font, anchor="mm", stroke_width=2, stroke_fill=color)


def _stop(draw: ImageDraw.ImageDraw, _variant: int) -> None:
    draw.polygon(_regular(8, 63, 0.5), fill=_WHITE)
    draw.polygon(_regular(8, 57, 0.5), fill=_RED)
    _text(draw, "STOP", 38, _WHITE)


def _no_entry(draw: ImageDraw.ImageDraw, _variant: int) -> None:
    _disc(draw, 62, _WHITE)
    _disc(draw, 58, _RED)
    draw.rectangle((22, 52, 106, 76), fill=_WHITE)


def _yield(draw: ImageDraw.ImageDraw, _variant: int) -> None:
    draw.polygon([(x, y - 14) for x, y in _regular(3, 74, 1.5)], fill=_RED)
    draw.polygon([(x, y - 14) for x, y in _regular(3, 42, 1.5)], fill=_WHITE)


def _priority(draw: ImageDraw.ImageDraw, _variant: int) -> None:
    draw.polygon(_regular(4, 63, 0), fill=_WHITE)
    draw.polygon(_regular(4, 46, 0), fill=_YELLOW)


def _mandatory(draw: ImageDraw.ImageDraw, variant: int) -> None:
    _disc(draw, 62, _WHITE)
    _disc(draw, 58, _BLUE)
    arrow = [(64, 18), (96, 54), (75, 54), (75, 106), (53, 106), (53, 54), (32, 54)]
    turn = math.radians((0, 90, -90)[variant])
    turned = [
        (
            64 + (x - 64) * math.cos(turn) - (y - 64) * math.sin(turn),
            64 + (x - 64) * math.sin(turn) + (y - 64) * math.cos(turn),
        )
        for x, y in arrow
    ]
    draw.polygon(turned, fill=_WHITE)


def _parking(draw: ImageDraw.ImageDraw, _variant: int) -> None:
    draw.rounded_rectangle((8, 8, 120, 120), 14, fill=_WHITE)
    draw.rounded_rectangle((12, 12, 116, 116), 11, fill=_BLUE)
    _text(draw, "P", 96, _WHITE)


def _speed_limit(draw: ImageDraw.ImageDraw, variant: int) -> None:
    _disc(draw, 62, _RED)
    _disc(draw, 46, _WHITE)
    _text(draw, ("30", "50", "80")[variant], 58, _BLACK)


def _warning(draw: ImageDraw.ImageDraw, _variant: int) -> None:
    draw.polygon([(x, y + 14) for x, y in _regular(3, 74, 0)], fill=_RED)
    draw.polygon([(x, y + 14) for x, y in _regular(3, 46, 0)], fill=_WHITE)
    _text(draw, "!", 56, _BLACK, down=10)


_DRAW: dict[str, tuple[Callable[[ImageDraw.ImageDraw, int], None], int]] = {
    "stop": (_stop, 1),
    "no entry": (_no_entry, 1),
    "yield": (_yield, 1),
    "priority": (_priority, 1),
    "mandatory": (_mandatory, 3),
    "parking": (_parking, 1),
    "speed limit": (_speed_limit, 3),
    "warning": (_warning, 1),
}


@cache
def _faces(label: str) -> tuple[Image.Image, ...]:
    """Return a class's signs, straight and clean, on a transparent ground."""
    drawing, variants = _DRAW[label]
    faces = []
    for variant in range(variants):
        face = Image.new("RGBA", (_FACE, _FACE), (0, 0, 0, 0))
        drawing(ImageDraw.Draw(face), variant)
        faces.append(face)
    return tuple(faces)
