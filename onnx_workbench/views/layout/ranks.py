"""First step: the rank (the row) of every node, and the edges that lead upwards in a cyclic graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Edge = tuple[int, int]


@dataclass(frozen=True)
class Ranking:
    """Rank of each node, from 0 at the top; `upward` holds the edges that close a cycle (and self-loops)."""

    ranks: list[int]
    upward: frozenset[Edge]


def rank_nodes(count: int, edges: Sequence[Edge]) -> Ranking:
    """Return the longest-path ranks, with sources that only feed later rows moved down to their readers."""
    upward = _upward_edges(count, edges)
    forward = [edge for edge in dict.fromkeys(edges) if edge not in upward]
    above, below = neighbours(count, forward)
    order = topological_order(above, below)
    ranks = [0] * count
    for node in order:
        ranks[node] = max((ranks[other] + 1 for other in above[node]), default=0)
    _move_down(ranks, order, above, below)
    return Ranking(_without_empty_rows(ranks), upward)


def neighbours(count: int, edges: Sequence[Edge]) -> tuple[list[list[int]], list[list[int]]]:
    """Return for each node those that it reads from, and those that read from it."""
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        above[target].append(source)
        below[source].append(target)
    return above, below


def topological_order(above: list[list[int]], below: list[list[int]]) -> list[int]:
    """Return the nodes that can be ordered, sources first; nodes on cycles or behind them are left out."""
    unmet = [len(others) for others in above]
    order = [node for node, number in enumerate(unmet) if number == 0]
    for node in order:
        for other in below[node]:
            unmet[other] -= 1
            if unmet[other] == 0:
                order.append(other)
    return order


def _upward_edges(count: int, edges: Sequence[Edge]) -> frozenset[Edge]:
    """Return self-loops and the edges that a depth-first walk finds to close a cycle."""
    above, below = neighbours(count, edges)
    if len(topological_order(above, below)) == count:
        return frozenset()
    upward: set[Edge] = set()
    state = [0] * count  # 0 new, 1 on the current path, 2 done
    for start in range(count):
        if state[start]:
            continue
        state[start] = 1
        path = [(start, iter(below[start]))]
        while path:
            node, remaining = path[-1]
            for other in remaining:
                if state[other] == 1:
                    upward.add((node, other))
                elif state[other] == 0:
                    state[other] = 1
                    path.append((other, iter(below[other])))
                    break
            else:
                state[node] = 2
                path.pop()
    return frozenset(upward)


def _move_down(ranks: list[int], order: list[int], above: list[list[int]], below: list[list[int]]) -> None:
    """Shorten edges: longest paths put every source into the first row, however late it is read.

    What hangs only on sources with room below (a mask and what prepares it) moves down as a whole; any other
    node moves when more edges leave it than enter it.
    """
    latest = ranks.copy()
    for node in reversed(order):
        if below[node]:
            latest[node] = min(latest[other] for other in below[node]) - 1
    loose = [False] * len(ranks)
    for node in order:
        loose[node] = latest[node] > ranks[node] and all(loose[other] for other in above[node])
    for node in reversed(order):
        if below[node] and (loose[node] or len(below[node]) > len(above[node])):
            ranks[node] = min(ranks[other] for other in below[node]) - 1


def _without_empty_rows(ranks: list[int]) -> list[int]:
    """Return the ranks renumbered so that each row holds a node."""
    number = {rank: row for row, rank in enumerate(sorted(set(ranks)))}
    return [number[rank] for rank in ranks]
