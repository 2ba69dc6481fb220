"""Operators on whole arrays: products, reductions, and changes of shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import Axis, axis_of
from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError
from onnx_workbench.cntk.ops.composition import combine
from onnx_workbench.cntk.ops.elementwise import element_divide, exp, log, minus
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, as_block_of, operand
from onnx_workbench.cntk.variables import Constant, is_known, shape_of

__all__ = [
    "CONSTANT_PAD",
    "REFLECT_PAD",
    "SYMMETRIC_PAD",
    "TIMES_NO_INFERRED_INPUT_RANK",
    "TIMES_REDUCE_SEQUENCE_AXIS_WITHOUT_INFERRED_INPUT_RANK",
    "argmax",
    "argmin",
    "crop_manual",
    "depth_to_space",
    "expand_dims",
    "eye_like",
    "flatten",
    "gather",
    "hardmax",
    "image_scaler",
    "log_softmax",
    "mean_variance_normalization",
    "one_hot",
    "ones_like",
    "pad",
    "per_dim_mean_variance_normalize",
    "reduce_l1",
    "reduce_l2",
    "reduce_log_sum_exp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "reduce_sum_square",
    "reshape",
    "slice",
    "softmax",
    "space_to_depth",
    "splice",
    "squeeze",
    "swapaxes",
    "times",
    "times_transpose",
    "to_batch",
    "top_k",
    "transpose",
    "unpack_batch",
    "zeros_like",
]  # fmt: skip

TIMES_NO_INFERRED_INPUT_RANK = -1
TIMES_REDUCE_SEQUENCE_AXIS_WITHOUT_INFERRED_INPUT_RANK = -2
CONSTANT_PAD, REFLECT_PAD, SYMMETRIC_PAD = 0, 1, 2


def static_axis(axis: Any, rank: int) -> int:
    """Return the index of a static axis, counted from the front.

    Raises
    ------
    ValueError
        If there is no such axis.
    """
    index = axis.static_axis_index() if isinstance(axis, Axis) else int(axis)
    if not -rank <= index < rank:
        raise CntkValueError(f"Axis {index} is out of range for an operand with {rank} static axes.")
    return index % rank


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


def _one_reduction(kind: str, x: Any, axes: list[Any], keepdims: bool = True, name: str = "") -> Function:
    attributes = {"reductionOpName": kind, "axisVec": axes, "reductionKeepDimensions": keepdims}
    return apply("ReduceElements", [x], attributes, name)


def _reduce(kind: str, x: Any, axis: Any, keepdims: bool, name: str) -> Function:
    """Return a reduction as CNTK has it: a block, in which static and dynamic axes are reduced one after the other."""
    axes = [axis_of(one) for one in (axis if isinstance(axis, list | tuple) else [axis])]
    whole = {None, "AllStaticAxes", "AllAxes"}
    if len(axes) == 1 and (axes[0] is None or axes[0].name in whole):
        one = Axis.all_static_axes() if axes[0] is None else axes[0]
        return as_block_of("ReduceElements", lambda a: _one_reduction(kind, a, [one]), [x], name)
    static = [one for one in axes if one is not None and one.is_static_axis]
    parts = {
        "_static_axes_subop": static,
        "_sequence_axes_subop": [one for one in axes if one is not None and one.is_sequence_axis],
        "_batch_axes_subop": [one for one in axes if one is not None and one.is_batch_axis],
    }

    def steps(a: Any) -> Function:
        for called, some in parts.items():
            a = _one_reduction(kind, a, some, True, called) if some else a
        return a  # type: ignore[no-any-return]

    def build(a: Any) -> Function:
        reduced = as_block_of("MultiAxisReduce", steps, [a])
        if keepdims or not static:
            return reduced
        rank = a.rank
        gone = {one.static_axis_index() % rank for one in static}
        return reshape(reduced, tuple(size for index, size in enumerate(a.shape) if index not in gone))

    if not is_known(operand(x).shape) and not keepdims:
        return _one_reduction(kind, x, axes, False, name)
    return as_block_of("ReduceElements", build, [x], name)


def reduce_sum(x: Any, axis: Any = None, keepdims: bool = True, name: str = "") -> Function:
    """Sum over axes: one, several, all static ones (None), or `Axis.all_axes()`, the batch included."""
    return _reduce("Sum", x, axis, keepdims, name)


def reduce_mean(x: Any, axis: Any = None, keepdims: bool = True, name: str = "") -> Function:
    """Average over axes."""
    return _reduce("Mean", x, axis, keepdims, name)


def reduce_max(x: Any, axis: Any = None, keepdims: bool = True, name: str = "") -> Function:
    """Return the greatest along axes."""
    return _reduce("Max", x, axis, keepdims, name)


def reduce_min(x: Any, axis: Any = None, keepdims: bool = True, name: str = "") -> Function:
    """Return the least along axes."""
    return _reduce("Min", x, axis, keepdims, name)


def reduce_prod(x: Any, axis: Any = None, keepdims: bool = True, name: str = "") -> Function:
    """Multiply along axes."""
    return _reduce("Prod", x, axis, keepdims, name)


def reduce_log_sum_exp(x: Any, axis: Any = None, keepdims: bool = True, name: str = "") -> Function:
    """Return log(sum(exp(x))) along axes."""
    return _reduce("LogSum", x, axis, keepdims, name)


def reduce_l1(x: Any, axis: Any = None, keepdims: bool = True, name: str = "") -> Function:
    """Sum absolute values along axes."""
    from onnx_workbench.cntk.ops import elementwise

    return as_block_of(
        "ReduceL1", lambda a: reduce_sum(elementwise.abs(a), axis=axis, keepdims=keepdims), [x], name
    )


def reduce_l2(x: Any, axis: Any = None, keepdims: bool = True, name: str = "") -> Function:
    """Return the Euclidean length along axes."""
    from onnx_workbench.cntk.ops import elementwise

    def build(a: Any) -> Function:
        return elementwise.sqrt(reduce_sum_square(a, axis=axis, keepdims=keepdims))  # type: ignore[no-any-return]

    return as_block_of("ReduceL2", build, [x], name)


def reduce_sum_square(x: Any, axis: Any = None, keepdims: bool = True, name: str = "") -> Function:
    """Sum squares along axes."""
    from onnx_workbench.cntk.ops import elementwise

    def build(a: Any) -> Function:
        return reduce_sum(elementwise.element_times(a, a), axis=axis, keepdims=keepdims)

    return as_block_of("ReduceSumSquare", build, [x], name)


def argmax(x: Any, axis: Any = None, name: str = "") -> Function:
    """Return where the greatest is, along one axis or over all."""
    return _one_reduction("Argmax", x, [axis_of(axis)], True, name)


def argmin(x: Any, axis: Any = None, name: str = "") -> Function:
    """Return where the least is, along one axis or over all."""
    return _one_reduction("Argmin", x, [axis_of(axis)], True, name)


def top_k(x: Any, k: int, axis: Any = -1, name: str = "") -> Function:
    """Return the k greatest along an axis and where they are."""
    return apply("TopK", [x], {"axis": axis_of(axis), "numItems": int(k)}, name, outputs=2)


def softmax(x: Any, axis: Any = None, name: str = "") -> Function:
    """Return exp(x) / sum(exp(x)), along an axis or over all static axes together."""
    found = axis_of(axis)
    if found is None or (found.is_static_axis and operand(x).rank == 1):
        return apply("Softmax", [x], name=name)

    def build(a: Any) -> Function:
        power = exp(minus(a, _one_reduction("Max", a, [found])))
        return element_divide(power, _one_reduction("Sum", power, [found]))

    return as_block_of("Softmax", build, [x], name)


def log_softmax(x: Any, axis: Any = None, name: str = "") -> Function:
    """Return the logarithm of softmax along an axis, the last one if none is given."""
    found = Axis(-1) if axis is None else axis_of(axis)

    def build(a: Any) -> Function:
        greatest = _one_reduction("Max", a, [found])
        power = exp(minus(a, greatest))
        return minus(minus(a, greatest), log(_one_reduction("Sum", power, [found])))  # type: ignore[no-any-return]

    return as_block_of("LogSoftmax", build, [x], name)


def hardmax(x: Any, name: str = "") -> Function:
    """Return 1 where the greatest of all is, 0 elsewhere."""
    return apply("Hardmax", [x], name=name)


# Shapes


def reshape(x: Any, shape: Any, begin_axis: Any = None, end_axis: Any = None, name: str = "") -> Function:
    """Return the numbers in another shape, or with some axes replaced.

    Parameters
    ----------
    x
        Operand.
    shape
        What replaces the axes; one may be -1.
    begin_axis, end_axis
        The axes replaced, the second one exclusive; all if not given.
    name
        Name of the result.
    """
    begin, end = axis_of(begin_axis), axis_of(end_axis)
    return apply("Reshape", [x], {"newShape": shape_of(shape), "beginAxis": begin, "endAxis": end}, name)


def squeeze(x: Any, axes: Any = None, name: str = "") -> Function:
    """Remove axes of length 1, all or some."""
    found = (
        None if axes is None else [axis_of(a) for a in (axes if isinstance(axes, list | tuple) else [axes])]
    )
    return apply("Squeeze", [x], {"axisVec": found}, name)


def expand_dims(x: Any, axis: Any, name: str = "") -> Function:
    """Insert an axis of length 1: before the first axis for 0, after the axis named otherwise, as CNTK does."""
    found = axis_of(axis) or Axis(0)

    def build(a: Any) -> Function:
        at = _inserted_at(found, a)
        return reshape(a, (1,), at if at < a.rank else Axis.new_leading_axis(), at if at < a.rank else None)

    return as_block_of("ExpandDims", build, [x], name)


def _inserted_at(axis: Axis, x: Any) -> int:
    if axis.name == "EndStaticAxis":
        return 0
    rank, index = x.rank, axis.static_axis_index()
    if not -rank - 1 <= index < rank:
        raise CntkValueError(f"Axis '{axis}' is out of bounds for the rank '{rank}' it applies to.")
    return index + 1 if index > 0 else rank + 1 + index if index < 0 else 0


def flatten(x: Any, axis: Any = None, name: str = "") -> Function:
    """Return a matrix: the axes before `axis`, and those from it on."""
    return apply("Flatten", [x], {"axis": axis_of(axis)}, name)


def transpose(x: Any, perm: Any, name: str = "") -> Function:
    """Return the axes in another order.

    Raises
    ------
    TypeError
        If `perm` is one axis: to swap two, use `swapaxes`.
    ValueError
        If `perm` is no permutation.
    """
    if isinstance(perm, int | Axis):
        raise CntkTypeError("transpose expects a permutation; to swap two axes use swapaxes")
    order = [axis.static_axis_index() if isinstance(axis, Axis) else int(axis) for axis in perm]
    if sorted(index % len(order) for index in order) != list(range(len(order))):
        raise CntkValueError(f"transpose: perm = {tuple(order)} is no permutation of the axes.")
    return apply("TransposeAxes", [x], {"axisVec": [index % len(order) for index in order]}, name)


def swapaxes(x: Any, axis1: Any = 0, axis2: Any = 1, name: str = "") -> Function:
    """Swap two axes."""
    return apply("TransposeAxes", [x], {"axis1": axis_of(axis1), "axis2": axis_of(axis2)}, name)


def splice(*inputs: Any, axis: Any = -1, name: str = "") -> Function:
    """Concatenate along an axis; one that is not there yet is inserted in front."""
    if len(inputs) == 1 and isinstance(inputs[0], list | tuple):
        inputs = tuple(inputs[0])
    if len(inputs) == 1:
        return combine([inputs[0]])
    return apply("Splice", list(inputs), {"axis": axis_of(axis)}, name)


def slice(
    x: Any, axis: Any, begin_index: Any, end_index: Any, strides: Any = None, name: str = ""
) -> Function:
    """Return part of an operand along one axis or several; an end of 0 is the end.

    Parameters
    ----------
    x
        Operand.
    axis, begin_index, end_index, strides
        One of each, or lists of the same length.
    name
        Name of the result.
    """
    axes = [axis_of(one) for one in (axis if isinstance(axis, list | tuple) else [axis])]
    begin, end = shape_of(begin_index), shape_of(end_index)
    steps = (1,) * len(axes) if strides is None else shape_of(strides)
    if not len(axes) == len(begin) == len(end) == len(steps):
        raise CntkValueError(
            f"slice: there are {len(axes)} axes, {len(begin)} begins, {len(end)} ends and {len(steps)} strides; "
            "expected as many of each."
        )
    attributes = {"axisVec": axes, "beginIndexVec": begin, "endIndexVec": end, "sliceStridesVec": steps}
    return apply("Slice", [x], attributes, name)


def pad(
    x: Any, pattern: Any, mode: int = CONSTANT_PAD, constant_value: float = 0, name: str = ""
) -> Function:
    """Pad every axis by a pair of lengths, with a number or by reflection.

    Raises
    ------
    ValueError
        If the pattern is no list of pairs.
    """
    if any(len(pair) != 2 for pair in pattern):
        raise CntkValueError("padding pattern should be a integer list with shape [n, 2]")
    attributes = {
        "paddingHead": [int(pair[0]) for pair in pattern],
        "paddingFoot": [int(pair[1]) for pair in pattern],
        "paddingMode": int(mode),
        "paddingConstantValue": float(constant_value),
    }
    return apply("Pad", [x], attributes, name)


def one_hot(
    x: Any, num_classes: int, sparse_output: bool = False, axis: Any = -1, name: str = ""
) -> Function:
    """Return a 1 in the place that each number names, along a new axis."""
    attributes = {
        "numClass": int(num_classes),
        "oneHotOutputSparse": sparse_output,
        "oneHotAxis": axis_of(axis),
    }
    return apply("OneHotOp", [x], attributes, name)


def gather(reference: Any, indices: Any, axis: Any = None, name: str = "") -> Function:
    """Return the parts of a reference that indices name, along its first axis or another."""
    return apply("Gather", [reference, indices], {"axis": axis_of(axis)}, name)


def unpack_batch(x: Any, name: str = "") -> Function:
    """Return the batch as the first static axis."""
    return apply("UnpackBatchAxis", [x], name=name)


def to_batch(x: Any, name: str = "") -> Function:
    """Return the first static axis as the batch."""
    return apply("ToBatchAxis", [x], name=name)


def depth_to_space(operand: Any, block_size: int, name: str = "") -> Function:
    """Move blocks of channels into space: (c b b, h, w) becomes (c, h b, w b), the blocks' axes counting first."""
    size = _block_size(block_size)
    channels, height, width = _picture("DepthToSpace", operand)
    if channels % (size * size):
        raise CntkValueError(
            f"DepthToSpace: {channels} channels are no multiple of {size * size}, block_size squared."
        )
    depth = channels // (size * size)

    def build(x: Any) -> Function:
        parts = transpose(reshape(x, (size, size, depth, height, width)), (2, 3, 0, 4, 1))
        return reshape(
            reshape(parts, (depth, height * size, width, size)), (depth, height * size, width * size)
        )

    return as_block_of("DepthToSpace", build, [operand], name)


def space_to_depth(operand: Any, block_size: int, name: str = "") -> Function:
    """Move blocks of space into channels, which `depth_to_space` moves back."""
    size = _block_size(block_size)
    channels, height, width = _picture("SpaceToDepth", operand)
    if height % size or width % size:
        raise CntkValueError(
            f"SpaceToDepth: height {height} and width {width} are no multiples of block_size {size}."
        )
    rows, columns = height // size, width // size

    def build(x: Any) -> Function:
        parts = reshape(reshape(x, (channels, height, columns, size)), (channels, rows, size, columns, size))
        return reshape(transpose(parts, (2, 4, 0, 1, 3)), (channels * size * size, rows, columns))

    return as_block_of("SpaceToDepth", build, [operand], name)


def _block_size(block_size: Any) -> int:
    if not float(block_size).is_integer() or block_size < 1:
        raise CntkValueError(f"block_size must be an integer; got {block_size}.")
    return int(block_size)


def _picture(op_name: str, x: Any) -> tuple[int, int, int]:
    variable = _variable(x)
    if variable.rank != 3 or min(variable.shape) < 1:
        raise CntkValueError(f"{op_name}: expected (channels, height, width); got '{variable}'.")
    channels, height, width = variable.shape
    return channels, height, width


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


def crop_manual(
    node_input: Any, node_referent: Any, offset_x: int, offset_y: int, name: str = ""
) -> Function:
    """Return a part as large as the referent, from an offset."""
    return apply("Crop", [node_input, node_referent], {"offset": [int(offset_x), int(offset_y)]}, name)


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
