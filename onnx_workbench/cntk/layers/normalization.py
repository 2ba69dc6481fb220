"""Layers that normalise: by the statistics of training, or by those of each sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.default_options import default_override_or, get_default_override, options_of
from onnx_workbench.cntk.layers.shapes import INFERRED
from onnx_workbench.cntk.ops import batch_normalization, reduce_mean, sqrt
from onnx_workbench.cntk.ops.functions import BlockFunction
from onnx_workbench.cntk.variables import Constant, Parameter

__all__ = ["BatchNormalization", "LayerNormalization"]


def BatchNormalization(
    map_rank: Any = default_override_or(None),
    init_scale: Any = 1,
    normalization_time_constant: Any = default_override_or(5000),
    blend_time_constant: float = 0,
    epsilon: Any = default_override_or(0.00001),
    use_cntk_engine: Any = default_override_or(False),
    disable_regularization: Any = default_override_or(False),
    name: str = "",
) -> Any:
    """Return batch normalisation (Ioffe and Szegedy, 2015); `map_rank=1` shares the statistics of each channel.

    The running statistics are constants of the graph, as in CNTK, where training changes them.
    """
    map_rank, time_constant, epsilon, use_cntk_engine, disable_regularization = options_of(
        BatchNormalization,
        map_rank=map_rank,
        normalization_time_constant=normalization_time_constant,
        epsilon=epsilon,
        use_cntk_engine=use_cntk_engine,
        disable_regularization=disable_regularization,
    )
    if map_rank not in {None, 1}:
        raise NotImplementedError(
            f"BatchNormalization: map_rank can only be 1 or None for now; got {map_rank!r}."
        )
    dtype = get_default_override(None, dtype=default_override_or(np.float32))
    dtype = np.float32 if np.dtype(dtype) == np.float16 else dtype  # statistics of halves would overflow
    scale = Parameter(INFERRED, init=init_scale, dtype=dtype, name="scale")
    bias = Parameter(INFERRED, init=0, dtype=dtype, name="bias")
    mean = Constant(0, shape=INFERRED, dtype=dtype, name="aggregate_mean")
    variance = Constant(0, shape=INFERRED, dtype=dtype, name="aggregate_variance")
    count = Constant(0, shape=(), dtype=dtype, name="aggregate_count")

    @BlockFunction("BatchNormalization", name)
    def batch_normalize(x: Any) -> Any:
        return batch_normalization(
            x,
            scale,
            bias,
            mean,
            variance,
            running_count=count,
            spatial=map_rank == 1,
            normalization_time_constant=time_constant,
            blend_time_constant=blend_time_constant,
            epsilon=epsilon,
            use_cudnn_engine=not use_cntk_engine,
            disable_regularization=disable_regularization,
        )

    return batch_normalize


def LayerNormalization(
    initial_scale: Any = 1,
    initial_bias: Any = 0,
    epsilon: Any = default_override_or(0.00001),
    name: str = "",
) -> Any:
    """Return layer normalisation over all axes of a sample.

    Epsilon is added to the standard deviation, not to the variance as in ONNX and PyTorch.
    """
    (epsilon,) = options_of(LayerNormalization, epsilon=epsilon)
    dtype = get_default_override(None, dtype=default_override_or(np.float32))
    scale = Parameter(INFERRED, init=initial_scale, name="scale")
    bias = Parameter(INFERRED, init=initial_bias, name="bias")
    small = np.asarray(epsilon, dtype=dtype)

    @BlockFunction("LayerNormalization", name)
    def layer_normalize(x: Any) -> Any:
        centred = x - reduce_mean(x)
        deviation = sqrt(reduce_mean(centred * centred))
        if small != 0:
            deviation = deviation + small
        return centred / deviation * scale + bias

    return layer_normalize
