"""Run programs in a container's memory: a Linux control group with a limit, where this user may make one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOTS = (  # version 1, then 2
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max", "memory.peak"),
)


class ControlGroup:
    """A group of processes that share a limit of memory; the kernel kills what exceeds it."""

    def __init__(self, folder: Path, peak: str) -> None:
        self.folder, self._peak = folder, peak

    def run(self, command: list[str], **options) -> subprocess.CompletedProcess:
        """Run a program in the group."""
        joining = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        return subprocess.run(["sh", "-c", joining, str(self.folder), *command], check=False, **options)

    @property
    def peak_bytes(self) -> int:
        """Most memory that the group ever held, with the pages of files that it read."""
        return int((self.folder / self._peak).read_text())


@contextmanager
def control_group(limit_bytes: int) -> Iterator[ControlGroup | None]:
    """Make a group for a while; None if that is not allowed here."""
    found = _made(limit_bytes)
    try:
        yield found
    finally:
        if found is not None:
            found.folder.rmdir()


def _made(limit_bytes: int) -> ControlGroup | None:
    for root, limit, peak in _ROOTS:
        folder = root / f"onnx-workbench-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / limit).write_text(str(limit_bytes))
        except OSError:
            folder.rmdir()
            continue
        with suppress(OSError):  # no swap, where the kernel counts it
            (folder / "memory.swap.max").write_text("0")
        return ControlGroup(folder, peak)
    return None
