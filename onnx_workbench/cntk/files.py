"""Models in files: CNTK's native format and ONNX, told apart by their content."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from onnx_workbench.cntk.as_onnx.node import PREFIX
from onnx_workbench.cntk.as_primitives.translation import has_onnx_nodes, with_own_primitives
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.from_onnx import function_of_model
from onnx_workbench.cntk.native import file as native_file
from onnx_workbench.cntk.native.as_onnx import to_onnx
from onnx_workbench.cntk.native.form import native_graph
from onnx_workbench.cntk.native.functions import function_of
from onnx_workbench.cntk.native.saving import dictionary_of
from onnx_workbench.cntk.native.writing import serialize
from onnx_workbench.cntk.ops.choices import ModelFormat
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.core.content import HEAD_BYTES
from onnx_workbench.core.errors import ModelFileError, ModelNotFoundError, WorkbenchWarning
from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.reading import check_is_file, read_bytes, read_path, read_proto


def load(model: str | os.PathLike[str] | bytes, format: Any = ModelFormat.CNTKv2) -> Function:
    """Return the graph in a file or in bytes; the content says which format it is.

    Parameters
    ----------
    model
        Path of the file, or its content.
    format
        What the caller takes it for; a mistake is a warning.

    Raises
    ------
    CntkValueError
        If there is no such file.
    ModelFileError
        If it is truncated, damaged, or neither format.
    """
    if not isinstance(model, (str, os.PathLike, bytes, bytearray)):
        raise CntkTypeError(f"A model is loaded from a path or from bytes; this is a {type(model).__name__}.")
    source = bytes(model) if isinstance(model, (bytes, bytearray)) else Path(model).expanduser()
    head = source[:HEAD_BYTES] if isinstance(source, bytes) else _head(source)
    native = native_file.is_native(head)
    found = ModelFormat.CNTKv2 if native else ModelFormat.ONNX
    loaded = _load_native(source) if native else _load_onnx(source)
    if isinstance(format, ModelFormat) and format is not found:
        what = "these bytes" if isinstance(source, bytes) else repr(clean_text(source.name))
        warnings.warn(
            f"The model in {what} is in the format {found.name}, not {format.name}; it was loaded as what it is. "
            f"Say format=ModelFormat.{found.name}.",
            WorkbenchWarning,
            stacklevel=3,
        )
    return loaded


def _head(path: Path) -> bytes:
    try:
        check_is_file(path)
    except ModelNotFoundError as error:
        raise CntkValueError(str(error)) from error
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _load_native(source: Path | bytes) -> Function:
    try:
        if isinstance(source, bytes):
            return function_of(native_file.read_buffer(source))
        return function_of(native_file.read_file(source))
    except ModelFileError as error:
        what = f"these {len(source):,} bytes" if isinstance(source, bytes) else repr(clean_text(str(source)))
        raise ModelFileError(f"Cannot load {what} as a native CNTK model: {error}.") from error


def _load_onnx(source: Path | bytes) -> Function:
    return function_of_model(read_bytes(source) if isinstance(source, bytes) else read_path(source))


def save(
    function: Function,
    filename: str | os.PathLike[str],
    format: Any = ModelFormat.CNTKv2,
    *,
    external: bool = False,
) -> None:
    """Write a graph to a file, whole or not at all.

    Parameters
    ----------
    function
        The graph.
    filename
        The file.
    format
        `ModelFormat.CNTKv2`, which the real CNTK 2.7 reads, or `ModelFormat.ONNX`.
    external
        For ONNX: write the weights to a second file beside it.
    """
    if format is ModelFormat.ONNX:
        read_proto(export(function)).save(filename, external_data=external)
    elif format is ModelFormat.CNTKv2:
        whole = with_own_primitives(function, whole=True) if has_onnx_nodes(function) else function
        pieces = serialize(dictionary_of(whole))
        write_atomic(filename, (bytes(piece) if isinstance(piece, memoryview) else piece for piece in pieces))
    else:
        raise CntkValueError(f"format={format!r} is neither ModelFormat.CNTKv2 nor ModelFormat.ONNX.")


def export(function: Function) -> Any:
    """Return a graph as an ONNX ModelProto of dynamic batch, CNTK's names kept."""
    graph, _ = native_graph(function.outputs)
    if not any(uid in graph.producers for uid in graph.outputs):
        raise CntkValueError("This Function computes nothing: its outputs are its inputs.")
    for one in function.placeholders:
        raise CntkRuntimeError(
            f"'{one}' is a placeholder, and ONNX has no such thing: put an input in its place before saving, "
            "model.replace_placeholder(input_variable(shape))."
        )
    imported = any(one.operator.startswith(PREFIX) for one in graph.primitives.values())
    proto = to_onnx(graph, location="", outputs=dict.fromkeys(graph.outputs) if imported else None)
    values = [value.name for value in proto.graph.output]
    if len(values) == len(function.outputs):  # losses are left out where they need labels
        pairs = zip(function.outputs, values, strict=True)
        named = " ".join(f"<<<{variable.uid}, {name}>>>" for variable, name in pairs if ">" not in name)
        proto.graph.doc_string = f"<<<Uid, ONNXNodeName>>> pair: {named}"  # as CNTK's own exports say it
    return proto
