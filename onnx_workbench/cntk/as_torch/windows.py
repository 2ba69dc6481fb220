"""Convolution and pooling with ONNX's paddings, as torch computes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from onnx_workbench.cntk.as_torch.operators import OPERATORS, Operator, Tensor

_CONV: list[Callable[..., Tensor]] = [functional.conv1d, functional.conv2d, functional.conv3d]
_TURNED: list[Callable[..., Tensor]] = [
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.conv_transpose3d,
]
_MAX: list[Callable[..., Tensor]] = [functional.max_pool1d, functional.max_pool2d, functional.max_pool3d]
_MEAN: list[Callable[..., Tensor]] = [functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d]
_UNPOOL: list[Callable[..., Tensor]] = [
    functional.max_unpool1d,
    functional.max_unpool2d,
    functional.max_unpool3d,
]


def _padded(x: Tensor, attributes: dict[str, Any], value: float) -> Tensor:
    """Return the operand with the padding before and after, more after where windows are counted up."""
    count = x.dim() - 2
    pads = list(attributes.get("pads", [0] * 2 * count))
    strides, kernel = attributes.get("strides", [1] * count), attributes["kernel_shape"]
    pairs: list[int] = []
    for axis in reversed(range(count)):
        low, high = pads[axis], pads[axis + count]
        if attributes.get("ceil_mode"):
            room = x.shape[2 + axis] + low + high - kernel[axis]
            high += -room % strides[axis]
        pairs += [low, high]
    return functional.pad(x, pairs, value=value)


def _convolution(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    padded = _padded(x[0], attributes, 0.0)
    return _CONV[x[0].dim() - 3](
        padded,
        x[1],
        stride=attributes["strides"],
        dilation=attributes["dilations"],
        groups=attributes.get("group", 1),
    )


def _transposed(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    """Compute without padding, then cut off what padding takes away."""
    count = x[0].dim() - 2
    found = _TURNED[count - 1](x[0], x[1], stride=attributes["strides"])
    more = list(attributes.get("output_padding", [0] * count))
    pads = attributes.get("pads", [0] * 2 * count)
    for axis in range(count):
        low, high = pads[axis], pads[axis + count] - more[axis]
        if high < 0:
            pairs = [0, 0] * (count - 1 - axis) + [0, -high] + [0, 0] * axis
            found, high = functional.pad(found, pairs), 0
        found = found.narrow(2 + axis, low, found.shape[2 + axis] - low - high)
    return found


def _max_pool(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    padded = _padded(x[0], attributes, -math.inf)
    return _MAX[x[0].dim() - 3](padded, attributes["kernel_shape"], attributes.get("strides", 1))


def _average_pool(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    """Divide by how many numbers of a window are no padding, or by all."""
    pool = _MEAN[x[0].dim() - 3]
    kernel, strides = attributes["kernel_shape"], attributes.get("strides", 1)
    sums = pool(_padded(x[0], attributes, 0.0), kernel, strides)
    if attributes.get("count_include_pad"):
        return sums
    return sums / pool(_padded(torch.ones_like(x[0]), attributes, 0.0), kernel, strides)


def _unpool(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    values, indices, shape = x
    size = [int(one) for one in shape.tolist()]
    flat = torch.zeros(math.prod(size), dtype=values.dtype)
    return flat.index_put((indices.reshape(-1),), values.reshape(-1)).reshape(size)


def max_pool_with_places(x: Tensor, attributes: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Return maxima and where they were in the whole operand, counted through, as ONNX counts."""
    padded = _padded(x, attributes, -math.inf)
    places = torch.arange(x.numel(), dtype=torch.float64).reshape(x.shape)
    where = _padded(places, attributes, -1.0)
    pool = _MAX[x.dim() - 3]
    found, index = pool(padded, attributes["kernel_shape"], attributes.get("strides", 1), return_indices=True)
    count = x.dim() - 2
    picked = where.flatten(-count).gather(-1, index.flatten(-count)).reshape(index.shape)
    return found, picked.long()


WINDOW_OPERATORS: dict[str, Operator] = {
    **OPERATORS,
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "MaxUnpool": _unpool,
}
