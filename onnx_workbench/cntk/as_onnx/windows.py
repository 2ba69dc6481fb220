"""Convolution and pooling: CNTK's windows, strides and padding in ONNX's terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from onnx import helper

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, refuse
from onnx_workbench.cntk.as_onnx.rule_parts import Rule, like, number
from onnx_workbench.cntk.native.graph import Primitive
from onnx_workbench.cntk.native.values import Shape
from onnx_workbench.cntk.windows import channel_copies, spread


@dataclass(frozen=True)
class _Window:
    """One spatial axis: kernel, stride, dilation, and padding below and above (negative: what is left out)."""

    size: int
    kernel: int
    stride: int
    dilation: int
    low: int
    high: int

    def steps(self, *, ceil: bool = False) -> int:
        """Return how many positions the kernel takes; of a free size, a free number."""
        if self.size < 0:
            return self.size
        room = self.size + self.low + max(self.high, 0) - (self.dilation * (self.kernel - 1) + 1)
        return (room + (self.stride - 1 if ceil else 0)) // self.stride + 1


def spatial(values: object, count: int, default: int, kernel_rank: int) -> list[int]:
    """Return one number for each spatial axis, the last ones, from an attribute of one, fewer or all axes."""
    found = [int(value) for value in values] if isinstance(values, (Shape, list)) else []
    if isinstance(values, list):
        found.reverse()  # flags are column-major, as the file has them
    return spread(found, kernel_rank, count, default)


def auto_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return CNTK's padding below and above: neither ONNX's SAME_UPPER nor SAME_LOWER."""
    span = dilation * (kernel - 1) + 1
    extra = size - (((size - 1) // stride) * stride + 1)
    return (span - 1) // 2 - extra // 2, (span - 1) - (span - 1) // 2 - (extra - extra // 2)


def windows_of(
    primitive: Primitive, sizes: tuple[int, ...], kernel: tuple[int, ...], kernel_rank: int
) -> list[_Window]:
    """Return the windows along the last axes; the rank of the kernel as it was given says what is filled up."""
    attributes, count = primitive.attributes, len(sizes)
    strides = spatial(attributes.get("strides"), count, 1, kernel_rank)
    dilations = spatial(attributes.get("dilation"), count, 1, kernel_rank)
    auto = spatial(attributes.get("autoPadding"), count, 0, kernel_rank)
    lows = spatial(attributes.get("lowerPad"), count, 0, kernel_rank)
    highs = spatial(attributes.get("upperPad"), count, 0, kernel_rank)
    found = []
    for axis, (n, k) in enumerate(zip(sizes, kernel, strict=True)):
        stride, dilation = max(strides[axis], 1), max(dilations[axis], 1)
        if n < 0 and auto[axis] and stride > 1:
            raise refuse(
                primitive, "with strides, its padding depends on the size of the picture, which is free."
            )
        if not n or k < 1:
            raise refuse(primitive, f"sizes {sizes} and kernel {kernel} must be known and positive.")
        low, high = auto_padding(n, k, stride, dilation) if auto[axis] else (lows[axis], highs[axis])
        window = _Window(n, k, stride, dilation, low, high)
        if n > 0 and window.steps() < 1:
            raise refuse(primitive, f"the kernel {kernel} is larger than the picture {sizes}.")
        found.append(window)
    return found


def cropped(emit: Emitter, x: Emitted, windows: list[_Window]) -> tuple[Emitted, list[_Window]]:
    """Leave out what a negative padding leaves out: ONNX has none."""
    if all(window.low >= 0 for window in windows):
        return x, windows
    first = x.axes + x.rank - len(windows)
    starts = [max(0, -window.low) for window in windows]
    axes = list(range(first, first + len(windows)))
    ends = [window.size for window in windows]
    name = emit.node("Slice", [x, emit.numbers(starts), emit.numbers(ends), emit.numbers(axes)])
    kept = tuple(end - start for start, end in zip(starts, ends, strict=True))
    shape = x.shape[: x.rank - len(windows)] + kept
    rest = [replace(w, size=n, low=max(w.low, 0)) for w, n in zip(windows, kept, strict=True)]
    return like(x, name, shape)[0], rest


def _pads(windows: list[_Window]) -> list[int]:
    return [window.low for window in windows] + [max(window.high, 0) for window in windows]


def by_sample(rule: Rule) -> Rule:
    """Return a rule for samples that is applied to each step of a sequence as well, and to what has no batch."""

    def whole(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
        position = next((i for i, value in enumerate(inputs) if value.axes), len(inputs) - 1)
        x = inputs[position]
        if x.axes == 1:
            return rule(emit, primitive, inputs)
        if not x.axes:
            flat = emit.node("Unsqueeze", [x, emit.numbers([0])])
        else:
            flat = emit.node("Reshape", [x, emit.numbers([-1, *x.shape])])
        inputs = list(inputs)
        if x.axes and min(x.shape, default=0) < 0:
            raise refuse(primitive, "it works on sequences of pictures of free size.")
        inputs[position] = Emitted(flat, x.shape, 1, x.dtype)
        found = rule(emit, primitive, inputs)[0]
        if not x.axes:
            return [replace(found, name=emit.node("Squeeze", [found, emit.numbers([0])]), axes=0)]
        dynamic = emit.node("Shape", [x], start=0, end=2)
        shape = emit.node("Concat", [dynamic, emit.numbers(found.shape)], axis=0)
        return [replace(found, name=emit.node("Reshape", [found, shape]), axes=2)]

    return whole


def _convolution(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    weights, x = inputs[:2]
    if weights.rank == x.rank and not weights.axes:  # one output, whose axis is left out
        found = _convolution(emit, primitive, [emit.reshaped(weights, (1, *weights.shape)), x])[0]
        return [found]
    if weights.axes or weights.rank != x.rank + 1 or not 2 <= x.rank <= 4:
        raise refuse(primitive, f"a map of shape {weights.shape} on {x.shape} is not written as ONNX.")
    if primitive.attributes.get("transpose") is True:
        return _transposed(emit, primitive, weights, x)
    groups = int(number(primitive, "groups", 1)) or 1
    if weights.shape[1] * groups != x.shape[0] or weights.shape[0] % groups:
        raise refuse(primitive, f"a map of shape {weights.shape} does not go with {x.shape[0]} channels.")
    _check_channels(primitive, x.shape[0], x.rank)
    x, windows = cropped(emit, x, windows_of(primitive, x.shape[1:], weights.shape[2:], x.rank))
    name = emit.node(
        "Conv",
        [x, weights],
        kernel_shape=weights.shape[2:],
        strides=[window.stride for window in windows],
        dilations=[window.dilation for window in windows],
        pads=_pads(windows),
        group=groups,
    )
    return like(x, name, (weights.shape[0], *(window.steps() for window in windows)))


def _check_channels(primitive: Primitive, channels: int, rank: int) -> None:
    stride = spatial(primitive.attributes.get("strides"), rank, 1, rank)[0]
    padded = bool(spatial(primitive.attributes.get("autoPadding"), rank, 0, rank)[0])
    if number(primitive, "groups", 1) == 1 and channel_copies(channels, stride, padded=padded) > 1:
        raise refuse(
            primitive,
            "auto_padding asks for padding along the channels, which CNTK cannot compute: give False for that axis, "
            f"auto_padding={[False] + [True] * (rank - 1)}.",
        )


def _transposed(emit: Emitter, primitive: Primitive, weights: Emitted, x: Emitted) -> list[Emitted]:
    """Write the transposed convolution; padded ones give (n - 1) * stride + 1, or the size asked for."""
    attributes, count = primitive.attributes, x.rank - 1
    kernel = weights.shape[2:]
    strides = [max(s, 1) for s in spatial(attributes.get("strides"), count, 1, x.rank)]
    auto = spatial(attributes.get("autoPadding"), count, 0, x.rank)
    lows = spatial(attributes.get("lowerPad"), count, 0, x.rank)
    highs = spatial(attributes.get("upperPad"), count, 0, x.rank)
    wanted = attributes.get("outputShape")
    asked = list(wanted)[-count:] if isinstance(wanted, Shape) and len(wanted) >= count else [0] * count
    sizes, pads, more = [], [], []
    for axis, (n, k, s) in enumerate(zip(x.shape[1:], kernel, strides, strict=True)):
        low, high = (lows[axis], highs[axis]) if not auto[axis] else ((k - 1) // 2, k - 1 - (k - 1) // 2)
        if asked[axis] > 0 and auto[axis]:
            low, high = auto_padding(asked[axis], k, s, 1)
        size = asked[axis] or (n - 1) * s + k - low - high
        pads.append((max(low, 0), max(high, 0)))
        more.append(size - ((n - 1) * s + k - max(low, 0) - max(high, 0)))
        sizes.append(size)
    if any(not 0 <= extra < max(s, 1) for extra, s in zip(more, strides, strict=True)):
        raise refuse(primitive, f"an output of {asked} cannot be had from {x.shape}.")
    name = emit.node(
        "ConvTranspose",
        [x, weights],
        kernel_shape=kernel,
        strides=strides,
        pads=[low for low, _ in pads] + [high for _, high in pads],
        output_padding=more,
    )
    return like(x, name, (weights.shape[1], *sizes))


def _pooling(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    x, attributes = inputs[0], primitive.attributes
    average = bool(number(primitive, "poolingType", 0))
    window = attributes.get("poolingWindowShape")
    if not isinstance(window, Shape):
        raise refuse(primitive, "its window is missing.")
    if any(n < 0 for n in window):
        return _global(emit, x, average=average)
    kernel = _widened(primitive, tuple(window), x.rank)
    lead = x.rank - len(kernel)
    if not 1 <= len(kernel) <= 3 or lead < 0:
        raise refuse(primitive, f"a window of {tuple(window)} on {x.shape} is not written as ONNX.")
    shaped = x if lead == 1 else emit.reshaped(x, (_product(x.shape[:lead]), *x.shape[lead:]))
    shaped, windows = cropped(emit, shaped, windows_of(primitive, shaped.shape[1:], kernel, len(window)))
    ceil = attributes.get("ceilOutDim") is True
    extra: dict[str, Any] = (
        {"count_include_pad": int(attributes.get("includePad") is True)} if average else {}
    )
    name = emit.node(
        "AveragePool" if average else "MaxPool",
        [shaped],
        kernel_shape=kernel,
        strides=[w.stride for w in windows],
        pads=_pads(windows),
        ceil_mode=int(ceil),
        **extra,
    )
    sizes = tuple(w.steps(ceil=ceil) for w in windows)
    found = like(shaped, name, (shaped.shape[0], *sizes))[0]
    return [found if lead == 1 else emit.reshaped(found, x.shape[:lead] + sizes)]


def _widened(primitive: Primitive, window: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Return the window along the axes that it, strides or padding are about; an axis of channels left alone is not."""
    along = [primitive.attributes.get(key) for key in ("strides", "autoPadding")]
    longest = max([len(window), *(len(one) for one in along if isinstance(one, (Shape, list)))])
    kernel = (1,) * (min(longest, rank) - len(window)) + window
    lone = len(kernel) == rank and kernel[0] == 1 and rank > 1
    stride = spatial(along[0], rank, 1, len(window))[0]
    return kernel[1:] if lone and stride <= 1 else kernel


def _product(shape: tuple[int, ...]) -> int:
    found = 1
    for n in shape:
        found *= n
    return found


def _global(emit: Emitter, x: Emitted, *, average: bool) -> list[Emitted]:
    name = emit.node("GlobalAveragePool" if average else "GlobalMaxPool", [x])
    return like(x, name, (x.shape[0], *[1] * (x.rank - 1)))


def _unpooling(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Put each maximum back where the pooling found it."""
    x, pooled = inputs[:2]
    window = primitive.attributes.get("unpoolingWindowShape")
    if not isinstance(window, Shape) or x.axes != 1 or pooled.axes != 1 or pooled.rank != 3:
        raise refuse(primitive, "only the pooling of pictures can be undone in ONNX.")
    kernel = tuple(window)[-2:]
    windows = windows_of(primitive, pooled.shape[1:], kernel, len(window))
    sizes: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": [w.stride for w in windows],
        "pads": _pads(windows),
    }
    values, indices = emit.names.new("pooled"), emit.names.new("pooled_from")
    emit.nodes.append(helper.make_node("MaxPool", [pooled.name], [values, indices], **sizes))
    batch = emit.node("Shape", [pooled])
    name = emit.node("MaxUnpool", [x, indices, batch], **sizes)
    return like(pooled, name)


WINDOW_RULES: dict[str, Callable[..., list[Emitted]]] = {
    "Convolution": by_sample(_convolution),
    "Pooling": by_sample(_pooling),
    "Unpooling": _unpooling,
}
