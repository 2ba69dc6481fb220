"""Arguments brought into one form, by the names that `cntk.internal` has for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import Axis, axis_of
from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import operand
from onnx_workbench.cntk.value_types import dtype_of, shape_of
from onnx_workbench.cntk.variables import Variable

__all__ = [
    "_as_tuple", "_value_as_sequence_or_array", "is_byte_buffer", "is_string", "sanitize_2d_number", "sanitize_axis",
    "sanitize_axis_list", "sanitize_batch", "sanitize_dtype_cntk", "sanitize_dtype_numpy", "sanitize_dynamic_axes",
    "sanitize_function", "sanitize_input",
    "sanitize_permutation", "sanitize_precision", "sanitize_range", "sanitize_shape", "sanitize_value",
    "typemap",
]  # fmt: skip


_CODES = {np.float32: 1, np.float64: 2, np.float16: 4, np.int8: 5, np.int16: 6}


def typemap(function: Any) -> Any:
    """Return the function: CNTK's decorator for results of its C++ part, of which there is none here."""
    return function


def is_string(value: Any) -> bool:
    """Tell whether something is text."""
    return isinstance(value, str)


def is_byte_buffer(value: Any) -> bool:
    """Tell whether something is bytes."""
    return isinstance(value, bytes | bytearray)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if np.isscalar(value) else tuple(value)


def sanitize_precision(precision: Any) -> Any:
    """Return NumPy's type for a name such as "float" or "double"."""
    return dtype_of(precision)


sanitize_dtype_numpy = sanitize_precision


def sanitize_dtype_cntk(dtype: Any) -> int:
    """Return CNTK's number of a dtype."""
    return _CODES[dtype_of(dtype)]


def sanitize_shape(shape: Any) -> tuple[int, ...]:
    """Return a shape as a tuple."""
    return shape_of(shape)


def sanitize_input(arg: Any, fallback_dtype: Any = np.float32, reshape: Any = None) -> Any:
    """Return a variable or function as it is, and a constant of anything else."""
    if isinstance(arg, Function | Variable):
        return arg
    if reshape is not None:
        arg = np.reshape(arg, reshape)
    return operand(arg, fallback_dtype)


def sanitize_value(shape: Any, value: Any, dtype: Any, device: Any = None) -> Any:
    """Return an array of a shape and dtype."""
    if value is None and shape is None:
        raise CntkValueError("you need to specify at least shape or value")
    kind = dtype_of(dtype)
    if value is None:
        return np.zeros(shape_of(shape), kind)
    return np.full(shape_of(shape), value, kind) if np.isscalar(value) and shape else np.asarray(value, kind)


def sanitize_axis(axis: Any) -> Axis:
    """Return an axis; None is all static ones."""
    return Axis.all_static_axes() if axis is None else axis_of(axis) or Axis.all_static_axes()


def sanitize_axis_list(axes: Any) -> list[Axis]:
    """Return a list of axes for one or several."""
    return [sanitize_axis(axis) for axis in (axes if isinstance(axes, list | tuple) else [axes])]


def sanitize_dynamic_axes(axes: Any) -> tuple[Axis, ...]:
    """Return dynamic axes as a tuple, in the order of CNTK's C++ part: the last one first."""
    found = axes if isinstance(axes, list | tuple) else (axes,)
    for axis in found:
        if not isinstance(axis, Axis):
            raise CntkTypeError(f"axis type expected, but got {type(axis).__name__}")
    return tuple(reversed(found))


def sanitize_2d_number(value: Any) -> tuple[Any, Any]:
    """Return a pair for one number or two."""
    if np.isscalar(value) and not isinstance(value, str):
        return value, value
    if isinstance(value, tuple) and len(value) == 2 and all(np.isscalar(one) for one in value):
        return value
    raise CntkValueError("Input argument must be a number or a tuple of two numbers.")


def sanitize_range(value: Any) -> tuple[Any, Any]:
    """Return a pair of which the first is not greater."""
    first, second = sanitize_2d_number(value)
    if first > second:
        raise CntkValueError(
            "Input argument must be a number or a tuple of two numbers such as the first number is smaller than or "
            "equal to the second number."
        )
    return first, second


def sanitize_permutation(perm: Any) -> list[int]:
    """Return a permutation as CNTK's C++ part has it: axes counted from the last, the last one first.

    Raises
    ------
    ValueError
        If it is none.
    """
    order = [axis.static_axis_index() if isinstance(axis, Axis) else int(axis) for axis in perm]
    found = [index % len(order) for index in order] if order else []
    if sorted(found) != list(range(len(order))):
        raise CntkValueError(f"duplicate or out of bounds axis in permutation {tuple(perm)}")
    return [len(found) - 1 - index for index in reversed(found)]


def sanitize_function(arg: Any) -> Any:
    """Return a function; of a variable, the one that ends at it."""
    from onnx_workbench.cntk.ops.composition import combine

    if isinstance(arg, Variable):
        return combine([arg])
    if not isinstance(arg, Function):
        raise CntkTypeError(f"Object of type {type(arg).__name__} cannot be cast to Function.")
    return arg


def sanitize_batch(var: Any, batch: Any, seq_starts: Any = None, device: Any = None) -> Any:
    """Return data for a variable as a Value."""
    from onnx_workbench.cntk.core import Value

    if isinstance(batch, Value):
        if seq_starts is not None:
            raise CntkValueError("for directly passed Value objects sequence starts cannot be used yet.")
        return batch
    if seq_starts and len(var.dynamic_axes) <= 1:
        raise CntkValueError(
            "you specified sequence begin markers, but your input does not contain a sequence axis."
        )
    return Value.create(var, batch, seq_starts, device)


def _value_as_sequence_or_array(value: Any, variable: Any) -> Any:
    if any(axis.is_sequence_axis for axis in variable.dynamic_axes):
        return value.as_sequences(variable) if hasattr(value, "as_sequences") else list(value)
    return value.asarray() if hasattr(value, "asarray") else np.asarray(value)
