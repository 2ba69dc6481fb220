"""Data as CNTK passes it around: arrays that know their device, and batches of sequences."""

from __future__ import annotations

import math
import numbers
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.device import DeviceDescriptor, cpu
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.value_types import dtype_of, shape_of
from onnx_workbench.cntk.variables import Variable

__all__ = ["NDArrayView", "Value", "asarray", "asvalue"]


def _is_sparse(data: Any) -> bool:
    return hasattr(data, "toarray") and hasattr(data, "indptr")


class NDArrayView:
    """An array, as CNTK hands it to its C++ part."""

    def __init__(self, shape: Any, data_type: Any = np.float32, device: Any = None) -> None:
        self._array: NDArray[Any] = np.zeros(shape_of(shape), dtype_of(data_type))
        self.is_sparse = self.is_read_only = False

    @staticmethod
    def from_dense(
        np_array: Any, device: Any = None, read_only: bool = False, borrow: bool = False
    ) -> NDArrayView:
        """Return a view of a NumPy array."""
        if not isinstance(np_array, np.ndarray):
            raise CntkTypeError(f"data must be of type numpy.ndarray and not {type(np_array)}")
        view = NDArrayView(())
        view._array, view.is_read_only = np_array if borrow else np_array.copy(), read_only
        return view

    @staticmethod
    def from_csr(
        csr_array: Any, device: Any = None, read_only: bool = False, borrow: bool = False, shape: Any = None
    ) -> NDArrayView:
        """Return a view of a SciPy CSR matrix, in another shape of the same size if one is given."""
        if getattr(csr_array, "format", "") != "csr":
            raise CntkTypeError("only CSR is supported as of now. Please convert your data using 'tocsr()'")
        wanted = csr_array.shape if shape is None else shape_of(shape)
        if wanted[-1] != csr_array.shape[-1]:
            raise CntkValueError(
                f"csr_matrix row size ({csr_array.shape[-1]}) does not match the least significant axis dimension "
                f"({wanted[-1]}) of the NDArrayView shape"
            )
        if math.prod(wanted) != math.prod(csr_array.shape):
            raise CntkValueError(
                f"csr_matrix total size ({math.prod(csr_array.shape)}) does not match the total size "
                f"({math.prod(wanted)}) of the NDArrayView shape"
            )
        view = NDArrayView.from_dense(csr_array.toarray().reshape(wanted), device, read_only)
        view.is_sparse = True
        return view

    @staticmethod
    def from_data(
        data: Any, device: Any = None, read_only: bool = False, borrow: bool = False
    ) -> NDArrayView:
        """Return a view of an array, dense or sparse."""
        if isinstance(data, NDArrayView):
            return data
        if isinstance(data, np.number):
            data = np.asarray(data)
        if isinstance(data, np.ndarray):
            return NDArrayView.from_dense(data, device, read_only, borrow)
        if _is_sparse(data):
            return NDArrayView.from_csr(data, device, read_only, borrow)
        raise CntkTypeError(
            f'data type "{type(data)}" is not supported. Please provide the data as a Python list of NumPy arrays or '
            "Scipy CSR matrices."
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, row-major."""
        return self._array.shape

    @property
    def dtype(self) -> Any:
        """NumPy's type of its numbers."""
        return self._array.dtype.type

    @property
    def device(self) -> DeviceDescriptor:
        """Where it lies."""
        return cpu()

    def __repr__(self) -> str:
        return f"NDArrayView([{' x '.join(map(str, self.shape))}], CPU)"

    def asarray(self) -> NDArray[Any]:
        """Return the numbers."""
        return self._array

    def to_ndarray(self) -> NDArray[Any]:
        """Return the numbers."""
        return self._array

    def deep_clone(self, device: Any = None, read_only: bool = False) -> NDArrayView:
        """Return a copy with numbers of its own."""
        copy = NDArrayView.from_dense(self._array, read_only=read_only)
        copy.is_sparse = self.is_sparse
        return copy

    def alias(self, read_only: bool = False) -> NDArrayView:
        """Return another view of the same numbers."""
        view = NDArrayView.from_dense(self._array, read_only=read_only, borrow=True)
        view.is_sparse = self.is_sparse
        return view

    def copy_from(self, source: NDArrayView) -> None:
        """Take the numbers of another view of the same shape."""
        if source.shape != self.shape:
            raise CntkValueError(
                f"NDArrayView.copy_from: the source has the shape {source.shape}; expected {self.shape}."
            )
        if self.is_read_only:
            raise CntkRuntimeError("NDArrayView.copy_from: this view can only be read.")
        self._array[...] = source._array

    def slice_view(self, start_offset: Any, extent: Any, read_only: bool = True) -> NDArrayView:
        """Return a part; axes in front that the extent does not have are left out, at their offset."""
        spare = len(start_offset) - len(extent)
        where = (
            *start_offset[:spare],
            *(slice(first, first + size) for first, size in zip(start_offset[spare:], extent, strict=True)),
        )
        return NDArrayView.from_dense(self._array[where], read_only=read_only, borrow=True)

    def as_shape(self, shape: Any) -> NDArrayView:
        """Return the same numbers in another shape."""
        return NDArrayView.from_dense(self._array.reshape(shape_of(shape)), borrow=True)


class Value:
    """A batch: one array, or a list of sequences, padded with a mask where CNTK would pad."""

    ONE_HOT_SKIP = 2**32 - 1

    def __init__(self, batch: Any, seq_starts: Any = None, device: Any = None) -> None:
        self._sequences: list[NDArray[Any]] | None = None
        self._starts: list[bool] = []
        if isinstance(batch, list):
            self._sequences = [_plain(one) for one in batch]
            self._data = _padded(self._sequences)
        else:
            self._data = _plain(batch)
        self.is_sparse = _is_sparse(batch) or getattr(batch, "is_sparse", False)
        self.is_read_only, self.is_valid = False, True

    @staticmethod
    def create(
        var: Any, data: Any, seq_starts: Any = None, device: Any = None, read_only: bool = False
    ) -> Value:
        """Return data for a variable.

        Raises
        ------
        TypeError, ValueError
            If the first argument is no variable, or the data does not fit it.
        """
        from onnx_workbench.cntk.feeding import batch_of

        if not isinstance(var, Variable):
            raise CntkTypeError(f'Variable expected, but got "{type(var)}"')
        if isinstance(data, NDArrayView):
            return Value(data)
        if isinstance(data, np.ndarray) and data.dtype == object:
            raise CntkValueError(
                "dtype object is not supported. If this is a batch of sequences, you need to pass them as a "
                "pure-Python list of NumPy arrays"
            )
        if _is_sparse(data) and seq_starts:
            raise CntkValueError(
                "seq_starts are not supported with data specified as a single SciPy sparse CSR matrix. Please provide "
                "a list instead"
            )
        value = Value(batch_of(var, data))
        value._starts = list(seq_starts or [])
        value.is_sparse = _is_sparse(data) or (isinstance(data, list) and bool(data) and _is_sparse(data[0]))
        return value

    @staticmethod
    def one_hot(batch: Any, num_classes: Any, dtype: Any = None, device: Any = None) -> Value:
        """Return a one-hot batch of samples, or of sequences of samples, for lists of class numbers.

        Raises
        ------
        ValueError
            Unless `batch` is a list of whole numbers or of lists of them.
        """
        shape = _class_shape(num_classes)
        rows, single = _rows_of_classes(batch)
        kind = dtype_of(np.float32 if dtype is None else dtype)
        width = shape[-1]
        apart = math.prod(shape[:-1])
        if any(len(row) % apart for row in rows):
            raise CntkValueError(
                f"one_hot: each sample of shape {shape} needs {apart} class numbers; got {[len(row) for row in rows]}."
            )
        encoded = [
            _one_hot(np.reshape(np.asarray(row, np.int64), (-1, *shape[:-1])), width, kind) for row in rows
        ]
        value = Value(np.concatenate(encoded)) if single else Value(encoded)
        value.is_sparse = True
        return value

    @property
    def data(self) -> NDArrayView:
        """The numbers, sequences padded with zeros."""
        return NDArrayView.from_dense(self._data, borrow=True)

    @property
    def mask(self) -> NDArray[Any]:
        """2 where a sequence begins, 1 where it goes on, 0 where it is padded."""
        if self._sequences is None:
            return np.full(self._data.shape[:2], 1, np.uint8)
        mask = np.zeros(self._data.shape[:2], np.uint8)
        for row, sequence in zip(mask, self._sequences, strict=True):
            row[: len(sequence)] = 1
            row[:1] = 2
        if self._starts:
            mask[[not start for start in self._starts], 0] = 1
        return mask

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, batch and longest sequence included."""
        return self._data.shape

    @property
    def dtype(self) -> Any:
        """NumPy's type of its numbers."""
        return self._data.dtype.type

    @property
    def device(self) -> DeviceDescriptor:
        """Where it lies."""
        return cpu()

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"Value([{' x '.join(map(str, self.shape))}], CPU)"

    def asarray(self) -> NDArray[Any]:
        """Return the numbers, sequences padded."""
        return self._data

    def as_sequences(self, variable: Any = None) -> list[NDArray[Any]]:
        """Return the sequences."""
        return list(self._data) if self._sequences is None else list(self._sequences)

    def as_batch(self, variable: Any = None) -> Any:
        """Return what can be fed: an array, or a list of sequences."""
        return self._data if self._sequences is None else list(self._sequences)


def _plain(data: Any) -> NDArray[Any]:
    if _is_sparse(data):
        return np.asarray(data.toarray())
    return np.asarray(data.asarray() if hasattr(data, "asarray") else data)


def _padded(sequences: list[NDArray[Any]]) -> NDArray[Any]:
    longest = max((len(one) for one in sequences), default=0)
    padded = np.zeros((len(sequences), longest, *sequences[0].shape[1:]), sequences[0].dtype)
    for row, one in zip(padded, sequences, strict=True):
        row[: len(one)] = one
    return padded


def _rows_of_classes(batch: Any) -> tuple[list[list[int]], bool]:
    """Return class numbers in rows, one for each sequence, and whether they were given as samples instead."""
    items = batch.tolist() if isinstance(batch, np.ndarray) else batch
    if not isinstance(items, list):
        raise CntkValueError("input must be a list")
    items = [one.tolist() if isinstance(one, np.ndarray) else one for one in items]
    single = bool(items) and isinstance(items[0], int | float)
    rows = [[one] for one in items] if single else items
    if not rows or not isinstance(rows[0], list) or not rows[0]:
        raise CntkValueError("input must be a list of list of integers, and not be empty")
    if not all(isinstance(row, list) for row in rows):
        raise CntkValueError("input must be a list of integers or a list of lists of them, and mixes both")
    for index in chain.from_iterable(rows):
        if not isinstance(index, numbers.Integral):
            raise CntkValueError(
                f'supplied data to one_hot() must be of type integer and not "{type(index)}" since it is index data.'
            )
    return rows, single


def _class_shape(num_classes: Any) -> tuple[int, ...]:
    """Return the shape of a one-hot sample, for the number of classes or for the shape itself."""
    if isinstance(num_classes, numbers.Integral):
        return (int(num_classes),)
    shape = tuple(num_classes) if isinstance(num_classes, list | tuple) else ()
    if not shape or not all(isinstance(size, numbers.Integral) for size in shape):
        raise CntkTypeError(
            f"one_hot: num_classes must be a whole number, or a shape whose last size is one; got {num_classes!r}."
        )
    return shape


def _one_hot(indices: NDArray[Any], width: int, dtype: Any) -> NDArray[Any]:
    wrong = ((indices < 0) | (indices >= width)) & (indices != Value.ONE_HOT_SKIP)
    if wrong.any():
        raise CntkValueError(
            f"one-hot index value ({indices[wrong][0]}) exceeds vocabulary size ({width}): class numbers must "
            f"be from 0 to {width - 1}."
        )
    return np.asarray(np.arange(width) == indices[..., None], dtype=dtype)


def asarray(value: Any, dtype: Any = None) -> NDArray[Any]:
    """Return an array of whatever has numbers."""
    array = np.asarray(value.asarray() if hasattr(value, "asarray") else value)
    if array.dtype == object:
        raise CntkValueError(f"could not convert instance of type {type(value)} to an array")
    return array if dtype is None else array.astype(dtype)


def asvalue(variable: Any, data_array: Any) -> Value:
    """Return data for a variable as a Value."""
    return Value.create(variable, data_array)
