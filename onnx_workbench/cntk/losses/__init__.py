"""Losses: what training makes small."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import Axis, axis_of
from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.losses.hierarchical_softmax import hierarchical_softmax_layer
from onnx_workbench.cntk.losses.lattices import lattice_sequence_with_softmax
from onnx_workbench.cntk.losses.noise_contrast import nce_loss
from onnx_workbench.cntk.ops.elementwise import element_times, log, minus, negate, plus
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, as_block_of, data_type, operand
from onnx_workbench.cntk.ops.reductions import _one_reduction, reduce_sum
from onnx_workbench.cntk.ops.tensors import times_transpose
from onnx_workbench.cntk.variables import Constant

__all__ = [
    "binary_cross_entropy", "cosine_distance", "cosine_distance_with_negative_samples", "cross_entropy_with_softmax",
    "fmeasure", "hierarchical_softmax_layer", "lambda_rank", "lattice_sequence_with_softmax", "nce_loss",
    "squared_error", "weighted_binary_cross_entropy",
]  # fmt: skip

_SMALL, _ABOVE_ONE = float(np.float32(1e-6)), float(np.float32(1 + 1e-6))
"""What CNTK adds to probabilities before it takes their logarithm: float32, whatever the dtype of the operands."""


def cross_entropy_with_softmax(
    output_vector: Any, target_vector: Any, axis: Any = -1, name: str = ""
) -> Function:
    """Return the cross entropy of the softmax of an output, one number for each sample.

    Parameters
    ----------
    output_vector
        Logits.
    target_vector
        Probabilities, one-hot as a rule.
    axis
        Along which the classes lie.
    name
        Name of the result.
    """
    found = axis_of(axis)
    along = found is None or found.static_axis_index(False) == -1 or operand(output_vector).rank == 1

    def build(x: Any, t: Any) -> Function:
        if along:  # as CNTK: a matrix gives all products of its rows
            return minus(_one_reduction("LogSum", x, [Axis(-1)]), times_transpose(x, t))  # type: ignore[no-any-return]
        products = _one_reduction("Sum", element_times(t, x), [found])
        return minus(_one_reduction("LogSum", x, [found]), products)  # type: ignore[no-any-return]

    return as_block_of("CrossEntropyWithSoftmax", build, [output_vector, target_vector], name)


def squared_error(output: Any, target: Any, name: str = "") -> Function:
    """Return the sum of squared differences, one number for each sample."""

    def build(x: Any, t: Any) -> Function:
        difference = minus(x, t)
        return _one_reduction("Sum", element_times(difference, difference), [Axis.all_static_axes()])

    return as_block_of("SquaredError", build, [output, target], name)


def binary_cross_entropy(output: Any, target: Any, name: str = "") -> Function:
    """Return the cross entropy of probabilities and targets of 0 and 1, number by number."""

    def build(x: Any, t: Any) -> Function:
        where_1 = element_times(t, log(plus(x, _SMALL)))
        where_0 = element_times(minus(1, t), log(minus(_ABOVE_ONE, x)))
        return negate(plus(where_1, where_0))  # type: ignore[no-any-return]

    return as_block_of("BinaryCrossEntropy", build, [output, target], name)


def weighted_binary_cross_entropy(output: Any, target: Any, weight: Any, name: str = "") -> Function:
    """Return the binary cross entropy with a weight for each sample."""
    return apply("Logistic", [output, target, weight], name=name)


def cosine_distance(x: Any, y: Any, name: str = "") -> Function:
    """Return the cosine of the angle between two vectors."""
    return apply("CosDistance", [x, y], name=name)


def cosine_distance_with_negative_samples(
    x: Any, y: Any, shift: int, num_negative_samples: int, name: str = ""
) -> Function:
    """Return the cosine between x and its y, and between x and the y of samples that come later in the minibatch.

    Parameters
    ----------
    x, y
        Vectors of one length.
    shift
        How many samples later the first of the others comes; behind the last comes the first again.
    num_negative_samples
        How many others each x is compared with, one sample after another.
    name
        Name of the result.

    Raises
    ------
    ValueError
        If one of the numbers is negative.
    """
    numbers = {"shift": shift, "num_negative_samples": num_negative_samples}
    for what, value in numbers.items():
        if value < 0:
            raise CntkValueError(
                f"cosine_distance_with_negative_samples: {what} must be a whole number, 0 or more; got {value}."
            )
    dtype = data_type(x, y)
    constants = [Constant(int(value), dtype=dtype) for value in numbers.values()]
    return apply("CosDistanceWithNegativeSamples", [x, y, *constants], name=name)


def lambda_rank(output: Any, gain: Any, group: Any, name: str = "") -> Function:
    """Return 100 times the number of samples times 1 minus the normalised discounted cumulative gain.

    Samples of a group follow each other, their gains falling; its gradient is LambdaRank's (Burges, 2010).
    """
    return apply("LambdaRank", [output, gain, group], name=name)


def fmeasure(output: Any, target: Any, beta: float = 1) -> Function:
    """Return 1 minus the F-measure; pictures have one for each class."""
    out, goal = operand(output), operand(target)
    if out.rank != goal.rank:
        raise CntkValueError(
            f"fmeasure: output has {out.rank} axes and target {goal.rank}; expected as many."
        )
    axis = (1, 2) if out.rank == 3 else None
    found = reduce_sum(out * goal, axis=axis)
    precision = found / reduce_sum(out, axis=axis)
    recall = found / reduce_sum(goal, axis=axis)
    return 1 - (1 + beta**2) * precision * recall / (beta**2 * precision + recall)  # type: ignore[no-any-return]
