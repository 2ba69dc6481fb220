"""The parts of a Model's graph: values, tensors, nodes and their attributes. Contents of tensors are not read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto

from onnx_workbench.core.formatting import Shape, clean_text, format_shape
from onnx_workbench.core.protos import content_bytes, dtype_name, type_and_shape


@dataclass(frozen=True)
class Value:
    """A value of the graph: its name, its dtype such as ``float32``, its shape; None for what is unknown."""

    name: str
    dtype: str | None = None
    shape: Shape | None = None

    def __str__(self) -> str:
        """Return ``name: float32 (N, 3, 32, 32)``."""
        return f"{clean_text(self.name)}: {self.dtype or '?'} {format_shape(self.shape)}"


@dataclass(frozen=True)
class Tensor:
    """An initializer as declared; its content stays in the file until ``Model.weight`` asks for it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int

    @property
    def count(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=object)) if self.shape else 1

    @property
    def parameters(self) -> int:
        """Number of its elements; 0 if they are no parameters but 64-bit integers (shapes, indices), truths or text."""
        return 0 if self.dtype in {"int64", "bool", "string"} else self.count


@dataclass(frozen=True, eq=False)
class Node:
    """One call of an operator. `index` is its place in execution order."""

    index: int
    proto: NodeProto = field(repr=False)
    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def key(self) -> str:
        """The node's address: its first output (names of nodes are optional in ONNX)."""
        return next((name for name in self.outputs if name), self.name)

    @property
    def label(self) -> str:
        """The operator, with its domain unless that is ONNX's own."""
        return self.op_type if self.domain in {"", "ai.onnx"} else f"{self.domain}.{self.op_type}"

    @cached_property
    def attributes(self) -> dict[str, object]:
        """Attributes as Python objects: numbers, strings, tuples, `Tensor`, `Subgraph`."""
        return {attribute.name: _attribute_value(attribute) for attribute in self.proto.attribute}

    @property
    def metadata(self) -> dict[str, str]:
        """What the exporter noted on the node, such as the module that it comes from."""
        return {entry.key: entry.value for entry in self.proto.metadata_props}

    @property
    def doc(self) -> str:
        """The node's doc string."""
        return str(self.proto.doc_string)


@dataclass(frozen=True)
class Subgraph:
    """A graph held in a node's attribute (If, Loop, Scan)."""

    proto: GraphProto = field(repr=False)

    def __str__(self) -> str:
        """Return its name and size."""
        return f"subgraph {clean_text(self.proto.name)!r} of {len(self.proto.node)} nodes"


def describe(tensor: TensorProto, name: str = "") -> Tensor:
    """Return a tensor's description, under its own name or another."""
    size = content_bytes(tensor.data_type, tensor.dims)
    if size is None:
        size = sum(map(len, tensor.string_data))
    return Tensor(name or str(tensor.name), dtype_name(tensor.data_type), tuple(tensor.dims), size)


def value_of(info: ValueInfoProto) -> Value:
    """Return a value as it is declared."""
    dtype, shape = type_and_shape(info.type)
    return Value(str(info.name), dtype, shape)


_SCALARS: dict[int, str] = {AttributeProto.FLOAT: "f", AttributeProto.INT: "i"}
_LISTS: dict[int, str] = {AttributeProto.FLOATS: "floats", AttributeProto.INTS: "ints"}


def _attribute_value(attribute: AttributeProto) -> object:
    """Return an attribute's value as a plain Python object; contents of tensors are not read."""
    kind: int = attribute.type
    if attribute.ref_attr_name:
        return f"@{attribute.ref_attr_name}"
    if kind in _SCALARS:
        return getattr(attribute, _SCALARS[kind])
    if kind in _LISTS:
        return tuple(getattr(attribute, _LISTS[kind]))
    if kind == AttributeProto.STRING:
        return attribute.s.decode(errors="replace")
    if kind == AttributeProto.STRINGS:
        return tuple(item.decode(errors="replace") for item in attribute.strings)
    if kind == AttributeProto.TENSOR:
        return describe(attribute.t)
    if kind == AttributeProto.GRAPH:
        return Subgraph(attribute.g)
    if kind == AttributeProto.GRAPHS:
        return tuple(Subgraph(graph) for graph in attribute.graphs)
    if kind == AttributeProto.TENSORS:
        return tuple(describe(tensor) for tensor in attribute.tensors)
    return AttributeProto.AttributeType.Name(kind).lower()
