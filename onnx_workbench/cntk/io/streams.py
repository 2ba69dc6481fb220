"""Streams of readers: how they are defined, what they are, and the minibatches that come out of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.core import Value
from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.value_types import UNKNOWN_SHAPE, Record, dtype_of, shape_of

Array = NDArray[Any]
StreamDefs = Record
"""What the streams of a reader are called."""


def StreamDef(
    field: str | None = None,
    shape: Any = None,
    is_sparse: bool = False,
    transforms: Any = None,
    context: Any = None,
    scp: Any = None,
    mlf: Any = None,
    broadcast: bool | None = None,
    defines_mb_size: bool = False,
    max_sequence_length: int = 65535,
) -> Record:
    """Say what a stream of a deserializer is.

    Parameters
    ----------
    field
        Its name in the file; ``image`` or ``label`` for pictures.
    shape
        How many numbers a sample has.
    is_sparse
        Whether the file has it as pairs of index and number.
    transforms
        What is done to pictures: see `io.transforms`.
    defines_mb_size
        Whether the size of minibatches is counted in samples of this stream.
    context, scp, mlf, broadcast, max_sequence_length
        For readers of speech, which there are none of here.
    """
    given = {
        "dim": shape,
        "transforms": transforms,
        "context": context,
        "scp": scp,
        "mlf": mlf,
        "broadcast": broadcast,
    }
    return Record(
        stream_alias=field,
        is_sparse=is_sparse or mlf is not None,
        **{key: value for key, value in given.items() if value is not None},
        defines_mb_size=bool(defines_mb_size),
        max_sequence_length=max_sequence_length,
    )


def StreamConfiguration(
    name: str, dim: int, is_sparse: bool = False, stream_alias: str = "", defines_mb_size: bool = False
) -> Record:
    """Say what a stream of a text file is, by the old call."""
    return Record(
        name=name, dim=dim, is_sparse=is_sparse, stream_alias=stream_alias, defines_mb_size=defines_mb_size
    )


class StreamInformation:
    """What a stream is.

    Parameters
    ----------
    name
        What it is called.
    stream_id
        Its number among the streams of its source.
    storage_format
        ``"dense"`` or ``"sparse"``.
    dtype
        NumPy's type of its numbers.
    shape
        Shape of a sample.
    defines_mb_size
        Whether the size of minibatches is counted in samples of this stream.
    """

    def __init__(
        self,
        name: str,
        stream_id: int,
        storage_format: str,
        dtype: Any,
        shape: Any,
        defines_mb_size: bool = False,
    ) -> None:
        if storage_format not in {"dense", "sparse"}:
            raise CntkValueError(f"storage_format is 'dense' or 'sparse'; got {storage_format!r}.")
        self.m_name, self.m_id, self.m_defines_mb_size = name, stream_id, bool(defines_mb_size)
        self.m_element_type, self.sample_shape = dtype_of(dtype), shape_of(shape)
        self.storage_format = self.m_storage_format = storage_format

    @property
    def name(self) -> str:
        """What it is called."""
        return self.m_name

    @property
    def is_sparse(self) -> bool:
        """Whether its samples are sparse."""
        return self.storage_format == "sparse"

    @property
    def m_sample_layout(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return self.sample_shape

    def _described(self) -> tuple[Any, ...]:
        return (self.m_name, self.m_id, self.storage_format, self.m_element_type, self.sample_shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamInformation) and self._described() == other._described()

    def __hash__(self) -> int:
        return hash(self._described())

    def __repr__(self) -> str:
        shape = "???" if self.sample_shape == UNKNOWN_SHAPE else " x ".join(map(str, self.sample_shape))
        return f"{self.m_name}([{shape}])"


@dataclass(frozen=True)
class SparseSamples:
    """Samples of a sparse sequence, row after row.

    Parameters
    ----------
    starts
        Where each row begins among the numbers, and at last how many there are.
    columns, numbers
        Places in the rows, and what is there; numbers at one place are added.
    width
        How many numbers a whole row has.
    """

    starts: Array
    columns: Array
    numbers: Array
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def toarray(self) -> Array:
        """Return whole rows."""
        dense = np.zeros((len(self), self.width), self.numbers.dtype)
        rows = np.repeat(np.arange(len(self)), np.diff(self.starts))
        np.add.at(dense, (rows, self.columns), self.numbers)
        return dense

    def tocsr(self) -> Any:
        """Return a matrix of SciPy, which must be installed."""
        return as_csr(self.toarray())


def as_csr(rows: Array) -> Any:
    """Return SciPy's sparse matrix of rows."""
    from onnx_workbench.core.errors import require

    sparse = require("scipy.sparse", purpose="for sparse matrices", extra="digits")
    return sparse.csr_matrix(rows)


class MinibatchData:
    """The samples of one stream in a minibatch; sources make it.

    Parameters
    ----------
    value
        A `Value`, an array with samples first, or a list of sequences.
    num_sequences, num_samples
        How many there are.
    sweep_end
        Whether the data ended within this minibatch, or with it.
    """

    def __init__(self, value: Any, num_sequences: int, num_samples: int, sweep_end: bool) -> None:
        self._given = value
        self._whole: Value | None = value if isinstance(value, Value) else None
        self.number_of_sequences, self.number_of_samples = num_sequences, num_samples
        self.sweep_end = bool(sweep_end)

    @property
    def num_sequences(self) -> int:
        """How many sequences there are."""
        return self.number_of_sequences

    @property
    def num_samples(self) -> int:
        """How many samples there are."""
        return self.number_of_samples

    @property
    def end_of_sweep(self) -> bool:
        """Whether the data ended within this minibatch, or with it."""
        return self.sweep_end

    @property
    def data(self) -> Value:
        """All of it, sequences padded."""
        if self._whole is None:
            given = self._given
            sparse = not isinstance(given, np.ndarray) and hasattr(
                given[0] if isinstance(given, list) else given, "toarray"
            )
            if isinstance(given, list):
                given = [one.toarray() if hasattr(one, "toarray") else one for one in given]
            self._whole = Value(given)
            self._whole.is_sparse = sparse
        return self._whole

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, padding included."""
        return self.data.shape

    @property
    def mask(self) -> Array:
        """2 where a sequence begins, 1 where it goes on, 0 where it is padded."""
        return self.data.mask

    @property
    def is_sparse(self) -> bool:
        """Whether the stream is sparse."""
        return self.data.is_sparse

    def asarray(self) -> Any:
        """Return the numbers, sequences padded."""
        return self.data.asarray()

    def as_sequences(self, variable: Any = None) -> list[Any]:
        """Return the sequences: arrays, or for sparse streams matrices of SciPy."""
        if self.is_sparse:
            if variable is None:
                raise CntkValueError(
                    "cannot convert sparse value to sequences without the corresponding variable: give it."
                )
            return [as_csr(one.reshape(len(one), -1)) for one in self.data.as_sequences()]
        return self.data.as_sequences(variable)

    def as_batch(self, variable: Any) -> Any:
        """Return what a variable is fed: samples have its shape if their size is the same."""
        from onnx_workbench.cntk.feeding import batch_of

        value = self.data.as_batch()
        shape = variable.shape
        if all(size >= 0 for size in shape):
            value = [_like(one, shape) for one in value] if isinstance(value, list) else _like(value, shape)
        return batch_of(variable, value)

    def __len__(self) -> int:
        return self.number_of_sequences

    def __repr__(self) -> str:
        return (
            f"MinibatchData(data={self.data!r}, samples={self.number_of_samples}, "
            f"seqs={self.number_of_sequences})"
        )


def _like(value: Array, shape: tuple[int, ...]) -> Array:
    """Return samples in another shape where that has the same size."""
    sample = value.shape[value.ndim - len(shape) :] if value.ndim >= len(shape) else ()
    if sample != shape and value.ndim and math.prod(value.shape[1:]) == math.prod(shape):
        return value.reshape(len(value), *shape)
    return value
