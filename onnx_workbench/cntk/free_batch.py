"""Axes of a single sample, which must not become axes of a whole batch when the batch is made free."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from onnx_workbench.core.protos import ONNX_ERRORS

_MEANS_OF_A_BATCH = (0, 2, 3)
"""Axes of MeanVarianceNormalization that names none."""


def keep_samples_apart(proto: ModelProto) -> None:
    """Take axes of length 1 from what is averaged or summed, which changes nothing as long as they are 1.

    CNTK exports one sample, and normalizes a vector of it over axes 0 and 1: of several samples, each is meant.
    """
    nodes = [node for node in proto.graph.node if _works_along_axes(node)]
    if not nodes:
        return
    try:
        graph = shape_inference.infer_shapes(proto, data_prop=True).graph
    except ONNX_ERRORS:
        return  # told where the graph is read
    lengths = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
    }
    tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    for node in nodes:
        dims = lengths.get(node.input[0])
        axes = None if dims is None else _axes(node, tensors, len(dims))
        if dims is None or axes is None:
            continue
        kept = [axis for axis in axes if dims[axis] != 1]
        if kept and len(kept) < len(axes):
            _set_axes(proto, node, kept)


def _works_along_axes(node: NodeProto) -> bool:
    if node.op_type == "MeanVarianceNormalization":
        return True
    keeps = next((one.i for one in node.attribute if one.name == "keepdims"), 1)
    return node.op_type.startswith("Reduce") and bool(keeps)


def _axes(node: NodeProto, tensors: dict[str, TensorProto], rank: int) -> list[int] | None:
    """Return the axes, counted from the front; None if they are computed, or there are no such."""
    given = next((list(one.ints) for one in node.attribute if one.name == "axes"), None)
    if len(node.input) > 1 and node.input[1]:
        if node.input[1] not in tensors:
            return None
        given = [int(axis) for axis in numpy_helper.to_array(tensors[node.input[1]]).ravel()]
    if given is None:
        given = list(_MEANS_OF_A_BATCH if node.op_type == "MeanVarianceNormalization" else range(rank))
    axes = [axis + rank if axis < 0 else axis for axis in given]
    return axes if all(0 <= axis < rank for axis in axes) else None


def _set_axes(proto: ModelProto, node: NodeProto, axes: list[int]) -> None:
    if len(node.input) > 1 or (node.op_type != "MeanVarianceNormalization" and _takes_axes_as_input(proto)):
        name = f"{node.output[0]}: axes of a sample"
        proto.graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), name))
        read = node.input[0]
        del node.input[:]
        node.input.extend([read, name])
        return
    others = [one for one in node.attribute if one.name != "axes"]
    kept = [type(one).FromString(one.SerializeToString()) for one in others]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("axes", axes)])


def _takes_axes_as_input(proto: ModelProto) -> bool:
    return any(one.domain in {"", "ai.onnx"} and one.version >= 18 for one in proto.opset_import)
