"""Reductions, and what chooses along an axis: maximum, softmax, the best few."""

from __future__ import annotations

import numbers
from typing import Any

from onnx_workbench.cntk.axis import Axis, axis_of
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.ops.composition import combine
from onnx_workbench.cntk.ops.elementwise import element_divide, exp, log, minus
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, as_block_of, operand
from onnx_workbench.cntk.ops.reshaping import reshape, swapaxes
from onnx_workbench.cntk.value_types import is_known

__all__ = [
    "argmax",
    "argmin",
    "hardmax",
    "log_softmax",
    "reduce_l1",
    "reduce_l2",
    "reduce_log_sum_exp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "reduce_sum_square",
    "softmax",
    "top_k",
]  # fmt: skip


def _one_reduction(kind: str, x: Any, axes: list[Any], keepdims: bool = True, name: str = "") -> Function:
    attributes = {"reductionOpName": kind, "axisVec": axes, "reductionKeepDimensions": keepdims}
    return apply("ReduceElements", [x], attributes, name)


def _reduce(kind: str, x: Any, axis: Any, keepdims: bool, name: str) -> Function:
    """Return a reduction as CNTK has it: a block, in which static and dynamic axes are reduced one after the other."""
    axes = [axis_of(one) for one in (axis if isinstance(axis, list | tuple) else [axis])]
    if not axes:
        raise CntkRuntimeError(f"ReduceElements: operand {operand(x)}; Empty axes argument provided.")
    if not keepdims and is_known(operand(x).shape) and any(a is None or not a.is_static_axis for a in axes):
        raise CntkValueError(
            f"ReduceElements: operand {operand(x)}; Cannot query the static axis index for a non-static axis: "
            f"keepdims=False goes with static axes by number, and axis is {axis}. Over all axes none is left anyway: "
            "leave keepdims out."
        )
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


def top_k(x: Any, k: Any, axis: Any = -1, name: str = "") -> Function:
    """Return the k greatest along an axis and where they are."""
    if not isinstance(k, numbers.Integral) or k < 0:
        raise CntkValueError(f"top_k: k must be a whole number, 0 or more; got {k!r}.")
    given = operand(x)
    found, last = axis_of(axis), given.rank - 1
    if (
        found is None
        or not found.is_static_axis
        or found.static_axis_index(False) in {-1, last}
        or given.rank < 2
    ):
        return apply("TopK", [given], {"axis": found, "numItems": int(k)}, name, outputs=2)

    def build(a: Any) -> Function:
        greatest = apply("TopK", [swapaxes(a, found, -1)], {"axis": Axis(-1), "numItems": int(k)}, outputs=2)
        return combine([swapaxes(one, found, -1) for one in greatest.outputs])

    return as_block_of("TopK", build, [given], name)


def softmax(x: Any, axis: Any = None, name: str = "") -> Function:
    """Return exp(x) / sum(exp(x)), along an axis or over all static axes together."""
    found = axis_of(axis)
    last_of_one = found is not None and found.is_static_axis and found.static_axis_index(False) == -1
    if found is None or found.name == "AllStaticAxes" or (last_of_one and operand(x).rank == 1):
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
