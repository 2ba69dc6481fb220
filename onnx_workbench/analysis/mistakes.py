"""The silent mistakes of preparing pictures: shape and dtype stay right, so that nobody reports them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.images import ImageLike
from onnx_workbench.core.preprocessing import Preprocessing


@dataclass(frozen=True)
class Mistake:
    """One mistake: what it is called, what it does to a picture, and which preprocessings can suffer it."""

    title: str
    consequence: str
    is_possible: Callable[[Preprocessing], bool]


def _has_three_channels(preprocessing: Preprocessing) -> bool:
    return preprocessing.channels == 3


def _unscaled(preprocessing: Preprocessing) -> Preprocessing:
    return replace(preprocessing, scale=1.0, mean=0.0, std=1.0)


def _scales(preprocessing: Preprocessing) -> bool:
    return _unscaled(preprocessing) != preprocessing


def _is_square(preprocessing: Preprocessing) -> bool:
    return preprocessing.size is None or preprocessing.size[0] == preprocessing.size[1]


MISTAKES = {
    "reshape": Mistake(
        "forget the transpose (reshape instead)",
        "The shape is right and the numbers are in their old order: each plane holds a third of the picture, with "
        "red, green and blue side by side.",
        _has_three_channels,
    ),
    "bgr": Mistake(
        "swap RGB and BGR",
        "The colours trade places: what is red looks blue, what is blue looks red.",
        _has_three_channels,
    ),
    "unscaled": Mistake(
        "skip scaling",
        "The numbers are far larger than those the model has learnt with: it sees a picture that is almost white.",
        _scales,
    ),
    "swapped": Mistake(
        "swap height and width",
        "Rows become columns: the picture is mirrored along its diagonal, and lies on its side.",
        _is_square,
    ),
}


def prepare(
    preprocessing: Preprocessing, pictures: ImageLike, mistakes: Collection[str] = ()
) -> NDArray[Any]:
    """Return pictures as a batch of the right shape and dtype, prepared with mistakes.

    Parameters
    ----------
    preprocessing
        What would be right.
    pictures
        What `preprocessing` takes: HWC uint8 pictures, say.
    mistakes
        Keys of `MISTAKES`; none gives ``preprocessing(pictures)``.

    Raises
    ------
    InputError
        If a mistake is unknown, or impossible with this preprocessing.
    """
    for name in mistakes:
        if name not in MISTAKES or not MISTAKES[name].is_possible(preprocessing):
            possible = [key for key, mistake in MISTAKES.items() if mistake.is_possible(preprocessing)]
            raise InputError(
                f"The mistake {name!r} cannot be made here; possible are {', '.join(map(repr, possible))}."
            )
    steps = _unscaled(preprocessing) if "unscaled" in mistakes else preprocessing
    batch = steps(pictures)
    channels_first = preprocessing.layout == "NCHW"
    if "bgr" in mistakes:
        batch = np.flip(batch, 1 if channels_first else 3)
    if "reshape" in mistakes:
        other_layout = np.moveaxis(batch, 1, 3) if channels_first else np.moveaxis(batch, 3, 1)
        batch = other_layout.reshape(batch.shape)
    if "swapped" in mistakes:
        batch = batch.swapaxes(2, 3) if channels_first else batch.swapaxes(1, 2)
    return np.ascontiguousarray(batch)
