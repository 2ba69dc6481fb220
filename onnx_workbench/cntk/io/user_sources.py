"""Sources that users write, and one that reads arrays in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.core import Value
from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError
from onnx_workbench.cntk.io.minibatch_source import INFINITELY_REPEAT, found_stream
from onnx_workbench.cntk.io.streams import MinibatchData, StreamInformation
from onnx_workbench.cntk.value_types import Record, VariableType


class UserMinibatchSource:
    """Base of minibatch sources written by users: derive from it and write `stream_infos` and `next_minibatch`."""

    def __init__(self) -> None:
        self.streams = Record(**{one.name: one for one in self.stream_infos()})

    def stream_infos(self) -> list[StreamInformation]:
        """Return what streams there are; to be written by users."""
        raise NotImplementedError(
            f"{type(self).__name__}.stream_infos should return a list of StreamInformation for all streams: write it."
        )

    def stream_info(self, name: str) -> StreamInformation:
        """Return the stream of a name."""
        return found_stream(self.stream_infos(), name)

    def __getitem__(self, name: str) -> StreamInformation:
        return self.stream_info(name)

    def next_minibatch(
        self, num_samples: int, number_of_workers: int, worker_rank: int, device: Any = None
    ) -> dict[StreamInformation, MinibatchData]:
        """Return data by stream, an empty dictionary after the end; to be written by users."""
        raise NotImplementedError(
            f"{type(self).__name__}.next_minibatch should return a MinibatchData for each stream: write it."
        )

    def get_checkpoint_state(self) -> dict[str, Any]:
        """Return where it is, for `restore_from_checkpoint`; nothing unless users write both."""
        return {}

    def restore_from_checkpoint(self, state: dict[str, Any]) -> None:
        """Go on from a state; to be written by users who return one."""
        if state:
            raise NotImplementedError(
                "in order to use checkpointing on UserMinibatchSource, you need to implement "
                "restore_from_checkpoint(checkpoint)"
            )

    def is_infinite(self) -> bool:
        """Tell whether it never ends."""
        return False


class MinibatchSourceFromData(UserMinibatchSource):
    """Reads arrays in memory, in their order.

    Parameters
    ----------
    data_streams
        By name an array, a CSR matrix, a `Value` or a list of sequences; or a pair of that and a type, such as
        ``Sequence[Tensor[3]]``, which sequences need.
    max_samples
        After how many samples it ends; without it the data begins again. Of sequences the longest stream counts.

    Raises
    ------
    ValueError, TypeError
        If there is no data, or it does not go together.

    Examples
    --------
    >>> pictures, labels = np.zeros((100, 4), np.float32), np.eye(100, 3, dtype=np.float32)
    >>> source = C.io.MinibatchSourceFromData(dict(x=pictures, y=labels), max_samples=len(pictures))
    >>> source.next_minibatch(64)[source.streams.x].num_samples
    64
    """

    def __init__(self, data_streams: dict[str, Any], max_samples: int = INFINITELY_REPEAT) -> None:
        if not data_streams:
            raise CntkValueError(
                "at least one stream must be specified, in the form name=data or name=(data, type)"
            )
        self._data: dict[str, Any] = {}
        self._parts: dict[str, bool] = {}
        self._infos: list[StreamInformation] = []
        for name, given in data_streams.items():
            self._add(name, given)
        counts = {name: _count(value) for name, value in self._data.items()}
        if len(set(counts.values())) > 1:
            raise CntkTypeError(f"all data items must have the same first dimension; they have {counts}.")
        self._count, self._max_samples = next(iter(counts.values())), max_samples
        if not self._count:
            raise CntkValueError("data is empty")
        self._cursor = self._total = 0
        super().__init__()

    def _add(self, name: str, given: Any) -> None:
        value, kind = given if isinstance(given, tuple) else (given, None)
        kind = VariableType._sanitize(kind)
        if kind is not None and not isinstance(kind, VariableType):
            raise CntkValueError(f"type must be a CNTK variable type, e.g. Tensor[13]; got {kind!r}.")
        sequences = kind is not None and len(kind.get("dynamic_axes") or ()) > 1
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(value, Value):
            first = value.data
        if not hasattr(first, "shape") or not hasattr(first, "dtype"):
            raise CntkTypeError(
                "data must be a numpy.array or scipy.sparse.csr_matrix, or a list of those; the stream "
                f"{name!r} is a {type(value).__name__}."
            )
        plain = first.shape if isinstance(value, list) and not sequences else first.shape[1:]
        shape = kind.shape if kind is not None and kind.shape_is_known else tuple(plain)
        sparse = hasattr(first, "tocsr") or getattr(value, "is_sparse", False)
        sparse = bool(kind.get("is_sparse")) if kind is not None and "is_sparse" in kind else sparse
        dtype = kind["dtype"] if kind is not None and kind.get("dtype") is not None else first.dtype
        self._data[name], self._parts[name] = value, sequences
        storage = "sparse" if sparse else "dense"
        self._infos.append(StreamInformation(name, len(self._infos), storage, np.dtype(dtype), shape))

    def stream_infos(self) -> list[StreamInformation]:
        """Return what streams there are."""
        return self._infos

    def next_minibatch(
        self, num_samples: int, number_of_workers: int = 1, worker_rank: int = 0, device: Any = None
    ) -> dict[StreamInformation, MinibatchData]:
        """Return the next minibatch, as `MinibatchSource.next_minibatch`."""
        if self._total >= self._max_samples:
            return {}
        first = last = self._cursor
        counts = dict.fromkeys(self._data, 0)
        while last < self._count:
            more = {
                name: counts[name] + (len_of(value, last) if self._parts[name] else 1)
                for name, value in self._data.items()
            }
            most = max(more.values())
            if last > first and (most > num_samples or self._total + most > self._max_samples):
                break
            counts, last = more, last + 1
        self._total += max(counts.values())
        at_end = last == self._count
        ended = at_end or self._total >= self._max_samples
        self._cursor = 0 if at_end else last
        chosen = slice(first + worker_rank, last, number_of_workers)
        return {
            info: MinibatchData(_part(self._data[info.name], chosen), last - first, counts[info.name], ended)
            for info in self._infos
        }

    def get_checkpoint_state(self) -> dict[str, int]:
        """Return where it is."""
        return {"cursor": self._cursor, "total_num_samples": self._total}

    def restore_from_checkpoint(self, state: dict[str, Any]) -> None:
        """Go on from where `get_checkpoint_state` was asked."""
        cursor, total = int(state["cursor"]), int(state["total_num_samples"])
        if not 0 <= cursor < self._count:
            raise CntkValueError(f"This state is of other data: place {cursor} of {self._count}.")
        self._cursor, self._total = cursor, total


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list | Value) else int(value.shape[0])


def len_of(value: Any, number: int) -> int:
    """Return how many steps one sequence of a list has."""
    one = value[number]
    return int(one.shape[0])


def _part(value: Any, chosen: slice) -> Any:
    if isinstance(value, Value):
        return value.as_batch()[chosen]
    return value[chosen]
