"""How much memory is left: the machine's, or the container's where that is less."""

from __future__ import annotations

import os

import numpy as np
import pytest

from onnx_workbench.core import memory

STATISTICS = "anon 1\ninactive_file 30\nactive_file 20\nslab 5\n"


@pytest.fixture
def groups(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    return tmp_path


def test_without_a_container_the_machine_counts(groups):
    assert memory.available_bytes() == pytest.approx(memory._machine_bytes(), rel=0.2)
    assert memory.available_bytes() > 1 << 20


@pytest.mark.parametrize(
    ("limit", "usage", "folder"),
    [
        ("memory.max", "memory.current", ""),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory"),
    ],
)
def test_a_containers_limit_counts_with_the_files_that_can_be_dropped(groups, limit, usage, folder):
    (groups / folder).mkdir(exist_ok=True)
    (groups / limit).write_text("1000\n")
    (groups / usage).write_text("900\n")
    (groups / folder / "memory.stat").write_text(STATISTICS)
    assert memory.available_bytes() == 1000 - 900 + 50
    (groups / usage).write_text("5000\n")
    assert memory.available_bytes() == 0


@pytest.mark.parametrize("limit", ["max\n", str(1 << 62), "nonsense"])
def test_a_container_without_a_limit_leaves_the_machines(groups, limit):
    (groups / "memory.max").write_text(limit)
    (groups / "memory.current").write_text("900\n")
    (groups / "memory.stat").write_text(STATISTICS)
    assert memory.available_bytes() > 1 << 20


@pytest.mark.parametrize(
    ("membership", "limit", "usage", "root"),
    [
        ("0::/outer/inner\n", "memory.max", "memory.current", ""),
        ("4:memory:/outer/inner\n0::/\n", "memory.limit_in_bytes", "memory.usage_in_bytes", "memory"),
    ],
)
def test_the_tightest_of_nested_groups_counts(groups, monkeypatch, membership, limit, usage, root):
    (groups / "membership").write_text(membership)
    monkeypatch.setattr(memory, "_MEMBERSHIP", groups / "membership")
    for folder, allowed in (("outer/inner", "5000"), ("outer", "2000")):
        place = groups / root / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / limit).write_text(allowed)
        (place / usage).write_text("900")
        (place / "memory.stat").write_text(STATISTICS)
    assert memory.available_bytes() == 2000 - 900 + 50


def test_a_budget_counts_what_this_process_holds_itself(monkeypatch):
    monkeypatch.setattr(memory, "_budget", [1 << 40])
    assert memory.available_bytes() <= memory._machine_bytes()
    monkeypatch.setattr(memory, "_budget", [memory.private_bytes(os.getpid()) + (5 << 20)])
    assert 0 <= memory.available_bytes() <= 6 << 20


def test_private_memory_is_that_of_anonymous_pages():
    before = memory.private_bytes(os.getpid())
    held = np.ones(8 << 20)
    assert memory.private_bytes(os.getpid()) - before == pytest.approx(held.nbytes, rel=0.1)


def test_without_proc_psutil_is_asked(monkeypatch):
    pytest.importorskip("psutil")
    before = memory._unique_bytes(os.getpid())
    held = np.ones(8 << 20)
    assert memory._unique_bytes(os.getpid()) - before == pytest.approx(held.nbytes, rel=0.1)
    assert memory._unique_bytes(2**30) is None
