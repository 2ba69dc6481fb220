"""Models in files: CNTK's native format and ONNX, told apart by their content."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onnx_workbench.cntk.as_onnx.node import PREFIX
from onnx_workbench.cntk.as_primitives.translation import has_onnx_nodes, with_own_primitives
from onnx_workbench.cntk.errors import (
    CntkFileError,
    CntkRuntimeError,
    CntkTypeError,
    CntkValueError,
    CntkWriteError,
)
from onnx_workbench.cntk.from_onnx import function_of_model
from onnx_workbench.cntk.graph import functions_below
from onnx_workbench.cntk.native import file as native_file
from onnx_workbench.cntk.native.as_onnx import to_onnx
from onnx_workbench.cntk.native.form import native_graph
from onnx_workbench.cntk.native.functions import function_of
from onnx_workbench.cntk.native.saving import dictionary_of
from onnx_workbench.cntk.native.writing import serialize
from onnx_workbench.cntk.ops.choices import ModelFormat
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.variables import Constant, Parameter
from onnx_workbench.core.content import HEAD_BYTES
from onnx_workbench.core.errors import ModelFileError, ModelNotFoundError, WorkbenchWarning, WriteError
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
        raise CntkValueError(
            f"Cannot load the model {str(model)[:80]!r}, a {type(model).__name__}, that is neither a file nor a byte "
            "buffer: give a path or bytes."
        )
    _check_format(format)
    source = bytes(model) if isinstance(model, (bytes, bytearray)) else _path(model)
    try:
        loaded, found = _loaded(source)
    except ModelFileError as error:
        raise CntkFileError(str(error)) from error
    if format is not found:
        what = "these bytes" if isinstance(source, bytes) else repr(clean_text(source.name))
        warnings.warn(
            f"The model in {what} is in the format {found.name}, not {format.name}; it was loaded as what it is. "
            f"Say format=ModelFormat.{found.name}.",
            WorkbenchWarning,
            stacklevel=3,
        )
    return loaded


def _loaded(source: Path | bytes) -> tuple[Function, ModelFormat]:
    native = native_file.is_native(source[:HEAD_BYTES] if isinstance(source, bytes) else _head(source))
    if native:
        return _load_native(source), ModelFormat.CNTKv2
    return _load_onnx(source), ModelFormat.ONNX


def _check_format(format: Any) -> None:
    if not isinstance(format, ModelFormat):
        raise CntkValueError(f"format={format!r} is neither ModelFormat.CNTKv2 nor ModelFormat.ONNX.")


def _path(name: Any) -> Path:
    """Return a path for what callers pass.

    Raises
    ------
    CntkTypeError, CntkValueError
        For what is no path, and for names that no file can have.
    """
    if not isinstance(name, str | os.PathLike | bytes):
        raise CntkTypeError(f"A file is named by a text or a path; got a {type(name).__name__}.")
    text = os.fsdecode(name)
    if not text or "\0" in text:
        raise CntkValueError(f"{clean_text(text)!r} is no name of a file.")
    return Path(text).expanduser()


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
    _check_format(format)
    path = _path(filename)
    pieces: Iterator[bytes] = iter(())
    if format is ModelFormat.ONNX:
        model = read_proto(export(function))
    else:
        whole = with_own_primitives(function, whole=True) if has_onnx_nodes(function) else function
        written = serialize(dictionary_of(whole))
        pieces = (bytes(piece) if isinstance(piece, memoryview) else piece for piece in written)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)  # as CNTK does
        if format is ModelFormat.ONNX:
            model.save(path, external_data=external)
        else:
            write_atomic(path, pieces)
    except OSError as error:
        reason = (
            str(error)
            if isinstance(error, WriteError)
            else f"Cannot write {clean_text(str(path))!r}: {error}"
        )
        raise CntkWriteError(reason) from error


def restore(function: Function, filename: str | os.PathLike[str]) -> None:
    """Give a graph the parameters and constants of the same graph in a file.

    Raises
    ------
    CntkFileError
        If the file cannot be read.
    CntkValueError
        If its graph is another one.
    """
    try:
        saved = load(filename, ModelFormat.CNTKv2)
    except CntkValueError as error:
        raise CntkFileError(str(error)) from error
    own, other = (functions_below([one.root_function]) for one in (function, saved))
    kept = [
        [leaf for leaf in one.inputs if isinstance(leaf, Parameter | Constant)] for one in (function, saved)
    ]
    same = [one.op_name for one in own] == [one.op_name for one in other] and [
        (type(one), one.shape, one.dtype) for one in kept[0]
    ] == [(type(one), one.shape, one.dtype) for one in kept[1]]
    if not same:
        raise CntkValueError(
            f"Function '{function!r}' being restored is not equivalent (isomorphic) to the Function '{saved!r}' loaded "
            "from the file: build the same network first, or use load_model."
        )
    for mine, theirs in zip(*kept, strict=True):
        mine._keep(theirs.value.copy())


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
