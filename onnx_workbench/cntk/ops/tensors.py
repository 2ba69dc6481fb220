"""Products of arrays, arrays like others, and normalisation by given numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.ops.elementwise import element_divide, minus
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, as_block_of, operand
from onnx_workbench.cntk.ops.reductions import reduce_mean
from onnx_workbench.cntk.value_types import is_known
from onnx_workbench.cntk.variables import Constant

__all__ = [
    "TIMES_NO_INFERRED_INPUT_RANK",
    "TIMES_REDUCE_SEQUENCE_AXIS_WITHOUT_INFERRED_INPUT_RANK",
    "eye_like",
    "image_scaler",
    "mean_variance_normalization",
    "ones_like",
    "per_dim_mean_variance_normalize",
    "times",
    "times_transpose",
    "zeros_like",
]  # fmt: skip

TIMES_NO_INFERRED_INPUT_RANK = -1
TIMES_REDUCE_SEQUENCE_AXIS_WITHOUT_INFERRED_INPUT_RANK = -2


def times(
    left: Any, right: Any, output_rank: int = 1, infer_input_rank_to_map: int = -1, name: str = ""
) -> Function:
    """Return the matrix product: the last axes of `left` are summed with the first ones of `right`.

    Parameters
    ----------
    left, right
        Operands of any rank.
    output_rank
        How many of the last axes of `right` are kept.
    infer_input_rank_to_map
        Where `right` has an axis of open length: how many axes of `left` it does not take; -1: it takes one.
    name
        Name of the result.
    """
    attributes = {"outputRank": int(output_rank), "inferInputRankToMap": int(infer_input_rank_to_map)}
    return apply("Times", [left, right], attributes, name)


def times_transpose(left: Any, right: Any, name: str = "") -> Function:
    """Return the matrix product with `right` transposed."""
    return apply("TransposeTimes", [left, right], {"outputRank": 1}, name)


# Reductions


def ones_like(x: Any, name: str = "") -> Function:
    """Return ones in the operand's shape."""
    return apply("ConstantOp", [x], {"fillValue": 1.0}, name)


def zeros_like(x: Any, name: str = "") -> Function:
    """Return zeros in the operand's shape."""
    return apply("ConstantOp", [x], {"fillValue": 0.0}, name)


def eye_like(x: Any, sparse_output: bool = True, name: str = "") -> Function:
    """Return ones on the diagonal of a matrix like the operand, whose axes are static or the batch.

    Raises
    ------
    ValueError
        If the operand is no matrix.
    """
    variable = operand(x)
    if is_known(variable.shape) and len(variable.dynamic_axes) + variable.rank != 2:
        raise CntkValueError(
            "eye_like operand must have exactly two axes (counting both dynamic and static axes) however "
            f'"{variable}" is provided as the operand'
        )
    if any(axis.is_sequence_axis for axis in variable.dynamic_axes):
        raise CntkValueError(
            f'eye_like operand must have no sequence axis however "{variable}" is provided as the operand'
        )
    return apply("EyeLikeOp", [x], {"OutputSparse": bool(sparse_output)}, name)


def per_dim_mean_variance_normalize(operand: Any, mean: Any, inv_stddev: Any, name: str = "") -> Function:
    """Return (x - mean) * inv_stddev."""
    from onnx_workbench.cntk.ops.elementwise import element_times

    def build(x: Any, average: Any, inverse: Any) -> Function:
        return element_times(minus(x, average), inverse)  # type: ignore[no-any-return]

    return as_block_of("PerDimMeanVarianceNormalize", build, [operand, mean, inv_stddev], name)


def mean_variance_normalization(
    operand: Any,
    epsilon: float = 0.00001,
    use_stats_across_channels: bool = False,
    do_variance_scaling: bool = True,
    name: str = "",
) -> Function:
    """Centre and scale each channel of a picture, or all together, by its own mean and deviation."""
    from onnx_workbench.cntk.ops.elementwise import element_times, plus, sqrt

    if epsilon < 0:
        raise CntkValueError(f"epsilon must be non-negative; got {epsilon}.")

    small = Constant(epsilon, dtype=_variable(operand).dtype, name="mvn_epsilon")

    def build(x: Any) -> Function:
        axes = None if use_stats_across_channels else list(range(1, x.rank))
        centred = minus(x, reduce_mean(x, axis=axes))
        if not do_variance_scaling:
            return centred  # type: ignore[no-any-return]
        deviation = sqrt(reduce_mean(element_times(centred, centred), axis=axes))
        return element_divide(centred, plus(deviation, small))

    return as_block_of("MeanVarianceNormalization", build, [operand], name)


def image_scaler(x: Any, scalar: float, biases: Any, name: str = "") -> Function:
    """Multiply a picture by a number and add one number to each channel."""
    from onnx_workbench.cntk.ops.elementwise import element_times, plus

    column = np.asarray(biases, dtype=operand(x).dtype).reshape(-1, 1, 1)

    def build(a: Any) -> Function:
        return plus(element_times(a, scalar), Constant(column, dtype=operand(x).dtype))  # type: ignore[no-any-return]

    return as_block_of("ImageScaler", build, [x], name)


_variable = operand  # for functions with an argument of that name
