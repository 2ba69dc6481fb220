"""Read CNTKv2 files: one protobuf message, a dictionary of typed values (CNTK.proto).

The wire format is walked field by field; weights are left in the file and mapped when they are asked for. Time
grows with the number of fields, and files that claim absurd sizes, nesting or numbers of values are refused.
"""

from __future__ import annotations

import io
import math
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from onnx_workbench.cntk.native.values import (
    DATA_TYPES,
    Dictionary,
    NativeAxis,
    Shape,
    Single,
    SizeT,
    Storage,
    StoredArray,
    Value,
)
from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.wire import DEEPEST_NESTING, WireReader

SPLIT_MAGIC = struct.pack("<I", 0x636E746B)
"""First bytes of a file of 2 GiB or more: the message without contents, then the contents."""

_MOST_FIELDS = 4_000_000  # a network of a thousand layers has a fiftieth of it
_MOST_STRETCHES = 100_000
_MOST_DIMENSIONS = 64
_LONGEST_TEXT_BYTES = 1 << 16

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_Field = tuple[int, int, int, int]  # number, wire type, first byte of the body, byte behind it


def read_file(path: Path) -> Dictionary:
    """Return the dictionary in a CNTKv2 file; its weights stay there.

    Raises
    ------
    ModelFileError
        If it is not one, or truncated or damaged. The message is the reason alone.
    """
    with path.open("rb") as file:
        return _read(file, os.fstat(file.fileno()).st_size, Storage(path))


def read_buffer(content: bytes) -> Dictionary:
    """Return the dictionary in the bytes of a CNTKv2 file, which are kept and hold the weights."""
    return _read(io.BytesIO(content), len(content), Storage(content))


def is_native(head: bytes) -> bool:
    """Tell from its first bytes whether a file is a CNTKv2 file.

    An ONNX file may begin with the same two tags; but what is a name there is an entry of a map here, which
    begins with the tag and length of its key.
    """
    if head.startswith(SPLIT_MAGIC):
        head = head[8:]
    reader = WireReader(io.BytesIO(head), len(head), kind="CNTK")
    try:
        position = 0
        if head[:1] == b"\x08":
            _, position = reader.varint(1, len(head))
        if head[position : position + 1] != b"\x12":
            return False
        _, body = reader.varint(position + 1, len(head))
        number, wire_type, start, end = reader.field(body, len(head))
    except ModelFileError:
        return False
    return (number, wire_type) == (1, _BYTES) and _is_key(head[start:end]) and head[end : end + 1] in b"\x12"


def _is_key(name: bytes) -> bool:
    return name.isascii() and name.replace(b"_", b"").isalnum()


@dataclass
class _Walk:
    """One reading of one file."""

    reader: WireReader
    storage: Storage
    split: bool
    seen: int = 0
    apart: list[tuple[Shape, int]] = field(default_factory=list)  # arrays whose content follows the message
    apart_start: int = 0

    def fields(self, start: int, end: int) -> list[_Field]:
        """Return the fields of a message."""
        found: list[_Field] = []
        position = start
        while position < end:
            entry = self.reader.field(position, end)
            found.append(entry)
            position = entry[3]
            self.count()
        return found

    def count(self) -> None:
        """Take note of one more thing that was read, of which there may not be absurdly many."""
        self.seen += 1
        if self.seen > _MOST_FIELDS:
            raise ModelFileError(f"it holds more than {_MOST_FIELDS:,} fields, which no model needs")

    def number(self, entry: _Field) -> int:
        """Return the unsigned number in a field."""
        _, wire_type, start, end = entry
        if wire_type != _VARINT:
            raise ModelFileError(f"a number is expected at byte {start:,} (wire type {wire_type})")
        return self.reader.varint(start, end)[0] & (1 << 64) - 1

    def signed(self, entry: _Field) -> int:
        """Return the signed number in a field."""
        return _signed(self.number(entry))

    def text(self, entry: _Field) -> str:
        """Return the text in a field."""
        _, wire_type, start, end = entry
        if wire_type != _BYTES or end - start > _LONGEST_TEXT_BYTES:
            raise ModelFileError(
                f"a text of at most {_LONGEST_TEXT_BYTES:,} bytes is expected at byte {start:,}"
            )
        try:
            return self.reader.read(start, end).decode()
        except UnicodeDecodeError as error:
            raise ModelFileError(f"the text at byte {start:,} is not UTF-8") from error

    def floating(self, entry: _Field) -> float:
        """Return the float or double in a field."""
        _, wire_type, start, end = entry
        if wire_type not in {_FIXED32, _FIXED64}:
            raise ModelFileError(f"a float is expected at byte {start:,} (wire type {wire_type})")
        return float(struct.unpack("<f" if wire_type == _FIXED32 else "<d", self.reader.read(start, end))[0])


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _read(file: BinaryIO, size: int, storage: Storage) -> Dictionary:
    reader = WireReader(file, size, kind="CNTK")
    start, end = 0, size
    split = size >= 8 and reader.read(0, 4) == SPLIT_MAGIC
    if split:
        start = 8
        end = start + int(struct.unpack("<I", reader.read(4, 8))[0])
        if end > size:
            raise ModelFileError(f"it claims a message of {end - 8:,} bytes, and has {size - 8:,}")
    walk = _Walk(reader, storage, split, apart_start=end)
    found = _dictionary(walk, start, end, 0)
    if not found:
        raise ModelFileError("it holds no dictionary, or an empty one")
    if split and walk.apart_start != size:
        raise ModelFileError(f"its weights end at byte {walk.apart_start:,}, and the file has {size:,} bytes")
    return found


def _body(entry: _Field) -> tuple[int, int]:
    _, wire_type, start, end = entry
    if wire_type != _BYTES:
        raise ModelFileError(f"a message is expected at byte {start:,} (wire type {wire_type})")
    return start, end


def _dictionary(walk: _Walk, start: int, end: int, depth: int) -> Dictionary:
    found: Dictionary = {}
    for entry in walk.fields(start, end):
        if entry[0] != 2:
            continue
        key, value = "", None
        for part in walk.fields(*_body(entry)):
            if part[0] == 1:
                key = walk.text(part)
            elif part[0] == 2:
                value = _value(walk, *_body(part), depth + 1)
        found[key] = value
    return found


def _vector(walk: _Walk, start: int, end: int, depth: int) -> list[Value]:
    return [_value(walk, *_body(entry), depth + 1) for entry in walk.fields(start, end) if entry[0] == 1]


# DictionaryValue: type code -> number of the field that holds the value.
_BOOL, _INT, _SIZE_T, _FLOAT, _DOUBLE, _STRING = 1, 2, 3, 4, 5, 6
_SHAPE, _AXIS, _VECTOR, _DICTIONARY, _ARRAY = 7, 8, 9, 10, 11


def _value(walk: _Walk, start: int, end: int, depth: int) -> Value:
    """Return one typed value; None for those of a type that only later versions know."""
    if depth > DEEPEST_NESTING:
        raise ModelFileError(f"its dictionaries are nested more than {DEEPEST_NESTING} deep")
    fields = {entry[0]: entry for entry in walk.fields(start, end)}
    code = walk.number(fields[2]) if 2 in fields else 0
    if not _BOOL <= code <= _ARRAY:
        return None
    entry = fields.get(code + 2)  # the fields stand in the order of the types
    if code <= _STRING:
        return _scalar(walk, code, entry)
    where = _body(entry) if entry else (end, end)  # an empty message may be left out
    if code == _VECTOR:
        return _vector(walk, *where, depth)
    if code == _DICTIONARY:
        return _dictionary(walk, *where, depth)
    if code == _ARRAY:
        return _array(walk, *where)
    return _shape(walk, *where) if code == _SHAPE else _axis(walk, *where)


def _scalar(walk: _Walk, code: int, entry: _Field | None) -> Value:
    """Return a scalar; proto3 leaves out zeros."""
    if code == _BOOL:
        return bool(entry and walk.number(entry))
    if code == _INT:
        return walk.signed(entry) if entry else 0
    if code == _SIZE_T:
        return SizeT(walk.number(entry) if entry else 0)
    if code == _STRING:
        return walk.text(entry) if entry else ""
    number = walk.floating(entry) if entry else 0.0
    return Single(number) if code == _FLOAT else number


def _shape(walk: _Walk, start: int, end: int) -> Shape:
    dimensions: list[int] = []
    for entry in walk.fields(start, end):
        number, wire_type, position, behind = entry
        if number != 1:
            continue
        if wire_type == _VARINT:
            dimensions.append(walk.signed(entry))
        while wire_type == _BYTES and position < behind and len(dimensions) <= _MOST_DIMENSIONS:
            dimension, position = walk.reader.varint(position, behind)
            dimensions.append(_signed(dimension & (1 << 64) - 1))
        if len(dimensions) > _MOST_DIMENSIONS:
            raise ModelFileError(f"the shape at byte {start:,} has more than {_MOST_DIMENSIONS} dimensions")
    return Shape(reversed(dimensions))


def _axis(walk: _Walk, start: int, end: int) -> NativeAxis:
    index, name, ordered = 0, "", False
    for entry in walk.fields(start, end):
        if entry[0] == 1:
            index = _signed(walk.number(entry))
        elif entry[0] == 2:
            name = walk.text(entry)
        elif entry[0] == 3:
            ordered = bool(walk.number(entry))
    return NativeAxis(index, name, ordered)


# NDArrayView: data type -> number of the field that holds a message of the content.
_CONTENT_FIELDS = {1: 4, 2: 5, 4: 4, 5: 6}


def _array(walk: _Walk, start: int, end: int) -> StoredArray:
    fields = {entry[0]: entry for entry in walk.fields(start, end)}
    code = walk.number(fields[1]) if 1 in fields else 0
    if code not in DATA_TYPES:
        known = ", ".join(f"{number} ({dtype})" for number, (dtype, _) in DATA_TYPES.items())
        raise ModelFileError(f"the array at byte {start:,} has data type {code}; known are {known}")
    if 2 in fields and walk.number(fields[2]):
        raise ModelFileError(f"the array at byte {start:,} is sparse; only dense ones can be read")
    shape = _shape(walk, *_body(fields[3])) if 3 in fields else Shape()
    if any(dimension < 0 for dimension in shape):
        raise ModelFileError(f"the array at byte {start:,} has the impossible shape {tuple(shape)}")
    content = fields.get(_CONTENT_FIELDS[code])
    dtype, stored = DATA_TYPES[code]
    stretches = _stretches(walk, content) if content else ()
    found, needed = sum(b - a for a, b in stretches), math.prod(shape) * stored.itemsize
    if walk.split and found != needed:
        stretches, found = _next_stretch(walk, needed), needed
    if found != needed:
        raise ModelFileError(
            f"the array at byte {start:,} claims the shape {_shown(shape)}, which is {needed:,} bytes, "
            f"and {found:,} are there"
        )
    return StoredArray(shape, dtype, stored, walk.storage, stretches)


def _shown(shape: Shape) -> str:
    return clean_text(" x ".join(map(str, shape)) or "()")


def _next_stretch(walk: _Walk, needed: int) -> tuple[tuple[int, int], ...]:
    """Return where the content of an array lies that follows the message, in the order of the arrays."""
    start, end = walk.apart_start, walk.apart_start + needed
    if end > walk.reader.size:
        raise ModelFileError(f"its weights should go on to byte {end:,}, and it has {walk.reader.size:,}")
    walk.apart_start = end
    return ((start, end),)


def _stretches(walk: _Walk, content: _Field) -> tuple[tuple[int, int], ...]:
    """Return where the numbers of an array lie: one stretch, unless a writer did not pack them."""
    found: list[tuple[int, int]] = []
    position, end = _body(content)
    while position < end:
        number, _, start, position = walk.reader.field(position, end)
        if number == 1:
            found.append((start, position))
        walk.count()
        if len(found) > _MOST_STRETCHES:
            raise ModelFileError(
                f"the array at byte {content[2]:,} is in more than {_MOST_STRETCHES:,} pieces"
            )
    return tuple(found)
