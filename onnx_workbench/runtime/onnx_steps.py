"""An ONNX model, run node by node: each node in a small session of its own, fed with whatever values one likes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from onnx_workbench.core.errors import RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_order import captured
from onnx_workbench.core.graph_parts import Node
from onnx_workbench.core.inference import inferred_graph
from onnx_workbench.core.memory import trim_heap
from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance import module_path, qualified_name, source_line
from onnx_workbench.core.skim import LARGE_BYTES
from onnx_workbench.runtime.pieces import PieceRunner, PiecesHere
from onnx_workbench.runtime.session import InputDoor
from onnx_workbench.runtime.steps import Step

_TIDY_BYTES = 32 << 20
_WEIGHTED = {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "LSTM", "GRU", "RNN"}


class OnnxSteps:
    """The nodes of a model as steps.

    Nodes that share a value which cannot leave a session (an optional) are one step. Weights are fed like any
    other input: they stay mapped in their file, and nodes that differ by their weights alone share a session.

    Parameters
    ----------
    model
        The model.
    runner
        Who computes them; None for onnxruntime in this process.
    """

    def __init__(self, model: Model, *, runner: PieceRunner | None = None) -> None:
        self.model, self.runner = model, runner or PiecesHere()
        self.input_names = tuple(value.name for value in model.inputs)
        self.output_names = tuple(value.name for value in model.outputs)
        self._weights = model.initializers.keys() | {*model.sparse_initializers}
        self._optional = _optional_values(model)
        self.pieces = self._grouped()
        self.steps = [self._step(index, nodes) for index, nodes in enumerate(self.pieces)]
        self._passed_bytes = 0

    @property
    def kernels(self) -> str:
        """Whose kernels compute."""
        return self.runner.backend

    def _grouped(self) -> list[list[Node]]:
        """Return the nodes of each step."""
        return _pieces(self.model, self._optional)

    def _step(self, index: int, nodes: list[Node]) -> Step:
        inputs, outputs = interface(nodes)
        return Step(
            index,
            tuple(name for name in inputs if name not in self._weights),
            tuple(name for name in outputs if name not in self._optional),
            " + ".join(dict.fromkeys(node.label for node in nodes)),
            qualified_name(module_path(nodes[0])),
            source_line(nodes[0]),
        )

    def nodes_of(self, step: Step) -> list[Node]:
        """Return the nodes of a step."""
        return self.pieces[step.index]

    def summed_terms(self, step: Step) -> float:
        """Return how many products with weights are summed for one element of what a step writes."""
        return max((_summed(node, self.model) for node in self.pieces[step.index]), default=1.0)

    def feeds(self, inputs: object) -> dict[str, Any]:
        """Return inputs by name, as for ``Session.run``."""
        return InputDoor(self.model).feeds(inputs)

    @staticmethod
    def array(value: Any) -> NDArray[Any] | None:
        """Return a value as an array; None for a sequence."""
        return (
            value if isinstance(value, np.ndarray) else None if isinstance(value, list) else np.asarray(value)
        )

    def compute(self, step: Step, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the step's nodes write.

        Raises
        ------
        RunError
            If neither onnxruntime nor ONNX's reference evaluator can compute it.
        """
        nodes = self.pieces[step.index]
        if len(nodes) == 1 and nodes[0].label == "Constant":
            return {nodes[0].key: self._constant(nodes[0])}
        read, _ = interface(nodes)
        arrays = {name: values[name] for name in read if name in values}
        piece, names = self.piece(step, arrays)
        fed = {new: self._value(name, arrays) for name, new in names.items()}
        found = self.runner.run(piece, fed, f"{nodes[-1].label} {clean_text(nodes[-1].key)!r}")
        self._tidy(fed, found)
        return dict(zip(step.outputs, found, strict=True))

    def _tidy(self, fed: Mapping[str, Any], found: Sequence[Any]) -> None:
        """Give back now and then the memory of weights that were read, and of values that are gone."""
        self._passed_bytes += sum(
            value.nbytes for value in (*fed.values(), *found) if isinstance(value, np.ndarray)
        )
        if self._passed_bytes > _TIDY_BYTES:
            self._passed_bytes = 0
            self.model.payloads.let_go()
            trim_heap()

    def _constant(self, node: Node) -> Any:
        if node.key in self.model.constants:
            return self.model.weight(node.key)
        attribute = node.proto.attribute[0] if node.proto.attribute else None
        if attribute is None:
            raise RunError(f"The Constant {clean_text(node.key)!r} has no value.")
        value = helper.get_attribute_value(attribute)
        dtype = {
            "value_float": np.float32,
            "value_floats": np.float32,
            "value_int": np.int64,
            "value_ints": np.int64,
        }
        return np.asarray(value, dtype.get(attribute.name))

    def _value(self, name: str, values: Mapping[str, Any]) -> Any:
        value = values[name] if name in values else self._weight(name)
        return value if isinstance(value, list) else np.asarray(value)

    def piece(self, step: Step, values: Mapping[str, Any]) -> tuple[ModelProto, dict[str, str]]:
        """Return a model of the step's nodes, and the names of its inputs by the names in the whole model.

        Weights of 1 KiB or more are inputs too: nodes that differ by them alone have the same piece.
        """
        nodes = self.pieces[step.index]
        inputs, _ = interface(nodes)
        rename = self._may_rename(nodes)
        given = {name: f"i{index}" if rename else name for index, name in enumerate(inputs)}
        fed = {name: new for name, new in given.items() if name in values or not self._is_small(name)}
        outputs = [f"o{index}" if rename else name for index, name in enumerate(step.outputs)]
        copies = [_renamed(node.proto, given) if rename else _bare(node.proto) for node in nodes]
        held = {name: new for name, new in given.items() if name not in fed}
        return self._model(
            copies, {new: self._value(n, values) for n, new in fed.items()}, held, outputs
        ), fed

    def excerpt(
        self, steps: Sequence[Step], values: Mapping[str, Any], outputs: Mapping[str, NDArray[Any]]
    ) -> ModelProto:
        """Return a model of several steps with all names kept and its weights inside: one that a person reads."""
        nodes = [node for step in steps for node in self.pieces[step.index]]
        inputs, _ = interface(nodes)
        fed = {name: values[name] for name in inputs if name in values}
        held = {name: name for name in inputs if name not in values}
        proto = self._model([node.proto for node in nodes], fed, held, list(outputs))
        for info in (*proto.graph.input, *proto.graph.output):
            array = outputs[info.name] if info.name in outputs else values[info.name]
            info.type.CopyFrom(_type_of(array, shaped=True))
        return proto

    def _model(
        self,
        nodes: Sequence[NodeProto],
        fed: Mapping[str, Any],
        held: Mapping[str, str],
        outputs: Sequence[str],
    ) -> ModelProto:
        graph = GraphProto(name="piece", node=nodes)
        graph.input.extend(ValueInfoProto(name=name, type=_type_of(value)) for name, value in fed.items())
        graph.initializer.extend(self._tensor(name, given) for name, given in held.items())
        graph.output.extend(ValueInfoProto(name=name) for name in outputs)
        proto = ModelProto(ir_version=max(8, min(self.model.ir_version or 10, 10)), graph=graph)
        proto.opset_import.extend(self.model.proto.opset_import)
        proto.functions.extend(self.model.proto.functions)
        return proto

    def _may_rename(self, nodes: list[Node]) -> bool:
        """Tell whether the names inside do not matter; subgraphs read outer values by their names."""
        if len(nodes) > 1 or any(a.HasField("g") or a.graphs for a in nodes[0].proto.attribute):
            return False
        return self._optional.isdisjoint(nodes[0].outputs)

    def _is_small(self, name: str) -> bool:
        tensor = self.model.initializers.get(name)
        return tensor is None or tensor.size_bytes < LARGE_BYTES

    def _tensor(self, name: str, given: str) -> TensorProto:
        return numpy_helper.from_array(np.asarray(self._weight(name)), given)

    def _weight(self, name: str) -> Any:
        if name in self.model.initializers:
            return self.model.weight(name)
        held = self.model.proto.graph.sparse_initializer
        sparse = next((tensor for tensor in held if tensor.values.name == name), None)
        if sparse is None:
            raise RunError(f"Nothing has written {clean_text(name)!r} when it is read.")
        dense = np.zeros(tuple(sparse.dims), self.model.payloads.array(sparse.values).dtype)
        indices = np.asarray(self.model.payloads.array(sparse.indices), np.int64)
        where = np.unravel_index(indices, dense.shape) if indices.ndim == 1 else tuple(indices.T)
        dense[where] = self.model.payloads.array(sparse.values)
        return dense


def _summed(node: Node, model: Model) -> float:
    """Return how many products a node sums for one element, by the shape of its weight."""
    weight = model.initializers.get(node.inputs[1]) if len(node.inputs) > 1 else None
    shape = weight.shape if weight is not None else ()
    if not all(shape) or len(shape) < 2:
        return 1.0
    if node.op_type == "Gemm":
        return float(shape[1] if node.attributes.get("transB") else shape[0])
    if "MatMul" in node.op_type:
        return float(shape[-2])
    return float(np.prod(shape[1:], dtype=float)) if node.op_type in _WEIGHTED else 1.0


def _optional_values(model: Model) -> set[str]:
    """Return the values that may be absent: they cannot be fed to a session."""
    graph = inferred_graph(model.proto)
    infos = (*graph.input, *graph.value_info, *graph.output)
    return {info.name for info in infos if info.type.HasField("optional_type")}


def _pieces(model: Model, optional: set[str]) -> list[list[Node]]:
    """Return the nodes in pieces: one each, or from the writer of an optional to its last reader."""
    nodes = model.nodes
    until = list(range(len(nodes)))
    for name in optional:
        producer = model.producer(name)
        readers = [node.index for node in model.consumers(name)]
        if producer is not None and readers:
            until[producer.index] = max(until[producer.index], *readers)
    pieces: list[list[Node]] = []
    end = -1
    for node in nodes:
        if node.index <= end:
            pieces[-1].append(node)
        else:
            pieces.append([node])
        end = max(end, until[node.index])
    return pieces


def interface(nodes: list[Node]) -> tuple[list[str], list[str]]:
    """Return the names that nodes read from outside, and those that they write."""
    written = list(dict.fromkeys(name for node in nodes for name in node.outputs if name))
    own = set(written)
    read = dict.fromkeys(
        name for node in nodes for name in (*node.inputs, *captured(node.proto)) if name and name not in own
    )
    return list(read), written


def _type_of(value: Any, *, shaped: bool = False) -> TypeProto:
    """Return the type to declare for a value, of any shape unless `shaped`."""
    if isinstance(value, list):
        inner = _type_of(value[0]) if value else helper.make_tensor_type_proto(TensorProto.FLOAT, None)
        return helper.make_sequence_type_proto(inner)
    array = np.asarray(value)
    kind = TensorProto.STRING if array.dtype.kind in "OUS" else helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_type_proto(kind, array.shape if shaped else None)


def _bare(node: NodeProto) -> NodeProto:
    """Return a node without what the exporter noted."""
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.ClearField("metadata_props")
    copy.ClearField("doc_string")
    return copy


def _renamed(node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    copy = _bare(node)
    copy.ClearField("name")
    copy.input[:] = [names[name] if name else "" for name in node.input]
    outputs = iter(range(len(node.output)))
    copy.output[:] = [f"o{next(outputs)}" if name else "" for name in node.output]
    return copy
