"""Windows of convolution and pooling: strides, padding and lengths by CNTK's rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.value_types import FREE, INFERRED, UNKNOWN_SHAPE

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """One axis of a window."""

    kernel: int
    stride: int
    dilation: int
    padded: bool
    low: int = 0
    high: int = 0

    @property
    def reach(self) -> int:
        """Length that the window covers, dilated."""
        return (self.kernel - 1) * self.dilation + 1

    def length(self, size: int, *, ceiling: bool = False) -> int:
        """Return how many windows there are along an axis."""
        if self.stride < 1 or self.kernel < 1:
            raise CntkValueError(
                f"A window of length {self.kernel} with stride {self.stride} is none: both must be at least 1."
            )
        if size == FREE:
            return FREE
        if self.padded:
            return (size - 1) // self.stride + 1
        room = size - self.reach + self.low + self.high
        if room < 0:
            raise CntkValueError(
                f"Convolution operation requires that kernel dim <= input dim: the kernel of length {self.reach} is "
                f"larger than the input's axis of length {size}; "
                "expected at most as long. Use padding, or check the order of the axes (channels first: CHW)."
            )
        return (-(-room // self.stride) if ceiling else room // self.stride) + 1

    def pads(self, size: int, *, ceiling: bool = False) -> tuple[int, int]:
        """Return the padding before and after, where the rule of CNTK is neither of ONNX's "same"."""
        length = self.length(size, ceiling=ceiling)
        if not self.padded:
            rest = (length - 1) * self.stride + self.reach - size - self.low
            return self.low, max(rest, 0) if ceiling else self.high
        extra = size - ((length - 1) * self.stride + 1)
        low = (self.reach - 1) // 2 - extra // 2
        high = (self.reach - 1) - (self.reach - 1) // 2 - (extra - extra // 2)
        return max(low, 0), max(high, 0)


def spread(values: Any, kernel_rank: int, rank: int, default: Any) -> list[Any]:
    """Return one value for each of the last axes, as CNTK fills up what callers leave out.

    The first value stands for the axes of the kernel before it; axes that the kernel does not have get the default.
    """
    given = list(values) or [default]
    given = given[:1] * (kernel_rank - len(given)) + given
    return [default] * (rank - len(given)) + given[max(len(given) - rank, 0) :]


def channel_copies(channels: int, stride: int, *, padded: bool) -> int:
    """Return how often a kernel is laid along the channels: once, unless padding is asked for there too."""
    return (channels - 1) // max(stride, 1) + 1 if padded and channels > 0 else 1


def _has_one_output(function: Any) -> bool:
    """Tell whether the weights have no axis for filters, as files have them of local response normalisation."""
    kernel: tuple[int, ...] = function.attributes.get("kernelShape", ())
    return len(kernel) == int(function.inputs[0].rank)


def convolution_windows(function: Any) -> list[Window]:
    """Return the windows of a convolution along its spatial axes."""
    weights = function.inputs[0]
    attributes = function.attributes
    lead = 1 if _has_one_output(function) else 2
    rank = weights.rank - lead
    kernel = weights.shape[lead:]
    strides = spread(attributes["strides"], rank + 1, rank, 1)
    padded = spread(attributes["autoPadding"], rank + 1, rank, False)
    dilation = spread(attributes["dilation"], rank + 1, rank, 1)
    return [Window(*one) for one in zip(kernel, strides, dilation, padded, strict=True)]


def convolution_shape(function: Any) -> Shape:
    """Return the shape that a convolution makes; weights left open learn the number of channels."""
    weights, x = function.inputs
    attributes = function.attributes
    if _has_one_output(function) and x.rank == weights.rank and x.shape[0] == weights.shape[0]:
        windows = zip(convolution_windows(function), x.shape[1:], strict=True)
        return (1, *(window.length(size) for window, size in windows))
    rank = weights.rank - 2
    if attributes["sequential"]:
        rank -= 1
    if x.rank != rank + 1:
        raise CntkValueError(
            f"Convolution operation: the operand '{x}' has {x.rank} axes; expected {rank + 1} (channels first) for "
            f"weights of shape {list(weights.shape)}."
        )
    if INFERRED in weights.shape:
        at = 0 if attributes["transpose"] else 1
        known = list(weights.shape)
        known[at] = x.shape[0] // (1 if attributes["transpose"] else attributes["groups"])
        weights.resolve(tuple(known))
    channels = weights.shape[0] if attributes["transpose"] else weights.shape[1] * attributes["groups"]
    if channels != x.shape[0] and x.shape[0] != FREE:
        raise CntkRuntimeError(
            f"Convolution: the operand '{x}' has {x.shape[0]} channels; the weights of shape {list(weights.shape)} "
            f"expect {channels}."
            + (
                " Is it HWC? np.transpose(picture, (2, 0, 1)) makes it CHW."
                if x.rank == 3 and x.shape[-1] == channels
                else ""
            )
        )
    if max(len(attributes["strides"]), len(attributes["autoPadding"])) > x.rank + int(
        attributes["sequential"]
    ):
        raise CntkValueError(
            f"Convolution: strides {attributes['strides']} and auto_padding {attributes['autoPadding']} must have one "
            f"value, or as many as the operand '{x}' has axes."
        )
    if attributes["transpose"]:
        return transposed_shape(function)
    spatial = convolution_windows(function)[int(attributes["sequential"]) :]
    found = [window.length(size) for window, size in zip(spatial, x.shape[1:], strict=True)]
    return (weights.shape[0] * _channel_copies(function), *found)


def _channel_copies(function: Any) -> int:
    weights, attributes = function.inputs[0], function.attributes
    if attributes["groups"] != 1 or attributes["sequential"]:
        return 1
    rank = weights.rank - 1
    stride = spread(attributes["strides"], rank, rank, 1)[0]
    return channel_copies(
        function.inputs[1].shape[0], stride, padded=spread(attributes["autoPadding"], rank, rank, False)[0]
    )


def transposed_shape(function: Any) -> Shape:
    """Return the shape that a transposed convolution makes."""
    weights, x = function.inputs
    wanted = function.attributes["outputShape"]
    if any(wanted):
        _check_wanted(function, wanted)
        return (weights.shape[1], *wanted[-(x.rank - 1) :])
    found = []
    for window, size in zip(convolution_windows(function), x.shape[1:], strict=True):
        if size == FREE:
            found.append(FREE)
        elif window.padded:
            found.append((size - 1) * window.stride + 1)
        else:
            found.append((size - 1) * window.stride + window.reach)
    return (weights.shape[1], *found)


def _check_wanted(function: Any, wanted: Shape) -> None:
    """Refuse an output from which a convolution would not lead back to the operand."""
    weights, x = function.inputs
    spatial = zip(convolution_windows(function), wanted[-(x.rank - 1) :], x.shape[1:], strict=False)
    for window, size, given in spatial:
        if FREE not in (size, given) and window.length(size) != given:
            raise CntkRuntimeError(
                f"Convolution transpose: output_shape {wanted} cannot be had from '{x}': a convolution of it with the "
                f"weights of shape {list(weights.shape)} gives {window.length(size)} where the operand has {given}."
            )


def pooling_windows(function: Any) -> list[Window]:
    """Return the windows of a pooling along its spatial axes; a window of unknown shape is everything."""
    x = function.inputs[-1]
    attributes = function.attributes
    kernel = attributes["poolingWindowShape"]
    if kernel == UNKNOWN_SHAPE and x.rank < 2:
        raise CntkValueError(
            f"Pooling: the operand '{x}' has no axis to pool along behind that of its channels; expected a picture."
        )
    if kernel == UNKNOWN_SHAPE:
        return [Window(size, 1, 1, False) for size in x.shape[1:]]
    if len(kernel) > x.rank:
        raise CntkValueError(f"Pooling: the window has {len(kernel)} axes; the operand '{x}' has {x.rank}.")
    rank = max(
        len(kernel), min(len(attributes["strides"]), x.rank), min(len(attributes["autoPadding"]), x.rank)
    )
    kernel = (1,) * (rank - len(kernel)) + tuple(kernel)
    strides = spread(attributes["strides"], len(attributes["poolingWindowShape"]), rank, 1)
    padded = spread(attributes["autoPadding"], len(attributes["poolingWindowShape"]), rank, False)
    return [Window(k, s, 1, p) for k, s, p in zip(kernel, strides, padded, strict=True)]


def pooling_shape(function: Any) -> Shape:
    """Return the shape that a pooling makes."""
    return pooled_shape(function, function.inputs[0])


def pooled_shape(function: Any, x: Any) -> Shape:
    """Return the shape that the windows of a pooling, or of what undoes one, make of an operand."""
    found = pooling_windows(function)
    sizes = x.shape[x.rank - len(found) :]
    ceiling = function.attributes.get("ceilOutDim", False)
    ends = [
        1
        if function.attributes["poolingWindowShape"] == UNKNOWN_SHAPE
        else window.length(size, ceiling=ceiling)
        for window, size in zip(found, sizes, strict=True)
    ]
    return (*x.shape[: x.rank - len(found)], *ends)
