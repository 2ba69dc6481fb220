"""Stacks of recurrent layers with all weights in one array."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply

__all__ = ["optimized_rnnstack"]


def optimized_rnnstack(
    operand: Any,
    weights: Any,
    hidden_size: int,
    num_layers: int,
    bidirectional: bool = False,
    recurrent_op: str = "lstm",
    name: str = "",
) -> Function:
    """Run layers of recurrence over a sequence, as cuDNN does; CNTK itself needs a graphics card for it, this does not.

    Parameters
    ----------
    operand
        A sequence of vectors.
    weights
        A parameter for the weights and biases of all layers, of the shape (InferredDimension, InferredDimension).
    hidden_size, num_layers
        Size of each layer, in each direction, and how many there are.
    bidirectional
        Whether each layer goes backwards too: the results are put side by side.
    recurrent_op
        ``"lstm"``, ``"gru"``, ``"rnnReLU"`` or ``"rnnTanh"``.
    name
        Its name.

    Raises
    ------
    ValueError
        If there is no such kind, or the operand is no vector.

    Examples
    --------
    >>> x = C.sequence.input_variable(3)
    >>> weights = C.parameter((C.InferredDimension, 4), init=C.glorot_uniform())
    >>> C.optimized_rnnstack(x, weights, hidden_size=4, num_layers=2).shape
    (4,)
    >>> weights.shape
    (76, 4)
    """
    from onnx_workbench.cntk.native.rnn_stacks import GATES

    if recurrent_op not in GATES:
        raise CntkValueError(
            f'unsupported recurrent_op value "{recurrent_op}": it is one of {", ".join(map(repr, GATES))}.'
        )
    sizes: dict[str, Any] = {"hidden_size": hidden_size, "num_layers": num_layers}
    for what, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise CntkValueError(f"optimized_rnnstack: {what} is a whole number from 1; got {size!r}.")
    attributes = {
        "hiddenSize": hidden_size,
        "numLayers": num_layers,
        "bidirectional": bool(bidirectional),
        "recurrentOp": recurrent_op,
    }
    return apply("OptimizedRNNStack", [operand, weights], attributes, name)
