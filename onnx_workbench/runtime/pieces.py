"""Who computes a piece of a model: sessions kept for the next piece of its kind, here or in a child process."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from onnx_workbench.core.errors import IsolationError, NotEnoughMemoryError, RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.memory import available_bytes
from onnx_workbench.core.protos import ONNX_ERRORS
from onnx_workbench.runtime.backends import default_threads
from onnx_workbench.runtime.isolation import Limits, Worker
from onnx_workbench.runtime.runtime_errors import essence, onnxruntime_errors

_MOST_SESSIONS = 256
_SHARE_OF_AVAILABLE = 0.5


class PieceRunner(Protocol):
    """What computes pieces."""

    backend: str

    def run(self, piece: ModelProto, fed: Mapping[str, Any], what: str) -> list[Any]:
        """Return a piece's outputs; `what` names it in errors."""


class PiecesHere:
    """Pieces computed in this process.

    Parameters
    ----------
    backend
        ``"onnxruntime"`` or ``"reference"``.
    threads
        Threads within one operator; None for the default.
    """

    def __init__(self, backend: str = "onnxruntime", threads: int | None = None) -> None:
        self.backend = backend
        self._threads = default_threads() if threads is None else threads
        self.sessions: OrderedDict[bytes, Any] = OrderedDict()
        self._errors = onnxruntime_errors()

    def run(self, piece: ModelProto, fed: Mapping[str, Any], what: str) -> list[Any]:
        """Return a piece's outputs.

        Raises
        ------
        RunError
            If neither onnxruntime nor ONNX's reference evaluator can compute it.
        """
        if self.backend == "reference":
            return _by_reference(piece, fed, what, None)
        session = self._session(piece)
        if isinstance(session, BaseException):
            return _by_reference(piece, fed, what, session)
        try:
            return list(session.run(None, dict(fed)))
        except self._errors as error:
            return _by_reference(piece, fed, what, error)

    def _session(self, piece: ModelProto) -> Any:
        """Return a session of a piece, or the error if there can be none: thousands of nodes may share either."""
        key = piece.SerializeToString()
        if (session := self.sessions.get(key)) is not None:
            self.sessions.move_to_end(key)
            return session
        try:
            session = self._new_session(key)
        except self._errors as error:
            session = error.with_traceback(None)  # which would hold the arrays
        self.sessions[key] = session
        if len(self.sessions) > _MOST_SESSIONS:
            self.sessions.popitem(last=False)
        return session

    def _new_session(self, content: bytes) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = self._threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _by_reference(
    piece: ModelProto, fed: Mapping[str, Any], what: str, cause: BaseException | None
) -> list[Any]:
    """Return what ONNX's reference evaluator computes; with a cause, only if onnxruntime lacks the kernel."""
    from onnx.reference import ReferenceEvaluator

    if cause is not None and "implement" not in f"{type(cause).__name__} {cause}".lower():
        raise RunError(f"{what} cannot be run: {essence(cause)}") from cause
    try:
        return list(ReferenceEvaluator(piece).run(None, dict(fed)))
    except (ArithmeticError, AttributeError, LookupError, NotImplementedError, *ONNX_ERRORS) as error:
        reason = essence(cause) if cause is not None else clean_text(str(error), limit=400)
        raise RunError(f"{what} cannot be run: {reason}") from error


_kept: dict[str, PiecesHere] = {}  # in the child: one for each backend


def _run_in_child(
    backend: str, threads: int | None, piece: bytes, fed: dict[str, Any], what: str
) -> list[Any]:
    proto = ModelProto()
    proto.ParseFromString(piece)
    return _kept.setdefault(backend, PiecesHere(backend, threads)).run(proto, fed, what)


class PiecesInChild:
    """Pieces computed in a child process: one that crashes or meets a limit is an error of that piece alone.

    Values come back to this process, where they live until their last reader has run. What a model may make of them
    is limited too: together they take no more than the child may, and each leaves as much again to be measured in.

    Parameters
    ----------
    limits
        Of memory and time, for each piece.
    backend, threads
        As for `PiecesHere`.
    """

    def __init__(self, limits: Limits, backend: str = "onnxruntime", threads: int | None = None) -> None:
        self.worker = Worker(limits, room=self._room)
        self._most_bytes = limits.memory_bytes or int(available_bytes() * _SHARE_OF_AVAILABLE)
        self._alive: list[weakref.ref[NDArray[Any]]] = []
        self.backend = backend
        self._threads = threads

    def run(self, piece: ModelProto, fed: Mapping[str, Any], what: str) -> list[Any]:
        """Return a piece's outputs.

        Raises
        ------
        RunError
            If it cannot be computed, or took the child with it.
        """
        try:
            found = self.worker.call(
                _run_in_child, self.backend, self._threads, piece.SerializeToString(), dict(fed), what
            )
        except (IsolationError, NotEnoughMemoryError) as error:
            raise RunError(f"{what} cannot be run: {error}") from error
        self._alive += [weakref.ref(array) for array in _arrays_in(found)]
        return found

    def _room(self) -> int:
        """Return how many bytes the next values may take here, beside those that live."""
        living = [(reference, array) for reference in self._alive if (array := reference()) is not None]
        self._alive = [reference for reference, _ in living]
        taken = sum(array.nbytes for _, array in living)
        return min(available_bytes(), self._most_bytes - taken) // 2


def _arrays_in(found: object) -> Iterator[NDArray[Any]]:
    """Yield the arrays among a piece's outputs, those of sequences as well."""
    if isinstance(found, np.ndarray):
        yield found
    elif isinstance(found, (list, tuple)):
        for item in found:
            yield from _arrays_in(item)
