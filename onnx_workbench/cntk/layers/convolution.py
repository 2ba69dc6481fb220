"""Convolution layers in one, two and three dimensions, and along a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.default_options import default_override_or, options_of
from onnx_workbench.cntk.initializer import glorot_uniform
from onnx_workbench.cntk.layers.blocks import identity
from onnx_workbench.cntk.layers.shapes import INFERRED, as_tuple, ranked, spread
from onnx_workbench.cntk.ops import convolution, reshape, sequence, splice
from onnx_workbench.cntk.ops.functions import BlockFunction
from onnx_workbench.cntk.variables import Parameter

__all__ = ["Convolution", "Convolution1D", "Convolution2D", "Convolution3D", "SequentialConvolution"]


def check_filter(
    kind: str, *, reduction_rank: int, transpose_weight: bool = False, sharing: Any = True
) -> None:
    """Refuse what CNTK's convolution layers do not do either."""
    if reduction_rank not in {0, 1}:
        raise NotImplementedError(f"{kind}: reduction_rank must be 0 or 1; got {reduction_rank}.")
    if transpose_weight:
        raise NotImplementedError(
            f"{kind}: transpose_weight option currently not supported, in CNTK neither. Transpose the kernel in init."
        )
    if not np.all(sharing):
        raise NotImplementedError(
            f"{kind}: sharing option currently must be True; got {sharing}. Filters of each place are not made."
        )


def check_window(kind: str, filter_shape: Any, rank: int) -> None:
    """Refuse a window of more axes than the layer has."""
    given = len(as_tuple(filter_shape))
    if given > rank or given < rank == 1:
        example = f" or a {rank}D tuple, e.g. 3 or ({','.join('3' * rank)})" if rank > 1 else ""
        raise ValueError(f"{kind}: filter_shape must be a scalar{example}; got {filter_shape!r}.")


def _check_groups(groups: int) -> None:
    if groups <= 0:
        raise ValueError(f"Convolution: groups must be strictly positive, i.e. groups > 0; got {groups}.")
    if groups > 1:
        raise ValueError(
            "Convolution: groups > 1, is not currently supported by Convolution layer. For group convolution with "
            "groups > 1, use CNTK's low-level convolution node (cntk.convolution)."
        )


def with_new_axes(x: Any, count: int, before: int) -> Any:
    """Insert axes of length 1 before the last `before` axes."""
    if not count:
        return x
    begin = -before if before else Axis.new_leading_axis()
    return reshape(x, (1,) * count, begin_axis=begin, end_axis=-before if before else None)


def _without_axes(x: Any, count: int, before: int) -> Any:
    """Remove axes of length 1 before the last `before` axes."""
    if not count:
        return x
    return reshape(x, (), begin_axis=-before - count, end_axis=-before if before else None)


def _weights(init: Any, channels: tuple[int, ...], filter_shape: tuple[int, ...], *, grey: bool) -> Any:
    """Make the weights; arrays as initial values have no axis for the input's channels."""
    kernel_shape = (*(channels or (1,)), *INFERRED, *filter_shape)
    if isinstance(init, np.ndarray):
        if not grey:
            raise ValueError("a constant initializer can currently only used without reduction dimension")
        if init.shape != channels + filter_shape:
            raise ValueError(
                f"a constant initializer was passed that is of wrong shape: {init.shape}; "
                f"expected {channels + filter_shape}"
            )
        kernel_shape = (*(channels or (1,)), 1, *filter_shape)
        init = init.reshape(kernel_shape)
    else:
        init = ranked(init, filter_rank=len(filter_shape), output_rank=-max(len(channels), 1))
    return Parameter(kernel_shape, init=init, name="W")


def _bias(wanted: bool, init: Any, channels: tuple[int, ...], spatial_rank: int) -> Any:
    return Parameter((*(channels or (1,)), *(1,) * spatial_rank), init=init, name="b") if wanted else None


def _shifted(x: Any, length: int, before: int, axis: int, stride: int) -> Any:
    """Stack each step of a sequence with its neighbours."""
    if stride != 1:
        raise NotImplementedError(
            "windowed convolution with stride not yet implemented, in CNTK neither: along the steps of a sequence "
            f"strides must be 1; got {stride}."
        )
    steps = []
    for offset in range(-before, length - before):
        if offset < 0:
            steps.append(sequence.past_value(x, time_step=-offset))
        else:
            steps.append(sequence.future_value(x, time_step=offset) if offset else x)
    return splice(*steps, axis=axis)


def Convolution(
    filter_shape: Any,
    num_filters: Any = None,
    sequential: bool = False,
    activation: Any = default_override_or(identity),
    init: Any = default_override_or(glorot_uniform()),
    pad: Any = default_override_or(False),
    strides: Any = 1,
    sharing: Any = True,
    bias: Any = default_override_or(True),
    init_bias: Any = default_override_or(0),
    reduction_rank: int = 1,
    transpose_weight: bool = False,
    dilation: Any = 1,
    groups: int = 1,
    max_temp_mem_size_in_samples: int = 0,
    op_name: str = "Convolution",
    name: str = "",
) -> Any:
    """Return a convolution (strictly a correlation: kernels are not flipped) with weights (filters, channels, ...).

    Parameters
    ----------
    filter_shape
        Shape of the window, such as ``(3, 3)``.
    num_filters
        How many; None is one, without an axis for it.
    sequential
        Whether the first axis of the window lies along the sequence.
    activation, init, pad, bias, init_bias
        As in CNTK; `default_options` overrides them. Layers do not pad unless told to.
    strides, dilation
        One number or one for each axis of the window.
    reduction_rank
        0 where the input has no axis for channels.
    sharing, transpose_weight, groups, max_temp_mem_size_in_samples, op_name
        Accepted as CNTK accepts them: only the defaults of the first three.
    name
        Name of the block.
    """
    activation, init, pad, bias, init_bias = options_of(
        Convolution, activation=activation, init=init, pad=pad, bias=bias, init_bias=init_bias
    )
    window, channels = as_tuple(filter_shape), as_tuple(num_filters or ())
    rank = len(window)
    check_filter(
        "Convolution", reduction_rank=reduction_rank, transpose_weight=transpose_weight, sharing=sharing
    )
    _check_groups(groups)
    grey = int(reduction_rank == 0)
    strides = (1,) * grey + spread(window, strides, "strides")
    shared = (True,) * grey + spread(window, sharing, "sharing")
    padded = (False,) * grey + spread(window, pad, "pad")
    dilation = spread(window, dilation, "dilation")
    w = _weights(init, channels, window, grey=bool(grey))
    b = _bias(bias, init_bias, channels, rank)
    spatial = rank - sequential
    before = (window[0] - 1) // 2 if window else 0
    along = len(padded) - rank if sequential else None  # the sequence's axis must shrink to 1: never padded

    @BlockFunction("Convolution", name)
    def convolve(x: Any) -> Any:
        x = with_new_axes(x, sequential + grey, spatial)
        if sequential:
            x = _shifted(x, window[0], before, -rank, strides[-rank])
        auto_padding = (False,) * reduction_rank + tuple(
            wanted if number != along else False for number, wanted in enumerate(padded)
        )
        out = convolution(
            w,
            x,
            strides=strides,
            sharing=shared,
            auto_padding=auto_padding,
            dilation=dilation,
            groups=groups,
            max_temp_mem_size_in_samples=max_temp_mem_size_in_samples,
        )
        if sequential and not padded[-rank]:
            out = sequence.slice(out, begin_index=before, end_index=-(window[0] - 1 - before))
        out = out if b is None else out + b
        out = _without_axes(out, sequential + (not channels), spatial)
        return out if activation is None else activation(out)

    return convolve


def SequentialConvolution(
    filter_shape: Any,
    num_filters: Any = None,
    activation: Any = default_override_or(identity),
    init: Any = default_override_or(glorot_uniform()),
    pad: Any = default_override_or(False),
    strides: Any = 1,
    sharing: Any = True,
    bias: Any = default_override_or(True),
    init_bias: Any = default_override_or(0),
    reduction_rank: int = 1,
    transpose_weight: bool = False,
    dilation: Any = 1,
    groups: int = 1,
    max_temp_mem_size_in_samples: int = 0,
    op_name: str = "Convolution",
    name: str = "",
) -> Any:
    """Return a convolution whose first axis lies along the sequence, with strides there too."""
    activation, init, pad, bias, init_bias = options_of(
        SequentialConvolution, activation=activation, init=init, pad=pad, bias=bias, init_bias=init_bias
    )
    window, channels = as_tuple(filter_shape), as_tuple(num_filters or ())
    check_filter(
        "Convolution", reduction_rank=reduction_rank, transpose_weight=transpose_weight, sharing=sharing
    )
    _check_groups(groups)
    grey = int(reduction_rank == 0)
    strides = (1,) * grey + spread(window, strides, "strides")
    shared = (True,) * grey + spread(window, sharing, "sharing")
    padded = (False,) * grey + spread(window, pad, "pad")
    dilation = spread(window, dilation, "dilation")
    spatial = len(window) - 1
    w = _weights(init, channels, window, grey=bool(grey))
    b = _bias(bias, init_bias, channels, spatial)

    @BlockFunction("Convolution", name)
    def convolve(x: Any) -> Any:
        out = convolution(
            w,
            with_new_axes(x, grey, spatial),
            strides=strides,
            sharing=shared,
            auto_padding=padded,
            sequential=True,
            dilation=dilation,
            groups=groups,
            max_temp_mem_size_in_samples=max_temp_mem_size_in_samples,
        )
        out = out if b is None else out + b
        out = _without_axes(out, int(not channels), spatial)
        return out if activation is None else activation(out)

    return convolve


def Convolution1D(
    filter_shape: Any,
    num_filters: Any = None,
    activation: Any = default_override_or(identity),
    init: Any = default_override_or(glorot_uniform()),
    pad: Any = default_override_or(False),
    strides: Any = 1,
    bias: Any = default_override_or(True),
    init_bias: Any = default_override_or(0),
    reduction_rank: int = 1,
    dilation: Any = 1,
    name: str = "",
) -> Any:
    """Return a convolution along one axis."""
    options = options_of(
        Convolution1D, activation=activation, init=init, pad=pad, bias=bias, init_bias=init_bias
    )
    check_window("Convolution1D", filter_shape, 1)
    return _of_rank(1, filter_shape, num_filters, options, strides, reduction_rank, dilation, 1, name)


def _of_rank_or_number(rank: int, what: str) -> Any:
    """Return the layer for windows of one rank, where one number is as long along each axis."""
    kind = f"Convolution{rank}D"

    def layer(
        filter_shape: Any,
        num_filters: Any = None,
        activation: Any = default_override_or(identity),
        init: Any = default_override_or(glorot_uniform()),
        pad: Any = default_override_or(False),
        strides: Any = 1,
        bias: Any = default_override_or(True),
        init_bias: Any = default_override_or(0),
        reduction_rank: int = 1,
        dilation: Any = 1,
        groups: int = 1,
        name: str = "",
    ) -> Any:
        options = options_of(layer, activation=activation, init=init, pad=pad, bias=bias, init_bias=init_bias)
        check_window(kind, filter_shape, rank)
        return _of_rank(
            rank, filter_shape, num_filters, options, strides, reduction_rank, dilation, groups, name
        )

    layer.__name__ = layer.__qualname__ = kind
    layer.__doc__ = f"Return a convolution of {what}"
    return layer


Convolution2D = _of_rank_or_number(2, "pictures; one number is a square window.")
Convolution3D = _of_rank_or_number(3, "volumes; one number is a cube.")


def _of_rank(
    rank: int,
    filter_shape: Any,
    num_filters: Any,
    options: tuple[Any, ...],
    strides: Any,
    reduction_rank: int,
    dilation: Any,
    groups: int,
    name: str,
) -> Any:
    activation, init, pad, bias, init_bias = options
    return Convolution(
        spread((0,) * rank, filter_shape, "filter_shape"),
        num_filters,
        activation=activation,
        init=init,
        pad=pad,
        strides=strides,
        bias=bias,
        init_bias=init_bias,
        reduction_rank=reduction_rank,
        dilation=dilation,
        groups=groups,
        op_name=f"Convolution{rank}D",
        name=name,
    )
