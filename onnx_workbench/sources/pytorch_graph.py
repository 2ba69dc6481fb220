"""What torch's exporter wrote, made readable and portable: the name of the batch, the paths of source files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from onnx import GraphProto, ModelProto, TensorShapeProto, ValueInfoProto

STACK_TRACE = "pkg.torch.onnx.stack_trace"
"""Key of a node's metadata: the lines of the source framework that made it."""

_OWN_SYMBOL = re.compile(r"s\d+")
_FILE = re.compile(r'File "([^"]+)"')
_LIBRARIES = ("site-packages", "dist-packages")


def tidy(proto: ModelProto, batch_dimension: str) -> None:
    """Name the batch dimension, and take this machine's paths out of the stack traces; in place."""
    _rename_batch(proto.graph, batch_dimension)
    for node in proto.graph.node:
        for entry in node.metadata_props:
            if entry.key == STACK_TRACE:
                entry.value = _FILE.sub(lambda found: f'File "{_portable(found[1])}"', entry.value)


def _rename_batch(graph: GraphProto, batch_dimension: str) -> None:
    """Rename torch's own symbol, such as ``s77``, where it is the first dimension of an input."""
    firsts = {_first_dimension(value) for value in graph.input}
    symbols = {name for name in firsts if _OWN_SYMBOL.fullmatch(name)}
    if len(symbols) != 1:
        return
    symbol = re.compile(rf"\b{symbols.pop()}\b")  # it stands in expressions too: 15*s77
    for dimension in _dimensions(graph):
        dimension.dim_param = symbol.sub(batch_dimension, dimension.dim_param)


def _first_dimension(value: ValueInfoProto) -> str:
    dimensions = value.type.tensor_type.shape.dim
    return dimensions[0].dim_param if dimensions else ""


def _dimensions(graph: GraphProto) -> Iterator[TensorShapeProto.Dimension]:
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield from (item for item in value.type.tensor_type.shape.dim if item.dim_param)


def _portable(path: str) -> str:
    """Return a source file's path from its package or from the working folder on; else its name alone."""
    file = Path(path)
    for library in _LIBRARIES:
        if library in file.parts:
            return Path(*file.parts[file.parts.index(library) + 1 :]).as_posix()
    if file.is_relative_to(Path.cwd()):
        return file.relative_to(Path.cwd()).as_posix()
    return file.name
