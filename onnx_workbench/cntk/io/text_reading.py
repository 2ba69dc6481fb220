"""CNTK's text format: lines of an optional sequence number and samples, ``|name numbers``.

The file is indexed once, line by line; what is asked for is read by chunks of 32 MiB, as in CNTK.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkRuntimeError
from onnx_workbench.cntk.io.streams import SparseSamples
from onnx_workbench.core.formatting import clean_text

CHUNK_BYTES = 32 * 2**20
_LONGEST_LINE = 2**28
_MARK = b"\xef\xbb\xbf"
_ID = re.compile(rb"\d+")
_NAME = re.compile(rb"[^\x00-\x20]+")
_NUMBER = rb"[+-]?\d+(?:\.(?:\d+(?:[eE][+-]?\d+)?)?|[eE][+-]?\d+)?"
_DENSE = re.compile(rb"%s(?:[ \t]+%s)*" % (_NUMBER, _NUMBER))
_SPARSE = re.compile(rb"\d+:%s(?:[ \t]+\d+:%s)*" % (_NUMBER, _NUMBER))
_ONE = {
    False: (re.compile(_NUMBER), "a number such as -1.5e3"),
    True: (re.compile(rb"\d+:" + _NUMBER), "index:number"),
}


@dataclass(frozen=True)
class TextField:
    """A stream in the file.

    Parameters
    ----------
    name
        What the stream is called.
    dim
        How many numbers a sample has.
    is_sparse
        Whether they are pairs of index and number.
    """

    name: str
    dim: int
    is_sparse: bool


@dataclass
class TextIndex:
    """Where sequences are: for each its number, first line, first byte, bytes, rows, and samples that count.

    Parameters
    ----------
    by_line
        Whether each line is a sequence, because the first has no number.
    chunks
        The first sequence of each chunk, and at last how many there are.
    """

    by_line: bool = True
    keys: list[int] = field(default_factory=list)
    lines: array[int] = field(default_factory=lambda: array("q"))
    starts: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    counts: array[int] = field(default_factory=lambda: array("q"))
    chunks: list[int] = field(default_factory=list)

    def begin(self, key: int, line: int, start: int) -> None:
        """Begin a sequence."""
        self.keys.append(key)
        for column, value in (
            (self.lines, line),
            (self.starts, start),
            (self.sizes, 0),
            (self.rows, 0),
            (self.counts, 0),
        ):
            column.append(value)

    def add(self, size: int, count: int) -> None:
        """Add a line to the last sequence."""
        self.sizes[-1] += size
        self.rows[-1] += 1
        self.counts[-1] += count

    def close(self) -> None:
        """Part the sequences into chunks."""
        filled = 0
        for number, size in enumerate(self.sizes):
            if not self.chunks or (filled and filled + size > CHUNK_BYTES):
                self.chunks.append(number)
                filled = 0
            filled += size
        self.chunks.append(len(self.sizes))


def failed(path: Path, line: int, text: str) -> NoReturn:
    """Raise the error about a line."""
    raise CntkRuntimeError(f"{clean_text(path.name)}, line {line}: {text}")


def _lines(file: BinaryIO, path: Path) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield number, offset, size and text of each line; what is blank in front of the first is skipped."""
    offset = number = 0
    started = False
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            failed(
                path, number, f"longer than {_LONGEST_LINE:,} bytes; this is no text file of CNTK's format."
            )
        size = len(line)
        if not started:
            line = line.removeprefix(_MARK).lstrip()
            started = bool(line)
        if started:
            yield number, offset, size, line
        offset += size


def index_of(path: Path, counted: str | None = None) -> TextIndex:
    """Return where the sequences of a file are.

    Parameters
    ----------
    path
        The file.
    counted
        The name in the file of samples that are counted; rows are if there is none.

    Raises
    ------
    RuntimeError
        If the file cannot be read, is empty, or does not begin as the format does.
    """
    index, current = TextIndex(), -1
    mark = None if counted is None else re.compile(rb"\|%s(?=[\x00-\x20|]|$)" % re.escape(counted.encode()))
    try:
        with path.open("rb") as file:
            for number, start, size, line in _lines(file, path):
                first, found = not index.keys, _ID.match(line)
                if first:
                    index.by_line = line.startswith(b"|")
                    if not index.by_line and found is None:
                        failed(path, number, f"expected a sequence number or '|'; found {shown(line)}.")
                if index.by_line:
                    index.begin(len(index.keys), number, start)
                elif found is not None and (first or int(found[0]) != current):
                    current = int(found[0])
                    if current >= 2**64:
                        failed(
                            path, number, f"overflow: the sequence number {current} has more than 64 bits."
                        )
                    index.begin(current, number, start)
                index.add(size, len(mark.findall(line)) if mark is not None else 1)
    except OSError as error:
        raise CntkRuntimeError(
            f"Input file {clean_text(str(path))!r} cannot be opened: {error.strerror or error}."
        ) from error
    if not index.keys:
        raise CntkRuntimeError(
            f"Input file {clean_text(str(path))!r} is empty: it has no line with a sample."
        )
    index.close()
    return index


def shown(text: bytes) -> str:
    """Return the beginning of a piece of the file, for a message."""
    short = text.strip()[:40].decode("utf-8", "backslashreplace")
    return repr(clean_text(short))


class TextParser:
    """Reads sequences of a file.

    Parameters
    ----------
    path
        The file.
    fields
        Streams by their names in the file.
    """

    def __init__(self, path: Path, fields: dict[str, TextField]) -> None:
        self._path = path
        self._fields = {name.encode(): one for name, one in fields.items()}

    def chunk(self, index: TextIndex, number: int) -> list[dict[str, Any]]:
        """Return the sequences of a chunk: arrays by stream, or `SparseSamples`."""
        first, last = index.chunks[number], index.chunks[number + 1]
        start = index.starts[first]
        with self._path.open("rb") as file:
            file.seek(start)
            data = file.read(index.starts[last - 1] + index.sizes[last - 1] - start)
        found = []
        for sequence in range(first, last):
            begin = index.starts[sequence] - start
            found.append(self._sequence(data[begin : begin + index.sizes[sequence]], index, sequence))
        return found

    def _sequence(self, data: bytes, index: TextIndex, sequence: int) -> dict[str, Any]:
        first = index.lines[sequence]
        samples: dict[str, list[Any]] = {one.name: [] for one in self._fields.values()}
        rows = data.split(b"\n")
        rows = rows[:-1] if not rows[-1] else rows
        if not sequence:
            rows[0] = rows[0].removeprefix(_MARK).lstrip()
        for number, row in enumerate(rows, first):
            self._row(row, number, samples)
        most = max(len(found) for found in samples.values())
        for name, found in samples.items():
            what = f"stream {clean_text(name)!r} of the sequence {index.keys[sequence]} that begins here"
            if not found:
                failed(
                    self._path,
                    first,
                    f"{what} is empty: malformed input, each sequence must have all streams.",
                )
            if len(found) > len(rows):
                failed(
                    self._path,
                    first,
                    f"{what} has more samples than expected ({len(found)} vs. {len(rows)}).",
                )
        if most < len(rows):
            failed(
                self._path,
                first,
                f"the sequence {index.keys[sequence]} that begins here has fewer samples than lines ({most} vs. "
                f"{len(rows)}).",
            )
        return {one.name: _joined(one, samples[one.name]) for one in self._fields.values()}

    def _row(self, row: bytes, number: int, samples: dict[str, list[Any]]) -> None:
        head, *pieces = row.split(b"|")
        found = _ID.match(head)
        head = (head if found is None else head[found.end() :]).strip()
        if head:
            failed(self._path, number, f"unexpected {shown(head)} in front of the first '|'.")
        count, rest = 0, iter(pieces)
        for piece in rest:
            if piece.startswith(b"#"):
                end = piece[1:]
                while end.endswith(b"#"):  # '#|' in a comment stands for '|'
                    end = next(rest, b"")
                continue
            name = _NAME.match(piece)
            if name is None:
                failed(self._path, number, f"expected the name of a stream after '|'; found {shown(piece)}.")
            stream = self._fields.get(name[0])
            if stream is not None:
                count += 1
                samples[stream.name].append(self._sample(stream, piece[name.end() :].strip(), number))
        if not count:
            failed(self._path, number, "empty input row: it has no sample of a stream that is read.")
        if count > len(self._fields):
            failed(
                self._path,
                number,
                f"it has more samples than expected ({count} vs. {len(self._fields)}, one for each stream).",
            )

    def _sample(self, stream: TextField, text: bytes, number: int) -> Any:
        pattern = _SPARSE if stream.is_sparse else _DENSE
        if text and pattern.fullmatch(text) is None:
            single, wanted = _ONE[stream.is_sparse]
            bad = next((one for one in text.split() if single.fullmatch(one) is None), text)
            failed(
                self._path,
                number,
                f"{shown(bad)} in the {'sparse' if stream.is_sparse else 'dense'} stream "
                f"{clean_text(stream.name)!r} is not {wanted}.",
            )
        numbers = _numbers(text.replace(b":", b" ") if stream.is_sparse else text)
        if stream.is_sparse:
            columns = numbers[::2]
            if len(columns) and columns.max() >= stream.dim:
                failed(
                    self._path,
                    number,
                    f"the index {int(columns.max())} in the sparse stream {clean_text(stream.name)!r} exceeds the "
                    f"largest, {stream.dim - 1}.",
                )
            return columns.astype(np.int64), _single(numbers[1::2])
        if len(numbers) > stream.dim:
            failed(
                self._path,
                number,
                f"a sample of {len(numbers)} numbers in the dense stream {clean_text(stream.name)!r} exceeds its size, "
                f"{stream.dim}.",
            )
        dense = np.zeros(stream.dim, np.float32)
        dense[: len(numbers)] = _single(numbers)  # the rest of a short sample is 0, as in CNTK
        return dense


def _numbers(text: bytes) -> NDArray[np.float64]:
    return np.fromstring(text.decode("ascii"), np.float64, sep=" ") if text else np.zeros(0)


def _single(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is too large is infinite
        return numbers.astype(np.float32)


def _joined(stream: TextField, samples: list[Any]) -> Any:
    if not stream.is_sparse:
        return np.stack(samples)
    starts = np.cumsum([0, *(len(columns) for columns, _ in samples)])
    columns = np.concatenate([columns for columns, _ in samples])
    return SparseSamples(starts, columns, np.concatenate([numbers for _, numbers in samples]), stream.dim)
