"""Graphs inside nodes (the branches of If, the bodies of Loop and Scan): what they read of outside, and other names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onnx import GraphProto, NodeProto

from onnx_workbench.cntk.as_onnx.emitter import Names


def inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs in a node's attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def captured(node: NodeProto) -> list[str]:
    """Return the names that the graphs inside a node read of the graphs around it, each once."""
    return list(dict.fromkeys(name for graph in inner_graphs(node) for name in _read_of_outside(graph)))


def _own_names(graph: GraphProto) -> set[str]:
    found = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    return found | {name for node in graph.node for name in node.output}


def _read_of_outside(graph: GraphProto) -> Iterator[str]:
    own = _own_names(graph)
    read = [value.name for value in graph.output]
    for node in graph.node:
        read += [*node.input, *captured(node)]
    return (name for name in read if name and name not in own)


def rename_inside(node: NodeProto, outside: Mapping[str, str], names: Names) -> None:
    """Give what graphs inside a node read of outside its new names, and their own values names that nobody has.

    ONNX allows no name twice, not even in a graph and one inside another.
    """
    for graph in inner_graphs(node):
        renamed = {**outside, **{name: names.new(name) for name in sorted(_own_names(graph)) if name}}
        for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
            value.name = renamed.get(value.name, value.name)
        for inner in graph.node:
            inner.input[:] = [renamed.get(name, name) for name in inner.input]
            inner.output[:] = [renamed.get(name, name) for name in inner.output]
            rename_inside(inner, renamed, names)
