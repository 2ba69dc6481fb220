"""Native CNTK files as ONNX models, with no CNTK installed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.formatting import clean_text, format_bytes
from onnx_workbench.core.model import Model
from onnx_workbench.core.payloads import IN_MEMORY, Payloads, is_utf8
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.core.reading import check_is_file, checked_model


def is_content(head: bytes) -> bool:
    """Tell from a file's first bytes whether it is of this source."""
    from onnx_workbench.cntk.native.file import is_native

    return is_native(head)


def read(
    source: str | os.PathLike[str] | bytes,
    *,
    outputs: Iterable[str] | None = None,
    as_is: bool = False,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> Model:
    """Return the model in a native CNTK file (``.model``, ``.dnn``, ``.cmf``); large weights stay there.

    Parameters
    ----------
    source
        Path of the file, or its content.
    outputs
        Names or uids of the values to give. Left out: what the file gives, without losses and metrics, which
        need the labels.
    as_is
        Leave CNTK's own primitives as they are: such a model can be looked at, even if some of its operators
        have no place in ONNX, and not run.
    labels, preprocessing
        Written into the model's metadata.

    Raises
    ------
    ModelNotFoundError
        If there is no such file.
    ModelFileError
        If it is truncated, damaged, or no model of CNTK 2.
    ExportError
        If a primitive cannot be written as ONNX: it is named, and how many such there are.
    """
    model = _read(source, outputs, as_is=as_is)
    if labels is None and preprocessing is None:
        return model
    return model.with_metadata(labels=labels, preprocessing=preprocessing)


def _read(source: str | os.PathLike[str] | bytes, outputs: Iterable[str] | None, *, as_is: bool) -> Model:
    from onnx_workbench.cntk.native import file as native_file
    from onnx_workbench.cntk.native.as_onnx import primitives_as_nodes, to_onnx
    from onnx_workbench.cntk.native.graph import read_graph

    write = primitives_as_nodes if as_is else to_onnx
    if isinstance(source, bytes):
        with _explained(f"these {len(source):,} bytes", len(source)):
            proto = write(read_graph(native_file.read_buffer(source)), location=IN_MEMORY, outputs=outputs)
        return checked_model(proto, Payloads(memory=source), source="CNTK bytes")
    path = Path(source).expanduser()
    check_is_file(path)
    name = clean_text(path.name)
    with _explained(repr(clean_text(str(source))), path.stat().st_size):
        if not is_utf8(path.name):  # references to weights in it could not be written
            raise ModelFileError("Its file name is not valid UTF-8. Rename the file.")
        proto = write(read_graph(native_file.read_file(path)), location=path.name, outputs=outputs)
    return checked_model(proto, Payloads(path), source=f"CNTK file {name}", path=path.absolute())


@contextmanager
def _explained(what: str, size: int) -> Iterator[None]:
    """Say which file it is that cannot be read."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(
            f"Cannot open {what} as a native CNTK model. The file is truncated, damaged or no model: {error}. "
            f"It has {format_bytes(size)}; compare that with the size where it came from, and fetch it again."
        ) from error
