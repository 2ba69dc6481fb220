"""Operators of neural networks: convolution, pooling, normalisation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, as_block_of, operand
from onnx_workbench.cntk.value_types import shape_of
from onnx_workbench.cntk.variables import Constant

__all__ = [
    "AVG_POOLING", "MAX_POOLING", "MAX_UNPOOLING", "batch_normalization", "convolution", "convolution_transpose",
    "local_response_normalization", "pooling", "roipooling", "unpooling",
]  # fmt: skip

MAX_POOLING, AVG_POOLING = 0, 1
MAX_UNPOOLING = 0


def _bools(value: Any) -> tuple[bool, ...]:
    return (bool(value),) if np.isscalar(value) else tuple(bool(one) for one in value)


def convolution(
    convolution_map: Any,
    operand: Any,
    strides: Any = (1,),
    sharing: Any = (True,),
    auto_padding: Any = (True,),
    sequential: bool = False,
    dilation: Any = (1,),
    reduction_rank: int = 1,
    groups: int = 1,
    max_temp_mem_size_in_samples: int = 0,
    name: str = "",
) -> Function:
    """Convolve without flipping kernels; weights are (filters, channels, ...). Pads unless told otherwise.

    Parameters
    ----------
    convolution_map, operand
        Weights, and what is convolved: (channels, ...).
    strides, sharing, auto_padding, dilation
        One value or one for each axis, that of the channels included or not.
    sequential
        Whether the first axis of the window lies along the sequence.
    reduction_rank, groups
        0 where there is no axis for channels; how many groups of channels do not mix.
    max_temp_mem_size_in_samples
        Accepted and not used.
    name
        Name of the result.
    """
    if groups <= 0:
        raise CntkRuntimeError(f"groups: {groups} must be strictly positive, i.e. groups > 0")
    if reduction_rank not in {0, 1}:
        raise CntkRuntimeError(f"reductionRank: must be 1 or 0; got {reduction_rank}.")
    if reduction_rank == 0 and not sequential:
        return _without_channels(convolution_map, operand, strides, sharing, auto_padding, dilation, name)
    attributes = {
        "strides": shape_of(strides),
        "sharing": _bools(sharing),
        "autoPadding": _bools(auto_padding),
        "sequential": bool(sequential),
        "dilation": shape_of(dilation),
        "reductionRank": int(reduction_rank),
        "groups": int(groups),
        "transpose": False,
        "outputShape": (0,),
        "maxTempMemSizeInSamples": int(max_temp_mem_size_in_samples),
    }
    weights = _variable(convolution_map)
    if weights.rank == _variable(operand).rank and not sequential:  # no axis for filters: there is one
        attributes["kernelShape"] = weights.shape
    return apply("Convolution", [convolution_map, operand], attributes, name)


def _without_channels(
    convolution_map: Any, operand: Any, strides: Any, sharing: Any, padding: Any, dilation: Any, name: str
) -> Function:
    """Convolve what has no axis for channels: operand and weights get one of length 1."""
    weights = _variable(convolution_map)

    def build(x: Any) -> Function:
        at = max(weights.rank - x.rank, 0)
        reshaped = apply("Reshape", [weights], _new_axis(at))
        return convolution(
            reshaped, apply("Reshape", [x], _new_axis(0)), strides, sharing, padding, dilation=dilation
        )

    return as_block_of("Convolution", build, [operand], name)


def _new_axis(at: int) -> dict[str, Any]:
    """Return the attributes of a reshape that inserts an axis of length 1."""
    return {"newShape": (1,), "beginAxis": Axis(at), "endAxis": Axis(at)}


def convolution_transpose(
    convolution_map: Any,
    operand: Any,
    strides: Any = (1,),
    sharing: Any = (True,),
    auto_padding: Any = (True,),
    output_shape: Any = None,
    dilation: Any = (1,),
    reduction_rank: int = 1,
    max_temp_mem_size_in_samples: int = 0,
    name: str = "",
) -> Function:
    """Do what the gradient of a convolution does; weights are (channels, filters, ...)."""
    attributes = {
        "strides": shape_of(strides),
        "sharing": _bools(sharing),
        "autoPadding": _bools(auto_padding),
        "sequential": False,
        "dilation": shape_of(dilation),
        "reductionRank": int(reduction_rank),
        "groups": 1,
        "transpose": True,
        "outputShape": (0,) if output_shape is None else shape_of(output_shape),
        "maxTempMemSizeInSamples": int(max_temp_mem_size_in_samples),
    }
    return apply("Convolution", [convolution_map, operand], attributes, name)


def _windows(window: Any, strides: Any, auto_padding: Any) -> dict[str, Any]:
    return {
        "poolingWindowShape": shape_of(window),
        "strides": shape_of(strides),
        "autoPadding": _bools(auto_padding),
        "lowerPad": (0,),
        "upperPad": (0,),
    }


def pooling(
    operand: Any,
    pooling_type: int,
    pooling_window_shape: Any,
    strides: Any = (1,),
    auto_padding: Any = (False,),
    ceil_out_dim: bool = False,
    include_pad: bool = False,
    name: str = "",
) -> Function:
    """Return the greatest or the average of windows; a window of unknown shape is everything.

    Parameters
    ----------
    operand
        (channels, ...).
    pooling_type
        ``MAX_POOLING`` or ``AVG_POOLING``.
    pooling_window_shape, strides, auto_padding
        One value for each axis of the window, or one for all.
    ceil_out_dim
        Whether a last window that is cut off counts.
    include_pad
        Whether padding counts in averages.
    name
        Name of the result.
    """
    attributes = _windows(pooling_window_shape, strides, auto_padding)
    attributes |= {
        "poolingType": pooling_type,
        "ceilOutDim": bool(ceil_out_dim),
        "includePad": bool(include_pad),
    }
    return apply("Pooling", [operand], attributes, name)


def unpooling(
    operand: Any,
    pooling_input: Any,
    unpooling_type: int,
    unpooling_window_shape: Any,
    strides: Any = (1,),
    auto_padding: Any = (False,),
    name: str = "",
) -> Function:
    """Return values to where they were the greatest of their windows."""
    attributes = _windows(unpooling_window_shape, strides, auto_padding) | {"unpoolingType": unpooling_type}
    return apply("Unpooling", [operand, pooling_input], attributes, name)


def roipooling(
    operand: Any, rois: Any, pooling_type: int, roi_output_shape: Any, spatial_scale: float, name: str = ""
) -> Function:
    """Return the greatest values of regions of a picture, each divided into a grid.

    Raises
    ------
    ValueError
        For another pooling than MAX_POOLING.
    """
    if pooling_type != MAX_POOLING:
        raise CntkValueError("Unsupported pooling type, ROIPooling support only MAX pooling.")
    attributes = {
        "poolingType": pooling_type,
        "roiOutputShape": shape_of(roi_output_shape),
        "spatialScale": float(spatial_scale),
    }
    return apply("ROIPooling", [operand, rois], attributes, name)


def batch_normalization(
    operand: Any,
    scale: Any,
    bias: Any,
    running_mean: Any,
    running_inv_std: Any,
    spatial: bool,
    normalization_time_constant: float = 5000,
    blend_time_constant: float = 0,
    epsilon: float = 0.00001,
    use_cudnn_engine: bool = False,
    disable_regularization: bool = False,
    name: str = "",
    running_count: Any = None,
) -> Function:
    """Normalise by running statistics. `running_inv_std` holds the variance, whatever CNTK's name for it says."""
    if running_count is None:
        running_count = Constant(0)
        warnings.warn(
            "batch_normalization requires an additional 'running_count' parameter, which can be instantiated as "
            "'constant(0)'",
            stacklevel=2,
        )
    attributes = {
        "spatial": bool(spatial),
        "normalizationTimeConstant": float(normalization_time_constant),
        "blendTimeConstant": float(blend_time_constant),
        "epsilon": float(epsilon),
        "useCuDNNEngine": bool(use_cudnn_engine),
        "disableRegularization": bool(disable_regularization),
    }
    operands = [operand, scale, bias, running_mean, running_inv_std, running_count]
    return apply("BatchNormalization", operands, attributes, name)


def local_response_normalization(
    operand: Any, depth_radius: int, bias: float, alpha: float, beta: float, name: str = ""
) -> Function:
    """Divide by a power of the squares of neighbouring channels (Krizhevsky and others, 2012)."""
    from onnx_workbench.cntk.ops.elementwise import element_divide, element_times, exp, log, plus
    from onnx_workbench.cntk.ops.reshaping import reshape

    width = 2 * depth_radius + 1
    kernel = Constant(np.full((1, width, 1, 1), alpha / width), dtype=_variable(operand).dtype)

    def build(x: Any) -> Function:
        squares = reshape(element_times(x, x), (1,), 0, 0)
        sums = convolution(kernel, squares)
        power = exp(element_times(beta, log(plus(bias, reshape(sums, (), 0, 1)))))
        return element_divide(x, power)

    return as_block_of("LocalResponseNormalization", build, [operand], name)


_variable = operand  # for functions with an argument of that name
