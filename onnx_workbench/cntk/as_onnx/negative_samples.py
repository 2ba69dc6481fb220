"""Cosines between each sample and others of the minibatch. Sequences of one call have one length."""

from __future__ import annotations

import numpy as np

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, refuse
from onnx_workbench.cntk.native.graph import Primitive


def with_negative_samples(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Gather for each sample its own vector and those of later samples, steps before sequences, round in a circle."""
    shift, count = (_number(primitive, one) for one in inputs[2:4])
    axes = max(one.axes for one in inputs[:2])
    if any(one.axes != axes for one in inputs[:2]) or axes == 0:
        raise refuse(primitive, "both operands must have a batch, and the same dynamic axes.")
    x, y = (_rows(emit, emit.reshaped(one, (one.size,))) for one in inputs[:2])
    total = emit.node("Shape", [x], start=0, end=1)
    numbered = emit.node(
        "Range", [emit.array(np.array(0)), emit.node("Squeeze", [total]), emit.array(np.array(1))]
    )
    others = emit.array(np.concatenate([[0], shift + np.arange(count)]).astype(np.int64))
    places = emit.node("Add", [emit.node("Unsqueeze", [numbered, emit.numbers([1])]), others])
    partners = emit.node("Gather", [y, emit.node("Mod", [places, total])], axis=0)
    product = emit.node("Mul", [emit.node("Unsqueeze", [x, emit.numbers([1])]), partners])
    dtype, last = inputs[0].dtype, emit.numbers([2])
    product = emit.node("ReduceSum", [product, last], keepdims=0)
    by_x = emit.node("ReduceL2", [x, emit.numbers([1])], keepdims=1)
    lengths = emit.node("Mul", [by_x, emit.node("ReduceL2", [partners, last], keepdims=0)])
    smallest = emit.scalar(float(np.finfo(dtype).tiny), dtype)
    cosines = emit.node("Div", [product, emit.node("Max", [lengths, smallest])])
    if axes == 2:
        dynamic = emit.node("Shape", [emit.node("Transpose", [inputs[0]], perm=_turned(inputs[0]))], end=2)
        shape = emit.node("Concat", [dynamic, emit.numbers([count + 1])], axis=0)
        cosines = emit.node("Transpose", [emit.node("Reshape", [cosines, shape])], perm=[1, 0, 2])
    return [Emitted(cosines, (count + 1,), axes, dtype)]


def _turned(value: Emitted) -> list[int]:
    return [1, 0, *range(2, 2 + value.rank)]


def _rows(emit: Emitter, value: Emitted) -> str:
    """Return vectors of all samples as a matrix."""
    if value.axes == 1:
        return value.name
    turned = emit.node("Transpose", [value], perm=_turned(value))
    return emit.node("Reshape", [turned, emit.numbers([-1, value.size])])


def _number(primitive: Primitive, value: Emitted) -> int:
    leaf = value.leaf
    if leaf is None or leaf.value is None or value.size != 1:
        raise refuse(primitive, "the shift and the number of negative samples must be constants.")
    return int(np.asarray(leaf.value if isinstance(leaf.value, np.ndarray) else leaf.value.values()).item())
