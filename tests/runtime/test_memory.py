"""How much memory is left: the machine's, or the container's where that is less."""

from __future__ import annotations

import pytest

from onnx_workbench.runtime import memory

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
