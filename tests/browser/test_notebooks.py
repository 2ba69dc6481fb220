"""The notebooks in JupyterLab, as a learner meets them: run all, then play."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def open_and_run(lab, name: str) -> None:
    shutil.copy(NOTEBOOKS / name, lab.server.root / name)
    lab.open_notebook(name)
    lab.run_all(timeout=200)


def test_start_here_runs_and_the_playground_answers_at_once(lab):
    open_and_run(lab, "00_start_here.ipynb")
    assert lab.errors() == []
    status = lab.page.get_by_role("status").filter(has_text="The model says").first
    status.scroll_into_view_if_needed()
    before = status.inner_text()
    assert "and that is right" in before
    lab.page.get_by_label("swap RGB and BGR").first.check()
    lab.page.wait_for_function(
        "before => [...document.querySelectorAll('[role=status]')]"
        ".some(item => item.innerText.startsWith('The model says') && item.innerText !== before)",
        arg=before,
    )
    assert "The colours trade places" in status.inner_text()
    lab.page.get_by_role("button", name="Start again").first.click()
    lab.page.wait_for_function(
        "before => [...document.querySelectorAll('[role=status]')].some(item => item.innerText === before)",
        arg=before,
    )


def test_the_graph_of_the_model_is_drawn_and_answers_a_click(lab):
    open_and_run(lab, "00_start_here.ipynb")
    graph = lab.page.locator(".ow-graph[data-ready=true]").first
    graph.wait_for()
    graph.scroll_into_view_if_needed()
    graph.locator(".ow-node").filter(has_text="Conv").first.click()
    graph.locator(".ow-panel").get_by_text("kernel_shape").wait_for()


def test_the_playground_obeys_the_keyboard(lab):
    open_and_run(lab, "00_start_here.ipynb")
    for name in ("rotate", "dim", "blur", "noise"):
        row = lab.page.locator(".widget-slider", has=lab.page.get_by_text(name, exact=True))
        row.get_by_role("slider").focus()
        lab.page.keyboard.press("ArrowRight")
        assert float(row.get_by_role("slider").get_attribute("aria-valuenow")) > 0, name
    for name in ("forget the transpose", "swap RGB and BGR", "skip scaling", "swap height and width"):
        box = lab.page.get_by_role("checkbox", name=re.compile(name))
        box.focus()
        lab.page.keyboard.press("Space")
        assert box.is_checked(), name


def test_the_full_flow_runs(lab):
    open_and_run(lab, "01_the_full_flow.ipynb")
    assert lab.errors() == []
    assert (lab.server.root / "signs.onnx").is_file()
    assert lab.page.get_by_role("img", name=re.compile("Training curve after 8 epochs")).count() == 1
