"""What runs in an isolated child process: ``python -m onnx_workbench.runtime.isolation_worker``."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from onnx_workbench.core.errors import IsolationError, WorkbenchError, WorkbenchWarning
from onnx_workbench.core.memory import set_budget
from onnx_workbench.runtime.isolation_messages import pack, read, write

_PR_SET_PDEATHSIG = 1
_GRACE_S = 10.0  # the parent ends a child that is late; this is for a child whose parent is gone


def _main() -> None:
    parent = int(sys.argv[1])
    requests, replies = _private_pipes()
    _die_with(parent)
    with suppress(OSError):  # when a container is out of memory, the kernel of Linux ends this process first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    inbox: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests, inbox), daemon=True).start()
    while True:
        frame = _answer(inbox.get())
        try:
            write(replies, frame)
        except BrokenPipeError:
            os._exit(0)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the two pipes to the parent away from code that prints or reads: it gets stderr and an empty input."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent, where it can do that (Linux)."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # gone already
        os._exit(0)


def _receive(requests: BinaryIO, inbox: queue.SimpleQueue[Callable[[], Any]]) -> None:
    """Pass requests on, and end the process when the parent is gone: its end of the pipe closes then."""
    while True:
        try:
            inbox.put(read(requests))
        except (EOFError, OSError):
            os._exit(0)


def _answer(load: Callable[[], Any]) -> Any:
    """Return the packed reply to one request: ("value" or "error" or "memory", content, warnings).

    Errors that are not the workbench's own end this process: its last words then say what they were.
    """
    function, arguments, time_s, budget_bytes = load()
    if budget_bytes is not None:
        set_budget(budget_bytes)
    with warnings.catch_warnings(record=True) as caught, _alarm(time_s):
        warnings.simplefilter("always", WorkbenchWarning)
        try:
            reply: tuple[str, object] = ("value", function(*arguments))
        except MemoryError as error:
            reply = ("error", error) if isinstance(error, WorkbenchError) else ("memory", str(error))
        except WorkbenchError as error:
            reply = ("error", error)
    said = [str(item.message) for item in caught if issubclass(item.category, WorkbenchWarning)]
    try:
        return pack((*reply, said))
    except IsolationError as error:
        return pack(("error", error, said))


@contextmanager
def _alarm(time_s: float | None) -> Iterator[None]:
    """Have the kernel end this process when a call takes much too long, even if Python cannot run any more."""
    if time_s is None or not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, time_s + _GRACE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    _main()
