"""A child process: started so that it cannot outlive its parent, watched, ended, and its death put into words."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from onnx_workbench.core.errors import IsolationError
from onnx_workbench.core.formatting import clean_text

_WORKER = "onnx_workbench.runtime.isolation_worker"
_KEPT_BYTES = 8192
_PIPE_BYTES = 1 << 20  # sixteen times Linux's own choice: arrays go through in fewer turns
_SIGNALS = {
    "SIGSEGV": "it crashed (a segmentation fault: native code used memory that is not its own)",
    "SIGBUS": "it crashed (a bus error: a file it had mapped was cut short, or the disk failed)",
    "SIGABRT": "it gave up (native code met a state that it does not allow)",
    "SIGFPE": "it crashed (a division of whole numbers by zero)",
    "SIGILL": "it crashed (an instruction that this processor does not have)",
    "SIGKILL": "it was killed from outside, most likely by the system for lack of memory",
    "SIGTERM": "it was asked to end from outside",
    "SIGALRM": "it ran far beyond its time limit",
}

_Starting: TypeAlias = "Future[subprocess.Popen[bytes]]"

# Linux ends a child with the *thread* that started it, so that one which lasts as long as the process starts them all
# (an executor's threads end earlier: before the threads of the program that are still at work).
_launcher: list[queue.SimpleQueue[_Starting]] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_launcher.clear)


class ChildProcess:
    """A running worker, with pipes to it.

    Attributes
    ----------
    pid
        Its number.
    requests, replies
        Where this process writes, and where it reads.
    """

    def __init__(self) -> None:
        if not _launcher:
            _launcher.append(queue.SimpleQueue())
            threading.Thread(target=_launch, args=(_launcher[0],), daemon=True).start()
        starting: _Starting = Future()
        _launcher[0].put(starting)
        try:
            self._process = starting.result()
        except BaseException:  # Ctrl-C while it starts
            starting.add_done_callback(lambda done: None if done.exception() else _end(done.result()))
            raise
        self.pid = self._process.pid
        self.requests = cast(BinaryIO, self._process.stdin)
        self.replies = cast(BinaryIO, self._process.stdout)
        self._words = bytearray()
        self._listener = threading.Thread(
            target=_listen, args=(self._process.stderr, self._words), daemon=True
        )
        self._listener.start()
        self._finalizer = weakref.finalize(self, _end, self._process)

    def kill(self) -> None:
        """End it, and what it started, at once."""
        self._finalizer()

    def death(self) -> str:
        """Return how it ended, with its last words."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # its pipes are closed, and it is still there
            code = 0
        self._listener.join(timeout=1)
        self.kill()
        words = _last_words(bytes(self._words))
        return _cause(code) + (f"\nIts last words: {words}" if words else "")


def _launch(orders: queue.SimpleQueue[_Starting]) -> None:
    """Start a child for each order."""
    while True:
        starting = orders.get()
        try:
            starting.set_result(_start())
        except IsolationError as error:
            starting.set_exception(error)


def _start() -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise IsolationError(
            "This Python does not know its own program (sys.executable), and cannot start another."
        )
    # -P and PYTHONPATH: the child finds what this process finds, whatever lies in the working folder.
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    command = [sys.executable, "-P", "-m", _WORKER, str(os.getpid())]
    try:
        try:
            return _open(command, paths, pipe_bytes=_PIPE_BYTES)
        except PermissionError:  # this user has many large pipes already
            return _open(command, paths, pipe_bytes=-1)
    except OSError as error:
        raise IsolationError(f"No child process can be started here: {error}.") from error


def _open(command: list[str], paths: str, *, pipe_bytes: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  # our own module, by this very Python
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
        pipesize=pipe_bytes,
        start_new_session=os.name
        == "posix",  # Ctrl-C in a terminal reaches this process alone, which ends it
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group, and take its resources back."""
    with suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _listen(stream: BinaryIO, words: bytearray) -> None:
    """Keep the end of what a process says."""
    with stream:
        while piece := os.read(stream.fileno(), 4096):
            words += piece
            del words[:-_KEPT_BYTES]


def _last_words(said: bytes) -> str:
    """Return the last lines on the error stream; of a Python traceback, the error alone."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    spoken = [line for line in lines if not line.startswith((" ", "Traceback"))]
    return clean_text(" / ".join(spoken[-3:]), limit=600)


def _cause(code: int) -> str:
    if code >= 0:
        return f"it ended with exit status {code:#x}" if code > 255 else f"it ended with exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"it was ended by signal {-code}"
    return f"{_SIGNALS.get(name, 'it was ended by a signal')} [{name}]"
