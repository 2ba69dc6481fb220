"""A seeded part of ``benchmarks/bench_blame.py``: faults planted in files of both exporters, and files without any."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import onnx
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from fault_cases import cases, exported
from faults import FAULTS
from small_networks import SMALL

EXPORTS = tuple((name, "torchscript", "float32") for name in SMALL if name != "fused")


@functools.cache
def export_of(name: str, exporter: str, dtype: str):
    return exported(name, exporter, dtype)


def contents(proto: onnx.ModelProto) -> dict[str, tuple[bytes, ...]]:
    """Return what each node is and reads, constants by content, under its first output."""
    weights = {item.name: item for item in proto.graph.initializer}
    found = {}
    for node in proto.graph.node:
        read = [weights[name] for name in node.input if name in weights]
        held = tuple(bytes(item.raw_data) + bytes(str(item.dims), "ascii") for item in read)
        plain = onnx.NodeProto()
        plain.CopyFrom(node)
        plain.input[:] = ["" if name in weights else name for name in node.input]
        found[node.output[0]] = (plain.SerializeToString(deterministic=True), *held)
    return found


@pytest.mark.parametrize("name", EXPORTS, ids=" ".join)
def test_a_planted_fault_changes_its_culprit_and_nothing_else(name):
    """The judge is judged: by reading the files, where the bench goes by what they compute."""
    export = export_of(*name)
    sound = contents(export.proto)
    for case in cases(export, list(FAULTS)):
        onnx.checker.check_model(case.planted.proto)
        spoilt = contents(case.planted.proto)
        moved = {key for key in spoilt if key not in sound}
        changed = {key for key in spoilt if key in sound and spoilt[key] != sound[key]}
        assert changed <= case.planted.culprits, case
        assert changed or moved & case.planted.culprits, case
        assert all(key.startswith(tuple(sound)) for key in moved), case


def test_there_are_sixty_kinds_of_faults():
    assert len({kind.change for kind in FAULTS.values()}) >= 60
