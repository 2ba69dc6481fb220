"""TensorBoard's event files, written with no TensorFlow: numbers, pictures and graphs."""

from __future__ import annotations

import io
import os
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnx_workbench.core.wire import encode_varint, field_header

Array = NDArray[Any]
_POLYNOMIAL = 0x82F63B78


def _table() -> list[int]:
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return found


_TABLE = _table()


def masked_checksum(data: bytes) -> int:
    """Return the checksum that stands beside records: CRC-32C, turned and moved."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


class EventFile:
    """A file of events in a folder, named after the time and the machine as TensorBoard looks for it.

    Parameters
    ----------
    folder
        Where; it is made if need be.
    """

    def __init__(self, folder: Any) -> None:
        self._folder = Path(folder).expanduser()
        self._file: BinaryIO | None = None

    def write_number(self, tag: str, value: float, step: int) -> None:
        """Write a number at a step."""
        self._write(step, _message(5, _message(1, _text(1, tag) + b"\x15" + struct.pack("<f", value))))

    def write_picture(self, tag: str, pixels: Array, step: int) -> None:
        """Write a picture at a step: rows, columns and channels (1, 3 or 4; red first), of bytes."""
        height, width, channels = pixels.shape
        buffer = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(buffer, "PNG")
        sizes = _number(1, height) + _number(2, width) + _number(3, channels)
        image = sizes + _message(4, buffer.getvalue())
        self._write(step, _message(5, _message(1, _text(1, tag) + _message(4, image))))

    def write_graph(self, nodes: Iterable[tuple[str, str, list[str], tuple[int, ...], int]]) -> None:
        """Write a graph: name, operator, operands, shape and type (1 for float32, 2 for float64) of each node."""
        self._write(None, _message(4, b"".join(_message(1, _node(*one)) for one in nodes)))

    def flush(self) -> None:
        """Let what is written be on the disk."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, step: int | None, what: bytes) -> None:
        counted = b"" if not step else b"\x10" + encode_varint(step & 0xFFFFFFFFFFFFFFFF)
        self._record(b"\x09" + struct.pack("<d", time.time()) + counted + what)

    def _record(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._opened()
            self._record(b"\x09" + struct.pack("<d", time.time()) + _text(3, "brain.Event:2"))
        length = struct.pack("<Q", len(data))
        self._file.write(length + _checked(length) + data + _checked(data))

    def _opened(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
        path, number = self._folder / name, 0
        while path.exists():  # two writers of the same second
            number += 1
            path = self._folder / f"{name}.{os.getpid()}.{number}"
        return path.open("xb")


def _checked(data: bytes) -> bytes:
    return struct.pack("<I", masked_checksum(data))


def _message(number: int, content: bytes) -> bytes:
    return field_header(number, len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode("utf-8", "replace"))


def _number(number: int, value: int) -> bytes:
    return encode_varint(number << 3) + encode_varint(value & 0xFFFFFFFFFFFFFFFF)


def _node(name: str, operator: str, operands: list[str], shape: tuple[int, ...], dtype: int) -> bytes:
    sizes = _message(7, b"".join(_message(2, _number(1, one)) for one in shape))
    attributes = {"shape": sizes, "_output_shapes": _message(1, sizes), "dtype": _number(6, dtype)}
    return (
        _text(1, name)
        + _text(2, operator)
        + b"".join(_text(3, one) for one in operands)
        + b"".join(_message(5, _text(1, key) + _message(2, value)) for key, value in attributes.items())
    )


def as_bytes(data: Any) -> Array:
    """Return a picture's numbers, 0 to 255, as bytes."""
    return np.asarray(np.clip(np.rint(np.asarray(data, np.float64)), 0, 255), np.uint8)
