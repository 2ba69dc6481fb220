"""Sequences: delays, recurrences as ONNX's Scan, the first and the last step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from onnx import ValueInfoProto, helper

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, refuse
from onnx_workbench.cntk.as_onnx.node import PREFIX
from onnx_workbench.cntk.as_onnx.rule_parts import DYNAMIC_AXIS, Rule, axes_of, expanded_like, number
from onnx_workbench.cntk.native.graph import NativeGraph, Primitive

DELAYS = frozenset({"PastValue", "FutureValue"})
_MOST_STEPS_BACK = 1000
_MOST_ATTEMPTS = 6

Lower = Callable[[Emitter, Primitive, dict[str, Emitted]], None]


def offset_of(primitive: Primitive) -> int:
    """Return how many steps a delay goes back, or ahead."""
    offset = int(number(primitive, "offset", 1))
    if not 1 <= offset <= _MOST_STEPS_BACK:
        raise refuse(primitive, f"a delay of {offset:,} steps is not from 1 to {_MOST_STEPS_BACK:,}.")
    return offset


def _start(emit: Emitter, initial: Emitted, carrier: Emitted, shape: tuple[int, ...], steps: int) -> str:
    """Return the name of the initial state, (batch, steps, shape) or, for 0 steps, (batch, shape)."""
    middle = [steps] if steps else []
    name = initial.name
    if initial.axes == 2:  # as many steps as there are to be, or one, which is repeated
        more = (1,) * (len(shape) - initial.rank)
        name = emit.reshaped(initial, more + initial.shape).name
    elif initial.axes:
        initial = emit.reshaped(initial, (1,) * (len(shape) - initial.rank) + initial.shape)
        name = emit.node("Unsqueeze", [initial, emit.numbers([1])]) if steps else initial.name
    batch = emit.node("Shape", [carrier], start=0, end=1)
    whole = emit.node("Concat", [batch, emit.numbers([*middle, *shape])], axis=0)
    return emit.node("Expand", [name, whole])


def _step_of(emit: Emitter, initial: Emitted, back: int, *, past: bool) -> Emitted:
    """Return a step of an initial state that is a sequence: so many before its last one, or after its first one."""
    if initial.axes != 2:
        return initial
    length = emit.node("Shape", [initial], start=1, end=2)
    if past:
        last = emit.node("Sub", [length, emit.numbers([back + 1])])
        place = emit.node("Max", [last, emit.numbers([0])])
    else:
        place = emit.node("Min", [emit.node("Sub", [length, emit.numbers([1])]), emit.numbers([back])])
    step = emit.node("Gather", [initial, emit.node("Squeeze", [place, emit.numbers([0])])], axis=1)
    return replace(initial, name=step, axes=1)


def _delay(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Shift a sequence that does not depend on the result; the initial state fills the gap."""
    x, initial = inputs[:2]
    offset = offset_of(primitive)
    if x.axes != 2:
        raise refuse(primitive, "its operand is no sequence.")
    past = primitive.operator == "PastValue"
    if initial.axes == 2:  # the last steps of it, or the first ones
        ends = (-offset, 1 << 62) if past else (0, offset)
        begun = emit.node("Slice", [initial, *(emit.numbers([end]) for end in ends), emit.numbers([1])])
        initial = replace(initial, name=begun)
    start = _start(emit, initial, x, x.shape, offset)
    whole = emit.node("Concat", [start, x] if past else [x, start], axis=1)
    begin, end = (0, -offset) if past else (offset, 1 << 62)
    name = emit.node("Slice", [whole, emit.numbers([begin]), emit.numbers([end]), emit.numbers([1])])
    return [Emitted(name, x.shape, 2, x.dtype)]


def _where(_emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Pass on the flags: of one step in each sequence, as `sequence.first` and `last` have it."""
    additive = number(primitive, "newSequenceAxisLengthAdditiveFactor", 0)
    scaling = number(primitive, "newSequenceAxisLengthScalingFactor", 0)
    if (additive, scaling) != (1, 0):
        raise refuse(primitive, "a choice of any number of steps is not written as ONNX yet.")
    return inputs[:1]


def _gather_packed(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Take the step that is flagged."""
    x, flags = inputs[:2]
    if x.axes != 2 or flags.axes != 2 or flags.size != 1:
        raise refuse(primitive, "its operand or its index is no sequence.")
    flat = emit.node("Reshape", [flags, emit.numbers([0, 0])])
    index = emit.node("ArgMax", [flat], axis=1, keepdims=1)
    return [Emitted(emit.node("GatherND", [x, index], batch_dims=1), x.shape, 1, x.dtype)]


def _reconcile(emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Give a value the dynamic axes of another."""
    x, carrier = inputs[:2]
    if x.axes >= carrier.axes:
        return [x]
    return [Emitted(expanded_like(emit, x, carrier, x.shape), x.shape, carrier.axes, x.dtype)]


def _second(_emit: Emitter, _primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    return inputs[1:2]


SEQUENCE_RULES: dict[str, Rule] = {
    "PastValue": _delay,
    "FutureValue": _delay,
    "Where": _where,
    "PackedIndex": _second,
    "GatherPacked": _gather_packed,
    "ReconcileDynamicAxis": _reconcile,
}


@dataclass
class _Body:
    """The inside of a Scan while it is put together."""

    emit: Emitter
    values: dict[str, Emitted]
    states: list[list[str]]  # of each delay, from the youngest to the oldest


def lower_recurrence(
    emit: Emitter,
    graph: NativeGraph,
    component: list[Primitive],
    values: dict[str, Emitted],
    lower: Lower,
    wanted: set[str],
    name_of: Callable[[str], str],
) -> None:
    """Write primitives that form a loop through delays as one Scan; add what others need of it to the values."""
    delays = [primitive for primitive in component if primitive.operator in DELAYS]
    if len({delay.operator for delay in delays}) != 1:
        raise refuse(component[0], "its loop goes into the past and into the future, or has no delay at all.")
    own = {primitive.uid for primitive in component}
    outer = _outer_sequences(graph, component, own, values)
    if not outer:
        raise refuse(delays[0], "its loop reads no sequence.")
    shapes = [_guess(graph, component, delay, values) for delay in delays]
    for _ in range(_MOST_ATTEMPTS):
        body = _body(emit, component, delays, shapes, outer, values, lower)
        found = [body.values[delay.inputs[0]].shape for delay in delays]
        if found == shapes:
            break
        shapes = found
    else:
        raise refuse(delays[0], "the shape of its state grows with each step.")
    _scan(emit, component, delays, shapes, outer, values, body, wanted, name_of)


def _outer_sequences(
    graph: NativeGraph, component: Iterable[Primitive], own: set[str], values: dict[str, Emitted]
) -> list[str]:
    """Return the uids of the sequences that a loop reads from outside."""
    found: dict[str, None] = {}
    for primitive in component:
        operands = primitive.inputs[:1] if primitive.operator in DELAYS else primitive.inputs
        for uid in operands:
            producer = graph.producers.get(uid)
            if (producer is None or producer.uid not in own) and values[uid].axes == 2:
                found[uid] = None
    return list(found)


def _guess(
    graph: NativeGraph, component: list[Primitive], delay: Primitive, values: dict[str, Emitted]
) -> tuple[int, ...]:
    """Return the likely shape of a state: as the file says, as the initial state has it, as a product needs it."""
    hint = graph.hints.get(delay.inputs[0])
    if hint is not None and all(n > 0 for n in hint):
        return tuple(hint)
    initial = values[delay.inputs[1]]
    if initial.size > 1:
        return initial.shape
    reached, waiting = {delay.output()}, [delay.output()]
    while waiting:
        uid = waiting.pop()
        for primitive in component:
            if uid not in primitive.inputs:
                continue
            weights = values.get(primitive.inputs[0])
            if primitive.operator == "Times" and weights is not None and primitive.inputs[-1] == uid:
                return weights.shape[: weights.rank - int(number(primitive, "outputRank", 1))]
            if (
                primitive.operator not in {*DELAYS, "Times", "Slice", "Splice"}
                and primitive.output() not in reached
            ):
                reached.add(primitive.output())
                waiting.append(primitive.output())
    return initial.shape


def _body(
    emit: Emitter,
    component: list[Primitive],
    delays: list[Primitive],
    shapes: list[tuple[int, ...]],
    outer: list[str],
    values: dict[str, Emitted],
    lower: Lower,
) -> _Body:
    inside = emit.body()
    inner = dict(values)
    for uid in outer:
        inner[uid] = replace(values[uid], name=emit.names.new(f"{values[uid].name}_step"), axes=1)
    states = []
    for delay, shape in zip(delays, shapes, strict=True):
        names = [emit.names.new(f"{delay.uid}_state") for _ in range(offset_of(delay))]
        states.append(names)
        inner[delay.output()] = Emitted(names[-1], shape, 1, values[delay.inputs[1]].dtype)
    for primitive in component:
        if primitive.operator not in DELAYS:
            lower(inside, primitive, inner)
    return _Body(inside, inner, states)


def _info(name: str, value: Emitted, axes: int = 1) -> ValueInfoProto:
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(value.dtype), [None] * axes + list(value.shape)
    )


def _scan(
    emit: Emitter,
    component: list[Primitive],
    delays: list[Primitive],
    shapes: list[tuple[int, ...]],
    outer: list[str],
    values: dict[str, Emitted],
    body: _Body,
    wanted: set[str],
    name_of: Callable[[str], str],
) -> None:
    inside, carrier = body.emit, values[outer[0]]
    inputs, outputs, starts = [], [], []
    for delay, shape, names in zip(delays, shapes, body.states, strict=True):
        state = Emitted(delay.uid, shape, 1, values[delay.inputs[1]].dtype)
        initial, past = values[delay.inputs[1]], delay.operator == "PastValue"
        begun = [_step_of(emit, initial, back, past=past) for back in range(len(names))]
        following = [body.values[delay.inputs[0]].name, *names[:-1]]
        for name, source, first in zip(names, following, begun, strict=True):
            inputs.append(_info(name, state))
            outputs.append(_info(inside.node("Identity", [source]), state))
            starts.append(_start(emit, first, carrier, shape, 0))
    inputs += [_info(body.values[uid].name, body.values[uid]) for uid in outer]
    kept = [
        p.output(i) for p in component for i in (0, 1) if p.output(i) in wanted and p.output(i) in body.values
    ]
    outputs += [_info(inside.node("Identity", [body.values[uid]]), body.values[uid]) for uid in kept]
    backwards = int(delays[0].operator == "FutureValue")
    unused = [emit.names.new("last_state") for _ in starts]
    results = [name_of(uid) for uid in kept]
    attributes: dict[str, Any] = {
        "num_scan_inputs": len(outer),
        "scan_input_axes": [1] * len(outer),
        "scan_input_directions": [backwards] * len(outer),
        "body": helper.make_graph(inside.nodes, emit.names.new("step"), inputs, outputs),
    }
    if kept:
        attributes |= {"scan_output_axes": [1] * len(kept), "scan_output_directions": [backwards] * len(kept)}
    emit.nodes.append(
        helper.make_node(
            "Scan", [*starts, *(values[uid].name for uid in outer)], [*unused, *results], **attributes
        )
    )
    for uid, name in zip(kept, results, strict=True):
        values[uid] = replace(body.values[uid], name=name, axes=2)


_OF_STEPS = {
    *DELAYS, "Where", "ReconcileDynamicAxis", "UnpackSequenceOp", "ToSequenceOp", "ToSequenceLikeOp",
    "CosDistanceWithNegativeSamples", "WhereOften",
}  # fmt: skip


def is_about_sequences(primitive: Primitive) -> bool:
    """Tell whether a primitive is about the steps of a sequence: without such, a sequence has one step."""
    if primitive.operator in _OF_STEPS:
        return True
    if primitive.operator.startswith(PREFIX):  # of a model that had them when it was imported
        return bool(primitive.attributes.get("ofSteps"))
    if primitive.operator == "Convolution":
        return primitive.attributes.get("sequential") is True
    return primitive.operator == "ReduceElements" and any(
        axis.index == DYNAMIC_AXIS for axis in axes_of(primitive)
    )
