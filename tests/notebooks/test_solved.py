"""Every exercise of a notebook can be solved: the blanks filled in by the solutions, each check passes."""

from __future__ import annotations

import nbformat
import pytest
from test_untouched import FOLDER, check_house_rules, run_notebook

pytestmark = [pytest.mark.notebook, pytest.mark.timeout(900)]

BLANK = "case.check(...)"
SOLVED = """\
*steps, last = case.solution().text.splitlines()
exec("\\n".join(steps))
eval(last)"""


def solved(notebook):
    """Return the notebook with what the solution says in the place of each blank."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and BLANK in cell.source:
            cell.source = SOLVED
    return notebook


def test_the_solutions_of_find_the_bug_pass(tmp_path):
    notebook = nbformat.read(FOLDER / "02_find_the_bug.ipynb", as_version=4)
    blanks = sum(cell.source.count(BLANK) for cell in notebook.cells if cell.cell_type == "code")
    run = run_notebook(solved(notebook), tmp_path)
    check_house_rules(run)
    said = [output.data["text/plain"] for output in run.outputs() if "text/plain" in output.get("data", ())]
    assert blanks == 5
    assert sum(text.startswith("✓ Right.") for text in said) == blanks
    assert not any(text.startswith(("…", "✗ Not quite", "!")) for text in said)
