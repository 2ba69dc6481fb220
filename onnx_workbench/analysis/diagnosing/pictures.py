"""Corrections of a preprocessing: the plausible ways in which a picture becomes the model's input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from onnx_workbench.analysis.diagnosing.diagnosis import UNCHANGED
from onnx_workbench.analysis.diagnosing.layout import PictureInput
from onnx_workbench.analysis.diagnosing.trials import MOST_PICTURES, SLIP_PENALTY, Correction
from onnx_workbench.analysis.diagnosing.values import ValueRange, declared_range, usual_ranges
from onnx_workbench.core.errors import InputError
from onnx_workbench.core.images import iterate_images, load_image
from onnx_workbench.core.preprocessing import Preprocessing

_USUAL_SIZE = (224, 224)
_RESIZES: tuple[dict[str, Any], ...] = (
    {"resize": "stretch", "crop_fraction": 1.0},
    {"resize": "crop", "crop_fraction": 0.875},
    {"resize": "pad", "crop_fraction": 1.0},
)
_RARE = 0.5  # what a less usual choice costs where nothing is declared


def picture_corrections(
    pictures: object, wanted: PictureInput, preprocessing: Preprocessing | None, *, base: str
) -> list[Correction]:
    """Return the preprocessings worth a trial, that of the file among them if there is one.

    Raises
    ------
    InputError
        If the model's input is not a batch of pictures.
    ImageError
        If a picture cannot be read.
    """
    if wanted.axes.layout not in {"NCHW", "NHWC"} or wanted.channels not in {1, 3}:
        raise InputError(
            f"A picture cannot become the input {wanted.value} by itself: prepare it as an array, and give that."
        )
    taken = list(islice(iterate_images(pictures), MOST_PICTURES))
    listed = [load_image(picture) for picture in taken]
    height, width = wanted.size or _USUAL_SIZE
    is_resize_moot = all(picture.shape[0] * width == picture.shape[1] * height for picture in listed)
    found = []
    choices = _beside(preprocessing, wanted) if preprocessing is not None else _from_nothing(wanted)
    for choice, slips, words, cost in choices:
        if is_resize_moot and "resize" in slips:
            continue
        found.append(_correction(choice, slips, words, cost, listed, base))
    return found


def _correction(
    choice: Preprocessing, slips: tuple[str, ...], words: str, cost: float, pictures: object, base: str
) -> Correction:
    code = f"{_written(choice)}({base})"
    return Correction(slips, words, code, -cost, lambda: choice(pictures))


_Choice = tuple[Preprocessing, tuple[str, ...], str, float]


def _beside(declared: Preprocessing, wanted: PictureInput) -> Iterator[_Choice]:
    """Yield what is declared, and what differs from it in one or two points."""
    plain = replace(declared, size=declared.size or wanted.size)
    ranges = [] if declared.dtype == "uint8" else _other_ranges(declared, wanted.channels)
    colors = [] if declared.color == "GRAY" else ["BGR" if declared.color == "RGB" else "RGB"]
    yield plain, (), UNCHANGED[1], 0.0
    for color in colors:
        yield replace(plain, color=color), ("bgr",), f"{color} instead of {declared.color}", SLIP_PENALTY
    for entries in _RESIZES:
        if entries["resize"] != declared.resize:
            words = f"resize={entries['resize']!r} instead of {declared.resize!r}"
            yield replace(plain, **entries), ("resize",), words, SLIP_PENALTY
    for one in ranges:
        words = f"values: {one.words}"
        yield _in_range(plain, one), (one.slip,), words, SLIP_PENALTY
        for color in colors:
            other = _in_range(replace(plain, color=color), one)
            yield other, ("bgr", one.slip), f"{color} instead of {declared.color}; {words}", 2 * SLIP_PENALTY


def _other_ranges(declared: Preprocessing, channels: int) -> list[ValueRange]:
    right = declared_range(declared, channels)
    usual = [*usual_ranges(channels, color=declared.color), *_inverted(channels)]
    return [one for one in usual if not one.is_same(right)]


def _inverted(channels: int) -> list[ValueRange]:
    """Return the negative, for grey models: white on black, as handwriting is often kept."""
    return [ValueRange("inverted", "1..0, black and white exchanged", -1 / 255, (-1.0,), (1.0,))] * (
        channels == 1
    )


def _from_nothing(wanted: PictureInput) -> Iterator[_Choice]:
    """Yield the usual preprocessings, for a model that declares none."""
    size = wanted.size or _USUAL_SIZE
    whole = wanted.dtype.kind != "f"
    plain = Preprocessing(
        size=size, layout=wanted.axes.layout, dtype="float32" if whole else str(wanted.dtype)
    )
    for color in ("GRAY",) if wanted.channels == 1 else ("RGB", "BGR"):
        for one in [*usual_ranges(wanted.channels, color=color), *_inverted(wanted.channels)]:
            if whole and one.slip != "unscaled":
                continue
            # Networks of Caffe's time take BGR and subtract the mean; those of today take RGB.
            odd = (
                (color == "BGR") != (one.slip == "minus mean")
                if wanted.channels == 3
                else one.slip == "inverted"
            )
            for index, entries in enumerate(_RESIZES):
                cost = _RARE * index + 2 * _RARE * odd
                made = _in_range(replace(plain, color=color, **entries), one)
                made = replace(made, dtype=str(wanted.dtype)) if whole else made
                slips = ("resize",) if index else ()
                yield made, slips, f"{color}, {entries['resize']}, {one.words}", cost


def _in_range(preprocessing: Preprocessing, one: ValueRange) -> Preprocessing:
    mean, std = (item[0] if len(set(item)) == 1 else item for item in (one.mean, one.std))
    return replace(preprocessing, scale=one.scale, mean=mean, std=std)


def _written(preprocessing: Preprocessing) -> str:
    """Return the call that makes a preprocessing, without what is default anyway."""
    default = Preprocessing()
    named = vars(default)
    given = {
        name: getattr(preprocessing, name) for name in named if getattr(preprocessing, name) != named[name]
    }
    shown = {name: _number(value) for name, value in given.items()}
    return f"ow.Preprocessing({', '.join(f'{name}={value}' for name, value in shown.items())})"


def _number(value: object) -> str:
    return "-1 / 255" if value == -1 / 255 else repr(value)
