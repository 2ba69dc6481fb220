"""From events of kernels to time by kernel and by node."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from onnx import GraphProto, NodeProto

from onnx_workbench.core.graph_parts import Value
from onnx_workbench.core.model import Model
from onnx_workbench.core.value_sizes import size_of
from onnx_workbench.runtime.kernel_events import KernelEvent, RunEvents
from onnx_workbench.runtime.placement import Placed, address, subgraphs
from onnx_workbench.runtime.profile_result import KernelCall, KernelTime, NodeTime

_OTHER_NAMES = {"Gemm": "MatMul", "Upsample": "Resize", "Conv": "BatchNormalization"}
"""Kernels with another operator's name, and the operator that they do the work of."""


class Places:
    """Kernels of the optimised graph by the names that events give them."""

    def __init__(self, placed: Sequence[Placed]) -> None:
        self._anywhere: dict[str, list[Placed]] = {}
        self._top = _by_name(placed)
        self._inner: dict[int, dict[str, list[Placed]]] = {}
        waiting = list(placed)
        while waiting:
            kernel = waiting.pop()
            self._anywhere.setdefault(kernel.name, []).append(kernel)
            if kernel.inner:
                self._inner[id(kernel)] = _by_name(kernel.inner)
                waiting += kernel.inner

    def resolve(self, events: Sequence[KernelEvent]) -> list[Placed]:
        """Return the kernel of each event; events stand behind those in whose subgraph they are.

        Names are looked up in the subgraph where the event was, then anywhere, as sibling subgraphs may repeat them.
        """
        found: dict[int, Placed] = {}
        unnamed: dict[tuple[int, str], list[KernelEvent]] = {}
        scopes: dict[int, dict[str, list[Placed]]] = {}
        for event in events:
            outer = None if event.parent is None else found.get(id(event.parent))
            scope = self._top if outer is None else self._inner.get(id(outer), {})
            same = scope.get(event.name) or self._anywhere.get(event.name, [])
            known = [kernel for kernel in same if kernel.op_type == event.op_type] or [
                kernel for kernel in same if kernel.op_type in event.op_type
            ]
            if known:
                found[id(event)] = known[0]
            elif any(kernel.op_type == event.op_type for kernel in scope.get("", [])):
                scopes[id(scope)] = scope
                unnamed.setdefault((id(scope), event.op_type), []).append(event)
            else:
                found[id(event)] = self._unknown(event)
        for (scope_id, op_type), waiting in unnamed.items():
            _pair(scopes[scope_id], op_type, waiting)
            found |= {id(event): scopes[scope_id][event.name][0] for event in waiting}
        return [found[id(event)] for event in events]

    def _unknown(self, event: KernelEvent) -> Placed:
        kernel = Placed(event.name, event.op_type, ())
        self._anywhere.setdefault(event.name, []).append(kernel)
        return kernel


def _pair(scope: dict[str, list[Placed]], op_type: str, events: Sequence[KernelEvent]) -> None:
    """Give kernels without a name, of functions that onnxruntime expands, the names that their events have.

    Kernels run in the order in which the optimised graph has them. Where their numbers differ, some did not run, and
    each event stands for all of them.
    """
    kernels = [kernel for kernel in scope[""] if kernel.op_type == op_type]
    names = list(dict.fromkeys(event.name for event in events))
    if len(names) != len(kernels):
        nodes = dict.fromkeys(node for kernel in kernels for node in kernel.nodes)
        kernels = [Placed(name, op_type, tuple(nodes)) for name in names]
    for name, kernel in zip(names, kernels, strict=True):
        kernel.name = name
        scope.setdefault(name, []).insert(0, kernel)


def _by_name(placed: Sequence[Placed]) -> dict[str, list[Placed]]:
    found: dict[str, list[Placed]] = {}
    for kernel in placed:
        found.setdefault(kernel.name, []).append(kernel)
    return found


@dataclass
class _Sums:
    """What the runs say of one kernel."""

    kernel: Placed
    provider: str
    by_run: dict[int, float] = field(default_factory=dict)
    calls: int = 0
    output_bytes: int = 0


def kernel_times(
    runs: Sequence[RunEvents], places: Places
) -> tuple[tuple[KernelTime, ...], dict[str, int], tuple[KernelCall, ...]]:
    """Return the time of each kernel, the bytes it wrote by the node that ends it, and the calls of a usual run."""
    sums: dict[int, _Sums] = {}
    usual = sorted(range(len(runs)), key=lambda i: runs[i].duration_us)[len(runs) // 2]
    timeline: tuple[KernelCall, ...] = ()
    for index, run in enumerate(runs):
        resolved = places.resolve(run.kernels)
        for event, kernel in zip(run.kernels, resolved, strict=True):
            total = sums.setdefault(id(kernel), _Sums(kernel, event.provider))
            total.by_run[index] = total.by_run.get(index, 0.0) + event.own_us
            total.calls += 1
            total.output_bytes = max(total.output_bytes, event.output_bytes)
        if index == usual:
            timeline = tuple(
                KernelCall(e.name, e.op_type, e.start_us, e.duration_us, k.nodes)
                for e, k in zip(run.kernels, resolved, strict=True)
            )
    times = [_kernel_time(total, len(runs)) for total in sums.values()]
    written = {t.kernel.nodes[-1]: t.output_bytes for t in sums.values() if t.kernel.nodes and t.output_bytes}
    return tuple(sorted(times, key=lambda kernel: -kernel.time_ms)), written, timeline


def _kernel_time(total: _Sums, runs: int) -> KernelTime:
    middle = statistics.median(total.by_run.get(index, 0.0) for index in range(runs)) / 1e3
    kernel = total.kernel
    calls = max(1, round(total.calls / runs))
    return KernelTime(kernel.name, kernel.op_type, middle, calls, kernel.nodes, kernel.layout, total.provider)


def shares(kernel: KernelTime, operators: Mapping[str, str]) -> dict[str, float]:
    """Return the part of a kernel's time that each of its nodes gets; the parts sum up to 1."""
    own = [key for key in kernel.nodes if _last(operators[key]) in kernel.operator]
    own = own or [key for key in kernel.nodes if operators[key] == _OTHER_NAMES.get(kernel.operator)]
    chosen = own if own and len(kernel.nodes) > 1 else list(kernel.nodes)
    return dict.fromkeys(kernel.nodes, 0.0) | dict.fromkeys(chosen, 1 / len(chosen)) if chosen else {}


def _last(operator: str) -> str:
    return operator.rsplit(".", 1)[-1]


def node_times(
    model: Model, kernels: Sequence[KernelTime], values: Mapping[str, Value], written: Mapping[str, int]
) -> tuple[NodeTime, ...]:
    """Return time and memory of every node, those of subgraphs behind those of the model's graph."""
    found = list(_all_nodes(model))
    times, by_node = _by_node(kernels, {key: operator for key, operator, _, _ in found})
    weights = model.constants | model.initializers
    rows = []
    for key, operator, outer, node in found:
        ran = by_node.get(key, [])
        others = dict.fromkeys(other for kernel in ran for other in kernel.nodes if other != key)
        sizes = [size_of(values[name]) if name in values else None for name in node.output if name]
        known = None if outer or None in sizes else sum(size for size in sizes if size is not None)
        rows.append(
            NodeTime(
                key,
                operator,
                times[key],
                tuple(dict.fromkeys(kernel.name for kernel in ran)),
                tuple(others),
                written.get(key) if known is None else known,
                sum(weights[name].size_bytes for name in dict.fromkeys(node.input) if name in weights),
                outer,
            )
        )
    return tuple(rows)


def _by_node(
    kernels: Sequence[KernelTime], operators: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, list[KernelTime]]]:
    """Return for each node its part of the time, and the kernels that it is in."""
    times = dict.fromkeys(operators, 0.0)
    by_node: dict[str, list[KernelTime]] = {}
    parts: dict[str, dict[str, float]] = {}
    for kernel in sorted(kernels, key=lambda kernel: kernel.layout):
        mine = shares(kernel, operators)
        if kernel.layout and len(kernel.nodes) == 1:  # counts for whom the value costs its time already
            mine |= parts.get(kernel.nodes[0], {})
        for key, part in mine.items():
            times[key] += part * kernel.time_ms
            by_node.setdefault(key, []).append(kernel)
            parts.setdefault(key, mine)
    return times, by_node


def _all_nodes(model: Model) -> Iterator[tuple[str, str, str, NodeProto]]:
    """Yield (address, operator, key of the outermost node around or nothing, node)."""
    waiting: list[tuple[GraphProto, str, str]] = []

    def entry(node: NodeProto, path: str, outer: str) -> tuple[str, str, str, NodeProto]:
        key = address(node, path)
        waiting.extend((graph, f"{key}/{name}/", outer or key) for name, graph in subgraphs(node))
        own = node.domain in {"", "ai.onnx"}
        return key, node.op_type if own else f"{node.domain}.{node.op_type}", outer, node

    for node in model.nodes:
        yield entry(node.proto, "", "")
    for graph, path, outer in waiting:  # which grows while it is read
        for inner in graph.node:
            yield entry(inner, path, outer)
