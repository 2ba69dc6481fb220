"""Numbers on a graph: which box gets which colour, and the legend that says what colours mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import SupportsFloat

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.views.drawn_graph import DrawnNode
from onnx_workbench.views.operator_families import Colours

RAMP = (
    Colours("#fdf6e0", "#8a7a52", "#1b2230"),
    Colours("#fbe3ab", "#8a6f33", "#1b2230"),
    Colours("#f8c873", "#8c5f1d", "#1b2230"),
    Colours("#f0a14a", "#87480f", "#1b2230"),
    Colours("#c24f25", "#6f2408", "#ffffff"),
    Colours("#a03326", "#57130b", "#ffffff"),
    Colours("#6f1720", "#3d060d", "#ffffff"),
)
NOT_FINITE = Colours("#5b2a86", "#2f0f4d", "#ffffff")
NO_NUMBER = Colours("#ececef", "#a3a3ad", "#1b2230")


_EXPECTED = "it must be a mapping from value name to number, such as {'conv1': 0.3}."


@dataclass(frozen=True)
class Overlay:
    """Numbers by value name, with what they mean and how they become colours.

    A box shows the greatest number of the values that it writes; NaN and infinity get a colour of their own.
    """

    numbers: Mapping[str, SupportsFloat]
    label: str = ""
    scale: str = "linear"

    def __post_init__(self) -> None:
        """Check the scale and the numbers."""
        if self.scale not in {"linear", "log"}:
            raise InputError(f"The overlay's scale is {self.scale!r}; it can be 'linear' or 'log'.")
        if not isinstance(self.numbers, Mapping):
            raise InputError(f"The overlay is a {type(self.numbers).__name__}; {_EXPECTED}")
        for name, number in self.numbers.items():
            try:
                float(number)
            except (TypeError, ValueError):
                given = f"{clean_text(str(name))!r} a {type(number).__name__}"
                raise InputError(f"The overlay gives {given}; {_EXPECTED}") from None

    def number_of(self, node: DrawnNode) -> float | None:
        """Return the number of a box; None if none of its values has one."""
        if node.kind == "output":
            return None
        found = [float(self.numbers[name]) for name in node.values if name in self.numbers]
        odd = [number for number in found if not math.isfinite(number)]
        return odd[0] if odd else max(found, default=None)


@dataclass(frozen=True)
class PaintedOverlay:
    """An overlay on the boxes of one graph: each box's number, step of the ramp, and the legend's texts.

    A step is an index into `RAMP`, -1 for NaN and infinity, None for boxes without a number.
    """

    label: str
    numbers: tuple[float | None, ...]
    steps: tuple[int | None, ...]
    lowest: float
    highest: float
    scale: str

    def colours(self, place: int) -> Colours:
        """Return the colours of a box."""
        step = self.steps[place]
        return NO_NUMBER if step is None else NOT_FINITE if step < 0 else RAMP[step]


def check_overlay(overlay: Overlay, nodes: Sequence[DrawnNode]) -> None:
    """Raise InputError if no box of the graph would have a number."""
    if any(overlay.number_of(node) is not None for node in nodes):
        return
    given = (
        ", ".join(repr(clean_text(str(name), limit=40)) for name in list(overlay.numbers)[:3]) or "nothing"
    )
    known = ", ".join(repr(clean_text(name, limit=40)) for node in nodes[:3] for name in node.values[:1])
    raise InputError(
        f"The overlay has no number for any value of the graph: it names {given}; the graph has {known}, …"
    )


def paint(overlay: Overlay, nodes: Sequence[DrawnNode]) -> PaintedOverlay:
    """Return the overlay for the boxes of a graph."""
    numbers = tuple(overlay.number_of(node) for node in nodes)
    finite = [number for number in numbers if number is not None and math.isfinite(number)]
    lowest, highest = min(finite, default=0.0), max(finite, default=0.0)
    if overlay.scale == "log":
        lowest = min((number for number in finite if number > 0), default=0.0)
    steps = tuple(_step(number, lowest, highest, overlay.scale) for number in numbers)
    return PaintedOverlay(clean_text(overlay.label, limit=60), numbers, steps, lowest, highest, overlay.scale)


def _step(number: float | None, lowest: float, highest: float, scale: str) -> int | None:
    if number is None:
        return None
    if not math.isfinite(number):
        return -1
    if scale == "log":
        if number <= 0 or highest <= lowest:
            return 0
        share = math.log(number / lowest) / math.log(highest / lowest)
    else:
        share = (number - lowest) / (highest - lowest) if highest > lowest else 0.0
    return min(int(share * len(RAMP)), len(RAMP) - 1)
