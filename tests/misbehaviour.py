"""Functions for isolated calls that crash, hang, take memory, or tell about their process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from tiny_models import dense

import onnx_workbench as ow
from onnx_workbench.core.errors import WorkbenchWarning
from onnx_workbench.core.memory import private_bytes


def segfault() -> None:
    ctypes.string_at(0)


def kill_itself(number: int) -> None:
    os.kill(os.getpid(), number)


def leave(code: int) -> None:
    os._exit(code)


def loop() -> None:
    while True:
        time.sleep(0.01)


def loop_in_native_code() -> None:
    """Never return, and let no other thread of this process run: a call that keeps Python's lock."""
    ctypes.PyDLL(None).sleep(10_000)


def announce_and(path: str, function_name: str) -> None:
    """Write this process's number into a file, then misbehave."""
    Path(path).write_text(str(os.getpid()))
    globals()[function_name]()


def take_memory(mib: int) -> int:
    """Take memory in pieces of 4 MiB, slowly enough to be seen."""
    held = []
    for _ in range(mib // 4):
        held.append(np.ones(1 << 19))
        time.sleep(0.002)
    return len(held)


def read_mapped(path: str) -> int:
    return int(np.memmap(path, np.uint8, "r").astype(np.uint8, copy=False)[::4096].sum())


def talk(text: str) -> str:
    sys.stdout.write(text)
    sys.stdout.flush()
    os.write(1, b"from native code\n")
    sys.stderr.write("to the error stream\n")
    return sys.stdin.read()


def complain_and_crash(text: str) -> None:
    os.write(2, text.encode())
    os.kill(os.getpid(), signal.SIGABRT)


def warn(text: str) -> None:
    warnings.warn(text, WorkbenchWarning, stacklevel=1)


def something_local() -> object:
    return lambda: None


def growth_of_session(path: str, low_memory: bool) -> tuple[int, int]:
    """Return by how much private memory grew when a session was loaded and run once: (after loading, after running)."""
    ow.Session(dense())  # what a first session takes for itself
    before = private_bytes(os.getpid())
    session = ow.Session(path, low_memory=low_memory)
    loaded = private_bytes(os.getpid())
    session.run(np.ones((1, 2048), np.float32))
    return loaded - before, private_bytes(os.getpid()) - before


def growth_of_run(content: bytes, shape: tuple[int, ...], low_memory: bool) -> int:
    """Return by how much private memory grew at the peak of a run, looked at by a thread beside it."""
    session = ow.Session(content, low_memory=low_memory)
    x = np.ones(shape, np.float32)
    session.run(x[:1])
    before, seen, done = private_bytes(os.getpid()), [], threading.Event()

    def look() -> None:
        while not done.wait(0.001):
            seen.append(private_bytes(os.getpid()))

    looking = threading.Thread(target=look)
    looking.start()
    session.run(x)
    done.set()
    looking.join()
    return max(seen) - before


_held: list[np.ndarray] = []


def hold(mib: int) -> None:
    """Take memory and keep it."""
    _held.append(np.ones(mib << 17))
