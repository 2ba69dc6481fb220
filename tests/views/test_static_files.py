from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import onnx_workbench.views.static_files as static_files
from onnx_workbench.views.static_files import script

PARTS = Path(static_files.__file__).with_name("static") / "graph"


def test_the_parts_of_a_script_become_one_module_without_imports():
    joined = script("graph")
    assert not re.search(r"^import |^export (?!default)", joined, re.MULTILINE)
    assert joined.count("export default { render };") == 1
    assert not re.search(r"^ */\*\*(?!.*\*/ *\S)", joined, re.MULTILINE), "comments stay at home"


def test_every_part_is_in_the_module_behind_what_it_imports():
    joined = script("graph")
    for path in PARTS.glob("*.js"):
        for name in re.findall(r"^export (?:function|class|const) (\w+)", path.read_text(), re.MULTILINE):
            declared = [
                m.start() for m in re.finditer(rf"^(?:function|class|const) {name}\b", joined, re.MULTILINE)
            ]
            assert len(declared) == 1, f"{path.name}: {name}"


def test_no_two_parts_declare_the_same_name():
    names = [
        name
        for path in PARTS.glob("*.js")
        for name in re.findall(
            r"^(?:export )?(?:function|class|const|let) (\w+)", path.read_text(), re.MULTILINE
        )
    ]
    assert len(names) == len(set(names))


def test_node_reads_the_joined_module(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    (tmp_path / "graph.mjs").write_text(script("graph"), encoding="utf-8")
    code = "import('./graph.mjs').then((m) => console.log(typeof m.default.render))"
    done = subprocess.run([node, "-e", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "function"
