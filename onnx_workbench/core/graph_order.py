"""The order in which a graph's nodes run, and the faults that leave it without one."""

from __future__ import annotations

from collections.abc import Iterator

from onnx import AttributeProto, GraphProto, NodeProto

from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.formatting import clean_text


def captured(node: NodeProto) -> Iterator[str]:
    """Yield the outer values that a node's subgraphs read by name."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield from _free_names(attribute.g)
        elif attribute.type == AttributeProto.GRAPHS:
            for graph in attribute.graphs:
                yield from _free_names(graph)


def _free_names(graph: GraphProto) -> Iterator[str]:
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own |= {name for node in graph.node for name in node.output}
    for node in graph.node:
        yield from (name for name in (*node.input, *captured(node)) if name and name not in own)
    yield from (value.name for value in graph.output if value.name not in own)


def execution_order(graph: GraphProto) -> list[NodeProto]:
    """Return a graph's nodes so that each stands behind those it reads from.

    Nodes that the file already holds in such an order (as ONNX requires) keep it.

    Raises
    ------
    ModelFileError
        If two nodes write the same value, or nodes wait for each other in a circle.
    """
    nodes = list(graph.node)
    writers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in node.output:
            if name and writers.setdefault(name, index) != index:
                raise ModelFileError(
                    f"Two nodes write the same value {clean_text(name)!r} (nodes {writers[name]} and {index} of the "
                    "file), and ONNX allows one. The tool that wrote the file has a fault."
                )
    needs = [{writers[name] for name in (*node.input, *captured(node)) if name in writers} for node in nodes]
    if all(max(need, default=-1) < index for index, need in enumerate(needs)):
        return nodes
    order = order_by_needs(needs)
    if order is None:
        raise _cycle(needs, nodes)
    return [nodes[index] for index in order]


def order_by_needs(needs: list[set[int]]) -> list[int] | None:
    """Return indices in an order that meets all needs, keeping their own order where it can; None for a cycle."""
    order: list[int] = []
    state = [0] * len(needs)  # 0 new, 1 waiting for its needs, 2 done
    for start in range(len(needs)):
        stack = [start]
        while stack:
            index = stack[-1]
            if state[index] == 0:
                state[index] = 1
                waiting = [need for need in needs[index] if state[need] != 2]
                if any(state[need] == 1 for need in waiting):
                    return None
                stack += sorted(waiting, reverse=True)
                continue
            stack.pop()
            if state[index] == 1:
                state[index] = 2
                order.append(index)
    return order


def _cycle(needs: list[set[int]], nodes: list[NodeProto]) -> ModelFileError:
    """Return the error that names the values on one cycle."""
    stuck = blocked(needs)
    path = [min(stuck)]
    seen = {path[0]: 0}
    while (following := min(needs[path[-1]] & stuck)) not in seen:
        seen[following] = len(path)
        path.append(following)
    path = path[seen[following] :]
    names = [clean_text(next(iter(nodes[index].output), "?"), limit=60) for index in reversed(path)]
    shown = [*names[:6], "…"] if len(names) > 7 else names
    return ModelFileError(
        f"The graph has a cycle of {len(path)} node{'s' * (len(path) > 1)}, so that none of them can run first: "
        f"{' → '.join([*shown, names[0]])}.\nLoops in ONNX are written with Loop or Scan; the tool that wrote "
        "the file has a fault."
    )


def blocked(needs: list[set[int]]) -> set[int]:
    """Return the nodes that can never run: those on a cycle, and those that wait for one."""
    readers: list[list[int]] = [[] for _ in needs]
    for index, need in enumerate(needs):
        for other in need:
            readers[other].append(index)
    unmet = [len(need) for need in needs]
    ready = [index for index, count in enumerate(unmet) if count == 0]
    stuck = set(range(len(needs)))
    while ready:
        index = ready.pop()
        stuck.discard(index)
        for reader in readers[index]:
            unmet[reader] -= 1
            if unmet[reader] == 0:
                ready.append(reader)
    return stuck
