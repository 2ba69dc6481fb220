"""Last step: rows become heights, and edges become lines that pass no box.

A route is a list of points. Between two points the line is straight if they share x or y, and otherwise an
S-shaped curve that leaves and arrives vertically; where straight lines meet, the corner is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.views.layout.crossings import Rows
from onnx_workbench.views.layout.ranks import Edge

Point = tuple[float, float]
Extents = tuple[NDArray[np.float64], NDArray[np.float64]]

LANE_GAP = 10.0
MOST_LANES = 80
TRACK_GAP = 7.0
TALLEST_TRACKS = 112.0
PORT_GAP = 9.0
STEM = 14.0


@dataclass
class Lane:
    """The vertical line beside the graph on which all long edges of one source run."""

    source: int
    targets: list[int]
    x: float = 0.0


@dataclass
class Tracks:
    """The horizontal lines in the gap below a row that lead to lanes and back."""

    lines: dict[tuple[int, bool], int] = field(default_factory=dict)

    def add(self, lane: int, *, leaving: bool) -> None:
        """Reserve a line for a lane."""
        self.lines.setdefault((lane, leaving), len(self.lines))


def assign_lanes(
    graph: Rows, long_edges: Sequence[Edge], x: Sequence[float], widths: Sequence[float]
) -> list[Lane]:
    """Return one lane for each source of long edges, beside all that stands in the rows it passes."""
    targets: dict[int, list[int]] = {}
    for source, target in long_edges:
        targets.setdefault(source, []).append(target)
    lanes = [Lane(source, own) for source, own in targets.items()]
    if lanes:
        boxes = _extents(graph, x, widths)
        left, right = boxes[0].copy(), boxes[1].copy()
        bounds = (float(left.min()) - MOST_LANES * LANE_GAP, float(right.max()) + MOST_LANES * LANE_GAP)
        # Short lanes first: they come to lie inside, as the arms of a U-Net do.
        for lane in sorted(lanes, key=lambda lane: (_height(graph.rank, lane), lane.source)):
            on_left = _is_nearer_on_the_left(lane, graph.rank, x, boxes)
            _place_lane(lane, _passed(lane, graph.rank), (left, right), bounds, on_left=on_left)
    return lanes


def _extents(graph: Rows, x: Sequence[float], widths: Sequence[float]) -> Extents:
    left = np.array([min(x[i] - widths[i] / 2 for i in row) for row in graph.rows])
    right = np.array([max(x[i] + widths[i] / 2 for i in row) for row in graph.rows])
    return left, right


def _height(rank: Sequence[int], lane: Lane) -> int:
    return max(abs(rank[target] - rank[lane.source]) for target in lane.targets)


def _passed(lane: Lane, rank: Sequence[int]) -> slice:
    """Return the rows that a lane passes; one that leads upwards passes its ends' own rows too."""
    ends = [rank[lane.source] + 1, *(rank[target] for target in lane.targets)]
    return slice(min(ends), max(ends))


def _is_nearer_on_the_left(lane: Lane, rank: Sequence[int], x: Sequence[float], boxes: Extents) -> bool:
    """Choose the side of the shorter way. Other lanes do not count: then nested edges keep to one side."""
    passed = _passed(lane, rank)
    left, right = float(boxes[0][passed].min()), float(boxes[1][passed].max())
    joined = [x[lane.source], *(x[target] for target in lane.targets)]
    return sum(abs(place - left) for place in joined) < sum(abs(place - right) for place in joined)


def _place_lane(
    lane: Lane, passed: slice, extents: Extents, bounds: tuple[float, float], *, on_left: bool
) -> None:
    """Put a lane beside what it passes, and keep the next lanes away from it."""
    left, right = extents[0][passed], extents[1][passed]
    if on_left:
        lane.x = max(float(left.min()) - LANE_GAP, bounds[0])
        np.minimum(left, lane.x, out=left)
    else:
        lane.x = min(float(right.max()) + LANE_GAP, bounds[1])
        np.maximum(right, lane.x, out=right)


@dataclass(frozen=True)
class Bands:
    """Top and bottom of each row, where slanted edges leave it, and the height of each track.

    Tracks are keyed by the row below their gap, the number of their lane, and whether they lead to it or back.
    Slanted edges go straight down for a little before they turn: there is room for a label beside that stem.
    """

    top: list[float]
    bottom: list[float]
    turn: list[float]
    tracks: dict[tuple[int, int, bool], float]


def stack_rows(
    graph: Rows, lanes: Sequence[Lane], x: Sequence[float], heights: Sequence[float], *, gap: float
) -> Bands:
    """Return the heights of rows and tracks; gaps grow with the tracks in them and the slant of their edges."""
    tracks = [Tracks() for _ in range(len(graph.rows) + 1)]
    for number, lane in enumerate(lanes):
        tracks[graph.rank[lane.source] + 1].add(number, leaving=True)
        for target in lane.targets:
            tracks[graph.rank[target]].add(number, leaving=False)
    bands = Bands([], [], [], {})
    y = 0.0
    for row, own in enumerate(tracks):
        step = min(TRACK_GAP, TALLEST_TRACKS / len(own.lines)) if own.lines else 0.0
        slant = _slant(graph, row - 1, x) if row else 0.0
        stem = STEM if slant or (row and own.lines) else 0.0
        for (lane_number, leaving), place in own.lines.items():
            bands.tracks[row, lane_number, leaving] = y + stem + gap * 0.3 + step * place
        if row:
            bands.turn.append(y + stem)
        if own.lines or 0 < row < len(graph.rows):
            y += gap + stem + slant + step * len(own.lines)
        if row < len(graph.rows):
            bands.top.append(y)
            y += max((heights[item] for item in graph.rows[row]), default=0.0)
            bands.bottom.append(y)
    return bands


def _slant(graph: Rows, row: int, x: Sequence[float]) -> float:
    """Return the extra room for a gap whose edges lead to the side: the further, the more."""
    widest = max(
        (abs(x[item] - x[other]) for item in graph.rows[row] for other in graph.below[item]), default=0.0
    )
    return min(48.0, max(0.0, widest - 160) / 12 + 8) if widest > 0.5 else 0.0


@dataclass(frozen=True)
class Router:
    """Makes the points of each edge; boxes are centred in their row's band."""

    graph: Rows
    bands: Bands
    x: Sequence[float]
    widths: Sequence[float]
    heights: Sequence[float]

    def middle(self, item: int) -> float:
        """Return the vertical centre of a box."""
        row = self.graph.rank[item]
        return (self.bands.top[row] + self.bands.bottom[row]) / 2

    def leave(self, item: int) -> list[Point]:
        """Return the way from the bottom of a box to the end of its row."""
        x, bottom = self.x[item], self.middle(item) + self.heights[item] / 2
        return [(x, bottom), (x, self.bands.turn[self.graph.rank[item]])]

    def arrive(self, item: int, port: float) -> list[Point]:
        """Return the way from the beginning of a row to the top of a box."""
        x, top = self.x[item] + port, self.middle(item) - self.heights[item] / 2
        return [(x, self.bands.top[self.graph.rank[item]]), (x, top)]

    def short(self, edge: Edge, port: float) -> list[Point]:
        """Return the points of an edge through its bends."""
        points = self.leave(edge[0])
        for bend in self.graph.chains[edge]:
            row = self.graph.rank[bend]
            points += [(self.x[bend], self.bands.top[row]), (self.x[bend], self.bands.turn[row])]
        return points + self.arrive(edge[1], port)

    def long(self, edge: Edge, number: int, lane: Lane, port: float) -> list[Point]:
        """Return the points of an edge through its lane."""
        source, target = edge
        out = self.bands.tracks[self.graph.rank[source] + 1, number, True]
        back = self.bands.tracks[self.graph.rank[target], number, False]
        end = self.x[target] + port
        first, last = self.leave(source)[0], self.arrive(target, port)[1]
        return [first, (self.x[source], out), (lane.x, out), (lane.x, back), (end, back), last]


def arrival_ports(arrivals: Sequence[tuple[float, int]], centre: float, width: float) -> dict[int, float]:
    """Return how far from a box's centre each edge arrives, by edge number.

    `arrivals` holds where each edge comes from, and its number. One that comes from straight above keeps its
    line; the others stand to its left and right.
    """
    ordered = sorted(arrivals)
    straight = next((i for i, (x, _) in enumerate(ordered) if abs(x - centre) < 0.5), None)
    zero = (len(ordered) - 1) / 2 if straight is None else straight
    reach = max(zero, len(ordered) - 1 - zero)
    step = min(PORT_GAP, (width / 2 - 10) / reach) if reach else 0.0
    return {number: (place - zero) * step for place, (_, number) in enumerate(ordered)}


def thin_out(points: list[Point]) -> tuple[Point, ...]:
    """Return the points without repeated ones, and without those in the middle of a straight line."""
    kept = points[:1]
    for point in points[1:]:
        x, y = kept[-1]
        if point == (x, y):
            continue
        if len(kept) > 1 and (kept[-2][0] == x == point[0] or kept[-2][1] == y == point[1]):
            kept[-1] = point
        else:
            kept.append(point)
    return tuple(kept)
