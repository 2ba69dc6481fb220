"""Third step: the horizontal place of every node and bend.

Nodes and bends that should stand in one line are joined to columns first; then the columns are spread so that
nothing overlaps. Lines are therefore straight by construction, not by approximation.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from onnx_workbench.views.layout.crossings import Rows

ROUNDS = 10


@dataclass
class Columns:
    """Groups of items that share one place. Lists are indexed by column."""

    column_of: list[int]
    count: int
    left: list[list[tuple[int, float]]] = field(default_factory=list)
    right: list[list[tuple[int, float]]] = field(default_factory=list)
    attached: list[list[int]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)


def place_columns(
    graph: Rows, widths: Sequence[float], reaches: Sequence[float], *, gap: float
) -> list[float]:
    """Return the horizontal centre of each item.

    `widths` is 0 for bends; `reaches` is the room that an item's label needs to the right of its centre.
    """
    columns = _join(graph)
    _add_neighbours(columns, graph, widths, reaches, gap)
    places = _spread(columns, _packed(columns, graph, widths, gap))
    for round_number in range(ROUNDS):
        # Half the way each time: two columns that both went to where the other was would never meet.
        wanted = [
            (places[column] + sum(places[other] for other in others) / len(others)) / 2
            if others
            else places[column]
            for column, others in enumerate(columns.attached)
        ]
        places = _spread(columns, wanted)
        _slide(columns, places, wanted, leftwards=round_number % 2 == 0)
    return [places[column] for column in columns.column_of]


def _join(graph: Rows) -> Columns:
    """Join lines: the longest first, where none of those joined before is crossed and none is met."""
    position = [0] * len(graph.rank)
    for row in graph.rows:
        for place, item in enumerate(row):
            position[item] = place
    lower = [-1] * len(graph.rank)
    upper = [-1] * len(graph.rank)
    taken: list[list[tuple[int, int]]] = [[] for _ in graph.rows]
    for top, bottom in _lines(graph, position):
        if lower[top] >= 0 or upper[bottom] >= 0:
            continue
        line = (position[top], position[bottom])
        gap = taken[graph.rank[top]]
        place = bisect_left(gap, line)
        if (place and gap[place - 1][1] > line[1]) or (place < len(gap) and gap[place][1] < line[1]):
            continue
        insort(gap, line)
        lower[top], upper[bottom] = bottom, top
    column_of = [-1] * len(graph.rank)
    count = 0
    for row in graph.rows:
        for item in row:
            if upper[item] < 0:
                while item >= 0:
                    column_of[item] = count
                    item = lower[item]
                count += 1
    return Columns(column_of, count)


def _lines(graph: Rows, position: list[int]) -> list[tuple[int, int]]:
    """Return the steps that would like to be vertical, most important first.

    Where lines part or meet, the longest run of nodes goes on straight; of equally long ones the middle one;
    of an even number none, so that the node stands centred between them.
    """
    run_up, run_down = _runs(graph)
    leaders = [_favourite(candidates, run_up, position) for candidates in graph.above]
    steps: list[tuple[int, int, int]] = []
    for item, candidates in enumerate(graph.below):
        follower = _favourite(candidates, run_down, position)
        if follower >= 0 and leaders[follower] == item:
            steps.append((-run_up[item] - run_down[follower], item, follower))
    return [(item, follower) for _, item, follower in sorted(steps)]


def _runs(graph: Rows) -> tuple[list[int], list[int]]:
    """Return for each item the length of the longest run of its kind (nodes, or bends) that ends or begins there."""
    run_up, run_down = [1] * len(graph.rank), [1] * len(graph.rank)
    count = graph.node_count
    for rows, near, runs in ((graph.rows, graph.above, run_up), (graph.rows[::-1], graph.below, run_down)):
        for row in rows:
            for item in row:
                same = [runs[other] for other in near[item] if (other < count) == (item < count)]
                runs[item] = 1 + max(same, default=0)
    return run_up, run_down


def _favourite(candidates: list[int], runs: list[int], position: list[int]) -> int:
    """Return the neighbour that continues the line; -1 if the choice is even."""
    if len(candidates) == 1:
        return candidates[0]
    longest = max((runs[item] for item in candidates), default=0)
    equals = sorted((item for item in candidates if runs[item] == longest), key=position.__getitem__)
    return equals[len(equals) // 2] if len(equals) % 2 else -1


def _add_neighbours(
    columns: Columns, graph: Rows, widths: Sequence[float], reaches: Sequence[float], gap: float
) -> None:
    """Note which columns stand beside each other, how far apart, and which are joined by slanted steps."""
    column_of = columns.column_of
    distances: dict[tuple[int, int], float] = {}
    for row in graph.rows:
        for first, second in pairwise(row):
            pair = (column_of[first], column_of[second])
            distance = max((widths[first] + widths[second]) / 2 + gap, reaches[first])
            if distance > distances.get(pair, 0):
                distances[pair] = distance
    columns.left = [[] for _ in range(columns.count)]
    columns.right = [[] for _ in range(columns.count)]
    for (first, second), distance in distances.items():
        columns.left[second].append((first, distance))
        columns.right[first].append((second, distance))
    columns.attached = [[] for _ in range(columns.count)]
    for item, followers in enumerate(graph.below):
        for follower in followers:
            first, second = column_of[item], column_of[follower]
            if first != second:
                columns.attached[first].append(second)
                columns.attached[second].append(first)
    columns.order = _left_to_right(columns)


def _left_to_right(columns: Columns) -> list[int]:
    """Return the columns so that each follows all that stand left of it: lines do not cross, so there is an order."""
    unmet = [len(others) for others in columns.left]
    order = [column for column, number in enumerate(unmet) if number == 0]
    for column in order:
        for other, _ in columns.right[column]:
            unmet[other] -= 1
            if unmet[other] == 0:
                order.append(other)
    return order


def _packed(columns: Columns, graph: Rows, widths: Sequence[float], gap: float) -> list[float]:
    """Return first places: each row packed around 0, each column at the mean of its items."""
    sums, counts = [0.0] * columns.count, [0] * columns.count
    for row in graph.rows:
        edge = -(sum(widths[item] for item in row) + gap * (len(row) - 1)) / 2
        for item in row:
            column = columns.column_of[item]
            sums[column] += edge + widths[item] / 2
            counts[column] += 1
            edge += widths[item] + gap
    return [total / number for total, number in zip(sums, counts, strict=True)]


def _spread(columns: Columns, wanted: list[float]) -> list[float]:
    """Return places near those wanted that keep all distances.

    Pushing everything to the right where it is too near, and everything to the left, each keeps them; so does
    the mean of both, which favours no side.
    """
    rightmost, leftmost = wanted.copy(), wanted.copy()
    for column in columns.order:
        for other, distance in columns.left[column]:
            if rightmost[other] + distance > rightmost[column]:
                rightmost[column] = rightmost[other] + distance
    for column in reversed(columns.order):
        for other, distance in columns.right[column]:
            if leftmost[other] - distance < leftmost[column]:
                leftmost[column] = leftmost[other] - distance
    return [(a + b) / 2 for a, b in zip(rightmost, leftmost, strict=True)]


def _slide(columns: Columns, places: list[float], wanted: list[float], *, leftwards: bool) -> None:
    """Move each column towards the place wanted, as far as its neighbours leave room."""
    for turn in (leftwards, not leftwards):
        for column in columns.order if turn else reversed(columns.order):
            lowest, highest, place = -1e18, 1e18, wanted[column]
            for other, distance in columns.left[
                column
            ]:  # most have one: max() of a generator takes twice the time
                if places[other] + distance > lowest:
                    lowest = places[other] + distance
            for other, distance in columns.right[column]:
                if places[other] - distance < highest:
                    highest = places[other] - distance
            if place < lowest:
                place = lowest
            elif place > highest:
                place = max(highest, lowest)
            places[column] = place
