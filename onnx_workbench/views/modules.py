"""Modules of the source framework in a graph: which are drawn as one box, and which are open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from onnx_workbench.core.graph_parts import Node
from onnx_workbench.core.provenance import ModulePath, module_path


def module_paths(nodes: Sequence[Node]) -> list[ModulePath]:
    """Return the modules around each node, outermost first, as the file tells them for any node.

    Where it tells them for none, names with dots stand in, as in ``layer1.0.conv1``.
    """
    paths = [module_path(node) for node in nodes]
    return paths if any(paths) else [tuple(filter(None, node.name.split(".")[:-1])) for node in nodes]


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


_DEEPEST = 24  # modules within modules; names from files may have any number of slashes


class Folding:
    """Which modules are open: the nodes of a closed one are one box.

    A module that holds nothing but one other opens and closes with it, since nothing would be seen of it alone.

    Attributes
    ----------
    opened
        The open modules. A module counts as drawn open only if all modules around it are open too.
    """

    def __init__(self, paths: Mapping[int, ModulePath]) -> None:
        self._paths = {node: path[:_DEEPEST] for node, path in paths.items()}
        self._sizes = Counter(
            path[:depth] for path in self._paths.values() for depth in range(1, len(path) + 1)
        )
        self._only_child = {
            path[:-1]: path
            for path, size in self._sizes.items()
            if len(path) > 1 and size == self._sizes[path[:-1]]
        }
        self.opened: set[ModulePath] = set()

    @property
    def modules(self) -> list[ModulePath]:
        """All modules of more than one node, in the order of the graph."""
        return [path for path, size in self._sizes.items() if size > 1]

    def open_few(self, limit: int) -> None:
        """Open all modules to the same depth, so that about `limit` boxes are drawn at most; close the others."""
        paths = list(self._paths.values())
        groups = groups_within(paths, limit)
        depth = max(map(len, groups), default=0)
        self.opened = {path[:level] for path in paths for level in range(1, depth)}
        whole = [path for path in self.modules if self._sizes[path] == len(paths)]
        for path in whole[:1]:
            self.open(path)

    def open(self, path: ModulePath) -> None:
        """Open a module and all around it."""
        self.opened.update(path[:depth] for depth in range(1, len(path) + 1))
        while path in self._only_child:
            path = self._only_child[path]
            self.opened.add(path)

    def open_all(self) -> None:
        """Open every module."""
        self.opened = set(self._sizes)

    def close(self, path: ModulePath) -> None:
        """Close a module, and within it all others."""
        while self._only_child.get(path[:-1]) == path:
            path = path[:-1]
        self.opened = {one for one in self.opened if one[: len(path)] != path}

    def reveal(self, node: int) -> None:
        """Open what is around a node, so that it is drawn itself."""
        self.opened.update(self._prefixes(node))

    def groups(self) -> dict[int, ModulePath]:
        """Return the closed module that stands for a node, for each node that is not drawn itself."""
        found: dict[int, ModulePath] = {}
        for node in self._paths:
            closed = next((path for path in self._prefixes(node) if path not in self.opened), None)
            if closed and self._sizes[closed] > 1:
                found[node] = closed
        return found

    def around(self, node: int) -> list[ModulePath]:
        """Return the open modules around a node that is drawn, outermost first; of a chain the outermost alone."""
        found: list[ModulePath] = []
        for path in self._prefixes(node):
            if path not in self.opened:
                break
            if self._sizes[path] > 1 and (not found or self._sizes[found[-1]] != self._sizes[path]):
                found.append(path)
        return found

    def title(self, path: ModulePath) -> str:
        """Return the name to show of an open module: the innermost of the chain that opens with it."""
        while path in self._only_child:
            path = self._only_child[path]
        return path[-1]

    def _prefixes(self, node: int) -> list[ModulePath]:
        path = self._paths.get(node, ())
        return [path[:depth] for depth in range(1, len(path) + 1)]
