"""Convolutions whose first axis lies along the steps of a sequence."""

from __future__ import annotations

from onnx import helper

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, refuse
from onnx_workbench.cntk.as_onnx.rule_parts import Rule, number
from onnx_workbench.cntk.as_onnx.windows import auto_padding, cropped, spatial, windows_of
from onnx_workbench.cntk.native.graph import Primitive


def along_steps_too(rule: Rule) -> Rule:
    """Return a rule for convolutions that also goes along the steps, where a primitive says so."""

    def whole(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        if primitive.attributes.get("sequential") is not True:
            return rule(emit, primitive, inputs)
        return _along_steps(emit, primitive, *inputs[:2])

    return whole


def _along_steps(emit: Emitter, primitive: Primitive, weights: Emitted, x: Emitted) -> list[Emitted]:
    if x.axes != 2 or weights.axes or weights.rank != x.rank + 2 or not 1 <= x.rank <= 3:
        raise refuse(primitive, f"a map of shape {weights.shape} does not go along sequences of {x.shape}.")
    if primitive.attributes.get("transpose") is True:
        raise refuse(primitive, "a transposed convolution along the sequence is not written as ONNX.")
    groups = int(number(primitive, "groups", 1)) or 1
    if weights.shape[1] * groups != x.shape[0] or weights.shape[0] % groups:
        raise refuse(primitive, f"a map of shape {weights.shape} does not go with {x.shape[0]} channels.")
    kernel, rank = weights.shape[2:], x.rank + 1
    x, windows = cropped(emit, x, windows_of(primitive, x.shape[1:], kernel[1:], rank))
    stride, dilation, padded = _along(primitive, len(kernel), rank)
    turned = [0, 2, 1, *range(3, x.rank + 2)]
    moved = emit.node("Transpose", [x], perm=turned)
    low = high = 0
    if padded and stride == 1:
        low, high = auto_padding(1, kernel[0], 1, dilation)
    elif padded:
        moved = _padded(emit, moved, x.rank, dilation * (kernel[0] - 1) + 1, stride)
    found = emit.node(
        "Conv",
        [moved, weights],
        kernel_shape=kernel,
        strides=[stride, *(one.stride for one in windows)],
        dilations=[dilation, *(one.dilation for one in windows)],
        pads=[low, *(one.low for one in windows), high, *(max(one.high, 0) for one in windows)],
        group=groups,
    )
    shape = (weights.shape[0], *(one.steps() for one in windows))
    return [Emitted(emit.node("Transpose", [found], perm=turned), shape, 2, x.dtype)]


def _along(primitive: Primitive, count: int, rank: int) -> tuple[int, int, bool]:
    """Return stride, dilation, and whether there is padding, along the steps."""
    stride, dilation, padded = (
        spatial(primitive.attributes.get(key), count, default, rank)[0]
        for key, default in (("strides", 1), ("dilation", 1), ("autoPadding", 0))
    )
    return max(stride, 1), max(dilation, 1), bool(padded)


def lengths_after(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Return how many steps each sequence has after a convolution along them."""
    weights, x = inputs[:2]
    if x.axes != 2 or weights.rank < 3:
        raise refuse(primitive, "its operand is no sequence.")
    stride, dilation, padded = _along(primitive, weights.rank - 2, weights.rank - 1)
    span = 1 if padded else dilation * (weights.shape[2] - 1) + 1
    room = emit.node("Sub", [emit.node("Shape", [x], start=1, end=2), emit.numbers([span])])
    count = emit.node("Add", [emit.node("Div", [room, emit.numbers([stride])]), emit.numbers([1])])
    kind = int(helper.np_dtype_to_tensor_dtype(x.dtype))
    batch = emit.node("Shape", [x], start=0, end=1)
    found = emit.node("Expand", [emit.node("Cast", [count], to=kind), batch])
    return [Emitted(found, (), 1, x.dtype)]


def _padded(emit: Emitter, moved: str, rank: int, span: int, stride: int) -> str:
    """Fill up the steps, the third axis, as CNTK does: by how far the last stride stays from the end."""
    steps = emit.node("Shape", [moved], start=2, end=3)
    one, two = emit.numbers([1]), emit.numbers([2])
    extra = emit.node("Mod", [emit.node("Sub", [steps, one]), emit.numbers([stride])])
    half = emit.node("Div", [extra, two])
    low = emit.node("Sub", [emit.numbers([(span - 1) // 2]), half])
    rest = emit.node("Sub", [extra, half])
    high = emit.node("Sub", [emit.numbers([span - 1 - (span - 1) // 2]), rest])
    high = emit.node("Max", [high, emit.numbers([0])])
    before, behind = emit.numbers([0, 0]), emit.numbers([0] * (rank - 1)) if rank > 1 else None
    parts = [before, low, *([behind] if behind else []), before, high, *([behind] if behind else [])]
    return emit.node("Pad", [moved, emit.node("Concat", parts, axis=0)])
