"""Where a node comes from: the module of the source framework, and the line of its program."""

from __future__ import annotations

import ast
import re

from onnx import NodeProto

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_parts import Node

ModulePath = tuple[str, ...]

SCOPES = "pkg.torch.onnx.name_scopes"
_CLASSES = "pkg.torch.onnx.class_hierarchy"
_TRACE = "pkg.torch.onnx.stack_trace"
NOTES = frozenset({SCOPES, _CLASSES, _TRACE, "namespace"})
"""Keys of what exporters note on nodes."""

_LONGEST_NOTE = 4000
_LONGEST_TRACE = 40_000
_FRAME = re.compile(r'File "([^"\n]{1,400})", line (\d{1,7})')


def module_path(node: Node) -> ModulePath:
    """Return the modules around a node, outermost first; empty if the file does not tell.

    PyTorch's exporter notes them in the node's metadata (``pkg.torch.onnx.name_scopes``, ``namespace``); older
    exporters put them into the node's name, with slashes.
    """
    metadata = node.metadata
    return (
        _from_scopes(metadata.get(SCOPES, ""))
        or _from_namespace(metadata.get("namespace", ""))
        or tuple(piece for piece in node.name.split("/")[:-1] if piece)
    )


def has_provenance(node: NodeProto) -> bool:
    """Tell whether an exporter noted on a node, or in its name, where it comes from."""
    return any(entry.key in NOTES for entry in node.metadata_props) or "/" in node.name.strip("/")


def class_name(node: Node) -> str:
    """Return the class of the innermost module around a node, such as ``torch.nn.modules.conv.Conv2d``, or nothing."""
    classes = _list_of(node.metadata.get(_CLASSES, ""))[:-1]
    return clean_text(next((name for name in reversed(classes) if name), ""))


def module_class(node: Node, depth: int) -> str:
    """Return the class of a module around a node, such as ``BasicBlock``, or nothing; 1 is the outermost."""
    scopes = _list_of(node.metadata.get(SCOPES, ""))[:-1]
    if any(scopes):
        classes = _list_of(node.metadata.get(_CLASSES, ""))
        named = [name for scope, name in zip(scopes, classes, strict=False) if scope]
    else:
        pieces = [piece.split(":") for piece in node.metadata.get("namespace", "")[:_LONGEST_NOTE].split("/")]
        named = [piece[-1].strip() for piece in pieces[:-1] if len(piece) == 2 and piece[0].strip()]
    return clean_text(named[depth - 1].rpartition(".")[2]) if depth <= len(named) else ""


def _from_scopes(note: str) -> ModulePath:
    """Read ``['', 'layer1', 'layer1.0', 'conv2d']``: the root, the modules, and the operation itself."""
    return tuple(scope for scope in _list_of(note)[:-1] if scope)


def _list_of(note: str) -> list[str]:
    """Read a list of names as Python writes it; what is none is an empty one."""
    if not note or len(note) > _LONGEST_NOTE:
        return []
    try:
        names = ast.literal_eval(note)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [name if isinstance(name, str) else "" for name in names] if isinstance(names, list) else []


def _from_namespace(note: str) -> ModulePath:
    """Read ``: Net/layer1: Sequential/layer1.0: Block/conv2d: aten.conv2d.default``."""
    scopes = [piece.split(":")[0].strip() for piece in note[:_LONGEST_NOTE].split("/")]
    return tuple(scope for scope in scopes[:-1] if scope)


def qualified_name(path: ModulePath) -> str:
    """Return the module's name as ``named_modules`` gives it: scopes repeat the modules around them, or do not."""
    name = ""
    for scope in path:
        name = scope if not name or scope.startswith(f"{name}.") else f"{name}.{scope}"
    return clean_text(name)


def source_line(node: Node) -> str:
    """Return ``file:line`` of the program that called the node, as the exporter noted it; empty if it did not."""
    return _line_of_trace(node.metadata.get(_TRACE, ""))


def is_of_torch(line: str) -> bool:
    """Tell whether a file, or a line in it, is of PyTorch's own code: traces name files from their package on."""
    return "/torch/" in f"/{line}".replace("\\", "/")


def _line_of_trace(trace: str) -> str:
    """Return ``file:line`` of the innermost frame that is not PyTorch's own, in a stack trace that PyTorch noted."""
    frames = _FRAME.findall(trace[-_LONGEST_TRACE:])
    chosen = ([frame for frame in frames if not is_of_torch(frame[0])] or frames)[-1:]
    return clean_text(f"{chosen[0][0]}:{chosen[0][1]}") if chosen else ""
