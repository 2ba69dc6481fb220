"""Plain facts about ONNX protos: dtypes by name, every tensor in a model, values' types."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TensorShapeProto,
    TypeProto,
    checker,
    helper,
    shape_inference,
)

_BITS = {"INT4": 4, "INT2": 2, "FLOAT4E2M1": 4}

# What onnx's C++ parts raise on models that are wrong inside; they have no common parent.
ONNX_ERRORS = (
    checker.ValidationError,
    shape_inference.InferenceError,
    DecodeError,
    EncodeError,
    RuntimeError,
    TypeError,
    ValueError,
)


@lru_cache(maxsize=256)
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
    bits = _bits(data_type)
    return None if bits is None else (math.prod(dimensions) * bits + 7) // 8


@lru_cache(maxsize=256)
def _bits(data_type: int) -> int | None:
    """Return the size of one element in bits; None for strings and unknown types."""
    if data_type == TensorProto.STRING:
        return None
    name = TensorProto.DataType.Name(data_type) if data_type in TensorProto.DataType.values() else ""
    if packed := next((bits for ending, bits in _BITS.items() if name.endswith(ending)), None):
        return packed
    try:
        return 8 * int(np.dtype(helper.tensor_dtype_to_np_dtype(data_type)).itemsize)
    except KeyError:
        return None


def tensors_of_model(proto: ModelProto) -> Iterator[TensorProto]:
    """Yield every tensor of a model, also those within subgraphs, attributes, functions and sparse tensors."""
    yield from _tensors_of_graph(proto.graph)
    for function in proto.functions:
        yield from _tensors_of_nodes(function)
        for attribute in function.attribute_proto:
            yield from tensors_of_attribute(attribute)
    for training in proto.training_info:
        yield from _tensors_of_graph(training.initialization)
        yield from _tensors_of_graph(training.algorithm)


def _tensors_of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield every tensor of a graph and of the subgraphs within."""
    yield from graph.initializer
    yield from _parts_of_sparse(graph.sparse_initializer)
    yield from _tensors_of_nodes(graph)


def _tensors_of_nodes(owner: GraphProto | FunctionProto) -> Iterator[TensorProto]:
    for node in owner.node:
        yield from _tensors_of_node(node)


def _tensors_of_node(node: NodeProto) -> Iterator[TensorProto]:
    """Yield every tensor in a node's attributes."""
    for attribute in node.attribute:
        yield from tensors_of_attribute(attribute)


def tensors_of_attribute(attribute: AttributeProto) -> Iterator[TensorProto]:
    """Yield every tensor of an attribute, also those of its subgraphs."""
    # By what is there, not by attribute.type: files of IR version 1 leave the type out, hostile ones lie.
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    if attribute.HasField("sparse_tensor"):
        yield from _parts_of_sparse([attribute.sparse_tensor])
    yield from _parts_of_sparse(attribute.sparse_tensors)
    if attribute.HasField("g"):
        yield from _tensors_of_graph(attribute.g)
    for graph in attribute.graphs:
        yield from _tensors_of_graph(graph)


def _parts_of_sparse(tensors: Iterable[SparseTensorProto]) -> Iterator[TensorProto]:
    for tensor in tensors:
        yield tensor.values
        yield tensor.indices


def with_readable_strings(proto: ModelProto) -> ModelProto:
    """Return a copy in which bytes of string attributes that are not UTF-8 became U+FFFD."""
    copy = ModelProto()
    copy.CopyFrom(proto)
    messages: list[Any] = [copy]
    while messages:
        message = messages.pop()
        if isinstance(message, AttributeProto):
            message.s = message.s.decode(errors="replace").encode()
            message.strings[:] = [item.decode(errors="replace").encode() for item in message.strings]
        elif isinstance(message, TensorProto):
            message.string_data[:] = [item.decode(errors="replace").encode() for item in message.string_data]
        for descriptor, value in message.ListFields():
            if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
                messages += [value] if isinstance(value, Message) else value
    return copy


def type_and_shape(type_proto: TypeProto) -> tuple[str | None, tuple[int | str | None, ...] | None]:
    """Return (dtype, shape) of a value's declared type; None where it is not declared."""
    kind = type_proto.WhichOneof("value")
    if kind in {"tensor_type", "sparse_tensor_type"}:
        tensor = getattr(type_proto, kind)
        dtype = dtype_name(tensor.elem_type) if tensor.elem_type else None
        if not tensor.HasField("shape"):
            return dtype, None
        return dtype, tuple(map(_dimension, tensor.shape.dim))
    if kind in {"sequence_type", "optional_type"}:
        inner, _ = type_and_shape(getattr(type_proto, kind).elem_type)
        return f"{kind.removesuffix('_type')}({inner or '?'})", None
    if kind == "map_type":
        inner, _ = type_and_shape(type_proto.map_type.value_type)
        return f"map({dtype_name(type_proto.map_type.key_type)}, {inner or '?'})", None
    return None, None


def _dimension(dimension: TensorShapeProto.Dimension) -> int | str | None:
    if dimension.HasField("dim_value"):
        # Paddle's exporter, for one, writes -1 for a size that it does not know.
        return dimension.dim_value if dimension.dim_value >= 0 else None
    return dimension.dim_param or None
