"""A graph's picture, placed but not yet drawn: caption, legend, boxes, lines, labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from onnx_workbench.views.drawn_graph import (
    LABEL_OFFSET,
    LABEL_SIZE,
    LINE_SIZE,
    TITLE_SIZE,
    DrawnGraph,
    DrawnNode,
)
from onnx_workbench.views.edge_curves import Point
from onnx_workbench.views.module_frames import ModuleFrame
from onnx_workbench.views.operator_families import FAMILIES, FAMILY_NUMBERS, Colours
from onnx_workbench.views.overlay import RAMP, PaintedOverlay
from onnx_workbench.views.text_width import text_width

MARGIN = 20.0
CAPTION = 34.0
NOTICE = 18.0
LEGEND = 46.0
LEGEND_FIELD = 24.0
CORNER = 8.0
# Greys that can be read on white and on a dark notebook alike: pictures have no background of their own.
LINE_GREY = "#7b8494"
TEXT_GREY = "#6f7783"


@dataclass(frozen=True)
class Box:
    """A box with its place, its colours, and its texts' baselines."""

    node: DrawnNode
    x: float
    y: float
    width: float
    height: float
    radius: float
    colours: Colours

    @property
    def middle(self) -> float:
        """Return the horizontal centre."""
        return self.x + self.width / 2

    @property
    def baselines(self) -> tuple[float, float]:
        """Return the baselines of title and line."""
        centre = self.y + self.height / 2
        return (centre - 3.5, centre + 12.5) if self.node.line else (centre + 4.6, 0.0)


@dataclass(frozen=True)
class Picture:
    """Everything that stands in a picture of a graph, placed; `frames` are those of open modules."""

    graph: DrawnGraph
    overlay: PaintedOverlay | None = None
    frames: tuple[ModuleFrame, ...] = ()

    @cached_property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels."""
        texts = [text_width(self.caption, TITLE_SIZE, bold=True), text_width(self.graph.notice, LINE_SIZE)]
        width = max(self._graph_width, *texts, self._legend_width)
        return width + 2 * MARGIN, self.graph.layout.height + self.top + MARGIN

    @cached_property
    def _graph_width(self) -> float:
        """Width of boxes, lines, labels and frames."""
        ends = [
            self.graph.layout.routes[number][0][0]
            + LABEL_OFFSET
            + text_width(self.graph.edges[number].label, LABEL_SIZE)
            for number in self.graph.labelled_edges
        ]
        sides = [frame.corner[0] + frame.size[0] for frame in self.frames if frame.corner]
        return max(self.graph.layout.width, *ends, *sides, 0.0)

    @property
    def _legend_width(self) -> float:
        if self.overlay is None:
            return 0.0
        words = f"{self.overlay.meaning}. {self.overlay.note}"
        return LEGEND_FIELD * len(RAMP) + 10 + max(text_width(words, LABEL_SIZE), 100.0)

    @property
    def top(self) -> float:
        """Where the graph begins, below caption, notice and legend."""
        return MARGIN + CAPTION + (NOTICE if self.graph.notice else 0) + (LEGEND if self.overlay else 0)

    @property
    def left(self) -> float:
        """Where the graph begins: it stands in the middle."""
        return (self.size[0] - self._graph_width) / 2

    @property
    def caption(self) -> str:
        """Name and size of the graph."""
        count = self.graph.node_count
        return f"{self.graph.name} · {count:,} node{'s' * (count != 1)}"

    def boxes(self) -> Iterator[Box]:
        """Yield the boxes."""
        for place, (node, (x, y)) in enumerate(zip(self.graph.nodes, self.graph.layout.centres, strict=True)):
            width, height = node.size
            colours = (
                self.overlay.colours(place) if self.overlay else FAMILIES[FAMILY_NUMBERS[node.family]].light
            )
            radius = height / 2 if node.kind in {"input", "output"} else CORNER
            yield Box(
                node, x - width / 2 + self.left, y - height / 2 + self.top, width, height, radius, colours
            )

    def module_frames(self) -> Iterator[tuple[tuple[float, float, float, float], Point, str]]:
        """Yield the frames of open modules: left, top, width and height, where the title's line begins, the title."""
        for frame in self.frames:
            if frame.corner:
                x, y = frame.corner[0] + self.left, frame.corner[1] + self.top
                beginning = (frame.tab[0] + self.left, y - 4)
                yield (x, y, *frame.size), beginning, frame.title

    def routes(self) -> Iterator[tuple[Point, ...]]:
        """Yield the points of the edges."""
        for route in self.graph.layout.routes:
            yield tuple((x + self.left, y + self.top) for x, y in route)

    def labels(self) -> Iterator[tuple[Point, str]]:
        """Yield the shapes beside edges."""
        for number in self.graph.labelled_edges:
            x, y = self.graph.layout.routes[number][0]
            yield (x + self.left + LABEL_OFFSET, y + self.top + 14), self.graph.edges[number].label
