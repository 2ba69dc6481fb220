"""What shape, dtype and axes each operator's outputs have; lengths of weights left open are filled in here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis
from onnx_workbench.cntk.inference import axes, reshaping, shapes  # noqa: F401 - they register their rules
from onnx_workbench.cntk.inference.registry import AXES, ELEMENTWISE, SHAPES, Shape, broadcast, joined_axes
from onnx_workbench.cntk.value_types import INFERRED, UNKNOWN_SHAPE, is_known
from onnx_workbench.cntk.variables import Variable

_DYNAMIC = (Axis.default_batch_axis(), Axis.default_dynamic_axis())
_DELAYS = {"PastValue", "FutureValue"}
_OF_PAIRS = {"CosDistance", "EditDistanceError", "Logistic"}
_SCALAR = {
    "ConvolutionSequenceShape",
    "Where",
    "PackedIndex",
    "Logistic",
    "CosDistance",
    "NDCG",
    "EditDistanceError",
}


def infer(function: Any, *, lenient: int) -> bool:
    """Work out the outputs of a primitive again; tell whether they changed.

    `lenient` takes an operand of unknown shape for one like the others, as in recurrences: for one like a single
    number only if it is 2, as that may be there to be repeated.
    """
    if function.op_name == "Combine":
        return False
    if function.is_block:
        return _infer_block(function, lenient=lenient)
    if "outputShapes" in function.attributes:
        return _infer_onnx_node(function)
    found = _shapes_of(function, lenient=lenient)
    dynamic = _axes_of(function)
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
    own = max((operand.dynamic_axes for operand in function.inputs), key=len, default=())
    usual = own if len(own) == len(_DYNAMIC) else _DYNAMIC
    for output, (shape, count, dtype) in zip(function._made, found, strict=True):
        dynamic = usual[:count]
        changed |= _set(output, tuple(shape), dynamic, np.dtype(dtype).type, gradient)
    return changed


def _infer_block(function: Any, *, lenient: int) -> bool:
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
    if "newDataType" in function.attributes:  # Cast, and random numbers of a given shape
        return np.dtype(function.attributes["newDataType"]).type
    known = [one._dtype for one in function.inputs if one._dtype is not None]
    if function.op_name == "BatchNormalization":
        return known[0] if function.inputs[0]._dtype is not None else None
    wide = [dtype for dtype in known if dtype not in {np.int8, np.int16}]
    return (wide or known or [None])[0]


def _shapes_of(function: Any, *, lenient: int) -> list[Shape]:
    operands = function.inputs
    name = function.op_name
    if name in _SCALAR and not (name == "CosDistance" and not all(is_known(one.shape) for one in operands)):
        if name in _OF_PAIRS and all(is_known(one.shape) for one in operands):
            broadcast(name, operands)
        return [()]
    if name != "Times" and any(not is_known(one.shape) for one in operands):
        known = [
            one for one in operands if is_known(one.shape) and (lenient > 1 or math.prod(one.shape) != 1)
        ]
        if name in _DELAYS:  # what comes back is like what is there at the start, unless that is repeated
            start = operands[1].shape
            return [start if is_known(start) and math.prod(start) != 1 else UNKNOWN_SHAPE]
        # An operand with dynamic axes tells what the others are; a weight alone does not.
        told = lenient or any(one.dynamic_axes and one.dynamic_axes != UNKNOWN_AXES for one in operands)
        if not (told and name in ELEMENTWISE and known):
            return [UNKNOWN_SHAPE] * len(function._made)
        return [broadcast(name, known)]
    rule = SHAPES.get(name)
    found = rule(function) if rule else operands[0].shape
    return found if isinstance(found, list) else [found]


def _axes_of(function: Any) -> tuple[Axis, ...]:
    if function.op_name in AXES:
        return AXES[function.op_name](function)
    return joined_axes(function.inputs)
