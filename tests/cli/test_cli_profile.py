"""profile in a terminal: text, JSON, and the files that it writes and reads."""

from __future__ import annotations

import json

import numpy as np
import pytest

from onnx_workbench.cli.main import main
from onnx_workbench.training.shipped_model import SIGNS_MODEL

SIGNS = str(SIGNS_MODEL)


def test_the_text_says_run_time_and_what_was_placed(capsys):
    assert main(["profile", SIGNS, "--repeat", "2"]) == 0
    printed = capsys.readouterr().out
    assert "median of 2" in printed
    assert "% of that time, on" in printed


def test_json_holds_nodes_and_kernels(capsys, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 3, 32, 32), np.float32))
    assert main(["profile", SIGNS, "--json", "--input", f"image={tmp_path}/x.npy", "--repeat", "1"]) == 0
    facts = json.loads(capsys.readouterr().out)
    logits = next(node for node in facts["nodes"] if node["key"] == "logits")
    assert logits["output_bytes"] == 3 * 8 * 4
    assert facts["placed_share"] >= 0.95


def test_a_trace_is_written_and_read_back_and_node_data_lies_beside(capsys, tmp_path):
    trace, data = tmp_path / "trace.json", tmp_path / "data.json"
    assert main(["profile", SIGNS, "--repeat", "1", "--trace", str(trace), "--node-data", str(data)]) == 0
    assert main(["profile", SIGNS, "--json", "--from-trace", str(trace)]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["load_ms"] is None
    assert facts["placed_share"] >= 0.95
    assert main(["profile", SIGNS, "--from-trace", str(trace)]) == 0
    assert " at least " in capsys.readouterr().out  # no inputs were given: the batch is unknown
    (graph,) = json.loads(data.read_text()).values()
    assert graph["name"] == "time in ms"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--repeat", "0"], "repeat is a whole number from 1"),
        (["--from-trace", "nowhere.json"], "No such file"),
        (["--trace", "nowhere/trace.json"], "There is no folder"),
        (["--dimension", "Q=3"], "No input has a dimension Q"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_exit_code_two(capsys, arguments, message):
    assert main(["profile", SIGNS, *arguments]) == 2
    assert message in capsys.readouterr().err
