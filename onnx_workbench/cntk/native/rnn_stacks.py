"""Stacks of recurrent layers whose weights are one array, as cuDNN has them, taken apart into primitives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onnx_workbench.cntk.as_onnx.emitter import refuse
from onnx_workbench.cntk.native.form import native_graph
from onnx_workbench.cntk.native.graph import Leaf, NativeGraph, Primitive

OPERATOR = "OptimizedRNNStack"
GATES = {"lstm": 4, "gru": 3, "rnnReLU": 1, "rnnTanh": 1}
"""How many gates a cell of each kind has."""


@dataclass(frozen=True)
class Stack:
    """What a stack is made of.

    Parameters
    ----------
    kind
        One of `GATES`.
    hidden, layers
        Size of a layer, in each direction, and how many there are.
    directions
        1, or 2 where each layer goes backwards too.
    """

    kind: str
    hidden: int
    layers: int
    directions: int

    def count(self, entries: int) -> int:
        """Return how many weights and biases there are for an operand of so many entries."""
        gates, wide = GATES[self.kind] * self.hidden, self.directions * self.hidden
        later = (self.layers - 1) * (wide + self.hidden)
        return self.directions * gates * (entries + self.hidden + later + 2 * self.layers)

    def entries(self, count: int) -> int | None:
        """Return how many entries the operand has for so many weights and biases; None if there is no such."""
        found, rest = divmod(count - self.count(0), self.directions * GATES[self.kind] * self.hidden)
        return found if found > 0 and not rest else None


def stack_of(attributes: dict[str, Any]) -> Stack | None:
    """Return the stack that attributes tell of, None if they do not."""
    kind, hidden, layers = (attributes.get(key) for key in ("recurrentOp", "hiddenSize", "numLayers"))
    if (
        kind not in GATES
        or not isinstance(hidden, int)
        or not isinstance(layers, int)
        or min(hidden, layers) < 1
    ):
        return None
    return Stack(str(kind), hidden, layers, 2 if attributes.get("bidirectional") else 1)


def opened_stacks(graph: NativeGraph) -> NativeGraph:
    """Return a graph with recurrences in the place of its stacks, whose outputs keep their uids."""
    stacks = [one for one in graph.primitives.values() if one.operator == OPERATOR]
    if not stacks:
        return graph
    leaves, primitives, hints = dict(graph.leaves), dict(graph.primitives), dict(graph.hints)
    for one in stacks:
        inner = _opened(graph, one)
        del primitives[one.uid]
        leaves.update(inner.leaves)
        primitives.update(inner.primitives)
        hints.update(inner.hints)
    producers = {uid: p for p in primitives.values() for uid in p.all_outputs}
    return replace(graph, leaves=leaves, primitives=primitives, hints=hints, producers=producers)


def _opened(graph: NativeGraph, primitive: Primitive) -> NativeGraph:
    """Return what a stack computes, with its own operands and its own uid."""
    from onnx_workbench.cntk.ops.inputs import input_variable
    from onnx_workbench.cntk.ops.sequence import input_variable as sequence_input

    stack = stack_of(primitive.attributes)
    weights = graph.leaves.get(primitive.inputs[1]) if len(primitive.inputs) == 2 else None
    if stack is None or weights is None:
        raise refuse(primitive, "its attributes are not those of a stack, or its weights are computed.")
    count = int(np.prod(weights.shape, dtype=np.int64))
    entries = stack.entries(count)
    if entries is None:
        raise refuse(
            primitive,
            f"{count:,} weights do not make {stack.layers} layers of {stack.hidden} of the kind {stack.kind!r}.",
        )
    dtype = weights.dtype.type
    x = sequence_input(entries, dtype=dtype)
    flat = input_variable(tuple(weights.shape), dtype=dtype, dynamic_axes=[])
    computed = layers_of(stack, x, flat, entries).output
    found, _ = native_graph([computed])
    own = {x.key: primitive.inputs[0], flat.key: primitive.inputs[1]}
    return _renamed(found, primitive, own)


def _renamed(found: NativeGraph, primitive: Primitive, own: dict[str, str]) -> NativeGraph:
    root = found.producers[found.outputs[0]]

    def new(uid: str) -> str:
        if uid in own:
            return own[uid]
        if uid.startswith(f"{root.uid}_Output_"):
            return primitive.output()
        return f"{primitive.uid}/{uid}"

    primitives = {}
    for one in found.primitives.values():
        uid, name = (primitive.uid, primitive.name) if one is root else (f"{primitive.uid}/{one.uid}", "")
        primitives[uid] = replace(one, uid=uid, name=name, inputs=tuple(map(new, one.inputs)))
    leaves: dict[str, Leaf] = {
        new(uid): replace(leaf, uid=new(uid)) for uid, leaf in found.leaves.items() if uid not in own
    }
    hints = {new(uid): shape for uid, shape in found.hints.items()}
    return replace(found, leaves=leaves, primitives=primitives, hints=hints)


def layers_of(stack: Stack, x: Any, weights: Any, entries: int) -> Any:
    """Return the layers of a stack as a Function of a sequence and of all weights together.

    The weights of all layers come first, those for the operand before those for the state, a direction after the other,
    each a row for each number of each gate; then two biases for each layer and direction.
    """
    from onnx_workbench.cntk import ops

    gates = GATES[stack.kind] * stack.hidden
    flat = ops.reshape(weights, (-1,))
    taken = 0

    def take(rows: int, columns: int = 0) -> Any:
        nonlocal taken
        begin, taken = taken, taken + rows * max(columns, 1)
        part = ops.slice(flat, 0, begin, taken)
        return ops.reshape(part, (rows, columns)) if columns else part

    sizes = [entries] + [stack.directions * stack.hidden] * (stack.layers - 1)
    directions = range(stack.directions)
    matrices = [[(take(gates, size), take(gates, stack.hidden)) for _ in directions] for size in sizes]
    biases = [[(take(gates), take(gates)) for _ in directions] for _ in sizes]
    for layer in range(stack.layers):
        parts = [
            _recurrence(stack, x, *matrices[layer][back], *biases[layer][back], backwards=bool(back))
            for back in directions
        ]
        x = parts[0] if len(parts) == 1 else ops.splice(*parts)
    return x


def _recurrence(
    stack: Stack, x: Any, matrix: Any, matrix_of_state: Any, bias: Any, bias_of_state: Any, *, backwards: bool
) -> Any:
    from onnx_workbench.cntk import ops
    from onnx_workbench.cntk.ops import sequence

    start = ops.constant(0.0, dtype=matrix.dtype)

    def delay(later: Any) -> Any:
        return (sequence.future_value if backwards else sequence.past_value)(later, start)

    state, cell = ops.placeholder((stack.hidden,)), ops.placeholder((stack.hidden,))
    before = delay(state)
    new = ops.plus(ops.times_transpose(x, matrix), bias)
    old = ops.plus(ops.times_transpose(before, matrix_of_state), bias_of_state)
    if stack.kind == "lstm":
        made, kept = _lstm(stack.hidden, ops.plus(new, old), delay(cell))
        return made.replace_placeholders({state: made, cell: kept})
    if stack.kind == "gru":
        made = _gru(stack.hidden, new, old, before)
    else:
        made = (ops.relu if stack.kind == "rnnReLU" else ops.tanh)(ops.plus(new, old))
    return made.replace_placeholders({state: made})


def _part(value: Any, number: int, size: int) -> Any:
    from onnx_workbench.cntk import ops

    return ops.slice(value, 0, number * size, (number + 1) * size)


def _lstm(size: int, summed: Any, kept: Any) -> tuple[Any, Any]:
    """Return the state and the cell; the gates are for input, forgetting, the new cell and output."""
    from onnx_workbench.cntk import ops

    inward, forget, new, outward = (_part(summed, number, size) for number in range(4))
    remembered = ops.element_times(ops.sigmoid(forget), kept)
    cell = ops.plus(remembered, ops.element_times(ops.sigmoid(inward), ops.tanh(new)))
    return ops.element_times(ops.sigmoid(outward), ops.tanh(cell)), cell


def _gru(size: int, new: Any, old: Any, before: Any) -> Any:
    """Return the state; the gates are for resetting, updating and the new state, whose own bias is reset too."""
    from onnx_workbench.cntk import ops

    reset, update = (ops.sigmoid(ops.plus(_part(new, n, size), _part(old, n, size))) for n in range(2))
    fresh = ops.tanh(ops.plus(_part(new, 2, size), ops.element_times(reset, _part(old, 2, size))))
    return ops.plus(fresh, ops.element_times(update, ops.minus(before, fresh)))
