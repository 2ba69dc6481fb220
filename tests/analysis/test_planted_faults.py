"""A seeded part of ``benchmarks/bench_blame.py``: faults planted in files of both exporters, and files without any."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import onnx
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from fault_cases import cases, exported, sound_variants
from faults import FAULTS
from small_networks import SMALL

import onnx_workbench as ow

# The older exporter takes a tenth of a second for each network, the newer one seconds.
QUICK = tuple((name, "torchscript", "float32") for name in SMALL if name != "fused")
PART = 7


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


@pytest.mark.parametrize("name", QUICK, ids=" ".join)
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


def blamed(proto: onnx.ModelProto, truth: object, export, folder: Path) -> set[str]:
    onnx.save(proto, folder / "model.onnx")
    found = ow.compare(folder / "model.onnx", truth, export.feeds)
    assert found.passed == (not found.blamed)
    return {item.key for item in found.blamed}


@pytest.mark.parametrize("name", QUICK, ids=" ".join)
def test_sound_files_raise_no_alarm(name, tmp_path):
    """Neither against the module, nor against the file after rewrites that leave it sound."""
    export = export_of(*name)
    assert blamed(export.proto, export.module, export, tmp_path) == set()
    alarms = {
        what: blamed(proto, export.proto, export, tmp_path)
        for what, proto in sound_variants(export, tmp_path)
    }
    assert set(map(len, alarms.values())) == {0}, alarms


def misses(export, kinds: list[str], truth: object, folder: Path) -> list[str]:
    missed = []
    for case in cases(export, kinds):
        found = blamed(case.planted.proto, truth, export, folder)
        if not found or not found <= case.planted.culprits:
            missed.append(f"{case}: {sorted(found)}")
    return missed


@pytest.mark.parametrize("name", QUICK, ids=" ".join)
def test_the_culprit_is_named_and_only_it(name, tmp_path):
    """A part of the kinds for each network; ``benchmarks/bench_blame.py`` takes all, against the modules."""
    export = export_of(*name)
    kinds = list(FAULTS)[QUICK.index(name) % PART :: PART]
    missed = misses(export, kinds, export.proto, tmp_path)
    assert len(missed) <= 1, missed


@pytest.mark.parametrize("name", ["residual", "preactivated"])
def test_the_culprit_is_named_against_the_module(name, tmp_path):
    export = export_of(name, "torchscript", "float32")
    kinds = [
        "weights times 1 01",
        "one NaN weight",
        "bias dropped",
        "residual replaced",
        "transposed otherwise",
    ]
    assert misses(export, kinds, export.module, tmp_path) == []
