"""Operators on sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.default_options import default_override_or
from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.ops import inputs
from onnx_workbench.cntk.ops.composition import alias
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, data_type, operand
from onnx_workbench.cntk.variables import Constant, Variable

__all__ = [
    "broadcast_as", "delay", "first", "future_value", "gather", "input", "input_variable", "is_first", "is_last",
    "last", "past_value", "reduce_max", "reduce_sum", "scatter", "slice", "softmax", "unpack", "where",
]  # fmt: skip


def input_variable(
    shape: Any,
    dtype: Any = default_override_or(np.float32),
    needs_gradient: bool = False,
    is_sparse: bool = False,
    sequence_axis: Any = None,
    name: str = "",
) -> Variable:
    """Return a variable that is fed sequences; those with the same axis must have the same lengths."""
    axis = Axis.default_dynamic_axis() if sequence_axis is None else sequence_axis
    axes = (Axis.default_batch_axis(), axis)
    return inputs.input_variable(shape, dtype, needs_gradient, is_sparse, axes, name)


def input(*args: Any, **kwargs: Any) -> Variable:
    """Return `input_variable`, whose old name this is."""
    return input_variable(*args, **kwargs)


def _delayed(op_name: str, x: Any, initial_state: Any, time_step: int, name: str) -> Function:
    dtype = data_type(x)
    initial = Constant(0, dtype=dtype) if initial_state is None else operand(initial_state, dtype)
    return apply(op_name, [x, initial], {"offset": int(time_step)}, name)


def past_value(x: Any, initial_state: Any = None, time_step: int = 1, name: str = "") -> Function:
    """Return each step's value some steps before."""
    return _delayed("PastValue", x, initial_state, time_step, name)


def future_value(x: Any, initial_state: Any = None, time_step: int = 1, name: str = "") -> Function:
    """Return each step's value some steps after."""
    return _delayed("FutureValue", x, initial_state, time_step, name)


def delay(x: Any, initial_state: Any = None, time_step: int = 1, name: str = "") -> Any:
    """Return each step's value some steps before, or after where negative."""
    if time_step > 0:
        return past_value(x, initial_state, time_step, name)
    if time_step < 0:
        return future_value(x, initial_state, -time_step, name)
    return alias(x, name) if name else x


def _sequence(op_name: str, summary: str) -> Any:
    def operator(seq: Any, name: str = "") -> Function:
        return apply(op_name, [seq], name=name)

    operator.__doc__ = summary
    return operator


first = _sequence("Sequence::First", "Return the first step.")
last = _sequence("Sequence::Last", "Return the last step.")
is_first = _sequence("Sequence::IsFirst", "Return 1 for the first step, 0 for others.")
is_last = _sequence("Sequence::IsLast", "Return 1 for the last step, 0 for others.")
where = _sequence("Where", "Return the numbers of the steps whose value is not 0, as a sequence of its own.")
reduce_sum = _sequence("Sequence::ReduceSum", "Sum the steps.")
reduce_max = _sequence("Sequence::ReduceMax", "Return the greatest of the steps, number by number.")
softmax = _sequence("Sequence::Softmax", "Return the softmax along the steps, number by number.")


def slice(seq: Any, begin_index: int, end_index: int, name: str = "") -> Function:
    """Return some steps; negative numbers, and an end of 0, count from the end.

    Raises
    ------
    ValueError
        If nothing can be left between them.
    """
    if begin_index < 0 <= end_index and end_index != 0:
        raise CntkValueError(
            f"sequence.slice: begin_index {begin_index} counts from the end and end_index {end_index} from the start; "
            "give both from the same side."
        )
    return apply("Sequence::Slice", [seq], {"beginIndex": int(begin_index), "endIndex": int(end_index)}, name)


def gather(seq: Any, condition: Any, new_sequence_axis_typeinfo: Any = None, name: str = "") -> Function:
    """Return the steps for which the condition is not 0."""
    return apply(
        "Sequence::Gather", [seq, condition], {"newSequenceAxisTypeinfo": new_sequence_axis_typeinfo}, name
    )


def scatter(seq: Any, condition: Any, new_sequence_axis_typeinfo: Any = None, name: str = "") -> Function:
    """Return the steps where the condition is not 0, and zeros elsewhere."""
    return apply(
        "Sequence::Scatter", [seq, condition], {"newSequenceAxisTypeinfo": new_sequence_axis_typeinfo}, name
    )


def broadcast_as(operand: Any, broadcast_as_operand: Any, name: str = "") -> Function:
    """Return the same value at every step of another sequence."""
    return apply("ReconcileDynamicAxis", [operand, broadcast_as_operand], {"broadcast": True}, name)


def unpack(x: Any, padding_value: float, no_mask_output: bool = False, name: str = "") -> Function:
    """Return the steps as the first static axis, padded to the longest, and which of them there are."""
    attributes = {
        "sequenceUnpackPaddingValue": float(padding_value),
        "sequenceUnpackSuppressMaskOutput": bool(no_mask_output),
    }
    return apply("UnpackSequenceOp", [x], attributes, name, outputs=1 if no_mask_output else 2)
