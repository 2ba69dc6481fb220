"""What a native CNTK file is made of: dictionaries of typed values, weights that stay in the file.

Shapes are row-major here, as in CNTK's Python; the file has them column-major. Contents need no transposition:
the file's order of numbers is C order for the row-major shape.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.formatting import clean_text

INFERRED_DIMENSION, UNKNOWN_DIMENSION, FREE_DIMENSION = -1, -2, -3

# NDArrayView.DataType of CNTK.proto: number in the file -> dtype of the array, dtype of the stored numbers.
# Int16 (6) is left out: its numbers are stored one varint each, and no operator computes with it.
DATA_TYPES: dict[int, tuple[np.dtype[Any], np.dtype[Any]]] = {
    1: (np.dtype(np.float32), np.dtype("<f4")),
    2: (np.dtype(np.float64), np.dtype("<f8")),
    4: (np.dtype(np.float16), np.dtype("<f4")),
    5: (np.dtype(np.int8), np.dtype(np.int8)),
}
DATA_TYPE_CODES: dict[np.dtype[Any], int] = {dtype: code for code, (dtype, _) in DATA_TYPES.items()}


class SizeT(int):
    """An unsigned number that the file calls size_t: versions, op codes, kinds."""


class Single(float):
    """A number that the file has as float; a plain float is a double."""


class Shape(tuple[int, ...]):
    """An NDShape, row-major; negative where a dimension is inferred (-1), unknown (-2) or free (-3)."""

    __slots__ = ()


@dataclass(frozen=True)
class NativeAxis:
    """An axis as the file has it.

    Parameters
    ----------
    index
        Of a static axis, counted from the last one in row-major order, or one of CNTK's marks for axes that are
        not static.
    name
        Of a dynamic axis.
    ordered
        Whether a dynamic axis is a sequence.
    """

    index: int
    name: str = ""
    ordered: bool = True


class Storage:
    """The bytes of a file, mapped when somebody asks for them, or a buffer in memory."""

    def __init__(self, source: Path | bytes) -> None:
        self._source = source
        self._buffer: memoryview | None = None

    def stretch(self, start: int, end: int) -> memoryview:
        """Return the bytes from start to end."""
        if self._buffer is None:
            self._buffer = memoryview(
                self._source if isinstance(self._source, bytes) else _mapped(self._source)
            )
        if end > len(self._buffer):
            raise ModelFileError(
                f"{clean_text(str(self._source))!r} shrank since it was opened: byte {len(self._buffer):,} is gone"
            )
        return self._buffer[start:end]


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


@dataclass(frozen=True)
class StoredArray:
    """An NDArrayView whose content is still where it was read.

    Parameters
    ----------
    shape
        Row-major.
    dtype
        Of the array; float16 is stored as float32.
    stored
        Dtype of the numbers in the file.
    storage, stretches
        Where they lie: pairs of (first byte, byte behind the last).
    """

    shape: Shape
    dtype: np.dtype[Any]
    stored: np.dtype[Any]
    storage: Storage = field(repr=False, compare=False)
    stretches: tuple[tuple[int, int], ...] = field(repr=False, compare=False)

    @property
    def size_bytes(self) -> int:
        """How many bytes its content takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def values(self) -> NDArray[Any]:
        """Return the content; of a file and in one piece, it is a read-only map of it."""
        pieces = [self.storage.stretch(start, end) for start, end in self.stretches]
        content: bytes | memoryview = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return np.frombuffer(content, self.stored).reshape(self.shape).astype(self.dtype, copy=False)


Value: TypeAlias = Union[
    bool,
    int,
    float,
    str,
    Shape,
    NativeAxis,
    StoredArray,
    NDArray[Any],
    "list[Value]",
    "Dictionary",
    None,
]

Dictionary: TypeAlias = dict[str, Value]
