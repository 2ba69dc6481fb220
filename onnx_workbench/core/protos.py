"""Plain facts about ONNX protos: dtypes by name, every tensor in a model, values' types."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    helper,
)

_BITS = {"4": 4, "2": 2}


def dtype_name(data_type: int) -> str:
    """Return the name of a TensorProto.DataType, such as ``float32``; ``type 99`` for an unknown one."""
    if data_type == TensorProto.STRING:
        return "string"
    try:
        return str(np.dtype(helper.tensor_dtype_to_np_dtype(data_type)).name)
    except KeyError:
        return f"type {data_type}"


def content_bytes(data_type: int, dimensions: Iterable[int]) -> int | None:
    """Return the size of a tensor's raw content in bytes; None for strings and unknown types."""
    if data_type == TensorProto.STRING:
        return None
    name = TensorProto.DataType.Name(data_type) if data_type in TensorProto.DataType.values() else ""
    count = math.prod(dimensions)
    if bits := next((bits for ending, bits in _BITS.items() if name.endswith(f"INT{ending}")), None):
        return (count * bits + 7) // 8
    if name == "FLOAT4E2M1":
        return (count + 1) // 2
    try:
        return count * int(np.dtype(helper.tensor_dtype_to_np_dtype(data_type)).itemsize)
    except KeyError:
        return None


def tensors_of_model(proto: ModelProto) -> Iterator[TensorProto]:
    """Yield every dense tensor of a model: in graphs, subgraphs, node attributes and functions."""
    yield from tensors_of_graph(proto.graph)
    for function in proto.functions:
        yield from _tensors_of_nodes(function)


def tensors_of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield every dense tensor of a graph and of the subgraphs within."""
    yield from graph.initializer
    yield from _tensors_of_nodes(graph)


def _tensors_of_nodes(owner: GraphProto | FunctionProto) -> Iterator[TensorProto]:
    for node in owner.node:
        yield from tensors_of_node(node)


def tensors_of_node(node: NodeProto) -> Iterator[TensorProto]:
    """Yield every dense tensor in a node's attributes."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            yield attribute.t
        elif attribute.type == AttributeProto.TENSORS:
            yield from attribute.tensors
        elif attribute.type == AttributeProto.GRAPH:
            yield from tensors_of_graph(attribute.g)
        elif attribute.type == AttributeProto.GRAPHS:
            for graph in attribute.graphs:
                yield from tensors_of_graph(graph)


def type_and_shape(type_proto: TypeProto) -> tuple[str | None, tuple[int | str | None, ...] | None]:
    """Return (dtype, shape) of a value's declared type; None where it is not declared."""
    kind = type_proto.WhichOneof("value")
    if kind in {"tensor_type", "sparse_tensor_type"}:
        tensor = getattr(type_proto, kind)
        dtype = dtype_name(tensor.elem_type) if tensor.elem_type else None
        if not tensor.HasField("shape"):
            return dtype, None
        return dtype, tuple(
            dimension.dim_value if dimension.HasField("dim_value") else dimension.dim_param or None
            for dimension in tensor.shape.dim
        )
    if kind in {"sequence_type", "optional_type"}:
        inner, _ = type_and_shape(getattr(type_proto, kind).elem_type)
        return f"{kind.removesuffix('_type')}({inner or '?'})", None
    if kind == "map_type":
        inner, _ = type_and_shape(type_proto.map_type.value_type)
        return f"map({dtype_name(type_proto.map_type.key_type)}, {inner or '?'})", None
    return None, None
