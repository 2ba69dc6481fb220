"""Plant one fault in one node of a sound ONNX file: what a fault may read and change, and where it can be seen.

A kind of fault gets a `Draft` and a node, changes them, and returns whether it could: True, or the first outputs of
the nodes of which any may be named as the culprit. `plant` looks for a node where the fault can be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

Arrays = dict[str, NDArray[Any]]

# A node's own error, relative to the largest magnitude, from which a fault counts as planted: far above rounding
# (float16 keeps 11 bits), and below what weights rounded to half precision do to a float32 network.
VISIBLE = {"float32": 1e-5, "float16": 6e-3, "float64": 1e-5}


def values_of(proto: ModelProto, feeds: Arrays) -> Arrays:
    """Return every value of the main graph, by onnxruntime without its optimizations; of a sound model."""
    import onnxruntime

    shown = onnx.ModelProto()
    shown.CopyFrom(proto)
    present = {value.name for value in shown.graph.output}
    for node in shown.graph.node:
        for name in node.output:
            if name and name not in present:
                shown.graph.output.add().name = name
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(
        shown.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_outputs()]
    found = dict(zip(names, session.run(names, feeds), strict=True))
    weights = {item.name: numpy_helper.to_array(item) for item in proto.graph.initializer}
    return found | weights | feeds


@dataclass
class Draft:
    """A copy of a model in which a fault is planted, with the sound model's values."""

    proto: ModelProto
    values: Arrays
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.initializers = {item.name: item for item in self.proto.graph.initializer}
        self.constants = {
            node.output[0]: node.attribute[0].t
            for node in self.proto.graph.node
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        }

    @property
    def nodes(self) -> list[NodeProto]:
        return list(self.proto.graph.node)

    def consumers(self, name: str) -> list[NodeProto]:
        return [node for node in self.nodes if name in node.input]

    def is_output(self, name: str) -> bool:
        return any(value.name == name for value in self.proto.graph.output)

    def weight(self, node: NodeProto, position: int) -> NDArray[Any] | None:
        """Return a writable copy of a constant that a node reads."""
        if position >= len(node.input):
            return None
        name = node.input[position]
        held = self.initializers.get(name, self.constants.get(name))
        return None if held is None else numpy_helper.to_array(held).copy()

    def set_weight(self, node: NodeProto, position: int, array: NDArray[Any]) -> None:
        """Give a node another constant: under the same name if no other node reads it."""
        name = node.input[position]
        reads = sum(list(other.input).count(name) for other in self.nodes)
        if name in self.initializers and reads == 1:
            self.initializers[name].CopyFrom(numpy_helper.from_array(array, name))
        else:
            node.input[position] = self.add_weight(array)

    def add_weight(self, array: NDArray[Any]) -> str:
        name = f"planted_weight_{len(self.proto.graph.initializer)}"
        self.proto.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def attribute(self, node: NodeProto, name: str, default: Any = None) -> Any:
        found = next((item for item in node.attribute if item.name == name), None)
        value = default if found is None else helper.get_attribute_value(found)
        return value.decode() if isinstance(value, bytes) else value

    def set_attribute(self, node: NodeProto, name: str, value: Any) -> None:
        self.drop_attribute(node, name)
        node.attribute.append(helper.make_attribute(name, value))

    def drop_attribute(self, node: NodeProto, name: str) -> None:
        kept = [item for item in node.attribute if item.name != name]
        del node.attribute[:]
        node.attribute.extend(kept)

    def become(
        self, node: NodeProto, op_type: str, inputs: list[str] | None = None, **attributes: Any
    ) -> None:
        """Turn a node into a call of another operator, with the same outputs."""
        if inputs is not None:
            del node.input[:]
            node.input.extend(inputs)
        node.op_type = op_type
        del node.attribute[:]
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())

    def shape(self, name: str) -> tuple[int, ...]:
        return self.values[name].shape

    def earlier(self, node: NodeProto) -> list[str]:
        """Return what nodes before this one write."""
        place = self.nodes.index(node)
        return [name for other in self.nodes[:place] for name in other.output if name]

    def insert_before(self, node: NodeProto, *made: NodeProto) -> None:
        place = self.nodes.index(node)
        nodes = [*self.nodes[:place], *made, *self.nodes[place:]]
        del self.proto.graph.node[:]
        self.proto.graph.node.extend(nodes)

    def insert_after(self, node: NodeProto, *made: NodeProto) -> None:
        place = self.nodes.index(node) + 1
        nodes = [*self.nodes[:place], *made, *self.nodes[place:]]
        del self.proto.graph.node[:]
        self.proto.graph.node.extend(nodes)

    def _piece_that_writes(self, culprits: set[str]) -> list[NodeProto]:
        """Return the culprits, and the nodes before them down to values that the sound model has."""
        wanted, piece = set(culprits), []
        for node in reversed(self.nodes):
            if wanted & set(node.output):
                piece.append(node)
                wanted |= {name for name in node.input if name and name not in self.values}
        return piece[::-1]

    def outputs_of(self, culprits: set[str]) -> Arrays:
        """Return what the culprits' piece now gives, fed with the sound model's values."""
        graph = self.proto.graph
        nodes = self._piece_that_writes(culprits)
        made = {name for node in nodes for name in node.output if name}
        reads = {name for node in nodes for name in node.input if name} - made
        weights = [item for item in graph.initializer if item.name in reads]
        fed = sorted(reads - {item.name for item in weights})
        piece = helper.make_graph(
            nodes,
            "piece",
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(self.values[name].dtype), self.shape(name)
                )
                for name in fed
            ],
            [onnx.ValueInfoProto(name=name) for name in sorted(made)],
            weights,
        )
        model = helper.make_model(
            piece, ir_version=self.proto.ir_version, opset_imports=self.proto.opset_import
        )
        return values_of(model, {name: self.values[name] for name in fed})


def own_error(sound: NDArray[Any], spoilt: NDArray[Any]) -> float:
    """Return the largest difference relative to the largest magnitude; infinite for NaN, other shapes and dtypes."""
    if sound.shape != spoilt.shape or sound.dtype != spoilt.dtype:
        return np.inf
    if not sound.size:
        return 0.0
    if not np.issubdtype(sound.dtype, np.floating):
        return np.inf if (sound != spoilt).any() else 0.0
    a, b = sound.astype(np.float64), spoilt.astype(np.float64)
    odd = ~np.isfinite(b)
    if odd.any():
        return 0.0 if np.array_equal(a[odd], b[odd], equal_nan=True) else np.inf
    a = np.where(np.isfinite(a), a, 0)
    return float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30))


def visible_error(draft: Draft, culprits: set[str]) -> float:
    """Return by how much the culprits' outputs err where the sound model has them."""
    found = draft.outputs_of(culprits)
    names = [name for name in found if name in draft.values]
    return max((own_error(draft.values[name], found[name]) for name in names), default=0.0)


def copy_of(proto: ModelProto) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(proto)
    return made


Outcome = bool | set[str]
Change = Callable[[Draft, NodeProto], Outcome]


@dataclass(frozen=True)
class Fault:
    """One kind of fault, and the operators in which it can be planted."""

    name: str
    operators: frozenset[str]
    change: Change


@dataclass(frozen=True)
class Planted:
    """A spoilt model, its culprits (any of which may be named), and how large the culprit's own error is."""

    proto: ModelProto
    culprits: frozenset[str]
    operator: str
    error: float


FAULTS: dict[str, Fault] = {}


def fault(*operators: str) -> Callable[[Change], Change]:
    def register(change: Change) -> Change:
        name = change.__name__.strip("_").replace("_", " ")
        FAULTS[name] = Fault(name, frozenset(operators), change)
        return change

    return register


def plant(
    proto: ModelProto, values: Arrays, kind: Fault, rng: np.random.Generator, dtype: str
) -> Planted | None:
    """Plant a fault in a node drawn at random; None if no node shows it."""
    places = [
        i
        for i, node in enumerate(proto.graph.node)
        if node.op_type in kind.operators and _matters(proto, values, node)
    ]
    for place in rng.permutation(places):
        draft = Draft(copy_of(proto), values, rng)
        node = draft.nodes[place]
        operator, first = node.op_type, node.output[0]
        if not (found := kind.change(draft, node)):
            continue
        culprits = {first} if found is True else found
        try:
            error = visible_error(draft, culprits)
        except Exception:  # noqa: BLE001 - whatever the runtime says: no such model can be run
            continue
        if error > VISIBLE[dtype]:
            return Planted(draft.proto, frozenset(culprits), operator, error)
    return None


def _matters(proto: ModelProto, values: Arrays, node: NodeProto) -> bool:
    """Tell whether a node computes what the network computes, not merely the shape of something."""
    outputs = {value.name for value in proto.graph.output}
    return any(name in outputs or values[name].dtype.kind in "fb" for name in node.output if name)
