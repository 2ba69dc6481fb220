"""What CNTK wrote into ONNX in a sense of its own, or in operators that ONNX gave up, written as ONNX says it now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

_TO_THE_END = np.iinfo(np.int64).max


def mend(proto: ModelProto) -> None:
    """Mend a model that CNTK exported, before its opset is raised; others are left as they are.

    Slices that begin behind end at 0, where CNTK means the end, and ONNX the beginning: nothing would be left. Crop and
    ImageScaler were experiments of ONNX's first opset, which its converter of versions does not take.
    """
    if proto.producer_name != "CNTK":
        return
    nodes: list[NodeProto] = []
    for node in proto.graph.node:
        rule = _RULES.get(node.op_type)
        nodes += rule(node, proto) if rule is not None else [node]
    kept = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del proto.graph.node[:]
    proto.graph.node.extend(kept)


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _slice_to_the_end(node: NodeProto, _: ModelProto) -> list[NodeProto]:
    limits: dict[str, AttributeProto] = {one.name: one for one in node.attribute}
    if {"starts", "ends"} <= limits.keys():
        pairs = list(zip(limits["starts"].ints, limits["ends"].ints, strict=True))
        limits["ends"].ints[:] = [_TO_THE_END if start < 0 == end else end for start, end in pairs]
    return [node]


def _cropped(node: NodeProto, _: ModelProto) -> list[NodeProto]:
    """Cut the borders of pictures: left, top, right and bottom, or a height and a width behind the first two."""
    given = _attributes(node)
    left, top, right, bottom = given.get("border", (0, 0, 0, 0))
    ends = [-bottom or _TO_THE_END, -right or _TO_THE_END]
    if "scale" in given:
        height, width = given["scale"]
        ends = [top + height, left + width]
    return [
        helper.make_node(
            "Slice", node.input, node.output, node.name, axes=[2, 3], starts=[top, left], ends=ends
        )
    ]


def _scaled(node: NodeProto, proto: ModelProto) -> list[NodeProto]:
    """Scale pictures, and add a number to each channel."""
    given = _attributes(node)
    dtype = _dtype_of(node.input[0], proto)
    name = node.output[0]
    scale = np.array(given.get("scale", 1.0), dtype)
    bias = np.array(given.get("bias", [0.0]), dtype).reshape(-1, 1, 1)
    for which, array in (("scale", scale), ("bias", bias)):
        proto.graph.initializer.append(numpy_helper.from_array(array, f"{name}_{which}"))
    return [
        helper.make_node("Mul", [node.input[0], f"{name}_scale"], [f"{name}_scaled"], node.name),
        helper.make_node("Add", [f"{name}_scaled", f"{name}_bias"], [name]),
    ]


def _dtype_of(name: str, proto: ModelProto) -> np.dtype[Any]:
    """Return the dtype of a value; float32 where it is not declared."""
    values = (*proto.graph.input, *proto.graph.value_info, *proto.graph.output)
    declared = {value.name: value.type.tensor_type.elem_type for value in values}
    found: np.dtype[Any] = helper.tensor_dtype_to_np_dtype(declared.get(name) or TensorProto.FLOAT)
    return found


_RULES: dict[str, Callable[[NodeProto, ModelProto], list[NodeProto]]] = {
    "Slice": _slice_to_the_end,
    "Crop": _cropped,
    "ImageScaler": _scaled,
}
