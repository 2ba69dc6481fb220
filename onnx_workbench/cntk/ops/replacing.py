"""Replacing: what takes the place of placeholders, arguments and other variables of a graph, and whether it may."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError
from onnx_workbench.cntk.graph import edits, functions_below
from onnx_workbench.cntk.ops.function_description import FunctionDescription
from onnx_workbench.cntk.variables import Variable


def as_variable(value: Any) -> Any:
    """Return the only output of a Function; a variable is returned as it is."""
    if isinstance(value, FunctionDescription):
        return value.output
    if isinstance(value, Variable):
        return value
    raise CntkTypeError(f"Expected a Variable or a Function; got {type(value).__name__}.")


def substitutes(given: dict[Any, Any]) -> dict[Variable, Variable]:
    """Return variables for what callers want replaced, and what by."""
    for value in (*given, *given.values()):
        if isinstance(value, FunctionDescription) and len(value.outputs) != 1:
            raise CntkTypeError(
                f"cannot convert value of dictionary to a Variable: the Function '{value}' has {len(value.outputs)} "
                "outputs; name one of .outputs."
            )
    return {as_variable(old): as_variable(new) for old, new in given.items()}


def replace(roots: list[Any], replaced: dict[Variable, Variable]) -> None:
    """Put variables in the place of others in whole graphs, and in the blocks inside that read them."""
    edits.count += 1
    for function in functions_below(roots):
        function._operands = [replaced.get(v, v) for v in function._operands]
        function._block_map = [(ph, replaced.get(outer, outer)) for ph, outer in function._block_map]
        if function._block is not None:
            own = {ph for ph, _ in function._block_map}
            outer = {old: new for old, new in replaced.items() if old not in own}
            if outer:
                replace([function._block.root_function], outer)
        function._cache = {}


def check_dtypes(roots: list[Any]) -> None:
    """Refuse operators whose operands, constants aside, came to be of float32 and float64 by a replacement."""
    for function in functions_below(roots):
        if function.is_block:
            check_dtypes([function.block_root])
            continue
        kinds = {one._dtype for one in function.inputs if not one.is_constant and one._dtype is not None}
        if {np.float32, np.float64} <= kinds and function.op_name != "Combine":
            raise CntkValueError(
                f"Primitive op '{function.op_name}' passed operands '{', '.join(map(str, function.inputs))}' with "
                "different DataTypes 'Float' and 'Double'. Make them agree with cast(), or give what takes the place "
                "of an argument its dtype."
            )


def check_types(given: dict[Variable, Any]) -> None:
    """Refuse what cannot take an argument's place."""
    for number, (argument, value) in enumerate(given.items()):
        what = f"argument {argument.name}" if argument.name else f"positional argument {number}"
        if not isinstance(value, Variable | FunctionDescription):
            raise CntkTypeError(f"{what} was passed an object that is not a Variable or Function")
        wanted, found = argument.type, as_variable(value).type
        if argument.is_placeholder or not wanted.shape_is_known:
            continue
        if not found.shape_is_known:
            raise CntkTypeError(f"{what} has a known shape, and cannot be passed a Variable of unknown shape")
        rank = len(wanted["shape"])
        if (
            len(found["shape"]) < rank
            or (rank and found["shape"][-rank:] != wanted["shape"])
            or (found["dynamic_axes"] and tuple(found["dynamic_axes"]) != tuple(wanted["dynamic_axes"]))
            or found["dtype"] != wanted["dtype"]
        ):
            raise CntkTypeError(
                f"{what}'s type {wanted} is incompatible with the type {found} of the passed Variable"
            )
