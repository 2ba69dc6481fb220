"""Second step: bends for edges that pass rows, and the order of each row that makes edges cross little."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from onnx_workbench.views.layout.ranks import Edge

SWEEPS = 8
LONGEST_SPANS = (16, 12, 8, 6, 4, 2, 1)
BENDS_PER_NODE = 2


@dataclass
class Rows:
    """Nodes and bends in rows. Bends are numbered after the nodes; `above` and `below` join adjacent rows only.

    `chains` gives for each short edge the bends it passes; edges that are in no chain are too long, and run
    through lanes beside the graph.
    """

    node_count: int
    rank: list[int]
    rows: list[list[int]]
    above: list[list[int]]
    below: list[list[int]]
    chains: dict[Edge, tuple[int, ...]]


def make_rows(ranks: list[int], edges: Sequence[Edge]) -> Rows:
    """Return nodes in rows, with bends wherever a short edge passes a row.

    Edges that leave one node share their bends, as they carry the same value. How long a short edge may be
    follows from a budget of bends, so that the work stays proportional to the nodes whatever the graph.
    """
    count = len(ranks)
    longest = _longest_short_span(ranks, edges)
    rank = ranks.copy()
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    trunks: list[list[int]] = [[] for _ in range(count)]
    chains: dict[Edge, tuple[int, ...]] = {}
    for source, target in dict.fromkeys(edges):
        span = ranks[target] - ranks[source]
        if span > longest:
            continue
        trunk = trunks[source]
        while len(trunk) < span - 1:
            last = trunk[-1] if trunk else source
            trunk.append(len(rank))
            rank.append(rank[last] + 1)
            above.append([last])
            below.append([])
            below[last].append(trunk[-1])
        last = trunk[span - 2] if span > 1 else source
        below[last].append(target)
        above[target].append(last)
        chains[source, target] = tuple(trunk[: span - 1])
    rows: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    return Rows(count, rank, rows, above, below, chains)


def order_rows(graph: Rows) -> None:
    """Fill the rows in an order with few crossings: a depth-first walk, then median sweeps down and up."""
    _walk(graph)
    position = [0] * len(graph.rank)
    for row in graph.rows:
        _number(row, position)
    best, fewest = [row.copy() for row in graph.rows], _crossings(graph, position)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        _sweep(graph, position, downwards=sweep % 2 == 0)
        crossings = _crossings(graph, position)
        if crossings < fewest:
            best, fewest = [row.copy() for row in graph.rows], crossings
        elif sweep > 2:
            break
    graph.rows[:] = best


def _longest_short_span(ranks: list[int], edges: Sequence[Edge]) -> int:
    spans: dict[int, list[int]] = {}
    for source, target in edges:
        spans.setdefault(source, []).append(ranks[target] - ranks[source])
    budget = BENDS_PER_NODE * len(ranks) + 200
    for longest in LONGEST_SPANS:
        bends = sum(max((s for s in own if s <= longest), default=1) - 1 for own in spans.values())
        if bends <= budget:
            return longest
    return 1


def _walk(graph: Rows) -> None:
    """Put everything into rows in depth-first order: what belongs together stands together, bends last."""
    seen = [False] * len(graph.rank)
    starts = sorted(range(graph.node_count), key=lambda node: (graph.rank[node], node))
    for start in starts:
        stack = [start]
        while stack:
            item = stack.pop()
            if seen[item]:
                continue
            seen[item] = True
            graph.rows[graph.rank[item]].append(item)
            stack.extend(sorted(graph.below[item], reverse=True))


def _number(row: list[int], position: list[int]) -> None:
    for place, item in enumerate(row):
        position[item] = place


def _sweep(graph: Rows, position: list[int], *, downwards: bool) -> None:
    """Sort each row by the medians of its neighbours in the row before; what has none keeps its place."""
    rows = graph.rows if downwards else graph.rows[::-1]
    near = graph.above if downwards else graph.below
    for row in rows:
        if len(row) < 2:
            continue
        weights = {
            item: position[near[item][0]]
            if len(near[item]) == 1
            else _median([position[other] for other in near[item]])
            for item in row
            if near[item]
        }
        moving = iter(sorted(weights, key=weights.__getitem__))
        row[:] = [next(moving) if item in weights else item for item in row]
        _number(row, position)


def _median(places: list[int]) -> float:
    """Return the median; between the two middle ones, the one on the side where places lie closer."""
    places.sort()
    count = len(places)
    middle = count // 2
    if count % 2:
        return places[middle]
    if count == 2:
        return (places[0] + places[1]) / 2
    left, right = places[middle - 1] - places[0], places[-1] - places[middle]
    if left + right == 0:
        return (places[middle - 1] + places[middle]) / 2
    return (places[middle - 1] * right + places[middle] * left) / (left + right)


def _crossings(graph: Rows, position: list[int]) -> int:
    """Return how often edges cross between adjacent rows."""
    total = 0
    for row, following in pairwise(graph.rows):
        if len(row) < 2 or len(following) < 2:
            continue
        ends: list[int] = []
        for item in row:
            below = graph.below[item]
            ends += [position[below[0]]] if len(below) == 1 else sorted([position[other] for other in below])
        if ends != sorted(ends):  # most gaps are in order
            total += _inversions(ends)
    return total


def _inversions(places: Sequence[int]) -> int:
    """Return how many pairs stand the wrong way round."""
    total = 0
    passed: list[int] = []
    for place in places:
        total += len(passed) - bisect_right(passed, place)
        insort(passed, place)
    return total
