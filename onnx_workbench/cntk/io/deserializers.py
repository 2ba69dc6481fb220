"""Where data comes from: files, or what users write; each offers its sequences by chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError, UnsupportedOperatorError
from onnx_workbench.cntk.io.streams import SparseSamples, StreamInformation
from onnx_workbench.cntk.io.text_reading import TextField, TextIndex, TextParser, index_of
from onnx_workbench.cntk.value_types import Record

Sequences = list[dict[str, Any]]


class Deserializer(ABC):
    """What a `MinibatchSource` reads from.

    Chunks are numbered from 0. A sequence is a dictionary of streams: an array with the steps first, or
    `SparseSamples`. One that does not say what it has and how it is read cannot be made.
    """

    tumbles = False
    """Whether it is shuffled by windows that follow each other."""

    kept = True
    """Whether a chunk that was read is the same when it is read again, and is kept for that."""

    @abstractmethod
    def open(self) -> None:
        """Look where the sequences are."""

    @abstractmethod
    def stream_infos(self) -> list[StreamInformation]:
        """Return what streams there are."""

    @abstractmethod
    def count(self) -> int:
        """Return how many chunks there are."""

    @abstractmethod
    def lengths_of(self, chunk: int) -> list[int]:
        """Return how many samples each sequence of a chunk counts as."""

    def keys(self) -> list[Any] | None:
        """Return the number of each sequence, by which those of several deserializers are put together."""
        return None

    @abstractmethod
    def read(self, chunk: int) -> Sequences:
        """Return the sequences of a chunk."""


class TextDeserializer(Deserializer):
    """CNTK's text format; see `text_reading`."""

    def __init__(self, filename: Any, streams: Record) -> None:
        self.filename, self.streams = Path(filename).expanduser(), streams
        fields: dict[str, TextField] = {}
        self._infos: list[StreamInformation] = []
        for name, one in streams.items():
            if one.get("stream_alias") is None:
                raise CntkValueError(f"CTFDeserializer: stream name for key {name} must be specified")
            dim = one.dim
            if isinstance(dim, bool) or not isinstance(dim, int | np.integer):
                raise CntkValueError(
                    f"CTFDeserializer: the shape of the stream {name!r} is one number, how many numbers a sample has; "
                    f"got {dim!r}. Reshape in the network."
                )
            if one.stream_alias in fields:
                raise CntkValueError(f"CTFDeserializer: two streams read the field {one.stream_alias!r}.")
            fields[one.stream_alias] = TextField(name, int(dim), bool(one.is_sparse))
            kind = "sparse" if one.is_sparse else "dense"
            counted = bool(one.get("defines_mb_size"))
            self._infos.append(
                StreamInformation(name, len(self._infos), kind, np.float32, (int(dim),), counted)
            )
        self._counted = next(
            (one.stream_alias for one in streams.values() if one.get("defines_mb_size")), None
        )
        self._parser = TextParser(self.filename, fields)
        self._index: TextIndex | None = None

    def open(self) -> None:
        """Find the sequences in the file."""
        self._index = index_of(self.filename, self._counted)

    @property
    def _known(self) -> TextIndex:
        if self._index is None:
            self.open()
        return self._index  # type: ignore[return-value]

    def stream_infos(self) -> list[StreamInformation]:
        """Return what streams there are."""
        return self._infos

    def count(self) -> int:
        """Return how many chunks there are."""
        return len(self._known.chunks) - 1

    def lengths_of(self, chunk: int) -> list[int]:
        """Return how many samples each sequence of a chunk counts as."""
        index = self._known
        return list(index.counts[index.chunks[chunk] : index.chunks[chunk + 1]])

    def keys(self) -> list[Any]:
        """Return the numbers of the sequences in the file, or of their lines."""
        return self._known.keys

    def read(self, chunk: int) -> Sequences:
        """Read a chunk of the file."""
        return self._parser.chunk(self._known, chunk)


class UserDeserializer(Deserializer):
    """Base of deserializers written by users: derive from it and write its three methods."""

    tumbles = True

    def __init__(self) -> None:
        self._last: tuple[int, Sequences] | None = None
        self._lengths: dict[int, list[int]] = {}

    def stream_infos(self) -> list[StreamInformation]:
        """Return what streams there are; to be written by users."""
        raise NotImplementedError(
            f"{type(self).__name__}.stream_infos should return a list of StreamInformation for all streams: write it."
        )

    def num_chunks(self) -> int:
        """Return how many chunks there are; to be written by users."""
        raise NotImplementedError(
            f"{type(self).__name__}.num_chunks should return the total number of chunks: write it."
        )

    def get_chunk(self, chunk_id: int) -> dict[str, Any]:
        """Return the data of a chunk; to be written by users.

        Parameters
        ----------
        chunk_id
            From 0.

        Returns
        -------
        For each stream an array or a CSR matrix of samples, or a list of sequences.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.get_chunk should return data for the chunk: write it."
        )

    def open(self) -> None:
        """Ask what streams and chunks there are."""
        infos = self.stream_infos()
        if not infos:
            raise CntkValueError("Deserializer must provide at least one stream")
        if self.num_chunks() <= 0:
            raise CntkValueError("Deserializer must provide at least one chunk")
        self.streams = Record(**{one.name: one for one in infos})

    def count(self) -> int:
        """Return how many chunks there are."""
        return self.num_chunks()

    def lengths_of(self, chunk: int) -> list[int]:
        """Return how many samples each sequence of a chunk counts as; it is read for that once."""
        if chunk not in self._lengths:
            infos = self.stream_infos()
            names = [one.name for one in infos if one.m_defines_mb_size] or [one.name for one in infos]
            self._lengths[chunk] = [max(len(one[name]) for name in names) for one in self.read(chunk)]
        return self._lengths[chunk]

    def read(self, chunk: int) -> Sequences:
        """Return the sequences of a chunk."""
        if self._last is not None and self._last[0] == chunk:
            return self._last[1]
        data = self.get_chunk(chunk_id=chunk)
        columns: dict[str, list[Any]] = {}
        for info in self.stream_infos():
            if info.name not in data:
                raise CntkRuntimeError(f"get_chunk({chunk}) gave no data for the stream {info.name!r}.")
            columns[info.name] = _sequences(data[info.name], info, chunk)
        counts = {name: len(column) for name, column in columns.items()}
        if len(set(counts.values())) > 1:
            raise CntkRuntimeError(
                f"get_chunk({chunk}) gave different numbers of sequences for its streams: {counts}."
            )
        found = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        self._last = (chunk, found)
        return found


def _sequences(data: Any, info: StreamInformation, chunk: int) -> list[Any]:
    """Return the sequences in what users give for a stream: samples in rows, or a list."""
    if isinstance(data, list):
        return [_sequence(one, info, chunk) for one in data]
    if hasattr(data, "tocsr"):
        rows = data.tocsr()
        return [_sequence(rows[number], info, chunk) for number in range(rows.shape[0])]
    return [_sequence(one, info, chunk) for one in np.asarray(data)]


def _sequence(one: Any, info: StreamInformation, chunk: int) -> Any:
    shape = info.sample_shape
    if hasattr(one, "tocsr"):
        rows = one.tocsr()
        if len(shape) == 1:
            return SparseSamples(
                np.asarray(rows.indptr),
                np.asarray(rows.indices),
                rows.data.astype(info.m_element_type),
                shape[0],
            )
        one = rows.toarray().reshape(rows.shape[0], *shape)
    array = np.asarray(one, info.m_element_type)
    array = array[None] if array.ndim == len(shape) else array
    if array.shape[1:] != shape or not len(array):
        raise CntkRuntimeError(
            f"get_chunk({chunk}) gave a sequence of shape {np.shape(one)} for the stream {info.name!r}, whose samples "
            f"have the shape {shape}."
        )
    return array


def CTFDeserializer(filename: Any, streams: Any) -> TextDeserializer:
    """Return what reads a file in CNTK's text format.

    Parameters
    ----------
    filename
        The file: lines of an optional sequence number and samples, ``|name numbers``. Sparse samples have pairs
        ``index:number``. Lines with the number of the line before continue its sequence.
    streams
        `StreamDefs` of what is read, by the name that it gets.

    Raises
    ------
    ValueError
        If a stream has no field.

    Examples
    --------
    >>> reader = C.io.CTFDeserializer("train.txt", C.io.StreamDefs(x=C.io.StreamDef(field="x", shape=784)))
    """
    return TextDeserializer(filename, streams)


class _Refused:
    """What is not read here: saying so is all it does."""

    what = ""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise UnsupportedOperatorError(
            f"cntk.io.{type(self).__name__} is not supported: {self.what} are not read here. Write them in CNTK's text "
            "format, or read them in a UserDeserializer."
        )


class CBFDeserializer(_Refused):
    """CNTK's reader of its binary format."""

    what = "files in CNTK's binary format"


class HTKFeatureDeserializer(_Refused):
    """CNTK's reader of HTK's features."""

    what = "HTK's features"


class HTKMLFDeserializer(_Refused):
    """CNTK's reader of HTK's labels."""

    what = "HTK's labels"


class HTKMLFBinaryDeserializer(_Refused):
    """CNTK's reader of HTK's labels in binary."""

    what = "HTK's labels in binary"


class LatticeDeserializer(_Refused):
    """CNTK's reader of lattices of speech."""

    what = "lattices of speech"
