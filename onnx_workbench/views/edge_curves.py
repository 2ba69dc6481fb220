"""From the points of a route to the strokes of a pen; one rule for SVG, canvas and matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]
Stroke = tuple[str, tuple[Point, ...]]

CORNER = 9.0


def strokes(points: Sequence[Point]) -> list[Stroke]:
    """Return SVG's path commands for a route: ``M``, ``L``, ``Q`` (rounded corner) and ``C`` (S-curve)."""
    if not points:
        return []
    result: list[Stroke] = [("M", (points[0],))]
    here = points[0]
    for number, corner in enumerate(points[1:-1], start=1):
        before, after = points[number - 1], points[number + 1]
        radius = min(CORNER, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        if _slanted(before, corner) or _slanted(corner, after):
            result += _step(here, corner)
            here = corner
        else:
            start, end = _towards(corner, before, radius), _towards(corner, after, radius)
            result += _step(here, start)
            result.append(("Q", (corner, end)))
            here = end
    return result + _step(here, points[-1])


def path_data(points: Sequence[Point]) -> str:
    """Return a route as the ``d`` attribute of an SVG path."""
    return "".join(
        command + " ".join(f"{_short(x)} {_short(y)}" for x, y in ends) for command, ends in strokes(points)
    )


def arrow_head(tip: Point) -> tuple[Point, Point, Point]:
    """Return the triangle at the end of an edge; every edge arrives from above."""
    x, y = tip
    return ((x - 3.5, y - 6.5), (x + 3.5, y - 6.5), (x, y))


def _step(start: Point, end: Point) -> list[Stroke]:
    if start == end:
        return []
    if not _slanted(start, end):
        return [("L", (end,))]
    steep = 0.6 * (end[1] - start[1])
    return [("C", ((start[0], start[1] + steep), (end[0], end[1] - steep), end))]


def _slanted(start: Point, end: Point) -> bool:
    return start[0] != end[0] and start[1] != end[1]


def _towards(start: Point, end: Point, distance: float) -> Point:
    length = math.dist(start, end)
    share = distance / length if length else 0.0
    return (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
