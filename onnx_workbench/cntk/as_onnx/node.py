"""The primitive that is a node of an imported ONNX model: it is written as itself."""

from __future__ import annotations

from typing import cast

import numpy as np
from onnx import NodeProto, TensorProto

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter
from onnx_workbench.cntk.as_onnx.inner_graphs import rename_inside
from onnx_workbench.cntk.native.graph import Primitive

PREFIX = "ONNX::"
"""Operators of such primitives are called this and the node's op_type."""


def onnx_node(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Write the node, its inputs and outputs under the names that they have here."""
    attributes = cast("dict[str, object]", primitive.attributes)
    node = NodeProto.FromString(cast(bytes, attributes["onnx"]))
    operands = cast("list[str]", attributes["operands"])
    names = {name: value.name for name, value in zip(operands, inputs, strict=True)}
    for name, content in cast("dict[str, bytes]", attributes["constants"]).items():
        tensor = TensorProto.FromString(content)
        tensor.name = names[name] = emit.names.new(f"{primitive.uid}_{name}")
        emit.initializers.append(tensor)
    outputs = [name for name in node.output if name]
    results = {name: emit.names.new(f"{primitive.uid}_{index}") for index, name in enumerate(outputs)}
    node.input[:] = [names.get(name, "") for name in node.input]
    rename_inside(node, names, emit.names)
    node.output[:] = [results.get(name, "") for name in node.output]
    emit.nodes.append(node)
    shapes = cast("list[list[int]]", attributes["outputShapes"])
    axes, dtypes = cast("list[int]", attributes["outputAxes"]), cast("list[str]", attributes["outputDtypes"])
    return [
        Emitted(results[name], tuple(shape), count, np.dtype(dtype))
        for name, shape, count, dtype in zip(outputs, shapes, axes, dtypes, strict=True)
    ]
