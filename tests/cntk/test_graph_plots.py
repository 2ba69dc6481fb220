"""logging.graph.plot: DOT by ourselves, pictures by Graphviz's program, and words where it is missing or fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.core.errors import MissingPackageError, WriteError


@pytest.fixture
def network():
    x = C.input_variable((2, 3), name='the "input"')
    return C.relu(C.plus(x, x), name="the\\end")


def program(folder: Path, lines: str) -> None:
    dot = folder / "dot"
    dot.write_text(f"#!/bin/sh\n{lines}\n")
    dot.chmod(0o755)


def test_dot_names_boxes_shapes_and_edges(network, tmp_path):
    C.logging.graph.plot(network, str(tmp_path / "graph.dot"))
    text = (tmp_path / "graph.dot").read_text()
    assert '[shape=egg, label="Input\\nthe \\"input\\""]' in text
    assert 'label="ReLU\\nthe\\\\end"' in text
    assert text.count(" -> ") == 3
    assert text.count('[label="2 x 3"]') == 3


def test_an_unknown_ending_and_a_missing_folder_are_told(network, tmp_path):
    with pytest.raises(CntkValueError, match=r"only file extensions .*; got '\.gif'"):
        C.logging.graph.plot(network, str(tmp_path / "graph.gif"))
    with pytest.raises(WriteError, match="does not exist"):
        C.logging.graph.plot(network, str(tmp_path / "none" / "graph.dot"))


def test_without_graphviz_one_learns_what_to_do(network, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        MissingPackageError, match=r"(?s)'graph\.png'.*name a \.dot file.*view\('model\.onnx'\)"
    ):
        C.logging.graph.plot(network, str(tmp_path / "graph.png"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="the program stands in as a shell script")
def test_graphviz_gets_the_graph_and_its_complaint_is_passed_on(network, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    program(tmp_path, 'echo "$1" > "$3"; cat >> "$3"')
    C.logging.graph.plot(network, str(tmp_path / "graph.svg"))
    assert (tmp_path / "graph.svg").read_text().startswith("-Tsvg\ndigraph network {")
    program(tmp_path, "cat > /dev/null; echo no font >&2; exit 1")
    with pytest.raises(CntkRuntimeError, match="could not draw the graph: no font"):
        C.logging.graph.plot(network, str(tmp_path / "graph.svg"))
