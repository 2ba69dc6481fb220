"""Ranges of values: which one an array is in, and the arithmetic from one to another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.analysis.diagnosing.steps import Array, Axes, Step
from onnx_workbench.core.preprocessing import Preprocessing

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CAFFE_MEAN = (123.68, 116.779, 103.939)
"""Mean colour of ImageNet in bytes, RGB, as the networks of Caffe's and CNTK's time subtract it."""

_SAMPLE = 60_000
_SAME = 1e-4
_WHOLE_NUMBERS = 10.0
_IMPOSSIBLE = -14.0
_FLAT = 6  # levels of brightness: a picture with fewer, and fractions between them, is none
_COARSE = 0.5  # rounding, in bytes, from which on every number would be whole


@dataclass(frozen=True)
class ValueRange:
    """What becomes of bytes: value = (byte * scale - mean) / std, with mean and std for each channel.

    Attributes
    ----------
    slip
        Name of the slip, when an array is in this range and the model takes another.
    words
        The range in words.
    """

    slip: str
    words: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def is_uniform(self) -> bool:
        """Tell whether all channels are treated alike."""
        return len(set(self.mean)) == 1 and len(set(self.std)) == 1

    def can_be(self, dtype: np.dtype[Any]) -> bool:
        """Tell whether a dtype can hold the range: whole numbers hold nothing that is normalised."""
        if dtype.kind == "f":
            return True
        std, mean = np.asarray(self.std), np.asarray(self.mean)
        limits = np.iinfo(dtype)
        ends = np.array([[0.0], [1.0], [255.0]]) * self.scale
        made = (ends - mean) / std
        is_whole = bool(np.abs(made - np.rint(made)).max() < _SAME)
        return is_whole and made.min() >= limits.min and made.max() <= limits.max

    def is_same(self, other: ValueRange) -> bool:
        """Tell whether another range gives the same numbers."""
        gain, offset = _conversion(self, other)
        return float(np.abs(gain - 1).max()) < _SAME and float(np.abs(offset).max()) < _SAME

    def bytes_of(self, planes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the bytes that channels (C, pixels) came from."""
        std, mean = (np.asarray(item)[:, np.newaxis] for item in (self.std, self.mean))
        found: NDArray[np.float64] = (planes * std + mean) / self.scale
        return found


def _make(
    slip: str,
    words: str,
    channels: int,
    scale: float,
    mean: float | tuple[float, ...] = 0.0,
    std: float | tuple[float, ...] = 1.0,
) -> ValueRange:
    """Return a range with one number for each channel; a grey channel gets the mean of three."""
    full = [
        np.broadcast_to(np.asarray(item, float), (3,) if np.ndim(item) else (channels,))
        for item in (mean, std)
    ]
    fitted = [item if len(item) == channels else np.full(channels, item.mean()) for item in full]
    return ValueRange(slip, words, scale, *(tuple(float(n) for n in item) for item in fitted))


def declared_range(preprocessing: Preprocessing, channels: int) -> ValueRange:
    """Return the range that a preprocessing yields."""
    made = _make(
        "",
        "as the preprocessing makes them",
        channels,
        preprocessing.scale,
        preprocessing.mean,
        preprocessing.std,
    )
    usual = usual_ranges(channels, color=preprocessing.color)
    words = next((one.words for one in usual if one.is_same(made)), made.words)
    return replace(made, words=words)


def usual_ranges(channels: int, *, color: str = "RGB") -> tuple[ValueRange, ...]:
    """Return the ranges that models of this world take; constants of channels in the order of `color`."""
    turn = -1 if color == "BGR" else 1
    found = [
        _make("unscaled", "0..255", channels, 1.0),
        _make("scaled", "0..1", channels, 1 / 255),
        _make("range -1..1", "-1..1", channels, 1 / 255, 0.5, 0.5),
        _make(
            "imagenet",
            "normalised by ImageNet's mean and std",
            channels,
            1 / 255,
            IMAGENET_MEAN[::turn],
            IMAGENET_STD[::turn],
        ),
        _make("minus mean", "0..255 minus ImageNet's mean colour", channels, 1.0, CAFFE_MEAN[::turn]),
        _make("minus 128", "0..255 minus 128", channels, 1.0, 128.0),
    ]
    return tuple(found)


def slipped_ranges(right: ValueRange, color: str) -> tuple[ValueRange, ...]:
    """Return the ranges in which arrays come by mistake, where `right` is wanted; `right` itself first."""
    channels = len(right.mean)
    mean, std, scale = np.asarray(right.mean), np.asarray(right.std), right.scale

    def variant(slip: str, words: str, scale: float, mean: Any, std: Any) -> ValueRange:
        return ValueRange(slip, words, scale, tuple(map(float, mean)), tuple(map(float, std)))

    nothing, one = np.zeros(channels), np.ones(channels)
    found = [
        right,
        *usual_ranges(channels, color=color),
        _make("minus 0.5", "0..1 minus 0.5", channels, 1 / 255, 0.5),
        variant("mean missing", "without the mean subtracted", scale, nothing, std),
        variant("std missing", "not divided by std", scale, mean, one),
        variant("scale missing", "normalised without being scaled", 1.0, mean, std),
        variant("scaled twice", "scaled twice", scale * scale, mean, std),
        *odd_ranges(right),
    ]
    unique: list[ValueRange] = []
    for item in found:
        if not any(item.is_same(other) for other in unique):
            unique.append(item)
    return tuple(unique)


def odd_ranges(right: ValueRange) -> tuple[ValueRange, ...]:
    """Return what comes of a range by a step too many: normalised twice; of grey pictures, the negative."""
    mean, std = np.asarray(right.mean), np.asarray(right.std)

    def variant(slip: str, words: str, scale: float, mean: Any, std: Any) -> ValueRange:
        return ValueRange(slip, words, scale, tuple(map(float, mean)), tuple(map(float, std)))

    found = [variant("normalised twice", "normalised twice", right.scale, mean + mean * std, std * std)]
    if len(right.mean) == 1:
        negative = (-right.scale, mean - 255 * right.scale, std)
        found.append(variant("inverted", "black and white exchanged", *negative))
    return tuple(item for item in found if not item.is_same(right))


def _conversion(given: ValueRange, wanted: ValueRange) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return gain and offset, for each channel, from one range to another."""
    gain = wanted.scale / np.asarray(wanted.std) * np.asarray(given.std) / given.scale
    offset = gain * np.asarray(given.mean) / np.asarray(given.std) - np.asarray(wanted.mean) / np.asarray(
        wanted.std
    )
    return gain, offset


def conversion(given: ValueRange, wanted: ValueRange, axes: Axes, dtype: np.dtype[Any]) -> tuple[Step, ...]:
    """Return the arithmetic from one range to another: no step if they are the same."""
    if given.is_same(wanted):
        return ()
    gain, offset = _conversion(given, wanted)
    working = dtype if dtype.kind == "f" else np.dtype(np.float32)
    factor, shift = (axes.per_channel(item, working) for item in (gain, offset))
    if given.is_uniform and wanted.is_uniform:
        factor, shift = factor.reshape(-1)[:1].reshape(()), shift.reshape(-1)[:1].reshape(())
    template, is_sum = _arithmetic(given, wanted, axes, working)
    return (Step(given.slip, "", template, lambda x: (x * factor + shift).astype(working), is_sum),)


def _arithmetic(given: ValueRange, wanted: ValueRange, axes: Axes, dtype: np.dtype[Any]) -> tuple[str, bool]:
    """Return the expression, and whether it must be put into parentheses."""
    gain, offset = _conversion(given, wanted)
    if np.allclose(gain, wanted.std, rtol=1e-6) and np.allclose(offset, wanted.mean, atol=1e-9):
        operations = [("*", wanted.std), ("+", wanted.mean)]  # one normalisation too many
    elif np.allclose(offset, 0, atol=1e-6):
        operations = [("*", tuple(gain))]
    elif np.allclose(gain, 1, rtol=1e-6):
        operations = [("+", tuple(offset))]
    else:
        ratio = (wanted.scale / given.scale,) * len(gain)
        operations = [("*", given.std), ("+", given.mean), ("*", ratio)]
        operations += [("-", wanted.mean), ("/", wanted.std)]
    code, is_sum = "{x}", False
    is_bare = True
    for sign, numbers in operations:
        neutral = 0 if sign in "+-" else 1
        if np.allclose(numbers, neutral, atol=1e-12):
            continue
        sign, numbers = _friendly(sign, numbers)
        if sign in "*/" and is_sum:
            code = f"({code})"
        code = f"{code} {sign} {_constant(numbers, axes, dtype)}"
        is_sum, is_bare = sign in "+-", False
    return code, not is_bare


def _friendly(sign: str, numbers: tuple[float, ...]) -> tuple[str, tuple[float, ...]]:
    """Return an operation as people write it: / 255 and not * 0.00392, - 0.5 and not + -0.5."""
    if sign in "+-" and all(number <= 0 for number in numbers):
        return "-" if sign == "+" else "+", tuple(-number for number in numbers)
    if sign == "*" and all(
        abs(number) < 1 and abs(1 / number - round(1 / number, 3)) < 1e-6 for number in numbers
    ):
        return "/", tuple(1 / number for number in numbers)
    return sign, numbers


def _constant(numbers: tuple[float, ...], axes: Axes, dtype: np.dtype[Any]) -> str:
    shown = [f"{number:.8g}" for number in numbers]
    if len(set(shown)) == 1 or axes.channels is None:
        return f"({shown[0]})" if shown[0].startswith("-") else shown[0]
    tail = (1,) * (axes.rank - 1 - axes.channels)
    place = f".reshape{(len(shown), *tail)}" if tail else ""
    return f"np.array([{', '.join(shown)}], np.{dtype}){place}"


def sampled_planes(array: Array, axes: Axes) -> NDArray[np.float64]:
    """Return an array as (channels, pixels), with every so many pixels of a large one."""
    planes = array.reshape(1, -1) if axes.channels is None else np.moveaxis(array, axes.channels, 0)
    flat = planes.reshape(len(planes), -1)
    return flat[:, :: max(1, flat.shape[1] // _SAMPLE)].astype(np.float64)


def plausibility(planes: NDArray[np.float64], given: ValueRange, precision: float) -> float:
    """Return how well values agree with a range, as a logarithm: pictures are whole bytes, from dark to bright.

    Parameters
    ----------
    planes
        The values, (channels, pixels).
    precision
        Relative rounding error of the dtype in which the values came.
    """
    found = given.bytes_of(planes)
    low, high = (float(item) for item in np.quantile(found, (0.002, 0.998)))
    if low < -48 or high > 303:
        return _IMPOSSIBLE
    is_whole = _is_whole(found, planes, given, precision)
    if high - low < _FLAT and not is_whole:
        return _IMPOSSIBLE
    score = -2 * max(0.0, low) / 255 - 2 * max(0.0, 255 - high) / 255
    if low < -2 or high > 257:  # a sharp filter may overshoot a little
        score -= 4
    if high - low < 24:
        score -= 5
    return score + (_WHOLE_NUMBERS if is_whole else 0.0)


def _is_whole(
    found: NDArray[np.float64], planes: NDArray[np.float64], given: ValueRange, precision: float
) -> bool:
    """Tell whether all values are whole bytes, as exactly as their dtype keeps them and more than by chance."""
    std, mean = (np.asarray(item)[:, np.newaxis] for item in (given.std, given.mean))
    rounding = precision * (np.abs(planes) * std + np.abs(mean)) / abs(given.scale)
    if np.ptp(found) < 3 or float(np.quantile(rounding, 0.9)) > _COARSE:
        return False
    nearest = np.rint(found)
    near = np.abs(found - nearest) < np.clip(rounding, 0.02, 0.12)
    return bool(near.mean() > 0.99) and len(np.unique(nearest[0])) > 2
