"""How much memory this process may still use."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60


def available_bytes() -> int:
    """Return the memory in bytes that can still be used: the smaller of the machine's and the container's.

    The container's limit is read from Linux control groups (version 2, then 1); memory that the kernel can
    drop at once (clean file pages) counts as free there.
    """
    return min(_machine_bytes(), _container_bytes())


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
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            allowed = (_CGROUP / limit).read_text(encoding="ascii").strip()
            used = int((_CGROUP / usage).read_text(encoding="ascii"))
            statistics = (_CGROUP / limit).with_name("memory.stat").read_text(encoding="ascii")
        except (OSError, ValueError):
            continue
        if not allowed.isdigit() or int(allowed) >= _UNLIMITED:
            return _UNLIMITED
        droppable = sum(
            int(line.split()[1])
            for line in statistics.splitlines()
            if line.split()[0] in {"inactive_file", "active_file"}
        )
        return max(0, int(allowed) - used + droppable)
    return _UNLIMITED
