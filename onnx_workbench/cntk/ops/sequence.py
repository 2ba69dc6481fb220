"""Operators on sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.default_options import default_override_or
from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.ops import inputs
from onnx_workbench.cntk.ops.composition import alias
from onnx_workbench.cntk.ops.elementwise import element_divide, element_times, exp, minus
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, as_block_of, data_type, operand
from onnx_workbench.cntk.ops.reductions import _one_reduction
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
    if time_step < 0:
        raise CntkValueError(
            f"{op_name}: time_step must not be negative; got {time_step}. Use sequence.delay."
        )
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


def _zeros(seq: Any) -> Function:
    """Return 0 at every step."""
    return apply("ReconcileDynamicAxis", [Constant(0, dtype=data_type(seq)), seq])


def _within(seq: Any, count: int) -> Function:
    """Return 1 for so many steps at the start, or at the end where negative, and 0 for others."""
    one = Constant(1, dtype=data_type(seq))
    return past_value(_zeros(seq), one, count) if count > 0 else future_value(_zeros(seq), one, -count)


def is_first(seq: Any, name: str = "") -> Function:
    """Return 1 for the first step, 0 for others."""
    return as_block_of("Sequence::IsFirst", lambda s: _within(s, 1), [seq], name)


def is_last(seq: Any, name: str = "") -> Function:
    """Return 1 for the last step, 0 for others."""
    return as_block_of("Sequence::IsLast", lambda s: _within(s, -1), [seq], name)


def where(condition: Any, name: str = "") -> Function:
    """Return the numbers of the steps whose value is not 0, as a sequence of its own."""
    variable = operand(condition)
    axis = Axis(f"whereNodeDynamicAxis_conditionVar_{variable.uid}")
    return _where(variable, axis, 1, 0, name)


def _where(condition: Any, axis: Axis | None, scaling: float, additive: int, name: str = "") -> Function:
    attributes = {
        "newDynamicAxes": axis,
        "newSequenceAxisLengthScalingFactor": scaling,
        "newSequenceAxisLengthAdditiveFactor": additive,
    }
    return apply("Where", [condition], attributes, name)


def _gathered(seq: Any, flags: Any) -> Function:
    return apply("GatherPacked", [seq, apply("PackedIndex", [seq, flags])])


def _axis_name(seq: Any) -> str:
    return next((axis.name for axis in operand(seq).dynamic_axes if axis.is_sequence_axis), "")


def slice(seq: Any, begin_index: int, end_index: int, name: str = "") -> Any:
    """Return some steps; negative numbers, and an end of 0, count from the end; one step is no sequence any more.

    Raises
    ------
    ValueError
        If the end is not after the beginning.
    """
    begin, end = int(begin_index), int(end_index)
    if (begin > 0 and end > 0 and end <= begin) or (begin < 0 and end < 0 and end <= begin):
        raise CntkValueError(f"Sequence::Slice: the end {end} does not come after the beginning {begin}.")
    if begin == 0 == end:
        return alias(seq, name)

    def build(s: Any) -> Function:
        kept = []
        if begin:
            kept.append(minus(1, _within(s, begin)) if begin > 0 else _within(s, begin))
        if end:
            kept.append(_within(s, end) if end > 0 else minus(1, _within(s, end)))
        same_side = begin * end > 0 or (begin == 0 and end > 0) or (begin < 0 and end == 0)
        length = abs(end - begin) if same_side else end - begin
        found = f"_fixedSliceOf_{length}" if same_side else f"_times_1_minus_{abs(length)}"
        axis = Axis(_axis_name(s) + found)
        flags = element_times(*kept) if len(kept) > 1 else kept[0]
        single = same_side and length == 1
        return _gathered(s, _where(flags, None if single else axis, 0 if same_side else 1, length))

    return as_block_of("Sequence::Slice", build, [seq], name)


def first(seq: Any, name: str = "") -> Function:
    """Return the first step."""
    return slice(seq, 0, 1, name)  # type: ignore[no-any-return]


def last(seq: Any, name: str = "") -> Function:
    """Return the last step."""
    return slice(seq, -1, 0, name)  # type: ignore[no-any-return]


def gather(seq: Any, condition: Any, new_sequence_axis_typeinfo: Any = None, name: str = "") -> Function:
    """Return the steps for which the condition is not 0.

    Parameters
    ----------
    seq, condition
        Sequences of the same lengths.
    new_sequence_axis_typeinfo
        (scaling, additive): how long the result is, where that is known.
    name
        Name of the result.
    """
    return as_block_of(
        "Sequence::Gather",
        lambda s, c: _gathered(s, _flagged(c, new_sequence_axis_typeinfo, operand(condition).uid)),
        [seq, condition],
        name,
    )


def _flagged(condition: Any, typeinfo: Any, outside: str = "") -> Function:
    """Choose steps; what is chosen by the same condition outside of a block has the same axis."""
    if typeinfo is None and outside:
        return _where(condition, Axis(f"whereNodeDynamicAxis_conditionVar_{outside}"), 1, 0)
    if typeinfo is None:
        return where(condition)
    scaling, additive = typeinfo
    axis = (
        None
        if (scaling, additive) == (0, 1)
        else Axis(f"{_axis_name(condition)}_gather_{scaling}_{additive}")
    )
    return _where(condition, axis, scaling, additive)


def scatter(seq: Any, condition: Any, new_sequence_axis_typeinfo: Any = None, name: str = "") -> Function:
    """Return the steps where the condition is not 0, and zeros elsewhere."""

    def build(s: Any, c: Any) -> Function:
        index = apply("PackedIndex", [c, _flagged(c, new_sequence_axis_typeinfo)])
        return apply("ScatterPacked", [s, index, c])

    return as_block_of("Sequence::Scatter", build, [seq, condition], name)


def broadcast_as(operand: Any, broadcast_as_operand: Any, name: str = "") -> Function:
    """Return the same value at every step of another sequence."""

    def build(x: Any, like: Any) -> Function:
        return apply("ReconcileDynamicAxis", [x, like])

    return as_block_of("Sequence::BroadcastAs", build, [operand, broadcast_as_operand], name)


def _reduced(kind: str, seq: Any, padding: float, name: str = "") -> Function:
    def build(s: Any) -> Function:
        return _one_reduction(kind, unpack(s, padding, no_mask_output=True), [Axis(0)], False)

    return as_block_of("Sequence::ReduceElements", build, [seq], name)


def reduce_sum(seq: Any, name: str = "") -> Function:
    """Sum the steps."""
    return _reduced("Sum", seq, 0, name)


def reduce_max(seq: Any, name: str = "") -> Function:
    """Return the greatest of the steps, number by number."""
    return _reduced("Max", seq, -np.inf, name)


def softmax(seq: Any, name: str = "") -> Function:
    """Return the softmax along the steps, number by number."""

    def build(s: Any) -> Function:
        power = exp(minus(s, broadcast_as(reduce_max(s), s)))
        return element_divide(power, broadcast_as(reduce_sum(power), s))

    return as_block_of("Sequence::Softmax", build, [seq], name)


def unpack(x: Any, padding_value: float, no_mask_output: bool = False, name: str = "") -> Function:
    """Return the steps as the first static axis, padded to the longest, and which of them there are."""
    attributes = {
        "sequenceUnpackPaddingValue": float(padding_value),
        "sequenceUnpackSuppressMaskOutput": bool(no_mask_output),
    }
    return apply("UnpackSequenceOp", [x], attributes, name, outputs=1 if no_mask_output else 2)
