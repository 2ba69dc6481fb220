"""Layered layout of large graphs: boxes in rows, edges downwards. Pure: sizes and edges in, positions out.

The method is Sugiyama's (K. Sugiyama et al., "Methods for visual understanding of hierarchical system
structures", 1981) with one difference: an edge that passes many rows is not laid out bend by bend, but runs
through a lane beside the graph. Graphs of neural networks are full of such edges (skip connections, one mask for
every block), and they are what makes the general engines slow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.views.layout.columns import place_columns
from onnx_workbench.views.layout.crossings import make_rows, order_rows
from onnx_workbench.views.layout.ranks import Edge, rank_nodes
from onnx_workbench.views.layout.routes import (
    Lane,
    Point,
    Router,
    arrival_ports,
    assign_lanes,
    stack_rows,
    thin_out,
)

COLUMN_GAP = 28.0
ROW_GAP = 34.0
PART_GAP = 56.0


@dataclass(frozen=True)
class Layout:
    """Where everything goes, in pixels from the top left corner.

    Attributes
    ----------
    centres
        The centre of each box.
    routes
        The points of each edge, in the order of the edges given; see ``layout.routes`` for what lies between.
    ranks
        The row of each box within its connected part.
    width, height
        The size of the whole picture.
    """

    centres: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]
    ranks: tuple[int, ...]
    width: float
    height: float


def lay_out(
    sizes: Sequence[tuple[float, float]], edges: Sequence[Edge], *, label_reaches: Sequence[float] = ()
) -> Layout:
    """Return positions for boxes and routes for the edges between them.

    The same input gives the same layout. Time and memory grow about linearly with nodes and edges. Cycles are
    drawn with an edge that leads upwards; parts that are not connected stand beside each other.

    Parameters
    ----------
    sizes
        Width and height of each box in pixels.
    edges
        Pairs of source and target, as indices into `sizes`; may repeat.
    label_reaches
        Room to keep free for a label below each box, in pixels to the right of its centre; none if left out.

    Examples
    --------
    >>> lay_out([(80, 40), (80, 40)], [(0, 1)]).centres
    ((40.0, 20.0), (40.0, 94.0))
    """
    reaches = [*label_reaches, *[0.0] * (len(sizes) - len(label_reaches))]
    boxes = [(width, height, reach) for (width, height), reach in zip(sizes, reaches, strict=True)]
    parts = [
        _lay_out_part(nodes, numbers, boxes, edges) for nodes, numbers in _connected_parts(len(sizes), edges)
    ]
    centres: list[Point] = [(0.0, 0.0)] * len(sizes)
    routes: list[tuple[Point, ...]] = [()] * len(edges)
    ranks = [0] * len(sizes)
    corners, width, height = _shelve(parts)
    for part, (left, top) in zip(parts, corners, strict=True):
        for node, centre, rank in zip(part.nodes, _moved(part.centres, left, top), part.ranks, strict=True):
            centres[node] = centre
            ranks[node] = rank
        points = iter(_moved(part.points, left, top))
        for number, length in zip(part.edges, part.lengths, strict=True):
            routes[number] = tuple(islice(points, length))
    return Layout(tuple(centres), tuple(routes), tuple(ranks), width, height)


_Box = tuple[float, float, float]


@dataclass(frozen=True)
class _Part:
    """A connected part, with its own origin at its top left corner; `points` are those of all its edges in turn."""

    nodes: list[int]
    edges: list[int]
    centres: NDArray[np.float64]
    points: NDArray[np.float64]
    lengths: list[int]
    ranks: list[int]
    width: float
    height: float


def _connected_parts(count: int, edges: Sequence[Edge]) -> list[tuple[list[int], list[int]]]:
    """Return nodes and edge numbers of each connected part, in the order of their first nodes."""
    leader = list(range(count))

    def find(node: int) -> int:
        while leader[node] != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    for source, target in edges:
        first, second = sorted((find(source), find(target)))
        leader[second] = first
    parts: dict[int, tuple[list[int], list[int]]] = {}
    for node in range(count):
        parts.setdefault(find(node), ([], []))[0].append(node)
    for number, (source, _) in enumerate(edges):
        parts[find(source)][1].append(number)
    return list(parts.values())


def _lay_out_part(
    nodes: list[int], numbers: list[int], sizes: Sequence[_Box], all_edges: Sequence[Edge]
) -> _Part:
    local = {node: place for place, node in enumerate(nodes)}
    edges = [(local[all_edges[number][0]], local[all_edges[number][1]]) for number in numbers]
    ranking = rank_nodes(len(nodes), edges)
    graph = make_rows(ranking.ranks, [edge for edge in edges if edge not in ranking.upward])
    order_rows(graph)
    bends = [0.0] * (len(graph.rank) - len(nodes))
    widths, heights, reaches = ([sizes[node][side] for node in nodes] + bends for side in range(3))
    x = place_columns(graph, widths, reaches, gap=COLUMN_GAP)
    lanes = assign_lanes(
        graph, [edge for edge in dict.fromkeys(edges) if edge not in graph.chains], x, widths
    )
    router = Router(graph, stack_rows(graph, lanes, x, heights, gap=ROW_GAP), x, widths, heights)
    routes = _routes(router, lanes, edges)
    centres = [(x[node], router.middle(node)) for node in range(len(nodes))]
    return _at_origin(nodes, numbers, centres, routes, ranking.ranks, widths, heights)


def _routes(router: Router, lanes: list[Lane], edges: Sequence[Edge]) -> list[tuple[Point, ...]]:
    lane_of = {lane.source: (number, lane) for number, lane in enumerate(lanes)}
    chains = router.graph.chains
    arrivals: dict[int, list[tuple[float, int]]] = {}
    for number, (source, target) in enumerate(edges):
        chain = chains.get((source, target))
        origin = lane_of[source][1].x if chain is None else router.x[chain[-1] if chain else source]
        arrivals.setdefault(target, []).append((origin, number))
    routes: list[tuple[Point, ...]] = [()] * len(edges)
    for target, own in arrivals.items():
        for number, port in arrival_ports(own, router.x[target], router.widths[target]).items():
            edge = edges[number]
            points = (
                router.short(edge, port) if edge in chains else router.long(edge, *lane_of[edge[0]], port)
            )
            routes[number] = thin_out(points)
    return routes


def _at_origin(
    nodes: list[int],
    numbers: list[int],
    centres: list[Point],
    routes: list[tuple[Point, ...]],
    ranks: list[int],
    widths: Sequence[float],
    heights: Sequence[float],
) -> _Part:
    """Move a part so that its outermost box or line touches 0."""
    middles = _array(centres)
    points = _array(list(chain.from_iterable(routes)))
    halves = np.array([widths[: len(nodes)], heights[: len(nodes)]]).T / 2
    low = np.concatenate([middles - halves, points]).min(axis=0)
    high = np.concatenate([middles + halves, points]).max(axis=0)
    width, height = (float(size) for size in high - low)
    lengths = [len(route) for route in routes]
    return _Part(nodes, numbers, middles - low, points - low, lengths, ranks, width, height)


def _array(points: Sequence[Point]) -> NDArray[np.float64]:
    return np.array(points, np.float64).reshape(-1, 2)


def _moved(points: NDArray[np.float64], left: float, top: float) -> list[Point]:
    """Return points moved to a part's place, in tenths of a pixel."""
    x, y = np.round(points + np.array([left, top]), 1).T.tolist()
    return list(zip(x, y, strict=True))


def _shelve(parts: Sequence[_Part]) -> tuple[list[Point], float, float]:
    """Return the corners of the parts on shelves, the tallest first, and the size of the whole."""
    area = sum((part.width + PART_GAP) * (part.height + PART_GAP) for part in parts)
    widest = max((part.width for part in parts), default=0.0)
    limit = max(widest, 1.5 * math.sqrt(area))
    corners: list[Point] = [(0.0, 0.0)] * len(parts)
    x = y = shelf = width = 0.0
    for place in sorted(range(len(parts)), key=lambda place: (-parts[place].height, place)):
        part = parts[place]
        if x > 0 and x + part.width > limit:
            x, y, shelf = 0.0, y + shelf + PART_GAP, 0.0
        corners[place] = (x, y)
        width, shelf = max(width, x + part.width), max(shelf, part.height)
        x += part.width + PART_GAP
    return corners, round(width, 1), round(y + shelf, 1)
