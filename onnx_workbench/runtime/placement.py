"""Which nodes of a model each kernel of onnxruntime stands for.

onnxruntime fuses nodes, renames values, changes layouts and inlines functions before it runs a model. Both graphs, the
file's and the optimised one, still share values by name. Between such shared values, what the optimised graph computes
in some kernels is what the file computes in some nodes: those belong together. Where a change of layout hides values
(NCHWc, "reorder_token_7"), they are told by who reads them: a kernel that keeps a node's name reads what it reads.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from onnx import AttributeProto, GraphProto, NodeProto

from onnx_workbench.core.graph_order import captured, execution_order

# NchwcTransformer and its like name a kernel after the value that the node wrote; tokens keep names apart.
_LAYOUT_NAME = re.compile(r"(?:InsertedPrecisionFreeCast_)?(.+)_nchwc(?:_token_\d+)?", re.DOTALL)
_TOKEN = re.compile(r"_token_\d+$")  # what Graph::GenerateNodeName adds to a name that is taken
_SAME_DATA = frozenset({"ReorderInput", "ReorderOutput", "Transpose", "Cast", "Identity", "MemcpyToHost"})
_SAME_DATA_ROUNDS = 3
_LONGEST_CHAIN = 16
_SHAPES = frozenset({"Shape", "Size"})
_RANDOM = ("Random", "Multinomial", "Bernoulli")


@dataclass
class Placed:
    """A kernel of the optimised graph: the addresses of the nodes that it stands for.

    `layout` tells kernels that compute nothing: they change the layout or the dtype of a value for their neighbours.
    `inner` holds the kernels of its subgraphs.
    """

    name: str
    op_type: str
    nodes: tuple[str, ...]
    layout: bool = False
    inner: list[Placed] = field(default_factory=list)


def subgraphs(node: NodeProto) -> Iterator[tuple[str, GraphProto]]:
    """Yield a node's subgraphs by the names of their attributes."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.name, attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from ((f"{attribute.name}[{i}]", graph) for i, graph in enumerate(attribute.graphs))


def address(node: NodeProto, path: str = "") -> str:
    """Return where a node is: its first output, behind the path of the subgraph that it stands in."""
    return path + next((name for name in node.output if name), node.name)


def place(original: GraphProto, optimised: GraphProto, path: str = "") -> list[Placed]:
    """Return every kernel of an optimised graph with the nodes of the original one that it stands for.

    Parameters
    ----------
    original
        The graph of the file, each node with a name of its own.
    optimised
        What onnxruntime made of it.
    path
        Address of the subgraph that both are, ending in a slash; empty for the model's graph.
    """
    level = _Level(original, optimised)
    placed = [
        Placed(node.name, node.op_type, tuple(address(level.original[i], path) for i in indices), layout)
        for node, (indices, layout) in zip(level.optimised, level.groups(), strict=True)
    ]
    for node, kernel in zip(level.optimised, placed, strict=True):
        inside = dict(subgraphs(node))
        origin = level.by_name.get(node.name) if inside else None
        own = {} if origin is None else dict(subgraphs(level.original[origin]))
        for name, graph in inside.items():
            if name in own and origin is not None:
                kernel.inner += place(own[name], graph, f"{address(level.original[origin], path)}/{name}/")
            else:
                kernel.inner += [Placed(item.name, item.op_type, kernel.nodes) for item in _all_nodes(graph)]
    return placed


def same_values(original: GraphProto, optimised: GraphProto) -> dict[str, set[str]]:
    """Return for each value of an optimised graph those of the original one that hold the same data."""
    return _Level(original, optimised).same


def _all_nodes(graph: GraphProto) -> Iterator[NodeProto]:
    waiting = [graph]
    while waiting:
        for node in waiting.pop().node:
            yield node
            waiting += [inner for _, inner in subgraphs(node)]


class _Level:
    """One graph, as it is in the file and as it was optimised."""

    def __init__(self, original: GraphProto, optimised: GraphProto) -> None:
        self.original, self.optimised = execution_order(original), list(optimised.node)
        self.by_name = {node.name: index for index, node in enumerate(self.original) if node.name}
        self.writers = {name: i for i, node in enumerate(self.original) for name in node.output if name}
        self.static = _static(original, self.original)
        self._written = {name for node in self.optimised for name in node.output if name}
        self._known = set(self.writers).union(*(node.input for node in self.original)) - {""}
        self.same: dict[str, set[str]] = {}
        """What is known of the optimised graph's values: those of the original graph that hold the same data."""
        self._identify()

    def _identify(self) -> None:
        for node in self.optimised:
            for name in (*node.input, *node.output, *captured(node)):
                if name in self._known:
                    self.same[name] = {name}
        if hidden := self._written - self.same.keys():
            self._identify_hidden(hidden)

    def _identify_hidden(self, hidden: set[str]) -> None:
        for node in self.optimised:
            origin = self._origin(node)
            for mine, theirs in zip(node.input, [] if origin is None else origin.input, strict=False):
                if mine in hidden and theirs:
                    self.same.setdefault(mine, set()).add(theirs)
        for node in self.optimised:
            self._identify_written(node)
        for _ in range(_SAME_DATA_ROUNDS):
            for node in (*self.optimised, *reversed(self.optimised)):
                self._pass_on(node)
        for node in self.optimised:
            found = _LAYOUT_NAME.fullmatch(node.name)
            if found and found[1] in self.writers and node.output and node.output[0] not in self.same:
                self.same[node.output[0]] = {found[1]}

    def _identify_written(self, node: NodeProto) -> None:
        """Take what a kernel writes for what the node of its name writes: its operator says that nothing was added."""
        index = self.by_name.get(node.name)
        if index is None or self.original[index].op_type != node.op_type:
            return
        for mine, theirs in zip(node.output, self.original[index].output, strict=False):
            if mine and theirs and mine not in self.same:
                self.same[mine] = {theirs}

    def _pass_on(self, node: NodeProto) -> None:
        """Say of a changed layout what is said of the value itself."""
        if self.only_layout(node):
            read, written = node.input[0], node.output[0]
            if read in self.same and written not in self.same:
                self.same[written] = self.same[read]
            elif written in self.same and read not in self.same and read in self._written:
                self.same[read] = self.same[written]

    def only_layout(self, node: NodeProto) -> bool:
        """Tell what the optimiser put in to change a layout or a dtype."""
        return (
            node.op_type in _SAME_DATA and node.name not in self.by_name and bool(node.input and node.output)
        )

    def _kept(self, node: NodeProto) -> list[int]:
        """Return what a kernel tells by its name: the node it was, behind those that were fused into it at once."""
        index = self.by_name.get(node.name, self.by_name.get(_TOKEN.sub("", node.name)))
        if index is not None:
            return [index] if self.original[index].op_type in node.op_type else []
        layout = _LAYOUT_NAME.fullmatch(node.name)
        if not layout or layout[1] not in self.writers:
            return []
        chain: list[int] = []
        for index in self._upstream(layout[1]):
            chain.append(index)
            if self.original[index].op_type == node.op_type:
                return chain
        return [self.writers[layout[1]]]

    def _origin(self, node: NodeProto) -> NodeProto | None:
        """Return the node that reads what a kernel reads, if its name tells."""
        kept = self._kept(node)
        found = self.original[kept[-1]] if kept else None
        return found if found is None or self._padding(found) is None else None

    def _padding(self, node: NodeProto) -> NodeProto | None:
        """Return a Pad in front of a node: it may be part of the kernel, which then reads what the Pad reads."""
        index = self.writers.get(node.input[0]) if node.input else None
        return self.original[index] if index is not None and self.original[index].op_type == "Pad" else None

    def _upstream(self, value: str) -> Iterator[int]:
        """Yield the nodes along first inputs that are computed, from the one that writes a value."""
        for _ in range(_LONGEST_CHAIN):
            if (index := self.writers.get(value)) is None:
                return
            yield index
            inputs = self.original[index].input
            value = next((name for name in inputs if self.writers.get(name) not in {None, *self.static}), "")

    def groups(self) -> list[tuple[list[int], bool]]:
        """Return for each kernel the original nodes that it stands for, and whether it changes layouts only."""
        reached = set().union(*self.same.values())
        found: dict[int, tuple[list[int], bool]] = {}
        for members in self._regions():
            nodes = [self.optimised[index] for index in members]
            read = self._identities(name for node in nodes for name in (*node.input, *captured(node)))
            written = self._identities(name for node in nodes for name in node.output)
            if new := written - read:
                self._share_out(members, self._between(new, reached), found)
            else:
                layout = all(map(self.only_layout, nodes))
                found |= dict.fromkeys(members, (self._neighbours(written), layout))
        return [found[index] for index in range(len(self.optimised))]

    def _share_out(
        self, kernels: Sequence[int], nodes: list[int], found: dict[int, tuple[list[int], bool]]
    ) -> None:
        """Give the nodes of a region to its kernels: to those that keep a name theirs, to the others the rest."""
        inside = set(nodes)
        kept = {index: inside.intersection(self._kept(self.optimised[index])) for index in kernels}
        if len(kernels) == 1:
            kept = {kernels[0]: set()}
        rest = sorted(inside.difference(*kept.values()))
        if rest and all(kept.values()):  # what goes before or behind a kernel, such as (de)quantisation
            starts = sorted((min(own), index) for index, own in kept.items())
            for node in rest:
                place = bisect.bisect(starts, (node, -1)) - 1
                kept[starts[max(place, 0)][1]].add(node)
        for index in kernels:
            found[index] = (sorted(kept[index]) or rest or nodes, False)

    def _identities(self, names: Iterable[str]) -> set[str]:
        return set().union(*(self.same.get(name, ()) for name in names))

    def _regions(self) -> list[list[int]]:
        """Return the kernels in groups that only hidden values join."""
        parents = list(range(len(self.optimised)))

        def root(index: int) -> int:
            while parents[index] != index:
                parents[index] = parents[parents[index]]
                index = parents[index]
            return index

        writers = {name: i for i, node in enumerate(self.optimised) for name in node.output if name}
        for index, node in enumerate(self.optimised):
            for name in (*node.input, *captured(node)):
                if name in writers and name not in self.same:
                    parents[root(index)] = root(writers[name])
        regions: dict[int, list[int]] = {}
        for index in range(len(parents)):
            regions.setdefault(root(index), []).append(index)
        return list(regions.values())

    def _between(self, ends: set[str], starts: set[str]) -> list[int]:
        """Return the nodes that compute some values from those that the optimised graph has, in order."""
        found: set[int] = set()
        waiting = [self.writers[name] for name in ends if name in self.writers]
        while waiting:
            index = waiting.pop()
            if index in found:
                continue
            found.add(index)
            node = self.original[index]
            before = {self.writers.get(name) for name in (*node.input, *captured(node)) if name not in starts}
            waiting += [i for i in before if i is not None and i not in self.static]
        return sorted(found)

    def _neighbours(self, values: set[str]) -> list[int]:
        """Return who writes some values; for inputs of the graph, who reads them first."""
        writers = sorted({self.writers[name] for name in values if name in self.writers})
        if writers:
            return writers
        readers = (i for i, node in enumerate(self.original) if not values.isdisjoint(node.input))
        return [index for index in [next(readers, None)] if index is not None]


def _static(graph: GraphProto, nodes: Sequence[NodeProto]) -> set[int]:
    """Return the nodes that depend on constants and shapes alone, which onnxruntime computes when it loads the model.

    Where it cannot, because a shape is not known, its graph has their values, and nobody looks behind them.
    """
    constant = {tensor.name for tensor in graph.initializer} | {
        tensor.values.name for tensor in graph.sparse_initializer
    }
    constant -= {value.name for value in graph.input}
    found: set[int] = set()
    for index, node in enumerate(nodes):
        read = {name for name in (*node.input, *captured(node)) if name}
        if node.op_type in _SHAPES or (read <= constant and not node.op_type.startswith(_RANDOM)):
            constant.update(node.output)
            found.add(index)
    return found
