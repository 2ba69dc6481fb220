"""Which module of the source framework each node comes from, and how many modules to open in a small picture."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence

from onnx_workbench.core.graph_parts import Node

ModulePath = tuple[str, ...]

_LONGEST_NOTE = 4000


def module_path(node: Node) -> ModulePath:
    """Return the modules around a node, outermost first; empty if the file does not tell.

    PyTorch's exporter notes them in the node's metadata (``pkg.torch.onnx.name_scopes``, ``namespace``); older
    exporters put them into the node's name, with slashes.
    """
    metadata = node.metadata
    return (
        _from_scopes(metadata.get("pkg.torch.onnx.name_scopes", ""))
        or _from_namespace(metadata.get("namespace", ""))
        or tuple(piece for piece in node.name.split("/")[:-1] if piece)
    )


def _from_scopes(note: str) -> ModulePath:
    """Read ``['', 'layer1', 'layer1.0', 'conv2d']``: the root, the modules, and the operation itself."""
    if not note or len(note) > _LONGEST_NOTE:
        return ()
    try:
        scopes = ast.literal_eval(note)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    if not isinstance(scopes, list):
        return ()
    return tuple(scope for scope in scopes[:-1] if isinstance(scope, str) and scope)


def _from_namespace(note: str) -> ModulePath:
    """Read ``: Net/layer1: Sequential/layer1.0: Block/conv2d: aten.conv2d.default``."""
    scopes = [piece.split(":")[0].strip() for piece in note[:_LONGEST_NOTE].split("/")]
    return tuple(scope for scope in scopes[:-1] if scope)


def groups_within(paths: Sequence[ModulePath], limit: int) -> list[ModulePath]:
    """Return the module that stands for each node; the empty path for nodes that are drawn themselves.

    All modules are opened to the same depth: the greatest at which at most `limit` boxes remain, or 1.
    """
    chosen = _groups_at(paths, 1)
    for depth in range(2, max(map(len, paths), default=0) + 1):
        groups = _groups_at(paths, depth)
        if _boxes(groups) > limit:
            break
        chosen = groups
    return chosen


def _groups_at(paths: Sequence[ModulePath], depth: int) -> list[ModulePath]:
    groups = [path[:depth] if len(path) >= depth else () for path in paths]
    sizes = Counter(groups)
    return [group if sizes[group] > 1 else () for group in groups]


def _boxes(groups: Sequence[ModulePath]) -> int:
    return len({group for group in groups if group}) + sum(not group for group in groups)
