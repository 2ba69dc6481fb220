"""The notebooks in JupyterLab, as a learner meets them: run all, then play."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from patience import becomes

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def open_and_run(lab, name: str) -> None:
    shutil.copy(NOTEBOOKS / name, lab.server.root / name)
    lab.open_notebook(name)
    lab.run_all(timeout=400)


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
    becomes(lab.page, lambda: "The colours trade places" in status.inner_text(), True)
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
    page = lab.page
    sliders = {
        name: page.locator(".widget-slider", has=page.get_by_text(name, exact=True)).get_by_role("slider")
        for name in ("rotate", "dim", "blur", "noise")
    }
    for slider in sliders.values():
        slider.focus()
        page.keyboard.press("ArrowRight")
    becomes(
        page,
        lambda: [
            name for name, slider in sliders.items() if float(slider.get_attribute("aria-valuenow")) > 0
        ],
        list(sliders),
    )
    names = ("forget the transpose", "swap RGB and BGR", "skip scaling", "swap height and width")
    boxes = {name: page.get_by_role("checkbox", name=re.compile(name)) for name in names}
    for box in boxes.values():
        box.focus()
        page.keyboard.press("Space")
    becomes(page, lambda: [name for name, box in boxes.items() if box.is_checked()], list(names))


def test_the_full_flow_runs(lab):
    open_and_run(lab, "01_the_full_flow.ipynb")
    assert lab.errors() == []
    assert (lab.server.root / "signs.onnx").is_file()
    curve = lab.page.get_by_role("img", name=re.compile("Training curve after 8 epochs"))
    becomes(lab.page, curve.count, 1)
