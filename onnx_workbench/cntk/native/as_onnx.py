"""A native CNTK graph as an ONNX model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto, helper

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, Names, refuse
from onnx_workbench.cntk.as_onnx.free_sizes import check_free_sizes, names_of_steps
from onnx_workbench.cntk.as_onnx.node import PREFIX
from onnx_workbench.cntk.as_onnx.rule_table import ALL_RULES, rule_for
from onnx_workbench.cntk.as_onnx.sequences import DELAYS, is_about_sequences, lower_recurrence
from onnx_workbench.cntk.native.graph import (
    CONSTANT,
    INPUT,
    PARAMETER,
    PLACEHOLDER,
    Leaf,
    NativeGraph,
    Primitive,
)
from onnx_workbench.cntk.native.repeated_steps import taken_apart
from onnx_workbench.core.errors import ExportError, ModelFileError, NameNotFoundError, no_such
from onnx_workbench.core.formatting import clean_text

OPSET, IR_VERSION = 18, 8

_MOST_STEPS = 5_000_000  # of the search for outputs that need no label

_MOST_ELEMENTS = 1 << 40
GRAPH_NAME = "cntk"
BATCH, STEPS, STEPS_FIRST = "N", "T", "Sequence"
"""Names of dimensions: of a batch and of the steps of sequences; CNTK's exports call static free ones the last."""

CNTK_DOMAIN = "cntk"
"""Domain of nodes that are CNTK's own primitives."""


def supported_operators() -> frozenset[str]:
    """Return the names of the primitives that can be written as ONNX."""
    return frozenset(ALL_RULES)


def to_onnx(
    graph: NativeGraph,
    *,
    location: str,
    outputs: Iterable[str] | None = None,
    keep_steps: bool = False,
    weights: dict[str, tuple[str, tuple[int, ...]]] | None = None,
    shared: dict[str, NDArray[Any]] | None = None,
) -> ModelProto:
    """Return an ONNX model of a native graph.

    Parameters
    ----------
    graph
        The graph.
    location
        Name of the file with the weights: large ones are references into it.
    outputs
        Names or uids of the values to give. Left out: the file's outputs, without losses and metrics, which need
        more inputs (the labels) than the others.
    weights
        Filled with the uid and the shape of the parameter or constant behind each initializer that is one.
    shared
        Filled with large arrays by name: the model then only refers to them, and whoever runs it gives them.

    Raises
    ------
    ExportError
        If a primitive cannot be written as ONNX: it is named, and how many such there are.
    """
    chosen, own = _chosen_outputs(graph, outputs), graph.leaves
    graph = taken_apart(replace(graph, outputs=chosen, primitives=_reached(graph, chosen)))
    _check_operators(graph)
    check_free_sizes(graph)
    lowering = _Lowering(graph, Emitter(Names(), location, shared=shared), keep_steps=keep_steps)
    model = lowering.model()
    if weights is not None:
        weights.update({name: key for name, key in lowering.emit.leaf_names().items() if key[0] in own})
    return model


def primitives_as_nodes(
    graph: NativeGraph, *, location: str, outputs: Iterable[str] | None = None
) -> ModelProto:
    """Return a model whose nodes are CNTK's own primitives, to look at; nothing can run it."""
    chosen = _chosen_outputs(graph, outputs)
    primitives = _reached(graph, chosen)
    emit = Emitter(Names(), location)
    names = {
        uid: emit.names.new(leaf.name or uid) for uid, leaf in graph.leaves.items() if leaf.value is None
    }
    for uid in [p.output(i) for p in primitives.values() for i in (0, 1)]:
        names[uid] = emit.names.new(graph.names.get(uid, uid))
    inputs: dict[str, ValueInfoProto] = {}
    nodes: list[NodeProto] = []
    for primitive in reversed(primitives.values()):
        given = []
        for position, uid in enumerate(primitive.inputs):
            leaf = graph.leaves.get(uid)
            if primitive.operator in DELAYS and not position and leaf is None:
                given.append("")  # ONNX has no loops among nodes
                continue
            if leaf is not None and leaf.value is not None:
                names[uid] = emit.leaf(leaf, leaf.name or uid).name
            elif leaf is not None:
                dims = [*"NT"[: leaf.dynamic_axes], *(n if n >= 0 else None for n in leaf.shape)]
                kind = helper.np_dtype_to_tensor_dtype(leaf.dtype)
                inputs[uid] = helper.make_tensor_value_info(names[uid], kind, dims)
            given.append(names[uid])
        results = [names[primitive.output(i)] for i in range(2 if primitive.operator == "TopK" else 1)]
        label = primitive.name or primitive.uid
        nodes.append(helper.make_node(primitive.operator, given, results, name=label, domain=CNTK_DOMAIN))
    declared = [helper.make_tensor_value_info(names[uid], TensorProto.FLOAT, None) for uid in chosen]
    found = helper.make_graph(nodes, GRAPH_NAME, list(inputs.values()), declared, emit.initializers)
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(CNTK_DOMAIN, 1)]
    return helper.make_model(
        found, ir_version=IR_VERSION, opset_imports=imports, producer_name="onnx-workbench"
    )


def _check_operators(graph: NativeGraph) -> None:
    missing = [p for p in graph.primitives.values() if rule_for(p.operator) is None]
    if not missing:
        return
    counts = Counter(primitive.operator for primitive in missing)
    listed = ", ".join(f"{clean_text(name)} ({count:,})" for name, count in counts.most_common(10))
    first = missing[0]
    raise refuse(
        first,
        f"this operator is not written as ONNX yet. Such nodes: {len(missing):,} of {len(graph.primitives):,}: "
        f"{listed}. "
        "A part before it may do: open_model(path, outputs=[names of values]). "
        "To look at the graph: view(open_model(path, as_is=True)).",
    )


def _chosen_outputs(graph: NativeGraph, wanted: Iterable[str] | None) -> tuple[str, ...]:
    if wanted is not None:
        by_name = {name: uid for uid, name in graph.names.items()}
        found = []
        for name in wanted:
            uid = by_name.get(name, name)
            if uid not in graph.producers and f"{uid}_Output_0" in graph.producers:
                uid = f"{uid}_Output_0"
            if uid not in graph.producers:
                raise NameNotFoundError(no_such("value", name, [*by_name, *graph.producers]))
            found.append(uid)
        return tuple(found)
    if len(graph.outputs) * len(graph.primitives) > _MOST_STEPS:
        return graph.outputs
    arguments = {uid: _arguments(graph, uid) for uid in graph.outputs}
    return tuple(
        uid for uid in graph.outputs if not any(arguments[other] < arguments[uid] for other in graph.outputs)
    )


def _arguments(graph: NativeGraph, output: str) -> frozenset[str]:
    """Return the inputs that an output depends on."""
    found: set[str] = set()
    for primitive in _reached(graph, (output,)).values():
        found |= {uid for uid in primitive.inputs if uid in graph.leaves and graph.leaves[uid].value is None}
    return frozenset(found)


def _reached(graph: NativeGraph, outputs: tuple[str, ...]) -> dict[str, Primitive]:
    found: dict[str, Primitive] = {}
    waiting = list(outputs)
    while waiting:
        primitive = graph.producers.get(waiting.pop())
        if primitive is not None and primitive.uid not in found:
            found[primitive.uid] = primitive
            waiting += primitive.inputs
    return found


def components(graph: NativeGraph) -> list[list[Primitive]]:
    """Return the loops of a graph, and its other primitives one by one, each after what it reads (Tarjan)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[Primitive]] = []
    before = {
        uid: [graph.producers[i].uid for i in primitive.inputs if i in graph.producers]
        for uid, primitive in graph.primitives.items()
    }
    for root in graph.primitives:
        work = [(root, 0)] if root not in number else []
        while work:
            uid, position = work.pop()
            if not position:
                number[uid] = lowest[uid] = len(number)
                stack.append(uid)
                on_stack.add(uid)
            for index in range(position, len(before[uid])):
                other = before[uid][index]
                if other not in number:
                    work += [(uid, index + 1), (other, 0)]
                    break
                if other in on_stack:
                    lowest[uid] = min(lowest[uid], number[other])
            else:
                if lowest[uid] == number[uid]:
                    start = stack.index(uid, 0) if stack[-1] != uid else len(stack) - 1
                    members, stack[start:] = stack[start:], []
                    on_stack -= set(members)
                    found.append([graph.primitives[member] for member in members])
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[uid])
    return found


def _within(component: list[Primitive], graph: NativeGraph) -> list[Primitive]:
    """Return the primitives of a loop in an order in which delays come first and the others after what they read."""
    own = {primitive.uid for primitive in component if primitive.operator not in DELAYS}
    ordered = [primitive for primitive in component if primitive.operator in DELAYS]
    missing = {
        p.uid: {graph.producers[i].uid for i in p.inputs if i in graph.producers} & own
        for p in component
        if p.uid in own
    }
    readers: dict[str, list[str]] = {}
    for uid, needs in missing.items():
        for need in needs:
            readers.setdefault(need, []).append(uid)
    ready = [uid for uid, needs in missing.items() if not needs]
    count = 0
    while ready:
        uid = ready.pop()
        count += 1
        ordered.append(graph.primitives[uid])
        for reader in readers.get(uid, ()):
            missing[reader].discard(uid)
            if not missing[reader]:
                ready.append(reader)
    if count < len(own):
        stuck = next(uid for uid, needs in missing.items() if needs)
        raise ModelFileError(
            f"{clean_text(stuck)!r} depends on itself in the same step: the graph goes in a circle"
        )
    return ordered


class _Lowering:
    """One graph on its way to ONNX."""

    def __init__(self, graph: NativeGraph, emit: Emitter, *, keep_steps: bool) -> None:
        self.graph = graph
        self.emit = emit
        self.node_names = Names()
        self.values: dict[str, Emitted] = {}
        self.sequences = keep_steps or any(
            is_about_sequences(primitive) for primitive in graph.primitives.values()
        )
        used = dict.fromkeys(uid for p in graph.primitives.values() for uid in p.inputs)
        self.inputs = [
            leaf for uid, leaf in graph.leaves.items() if uid in used and leaf.kind in {INPUT, PLACEHOLDER}
        ]
        self.input_infos: list[ValueInfoProto] = []
        self.steps = names_of_steps(self.inputs, STEPS)
        for leaf in self.inputs:
            self._add_input(leaf, self.emit.names.new(leaf.name or leaf.uid))
        # Outputs have the first right to their names, inner values the next.
        self.output_names = {
            uid: self.emit.names.new(graph.names.get(uid, uid))
            for uid in graph.outputs
            if uid in graph.producers
        }

    def _add_input(self, leaf: Leaf, name: str) -> None:
        axes = leaf.dynamic_axes if self.sequences else min(leaf.dynamic_axes, 1)
        steps = self.steps.get(leaf.steps, STEPS)
        dims = [BATCH, steps][:axes] + [n if n >= 0 else STEPS_FIRST for n in leaf.shape]
        dtype = helper.np_dtype_to_tensor_dtype(leaf.dtype)
        self.input_infos.append(helper.make_tensor_value_info(name, dtype, dims))
        self.values[leaf.uid] = Emitted(name, tuple(leaf.shape), axes, leaf.dtype)

    def model(self) -> ModelProto:
        """Return the whole model."""
        outside = self._read_elsewhere()
        for component in components(self.graph):
            self._lower_leaves(component)
            alone = len(component) == 1 and component[0].output() not in component[0].inputs
            if alone:
                self._lower(self.emit, component[0], self.values)
            else:
                ordered = _within(component, self.graph)
                wanted = set().union(*(outside.get(p.uid, set()) for p in component))
                lower_recurrence(self.emit, self.graph, ordered, self.values, self._lower, wanted, self._name)
        outputs = [self._output(uid) for uid in self.graph.outputs]
        graph = helper.make_graph(
            self.emit.nodes, GRAPH_NAME, self.input_infos, outputs, self._used_initializers()
        )
        return helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=self._opsets(),
            producer_name="onnx-workbench",
        )

    def _opsets(self) -> list[OperatorSetIdProto]:
        """Return the operator sets: those of nodes that came from ONNX may be younger, and of other domains."""
        asked = [p.attributes.get("opset") for p in self.graph.primitives.values()]
        newest = max([OPSET, *(int(one) for one in asked if isinstance(one, int))])
        domains = {node.domain for node in self.emit.nodes} - {"", "ai.onnx"}
        return [helper.make_opsetid("", newest), *(helper.make_opsetid(one, 1) for one in sorted(domains))]

    def _read_elsewhere(self) -> dict[str, set[str]]:
        """Return, by uid of primitive, its outputs that anything reads, or that are the graph's."""
        read = {uid for primitive in self.graph.primitives.values() for uid in primitive.inputs}
        found: dict[str, set[str]] = {}
        for uid in read | set(self.graph.outputs):
            if uid in self.graph.producers:
                found.setdefault(self.graph.producers[uid].uid, set()).add(uid)
        return found

    def _lower_leaves(self, component: list[Primitive]) -> None:
        for primitive in component:
            for uid in primitive.inputs:
                leaf = self.graph.leaves.get(uid)
                if uid not in self.values and leaf is not None and leaf.kind in {PARAMETER, CONSTANT}:
                    self.values[uid] = self.emit.leaf(leaf, leaf.name or leaf.uid)

    def _lower(self, emit: Emitter, primitive: Primitive, values: dict[str, Emitted]) -> None:
        """Write one primitive and note its values, under CNTK's names."""
        start = len(emit.nodes)
        try:
            inputs = [values[uid] for uid in primitive.inputs]
            if not inputs and not primitive.operator.startswith(("RandomDistribution", PREFIX)):
                raise refuse(primitive, "it has no inputs.")
            rule = rule_for(primitive.operator)
            if rule is None:
                raise refuse(primitive, "this operator is not written as ONNX.")
            found = rule(emit, primitive, inputs)
        except KeyError as error:
            raise refuse(primitive, f"its input {clean_text(str(error.args[0]))!r} has no value.") from error
        except (IndexError, TypeError, OverflowError) as error:
            raise refuse(primitive, f"its attributes and inputs do not go together ({error}).") from error
        except ExportError as error:
            text = str(error)
            raise error if primitive.uid in text else refuse(primitive, text) from error
        if any(math.prod(n for n in value.shape if n > 0) > _MOST_ELEMENTS for value in found):
            raise refuse(primitive, f"it makes more than {_MOST_ELEMENTS:,} numbers of one sample.")
        new = emit.nodes[start:]
        for index, value in enumerate(found):
            uid = primitive.output(index)
            values[uid] = self._named(value, uid, new, outermost=emit is self.emit)
        label = primitive.name or primitive.uid
        for index, node in enumerate(new):
            node.name = self.node_names.new(label if len(new) == 1 else f"{label}/{node.op_type}_{index}")

    def _name(self, uid: str) -> str:
        """Return the name of a value in the main graph: its own if it is an output, else CNTK's or one like it."""
        return self.output_names.pop(uid, None) or self.emit.names.new(self.graph.names.get(uid, uid))

    def _named(self, value: Emitted, uid: str, nodes: list[NodeProto], *, outermost: bool) -> Emitted:
        if not any(value.name in node.output for node in nodes):
            return value  # an operand that is passed on
        name = self._name(uid) if outermost else self.emit.names.new(f"{self.graph.names.get(uid, uid)}_step")
        for node in nodes:
            for names in (node.input, node.output):
                for index, old in enumerate(names):
                    if old == value.name:
                        names[index] = name
        return replace(value, name=name)

    def _output(self, uid: str) -> ValueInfoProto:
        """Return the declaration of an output, and see to it that it has its own name."""
        if uid not in self.values:
            leaf = self.graph.leaves[uid]
            self.values[uid] = self.emit.leaf(leaf, leaf.name or uid)
        value = self.values[uid]
        if uid in self.output_names or uid not in self.graph.producers:
            name = self._name(uid)
            self.emit.nodes += [helper.make_node("Identity", [value.name], [name], name=f"{name}/Identity")]
            value = replace(value, name=name)
        steps = f"{STEPS}_{value.name}" if len(self.steps) > 1 else STEPS
        dims = [BATCH, steps][: value.axes] + [n if n >= 0 else STEPS_FIRST for n in value.shape]
        return helper.make_tensor_value_info(value.name, helper.np_dtype_to_tensor_dtype(value.dtype), dims)

    def _used_initializers(self) -> list[TensorProto]:
        used: set[str] = set()
        waiting: list[Iterable[NodeProto]] = [self.emit.nodes]
        while waiting:
            for node in waiting.pop():
                used.update(node.input)
                waiting += [a.g.node for a in node.attribute if a.HasField("g")]
                for attribute in node.attribute:
                    if attribute.HasField("g"):
                        used.update(output.name for output in attribute.g.output)
        return [tensor for tensor in self.emit.initializers if tensor.name in used]
