"""Graphs from graphs: combine, alias, blocks, composites."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError
from onnx_workbench.cntk.ops.functions import Function, block, composite, primitive
from onnx_workbench.cntk.ops.operands import apply, operand
from onnx_workbench.cntk.variables import Variable

__all__ = [
    "alias",
    "as_block",
    "as_composite",
    "assign",
    "combine",
    "reconcile_dynamic_axes",
    "stop_gradient",
]


def outputs_of(values: tuple[Any, ...]) -> list[Any]:
    """Return all outputs of what may be one list, functions with several outputs among them."""
    if len(values) == 1 and isinstance(values[0], tuple | list):
        values = tuple(values[0])
    found: list[Any] = []
    for value in values:
        found += list(value.outputs) if isinstance(value, Function) else [operand(value)]
    return found


def combine(*operands: Any, name: str = "") -> Function:
    """Return a Function with the outputs of several, or one that ends at the given outputs."""
    given = operands[0] if len(operands) == 1 and isinstance(operands[0], tuple | list) else operands
    for one in given:
        if not isinstance(one, Function | Variable):
            raise CntkTypeError(
                f"cannot convert list element to CNTK::Variable: got a {type(one).__name__}; combine expects Functions "
                "and Variables."
            )
    found = outputs_of(operands)
    if not found:
        raise CntkValueError("combine needs at least one Function or Variable; got none.")
    return composite(primitive("Combine", found, name=name))


def alias(x: Any, name: str = "") -> Function:
    """Return the same under another name."""
    return apply("NoOp", [x], name=name)


def as_composite(root_function: Any, name: str = "") -> Function:
    """Return the whole graph below a primitive, which can then be evaluated."""
    if not isinstance(root_function, Function):
        hint = (
            " Give variable.owner, the Function that computes it."
            if isinstance(root_function, Variable)
            else ""
        )
        raise CntkTypeError(f"as_composite expects a Function; got a {type(root_function).__name__}.{hint}")
    return root_function if root_function.is_composite else composite(root_function)


def as_block(
    composite: Any, block_arguments_map: Any, block_op_name: str, block_instance_name: str = ""
) -> Function:
    """Show a graph as one operator.

    Parameters
    ----------
    composite
        The graph, with placeholders.
    block_arguments_map
        Pairs of a placeholder and what stands for it outside.
    block_op_name, block_instance_name
        Names of the kind of block and of this one.
    """
    pairs = [(operand(inner), operand(outer)) for inner, outer in block_arguments_map]
    mapped = [inner for inner, _ in pairs]
    for argument in composite.arguments:
        if not argument.is_placeholder:
            raise CntkValueError(
                f"The composite implementing Block '{block_instance_name}' has an argument '{argument}' which is not a "
                "placeholder. All arguments of the composite underlying a Block must be placeholders."
            )
        if argument not in mapped:
            raise CntkValueError(
                f"The argument '{argument}' of the composite underlying the Block '{block_instance_name}' has not been "
                "mapped: name what it stands for, [(placeholder, variable)]."
            )
    return block(composite, pairs, block_op_name, block_instance_name)


def reconcile_dynamic_axes(x: Any, dynamic_axes_as: Any, name: str = "") -> Function:
    """Return x with the dynamic axes of something else."""
    return apply("ReconcileDynamicAxis", [x, dynamic_axes_as], name=name)


def stop_gradient(input: Any, name: str = "") -> Function:
    """Return the same, through which no gradient flows."""
    return apply("StopGradient", [input], name=name)


def assign(ref: Any, input: Any, name: str = "") -> Function:
    """Return the input, and keep it in a parameter or constant when it is computed."""
    return apply("Assign", [ref, input], name=name)
