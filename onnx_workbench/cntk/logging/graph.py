"""Looking at graphs: search, names, text and pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.ops.functions import Function

__all__ = [
    "depth_first_search",
    "find_all_with_name",
    "find_by_name",
    "find_by_uid",
    "get_node_outputs",
    "plot",
]


def depth_first_search(root: Any, visitor: Callable[[Any], Any], depth: int = 0) -> list[Any]:
    """Return the primitives and leaves of a graph for which `visitor` is true.

    Parameters
    ----------
    root
        A Function, or an output of one.
    visitor
        Asked about every node.
    depth
        How many levels of blocks are opened; -1 opens all.
    """
    levels = sys.maxsize if depth == -1 else int(depth)
    stack: list[tuple[Any, int]] = [(root.root_function, levels)]
    found: list[Any] = []
    visited: set[str] = set()
    while stack:
        node, left = stack.pop(0)
        if node.uid in visited:
            continue
        if isinstance(node, Function):
            node = node.root_function
        if isinstance(node, Function) and node.is_block and left > 0:
            mapping = node.block_arguments_mapping
            stack += [(outer, left - 1) for _, outer in mapping]
            visited |= {inner.uid for inner, _ in mapping}
            stack.append((node.block_root, left - 1))
            visited.add(node.uid)
            if visitor(node):
                found.append(node)
            continue
        visited.add(node.uid)
        if isinstance(node, Function):
            stack = [(one, left) for one in node.inputs] + stack
        elif node.is_output:
            stack.insert(0, (node.owner, left))
            continue
        if visitor(node):
            found.append(node)
    return found


def find_all_with_name(node: Any, node_name: str, depth: int = 0) -> list[Any]:
    """Return everything with this name."""
    return depth_first_search(node, lambda one: one.name == node_name, depth)


def find_by_name(node: Any, node_name: str, depth: int = 0) -> Any:
    """Return the only thing with this name, or None.

    Raises
    ------
    ValueError
        If several have it, or it is no text.
    """
    if not isinstance(node_name, str):
        raise CntkValueError(f"node name has to be a string. You gave a {type(node_name)}")
    found = find_all_with_name(node, node_name, depth)
    if len(found) > 1:
        raise CntkValueError(
            f'found multiple functions matching "{node_name}". If that was expected call find_all_with_name'
        )
    return found[0] if found else None


def find_by_uid(node: Any, node_uid: str, depth: int = 0) -> Any:
    """Return the thing with this uid, or None."""
    if not isinstance(node_uid, str):
        raise CntkValueError(f"node_uid must be string. You gave a {type(node_uid)}")
    found = depth_first_search(node, lambda one: one.uid == node_uid, depth)
    return found[0] if found else None


def get_node_outputs(node: Any, depth: int = 0) -> list[Any]:
    """Return the outputs of all primitives of a graph."""
    nodes = depth_first_search(node, lambda _: True, depth)
    return [output for one in nodes if isinstance(one, Function) for output in one.outputs]


def plot(root: Any, filename: str | None = None) -> str:
    """Return a line for each primitive, and draw the graph into a file if one is named.

    Raises
    ------
    ValueError
        For a file that is neither SVG, PDF, PNG nor DOT.
    """
    nodes = [one for one in depth_first_search(root, lambda _: True) if isinstance(one, Function)]
    lines = []
    for node in nodes:
        shown = [one for one in node.inputs if not (node.is_block and one.is_constant)]
        operands = ", ".join(one.uid for one in shown)
        lines += [f"{node.op_name}({operands}) -> {output.uid};\n" for output in node.outputs]
    if filename:
        from onnx_workbench.cntk.logging.pictures import draw

        draw(nodes, str(filename))
    return "\n".join(reversed(lines))
