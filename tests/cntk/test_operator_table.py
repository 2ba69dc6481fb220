"""The table in docs/cntk.md says what is so: it is made again, and compared."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(400)  # it builds and runs every recorded case some five times
def test_the_table_of_operators_is_that_which_its_script_makes():
    spec = importlib.util.spec_from_file_location("make_cntk_table", ROOT / "docs" / "make_cntk_table.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert (ROOT / "docs" / "cntk.md").read_text(encoding="utf-8") == script.page(script.survey())


def test_nearly_every_cell_of_it_agrees_in_all_cases():
    lines = (ROOT / "docs" / "cntk.md").read_text(encoding="utf-8").splitlines()
    cells = [
        cell.strip().split(" of ")
        for line in lines
        if line.startswith("| `")
        for cell in line.split("|")[2:-1]
    ]
    counted = [(int(cell[0]), int(cell[1])) for cell in cells if len(cell) == 2]
    assert len(counted) > 400
    assert sum(good == all_ for good, all_ in counted) / len(counted) > 0.97
