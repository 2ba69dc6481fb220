"""Graphs of the shapes that networks have, as numbers of boxes and edges; the middle three are the study's."""

from __future__ import annotations

import random

Shape = tuple[int, list[tuple[int, int]]]


def line(count: int) -> Shape:
    return count, [(i, i + 1) for i in range(count - 1)]


def chain(count: int) -> Shape:
    """Return residual blocks of four nodes."""
    edges: list[tuple[int, int]] = []
    for first in range(0, count - 3, 4):
        if first:
            edges += [(first - 1, first), (first - 1, first + 3)]
        edges += [(first, first + 1), (first + 1, first + 2), (first + 2, first + 3)]
    return count // 4 * 4, edges


def skip(count: int) -> Shape:
    """Return residual blocks, each with an edge to the block 40 further on."""
    boxes, edges = chain(count)
    return boxes, edges + [(4 * b + 3, 4 * (b + 40) + 3) for b in range(boxes // 4 - 40)]


def transformer(count: int) -> Shape:
    """Return blocks with three branches and a shape subgraph each, and one mask that every block reads."""
    inner = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 5), (5, 6), (4, 6), (6, 7), (7, 8), (8, 9), (3, 9), (9, 10)]
    inner += [
        (10, 11),
        (0, 12),
        (12, 11),
        (11, 13),
        (13, 14),
        (14, 15),
        (15, 16),
        (16, 17),
        (17, 18),
        (13, 19),
    ]
    inner += [(18, 19)]
    edges: list[tuple[int, int]] = []
    for first in range(1, count - 20, 20):
        edges += [(first + a, first + b) for a, b in inner] + [(0, first + 7)]
        if first > 1:
            edges += [(first - 1, first), (first - 1, first + 13)]
    return 1 + (count - 2) // 20 * 20, edges


def inception(blocks: int) -> Shape:
    """Return blocks of four branches of one to three nodes, joined by one node each."""
    edges: list[tuple[int, int]] = []
    entry, following = 0, 1
    for _ in range(blocks):
        ends = []
        for length in (1, 3, 3, 2):
            edges.append((entry, following))
            edges += [(node, node + 1) for node in range(following, following + length - 1)]
            following += length
            ends.append(following - 1)
        edges += [(end, following) for end in ends]
        entry, following = following, following + 1
    return following, edges


def scattered(count: int, seed: int) -> Shape:
    """Return a random graph without cycles, about one and a half edges a node."""
    chance = random.Random(seed)
    edges = []
    for target in range(1, count):
        sources = [
            target - chance.choice((1, 1, 2, 3, 5, 8, 30)) for _ in range(chance.choice((0, 1, 1, 2, 3)))
        ]
        edges += [(max(0, source), target) for source in sources]
    return count, edges


def fan(count: int) -> Shape:
    return count, [(0, i) for i in range(1, count - 1)] + [(i, count - 1) for i in range(1, count - 1)]
