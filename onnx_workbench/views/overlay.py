"""Numbers on a graph: which box gets which colour, and the legend that says what colours mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import nsmallest
from itertools import chain
from typing import Any, Protocol, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model
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
NO_NUMBER_DARK = Colours("#2b2f37", "#5c6370", "#dfe4ec")
SCALES = ("linear", "log")
WORST = 10
_NAMED = 3

Numbers = Mapping[str, SupportsFloat]


class HasOverlays(Protocol):
    """A result that can colour a graph: a trace, a comparison, a profile, or one of your own."""

    @property
    def overlays(self) -> Mapping[str, Numbers]:
        """Overlays by their labels, the most interesting first."""


_EXPECTED = (
    "it must be a mapping from value name to number, such as {'conv1': 0.3}, "
    "or a result with overlays, as trace, compare and profile return."
)


@dataclass(frozen=True)
class Overlay:
    """Numbers by value name, with what they mean and how they become colours.

    A box shows the greatest number of the values that it writes; NaN and infinity get a colour of their own.
    """

    numbers: Numbers
    label: str = ""
    scale: str = "linear"

    def __post_init__(self) -> None:
        """Check the scale and the numbers."""
        check_scale(self.scale)
        if not isinstance(self.label, str):
            raise InputError(
                f"The overlay's label is {self.label!r}; it is a text that says what the numbers are, such as 'ms'."
            )
        if not isinstance(self.numbers, Mapping):
            raise InputError(f"The overlay is a {type(self.numbers).__name__}; {_EXPECTED}")
        _ = self.floats

    @cached_property
    def floats(self) -> dict[str, float]:
        """The numbers as Python's, or InputError: thousands of boxes ask for them."""
        found = {}
        for name, number in self.numbers.items():
            try:
                found[name] = float(number)
            except (TypeError, ValueError, OverflowError) as error:
                large = ", larger than any float" * isinstance(error, OverflowError)
                given = f"{clean_text(str(name))!r} a {type(number).__name__}{large}"
                raise InputError(f"The overlay gives {given}; {_EXPECTED}") from None
        return found

    def number_of(self, values: Sequence[str]) -> float | None:
        """Return the worst number of some values: NaN or infinity, or the greatest; None if none has one."""
        floats = self.floats
        if len(values) == 1:
            return floats.get(values[0])
        found = [floats[name] for name in values if name in floats]
        odd = [number for number in found if not math.isfinite(number)]
        return odd[0] if odd else max(found, default=None)

    def number_of_box(self, node: DrawnNode) -> float | None:
        """Return the number of a box; an output shows none, as the node that writes it does."""
        return None if node.kind == "output" else self.number_of(node.values)


def check_scale(scale: str) -> None:
    """Raise InputError for a scale that there is not."""
    if scale not in SCALES:
        raise InputError(f"The overlay's scale is {scale!r}; it can be 'linear' or 'log'.")


def overlays_from(given: Any, *, label: str = "", scale: str = "linear") -> tuple[Overlay, ...]:
    """Return the overlays in one mapping of numbers, in a mapping from labels to such mappings, or of a result."""
    if not isinstance(given, Mapping) and isinstance(offered := getattr(given, "overlays", None), Mapping):
        given = _with_numbers(given, offered)
    kinds = {type(numbers) for numbers in given.values()} if isinstance(given, Mapping) else set()
    nested = {issubclass(kind, Mapping) for kind in kinds}
    if True not in nested:
        return (Overlay(given, label, scale),)
    if False in nested:
        odd = next(str(name) for name, inner in given.items() if not isinstance(inner, Mapping))
        raise InputError(
            f"The overlay mixes numbers and mappings: {clean_text(odd)!r} has no mapping of its own. Give either "
            "{'conv1': 0.3} or several by their labels: {'time in ms': {'conv1': 0.3}, 'error': {'conv1': 1e-6}}."
        )
    if label:
        raise InputError(
            f"overlay_label is {label!r}, and the overlay holds {len(given)} overlays that have their labels as "
            "keys. Leave overlay_label out."
        )
    return tuple(Overlay(numbers, str(name), scale) for name, numbers in given.items())


def _with_numbers(result: object, offered: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Leave out what a result could not measure: an empty overlay among others is no slip of who gives the result."""
    found = {label: numbers for label, numbers in offered.items() if numbers}
    if not found:
        raise InputError(
            f"The {type(result).__name__} has no number for any value, so there is nothing to colour the graph by. "
            "print() of it says what it found; leave overlay out to see the graph."
        )
    return found


@dataclass(frozen=True)
class Shades:
    """Boxes by colour: an index into `RAMP`, -1 for NaN and infinity, None for boxes without a number."""

    steps: tuple[int | None, ...]
    lowest: float
    highest: float


@dataclass(frozen=True)
class WorstNode:
    """A place in the list of the worst: the box to look at, and the model's node in it (-1 for an input)."""

    place: int
    node: int
    title: str
    name: str
    number: float


@dataclass(frozen=True)
class PaintedOverlay:
    """An overlay on the boxes of one graph: each box's number, its colour by either scale, and the worst nodes."""

    label: str
    numbers: tuple[float | None, ...]
    shades: Mapping[str, Shades]
    scale: str
    worst: tuple[WorstNode, ...]
    modules: bool

    @property
    def shown(self) -> Shades:
        """The colours by the scale that is shown; a logarithm needs two different positive numbers."""
        return self.shades.get(self.scale, self.shades["linear"])

    @property
    def meaning(self) -> str:
        """The label with the scale."""
        log = self.shown is not self.shades["linear"]
        return " ".join(filter(None, [self.label or "value", "(log)" * log]))

    @property
    def note(self) -> str:
        """What else one must know to read the colours."""
        return "A module shows the worst number of its nodes." if self.modules else ""

    def colours(self, place: int) -> Colours:
        """Return the colours of a box."""
        step = self.shown.steps[place]
        return NO_NUMBER if step is None else NOT_FINITE if step < 0 else RAMP[step]


def check_overlay(overlay: Overlay, model: Model) -> None:
    """Raise InputError if no value of the graph would have a number."""
    written = (name for node in model.nodes for name in node.outputs if name)
    names = chain((value.name for value in model.inputs), written)
    first: list[str] = []
    for name in names:
        if name in overlay.numbers:
            return
        first += [name] * (len(first) < _NAMED)
    given = (
        ", ".join(repr(clean_text(str(name), limit=40)) for name in list(overlay.numbers)[:_NAMED])
        or "nothing"
    )
    known = ", ".join(repr(clean_text(name, limit=40)) for name in first)
    which = f" {clean_text(overlay.label, limit=60)!r}" if overlay.label else ""
    raise InputError(
        f"The overlay{which} has no number for any value of the graph: it names {given}; the graph has {known}, …"
    )


def paint(overlay: Overlay, nodes: Sequence[DrawnNode], model: Model) -> PaintedOverlay:
    """Return the overlay for the boxes of a model's graph."""
    numbers = tuple(overlay.number_of_box(node) for node in nodes)
    ranked = list(_ranked(overlay, nodes, model))
    # The scale is that of all nodes: a colour means the same whichever modules are open.
    span = [number for number, _, _ in ranked if math.isfinite(number)]
    shades = {"linear": _shades(numbers, span, "linear")}
    if len({number for number in span if number > 0}) > 1:
        shades["log"] = _shades(numbers, span, "log")
    return PaintedOverlay(
        clean_text(overlay.label, limit=60),
        numbers,
        shades,
        overlay.scale,
        tuple(_worst(ranked, nodes, model)),
        any(node.kind == "module" for node in nodes),
    )


def _shades(numbers: Sequence[float | None], span: Sequence[float], scale: str) -> Shades:
    lowest, highest = min(span, default=0.0), max(span, default=0.0)
    if scale == "log":
        lowest = min(number for number in span if number > 0)
    values = np.array([0.0 if number is None else number for number in numbers])
    finite = np.isfinite(values)
    share = _shares(np.where(finite, values, lowest), lowest, highest, scale)
    steps = np.minimum((share * len(RAMP)).astype(np.int64), len(RAMP) - 1)
    listed = np.where(finite, steps, -1).tolist()
    known = (None if number is None else step for number, step in zip(numbers, listed, strict=True))
    return Shades(tuple(known), lowest, highest)


def _shares(values: NDArray[np.float64], lowest: float, highest: float, scale: str) -> NDArray[np.float64]:
    """Return where finite numbers stand between the lowest and the highest, from 0 to 1."""
    if scale == "log":
        positive = np.where(values > 0, values, lowest)
        width = math.log(highest) - math.log(lowest)
        share = (np.log(positive) - math.log(lowest)) / width if width > 0 else np.zeros(len(values))
    else:
        # Halved: the difference of two finite numbers may be infinite.
        width = highest / 2 - lowest / 2
        share = (values / 2 - lowest / 2) / width if width > 0 else np.zeros(len(values))
    return np.clip(share, 0.0, 1.0)


_Ranked = tuple[float, int, int]
"""A number, the place of its box, and the model's node (-1 for an input)."""


def _worst(ranked: Sequence[_Ranked], nodes: Sequence[DrawnNode], model: Model) -> Iterator[WorstNode]:
    """Yield the nodes with the greatest numbers, NaN and infinity first; nothing that is zero."""
    found = [entry for entry in ranked if entry[0] != 0]
    for number, place, index in nsmallest(WORST, found, key=_how_good):
        if index < 0:
            yield WorstNode(place, -1, nodes[place].title, "", number)
        else:
            node = model.nodes[index]
            title, name = clean_text(node.op_type, limit=26), clean_text(node.name or node.key, limit=80)
            yield WorstNode(place, index, title, name, number)


def _how_good(entry: _Ranked) -> float:
    return -entry[0] if math.isfinite(entry[0]) else -math.inf


def _ranked(overlay: Overlay, nodes: Sequence[DrawnNode], model: Model) -> Iterator[_Ranked]:
    every = model.nodes
    for place, box in enumerate(nodes):
        if box.kind == "input":
            if (number := overlay.number_of(box.values)) is not None:
                yield number, place, -1
            continue
        for index in box.members:
            if (number := overlay.number_of(every[index].outputs)) is not None:
                yield number, place, index
