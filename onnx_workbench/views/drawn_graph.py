"""From a model to boxes and arrows: what is drawn, what stands in each box, and how large it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_order import captured
from onnx_workbench.core.graph_parts import Node, Value
from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance import ModulePath
from onnx_workbench.views.graph_layout import Layout, lay_out
from onnx_workbench.views.module_lines import module_line
from onnx_workbench.views.modules import groups_within, module_paths
from onnx_workbench.views.node_lines import format_product, salient_line
from onnx_workbench.views.operator_families import family_of
from onnx_workbench.views.text_width import text_width

TITLE_SIZE = 13
LINE_SIZE = 11
LABEL_SIZE = 10
LABEL_OFFSET = 7.0
SIGN_ROOM = 12.0  # for the sign that opens a module
_BOX_PADDING = 26
_SHORT_BOX, _TALL_BOX, _PILL = 32.0, 46.0, 30.0


@dataclass(frozen=True)
class DrawnNode:
    """One box. `key` is the value that addresses it: a node's first output, an input's or output's own name.

    `kind` is ``"node"``, ``"input"``, ``"output"`` or ``"module"``; `members` are indices into ``Model.nodes``.
    """

    kind: str
    key: str
    title: str
    line: str
    family: str
    members: tuple[int, ...] = ()
    name: str = ""
    values: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels."""
        text = max(text_width(self.title, TITLE_SIZE, bold=True), text_width(self.line, LINE_SIZE))
        if self.kind in {"input", "output"}:
            return (text + _BOX_PADDING + 6, _TALL_BOX - 2 if self.line else _PILL)
        if self.kind == "module":
            return (text + _BOX_PADDING + 2 * SIGN_ROOM, _TALL_BOX)
        return (max(text + _BOX_PADDING, 64.0), _TALL_BOX if self.line else _SHORT_BOX)


@dataclass(frozen=True)
class DrawnEdge:
    """One arrow between boxes, by their numbers; it may stand for several values. `label` is the first one's shape."""

    source: int
    target: int
    values: tuple[str, ...]
    label: str


@dataclass(frozen=True)
class DrawnGraph:
    """Boxes and arrows. `node_count` is the whole graph's; `notice` says what is not shown as it is in the model."""

    name: str
    node_count: int
    nodes: tuple[DrawnNode, ...]
    edges: tuple[DrawnEdge, ...]
    notice: str = ""

    @cached_property
    def layout(self) -> Layout:
        """The positions, computed once."""
        reaches = [0.0] * len(self.nodes)
        for number in self.labelled_edges:
            edge = self.edges[number]
            reaches[edge.source] = LABEL_OFFSET + text_width(edge.label, LABEL_SIZE) + 4
        return lay_out(
            [node.size for node in self.nodes],
            [(edge.source, edge.target) for edge in self.edges],
            label_reaches=reaches,
        )

    @cached_property
    def labelled_edges(self) -> tuple[int, ...]:
        """Numbers of the edges that carry their shape: one for each box that changes it."""
        entering: dict[int, set[str]] = {}
        for edge in self.edges:
            entering.setdefault(edge.target, set()).add(edge.label)
        first = {edge.source: number for number, edge in reversed(tuple(enumerate(self.edges)))}
        return tuple(
            number
            for source, number in sorted(first.items())
            if (label := self.edges[number].label)
            and label not in entering.get(source, ())
            and self.nodes[source].kind != "input"
            and self.nodes[self.edges[number].target].kind != "output"
        )


def draw_whole(model: Model) -> DrawnGraph:
    """Return every node of a model as a box. Initializers and Constant nodes are part of their readers."""
    return _Drawing(model, {}).graph("")


def drawn_nodes(model: Model) -> list[Node]:
    """Return the nodes that are drawn, themselves or in the box of a module: all but constants."""
    return [node for node in model.nodes if not is_constant(node, model)]


def draw_by_module(model: Model, groups: Mapping[int, ModulePath]) -> DrawnGraph:
    """Return a graph with one box for each of some modules; `groups` says which nodes stand in which."""
    hidden = len(groups)
    return _Drawing(model, groups).graph(f"{hidden:,} nodes are in closed modules." if hidden else "")


def draw_small(model: Model, limit: int) -> DrawnGraph:
    """Return a graph of about `limit` boxes at most: whole, or by modules, or its first nodes, and says which."""
    shown = drawn_nodes(model)
    if len(shown) <= limit:
        whole = draw_whole(model)  # few nodes may have thousands of inputs
        return whole if len(whole.nodes) <= 2 * limit else _first_boxes(whole, limit)
    paths = module_paths(shown)
    groups = groups_within(paths, limit)
    by_node = {node.index: group for node, group in zip(shown, groups, strict=True) if group}
    if not by_node:
        return _first_boxes(draw_whole(model), limit)
    graph = _Drawing(model, by_node).graph(f"{len(shown):,} nodes, drawn by module.")
    return _first_boxes(graph, limit) if len(graph.nodes) > 2 * limit else graph


def is_constant(node: Node, model: Model) -> bool:
    """Tell whether a node only holds a constant: it is then no more a box than an initializer is."""
    if node.domain not in {"", "ai.onnx"}:
        return False
    filled = node.op_type == "ConstantOfShape" and all(name in model.initializers for name in node.inputs)
    return filled or node.op_type == "Constant"


def _first_boxes(graph: DrawnGraph, limit: int) -> DrawnGraph:
    edges = tuple(edge for edge in graph.edges if edge.source < limit and edge.target < limit)
    notice = f"The first {limit:,} boxes of {len(graph.nodes):,}; the interactive view shows them all."
    return DrawnGraph(graph.name, graph.node_count, graph.nodes[:limit], edges, notice)


class _Drawing:
    """Collects boxes in the order inputs, nodes, outputs, and then the arrows between them."""

    def __init__(self, model: Model, groups: Mapping[int, ModulePath]) -> None:
        self.model, self.groups = model, groups
        self.boxes: list[DrawnNode] = []
        self.writer: dict[str, int] = {}
        self.edges: dict[tuple[int, int], list[str]] = {}

    def graph(self, notice: str) -> DrawnGraph:
        for value in self.model.inputs:
            self.writer[value.name] = self._add(_pill(value, "input"))
        box_of = self._add_nodes()
        shown = sum(len(box.members) for box in self.boxes)
        for node in self.model.nodes:
            if node.index in box_of:
                for name in dict.fromkeys((*node.inputs, *captured(node.proto))):
                    self._join(name, box_of[node.index])
        for value in self.model.outputs:
            self._join(value.name, self._add(_pill(value, "output")))
        edges = tuple(
            DrawnEdge(source, target, tuple(names), self._label(names))
            for (source, target), names in self.edges.items()
        )
        name = clean_text(self.model.name, limit=80)
        return DrawnGraph(name, shown, tuple(self.boxes), edges, notice)

    def _add(self, box: DrawnNode) -> int:
        self.boxes.append(box)
        return len(self.boxes) - 1

    def _add_nodes(self) -> dict[int, int]:
        """Add a box for each node or module; return the box of each node by its index."""
        members: dict[ModulePath, list[Node]] = {}
        for node in self.model.nodes:
            if group := self.groups.get(node.index):
                members.setdefault(group, []).append(node)
        box_of: dict[int, int] = {}
        for node in self.model.nodes:
            if node.index in box_of or is_constant(node, self.model):
                continue
            group = self.groups.get(node.index)
            nodes = members[group] if group else [node]
            number = self._add(self._module_box(group, nodes) if group else self._node_box(node))
            for member in nodes:
                box_of[member.index] = number
                self.writer.update({name: number for name in member.outputs if name})
        return box_of

    def _node_box(self, node: Node) -> DrawnNode:
        line = clean_text(salient_line(node, self._weight_shape), limit=34)
        title = clean_text(node.op_type, limit=26) or "(no type)"
        outputs = tuple(name for name in node.outputs if name)
        family = family_of(node.op_type)
        return DrawnNode("node", node.key, title, line, family, (node.index,), node.name, outputs)

    def _module_box(self, path: ModulePath, nodes: Sequence[Node]) -> DrawnNode:
        return DrawnNode(
            "module",
            nodes[-1].key,
            clean_text(path[-1], limit=30),
            module_line(self.model, path, nodes),
            "module",
            tuple(node.index for node in nodes),
            "/".join(path),
            tuple(name for node in nodes for name in node.outputs if name),
        )

    def _weight_shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of an initializer, or of what a constant node writes."""
        if tensor := self.model.initializers.get(name):
            return tensor.shape
        writer, value = self.model.producer(name), self.model.values.get(name)
        if writer is None or value is None or value.shape is None or not is_constant(writer, self.model):
            return None
        sizes = tuple(size for size in value.shape if isinstance(size, int))
        return sizes if len(sizes) == len(value.shape) else None

    def _join(self, name: str, target: int) -> None:
        source = self.writer.get(name)
        if name and source is not None and source != target:
            names = self.edges.setdefault((source, target), [])
            if name not in names:
                names.append(name)

    def _label(self, names: Sequence[str]) -> str:
        value = self.model.values.get(names[0])
        text = format_product(value.shape if value else None)
        return text if len(names) == 1 else f"{text or '?'} +{len(names) - 1}"


def _pill(value: Value, kind: str) -> DrawnNode:
    line = " ".join(filter(None, (value.dtype, format_product(value.shape))))
    title = clean_text(value.name, limit=30)
    return DrawnNode(
        kind, value.name, title, clean_text(line, limit=44), "input or output", (), value.name, (value.name,)
    )


def describe_type(value: Value | None) -> str:
    """Return dtype and shape of a value as ``float32 N×16×32×32``; ``?`` for what is unknown."""
    if value is None or (value.dtype is None and value.shape is None):
        return "?"
    return f"{value.dtype or '?'} {format_product(value.shape) or '?'}"
