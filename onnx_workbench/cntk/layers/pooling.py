"""Pooling layers, over windows and over everything, and the way back."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.default_options import default_override_or, options_of
from onnx_workbench.cntk.layers.shapes import as_tuple, spread
from onnx_workbench.cntk.ops import AVG_POOLING, MAX_POOLING, MAX_UNPOOLING, pooling, unpooling
from onnx_workbench.cntk.ops.functions import BlockFunction

__all__ = ["AveragePooling", "GlobalAveragePooling", "GlobalMaxPooling", "MaxPooling", "MaxUnpooling"]

_EVERYTHING = (-2,)
"""CNTK's unknown shape: the window is the whole input."""


def _pooling(kind: Any, filter_shape: Any, strides: Any, pad: Any, op_name: str, name: str) -> Any:
    window = as_tuple(filter_shape)
    strides, pad = spread(window, strides, "strides"), spread(window, pad, "pad")

    @BlockFunction(op_name, name)
    def pool(x: Any) -> Any:
        return pooling(x, kind, window, strides=strides, auto_padding=pad)

    return pool


def MaxPooling(
    filter_shape: Any, strides: Any = 1, pad: Any = default_override_or(False), name: str = ""
) -> Any:
    """Return the largest value of each window."""
    (pad,) = options_of(MaxPooling, pad=pad)
    return _pooling(MAX_POOLING, filter_shape, strides, pad, "MaxPooling", name)


def AveragePooling(
    filter_shape: Any, strides: Any = 1, pad: Any = default_override_or(False), name: str = ""
) -> Any:
    """Return the average of each window; padding does not count."""
    (pad,) = options_of(AveragePooling, pad=pad)
    return _pooling(AVG_POOLING, filter_shape, strides, pad, "AveragePooling", name)


def GlobalMaxPooling(name: str = "") -> Any:
    """Return the largest value of each channel."""
    return _pooling(MAX_POOLING, _EVERYTHING, 1, False, "GlobalMaxPooling", name)


def GlobalAveragePooling(name: str = "") -> Any:
    """Return the average of each channel."""
    return _pooling(AVG_POOLING, _EVERYTHING, 1, False, "GlobalAveragePooling", name)


def MaxUnpooling(filter_shape: Any, strides: Any = 1, pad: Any = False, name: str = "") -> Any:
    """Return values to where they were the largest: called with the pooled values and what was pooled."""
    window = as_tuple(filter_shape)
    strides, pad = spread(window, strides, "strides"), spread(window, pad, "pad")

    @BlockFunction("MaxUnpooling", name)
    def maxunpool(x: Any, y: Any) -> Any:
        return unpooling(x, y, MAX_UNPOOLING, window, strides=strides, auto_padding=pad)

    return maxunpool
