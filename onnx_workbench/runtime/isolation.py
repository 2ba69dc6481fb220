"""Run something that may crash, hang or take all memory in a child process: this one stays alive.

What is contained: crashes of native code, endless loops, and more memory than allowed. What is not: a child has
the rights of its user, and may read and write files; a model that exploits a fault of onnxruntime could too.

How memory is watched. The limit is one of *private resident* memory, looked at every few milliseconds from
outside. ``RLIMIT_AS`` would count every mapped file and every thread's reserved stack, and ``RLIMIT_DATA`` counts
the weights that onnxruntime maps (it maps them as private and writable, though it never writes): both refuse
models that run in a few MiB. Where a process takes memory faster than it is looked at, it may exceed the limit for
a moment; on Linux it is then also the first that the system ends. Where private memory cannot be read (no ``/proc``,
and psutil is not installed), only the time is limited, and a warning says so.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from onnx_workbench.core.errors import (
    CrashError,
    InputError,
    IsolationError,
    MemoryLimitError,
    NotEnoughMemoryError,
    TimeLimitError,
    WorkbenchWarning,
)
from onnx_workbench.core.formatting import clean_text, format_bytes
from onnx_workbench.core.memory import available_bytes, private_bytes
from onnx_workbench.runtime.child_process import ChildProcess
from onnx_workbench.runtime.isolation_messages import Frame, pack, read, write

_LOOK_EVERY_S = 0.01
_LEAST_BYTES = 64 << 20
_SHARE_OF_AVAILABLE = 0.9

Result = TypeVar("Result")


@dataclass(frozen=True)
class Limits:
    """What an isolated call may take.

    Attributes
    ----------
    memory_bytes
        Private memory of the child process at most, of which Python and the workbench themselves take some
        50 MiB. None allows nine tenths of what is available when the call begins, beside what the process
        holds by then.
    time_s
        Seconds that one call may take; None for no limit.
    """

    memory_bytes: int | None = None
    time_s: float | None = 60.0

    def __post_init__(self) -> None:
        if self.memory_bytes is not None and not self.memory_bytes >= _LEAST_BYTES:
            raise InputError(
                f"memory_bytes={self.memory_bytes!r}: an empty child process needs some 50 MiB; give at least "
                f"{_LEAST_BYTES} ({format_bytes(_LEAST_BYTES)})."
            )
        if self.time_s is not None and not self.time_s > 0:
            raise InputError(f"time_s={self.time_s!r}: give seconds above 0, or None for no limit.")


class Worker:
    """A child process that answers calls, one at a time; one that ended is replaced at the next call.

    Parameters
    ----------
    limits
        What one call may take.
    room
        Returns the memory in bytes that an answer may take in this process; None for what is available.
    """

    def __init__(self, limits: Limits, *, room: Callable[[], int] | None = None) -> None:
        self.limits = limits
        self._room = room or available_bytes
        self._child: ChildProcess | None = None
        self._turn = threading.Lock()

    @property
    def is_running(self) -> bool:
        """Whether the process of the last call still stands, with what it keeps."""
        return self._child is not None

    def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Return what a function returns that runs in the child.

        Raises
        ------
        WorkbenchError
            The child's own, if it raised one; else `CrashError`, `TimeLimitError` or `MemoryLimitError`.
        """
        memory_bytes = self.limits.memory_bytes or self._affordable_bytes()
        frame = pack((_importable(function), arguments, self.limits.time_s, memory_bytes))
        with self._turn:
            try:
                kind, content, said = self._exchange(frame, memory_bytes)
            except BaseException:  # Ctrl-C as well: whatever stopped the call, the child has no more to do
                self.close()
                raise
            for text in said:
                warnings.warn(text, WorkbenchWarning, stacklevel=3)
            if kind == "memory":
                self.close()
                raise MemoryLimitError(f"The isolated call ran out of memory: {content}.\n{_MORE_MEMORY}")
            if kind == "error":
                raise content
            answer: Result = content
            return answer

    def _affordable_bytes(self) -> int:
        """Return what the child may take where no limit was given: what it holds already, and most of what is left."""
        held = private_bytes(self._child.pid) if self._child is not None else None
        return max(_LEAST_BYTES, (held or 0) + int(available_bytes() * _SHARE_OF_AVAILABLE))

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _exchange(self, frame: Frame, memory_bytes: int) -> Any:
        if self._child is None:
            self._child = ChildProcess()
            if self.limits.memory_bytes is not None and private_bytes(self._child.pid) is None:
                warnings.warn(
                    "The memory of a child process cannot be read on this system, so that memory_bytes is not kept; "
                    "time_s is. With psutil it could:  pip install psutil",
                    WorkbenchWarning,
                    stacklevel=4,
                )
        exchange = _Exchange(self._child, frame, self._room)
        self._watch(exchange, self._child, memory_bytes)
        return exchange.result()

    def _watch(self, exchange: _Exchange, child: ChildProcess, memory_bytes: int) -> None:
        """Wait for the answer, and end the child if it takes too much or too long."""
        started = time.monotonic()
        while not exchange.done.wait(_LOOK_EVERY_S):
            if (taken := private_bytes(child.pid) or 0) > memory_bytes:
                child.kill()
                raise MemoryLimitError(
                    f"The isolated call was stopped: it took {format_bytes(taken)} of memory, and "
                    f"{format_bytes(memory_bytes)} were allowed.\n{_MORE_MEMORY}"
                )
            if self.limits.time_s is not None and time.monotonic() - started > self.limits.time_s:
                child.kill()
                raise TimeLimitError(
                    f"The isolated call was stopped: it had no answer after {self.limits.time_s:g} s.\n"
                    "If it only needs longer, allow more with time_s; if not, it may be an endless loop."
                )


_MORE_MEMORY = "Allow more with memory_bytes, or give it less to do: a smaller batch, low_memory=True."


class _Exchange(threading.Thread):
    """One request and its reply, in a thread of its own: waiting for a pipe cannot be interrupted everywhere."""

    def __init__(self, child: ChildProcess, frame: Frame, room: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self._child, self._frame, self._room = child, frame, room
        self._load: Callable[[], Any] | None = None
        self._refused: NotEnoughMemoryError | IsolationError | None = None
        self.start()

    def run(self) -> None:
        """Send, and receive."""
        try:
            write(self._child.requests, self._frame)
            self._load = read(self._child.replies, room=self._room)
        except (NotEnoughMemoryError, IsolationError) as error:
            self._refused = error
        except (
            EOFError,
            OSError,
            ValueError,
        ):  # ValueError: the pipe was closed here, when the child was ended
            pass
        finally:
            self._frame = []
            self.done.set()

    def result(self) -> Any:
        """Return the reply; raise if there is none."""
        if self._refused is not None:
            raise self._refused
        if self._load is None:
            raise CrashError(
                f"The child process of the isolated call is gone: {self._child.death()}.\n"
                "This process is not affected. The model, or the library that ran it, has a fault."
            )
        return self._load()


def _importable(function: Callable[..., Result]) -> Callable[..., Result]:
    if getattr(function, "__module__", None) == "__main__":
        name = clean_text(getattr(function, "__qualname__", repr(function)))
        raise InputError(
            f"{name} is defined in this notebook or script, where a child process cannot import it from. Put it into a "
            "module (a .py file beside), or give a function of onnx_workbench, such as summarize."
        )
    return function


def isolated(
    function: Callable[..., Result],
    *arguments: object,
    memory_bytes: int | None = None,
    time_s: float | None = 60.0,
) -> Result:
    """Run a function in a child process, so that a crash, a kill or an endless loop leaves this one alive.

    Parameters
    ----------
    function
        One that can be imported from a module, such as ``ow.summarize``.
    *arguments
        Its arguments: arrays, numbers, texts, paths, models; whatever can be pickled.
    memory_bytes
        Private memory that the child may take; None for nine tenths of what is available.
    time_s
        Seconds that it may take; None for no limit.

    Returns
    -------
    object
        What the function returns.

    Raises
    ------
    WorkbenchError
        What the function raised, unchanged.
    CrashError
        If the child crashed or was killed; the message says how, with its last words.
    TimeLimitError
        If it took longer than `time_s`.
    MemoryLimitError
        If it took more memory than `memory_bytes`.

    Examples
    --------
    >>> from onnx_workbench.runtime.isolation import isolated
    >>> isolated(ow.summarize, "signs.onnx", time_s=10).parameters
    8288
    """
    worker = Worker(Limits(memory_bytes, time_s))
    try:
        return worker.call(function, *arguments)
    finally:
        worker.close()
