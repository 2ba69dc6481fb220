"""Write CNTKv2 files: a dictionary of typed values as one protobuf message (CNTK.proto).

Pieces of bytes are yielded in the file's order; the contents of arrays are never copied together.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.native.file import SPLIT_MAGIC
from onnx_workbench.cntk.native.values import (
    DATA_TYPE_CODES,
    DATA_TYPES,
    Dictionary,
    NativeAxis,
    Shape,
    Single,
    SizeT,
    StoredArray,
    Value,
)
from onnx_workbench.core.errors import ExportError
from onnx_workbench.core.wire import encode_varint, field_header

LARGEST_MESSAGE_BYTES = (1 << 31) - 1
"""What protobuf parses at most; CNTK puts the contents of arrays behind the message from here on."""

_Content = StoredArray | NDArray[Any]
_VERSION = b"\x08\x02"  # of Dictionary and DictionaryValue, as CNTK 2.7 has it


@dataclass
class _Message:
    """A message in pieces, with the arrays whose contents it has, or should have."""

    pieces: list[bytes | _Content] = field(default_factory=list)
    size: int = 0

    def add(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.size += len(piece)

    def add_content(self, content: _Content) -> None:
        self.pieces.append(content)
        self.size += _content_bytes(content)

    def add_message(self, number: int, inner: _Message) -> None:
        self.add(field_header(number, inner.size))
        self.pieces += inner.pieces
        self.size += inner.size


def serialize(
    dictionary: Dictionary, *, largest_message_bytes: int = LARGEST_MESSAGE_BYTES
) -> Iterator[bytes | memoryview]:
    """Return the bytes of a CNTKv2 file, in pieces and in order.

    Parameters
    ----------
    dictionary
        Its values; an ``int`` is written as int, a `SizeT` as size_t, a ``float`` as double, a `Single` as
        float, an array as it stands.
    largest_message_bytes
        From this size on, contents of arrays are written behind the message, as CNTK does at 2 GiB.
    """
    whole = _dictionary(dictionary, contents=True)
    if whole.size < largest_message_bytes:
        return map(_bytes_of, whole.pieces)
    return _split(whole, _dictionary(dictionary, contents=False))


def _split(whole: _Message, skeleton: _Message) -> Iterator[bytes | memoryview]:
    yield SPLIT_MAGIC + struct.pack("<I", skeleton.size)
    yield from map(_bytes_of, skeleton.pieces)
    for piece in whole.pieces:
        if not isinstance(piece, bytes):
            yield _bytes_of(piece)


def _stored_dtype(content: _Content) -> np.dtype[Any]:
    return DATA_TYPES[DATA_TYPE_CODES[content.dtype]][1]


def _content_bytes(content: _Content) -> int:
    return int(np.prod(content.shape, dtype=np.int64)) * _stored_dtype(content).itemsize


def _bytes_of(piece: bytes | _Content) -> bytes | memoryview:
    if isinstance(piece, bytes):
        return piece
    values = piece.values() if isinstance(piece, StoredArray) else piece
    stored = np.ascontiguousarray(values, _stored_dtype(piece)).reshape(-1)
    return stored.view(np.uint8).data


def _dictionary(dictionary: Dictionary, *, contents: bool) -> _Message:
    message = _Message()
    message.add(_VERSION)
    for key, value in dictionary.items():
        entry = _Message()
        entry.add(_text(1, key))
        entry.add_message(2, _value(value, contents=contents))
        message.add_message(2, entry)
    return message


def _value(value: Value, *, contents: bool) -> _Message:
    """Return a DictionaryValue; the number of the field is its type's code and two."""
    message = _Message()
    message.add(_VERSION)
    if value is None:
        return message
    if isinstance(value, (StoredArray, np.ndarray)):
        return _typed(message, 11, _array(value, contents=contents))
    if isinstance(value, dict):
        return _typed(message, 10, _dictionary(value, contents=contents))
    if isinstance(value, list):
        vector = _Message()
        for item in value:
            vector.add_message(1, _value(item, contents=contents))
        return _typed(message, 9, vector)
    if isinstance(value, NativeAxis):
        return _typed(message, 8, _axis(value))
    if isinstance(value, Shape):
        return _typed(message, 7, _shape(value))
    message.add(_scalar(value))
    return message


def _typed(message: _Message, code: int, inner: _Message) -> _Message:
    message.add(_varint(2, code))
    message.add_message(code + 2, inner)
    return message


def _scalar(value: bool | float | str) -> bytes:
    if isinstance(value, bool):
        return _varint(2, 1) + _varint(3, int(value))
    if isinstance(value, SizeT):
        return _varint(2, 3) + _varint(5, value)
    if isinstance(value, int):
        return _varint(2, 2) + _varint(4, value)
    if isinstance(value, Single):
        return _varint(2, 4) + _key(6, 5) + struct.pack("<f", value)
    if isinstance(value, float):
        return _varint(2, 5) + _key(7, 1) + struct.pack("<d", value)
    return _varint(2, 6) + _text(8, value)


def _key(number: int, wire_type: int) -> bytes:
    return encode_varint(number << 3 | wire_type)


def _varint(number: int, value: int) -> bytes:
    return _key(number, 0) + encode_varint(value & (1 << 64) - 1)


def _text(number: int, text: str) -> bytes:
    content = text.encode()
    return field_header(number, len(content)) + content


def _shape(shape: Shape) -> _Message:
    message = _Message()
    dimensions = b"".join(encode_varint(dimension & (1 << 64) - 1) for dimension in reversed(shape))
    message.add(field_header(1, len(dimensions)) + dimensions if dimensions else b"")
    return message


def _axis(axis: NativeAxis) -> _Message:
    message = _Message()
    message.add(_varint(1, axis.index) + _text(2, axis.name) + _varint(3, int(axis.ordered)))
    return message


# NDArrayView: data type -> number of the field with a message whose field 1 is the packed content.
_CONTENT_FIELDS = {1: 4, 2: 5, 4: 4, 5: 6}


def _array(array: _Content, *, contents: bool) -> _Message:
    code = DATA_TYPE_CODES.get(array.dtype)
    if code is None:
        known = ", ".join(str(dtype) for dtype in DATA_TYPE_CODES)
        raise ExportError(f"An array of {array.dtype} cannot stand in a CNTK file; these can: {known}.")
    message = _Message()
    message.add(_varint(1, code))
    message.add_message(3, _shape(Shape(array.shape)))
    if not contents:
        return message
    content = _Message()
    content.add(field_header(1, _content_bytes(array)))
    content.add_content(array)
    message.add_message(_CONTENT_FIELDS[code], content)
    return message
