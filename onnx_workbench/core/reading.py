"""Read ONNX itself: a path, bytes or a ModelProto."""

from __future__ import annotations

import io
import os
import re
import stat
import warnings
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError
from onnx import ModelProto, helper

from onnx_workbench.core.content import HEAD_BYTES, recognise
from onnx_workbench.core.errors import ModelFileError, ModelNotFoundError, WorkbenchWarning
from onnx_workbench.core.formatting import clean_text, format_bytes
from onnx_workbench.core.memory import require_memory
from onnx_workbench.core.model import Model
from onnx_workbench.core.old_opsets import OLDEST_OPSET, default_opset, upgrade_old_opset
from onnx_workbench.core.payloads import IN_MEMORY, Payloads, is_utf8
from onnx_workbench.core.serialization import LARGEST_PROTO_BYTES
from onnx_workbench.core.skim import skim
from onnx_workbench.core.soundness import check_functions, check_text

_AS_FILE = "Write it to a file, and open that by its path: the weights of a file stay there."


def read_path(path: str | os.PathLike[str]) -> Model:
    """Return the model in a file; its weights stay there.

    Raises
    ------
    ModelNotFoundError
        If there is no such file.
    ModelFileError
        If it is not an ONNX model, truncated, or wrong inside.
    """
    file_path = Path(path).expanduser()
    check_is_file(file_path)
    try:
        if not is_utf8(file_path.name):  # references to weights in it could not be written
            raise ModelFileError("Its file name is not valid UTF-8. Rename the file.")
        with file_path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            proto = _parse(file, size, head, location=file_path.name)
        source = f"ONNX file {clean_text(file_path.name)}"
        return checked_model(proto, Payloads(file_path), source=source, path=file_path.absolute())
    except ModelFileError as error:
        raise ModelFileError(f"Cannot open {clean_text(str(path))!r} as an ONNX model. {error}") from error


def read_bytes(content: bytes | bytearray | memoryview, *, source: str = "bytes") -> Model:
    """Return the model in a buffer, which is kept and holds the weights."""
    if not isinstance(content, bytes):
        require_memory("keep a copy of the model's bytes", memoryview(content).nbytes, remedy=_AS_FILE)
    memory = bytes(content)
    try:
        proto = _parse(io.BytesIO(memory), len(memory), memory[:HEAD_BYTES], location=IN_MEMORY)
        return checked_model(proto, Payloads(memory=memory), source=source)
    except ModelFileError as error:
        raise ModelFileError(f"Cannot open these {len(memory):,} bytes as an ONNX model. {error}") from error


def read_proto(proto: ModelProto, *, source: str = "ModelProto") -> Model:
    """Return the model of a proto, of which a copy is kept."""
    if proto.ByteSize() > LARGEST_PROTO_BYTES:
        raise ModelFileError(
            f"The ModelProto has {format_bytes(proto.ByteSize())}, and at most 2 GiB can be copied.\n"
            "Save it with onnx.save(proto, path, save_as_external_data=True) and open the file."
        )
    require_memory("keep a copy of the ModelProto", proto.ByteSize(), remedy=_AS_FILE)
    return read_bytes(proto.SerializeToString(), source=source)


def check_is_file(path: Path) -> None:
    """Raise the error that says why a path is not a file that can be opened."""
    shown = clean_text(str(path))
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # too long a name, or one with NUL in it, is no file either
        mode = 0
    if stat.S_ISDIR(mode):
        models = sorted(item.name for item in path.glob("*.onnx"))
        listed = f" It holds {', '.join(map(clean_text, models[:5]))}: name one." if models else ""
        raise ModelFileError(f"{shown!r} is a folder, not a model file.{listed}")
    if stat.S_ISREG(mode):
        return
    if mode:
        raise ModelFileError(
            f"{shown!r} is a device or a pipe, not a file. Copy its content to a file first."
        )
    if "=>" in shown or "\n" in str(path):
        raise ModelNotFoundError(
            f"{shown!r} is no path. For a model in ONNX's text form, give onnx.parser.parse_model(text)."
        )
    if shown.startswith(("http:/", "https:/")):
        address = re.sub(":/+", "://", shown, count=1)  # a Path keeps one slash
        raise ModelNotFoundError(f"{address!r} is an address. Download the file first, and open the copy.")
    folder = path.parent
    near = sorted(item.name for item in folder.glob("*.onnx"))[:5] if folder.is_dir() else []
    where = (
        f"its folder holds {', '.join(map(clean_text, near))}" if near else "and no .onnx file is beside it"
    )
    if not folder.is_dir():
        where = f"nor a folder {clean_text(str(folder))!r}"
    raise ModelNotFoundError(f"There is no file {shown!r} (working folder: {Path.cwd()}); {where}.")


def _parse(file: BinaryIO, size: int, head: bytes, *, location: str) -> ModelProto:
    if known := recognise(head):
        what, remedy = known
        raise ModelFileError(f"It is {what} ({format_bytes(size)}). {remedy}")
    try:
        content = skim(file, size, location=location)
    except ModelFileError as error:
        raise ModelFileError(
            f"The file is truncated or damaged: {error}. It has {format_bytes(size)}; "
            "compare that with the size where it came from, and fetch it again."
        ) from error
    proto = ModelProto()
    try:
        proto.ParseFromString(content)
    except DecodeError as error:
        raise ModelFileError(f"The file is damaged, or not ONNX: {error}") from error
    return proto


def checked_model(proto: ModelProto, payloads: Payloads, *, source: str, path: Path | None = None) -> Model:
    """Return the model of a proto that nobody has looked at yet, or say what is wrong in it."""
    graph = proto.graph
    if not proto.HasField("graph") or not (graph.node or graph.output or graph.initializer):
        raise ModelFileError("It holds no graph: it is not an ONNX model, or an empty one.")
    check_text(proto)
    check_functions(proto)
    if not proto.opset_import:
        # Files of CNTK 2.2 to 2.4 name no opset, and the standard then means opset 1.
        proto.opset_import.append(helper.make_opsetid("", 1))
    opset = default_opset(proto)
    if upgrade_old_opset(proto):
        source += f", brought from opset {opset} to {OLDEST_OPSET}"
    if missing := payloads.check(proto):
        warnings.warn(
            f"The weights of {clean_text(source)} are in {', '.join(map(clean_text, missing[:3]))}, which is not "
            "beside it. The graph can be looked at; to run it, put that file in the same folder.",
            WorkbenchWarning,
            stacklevel=4,
        )
    payloads.bring_in_small(proto, missing)
    return Model(proto, payloads, source=source, path=path)
