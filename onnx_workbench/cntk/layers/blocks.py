"""What layers are made of: identity, the stabiliser, and one step of LSTM, GRU and the plain recurrent network."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnx_workbench.cntk.default_options import default_override_or, options_of
from onnx_workbench.cntk.initializer import glorot_uniform
from onnx_workbench.cntk.layers.shapes import INFERRED, as_tuple
from onnx_workbench.cntk.ops import combine, placeholder, sigmoid, softplus, tanh, times
from onnx_workbench.cntk.ops import slice as slice_of
from onnx_workbench.cntk.ops.functions import BlockFunction, Function
from onnx_workbench.cntk.ops.replacing import as_variable
from onnx_workbench.cntk.variables import Constant, Parameter

__all__ = [
    "GRU",
    "LSTM",
    "BlockFunction",
    "Constant",
    "ForwardDeclaration",
    "Function",
    "Parameter",
    "RNNStep",
    "RNNUnit",
    "Stabilizer",
    "identity",
]


def initial_state_or_default(state: Any) -> Any:
    """Return an initial state as something that can be read: constants of numbers, zero of None."""
    if isinstance(state, tuple):
        return tuple(initial_state_or_default(one) for one in state)
    if state is None:
        return Constant(0)
    return Constant(state, shape=(1,)) if np.isscalar(state) else state


def ForwardDeclaration(name: str = "forward_declaration") -> Any:
    """Return a placeholder with a method `resolve_to` that closes the loop, given a variable or a Function."""
    declared: Any = placeholder(name=name)

    def resolve_to(end: Any) -> None:
        variable = as_variable(end)
        variable.owner.put({declared: variable})

    declared.resolve_to = resolve_to
    return declared


@Function
def identity(keep: Any) -> Any:
    """Return the input."""
    return combine([keep])


def Stabilizer(
    steepness: float = 4, enable_self_stabilization: Any = default_override_or(True), name: str = ""
) -> Any:
    """Multiply by a learnt scalar, the softplus of a parameter (Ghahremani and Droppo, 2016)."""
    (enabled,) = options_of(Stabilizer, enable_self_stabilization=enable_self_stabilization)
    if not enabled:
        return identity
    alpha = Parameter((), init=float(np.log(np.exp(steepness) - 1) / steepness), name="alpha")
    factor = softplus(alpha, steepness=steepness)

    @BlockFunction("Stabilizer", name)
    def stabilize(x: Any) -> Any:
        return factor * x

    return stabilize


@dataclass(frozen=True)
class _Cell:
    """The parameters of one recurrent block, and its stabilisers."""

    stacked: int
    activation: Any
    b: Any
    W: Any
    H: Any
    H1: Any
    peepholes: tuple[Any, Any, Any] | None
    projection: Any
    stabilizers: dict[str, Any]

    def part(self, stack: Any, number: int) -> Any:
        """Return one of the vectors that are stacked for one product."""
        return slice_of(stack, -1, number * self.stacked, (number + 1) * self.stacked)

    def projected(self, hidden: Any) -> Any:
        """Return the hidden state, projected where the cell is larger than the output."""
        if self.projection is None:
            return hidden
        return times(self.stabilizers["P"](hidden), self.projection)

    def seen_through(self, gate: Any, cell: Any, number: int) -> Any:
        """Let a gate see the cell, where there are peepholes."""
        return gate if self.peepholes is None else gate + self.peepholes[number] * cell


def _lstm(cell: _Cell) -> Callable[..., Any]:
    def lstm(dh: Any, dc: Any, x: Any) -> Any:
        hidden, state = cell.stabilizers["dh"](dh), cell.stabilizers["dc"](dc)
        stack = cell.b + times(x, cell.W) + times(hidden, cell.H)
        enter, candidate, forget, leave = (cell.part(stack, number) for number in range(4))
        entered = sigmoid(cell.seen_through(enter, state, 0)) * cell.activation(candidate)
        kept = sigmoid(cell.seen_through(forget, state, 1)) * dc
        c = kept + entered
        left = cell.seen_through(leave, cell.stabilizers["c"](c), 2) if cell.peepholes else leave
        return cell.projected(sigmoid(left) * cell.activation(c)), c

    return lstm


def _gru(cell: _Cell) -> Callable[..., Any]:
    def gru(dh: Any, x: Any) -> Any:
        hidden = cell.stabilizers["dh"](dh)
        from_input = cell.b + times(x, cell.W)
        from_hidden = times(hidden, cell.H)
        update = sigmoid(cell.part(from_input, 0) + cell.part(from_hidden, 0))
        reset = sigmoid(cell.part(from_input, 1) + cell.part(from_hidden, 1))
        candidate = cell.activation(cell.part(from_input, 2) + times(hidden * reset, cell.H1))
        return cell.projected((1 - update) * candidate + update * hidden)

    return gru


def _rnn_step(cell: _Cell) -> Callable[..., Any]:
    def rnn_step(dh: Any, x: Any) -> Any:
        hidden = cell.stabilizers["dh"](dh)
        return cell.projected(cell.activation(times(x, cell.W) + times(hidden, cell.H) + cell.b))

    return rnn_step


_STEPS: dict[str, tuple[Callable[[_Cell], Callable[..., Any]], int, int]] = {
    "LSTM": (_lstm, 4, 4),
    "GRU": (_gru, 3, 2),
    "RNNStep": (_rnn_step, 1, 1),
}
"""Maker of the step, and how many vectors are stacked from the input and from the hidden state."""


def _recurrent_block(
    kind: str, shape: Any, cell_shape: Any, options: tuple[Any, Any, Any, Any, Any], name: str
) -> Any:
    activation, use_peepholes, init, init_bias, stabilize = options
    shape = as_tuple(shape)
    inner = shape if cell_shape is None else as_tuple(cell_shape)
    if len(shape) != 1 or len(inner) != 1:
        raise ValueError(
            f"{kind}: shape and cell_shape must be vectors (rank-1 tensors); got {shape} and {inner}."
        )
    make, from_input, from_hidden = _STEPS[kind]
    size = inner[0]

    def weight(of: tuple[int, ...], called: str, *, wanted: bool = True, start: Any = init) -> Any:
        return Parameter(of, init=start, name=called) if wanted else None

    b = weight((size * from_input,), "b", start=init_bias)
    w = weight((*INFERRED, size * from_input), "W")
    h = weight((*shape, size * from_hidden), "H")
    h1 = weight((*shape, size), "H1", wanted=kind == "GRU")
    peepholes = tuple(weight((size,), called) for called in ("Ci", "Cf", "Co")) if use_peepholes else None
    projection = weight(inner + shape, "P", wanted=cell_shape is not None)
    stabilizers = {
        called: Stabilizer(enable_self_stabilization=stabilize, name=f"{called}_stabilizer")
        for called in ("dh", "dc", "c", "P")
    }
    cell = _Cell(size, activation, b, w, h, h1, peepholes, projection, stabilizers)
    return BlockFunction(kind, name)(make(cell))


def LSTM(
    shape: Any,
    cell_shape: Any = None,
    activation: Any = default_override_or(tanh),
    use_peepholes: Any = default_override_or(False),
    init: Any = default_override_or(glorot_uniform()),
    init_bias: Any = default_override_or(0),
    enable_self_stabilization: Any = default_override_or(False),
    name: str = "",
) -> Any:
    """Return one step of a long short-term memory, ``(prev_h, prev_c, input) -> (h, c)``, for `Recurrence`.

    Parameters
    ----------
    shape
        Length of the output vector.
    cell_shape
        Length of the cell, where the output is a projection of it.
    activation, use_peepholes, init, init_bias, enable_self_stabilization
        As in CNTK; `default_options` overrides them.
    name
        Name of the block.
    """
    options = options_of(
        LSTM,
        activation=activation,
        use_peepholes=use_peepholes,
        init=init,
        init_bias=init_bias,
        enable_self_stabilization=enable_self_stabilization,
    )
    return _recurrent_block("LSTM", shape, cell_shape, options, name)


def RNNStep(
    shape: Any,
    cell_shape: Any = None,
    activation: Any = default_override_or(sigmoid),
    init: Any = default_override_or(glorot_uniform()),
    init_bias: Any = default_override_or(0),
    enable_self_stabilization: Any = default_override_or(False),
    name: str = "",
) -> Any:
    """Return one step of a plain recurrent network, ``(prev_h, input) -> h``."""
    activation, init, init_bias, stabilize = options_of(
        RNNStep,
        activation=activation,
        init=init,
        init_bias=init_bias,
        enable_self_stabilization=enable_self_stabilization,
    )
    return _recurrent_block(
        "RNNStep", shape, cell_shape, (activation, False, init, init_bias, stabilize), name
    )


def RNNUnit(*args: Any, **kwargs: Any) -> Any:
    """Return `RNNStep`, whose old name this is."""
    warnings.warn(
        "RNNUnit is an old name; write RNNStep, which is the same.", DeprecationWarning, stacklevel=2
    )
    return RNNStep(*args, **kwargs)


def GRU(
    shape: Any,
    cell_shape: Any = None,
    activation: Any = default_override_or(tanh),
    init: Any = default_override_or(glorot_uniform()),
    init_bias: Any = default_override_or(0),
    enable_self_stabilization: Any = default_override_or(False),
    name: str = "",
) -> Any:
    """Return one step of a gated recurrent unit, ``(prev_h, input) -> h``."""
    activation, init, init_bias, stabilize = options_of(
        GRU,
        activation=activation,
        init=init,
        init_bias=init_bias,
        enable_self_stabilization=enable_self_stabilization,
    )
    return _recurrent_block("GRU", shape, cell_shape, (activation, False, init, init_bias, stabilize), name)
