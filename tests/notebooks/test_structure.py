"""The house rules of notebooks, as far as they can be told without running them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

import onnx_workbench as ow
from onnx_workbench import lessons, training

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))
OFFERED = {"ow": set(ow.__all__), "training": set(training.__all__), "lessons": set(lessons.__all__)}
ALLOWED_IMPORTS = {"onnx_workbench", "onnx_workbench.cntk", "cntk", "numpy", "PIL", "matplotlib.pyplot"}
"""`cntk` is what `onnx_workbench.cntk.install()` answers for."""
LONGEST_CELL = 12


@pytest.fixture(params=NOTEBOOKS)
def notebook(request):
    return nbformat.read(FOLDER / request.param, as_version=4)


def code(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_the_first_notebooks_are_there():
    assert NOTEBOOKS[:2] == ["00_start_here.ipynb", "01_the_full_flow.ipynb"]


def test_it_is_valid_and_every_cell_has_a_name_of_its_own(notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    names = [cell.id for cell in notebook.cells]
    assert len(set(names)) == len(names)


def test_no_output_is_saved(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
    assert "widgets" not in notebook.metadata


def test_it_asks_for_the_kernel_that_every_jupyter_has(notebook):
    assert notebook.metadata.kernelspec.name == "python3"


def test_its_title_is_one_question_and_its_time_and_memory_are_stated(notebook):
    opening = notebook.cells[0].source
    assert re.findall(r"(?m)^# .*", prose(notebook)) == [opening.splitlines()[0]]
    assert opening.splitlines()[0].endswith("?")
    assert re.search(r"(?i)ten minutes to read", opening)
    assert re.search(r"(?i)to run, .*(gigabyte|GB) of memory", opening)


def test_it_says_at_the_start_what_is_learnt_and_sums_up_at_the_end(notebook):
    assert len(re.findall(r"(?m)^- ", notebook.cells[0].source)) == 3
    closing = notebook.cells[-1].source
    assert len(re.findall(r"(?m)^- ", closing)) == 3
    assert "close this kernel" in closing.lower()


def test_every_cell_of_code_has_prose_with_a_question_or_a_reason_before_it(notebook):
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == kinds[-1] == "markdown"
    in_a_row = max(len(run) for run in re.findall(r"c+", "".join(kind[0] for kind in kinds)))
    assert in_a_row <= 2
    assert prose(notebook).count("?") >= 5


def test_cells_of_code_are_short(notebook):
    lengths = [len(source.splitlines()) for source in code(notebook)]
    assert max(lengths) <= LONGEST_CELL
    assert sorted(lengths)[len(lengths) // 2] <= 5


def test_only_public_names_are_used(notebook):
    for source in code(notebook):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_")
                if isinstance(node.value, ast.Name) and node.value.id in OFFERED:
                    assert node.attr in OFFERED[node.value.id], f"{node.value.id}.{node.attr} is not public"


def test_only_what_the_package_brings_is_imported(notebook):
    imported = set()
    for source in code(notebook):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module)
    assert imported <= ALLOWED_IMPORTS


def test_nothing_is_installed_and_no_path_or_address_of_elsewhere_appears(notebook):
    for cell in notebook.cells:
        assert not re.search(r"(?m)^\s*[!%]|\bpip install\b|subprocess|os\.system", cell.source)
        assert not re.search(r"https?://|file://", cell.source)
        assert not re.search(r"(?<![\w.])/(home|root|tmp|work|usr|Users)/", cell.source)


def test_links_lead_to_files_that_are_there(notebook):
    for target in re.findall(r"\]\(([^)#]+)", prose(notebook)):
        assert (FOLDER / target).is_file(), f"{target} does not exist"


def test_pictures_in_the_prose_have_a_text_for_those_who_cannot_see_them(notebook):
    assert not re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=)", prose(notebook))


def test_widgets_that_stall_without_a_browser_are_not_used(notebook):
    assert not re.search(r"\binteract(ive)?\b|\bOutput\(", "\n".join(code(notebook)))
