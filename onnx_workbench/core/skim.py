"""Read a model's graph and leave its weights in the file.

The wire format of Protocol Buffers is walked field by field
(https://protobuf.dev/programming-guides/encoding/). Every large tensor content is replaced by an ONNX
external-data reference (offset, length) into the very file that holds it, so that what remains is a small,
valid ModelProto. Only messages large enough to hide a large tensor are entered; everything else is copied as
it stands. Time grows with the number of fields, not with the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from onnx import TensorProto

from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.wire import DEEPEST_NESTING, WireReader, field_header

LARGE_BYTES = 1024
"""Tensor contents of this size or more stay in the file; smaller ones (shapes, axes, scalars) are read."""


@dataclass(frozen=True)
class _Kind:
    """A message type: which of its fields hold messages worth entering."""

    name: str
    fields: dict[int, _Kind] = field(default_factory=dict, repr=False)


# Field numbers of onnx.proto3, IR version 3 to 14.
_TENSOR = _Kind("TensorProto")
_GRAPH = _Kind("GraphProto")
_ATTRIBUTE = _Kind("AttributeProto", {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH})
_NODE = _Kind("NodeProto", {5: _ATTRIBUTE})
_GRAPH.fields.update({1: _NODE, 5: _TENSOR})
_FUNCTION = _Kind("FunctionProto", {7: _NODE, 11: _ATTRIBUTE})
_MODEL = _Kind("ModelProto", {7: _GRAPH, 25: _FUNCTION})

_TENSOR_DATA_TYPE, _TENSOR_RAW_DATA, _TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 2, 9, 13, 14
# A packed float_data or double_data field is, byte for byte, what raw_data would hold.
_RAW_LIKE: dict[int, int] = {
    TensorProto.FLOAT: 4,
    TensorProto.COMPLEX64: 4,
    TensorProto.DOUBLE: 10,
    TensorProto.COMPLEX128: 10,
}


def skim(file: BinaryIO, size: int, *, location: str) -> bytes:
    """Return a serialized ModelProto whose large tensor contents are references into `location`.

    Parameters
    ----------
    file
        The model's file, open for reading at random.
    size
        Its size in bytes.
    location
        Name written into each reference; a file name beside the model, by ONNX's rules for external data.

    Raises
    ------
    ModelFileError
        If the bytes are not a whole message in the wire format. The message is the reason alone.
    """
    return b"".join(_skim_message(WireReader(file, size), 0, size, _MODEL, location, 0))


def _skim_message(
    reader: WireReader, start: int, end: int, kind: _Kind, location: str, depth: int
) -> list[bytes]:
    if depth > DEEPEST_NESTING:
        raise ModelFileError(f"its messages are nested more than {DEEPEST_NESTING} deep")
    if kind is _TENSOR:
        return _skim_tensor(reader, start, end, location)
    pieces: list[bytes] = []
    copied = position = start
    while position < end:
        number, wire_type, body, after = reader.field(position, end)
        inner = kind.fields.get(number)
        if inner is not None and wire_type == 2 and after - body >= LARGE_BYTES:
            if copied < position:
                pieces.append(reader.copy(copied, position))
            content = _skim_message(reader, body, after, inner, location, depth + 1)
            pieces += (field_header(number, sum(map(len, content))), *content)
            copied = after
        position = after
    if copied < end:
        pieces.append(reader.copy(copied, end))
    return pieces


def _skim_tensor(reader: WireReader, start: int, end: int, location: str) -> list[bytes]:
    """Return the pieces of one tensor, its content replaced by a reference if it is large and contiguous."""
    fields: list[tuple[int, int, int, int]] = []
    data_type, external = 0, False
    position = start
    while position < end:
        number, wire_type, body, after = reader.field(position, end)
        if len(fields) > 100_000:  # unpacked numbers, one field each: nothing that could be mapped
            return [reader.copy(start, end)]
        fields.append((number, position, body, after))
        if number == _TENSOR_DATA_TYPE and wire_type == 0:
            data_type, _ = reader.varint(body, after)
        external = external or number in {_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION}
        position = after
    content_fields = {_TENSOR_RAW_DATA, _RAW_LIKE.get(data_type, _TENSOR_RAW_DATA)}
    contents = [f for f in fields if f[0] in content_fields]
    if external or len(contents) != 1 or contents[0][3] - contents[0][2] < LARGE_BYTES:
        return [reader.copy(start, end)]
    _, field_start, body, after = contents[0]
    reference = TensorProto(data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", str(body)), ("length", str(after - body))):
        reference.external_data.add(key=key, value=value)
    return [reader.copy(start, field_start), reader.copy(after, end), reference.SerializeToString()]
