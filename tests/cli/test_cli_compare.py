"""onnx-workbench compare: exit status, JSON, and both sides as they are asked for."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tiny_models import convnet

from onnx_workbench.cli.main import main


@pytest.fixture
def files(tmp_path):
    """A sound model, and one with a weight changed in its convolution."""
    sound, faulty = convnet(), convnet()
    kernel = faulty.graph.initializer[0]
    kernel.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(kernel) * np.float32(1.1), kernel.name))
    onnx.save(sound, tmp_path / "sound.onnx")
    onnx.save(faulty, tmp_path / "faulty.onnx")
    return str(tmp_path / "sound.onnx"), str(tmp_path / "faulty.onnx")


@pytest.mark.parametrize(
    "how",
    [
        [],
        ["--optimisation", "none"],
        ["--optimisation", "all"],
        ["--backend", "reference"],
        ["--optimisation", "extended", "--isolated"],
    ],
)
def test_a_model_agrees_with_itself_however_it_is_run_and_a_fault_is_blamed(files, how, capsys):
    sound, faulty = files
    assert main(["compare", sound, "--json", *how]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"]
    assert {value["name"] for value in found["values"]} >= {"r", "logits"}
    assert main(["compare", faulty, sound, "--json", *how]) == 1
    found = json.loads(capsys.readouterr().out)
    (blame,) = found["blamed"]
    assert blame["key"] in {"c", "r"}  # by itself, or with the Relu that went into it
    assert "Conv" in blame["op_type"]


def test_a_level_that_is_not_there_is_refused_with_those_that_are(files, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["compare", files[0], "--optimisation", "O3"])
    assert stopped.value.code == 2
    assert "extended" in capsys.readouterr().err


def test_a_model_that_differs_and_one_that_is_not_there_end_with_other_exit_codes(files, capsys):
    sound, faulty = files
    assert [main(["compare", *pair]) for pair in ((sound, sound), (faulty, sound), ("no.onnx", sound))] == [
        0,
        1,
        2,
    ]


def test_a_replay_says_where_it_lies_or_that_there_is_none(files, capsys, tmp_path):
    sound, faulty = files
    main(["compare", faulty, sound, "--replay", str(tmp_path / "replay")])
    assert f"Wrote {tmp_path / 'replay' / 'replay.py'}" in capsys.readouterr().err
    main(["compare", sound, sound, "--replay", str(tmp_path / "none")])
    assert "nothing to replay" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
