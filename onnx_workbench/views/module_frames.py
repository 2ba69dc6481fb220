"""Frames around what open modules hold, each with a tab that closes its module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.provenance import ModulePath
from onnx_workbench.views.drawn_graph import LINE_SIZE, DrawnGraph
from onnx_workbench.views.modules import Folding
from onnx_workbench.views.text_width import text_width

TAB_HEIGHT = 16.0
_TAB_PADDING = 26.0
_NEAREST, _STEP, _FARTHEST = 7.0, 4.0, 15.0


@dataclass(frozen=True)
class ModuleFrame:
    """An open module in a drawn graph.

    Attributes
    ----------
    path
        The module.
    title
        Its name.
    parent
        Number of the frame around it; -1 for none.
    corner, size
        The frame, in pixels; None where other boxes stand among the module's, so that a frame would lie.
    tab
        Left end and width of the tab on the frame's upper side.
    """

    path: ModulePath
    title: str
    parent: int
    corner: tuple[float, float] | None
    size: tuple[float, float]
    tab: tuple[float, float]


def module_frames(graph: DrawnGraph, folding: Folding) -> tuple[list[ModuleFrame], list[int]]:
    """Return the frames of the open modules, outer ones before inner ones, and each box's innermost (-1 for none)."""
    inside: dict[ModulePath, list[int]] = {}
    innermost: list[ModulePath] = []
    for place, box in enumerate(graph.nodes):
        around = folding.around(box.members[0]) if box.members else []
        innermost.append(around[-1] if around else ())
        for path in around:
            inside.setdefault(path, []).append(place)
    paths = sorted(inside, key=len)
    number = {path: at for at, path in enumerate(paths)}
    boxes = _Boxes(graph)
    margins = _margins(paths)
    frames: list[ModuleFrame] = []
    tabs: dict[int, list[tuple[float, float]]] = {}
    for path in paths:
        parent = next((number[path[:k]] for k in range(len(path) - 1, 0, -1) if path[:k] in number), -1)
        title = clean_text(folding.title(path), limit=40)
        rectangle = boxes.rectangle(inside[path])
        if rectangle is None:
            frames.append(ModuleFrame(path, title, parent, None, (0.0, 0.0), (0.0, 0.0)))
            continue
        margin = margins[path]
        left, top = rectangle[0] - margin, rectangle[1] - margin
        width = text_width(title, LINE_SIZE) + _TAB_PADDING
        tab = _free_place(tabs, left + 8.0, top, width)
        right = max(rectangle[2] + margin, tab + width + 8.0)
        size = (round(right - left, 1), round(rectangle[3] + margin - top, 1))
        frames.append(
            ModuleFrame(
                path,
                title,
                parent,
                (round(left, 1), round(top, 1)),
                size,
                (round(tab, 1), round(width, 1)),
            )
        )
    return frames, [number.get(path, -1) for path in innermost]


class _Boxes:
    """The sides of boxes, sorted from above: a module's boxes are compared with those at its height alone."""

    def __init__(self, graph: DrawnGraph) -> None:
        centres = np.array(graph.layout.centres, np.float64).reshape(-1, 2)
        halves = np.array([node.size for node in graph.nodes], np.float64).reshape(-1, 2) / 2
        self.sides = np.concatenate([centres - halves, centres + halves], axis=1)
        self.from_above = self.sides[np.argsort(self.sides[:, 1])]
        self.tallest = float(2 * halves[:, 1].max(initial=0.0))

    def rectangle(self, places: Sequence[int]) -> tuple[float, float, float, float] | None:
        """Return left, top, right and bottom of the rectangle around some boxes, if no other box is in it."""
        own = self.sides[places]
        left, top = own[:, :2].min(axis=0)
        right, bottom = own[:, 2:].max(axis=0)
        first, last = np.searchsorted(self.from_above[:, 1], (top - self.tallest, bottom))
        near = self.from_above[first:last]
        touching = (near[:, 2] > left) & (near[:, 0] < right) & (near[:, 3] > top) & (near[:, 1] < bottom)
        if touching.sum() != len(places):
            return None
        return float(left), float(top), float(right), float(bottom)


def _margins(paths: Sequence[ModulePath]) -> Mapping[ModulePath, float]:
    """Return how far a frame stands from its boxes: the farther, the more frames are in it."""
    height = dict.fromkeys(paths, 0)
    for path in sorted(paths, key=len, reverse=True):
        around = next((path[:k] for k in range(len(path) - 1, 0, -1) if path[:k] in height), None)
        if around is not None:
            height[around] = max(height[around], height[path] + 1)
    return {path: min(_NEAREST + _STEP * level, _FARTHEST) for path, level in height.items()}


def _free_place(tabs: dict[int, list[tuple[float, float]]], left: float, top: float, width: float) -> float:
    """Return where a tab can begin so that it covers none before it, and keep it; `tabs` is by lines."""
    line = int(top // TAB_HEIGHT)
    for near in (line - 1, line, line + 1):
        for other, length in tabs.get(near, ()):
            if left < other + length and other < left + width:
                left = other + length + 4.0
    tabs.setdefault(line, []).append((left, width))
    return left
