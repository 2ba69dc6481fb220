"""Operators that users write in Python: their `forward` and `backward` are called between pieces of the graph."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.feeding import batch_of
from onnx_workbench.cntk.in_python.registry import PYTHON_OPERATORS, PythonOperator, Values
from onnx_workbench.cntk.variables import Variable


def _shown(function: Any, value: Any) -> Any:
    """Return a value as users get it: an array or a list of sequences, or a Value if they asked for that."""
    if function.as_numpy:
        return value
    from onnx_workbench.cntk.core import Value

    return Value(value)


def _taken(variable: Variable, value: Any) -> Any:
    """Return what users gave for a variable, in its dtype."""
    if value is None:
        raise CntkValueError(f"not all outputs have been provided: nothing was given for '{variable}'.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of other dtypes: NumPy's own arithmetic makes float64
        return batch_of(variable, np.asarray(value) if np.isscalar(value) else value)


def _forward(function: Any, values: Values) -> tuple[Any, Values]:
    shown = tuple(_shown(function, value) for value in values)
    arguments = shown if len(shown) > 1 else shown[0]
    if len(function.outputs) == 1:
        found = function.forward(arguments, None, None)
        if not isinstance(found, tuple) or len(found) != 2:
            raise CntkValueError(
                f"{type(function).__name__}.forward must return (state, value); got a {type(found).__name__}."
            )
        return found[0], [_taken(function.outputs[0], found[1])]
    results: dict[Variable, Any] = dict.fromkeys(function.outputs)
    state = function.forward(arguments, results, None, None)
    return state, [_taken(output, results[output]) for output in function.outputs]


def _backward(function: Any, state: Any, gradients: Values) -> Values:
    shown = {
        output: _shown(function, gradient)
        for output, gradient in zip(function.outputs, gradients, strict=True)
    }
    root: Any = next(iter(shown.values())) if len(shown) == 1 else shown
    inputs = function.inputs
    if len(inputs) == 1:
        found = function.backward(state, root)
        return [None if found is None else _taken(inputs[0], found)]
    asked: dict[Variable, Any] = dict.fromkeys(one for one in inputs if one.needs_gradient)
    function.backward(state, root, asked)
    return [None if (found := asked.get(one)) is None else _taken(one, found) for one in inputs]


PYTHON_OPERATORS["UserFunction"] = PythonOperator(_forward, _backward)
