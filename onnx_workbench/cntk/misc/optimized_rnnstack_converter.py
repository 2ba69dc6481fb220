"""Stacks of recurrent layers as layers that CNTK computes without a graphics card too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.misc.converter import convert
from onnx_workbench.cntk.native.rnn_stacks import GATES, OPERATOR, Stack, stack_of
from onnx_workbench.cntk.ops.functions import Function

__all__ = ["convert_optimized_rnnstack"]

Array = NDArray[Any]


def convert_optimized_rnnstack(cudnn_model: Any) -> Any:
    """Return a model with recurrences of layers in the place of stacks; CNTK computes it on any machine.

    Parameters
    ----------
    cudnn_model
        A model with `optimized_rnnstack` in it. Stacks that share their weights share them afterwards.

    Raises
    ------
    ValueError
        For GRU, which cuDNN computes otherwise than CNTK's layer; such a model runs as it is here.

    Examples
    --------
    >>> x = C.sequence.input_variable(3)
    >>> weights = C.parameter((C.InferredDimension, 4), init=C.glorot_uniform())
    >>> model = C.misc.convert_optimized_rnnstack(C.optimized_rnnstack(x, weights, 4, 1))
    >>> sorted((one.name, one.shape) for one in model.parameters)
    [('H', (4, 16)), ('W', (3, 16)), ('b', (16,))]
    """
    made: dict[Any, Any] = {}

    def converted(old: Any) -> Any:
        weights = old.inputs[1]
        if weights not in made:
            made[weights] = _layers(old)
        return made[weights](old.inputs[0])

    return convert(cudnn_model, _is_stack, converted)


def _is_stack(one: Any) -> bool:
    return isinstance(one, Function) and one.root_function.op_name == OPERATOR


def _layers(function: Any) -> Any:
    """Return the layers of a stack, as a function of a sequence."""
    from onnx_workbench.cntk.layers import For, Recurrence, Sequential
    from onnx_workbench.cntk.ops import placeholder, splice

    operand, weights = function.inputs
    stack = stack_of(function.attributes)
    if stack is None or stack.kind == "gru":
        kind = "gru" if stack else function.attributes
        raise CntkValueError(
            f'unsupported recurrent_op value "{kind}": cuDNN resets the state of a GRU after its product, CNTK\'s '
            "layer before. The model can be evaluated as it is."
        )
    values = weights.value.reshape(-1)
    entries = stack.entries(values.size)
    if entries is None or entries != operand.shape[0]:
        raise CntkValueError(f"The weights of '{function}' are not those of a stack on '{operand}'.")
    parts = iter(_parts(stack, entries, values))

    def layer(number: int) -> Any:
        x, rows = placeholder(), []
        for back in range(stack.directions):
            cell = _cell(
                stack, f"{function.name}_{('fw', 'bw')[back] if stack.directions > 1 else ''}{number}"
            )
            rows.append(Recurrence(cell, go_backwards=bool(back))(x))
            _fill(cell, stack, *next(parts))
        return rows[0] if len(rows) == 1 else splice(*rows)

    return Sequential([For(range(stack.layers), layer)])


def _parts(stack: Stack, entries: int, values: Array) -> list[tuple[Array, Array, Array]]:
    """Return weights for the operand and for the state, and the bias, of each layer and direction."""
    gates, taken = GATES[stack.kind] * stack.hidden, 0

    def take(*shape: int) -> Array:
        nonlocal taken
        begin, taken = taken, taken + int(np.prod(shape))
        return values[begin:taken].reshape(shape)

    sizes = [entries] + [stack.directions * stack.hidden] * (stack.layers - 1)
    each = [size for size in sizes for _ in range(stack.directions)]
    matrices = [(take(gates, size), take(gates, stack.hidden)) for size in each]
    return [(*pair, take(gates) + take(gates)) for pair in matrices]


def _cell(stack: Stack, name: str) -> Any:
    from onnx_workbench.cntk.layers import LSTM, RNNStep
    from onnx_workbench.cntk.ops import relu, tanh

    if stack.kind == "lstm":
        return LSTM(stack.hidden, name=name)
    return RNNStep(stack.hidden, activation=relu if stack.kind == "rnnReLU" else tanh, name=name)


def _fill(cell: Any, stack: Stack, matrix: Array, matrix_of_state: Array, bias: Array) -> None:
    """Give a cell its weights, the gates in the order of CNTK's layer."""

    def ordered(values: Array) -> Array:
        if stack.kind != "lstm":
            return values
        inward, forget, new, outward = np.split(values, 4, axis=-1)
        return np.concatenate((inward, new, forget, outward), axis=-1)

    cell.W.value = np.ascontiguousarray(ordered(matrix.T))
    cell.H.value = np.ascontiguousarray(ordered(matrix_of_state.T))
    cell.b.value = ordered(bias)
