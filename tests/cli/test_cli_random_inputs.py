"""Random inputs in a terminal are such as a model takes: ids stay within the table that they are looked up in."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from tiny_models import model, random_weights

from onnx_workbench.cli.main import main


def save(path, table):
    proto = model(
        """text (int64[N,16] ids) => (float[N,16,4] y) {
            words = Gather(table, ids)
            y = Relu(words)
        }""",
        table=table,
    )
    onnx.save(proto, path)


@pytest.mark.parametrize("verb", ["run", "trace", "compare", "profile"])
def test_ids_are_drawn_from_the_table_of_the_model(verb, tmp_path, capsys):
    save(tmp_path / "text.onnx", random_weights(1, 4))  # 1 is no entry
    for seed in range(4):
        assert main([verb, str(tmp_path / "text.onnx"), "--random", str(seed), "--dimension", "N=8"]) == 0
    capsys.readouterr()


def test_ids_reach_the_whole_table(tmp_path, capsys):
    table = random_weights(50, 4)
    table[2:] = np.nan
    save(tmp_path / "text.onnx", table)
    assert main(["trace", str(tmp_path / "text.onnx"), "--random", "0", "--dimension", "N=8"]) == 1
    assert "NaN" in capsys.readouterr().out
