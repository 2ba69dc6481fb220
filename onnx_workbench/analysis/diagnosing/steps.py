"""Steps that mend an array: each is a function and the Python expression that does the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Step:
    """One operation on an array.

    Attributes
    ----------
    slip
        The slip that it mends, such as ``"bgr"``.
    words
        What is wrong without it.
    template
        Its expression, with ``{x}`` for the array.
    is_sum
        Whether the expression needs parentheses before something is appended to it.
    """

    slip: str
    words: str
    template: str
    apply: Callable[[Array], Array]
    is_sum: bool = False


@dataclass(frozen=True)
class Axes:
    """Where height, width and channels stand in the model's input; None where it has no such axis."""

    layout: str
    channels: int | None
    height: int | None
    width: int | None

    @property
    def rank(self) -> int:
        """Number of axes."""
        return 2 if self.layout == "flat" else len(self.layout)

    def per_channel(self, numbers: object, dtype: np.dtype[Any]) -> Array:
        """Return one number for each channel in the shape that broadcasts over the input."""
        array = np.asarray(numbers, dtype)
        if array.ndim == 0 or array.size == 1 or self.channels is None:
            return array.reshape(())
        return array.reshape(array.size, *(1,) * (self.rank - 1 - self.channels))


def axes_of(layout: str) -> Axes:
    """Return the axes of a layout such as ``"NCHW"``, or ``"flat"`` for (N, numbers)."""
    places = {letter: layout.index(letter) if letter in layout else None for letter in "CHW"}
    return Axes(layout, places["C"], places["H"], places["W"])


def apply_all(steps: tuple[Step, ...], array: Array) -> Array:
    """Return the array after all steps."""
    return reduce(lambda current, step: step.apply(current), steps, array)


def expression(steps: tuple[Step, ...], base: str = "x") -> str:
    """Return all steps as one Python expression in ``x`` and ``np``."""
    code, is_sum = base, False
    for step in steps:
        is_argument = step.template.startswith("np.")
        code = step.template.format(x=f"({code})" if is_sum and not is_argument else code)
        is_sum = step.is_sum
    return code
