"""Shapes and axes of products, reductions and losses."""

from __future__ import annotations

import math
from typing import Any

from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.inference.registry import (
    ELEMENTWISE,
    Shape,
    axes,
    broadcast,
    checked_axis,
    reduced_dynamic_axes,
    shapes,
    static_axes,
    text_of,
)
from onnx_workbench.cntk.value_types import FREE, INFERRED, UNKNOWN_SHAPE, is_known
from onnx_workbench.cntk.variables import Parameter, Variable


@shapes(*ELEMENTWISE)
def _elementwise(function: Any) -> Shape:
    return broadcast(function.op_name, function.inputs)


@shapes("BatchNormalization")
def _batch_normalization(function: Any) -> Shape:
    x, *statistics = function.inputs
    if function.attributes["spatial"]:
        channels = (x.shape[0],)
    else:  # CNTK keeps one flat vector for the statistics of all elements
        channels = x.shape if min(x.shape, default=0) < 0 else (math.prod(x.shape),)
    for one in statistics[:4]:
        if INFERRED in one.shape:
            one.resolve(channels)
    return x.shape  # type: ignore[no-any-return]


@shapes("Times")
def _times(function: Any) -> Shape:
    left, right = function.inputs
    output_rank = function.attributes["outputRank"]
    kept = right.shape[max(right.rank - output_rank, 0) :]
    if not is_known(right.shape) or not is_known(left.shape):
        return UNKNOWN_SHAPE
    reduced = right.rank - output_rank
    _check_map_rank(function.attributes["inferInputRankToMap"], left)
    if INFERRED in right.shape[:reduced]:
        reduced = _fill_in_weights(function, left, right, output_rank)
    elif INFERRED in left.shape and isinstance(left, Parameter):
        filled = [*left.shape[: left.rank - reduced], *right.shape[:reduced]]
        left.resolve(tuple(filled))
    first = left.rank - reduced
    inner, outer = left.shape[max(first, 0) :], right.shape[:reduced]
    agree = len(inner) == len(outer) and all(
        a == b or FREE in (a, b) for a, b in zip(inner, outer, strict=True)
    )
    if first < 0 or not agree:
        raise CntkValueError(
            f"Times: The {reduced} leading dimensions of the right operand with shape '{text_of(right.shape)}' do not "
            f"match the left operand's trailing dimensions with shape '{text_of(left.shape)}'"
        )
    return (*left.shape[:first], *kept)


def _check_map_rank(map_rank: int, left: Any) -> None:
    if map_rank >= max(left.rank, 1) and left.rank:
        raise CntkValueError(
            f"Times: Input map rank ({map_rank}) must be < rank ({left.rank}) of the left operand '{left}'."
        )


def _fill_in_weights(function: Any, left: Variable, right: Any, output_rank: int) -> int:
    """Give weights with an open axis the lengths of what they are multiplied with; return how many axes those are."""
    kept = right.shape[right.rank - output_rank :]
    map_rank = function.attributes["inferInputRankToMap"]
    _check_map_rank(map_rank, left)
    reduced = left.rank - map_rank if map_rank >= 0 else right.rank - output_rank
    if not 0 <= reduced <= left.rank:
        raise CntkRuntimeError(
            f"Times: the left operand '{left}' has {left.rank} axes; expected at least {abs(reduced)} for weights of "
            f"shape '{text_of(right.shape)}'."
        )
    sizes = left.shape[left.rank - reduced :]
    if FREE in sizes:
        raise CntkRuntimeError(
            f"Times: the shape of {right} cannot be inferred from the free axes of {left}."
        )
    right.resolve((*sizes, *kept))
    return int(reduced)


@shapes("TransposeTimes")
def _transpose_times(function: Any) -> Shape:
    left, right = function.inputs
    if right.rank not in {1, 2} or left.rank < 1 or left.shape[-1] != right.shape[-1]:
        raise CntkValueError(
            f"TransposeTimes: the last axes of '{left}' and '{right}' must agree, the right one having one or two axes."
        )
    return (*left.shape[:-1], *(right.shape[:-1] or (1,)))


@shapes("RandomDistribution")
def _random(function: Any) -> Shape:
    return function.inputs[0].shape if function.inputs else tuple(function.attributes["newShape"])


@shapes("RandomSample")
def _samples(function: Any) -> Shape:
    return (function.attributes["numSamples"], *function.inputs[0].shape)


@shapes("Assign")
def _assigned(function: Any) -> Shape:
    target, value = function.inputs
    if INFERRED in target.shape:
        target.resolve(value.shape)
    return value.shape  # type: ignore[no-any-return]


# Reductions


@shapes("ReduceElements")
def _reduce(function: Any) -> Shape:
    shape = function.inputs[0].shape
    along = static_axes(function)
    everything = any(axis is None or not axis.is_static_axis for axis in function.attributes["axisVec"])
    if everything and len(along) == len(shape) and function.attributes["axisVec"] != []:
        return (
            ()
            if any(
                axis is None or axis.name in {"AllStaticAxes", "AllAxes"}
                for axis in function.attributes["axisVec"]
            )
            else shape
        )
    if function.attributes["reductionKeepDimensions"]:
        return tuple(1 if index in along else size for index, size in enumerate(shape))
    return tuple(size for index, size in enumerate(shape) if index not in along)


@axes("ReduceElements")
def _reduce_axes(function: Any) -> tuple[Axis, ...]:
    own = function.inputs[0].dynamic_axes
    if own == UNKNOWN_AXES:
        return UNKNOWN_AXES
    batch, sequence = reduced_dynamic_axes(function)
    for axis in function.attributes["axisVec"]:
        if axis is not None and axis.is_sequence_axis and axis not in own and axis.name != "AllAxes":
            raise CntkValueError(
                f"Reduction along {axis}: the operand '{function.inputs[0]}' has no such axis; it has {own}."
            )
    return tuple(
        axis
        for axis in own
        if not (axis.is_batch_axis and batch) and not (axis.is_sequence_axis and sequence)
    )


@shapes("TopK")
def _top_k(function: Any) -> list[Shape]:
    shape = list(function.inputs[0].shape)
    shape[checked_axis(function.attributes["axis"], len(shape), function)] = function.attributes["numItems"]
    return [tuple(shape)] * 2


@shapes("CrossEntropyWithSoftmax")
def _loss(function: Any) -> Shape:
    if len(function.inputs) > 2:  # among the best: CNTK adds up the batch
        return ()
    x, target = function.inputs
    if (
        is_known(target.shape)
        and target.rank
        and x.rank
        and target.shape[-1] != x.shape[-1]
        and 1
        not in {
            target.shape[-1],
            x.shape[-1],
        }
        and FREE not in {*x.shape, *target.shape}
    ):
        raise CntkRuntimeError(
            f"{function.op_name}: the output '{x}' and the target '{target}' do not have the same shape."
        )
    return (*x.shape[:-1], 1) if x.rank > 1 else (1,)


@shapes("ClassificationError", "LambdaRank", "NDCG", "ForwardBackward")
def _total(_function: Any) -> Shape:
    return ()


@axes("ClassificationError", "EditDistanceError", "NDCG", "LambdaRank", "ForwardBackward")
def _over_the_batch(function: Any) -> tuple[Axis, ...]:
    return UNKNOWN_AXES if function.inputs[0].dynamic_axes == UNKNOWN_AXES else ()


@shapes("CosDistanceWithNegativeSamples")
def _with_negatives(function: Any) -> Shape:
    x, y, _shift, count = function.inputs
    sizes = [math.prod(one.shape) for one in (x, y)]
    if not {FREE, INFERRED} & {*x.shape, *y.shape} and sizes[0] != sizes[1]:
        raise CntkRuntimeError(
            f"{function.op_name}: '{x}' has {sizes[0]} numbers and '{y}' has {sizes[1]}; expected as many."
        )
    return (int(count.value.item()) + 1,)


# Changes of shape


@shapes("OptimizedRNNStack")
def _rnn_stack(function: Any) -> Shape:
    from onnx_workbench.cntk.native.rnn_stacks import stack_of

    x, weights = function.inputs
    stack = stack_of(function.attributes)
    if stack is None:
        raise CntkValueError(f"OptimizedRNNStack: there are no layers such as {function.attributes}.")
    if x.rank != 1:
        raise CntkValueError(
            f"OptimizedRNNStack: input '{x}' must have rank 1; actual input rank is {x.rank}."
        )
    if INFERRED not in x.shape:
        count = stack.count(x.shape[0])
        if INFERRED in weights.shape and isinstance(weights, Parameter):
            weights.resolve((count // stack.hidden, stack.hidden) if weights.rank > 1 else (count,))
        elif math.prod(weights.shape) != count:
            raise CntkValueError(
                f"OptimizedRNNStack: {stack.layers} layers of {stack.hidden} of the kind {stack.kind!r} on '{x}' have "
                f"{count:,} weights and biases; '{weights}' has {math.prod(weights.shape):,}. Give it the shape "
                "(InferredDimension, InferredDimension)."
            )
    return (stack.hidden * stack.directions,)
