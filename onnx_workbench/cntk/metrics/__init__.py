"""Metrics: what is reported beside the loss."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.axis import Axis, axis_of
from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.ops.elementwise import equal, greater_equal, minus, not_equal
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, as_block_of, data_type
from onnx_workbench.cntk.ops.reductions import _one_reduction, hardmax
from onnx_workbench.cntk.ops.tensors import times_transpose
from onnx_workbench.cntk.variables import Constant

__all__ = ["classification_error", "edit_distance_error", "ndcg_at_1"]


def classification_error(
    output_vector: Any,
    target_vector: Any,
    axis: Any = -1,
    topN: int = 1,
    name: str = "",
) -> Function:
    """Return 1 for each sample whose greatest outputs do not hold the target's class, else 0.

    Along another axis than the last: the share of those places whose greatest output is not where the target has its 1.
    """
    found = axis_of(axis)
    if not topN > 0:
        raise CntkValueError(f"ClassificationError: The topN argument must be > 0; got {topN}.")
    if topN != 1:
        count = Constant(topN, dtype=data_type(output_vector, target_vector))
        return apply("ClassificationError", [output_vector, target_vector, count], name=name)

    def build(x: Any, t: Any) -> Function:
        if found is None or found.static_axis_index(False) == -1:
            return minus(1, times_transpose(hardmax(x), t))  # type: ignore[no-any-return]
        guess = equal(x, _one_reduction("Max", x, [found]))
        wrong = _one_reduction("Sum", not_equal(t, guess), [found])
        return _one_reduction("Mean", greater_equal(wrong, 1), [Axis.all_static_axes()])

    return as_block_of("ClassificationError", build, [output_vector, target_vector], name)


def edit_distance_error(
    input_a: Any,
    input_b: Any,
    subPen: float = 1,
    delPen: float = 1,
    insPen: float = 1,
    squashInputs: bool = False,
    tokensToIgnore: Any = (),
    name: str = "",
) -> Function:
    """Return how many edits lead from sequences to others, over the tokens of the others, times the steps."""
    attributes = {
        "SubstitutionPenalty": float(subPen),
        "DeletionPenalty": float(delPen),
        "InsertionPenalty": float(insPen),
        "SquashInputs": bool(squashInputs),
        "TokensToIgnore": list(tokensToIgnore),
    }
    return apply("EditDistanceError", [input_a, input_b], attributes, name)


def ndcg_at_1(output: Any, gain: Any, group: Any, name: str = "") -> Function:
    """Return 100 times the number of samples times the gain of the best score over the best gain of its group."""
    return apply("NDCG", [output, gain, group], name=name)
