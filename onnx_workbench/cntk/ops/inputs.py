"""Leaves of graphs: inputs, placeholders, parameters, constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis, axis_of
from onnx_workbench.cntk.default_options import default_override_or, get_default_override
from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError
from onnx_workbench.cntk.value_types import UNKNOWN_SHAPE, dtype_of, shape_of
from onnx_workbench.cntk.variables import Constant, Parameter, Variable

__all__ = ["constant", "input", "input_variable", "output_variable", "parameter", "placeholder"]

_BATCH = (Axis.default_batch_axis(),)


def _axes(dynamic_axes: Any) -> tuple[Axis, ...]:
    found = (dynamic_axes,) if isinstance(dynamic_axes, Axis | str) else tuple(dynamic_axes)
    axes = tuple(axis_of(axis) for axis in found)
    for axis in axes:
        if axis is None or axis.is_static_axis:
            raise CntkValueError(f"axis in dynamic_axes attribute is not dynamic: {axis}")
    return axes  # type: ignore[return-value]


def _input_spec(
    shape: Any,
    dtype: Any = default_override_or(np.float32),
    needs_gradient: bool = False,
    is_sparse: bool = False,
    dynamic_axes: Any = _BATCH,
    name: str = "",
) -> None:
    """Stand for `input_variable` in `default_options_for`."""


def input_variable(
    shape: Any,
    dtype: Any = default_override_or(np.float32),
    needs_gradient: bool = False,
    is_sparse: bool = False,
    dynamic_axes: Any = _BATCH,
    name: str = "",
) -> Variable:
    """Return a variable that is fed.

    Parameters
    ----------
    shape
        Shape of one sample, row-major, without the batch; a number is a vector.
    dtype
        ``np.float32`` unless told otherwise. Python's `float` is float64.
    needs_gradient, is_sparse
        As in CNTK.
    dynamic_axes
        The batch axis; see `sequence.input_variable` for sequences; () for none.
    name
        By which it can be found and fed.

    Examples
    --------
    >>> x = C.input_variable((3, 32, 32), name="features")
    """
    if shape is None:
        raise CntkTypeError(
            "input_variable needs the shape of one sample, such as (3, 32, 32) or 784; got None."
        )
    dtype = get_default_override(_input_spec, dtype=dtype)
    return Variable(
        shape,
        dtype_of(np.float32 if dtype is None else dtype),
        needs_gradient,
        is_sparse,
        _axes(dynamic_axes),
        name,
    )


def input(*args: Any, **kwargs: Any) -> Variable:
    """Return `input_variable`, whose old name this is."""
    return input_variable(*args, **kwargs)


def output_variable(
    shape: Any, dtype: Any, dynamic_axes: Any, needs_gradient: bool = True, name: str = ""
) -> Variable:
    """Return an output of a user's own function."""
    return Variable(shape, dtype, needs_gradient, False, _axes(dynamic_axes), name, kind="Output")


def placeholder(shape: Any = None, dynamic_axes: Any = None, name: str = "") -> Variable:
    """Return a variable that something else will take the place of."""
    return Variable(
        UNKNOWN_SHAPE if shape is None else shape_of(shape),
        None,
        dynamic_axes=UNKNOWN_AXES if dynamic_axes is None else tuple(dynamic_axes),
        name=name,
        kind="Placeholder",
    )


def parameter(
    shape: Any = None, init: Any = None, dtype: Any = None, device: Any = None, name: str = ""
) -> Parameter:
    """Return numbers that are learnt; zeros without an initialiser."""
    return Parameter(shape, init, dtype, device, name)


def constant(
    value: Any = None, shape: Any = None, dtype: Any = None, device: Any = None, name: str = ""
) -> Constant:
    """Return numbers that stay."""
    return Constant(value, shape, dtype, device, name)
