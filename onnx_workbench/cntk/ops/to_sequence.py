"""Static axes become sequences."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis
from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, operand

__all__ = ["to_sequence", "to_sequence_like"]


def to_sequence(
    x: Any, sequence_lengths: Any = None, sequence_axis_name_prefix: str = "toSequence_", name: str = ""
) -> Function:
    """Return the first static axis as a sequence of its own; lengths may be given for each sample."""
    variable = operand(x)
    if any(axis.is_sequence_axis for axis in variable.dynamic_axes) and variable.dynamic_axes != UNKNOWN_AXES:
        raise CntkValueError(
            f"ToSequenceOp: the operand '{variable}' has a sequence axis already; expected one with a batch alone."
        )
    axis = Axis.new_unique_dynamic_axis(sequence_axis_name_prefix)
    operands = [x] if sequence_lengths is None else [x, sequence_lengths]
    return apply("ToSequenceOp", operands, {"newDynamicAxis": axis}, name)


def to_sequence_like(x: Any, dynamic_axes_like: Any, name: str = "") -> Function:
    """Return the first static axis as a sequence with the axis and lengths of another."""
    return apply("ToSequenceLikeOp", [x, dynamic_axes_like], name=name)
