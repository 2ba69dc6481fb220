"""Messages between a process and its isolated child: pickles, with arrays beside them rather than copied in."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from onnx_workbench.core.errors import IsolationError, NotEnoughMemoryError

_HEADER = struct.Struct("<QQ")
_LENGTH = struct.Struct("<Q")
_MOST_BUFFERS = 1 << 20

Frame = list[bytes | memoryview]


def pack(message: object) -> Frame:
    """Return a message as the pieces to write; contents of arrays are views, not copies.

    Raises
    ------
    IsolationError
        If a part of it cannot be pickled.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise IsolationError(
            f"What goes into an isolated call, or comes out of it, is handed over as a pickle, and this cannot be "
            f"one: {error}.\nGive a function that can be imported from a module, and arrays, numbers, texts, paths or "
            "models."
        ) from error
    raw = [buffer.raw() for buffer in buffers]
    lengths = b"".join(_LENGTH.pack(view.nbytes) for view in raw)
    return [_HEADER.pack(len(body), len(raw)) + lengths, body, *raw]


def write(file: BinaryIO, frame: Frame) -> None:
    """Write a packed message."""
    file.writelines(frame)
    file.flush()


def read(file: BinaryIO, *, room: Callable[[], int] | None = None) -> Any:
    """Return a function that makes the message anew, once all of it has been read.

    Parameters
    ----------
    file
        Where the other side writes.
    room
        Returns the memory in bytes that a message may take; None for any.

    Raises
    ------
    EOFError
        If the other side is gone.
    NotEnoughMemoryError
        If the message is larger than that.
    """
    length, count = _HEADER.unpack(_read_exactly(file, _HEADER.size))
    if count > _MOST_BUFFERS:
        raise IsolationError(f"The child process answered with {count:,} arrays; its answer is no use.")
    lengths = [_LENGTH.unpack(_read_exactly(file, _LENGTH.size))[0] for _ in range(count)]
    total = length + sum(lengths)
    if room is not None and total > (available := room()):
        raise NotEnoughMemoryError(
            f"The answer of the isolated call has {total:,} bytes, and {available:,} are available here.\n"
            "Ask for fewer outputs, or for a smaller batch.",
            needed_bytes=total,
            available_bytes=available,
        )
    body = _read_exactly(file, length)
    buffers = [_read_exactly(file, size) for size in lengths]
    return lambda: pickle.loads(body, buffers=buffers)  # noqa: S301  # from our own child, with our own rights


def _read_exactly(file: BinaryIO, size: int) -> bytearray:
    buffer = bytearray(size)
    view, position = memoryview(buffer), 0
    while position < size:
        taken = file.readinto(view[position:])  # type: ignore[attr-defined]
        if not taken:
            raise EOFError  # the other side is gone
        position += taken
    return buffer
