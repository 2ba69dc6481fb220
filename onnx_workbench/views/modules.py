"""Which module of the source framework each node comes from, and how many modules to open in a small picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from onnx_workbench.core.provenance import ModulePath


def groups_within(paths: Sequence[ModulePath], limit: int) -> list[ModulePath]:
    """Return the module that stands for each node; the empty path for nodes that are drawn themselves.

    All modules are opened to the same depth: the greatest at which at most `limit` boxes remain, or 1.
    """
    chosen = _groups_at(paths, 1)
    for depth in range(2, max(map(len, paths), default=0) + 1):
        groups = _groups_at(paths, depth)
        if _boxes(groups) > limit:
            break
        chosen = groups
    return chosen


def _groups_at(paths: Sequence[ModulePath], depth: int) -> list[ModulePath]:
    groups = [path[:depth] if len(path) >= depth else () for path in paths]
    sizes = Counter(groups)
    return [group if sizes[group] > 1 else () for group in groups]


def _boxes(groups: Sequence[ModulePath]) -> int:
    return len({group for group in groups if group}) + sum(not group for group in groups)
