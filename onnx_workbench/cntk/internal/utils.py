"""What CNTK's tests and examples use of `cntk.internal.utils`."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkTypeError
from onnx_workbench.cntk.internal.sanitize import sanitize_precision
from onnx_workbench.cntk.ops.operands import data_type
from onnx_workbench.cntk.variables import Variable

__all__ = ["eval", "get_data_type", "get_python_function_arguments", "map_function_arguments"]


def get_data_type(*args: Any) -> Any:
    """Return the widest dtype of variables, functions and arrays; None where only placeholders are given."""
    if args and all(isinstance(one, Variable) and one.is_placeholder for one in args):
        return None
    return data_type(*args)


def get_python_function_arguments(f: Any) -> tuple[list[str], dict[str, Any]]:
    """Return the names of the arguments that have no default, and the annotations."""
    parameters = inspect.signature(f).parameters.values()
    plain = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    names = [one.name for one in parameters if one.kind in plain and one.default is inspect.Parameter.empty]
    return names, dict(getattr(f, "__annotations__", {}))


def map_function_arguments(
    params: Any, params_dict: dict[str, Any], *args: Any, **kwargs: Any
) -> dict[Any, Any]:
    """Return which parameter gets what, as Python would."""
    found = dict(zip(params, args, strict=False))
    for name, value in kwargs.items():
        if name not in params_dict:
            raise CntkTypeError(f"got an unexpected keyword argument '{name}'")
        if params_dict[name] in found:
            raise SyntaxError(f"got multiple values for argument '{name}'")
        found[params_dict[name]] = value
    if len(found) != len(params):
        raise CntkTypeError(f"expected {len(params)} arguments, got {len(found)}")
    return found


def _ones_like(batch: Any, precision: Any) -> list[Any]:
    return [np.ones_like(sample, dtype=sanitize_precision(precision)) for sample in batch]


def eval(
    op: Any,
    arguments: Any = None,
    precision: Any = None,
    device: Any = None,
    backward_pass: bool = False,
    expected_backward: Any = None,
) -> tuple[Any, Any]:
    """Compute a function, and if asked for, the gradients of the sum of its outputs.

    Returns
    -------
    tuple
        Values by output, and gradients by variable or None.
    """
    if not backward_pass:
        return op.forward(arguments, op.outputs, None, device=device)[1], None
    state, values = op.forward(arguments, op.outputs, op.outputs, device=device)
    roots = {variable: _ones_like(value, precision) for variable, value in values.items()}
    return values, op.backward(state, roots, arguments if expected_backward is None else expected_backward)
