"""What shape, dtype and axes each operator's outputs have; lengths of weights left open are filled in here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from onnx_workbench.cntk import windows
from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.variables import (
    FREE,
    INFERRED,
    UNKNOWN_SHAPE,
    Constant,
    Parameter,
    Variable,
    is_known,
)

Shape = tuple[int, ...]
_SHAPES: dict[str, Callable[[Any], Any]] = {}
_AXES: dict[str, Callable[[Any], tuple[Axis, ...]]] = {}
_SAME = """Abs Acos Asin Asinh Atan Atanh Ceil Cos Cosh Not Exp Floor Log Negate Reciprocal ReLU StableSigmoid Sigmoid
Sin Sinh SoftSign Sqrt StraightThrough Tan Tanh ELU Dropout Cast NoOp StopGradient Softmax LogSoftmax Hardmax
ConstantOp PastValue FutureValue GatherPacked ScatterPacked ReconcileDynamicAxis Pass EyeLikeOp
BernoulliLike GumbelLike NormalLike UniformLike"""
_ELEMENTWISE = (
    """Plus Minus ElementTimes LogPlus Pow Equal NotEqual Less LessEqual Greater GreaterEqual Select Clip"""
)
_LENIENT = set(_ELEMENTWISE.split())
_SCALAR = {"Where", "PackedIndex", "Logistic", "CosDistance", "NDCG", "EditDistanceError"}


def shapes(*op_names: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register how the shapes of some operators' outputs follow from the operands."""

    def register(rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
        _SHAPES.update(dict.fromkeys(op_names, rule))
        return rule

    return register


def axes(*op_names: str) -> Callable[[Callable[[Any], tuple[Axis, ...]]], Callable[[Any], tuple[Axis, ...]]]:
    """Register how the dynamic axes of some operators' outputs follow from the operands."""

    def register(rule: Callable[[Any], tuple[Axis, ...]]) -> Callable[[Any], tuple[Axis, ...]]:
        _AXES.update(dict.fromkeys(op_names, rule))
        return rule

    return register


def infer(function: Any, *, lenient: bool) -> bool:
    """Work out the outputs of a primitive again; tell whether they changed.

    `lenient` takes an operand of unknown shape for one like the others, as in recurrences.
    """
    if function.op_name == "Combine":
        return False
    if function.is_block:
        return _infer_block(function, lenient=lenient)
    if "outputShapes" in function.attributes:
        return _infer_onnx_node(function)
    found = _shapes_of(function, lenient=lenient)
    dynamic = _axes_of(function, lenient=lenient)
    dtype = _dtype_of(function)
    gradient = any(operand.needs_gradient for operand in function.inputs)
    changed = False
    for output, shape in zip(function._made, found, strict=True):
        changed |= _set(output, shape, dynamic, dtype, gradient)
    return changed


def _set(output: Variable, shape: Shape, dynamic: tuple[Axis, ...], dtype: Any, gradient: bool) -> bool:
    before = (output._shape, output._axes, output._dtype)
    output._shape, output._axes, output._dtype = shape, dynamic, dtype
    output.needs_gradient = gradient
    return before != (shape, dynamic, dtype)


def _infer_onnx_node(function: Any) -> bool:
    """Take what ONNX's shape inference found when the model was imported."""
    found = zip(*(function.attributes[f"output{what}"] for what in ("Shapes", "Axes", "Dtypes")), strict=True)
    gradient = any(operand.needs_gradient for operand in function.inputs)
    changed = False
    for output, (shape, batch, dtype) in zip(function._made, found, strict=True):
        axes = (Axis.default_batch_axis(),) if batch else ()
        changed |= _set(output, tuple(shape), axes, np.dtype(dtype).type, gradient)
    return changed


def _infer_block(function: Any, *, lenient: bool) -> bool:
    from onnx_workbench.cntk.graph import functions_below

    for inner, outer in function._block_map:
        inner._shape, inner._axes, inner._dtype = outer._shape, outer._axes, outer._dtype
        inner._name, inner.needs_gradient = outer._name, outer.needs_gradient
    order = functions_below([function.block_root])
    for one in order:
        one.infer(lenient=lenient)
    for inner, outer in function._block_map:
        if INFERRED in outer.shape and INFERRED not in inner.shape:
            outer.resolve(inner.shape)
    changed = False
    for output, inner in zip(function._made, function.block_composite.outputs, strict=True):
        changed |= _set(output, inner._shape, inner._axes, inner._dtype, inner.needs_gradient)
    return changed


def _dtype_of(function: Any) -> Any:
    if function.op_name == "Cast":
        return np.dtype(function.attributes["newDataType"]).type
    known = [one._dtype for one in function.inputs if one._dtype is not None]
    if function.op_name == "BatchNormalization":
        return known[0] if function.inputs[0]._dtype is not None else None
    wide = [dtype for dtype in known if dtype not in {np.int8, np.int16}]
    return (wide or known or [None])[0]


def _shapes_of(function: Any, *, lenient: bool) -> list[Shape]:
    operands = function.inputs
    name = function.op_name
    if name in _SCALAR:
        return [()]
    if name != "Times" and any(not is_known(one.shape) for one in operands):
        known = [one for one in operands if is_known(one.shape)]
        if not (lenient and name in _LENIENT and known):
            return [UNKNOWN_SHAPE] * len(function._made)
        return [_broadcast(name, known)]
    rule = _SHAPES.get(name)
    found = rule(function) if rule else operands[0].shape
    return found if isinstance(found, list) else [found]


def _axes_of(function: Any, *, lenient: bool) -> tuple[Axis, ...]:
    if function.op_name in _AXES:
        return _AXES[function.op_name](function)
    return joined_axes(function.inputs, lenient=lenient)


def joined_axes(operands: Any, *, lenient: bool = False) -> tuple[Axis, ...]:
    """Return the dynamic axes of something made of several operands: the most that one of them has."""
    unknown = any(one.dynamic_axes == UNKNOWN_AXES for one in operands)
    known = [one.dynamic_axes for one in operands if one.dynamic_axes != UNKNOWN_AXES]
    if unknown and not (lenient and any(known)):
        return UNKNOWN_AXES
    longest: tuple[Axis, ...] = max(known, key=len, default=())
    for one in known:
        if one and len(one) == len(longest) and one != longest:
            raise CntkRuntimeError(
                f"Operands have different dynamic axes: {one} and {longest}. Sequences of different inputs may have "
                "different lengths: give them the same axis, or use reconcile_dynamic_axes."
            )
    return longest


def _broadcast(name: str, operands: Any) -> Shape:
    """Return the shape of operands of which any axis of length 1 is repeated; weights left open are filled in."""
    rank = max(one.rank for one in operands)
    found: list[int] = []
    for position in range(rank):
        sizes = [one.shape[position - rank + one.rank] for one in operands if position - rank + one.rank >= 0]
        wide = {size for size in sizes if size not in {1, INFERRED}}
        fixed = wide - {FREE}
        if len(fixed) > 1:
            left, right = operands[0], operands[-1]
            raise CntkRuntimeError(
                f"Binary elementwise operation {name}: Left operand '{left}' shape '{_text(left.shape)}' is not "
                f"compatible with right operand '{right}' shape '{_text(right.shape)}'."
            )
        found.append((fixed or wide or {INFERRED if INFERRED in sizes else 1}).pop())
    for one in operands:
        if INFERRED in one.shape and (one.is_placeholder or isinstance(one, Parameter | Constant)):
            tail = found[len(found) - one.rank :]
            one.resolve(
                tuple(size if own == INFERRED else own for own, size in zip(one.shape, tail, strict=True))
            )
    return tuple(found)


def _text(shape: Shape) -> str:
    return f"[{' x '.join(str(size) for size in shape)}]"


@shapes(*_ELEMENTWISE.split())
def _elementwise(function: Any) -> Shape:
    return _broadcast(function.op_name, function.inputs)


@shapes("BatchNormalization")
def _batch_normalization(function: Any) -> Shape:
    x, *statistics = function.inputs
    channels = (x.shape[0],) if function.attributes["spatial"] else x.shape
    for one in statistics[:4]:
        if INFERRED in one.shape:
            one.resolve(channels)
    return x.shape  # type: ignore[no-any-return]


@shapes("Times")
def _times(function: Any) -> Shape:
    left, right = function.inputs
    output_rank = function.attributes["outputRank"]
    kept = right.shape[max(right.rank - output_rank, 0) :]
    if not is_known(right.shape):
        return UNKNOWN_SHAPE
    if not is_known(left.shape):
        # a recurrence is closed later: what comes in may be a vector
        reduced = right.rank - output_rank
        return kept if reduced <= 1 and INFERRED not in right.shape else UNKNOWN_SHAPE
    reduced = right.rank - output_rank
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
            f"Times: The {reduced} leading dimensions of the right operand with shape '{_text(right.shape)}' do not "
            f"match the left operand's trailing dimensions with shape '{_text(left.shape)}'"
        )
    return (*left.shape[:first], *kept)


def _fill_in_weights(function: Any, left: Variable, right: Any, output_rank: int) -> int:
    """Give weights with an open axis the lengths of what they are multiplied with; return how many axes those are."""
    kept = right.shape[right.rank - output_rank :]
    map_rank = function.attributes["inferInputRankToMap"]
    reduced = left.rank - map_rank if map_rank >= 0 else right.rank - output_rank
    if not 0 <= reduced <= left.rank:
        raise CntkValueError(
            f"Times: the left operand '{left}' has {left.rank} axes; expected at least {abs(reduced)} for weights of "
            f"shape '{_text(right.shape)}'."
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


# Reductions


def static_axes(function: Any, *, what: Any = None) -> list[int]:
    """Return the static axes that a reduction works along, from the front."""
    rank = function.inputs[0].rank
    found = what if what is not None else function.attributes["axisVec"]
    indices: list[int] = []
    for axis in found:
        if axis is None or axis.name in {"AllStaticAxes", "AllAxes"}:
            indices += range(rank)
        elif axis.is_static_axis:
            indices.append(_checked(axis, rank, function))
    return sorted(set(indices))


def _checked(axis: Axis, rank: int, function: Any) -> int:
    index = axis.static_axis_index()
    if not -rank <= index < rank:
        raise CntkValueError(
            f"{function.op_name}: axis {index} is out of range for the operand '{function.inputs[0]}' with {rank} "
            "static axes."
        )
    return index % rank


def reduced_dynamic_axes(function: Any) -> tuple[bool, bool]:
    """Return whether a reduction works along the batch, and along the sequence."""
    names = [axis for axis in function.attributes["axisVec"] if axis is not None]
    everything = any(axis.name == "AllAxes" for axis in names)
    batch = everything or any(axis.is_batch_axis for axis in names)
    sequence = everything or any(axis.is_sequence_axis for axis in names)
    return batch, sequence


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
    return tuple(
        axis
        for axis in own
        if not (axis.is_batch_axis and batch) and not (axis.is_sequence_axis and sequence)
    )


@shapes("TopK")
def _top_k(function: Any) -> list[Shape]:
    shape = list(function.inputs[0].shape)
    shape[_checked(function.attributes["axis"], len(shape), function)] = function.attributes["numItems"]
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


@shapes("ClassificationError", "LambdaRank", "NDCG")
def _total(_function: Any) -> Shape:
    return ()


@axes("ClassificationError", "EditDistanceError", "NDCG", "LambdaRank")
def _over_the_batch(function: Any) -> tuple[Axis, ...]:
    return UNKNOWN_AXES if function.inputs[0].dynamic_axes == UNKNOWN_AXES else ()


# Changes of shape


@shapes("Reshape")
def _reshape(function: Any) -> Shape:
    shape = function.inputs[0].shape
    begin, end = reshaped_axes(function)
    replaced, new = shape[begin:end], function.attributes["newShape"]
    if INFERRED in new:
        rest = math.prod(size for size in new if size != INFERRED)
        size = math.prod(replaced)
        if FREE in replaced:
            length = FREE
        elif not rest or size % rest:
            raise CntkValueError(
                f"Reshape: '{_text(replaced)}' of '{function.inputs[0]}' cannot become '{_text(new)}': {size} "
                f"numbers are no multiple of {rest}."
            )
        else:
            length = size // rest
        new = tuple(length if size == INFERRED else size for size in new)
    elif FREE not in (*new, *replaced) and math.prod(new) != math.prod(replaced):
        raise CntkRuntimeError(
            f"Reshape: '{_text(replaced)}' of '{function.inputs[0]}' cannot become '{_text(new)}': "
            f"{math.prod(replaced)} numbers are not {math.prod(new)}."
        )
    return (*shape[:begin], *new, *shape[end:])


def reshaped_axes(function: Any) -> tuple[int, int]:
    """Return the first axis that a reshape replaces, and the first one after."""
    rank = function.inputs[0].rank

    def place(axis: Axis | None, default: int) -> int:
        if axis is None or axis.name == "EndStaticAxis":
            return default
        index = axis.static_axis_index()
        if not -rank <= index <= rank:
            raise CntkValueError(f"Reshape: axis {index} is out of range for '{function.inputs[0]}'.")
        return index + rank if index < 0 else index

    begin = function.attributes["beginAxis"]
    first = rank if begin is not None and begin.name == "EndStaticAxis" else place(begin, 0)
    return first, place(function.attributes["endAxis"], rank)


@shapes("Squeeze")
def _squeeze(function: Any) -> Shape:
    shape, which = function.inputs[0].shape, function.attributes["axisVec"]
    along = [i for i, size in enumerate(shape) if size == 1] if which is None else static_axes(function)
    return tuple(size for index, size in enumerate(shape) if index not in along)


@shapes("Flatten")
def _flatten(function: Any) -> Shape:
    shape, axis = function.inputs[0].shape, function.attributes["axis"]
    at = 0 if axis is None else axis.static_axis_index()
    at = at + len(shape) + 1 if at < 0 else at
    return tuple(FREE if FREE in part else math.prod(part) for part in (shape[:at], shape[at:]))


@shapes("TransposeAxes")
def _transpose(function: Any) -> Shape:
    shape = function.inputs[0].shape
    return tuple(shape[index] for index in permutation(function))


def permutation(function: Any) -> list[int]:
    """Return the order of axes that a transposition makes."""
    rank = function.inputs[0].rank
    if "axisVec" in function.attributes:
        order = function.attributes["axisVec"]
        if len(order) != rank:
            raise CntkValueError(
                f"transpose: perm {order} names {len(order)} axes; the operand '{function.inputs[0]}' has {rank}."
            )
        return list(order)
    order = list(range(rank))
    one, other = (_checked(function.attributes[name], rank, function) for name in ("axis1", "axis2"))
    order[one], order[other] = order[other], order[one]
    return order


@shapes("Splice")
def _splice(function: Any) -> Shape:
    rank = max(one.rank for one in function.inputs)
    at = spliced_axis(function)
    front = at < 0
    parts = [(1,) * (rank - one.rank) + one.shape for one in function.inputs]
    if front:
        parts, at = [(1,) * -at + part if len(part) == rank else part for part in parts], 0
        parts = [(1, *part[1:]) for part in parts]
    sizes = [part[at] for part in parts]
    whole = [max(column) if FREE not in column else FREE for column in zip(*parts, strict=True)]
    for part in parts:
        for index, size in enumerate(part):
            if index != at and size not in {1, whole[index]}:
                raise CntkRuntimeError(
                    f"Splice: the operands {', '.join(map(str, function.inputs))} do not agree but along axis {at}."
                )
    whole[at] = FREE if FREE in sizes else sum(sizes)
    return tuple(whole)


def spliced_axis(function: Any) -> int:
    """Return along which axis operands are put together; negative: so many new ones in front."""
    axis = function.attributes["axis"]
    rank = max(one.rank for one in function.inputs)
    index = axis.static_axis_index(False) if axis.is_static_axis else 0
    return int(index if index >= 0 else index + rank)


@shapes("Slice")
def _slice(function: Any) -> Shape:
    shape = list(function.inputs[0].shape)
    for index, begin, end, step in slices(function):
        size = shape[index]
        if size == FREE:
            continue
        start = begin + size if begin < 0 else begin
        stop = end + size if end <= 0 else end
        if not 0 <= start < stop <= size:
            raise CntkRuntimeError(
                f"Slice operation: Index range [{begin},{end}), that is [{start},{stop}), is invalid for input's "
                f"shape '{_text(function.inputs[0].shape)}' along axis {index}."
            )
        shape[index] = -(-(stop - start) // abs(step))
    return tuple(shape)


def slices(function: Any) -> list[tuple[int, int, int, int]]:
    """Return axis, begin, end and step of each static axis that is sliced."""
    attributes = function.attributes
    parts = zip(
        attributes["axisVec"],
        attributes["beginIndexVec"],
        attributes["endIndexVec"],
        attributes["sliceStridesVec"],
        strict=True,
    )
    rank = function.inputs[0].rank
    return [
        (_checked(axis, rank, function), begin, end, step)
        for axis, begin, end, step in parts
        if axis.is_static_axis
    ]


@shapes("Pad")
def _pad(function: Any) -> Shape:
    head, foot = function.attributes["paddingHead"], function.attributes["paddingFoot"]
    shape = function.inputs[0].shape
    if len(head) != len(shape):
        raise CntkValueError(
            f"Pad: the pattern names {len(head)} axes; the operand '{function.inputs[0]}' has {len(shape)}."
        )
    return tuple(size if size == FREE else size + a + b for size, a, b in zip(shape, head, foot, strict=True))


@shapes("OneHotOp")
def _one_hot(function: Any) -> Shape:
    shape = list(function.inputs[0].shape)
    shape.insert(one_hot_axis(function), function.attributes["numClass"])
    return tuple(shape)


def one_hot_axis(function: Any) -> int:
    """Return where the axis of the classes is inserted."""
    index = function.attributes["oneHotAxis"].static_axis_index()
    return index if index >= 0 else function.inputs[0].rank + 1 + index  # type: ignore[no-any-return]


@shapes("Gather")
def _gather(function: Any) -> Shape:
    reference, indices = function.inputs
    axis = function.attributes["axis"]
    at = 0 if axis is None else _checked(axis, reference.rank, function)
    return (*reference.shape[:at], *indices.shape, *reference.shape[at + 1 :])


@shapes("UnpackBatchAxis")
def _unpack_batch(function: Any) -> Shape:
    return (FREE, *function.inputs[0].shape)


@shapes("ToBatchAxis", "ToSequenceOp", "ToSequenceLike")
def _to_batch(function: Any) -> Shape:
    return function.inputs[0].shape[1:]  # type: ignore[no-any-return]


@shapes("UnpackSequenceOp")
def _unpack_sequence(function: Any) -> list[Shape]:
    return [(FREE, *function.inputs[0].shape), (FREE,)][: len(function._made)]


@shapes("Crop")
def _crop(function: Any) -> Shape:
    x, referent = function.inputs
    return (*x.shape[:-2], *referent.shape[-2:])


@shapes("Assign")
def _assign(function: Any) -> Shape:
    return function.inputs[0].shape  # type: ignore[no-any-return]


@shapes("Convolution")
def _convolution(function: Any) -> Shape:
    return windows.convolution_shape(function)


@shapes("Pooling")
def _pooling(function: Any) -> Shape:
    return windows.pooling_shape(function)


@shapes("Unpooling")
def _unpooling(function: Any) -> Shape:
    return function.inputs[1].shape  # type: ignore[no-any-return]


@shapes("ROIPooling")
def _roi_pooling(function: Any) -> Shape:
    x, rois = function.inputs
    return (*rois.shape[:-1], x.shape[0], *function.attributes["roiOutputShape"])


# Dynamic axes


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
    return _first(function)


@axes("UnpackSequenceOp")
def _one_step(function: Any) -> tuple[Axis, ...]:
    return tuple(
        axis for axis in _sequence_axes(function) if not axis.is_sequence_axis or axis in UNKNOWN_AXES
    )


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


@axes("ReconcileDynamicAxis", "ToSequenceLike", "PackedIndex", "GatherPacked")
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
    return own if own == UNKNOWN_AXES else tuple(axis for axis in own if not axis.is_batch_axis)


@axes("ToBatchAxis")
def _with_batch(function: Any) -> tuple[Axis, ...]:
    own = _first(function)
    return own if own == UNKNOWN_AXES else (Axis.default_batch_axis(), *own)
