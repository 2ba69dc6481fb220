"""How large values are, and how many of them live at the same time, told from shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from onnx import ModelProto, TensorShapeProto

from onnx_workbench.core.formatting import Shape
from onnx_workbench.core.graph_parts import Node, Value, value_of
from onnx_workbench.core.inference import inferred_graph
from onnx_workbench.core.model import Model


def sized_values(model: Model, shapes: Mapping[str, Shape]) -> dict[str, Value]:
    """Return every value of a model's graph as it is when the inputs have these shapes.

    Parameters
    ----------
    model
        The model.
    shapes
        Shapes of inputs by name; those that are left out stay as they are declared.
    """
    if not shapes:
        return model.values
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    for info in proto.graph.input:
        if (shape := shapes.get(info.name)) is not None and info.type.WhichOneof("value") == "tensor_type":
            _set_shape(info.type.tensor_type.shape, shape)
    del proto.graph.value_info[:]
    for info in proto.graph.output:
        for dimension in info.type.tensor_type.shape.dim:
            dimension.Clear()
    graph = inferred_graph(proto)
    declared = model.proto.graph
    values = {name: Value(name, t.dtype, t.shape) for name, t in model.initializers.items()}
    values |= {name: Value(name) for node in model.nodes for name in node.outputs if name}
    # What the file declares stands where inference finds nothing. An input may be an output: it knows its shape.
    for found in (declared, graph):
        for info in (*found.value_info, *found.output, *found.input):
            if info.name not in model.initializers:
                values[info.name] = value_of(info)
    return values


def _set_shape(target: TensorShapeProto, shape: Shape) -> None:
    del target.dim[:]
    for size in shape:
        if isinstance(size, int):
            target.dim.add(dim_value=size)
        else:
            target.dim.add(dim_param=size or "")


def fixed_shape(value: Value | None) -> tuple[int, ...] | None:
    """Return a value's shape if every dimension is known."""
    if value is None or value.shape is None:
        return None
    sizes = tuple(d for d in value.shape if isinstance(d, int))
    return sizes if len(sizes) == len(value.shape) else None


def size_of(value: Value) -> int | None:
    """Return a value's bytes; None if its shape or dtype is not known."""
    shape = fixed_shape(value)
    if shape is None or value.dtype is None or (width := _item_bytes(value.dtype)) is None:
        return None
    return math.prod(shape) * width


def _item_bytes(dtype: str) -> int | None:
    if dtype == "bfloat16":
        return 2
    try:
        return np.dtype(dtype).itemsize or None
    except TypeError:
        return 1 if dtype.startswith(("float8", "int4", "uint4")) else None


def sizes_alive(model: Model, sizes: Mapping[str, int]) -> Iterator[int]:
    """Yield, node by node, the bytes alive while it runs; what nobody reads again is freed after it.

    Parameters
    ----------
    model
        Its nodes run in order, and nothing is computed in place.
    sizes
        Bytes by the name of the value; others count as nothing.
    """
    last_use = {value.name: len(model.nodes) for value in model.outputs}
    for node in model.nodes:
        for name in (*node.inputs, *node.outputs):
            last_use.setdefault(name, node.index)
            last_use[name] = max(last_use[name], node.index)
    dying: dict[int, int] = {}
    for name, index in last_use.items():
        dying[index] = dying.get(index, 0) + sizes.get(name, 0)
    alive = sum(sizes.get(value.name, 0) for value in model.inputs)
    yield alive
    for node in model.nodes:
        alive += sum(sizes.get(name, 0) for name in node.outputs)
        yield alive
        alive -= dying.get(node.index, 0)


_IN_PLACE = frozenset(
    (
        *(
            "Reshape",
            "Flatten",
            "Squeeze",
            "Unsqueeze",
            "Identity",
            "Dropout",
            "Relu",
            "LeakyRelu",
            "Sigmoid",
            "Tanh",
        ),
        *(
            "Clip",
            "Neg",
            "Abs",
            "Exp",
            "Log",
            "Sqrt",
            "Softmax",
            "Add",
            "Sub",
            "Mul",
            "Div",
            "BatchNormalization",
        ),
    )
)


def buffers_alive(model: Model, values: Mapping[str, Value]) -> Iterator[int]:
    """Yield, node by node, the bytes of buffers that onnxruntime's plan holds while it runs, beside the inputs.

    Its planner (allocation_planner.cc) gives the buffer of a value that is read no more to the next one of the same
    shape and dtype, and frees it behind the last of them: networks that repeat a few shapes hold one set of each from
    the first layer to the last. Some operators write where they read. Values of unknown size count as nothing.
    """
    held = model.initializers.keys() | model.constants.keys()
    last_use = {value.name: len(model.nodes) for value in model.outputs}
    for node in model.nodes:
        last_use |= {name: max(node.index, last_use.get(name, 0)) for name in (*node.inputs, *node.outputs)}
    owner: dict[str, int] = {}
    spans: list[list[int]] = []  # of each buffer: bytes, first node, last node
    free: dict[object, list[int]] = {}
    for node in model.nodes:
        dying = [name for name in node.inputs if last_use[name] == node.index and name in owner]
        for name in node.outputs:
            size = None if name in held or not name else size_of(values.get(name, Value(name)))
            if size is None:
                continue
            kind, final = (values[name].dtype, values[name].shape), last_use[name]
            place = len(spans)  # outputs of the model get buffers of their own
            if final < len(model.nodes):
                place = _place(node, dying, owner, spans, size, free.get(kind, []))
            if place == len(spans):
                spans.append([size, node.index, final])
            spans[place][2] = max(final, spans[place][2])
            owner[name] = place
        for name in {*dying, *(n for n in node.outputs if last_use.get(n) == node.index)}:
            if name in owner and spans[owner[name]][2] == node.index:
                free.setdefault((values[name].dtype, values[name].shape), []).append(owner[name])
    started = [0] * (len(model.nodes) + 2)
    for size, first, final in spans:
        started[first] += size
        started[min(final, len(model.nodes)) + 1] -= size
    alive = 0
    yield alive
    for change in started[: len(model.nodes)]:
        alive += change
        yield alive


def _place(
    node: Node,
    dying: Sequence[str],
    owner: Mapping[str, int],
    spans: Sequence[Sequence[int]],
    size: int,
    free: list[int],
) -> int:
    """Return the buffer for an output: that of an input, where the operator allows it, or a free one, or a new one."""
    if node.op_type in _IN_PLACE:
        for name in node.inputs[:2]:
            if name in dying and spans[owner[name]][0] == size and spans[owner[name]][2] == node.index:
                return owner[name]
    return free.pop() if free else len(spans)
