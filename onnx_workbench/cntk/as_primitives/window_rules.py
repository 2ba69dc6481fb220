"""How convolutions and poolings of ONNX are said in CNTK's operators: padding by a flag, or beforehand."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.as_primitives.node import Call
from onnx_workbench.cntk.ops.elementwise import plus
from onnx_workbench.cntk.ops.neural import convolution, convolution_transpose, pooling
from onnx_workbench.cntk.ops.reductions import reduce_max, reduce_mean
from onnx_workbench.cntk.ops.reshaping import pad, reshape, slice
from onnx_workbench.cntk.variables import Variable

_LOWEST = -3e38
_Pads = list[tuple[int, int]]


def _numbers(call: Call, key: str, count: int, default: int) -> list[int]:
    return [int(one) for one in call.attributes.get(key, [default] * count)]


def _padding(
    call: Call, x: Variable, kernel: list[int], strides: list[int], dilations: list[int]
) -> list[tuple[int, int]]:
    """Return the padding below and above of each spatial axis."""
    count, sizes = len(kernel), x.shape[1:]
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    mode = call.attributes.get("auto_pad", b"NOTSET").decode()
    if mode in {"SAME_UPPER", "SAME_LOWER"}:
        found = []
        for n, span, stride in zip(sizes, spans, strides, strict=True):
            whole = max(((n - 1) // stride) * stride + span - n, 0)
            half = (whole + (mode == "SAME_LOWER")) // 2
            found.append((half, whole - half))
        return found
    pads = [0] * (2 * count) if mode == "VALID" else _numbers(call, "pads", 2 * count, 0)
    return list(zip(pads[:count], pads[count:], strict=True))


def _as_cntk_pads(
    x: Variable, kernel: list[int], strides: list[int], dilations: list[int]
) -> list[tuple[int, int]]:
    """Return the padding that CNTK's flag gives (see its `convolution_windows`)."""
    found = []
    for n, k, s, d in zip(x.shape[1:], kernel, strides, dilations, strict=True):
        span = d * (k - 1) + 1
        extra = n - (((n - 1) // s) * s + 1)
        found.append(
            (max((span - 1) // 2 - extra // 2, 0), max(span - 1 - (span - 1) // 2 - (extra - extra // 2), 0))
        )
    return found


def _checked(call: Call) -> Variable:
    x = call.operand()
    if len(x.dynamic_axes) != 1 or not 2 <= x.rank <= 4 or min(x.shape) < 1:
        call.refuse(f"its operand of the shape {x.shape} is no batch of pictures of a known size")
    return x


def _convolution(call: Call) -> Any:
    x, weights = _checked(call), call.operand(1)
    count = x.rank - 1
    if weights.dynamic_axes or weights.rank != x.rank + 1:
        call.refuse("its weights are computed")
    kernel = list(weights.shape[2:])
    strides, dilations = _numbers(call, "strides", count, 1), _numbers(call, "dilations", count, 1)
    pads = _padding(call, x, kernel, strides, dilations)
    padded: Any = x
    by_flag = pads == _as_cntk_pads(x, kernel, strides, dilations)
    if not by_flag and any(map(any, pads)):
        padded = pad(x, [(0, 0), *pads])
    found = convolution(
        weights,
        padded,
        strides=tuple(strides),
        auto_padding=[False] + [by_flag] * count,
        dilation=tuple(dilations),
        groups=int(call.attributes.get("group", 1)),
    )
    return _with_bias(call, found, count)


def _with_bias(call: Call, found: Any, count: int) -> Any:
    if len(call.operands) < 3:
        return found
    bias = call.operand(2)
    return plus(found, reshape(bias, (*bias.shape, *[1] * count)))


def _transposed_convolution(call: Call) -> Any:
    """Make all that the weights reach, and cut the padding off; what is asked beyond that has no weights: zeros."""
    x, weights = _checked(call), call.operand(1)
    count = x.rank - 1
    if weights.dynamic_axes or weights.rank != x.rank + 1 or int(call.attributes.get("group", 1)) != 1:
        call.refuse("its weights are computed, or in groups")
    strides, dilations = _numbers(call, "strides", count, 1), _numbers(call, "dilations", count, 1)
    if any(one != 1 for one in dilations):
        call.refuse("its weights have holes")
    wanted = call.shape()[1:]
    reached = [(n - 1) * s + k for n, s, k in zip(x.shape[1:], strides, weights.shape[2:], strict=True)]
    lower = _cut(call, reached, list(wanted))
    found: Any = convolution_transpose(
        weights,
        x,
        strides=tuple(strides),
        auto_padding=[False] * (count + 1),
        output_shape=(weights.shape[1], *reached),
    )
    upper = [low + n - full for low, n, full in zip(lower, wanted, reached, strict=True)]
    if any(n > 0 for n in upper):
        found = pad(found, [(0, 0), *((0, max(n, 0)) for n in upper)])
    for axis, (low, n, full) in enumerate(zip(lower, wanted, reached, strict=True), start=1):
        if low or low + n < full:
            found = slice(found, axis, low, low + n if low + n < full else 0)
    return _with_bias(call, found, count)


def _cut(call: Call, reached: list[int], wanted: list[int]) -> list[int]:
    """Return how much is cut off below on each axis."""
    count = len(wanted)
    mode = call.attributes.get("auto_pad", b"NOTSET").decode()
    if "output_shape" not in call.attributes and mode == "NOTSET":
        return _numbers(call, "pads", 2 * count, 0)[:count]
    if mode == "VALID":
        return [0] * count
    added = _numbers(call, "output_padding", count, 0)
    whole = [max(full + extra - n, 0) for full, extra, n in zip(reached, added, wanted, strict=True)]
    return [one // 2 if mode == "SAME_UPPER" else one - one // 2 for one in whole]


def _pooling(kind: int) -> Any:
    def rule(call: Call) -> Any:
        x = _checked(call)
        kernel = [int(one) for one in call.attributes["kernel_shape"]]
        strides, dilations = (
            _numbers(call, "strides", len(kernel), 1),
            _numbers(call, "dilations", len(kernel), 1),
        )
        if any(one != 1 for one in dilations) or len(call.outputs) > 1:
            call.refuse("its window has holes, or it gives places too")
        pads = _padding(call, x, kernel, strides, dilations)
        by_flag, some = pads == _as_cntk_pads(x, kernel, strides, dilations), any(map(any, pads))
        if kind and some and not by_flag and not call.attributes.get("count_include_pad"):
            call.refuse("its padding is not as CNTK pads, and averages leave the padding out")
        padded: Any = x
        if some and not by_flag:
            padded = pad(x, [(0, 0), *pads], constant_value=0.0 if kind else _LOWEST)
        return pooling(
            padded,
            kind,
            tuple(kernel),
            strides=tuple(strides),
            auto_padding=[False] + [by_flag] * len(kernel),
            ceil_out_dim=bool(call.attributes.get("ceil_mode")),
            include_pad=bool(call.attributes.get("count_include_pad")),
        )

    return rule


def _over_all(function: Any) -> Any:
    def rule(call: Call) -> Any:
        x = _checked(call)
        return function(x, axis=list(range(1, x.rank)) if x.rank > 2 else 1)

    return rule


WINDOW_RULES = {
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "MaxPool": _pooling(0),
    "AveragePool": _pooling(1),
    "GlobalMaxPool": _over_all(reduce_max),
    "GlobalAveragePool": _over_all(reduce_mean),
}
