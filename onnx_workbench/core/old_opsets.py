"""Bring models of opset 1 to 6, which onnxruntime no longer takes, to opset 7.

ONNX's own converter copies every weight and stops at attributes without a type, which the exporters of 2017 wrote.
Here the few operators that changed are rewritten in place, each by a small rule from ONNX's change log
(https://github.com/onnx/onnx/blob/main/docs/Changelog.md); weights are not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

OLDEST_OPSET = 7
"""What onnxruntime promises to take."""

_FIELDS = {
    "f": AttributeProto.FLOAT,
    "i": AttributeProto.INT,
    "s": AttributeProto.STRING,
    "t": AttributeProto.TENSOR,
    "g": AttributeProto.GRAPH,
}
_LISTS = {
    "floats": AttributeProto.FLOATS,
    "ints": AttributeProto.INTS,
    "strings": AttributeProto.STRINGS,
    "tensors": AttributeProto.TENSORS,
}


@dataclass
class _Upgrade:
    """One graph while it is rewritten."""

    ranks: dict[str, int]
    taken: set[str]
    constants: list[TensorProto] = field(default_factory=list)
    tried: int = 0  # never begun anew, or names made for the purpose would cost quadratic time

    def new_name(self, wish: str) -> str:
        name = wish
        while name in self.taken:
            self.tried += 1
            name = f"{wish}_{self.tried}"
        self.taken.add(name)
        return name

    def constant(self, wish: str, values: list[int]) -> str:
        """Add an initializer of int64 numbers; return its name."""
        name = self.new_name(wish)
        self.constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name


def default_opset(proto: ModelProto) -> int:
    """Return the opset of ONNX's own operators; 1 where the file names none, as the standard has it."""
    return next((entry.version for entry in proto.opset_import if entry.domain in {"", "ai.onnx"}), 1)


def upgrade_old_opset(proto: ModelProto) -> bool:
    """Rewrite a model of opset 1 to 6 in place as one of opset 7; tell whether it was one.

    A model with functions or with graphs inside nodes is left as it is: those are younger than these opsets, or
    nobody wrote them.
    """
    opset = default_opset(proto)
    if not 1 <= opset < OLDEST_OPSET or proto.functions or _has_inner_graphs(proto.graph):
        return False
    graph = proto.graph
    upgrade = _Upgrade(_ranks(graph), _names(graph))
    nodes: list[NodeProto] = []
    for node in graph.node:
        _mend_types(node)
        nodes += _upgraded(node, upgrade)
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(upgrade.constants)
    # Up to IR version 3, every initializer is an input as well.
    if proto.ir_version < 4:
        graph.input.extend(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            for tensor in upgrade.constants
        )
    proto.ir_version = max(proto.ir_version, 3)
    for entry in list(proto.opset_import):
        if entry.domain in {"", "ai.onnx"}:
            proto.opset_import.remove(entry)
    proto.opset_import.append(helper.make_opsetid("", OLDEST_OPSET))
    return True


def _has_inner_graphs(graph: GraphProto) -> bool:
    return any(
        attribute.HasField("g") or attribute.graphs for node in graph.node for attribute in node.attribute
    )


def _names(graph: GraphProto) -> set[str]:
    values: Iterator[str] = (name for node in graph.node for name in (*node.input, *node.output))
    return {*values, *(tensor.name for tensor in graph.initializer), *(value.name for value in graph.input)}


def _ranks(graph: GraphProto) -> dict[str, int]:
    """Return the number of dimensions of the values that declare one."""
    values: list[ValueInfoProto] = [*graph.value_info, *graph.input, *graph.output]
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in values
        if value.type.tensor_type.HasField("shape")
    }
    ranks |= {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and node.output and attribute.HasField("t"):
                ranks[node.output[0]] = len(attribute.t.dims)
    return ranks


def _mend_types(node: NodeProto) -> None:
    """Say of which type an attribute is, where a file from before IR version 2 does not."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.UNDEFINED:
            kinds = [kind for name, kind in _FIELDS.items() if attribute.HasField(name)]
            kinds += [kind for name, kind in _LISTS.items() if getattr(attribute, name)]
            if kinds:
                attribute.type = kinds[0]


def _take(node: NodeProto, name: str) -> AttributeProto | None:
    """Remove an attribute from a node and return it."""
    for index, attribute in enumerate(node.attribute):
        if attribute.name == name:
            taken = AttributeProto()
            taken.CopyFrom(attribute)
            del node.attribute[index]
            return taken
    return None


def _upgraded(node: NodeProto, upgrade: _Upgrade) -> list[NodeProto]:
    """Return a node as opset 7 has it, with those that must stand before it."""
    if node.domain not in {"", "ai.onnx"}:
        return [node]
    _take(node, "consumed_inputs")  # said once which inputs may be overwritten
    rule = _RULES.get(node.op_type)
    return [*(rule(node, upgrade) if rule else ()), node]


def _broadcast(node: NodeProto, upgrade: _Upgrade) -> list[NodeProto]:
    """Align the second operand at `axis`, as opsets up to 6 did, by dimensions of 1 behind it."""
    wanted, axis = _take(node, "broadcast"), _take(node, "axis")
    if wanted is None or not wanted.i or axis is None or len(node.input) != 2:
        return []
    rank, second = upgrade.ranks.get(node.input[0]), upgrade.ranks.get(node.input[1])
    if rank is None or second is None:
        return []
    start = axis.i + rank if axis.i < 0 else axis.i
    missing = rank - start - second
    if not 0 <= start <= rank or missing <= 0:
        return []
    name = upgrade.new_name(f"{node.input[1]}_aligned")
    unsqueeze = helper.make_node("Unsqueeze", [node.input[1]], [name], axes=range(second, second + missing))
    node.input[1] = name
    return [unsqueeze]


def _as_input(attribute: str) -> Callable[[NodeProto, _Upgrade], list[NodeProto]]:
    """Return the rule for a list of numbers that became an input."""

    def rule(node: NodeProto, upgrade: _Upgrade) -> list[NodeProto]:
        if (given := _take(node, attribute)) is not None and len(node.input) == 1:
            node.input.append(upgrade.constant(f"{node.input[0]}_{attribute}", list(given.ints)))
        return []

    return rule


def _without(*attributes: str) -> Callable[[NodeProto, _Upgrade], list[NodeProto]]:
    """Return the rule for attributes that are gone."""

    def rule(node: NodeProto, _: _Upgrade) -> list[NodeProto]:
        for attribute in attributes:
            _take(node, attribute)
        return []

    return rule


def _for_inference(node: NodeProto, _: _Upgrade) -> list[NodeProto]:
    """Drop what only training has: opset 7 tells it by the outputs."""
    _take(node, "is_test")
    if node.op_type == "BatchNormalization":
        del node.output[1:]
    return []


def _cast(node: NodeProto, _: _Upgrade) -> list[NodeProto]:
    """Name the dtype by its number rather than by its name."""
    if (to := _take(node, "to")) is not None:
        name = to.s.decode(errors="replace").upper()
        known = TensorProto.DataType.keys()
        node.attribute.append(
            helper.make_attribute("to", TensorProto.DataType.Value(name) if name in known else to.i)
        )
    return []


def _default(name: str, value: float) -> Callable[[NodeProto, _Upgrade], list[NodeProto]]:
    """Return the rule for an attribute that may no longer be left out, or whose default changed."""

    def rule(node: NodeProto, _: _Upgrade) -> list[NodeProto]:
        if all(attribute.name != name for attribute in node.attribute):
            node.attribute.append(helper.make_attribute(name, value))
        return []

    return rule


def _pad(node: NodeProto, _: _Upgrade) -> list[NodeProto]:
    if (given := _take(node, "paddings")) is not None:
        node.attribute.append(helper.make_attribute("pads", given.ints))
    return []


def _selu(node: NodeProto, upgrade: _Upgrade) -> list[NodeProto]:
    _default("alpha", 1.6732)(node, upgrade)
    return _default("gamma", 1.0507)(node, upgrade)


def _upsample(node: NodeProto, _: _Upgrade) -> list[NodeProto]:
    height, width = _take(node, "height_scale"), _take(node, "width_scale")
    if height is not None and width is not None:
        node.attribute.append(helper.make_attribute("scales", [1.0, 1.0, height.f, width.f]))
    return []


_RULES: dict[str, Callable[[NodeProto, _Upgrade], list[NodeProto]]] = {
    **dict.fromkeys(
        ("Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"), _broadcast
    ),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _without("output_sequence")),
    "BatchNormalization": _for_inference,
    "Cast": _cast,
    "Concat": _default("axis", 1),
    "Dropout": _for_inference,
    "Gemm": _without("broadcast"),
    "Pad": _pad,
    "Reshape": _as_input("shape"),
    "Selu": _selu,
    "Upsample": _upsample,
}
