"""Where the contents of a model's tensors lie, and how to map them when somebody asks."""

from __future__ import annotations

import math
import mmap
import pickle
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.formatting import clean_text, format_bytes
from onnx_workbench.core.protos import content_bytes, dtype_name, tensors_of_model
from onnx_workbench.core.skim import LARGE_BYTES

IN_MEMORY = "in-memory"
"""Location of contents that came as bytes rather than as a file."""

_COPY_BYTES = 1 << 24
_MEMORY_ADDRESS = "*/"  # onnxruntime takes "*/_ORT_MEM_ADDR_/*" for an address in its own memory


@dataclass(frozen=True)
class Reference:
    """A stretch of a file that holds one tensor's content."""

    location: str
    offset: int
    length: int | None


def is_external(tensor: TensorProto) -> bool:
    """Tell whether a tensor's content lies outside the proto."""
    return tensor.data_location == TensorProto.EXTERNAL


def reference_of(tensor: TensorProto) -> Reference:
    """Return where an external tensor's content lies (onnx/docs/ExternalData.md)."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = clean_text(tensor.name)
    try:
        offset, length = int(entries.get("offset") or 0), entries.get("length")
        reference = Reference(entries.get("location", ""), offset, None if length is None else int(length))
    except ValueError as error:
        raise ModelFileError(
            f"Tensor {name!r}: its external data has an offset or a length that is not a number."
        ) from error
    if not reference.location or offset < 0 or (reference.length or 0) < 0:
        raise ModelFileError(
            f"Tensor {name!r}: its external data has no location, or a negative offset or length."
        )
    return reference


class Payloads:
    """The files, or the buffer in memory, that hold the contents of one model's large tensors.

    Parameters
    ----------
    model_path
        The model's file; external data may not leave its folder. If it is a link (as in the caches of model
        hubs), the folder that it leads to counts as well. None for models in memory.
    memory
        The serialized model, for models that came as bytes.
    """

    def __init__(self, model_path: Path | None = None, memory: bytes | None = None) -> None:
        self.folder = model_path.parent if model_path else None
        self._roots = {model_path.parent.resolve(), model_path.resolve().parent} if model_path else set()
        self._paths: dict[str, Path] = {}
        self._buffers: dict[str, memoryview] = {} if memory is None else {IN_MEMORY: memoryview(memory)}
        self.in_memory = memory is not None
        self._stamps: dict[str, tuple[int, ...]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave maps of files out of a pickle: they are made again where they are needed."""
        state = dict(vars(self))
        kept = self._buffers.get(IN_MEMORY) if self.in_memory else None
        return state | {"_buffers": None if kept is None else pickle.PickleBuffer(kept)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        kept = state["_buffers"]
        vars(self).update(state, _buffers={} if kept is None else {IN_MEMORY: memoryview(kept).toreadonly()})

    def check(self, proto: ModelProto) -> list[str]:
        """Refuse references that leave the folder or the file; return the files that are missing."""
        missing: dict[str, None] = {}
        for tensor in tensors_of_model(proto):
            _check_dimensions(tensor)
            if not is_external(tensor):
                continue
            reference = reference_of(tensor)
            if reference.location in missing:
                continue
            if (buffer := self._buffers.get(reference.location)) is not None:
                self._check_extent(tensor, reference, len(buffer))
                continue
            if not _is_file(self._path(reference.location)):
                missing[reference.location] = None
                continue
            self._check_extent(tensor, reference, self._stamp(reference.location)[0])
        return list(missing)

    def bring_in_small(self, proto: ModelProto, missing: list[str]) -> None:
        """Put small external contents (axes, shapes) into the proto: shape inference must see them."""
        for tensor in tensors_of_model(proto):
            size = content_bytes(tensor.data_type, tensor.dims) if is_external(tensor) else None
            if size is not None and size < LARGE_BYTES and reference_of(tensor).location not in missing:
                self.fill(tensor)

    def _path(self, location: str) -> Path:
        """Return the file of a location, which must stay inside the model's folder, links resolved."""
        if location not in self._paths:
            self._paths[location] = self._resolved(location)
        return self._paths[location]

    def _resolved(self, location: str) -> Path:
        shown = clean_text(location)
        if self.folder is None:
            raise ModelFileError(
                f"The weights lie in another file ({shown!r}), and bytes or protos have no folder to look in.\n"
                "Open the model by its path instead, with that file beside it."
            )
        try:
            path = self.folder if "\0" in location else (self.folder / location).resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
            raise ModelFileError(f"The model's weights point to {shown!r}, which leads nowhere.") from error
        inside = any(path.is_relative_to(root) and path != root for root in self._roots)
        if Path(location).is_absolute() or not inside or location.startswith(_MEMORY_ADDRESS):
            raise ModelFileError(
                f"The model's weights point to {shown!r}, outside its own folder. That is refused: a model file must "
                "not read other files of yours.\nIf you trust it, put the weights beside the model and export again."
            )
        return path

    def _stamp(self, location: str) -> tuple[int, ...]:
        """Return (size, time of change, inode) as first seen, and refuse a file that has changed since."""
        path = self._path(location)
        if not _is_file(path):
            raise ModelFileError(
                f"The model's weights are in a second file, {clean_text(location)!r}, which is not in "
                f"{clean_text(str(self.folder))!r}.\nPut it beside the model, or export the model again as one file."
            )
        found = path.stat()
        stamp = (found.st_size, found.st_mtime_ns, found.st_ino)
        if self._stamps.setdefault(location, stamp) != stamp:
            raise ModelFileError(
                f"The file {clean_text(location)!r} was changed after the model was opened. Open it again."
            )
        return stamp

    @staticmethod
    def _check_extent(tensor: TensorProto, reference: Reference, available: int) -> int:
        """Return the content's length in bytes, which must lie in the file and fit dtype and shape."""
        rest = max(0, available - reference.offset)
        length = rest if reference.length is None else reference.length
        expected = content_bytes(tensor.data_type, tensor.dims)
        name = clean_text(tensor.name)
        if reference.offset + length > available:
            raise ModelFileError(
                f"Tensor {name!r} should lie at bytes {reference.offset:,} to {reference.offset + length:,} of "
                f"{clean_text(reference.location)!r}, which has only {available:,}: the file is truncated."
            )
        if (
            expected is not None
            and length != expected
            and (reference.length is not None or length < expected)
        ):
            raise ModelFileError(
                f"Tensor {name!r} of dtype {dtype_name(tensor.data_type)} and shape {tuple(tensor.dims)} needs "
                f"{format_bytes(expected)} ({expected:,} bytes), and {length:,} bytes are there: the file is damaged."
            )
        return length if expected is None else expected

    def content(self, tensor: TensorProto) -> memoryview:
        """Return the content of an external tensor as a read-only view of its mapped file."""
        reference = reference_of(tensor)
        buffer = self._buffers.get(reference.location)
        if not (self.in_memory and buffer is not None):
            # Each time anew: reading a mapping of which the file was cut short would end the process.
            size = self._stamp(reference.location)[0]
            self._check_extent(tensor, reference, size)
            buffer = self._map(reference.location, size) if buffer is None else buffer
        length = self._check_extent(tensor, reference, len(buffer))
        return buffer[reference.offset : reference.offset + length]

    def _map(self, location: str, size: int) -> memoryview:
        if size == 0:
            return memoryview(b"")
        with self._path(location).open("rb") as file:
            buffer = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
        self._buffers[location] = buffer
        return buffer

    def let_go(self) -> None:
        """Give the memory of mapped contents back: what is read again comes from the file again."""
        for buffer in self._buffers.values():
            if isinstance(buffer.obj, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                buffer.obj.madvise(mmap.MADV_DONTNEED)

    def pieces(self, tensor: TensorProto) -> Iterator[bytes]:
        """Yield the content of an external tensor in pieces, read (not mapped) so that memory stays flat."""
        reference = reference_of(tensor)
        if reference.location in self._buffers and self.in_memory:
            yield bytes(self.content(tensor))
            return
        left = self._check_extent(tensor, reference, self._stamp(reference.location)[0])
        with self._path(reference.location).open("rb") as file:
            file.seek(reference.offset)
            while left:
                piece = file.read(min(left, _COPY_BYTES))
                if not piece:
                    raise ModelFileError(
                        f"The file {clean_text(reference.location)!r} shrank while it was read."
                    )
                left -= len(piece)
                yield piece

    def verify_unchanged(self, proto: ModelProto) -> None:
        """Raise if a file that holds contents is missing, or was changed since the model was opened."""
        seen: set[str] = set()
        for tensor in tensors_of_model(proto):
            if is_external(tensor) and (location := reference_of(tensor).location) not in seen:
                seen.add(location)
                if not (self.in_memory and location in self._buffers):
                    self._stamp(location)

    def for_runtime(self, proto: ModelProto) -> tuple[Path, ModelProto] | None:
        """Return (folder, model) such that every location is a plain path in that folder, links followed.

        onnxruntime maps contents itself, and follows no links out of the folder it is given. None if the
        contents are in memory, in two folders, or in one whose name onnxruntime cannot take.
        """
        if self.in_memory:
            return None
        tensors = [tensor for tensor in tensors_of_model(proto) if is_external(tensor)]
        files = {location: self._path(location) for location in {reference_of(t).location for t in tensors}}
        for root in sorted(self._roots):
            if is_utf8(str(root)) and all(path.is_relative_to(root) for path in files.values()):
                names = {location: path.relative_to(root).as_posix() for location, path in files.items()}
                return root, proto if all(k == v for k, v in names.items()) else _relocated(proto, names)
        return None

    def array(self, tensor: TensorProto) -> NDArray[np.generic]:
        """Return a tensor as a read-only array, mapped from its file where its dtype allows."""
        if not is_external(tensor):
            return _decoded(tensor)
        if (size := content_bytes(tensor.data_type, tensor.dims)) is None:
            raise ModelFileError(
                f"Tensor {clean_text(tensor.name)!r} of {dtype_name(tensor.data_type)} has content as raw bytes, which "
                "only numbers can have: the file is damaged."
            )
        content = self.content(tensor)
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
        if size == math.prod(tensor.dims) * dtype.itemsize:
            return np.frombuffer(content, dtype).reshape(tuple(tensor.dims))
        return _decoded(
            TensorProto(
                name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=bytes(content)
            )
        )

    def fill(self, tensor: TensorProto) -> None:
        """Put an external tensor's content into the tensor itself."""
        tensor.raw_data = bytes(self.content(tensor))
        clear_reference(tensor)


def is_utf8(text: str) -> bool:
    """Tell whether a text can be written into a model: a file's name on Linux may hold any bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_file(path: Path) -> bool:
    """Tell whether there is a regular file: opening a pipe would wait, a name too long is none."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _check_dimensions(tensor: TensorProto) -> None:
    if any(dimension < 0 for dimension in tensor.dims):
        raise ModelFileError(
            f"Tensor {clean_text(tensor.name)!r} has a negative dimension: {tuple(tensor.dims)}."
        )


def _decoded(tensor: TensorProto) -> NDArray[np.generic]:
    """Return the content that a tensor holds itself, read-only."""
    try:
        array = numpy_helper.to_array(tensor)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"Tensor {clean_text(tensor.name)!r} of {dtype_name(tensor.data_type)} and shape {tuple(tensor.dims)} is "
            f"damaged: {clean_text(str(error))}"
        ) from error
    array.flags.writeable = False
    return array


def _relocated(proto: ModelProto, names: dict[str, str]) -> ModelProto:
    """Return a copy of a model with other locations."""
    copy = ModelProto()
    copy.CopyFrom(proto)
    for tensor in tensors_of_model(copy):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = names[entry.value]
    return copy


def clear_reference(tensor: TensorProto) -> None:
    """Take the external reference out of a tensor."""
    del tensor.external_data[:]
    tensor.ClearField("data_location")
