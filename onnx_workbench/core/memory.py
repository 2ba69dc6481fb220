"""How much memory this process may still use, and the refusal of what would need more."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

from onnx_workbench.core.errors import NotEnoughMemoryError
from onnx_workbench.core.formatting import format_bytes

_CGROUP = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60
_UNQUESTIONED_BYTES = 32 << 20
"""Actions that need less than this are not weighed: looking costs more than it tells."""

_budget: list[int] = []


def set_budget(budget_bytes: int) -> None:
    """Make this process, a child that may be ended at any time, keep to a budget of private memory.

    `available_bytes` then counts what is left of it, so that frugal ways are chosen; and nothing is refused:
    whoever runs something in a process of its own wants it to be tried.
    """
    _budget[:] = [budget_bytes]


def available_bytes() -> int:
    """Return the memory in bytes that can still be used: the smaller of the machine's and the container's.

    The container's limit is read from Linux control groups (version 2, then 1), this process's own and those
    around it; memory that the kernel can drop at once (clean file pages) counts as free there.
    """
    left = min(_machine_bytes(), _container_bytes())
    if _budget:
        left = min(left, max(0, _budget[0] - (private_bytes(os.getpid()) or 0)))
    return left


def require_memory(action: str, needed_bytes: int, *, remedy: str) -> None:
    """Refuse an action that would need more memory than is left, before the kernel of a notebook dies of it.

    Parameters
    ----------
    action
        What is about to be done, as the end of the sentence "There is not enough memory to ...".
    needed_bytes
        What it needs at its peak, beyond what is in use now.
    remedy
        What to do instead: sentences.

    Raises
    ------
    NotEnoughMemoryError
        If less is available. Never in a child process with a budget of its own.
    """
    if needed_bytes < _UNQUESTIONED_BYTES or _budget:
        return
    available = available_bytes()
    if needed_bytes > available:
        raise NotEnoughMemoryError(
            f"There is not enough memory to {action}: it needs about {format_bytes(needed_bytes)}, and "
            f"{format_bytes(available)} are available.\n{remedy}",
            needed_bytes=needed_bytes,
            available_bytes=available,
        )


def trim_heap() -> None:
    """Give freed memory back to the system, where the C library keeps it and can be asked to (glibc)."""
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):  # no such library, as on Windows
        return None
    return found


def private_bytes(pid: int) -> int | None:
    """Return the resident memory in bytes that belongs to one process alone; None where it cannot be told.

    Pages of mapped files do not count, as the kernel drops them when memory is short: a model's mapped weights
    make a process look large that is not. On Linux this is RssAnon and RssShmem of ``/proc/<pid>/status``;
    elsewhere psutil's "unique set size", if psutil is installed (ipykernel brings it).
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _unique_bytes(pid)
    found = [line.split() for line in status.splitlines() if line.startswith(("RssAnon:", "RssShmem:"))]
    return sum(int(words[1]) for words in found) * 1024 if found else None


def _unique_bytes(pid: int) -> int | None:
    try:
        import psutil
    except ModuleNotFoundError:
        return None
    try:
        return int(psutil.Process(pid).memory_full_info().uss)
    except psutil.Error:
        return None


def _machine_bytes() -> int:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return _UNLIMITED


def _container_bytes() -> int:
    """Return what the tightest of the control groups around this process leaves."""
    old, new = _memberships()
    folders = [
        *((folder, "memory.max", "memory.current") for folder in new),
        *((folder, "memory.limit_in_bytes", "memory.usage_in_bytes") for folder in old),
    ]
    return min((_left_in(*folder) for folder in folders), default=_UNLIMITED)


def _memberships() -> tuple[list[Path], list[Path]]:
    """Return the folders of this process's memory groups and of those around them: (version 1, version 2).

    Inside a container the names may be those of the machine, which are not there: then the root's files count,
    which are the container's own.
    """
    own = {"old": "/", "new": "/"}
    try:
        lines = _MEMBERSHIP.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            own["old"] = path
        elif not controllers:
            own["new"] = path
    return _around(_CGROUP / "memory", own["old"]), _around(_CGROUP, own["new"])


def _around(root: Path, path: str) -> list[Path]:
    inner = PurePosixPath(path.lstrip("/"))
    if ".." in inner.parts:
        return [root]
    return [root / folder for folder in (inner, *inner.parents)]


def _left_in(folder: Path, limit: str, usage: str) -> int:
    try:
        allowed = (folder / limit).read_text(encoding="ascii").strip()
        used = int((folder / usage).read_text(encoding="ascii"))
        statistics = (folder / "memory.stat").read_text(encoding="ascii")
    except (OSError, ValueError):
        return _UNLIMITED
    if not allowed.isdigit() or int(allowed) >= _UNLIMITED:
        return _UNLIMITED
    counts = {words[0]: int(words[1]) for line in statistics.splitlines() if len(words := line.split()) == 2}
    # Version 1 counts a group's own pages, and with total_ those of the groups within as well.
    droppable = sum(
        counts.get(f"total_{kind}", counts.get(kind, 0)) for kind in ("inactive_file", "active_file")
    )
    return max(0, int(allowed) - used + droppable)
