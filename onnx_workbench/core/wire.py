"""Protocol Buffers' wire format, field by field (https://protobuf.dev/programming-guides/encoding/)."""

from __future__ import annotations

from typing import BinaryIO

from onnx_workbench.core.errors import ModelFileError

DEEPEST_NESTING = 100
"""Messages nested deeper are refused: protobuf's own parsers stop there as well."""

_WINDOW_BYTES = 1 << 16
_LARGEST_COPY_BYTES = (1 << 31) - 1  # what protobuf parses at most


class WireReader:
    """Random access to a file of known size through a small window.

    Parameters
    ----------
    file
        The file, open for reading at random.
    size
        Its size in bytes.
    kind
        What is read, for the messages of errors.
    """

    def __init__(self, file: BinaryIO, size: int, *, kind: str = "ONNX") -> None:
        self.file, self.size, self.kind = file, size, kind
        self.window, self.window_start = b"", 0
        self.copied = 0

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from start to end."""
        first = start - self.window_start
        if first >= 0 and end - self.window_start <= len(self.window):
            return self.window[first : end - self.window_start]
        self.file.seek(start)
        wanted = end - start
        data = self.file.read(max(wanted, min(_WINDOW_BYTES, self.size - start)))
        if len(data) < wanted:
            raise ModelFileError(f"the file shrank while it was read: byte {start + len(data):,} is gone")
        if len(data) <= 2 * _WINDOW_BYTES:
            self.window, self.window_start = data, start
        return data[:wanted]

    def copy(self, start: int, end: int) -> bytes:
        """Return bytes that stay in the skimmed model; of these there may not be too many."""
        self.copied += end - start
        if self.copied > _LARGEST_COPY_BYTES:
            raise ModelFileError("its graph alone, without large weights, has more than 2 GiB")
        return self.read(start, end)

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """Return the number at position and the position behind it."""
        chunk = self.read(position, min(position + 10, end))
        value = 0
        for index, byte in enumerate(chunk):
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value, position + index + 1
        if len(chunk) < 10:
            raise ModelFileError(f"it ends in the middle of a number at byte {position:,}")
        raise ModelFileError(f"no valid number at byte {position:,}")

    def field(self, position: int, end: int) -> tuple[int, int, int, int]:
        """Return (field number, wire type, where its body starts, where it ends) of the field at position."""
        key, body = self.varint(position, end)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            _, after = self.varint(body, end)
        elif wire_type == 1:
            after = body + 8
        elif wire_type == 2:
            length, body = self.varint(body, end)
            after = body + length
        elif wire_type == 5:
            after = body + 4
        else:
            raise ModelFileError(f"no {self.kind} field at byte {position:,} (wire type {wire_type})")
        if number == 0:
            raise ModelFileError(f"no {self.kind} field at byte {position:,} (field number 0)")
        if after > end:
            raise ModelFileError(
                f"the field at byte {position:,} claims {after - body:,} bytes, and {max(0, end - body):,} are left"
            )
        return number, wire_type, body, after


def field_header(number: int, length: int) -> bytes:
    """Return the tag and length that stand before a message."""
    return encode_varint(number << 3 | 2) + encode_varint(length)


def encode_varint(value: int) -> bytes:
    """Return a number as protobuf's variable-length bytes."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
