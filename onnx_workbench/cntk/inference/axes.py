"""Dynamic axes of operators on sequences and batches."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.inference.registry import Shape, axes, broadcast, joined_axes, shapes
from onnx_workbench.cntk.value_types import FREE, INFERRED, is_known


def _first(function: Any) -> tuple[Axis, ...]:
    return function.inputs[0].dynamic_axes  # type: ignore[no-any-return]


@shapes("SumAll")
def _sum_all(function: Any) -> Shape:
    return ()


@axes("SumAll")
def _sum_all_axes(function: Any) -> tuple[Axis, ...]:
    return ()


@axes("PastValue", "FutureValue")
def _delay_axes(function: Any) -> tuple[Axis, ...]:
    own = _first(function)
    x, initial = function.inputs
    if own != UNKNOWN_AXES and not any(axis.is_sequence_axis for axis in own):
        raise CntkRuntimeError(
            f"PastValue/FutureValue: the operand '{x}' has no sequence axis, so that there is no step before or after; "
            "make its input with sequence.input_variable."
        )
    if is_known(x.shape) and is_known(initial.shape) and not {INFERRED, FREE} & {*x.shape, *initial.shape}:
        broadcast(function.op_name, [x, initial])
    return own


@axes("UnpackSequenceOp")
def _one_step(function: Any) -> tuple[Axis, ...]:
    return tuple(
        axis for axis in _sequence_axes(function) if not axis.is_sequence_axis or axis in UNKNOWN_AXES
    )


@axes("ConvolutionSequenceShape")
def _of_each_sequence(function: Any) -> tuple[Axis, ...]:
    own = function.inputs[1].dynamic_axes
    return tuple(axis for axis in own if not axis.is_sequence_axis or axis in UNKNOWN_AXES)


@axes("Where")
def _new_sequence(function: Any) -> tuple[Axis, ...]:
    own = _sequence_axes(function)
    if own == UNKNOWN_AXES:
        return own
    new = function.attributes["newDynamicAxes"]
    batch = tuple(axis for axis in own if not axis.is_sequence_axis)
    return batch if new is None else (*batch, new)


def _sequence_axes(function: Any) -> tuple[Axis, ...]:
    own = _first(function)
    if own != UNKNOWN_AXES and not any(axis.is_sequence_axis for axis in own):
        raise CntkValueError(
            f"{function.op_name}: the operand '{function.inputs[0]}' has no sequence axis; make its input with "
            "sequence.input_variable."
        )
    return own


@axes("ScatterPacked")
def _like_the_condition(function: Any) -> tuple[Axis, ...]:
    return function.inputs[2].dynamic_axes  # type: ignore[no-any-return]


@axes("ReconcileDynamicAxis")
def _reconciled(function: Any) -> tuple[Axis, ...]:
    like = function.inputs[1]
    if not like.dynamic_axes:
        raise CntkValueError(
            f"ReconcileDynamicAxis: layout operand '{like}' must have at least one dynamic axis; parameters and "
            "constants have none."
        )
    return like.dynamic_axes  # type: ignore[no-any-return]


@axes("ToSequenceLikeOp", "PackedIndex", "GatherPacked")
def _like_the_second(function: Any) -> tuple[Axis, ...]:
    return function.inputs[1].dynamic_axes  # type: ignore[no-any-return]


@axes("ClassificationError")
def _without_any(function: Any) -> tuple[Axis, ...]:
    return () if len(function.inputs) > 2 else joined_axes(function.inputs)


@axes("ToSequenceOp")
def _to_sequence_axes(function: Any) -> tuple[Axis, ...]:
    own = _first(function)
    return own if own == UNKNOWN_AXES else (*own, function.attributes["newDynamicAxis"])


@axes("UnpackBatchAxis")
def _without_batch(function: Any) -> tuple[Axis, ...]:
    own = _first(function)
    if own != UNKNOWN_AXES and [axis.is_batch_axis for axis in own] != [True]:
        raise CntkRuntimeError(
            f"UnpackBatch: only support input with batch axis and no sequence axis; got '{function.inputs[0]}'."
        )
    return own if own == UNKNOWN_AXES else tuple(axis for axis in own if not axis.is_batch_axis)


@axes("ToBatchAxis")
def _with_batch(function: Any) -> tuple[Axis, ...]:
    own = _first(function)
    if own and own != UNKNOWN_AXES:
        raise CntkRuntimeError(
            f"ToBatch: the input should not have dynamic axis; got '{function.inputs[0]}'."
        )
    return own if own == UNKNOWN_AXES else (Axis.default_batch_axis(), *own)
