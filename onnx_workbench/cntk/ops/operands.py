"""What operators accept as operands, and how they become primitives."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.ops.functions import Function, block, composite, primitive
from onnx_workbench.cntk.value_types import dtype_of_or_none
from onnx_workbench.cntk.variables import Constant, Variable


def data_type(*values: Any) -> Any:
    """Return the dtype of an operation: the widest of its variables, else that of its arrays.

    Raises
    ------
    ValueError
        For arrays of a dtype that CNTK does not have.
    """
    variables, arrays = set(), set()
    for value in values:
        if isinstance(value, Function):
            if len(value.outputs) > 1:
                raise CntkValueError(f"expected single output, but got {len(value.outputs)}")
            value = value.output
        if isinstance(value, Variable):
            if value._dtype is not None:
                variables.add(value.dtype)
        elif isinstance(value, np.ndarray | np.floating):
            if dtype_of_or_none(value.dtype) is None:
                raise CntkValueError(f'NumPy type "{value.dtype}" is not supported')
            arrays.add(value.dtype.type)
        else:
            arrays.add(np.float32)
    for dtype in (np.float64, np.float32, np.float16):
        if dtype in (variables or arrays):
            return dtype
    return next(iter(variables), np.float32)


def operand(value: Any, dtype: Any = np.float32) -> Variable:
    """Return a variable for what callers pass: variables, functions, numbers, lists, arrays.

    Raises
    ------
    ValueError
        For an empty list, a type, or what no array can be made of.
    """
    if isinstance(value, Function):
        return value.output
    if isinstance(value, Variable):
        return value
    if isinstance(value, Variable._Type):
        raise CntkValueError(
            f"Input is a type object ({value}). Did you mean to pass 'input_variable(**{value})'?"
        )
    if isinstance(value, list | tuple) and not value:
        raise CntkValueError("input is empty")
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise CntkValueError(
            f"Expected a Variable, a Function, a number or an array; got {type(value).__name__}."
        )
    return Constant(array.astype(dtype), dtype=dtype)


def operands(*values: Any) -> list[Variable]:
    """Return variables of one dtype: constants are cast, anything else must agree."""
    dtype = data_type(*values)
    found = [operand(value, dtype) for value in values]
    return [
        Constant(one.value, dtype=dtype, name=one.name)
        if isinstance(one, Constant)
        and one.dtype != dtype
        and one.dtype not in {np.int8, np.int16}
        and (one.shape == () or (dtype is np.float64 and one.dtype is np.float32))
        else one
        for one in found
    ]


def apply(
    op_name: str,
    values: list[Any],
    attributes: dict[str, Any] | None = None,
    name: str = "",
    *,
    outputs: int = 1,
) -> Function:
    """Return the graph of one operator on some operands."""
    found = operands(*values)
    _check_dtypes(op_name, found)
    if op_name in _RECONCILED and len(found) == 2:
        found = _reconciled(*found)
    return composite(primitive(op_name, found, attributes, name, outputs=outputs))


# Operators of two operands that CNTK gives the same dynamic axes first, by a node of its own.
_RECONCILED = {
    "Plus", "Minus", "ElementTimes", "LogPlus", "Pow", "Equal", "NotEqual", "Less", "LessEqual", "Greater",
    "GreaterEqual", "CosDistance", "Times", "TransposeTimes",
}  # fmt: skip


def _reconciled(left: Variable, right: Variable) -> list[Variable]:
    """Return both operands with the dynamic axes of the one that has more, unless one has none at all."""
    counts = len(left._axes), len(right._axes)
    if counts[0] == counts[1] or not all(counts):
        return [left, right]
    if counts[0] < counts[1]:
        return [primitive("ReconcileDynamicAxis", [left, right]).output, right]
    return [left, primitive("ReconcileDynamicAxis", [right, left]).output]


def as_block_of(op_name: str, build: Any, values: list[Any], name: str = "") -> Function:
    """Return the graph that `build` makes of operands, shown as one operator."""
    from onnx_workbench.cntk.ops.inputs import placeholder

    found = operands(*values)
    _check_dtypes(op_name, found)
    unique = list(dict.fromkeys(found))
    inside = {
        one: placeholder(shape=one.shape, dynamic_axes=one.dynamic_axes, name=one.name) for one in unique
    }
    for outer, inner in inside.items():
        inner._dtype = outer._dtype
    graph = build(*(inside[one] for one in found))
    return block(graph, [(inside[one], one) for one in unique], op_name, name)


def _check_dtypes(op_name: str, found: list[Variable]) -> None:
    dtypes = {one.dtype for one in found if one._dtype is not None and not one.is_placeholder}
    if len(dtypes) > 1 and not {np.float16, np.int8, np.int16} & dtypes:
        names = {np.float32: "Float", np.float64: "Double"}
        kinds = [names.get(one.dtype, one.dtype.__name__) for one in found if one.dtype is not None]
        raise CntkValueError(
            f"Primitive op '{op_name}' passed operands '{', '.join(map(str, found))}' with different DataTypes "
            f"{', '.join(repr(kind) for kind in dict.fromkeys(kinds))}. Make them agree with cast(), or give "
            "input_variable, parameter and constant the same dtype."
        )
