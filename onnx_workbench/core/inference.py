"""ONNX's shape inference, kept from taking all memory.

What is one-dimensional may be a shape, and ONNX then makes as many dimensions as it has elements: 363 bytes that
declare ``int64[1099511627776]`` take any machine down, and a sound vector of ten million numbers half a gigabyte. Such
sizes go in as symbols, which pass through unchanged, and come out as numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import GraphProto, ModelProto, TensorShapeProto, ValueInfoProto, helper, shape_inference

from onnx_workbench.core.plain_shapes import plain_graph
from onnx_workbench.core.protos import ONNX_ERRORS

_LONGEST_SHAPE = 1 << 16
_SYMBOL = "onnx_workbench:size="


def inferred_graph(proto: ModelProto) -> GraphProto:
    """Return the graph with the shapes that ONNX infers; as it is, if the model is too wrong for that."""
    if (found := plain_graph(proto)) is not None:
        return found
    guarded = _with_symbols(proto)
    try:
        plain = shape_inference.infer_shapes(guarded).graph
        # Computed shapes are followed only where no vector is too long to be taken for one.
        if all(_length(dims) <= _LONGEST_SHAPE for dims in map(_dims, _infos(plain))):
            plain = shape_inference.infer_shapes(guarded, data_prop=True).graph
    except ONNX_ERRORS:  # a model that is wrong inside is still looked at
        return proto.graph
    if guarded is not proto:
        _resolve(plain)
    return plain


def _with_symbols(proto: ModelProto) -> ModelProto:
    """Return a model in which long vectors have a symbol for their size; the same one if there are none."""
    if not any(_is_long(graph) for graph in _graphs(proto)):
        return proto
    copy = ModelProto()
    copy.CopyFrom(proto)
    for graph in _graphs(copy):
        long = [tensor for tensor in graph.initializer if _length_of(tensor.dims) > _LONGEST_SHAPE]
        for info in _infos(graph):
            if (dims := _dims(info)) and _length(dims) > _LONGEST_SHAPE:
                dims[0].dim_param = f"{_SYMBOL}{dims[0].dim_value}"
        declared = {info.name for info in graph.input}
        for tensor in long:  # a tensor cannot have a symbol, an input can
            graph.initializer.remove(tensor)
            if tensor.name not in declared:
                size = f"{_SYMBOL}{tensor.dims[0]}"
                graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, [size]))
    return copy


def _graphs(proto: ModelProto) -> Iterator[GraphProto]:
    """Yield the graph and its subgraphs."""
    waiting = [proto.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting += attribute.graphs


def _is_long(graph: GraphProto) -> bool:
    return any(_length(_dims(info)) > _LONGEST_SHAPE for info in _infos(graph)) or any(
        _length_of(tensor.dims) > _LONGEST_SHAPE for tensor in graph.initializer
    )


def _infos(graph: GraphProto) -> Iterator[ValueInfoProto]:
    yield from graph.input
    yield from graph.output
    yield from graph.value_info


def _dims(info: ValueInfoProto) -> list[TensorShapeProto.Dimension]:
    return list(info.type.tensor_type.shape.dim) if info.type.HasField("tensor_type") else []


def _length(dims: Iterable[TensorShapeProto.Dimension]) -> int:
    """Return the size of what has one dimension, else 0."""
    return _length_of([dim.dim_value for dim in dims])


def _length_of(sizes: Iterable[int]) -> int:
    listed = list(sizes)
    return listed[0] if len(listed) == 1 else 0


def _resolve(graph: GraphProto) -> None:
    """Put sizes back in place of their symbols."""
    for info in _infos(graph):
        for dim in _dims(info):
            digits = dim.dim_param.removeprefix(_SYMBOL)
            if dim.dim_param.startswith(_SYMBOL) and digits.isdecimal() and int(digits) < 1 << 63:
                dim.dim_value = int(digits)
