"""Transposed convolution layers: what a convolution's gradient does, as a layer."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.default_options import default_override_or, options_of
from onnx_workbench.cntk.initializer import glorot_uniform
from onnx_workbench.cntk.layers.blocks import identity
from onnx_workbench.cntk.layers.convolution import check_filter, check_window, with_new_axes
from onnx_workbench.cntk.layers.shapes import INFERRED, as_tuple, ranked, spread
from onnx_workbench.cntk.ops import convolution_transpose
from onnx_workbench.cntk.ops.functions import BlockFunction
from onnx_workbench.cntk.variables import Parameter

__all__ = [
    "ConvolutionTranspose",
    "ConvolutionTranspose1D",
    "ConvolutionTranspose2D",
    "ConvolutionTranspose3D",
]


def ConvolutionTranspose(
    filter_shape: Any,
    num_filters: Any,
    activation: Any = default_override_or(identity),
    init: Any = default_override_or(glorot_uniform()),
    pad: Any = default_override_or(False),
    strides: Any = 1,
    sharing: Any = True,
    bias: Any = default_override_or(True),
    init_bias: Any = default_override_or(0),
    output_shape: Any = None,
    reduction_rank: int = 1,
    dilation: Any = 1,
    max_temp_mem_size_in_samples: int = 0,
    name: str = "",
) -> Any:
    """Return a transposed convolution with weights (channels, filters, ...).

    Parameters
    ----------
    filter_shape, num_filters, strides, dilation
        As of `Convolution`.
    activation, init, pad, bias, init_bias, output_shape
        As in CNTK; `default_options` overrides them. `output_shape` is the shape without the filters' axis.
    sharing, reduction_rank, max_temp_mem_size_in_samples
        As of `Convolution`.
    name
        Name of the block.
    """
    activation, init, pad, bias, init_bias, output_shape = options_of(
        ConvolutionTranspose,
        activation=activation,
        init=init,
        pad=pad,
        bias=bias,
        init_bias=init_bias,
        output_shape=output_shape,
    )
    window, channels = as_tuple(filter_shape), as_tuple(num_filters)
    rank = len(window)
    check_filter("ConvolutionTranspose", reduction_rank=reduction_rank, sharing=sharing)
    grey = int(reduction_rank == 0)
    strides = (1,) * grey + spread(window, strides, "strides")
    shared = (True,) * grey + spread(window, sharing, "sharing")
    padded = (False,) * grey + spread(window, pad, "pad")
    dilation = spread(window, dilation, "dilation")
    full_shape = None if output_shape is None else channels + as_tuple(output_shape)
    start = ranked(init, filter_rank=rank, output_rank=-1)
    w = Parameter(INFERRED + channels + window, init=start, name="W")
    b = Parameter((*channels, *(1,) * rank), init=init_bias, name="b") if bias else None

    @BlockFunction("ConvolutionTranspose", name)
    def convolve_transposed(x: Any) -> Any:
        out = convolution_transpose(
            w,
            with_new_axes(x, grey, rank),
            strides=strides,
            sharing=shared,
            auto_padding=(False,) * reduction_rank + padded,
            output_shape=full_shape,
            dilation=dilation,
            max_temp_mem_size_in_samples=max_temp_mem_size_in_samples,
        )
        out = out if b is None else out + b
        return out if activation is None else activation(out)

    return convolve_transposed


def _of_rank(rank: int, what: str) -> Any:
    """Return the layer for windows of one rank, where one number is as long along each axis."""
    kind = f"ConvolutionTranspose{rank}D"

    def layer(
        filter_shape: Any,
        num_filters: Any,
        activation: Any = default_override_or(identity),
        init: Any = default_override_or(glorot_uniform()),
        pad: Any = default_override_or(False),
        strides: Any = 1,
        bias: Any = default_override_or(True),
        init_bias: Any = default_override_or(0),
        output_shape: Any = None,
        reduction_rank: int = 1,
        dilation: Any = 1,
        name: str = "",
    ) -> Any:
        activation, init, pad, bias, init_bias, output_shape = options_of(
            layer,
            activation=activation,
            init=init,
            pad=pad,
            bias=bias,
            init_bias=init_bias,
            output_shape=output_shape,
        )
        check_window(kind, filter_shape, rank)
        return ConvolutionTranspose(
            spread((0,) * rank, filter_shape, "filter_shape"),
            num_filters,
            activation=activation,
            init=init,
            pad=pad,
            strides=strides,
            bias=bias,
            init_bias=init_bias,
            output_shape=output_shape,
            reduction_rank=reduction_rank,
            dilation=dilation,
            name=name,
        )

    layer.__name__ = layer.__qualname__ = kind
    layer.__doc__ = f"Return a transposed convolution {what}"
    return layer


ConvolutionTranspose1D = _of_rank(1, "along one axis.")
ConvolutionTranspose2D = _of_rank(2, "of pictures; one number is a square window.")
ConvolutionTranspose3D = _of_rank(3, "of volumes; one number is a cube.")
