"""Which node of one graph is which node of another: by what they compute, not by their names.

Nodes are told apart by what flows into them and by what flows out of them (colours of Weisfeiler and Leman's, "The
reduction of a graph to canonical form", 1968, along the direction of the data): what stands before a change keeps the
first, what stands behind it the second. What is left is found from its neighbours, from names, and from its order.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from onnx_workbench.core.errors import WorkbenchError
from onnx_workbench.core.graph_order import captured
from onnx_workbench.core.graph_parts import Node, Tensor
from onnx_workbench.core.model import Model
from onnx_workbench.runtime.optimised_graph import with_node_names
from onnx_workbench.runtime.placement import place

_SAMPLE = 64  # elements of a weight that are read to tell it from others
_MOST_ALIGNED = 1500  # nodes whose order is compared: its time grows with the square
_MOST_FUSED = 24  # nodes that one kernel may stand for
_BLOCKED = frozenset({"com.microsoft.nchwc", "com.ms.internal.nhwc"})  # layouts of onnxruntime's own

_LEVELS = ("contents", "shapes", "operators")  # how closely nodes are looked at

COMMUTATIVE = frozenset({"Add", "Mul", "Max", "Min", "Sum", "Mean", "And", "Or", "Xor", "Equal"})
"""Operators whose inputs may stand in any order."""


class Side:
    """One graph, with what matching needs to know of each node.

    Attributes
    ----------
    nodes
        All nodes but constants that hold a tensor, which are taken for weights of their readers.
    writers, readers
        By node index: the node that writes each input (None for weights and inputs of the graph), and the nodes that
        read its outputs, each with the number of the input that reads.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._samples: dict[str, tuple[object, ...]] = {}
        self.nodes = [node for node in model.nodes if node.key not in model.constants]
        by_value = {name: (node, at) for node in self.nodes for at, name in enumerate(node.outputs) if name}
        inputs = {value.name: at for at, value in enumerate(model.inputs)}
        self.writers: dict[int, list[Node | None]] = {}
        self.sources: dict[int, list[tuple[object, ...]]] = {}
        self.readers: dict[int, list[tuple[Node, int]]] = defaultdict(list)
        for node in self.nodes:
            read = [*node.inputs, *captured(node.proto)]
            self.writers[node.index] = [by_value[name][0] if name in by_value else None for name in read]
            self.sources[node.index] = [self._source(name, by_value, inputs) for name in read]
            for slot, writer in enumerate(self.writers[node.index]):
                if writer is not None:
                    self.readers[writer.index].append((node, slot))
        outputs = {value.name: at for at, value in enumerate(model.outputs)}
        self.ends = {
            node.index: tuple(outputs[name] for name in node.outputs if name in outputs)
            for node in self.nodes
        }

    def tensor(self, name: str) -> Tensor | None:
        """Return the description of a weight: an initializer, or what a Constant node holds."""
        return self.model.initializers.get(name) or self.model.constants.get(name)

    def sample(self, tensor: Tensor) -> tuple[object, ...]:
        """Return what tells a weight from others: its type, and some of its content."""
        if tensor.name not in self._samples:
            try:
                few = self.model.weight(tensor.name).reshape(-1)[:_SAMPLE].tobytes()
            except (WorkbenchError, OSError):
                few = b""
            digest = hashlib.blake2b(few, digest_size=12).digest()
            self._samples[tensor.name] = (tensor.dtype, tensor.shape, digest)
        return self._samples[tensor.name]

    def _source(
        self, name: str, by_value: dict[str, tuple[Node, int]], inputs: dict[str, int]
    ) -> tuple[object, ...]:
        if name in by_value:
            return ("node", by_value[name][1])
        if self.tensor(name):
            return ("weight",)
        return ("input", inputs[name]) if name in inputs else ("nothing",)


Pairs = dict[int, int]


def match_nodes(left: Side, right: Side) -> tuple[Pairs, dict[int, list[int]], dict[int, list[int]]]:
    """Match two graphs.

    Returns
    -------
    pairs, absorbed_left, absorbed_right
        Index of the right node by index of the left one; then, for pairs of one kernel with what it stands for: the
        other nodes of a side that belong to the pair, by the index of that side's node in it.
    """
    matching = _Matching(left, right)
    matching.pair_kernels()
    matching.spread()
    views = []
    for level in _LEVELS:
        for colours in _views(left, right, level):
            views.append(colours)
            matching.pair_equals(colours, by_name=True)
            matching.pair_equals(colours, most=1)
            matching.spread()
            if matching.complete:
                return matching.pairs, {}, {}
    for colours in views:
        matching.pair_equals(colours)
        matching.spread()
    matching.pair_names()
    matching.spread()
    matching.align()
    matching.spread(again=True)
    matching.pair_replaced()
    return matching.pairs, *matching.absorb()


class _Matching:
    def __init__(self, left: Side, right: Side) -> None:
        self.left, self.right = left, right
        self.pairs: Pairs = {}
        self.back: Pairs = {}
        self._fresh: deque[tuple[int, int]] = deque()
        self._absorbed: tuple[dict[int, list[int]], dict[int, list[int]]] = ({}, {})
        self._taken: tuple[set[int], set[int]] = (set(), set())

    def pair_kernels(self) -> None:
        """Match the kernels of a graph that onnxruntime laid out in blocks of channels with what they were made of.

        Such a graph hides most values, fuses across them, and keeps names: those tell more than its structure does.
        """
        blocked = [any(node.domain in _BLOCKED for node in side.nodes) for side in (self.left, self.right)]
        if blocked[0] == blocked[1]:
            return
        plain, made = (self.right, self.left) if blocked[0] else (self.left, self.right)
        free = {node.key: node for node in plain.nodes}
        kernels = {node.key: node for node in made.nodes}
        for key, origins in _kernel_origins(plain.model, made.model).items():
            nodes = [free[origin] for origin in origins if origin in free]
            kernel = kernels.get(key)
            if kernel is None or not 0 < len(nodes) <= _MOST_FUSED:
                continue
            self.add(*((kernel, nodes[-1]) if blocked[0] else (nodes[-1], kernel)))
            others = {node.index for node in nodes[:-1]}
            if others:
                self._absorbed[blocked[0]][nodes[-1].index] = sorted(others)
                self._taken[blocked[0]].update(others)
            for node in nodes:
                del free[node.key]

    @property
    def complete(self) -> bool:
        """Whether every node of both sides has a partner, in pairs of one operator."""
        return len(self.pairs) == len(self.left.nodes) == len(self.right.nodes)

    def free(self, side: Side) -> list[Node]:
        """Return the nodes of a side that have no partner yet."""
        known, taken = (self.pairs, self._taken[0]) if side is self.left else (self.back, self._taken[1])
        return [node for node in side.nodes if node.index not in known and node.index not in taken]

    def add(self, one: Node, other: Node) -> bool:
        if one.index in self.pairs or other.index in self.back:
            return False
        if one.index in self._taken[0] or other.index in self._taken[1]:
            return False
        self.pairs[one.index], self.back[other.index] = other.index, one.index
        self._fresh.append((one.index, other.index))
        return True

    def pair_equals(
        self, colours: Sequence[Mapping[int, bytes]], *, by_name: bool = False, most: int | None = None
    ) -> None:
        """Match the nodes of equal colour where both sides have as many, in order; by equal names, or few only."""
        groups: list[dict[Hashable, list[Node]]] = []
        for side, own in zip((self.left, self.right), colours, strict=True):
            group: dict[Hashable, list[Node]] = defaultdict(list)
            for node in self.free(side):
                group[own[node.index], node.key if by_name else ""].append(node)
            groups.append(group)
        for colour, ones in groups[0].items():
            others = groups[1].get(colour, [])
            if len(ones) == len(others) and (most is None or len(ones) <= most):
                for first, second in zip(ones, others, strict=True):
                    self.add(first, second)

    def spread(self, *, again: bool = False) -> None:
        """Match the neighbours of new pairs: what writes the same input, and the only reader of its kind."""
        if again:
            self._fresh.extend(self.pairs.items())
        while self._fresh:
            one, other = self._fresh.popleft()
            for a, b in (*self._writers(one, other), *self._readers(one, other)):
                self.add(a, b)

    def _writers(self, one: int, other: int) -> Iterator[tuple[Node, Node]]:
        writers, others = self.left.writers[one], self.right.writers[other]
        if self.left.model.nodes[one].label in COMMUTATIVE:
            yield from _only_of_their_kind(writers, others)
            return
        for a, b in zip(writers, others, strict=False):
            if a is not None and b is not None and a.label == b.label:
                yield a, b

    def _readers(self, one: int, other: int) -> Iterator[tuple[Node, Node]]:
        kinds: list[dict[tuple[str, int], list[Node]]] = []
        for readers, known in (
            (self.left.readers[one], self.pairs),
            (self.right.readers[other], self.back),
        ):
            kind: dict[tuple[str, int], list[Node]] = defaultdict(list)
            for node, slot in readers:
                if node.index not in known:
                    kind[node.label, slot].append(node)
            kinds.append(kind)
        for key, ones in kinds[0].items():
            others = kinds[1].get(key, [])
            if len(ones) == len(others) == 1:
                yield ones[0], others[0]

    def pair_names(self) -> None:
        """Match nodes of one operator that write a value of the same name."""
        others = {name: node for node in self.free(self.right) for name in node.outputs if name}
        for one in self.free(self.left):
            for name in one.outputs:
                other = others.get(name)
                if other is not None and other.label == one.label:
                    self.add(one, other)

    def align(self) -> None:
        """Match what is left by the order of its operators, between partners that are known."""
        ones, others = self.free(self.left), self.free(self.right)
        if max(len(ones), len(others)) > _MOST_ALIGNED:
            return
        blocks = SequenceMatcher(
            None, [node.label for node in ones], [node.label for node in others], autojunk=False
        ).get_matching_blocks()
        for block in blocks:
            for step in range(block.size):
                one, other = ones[block.a + step], others[block.b + step]
                if self._agree(one, other):
                    self.add(one, other)

    def _agree(self, one: Node, other: Node) -> bool:
        """Tell whether no known partner says that two nodes stand in different places."""
        near = zip(self.left.writers[one.index], self.right.writers[other.index], strict=False)
        return all(
            self.pairs.get(a.index, b.index) == b.index and self.back.get(b.index, a.index) == a.index
            for a, b in near
            if a is not None and b is not None
        )

    def pair_replaced(self) -> None:
        """Match nodes of different operators in one place: the same value by name, or the same inputs and readers."""
        named = {name: node for node in self.free(self.right) for name in node.outputs if name}
        for one in self.free(self.left):
            same = next((named[name] for name in one.outputs if name in named), None)
            if same is not None:
                self.add(one, same)
        placed: dict[tuple[int, ...], list[Node]] = defaultdict(list)
        for other in self.free(self.right):
            placed[self._place(self.right, other.index, lambda index: index)].append(other)
        for one in self.free(self.left):
            place = self._place(self.left, one.index, lambda index: self.pairs.get(index, -1))
            alike = placed.get(place, []) if place and -1 not in place else []
            if len(alike) == 1:
                self.add(one, alike[0])

    @staticmethod
    def _place(side: Side, index: int, partner: Callable[[int], int]) -> tuple[int, ...]:
        return tuple(partner(writer.index) for writer in side.writers[index] if writer is not None)

    def absorb(self) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """Let pairs of different operators take in what stands before them and is read by nobody else."""
        absorbed, taken = self._absorbed, self._taken
        labels = [{node.index: node.label for node in side.nodes} for side in (self.left, self.right)]
        for one, other in self.pairs.items():
            if labels[0][one] == labels[1][other]:
                continue
            for number, (side, index, known) in enumerate(
                ((self.left, one, self.pairs), (self.right, other, self.back))
            ):
                group = _group_before(side, index, absorbed[number].get(index, ()), known, taken[number])
                if len(group) > 1:
                    absorbed[number][index] = sorted(group - {index})
                    taken[number].update(group)
        return absorbed


def _only_of_their_kind(
    ones: Sequence[Node | None], others: Sequence[Node | None]
) -> Iterator[tuple[Node, Node]]:
    """Yield the nodes of two lists that are the only ones of their operator in each."""
    kinds: list[dict[str, list[Node]]] = []
    for nodes in (ones, others):
        kind: dict[str, list[Node]] = defaultdict(list)
        for node in nodes:
            if node is not None:
                kind[node.label].append(node)
        kinds.append(kind)
    for label, alike in kinds[0].items():
        found = kinds[1].get(label, [])
        if len(alike) == len(found) == 1:
            yield alike[0], found[0]


def _kernel_origins(plain: Model, made: Model) -> dict[str, list[str]]:
    """Return the addresses of the nodes that each kernel of an optimised graph stands for, by the kernel's own.

    No node stands behind two of them: the one that stands for fewer has it. Where kernels stand for the same nodes,
    nothing told them apart, as between graphs that share no names: they are left out.
    """
    placed = place(with_node_names(plain).proto.graph, made.proto.graph)
    kernels = {
        next(filter(None, node.output), node.name): kernel.nodes
        for kernel, node in zip(placed, made.proto.graph.node, strict=True)
        if not kernel.layout
    }
    alike = Counter(kernels.values())
    origins: dict[str, list[str]] = {}
    given: set[str] = set()
    for key, nodes in sorted(kernels.items(), key=lambda kernel: len(kernel[1])):
        if alike[nodes] == 1:
            origins[key] = [node for node in nodes if node not in given]
            given.update(origins[key])
    return origins


def _group_before(side: Side, index: int, members: Sequence[int], known: Pairs, taken: set[int]) -> set[int]:
    """Return a node with its members and those before them that have no partner, and are read by nobody else."""
    group = {index, *members}
    todo = deque(group)
    while todo and len(group) < _MOST_FUSED:
        for writer in side.writers[todo.popleft()]:
            if writer is None or writer.index in known or writer.index in taken or writer.index in group:
                continue
            if all(reader.index in group for reader, _ in side.readers[writer.index]):
                group.add(writer.index)
                todo.append(writer.index)
    return group


def _views(left: Side, right: Side, level: str) -> Iterator[list[dict[int, bytes]]]:
    """Yield colours of both sides: by all that is around a node, by what is before it, by what is behind it."""
    before, after = ([_colours(side, level, down=down) for side in (left, right)] for down in (True, False))
    yield [
        {index: one[index] + other[index] for index in one} for one, other in zip(before, after, strict=True)
    ]
    yield before
    yield after


def _colours(side: Side, level: str, *, down: bool) -> dict[int, bytes]:
    """Return a colour for each node that tells all that flows into it (`down`), or all that its outputs flow into."""
    colours: dict[int, bytes] = {}
    for node in side.nodes if down else reversed(side.nodes):
        index = node.index
        around: Sequence[object]
        if down:
            kinds = [source[0] if source[0] != "node" else source for source in side.sources[index]]
            written = [colours.get(one.index) if one else None for one in side.writers[index]]
            around = list(zip(kinds, written, strict=True))
            if node.label in COMMUTATIVE:
                around = sorted(around, key=repr)
        else:
            readers = sorted(
                (colours.get(reader.index, b""), 0 if reader.label in COMMUTATIVE else slot)
                for reader, slot in side.readers[index]
            )
            around = [side.ends[index], *readers]
        own = _own_colour(side, node, level)
        colours[index] = hashlib.blake2b(repr((own, around)).encode(), digest_size=12).digest()
    return colours


def _own_colour(side: Side, node: Node, level: str) -> tuple[object, ...]:
    """Return what a node is, as far as a level looks: its operator, attributes, and its weights or their shapes."""
    if level == "operators":
        return (node.label,)
    tensors = [tensor for name in node.inputs if (tensor := side.tensor(name))]
    weights = [
        side.sample(tensor) if level == "contents" else (tensor.dtype, tensor.shape) for tensor in tensors
    ]
    if node.label in COMMUTATIVE:
        weights.sort(key=repr)
    attributes = sorted((name, str(value)) for name, value in node.attributes.items())
    return (node.label, attributes, weights)
