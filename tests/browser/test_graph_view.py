"""The graph in a cell of a real JupyterLab: it draws, answers clicks, and survives without a kernel."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from patience import becomes, rests
from saved_pages import saved_page

pytestmark = pytest.mark.browser

SMALL = """
from onnx import parser
from onnx_workbench.views.view import view
from onnx_workbench.sources.open import open_model
import onnx, numpy as np
from onnx import helper, numpy_helper

def small(name="relu", operator="Relu"):
    proto = parser.parse_model('''<ir_version: 10, opset_import: ["" : 20, "other" : 1]>
        small (float[N,3,8,8] image) => (y) { c = Conv(image, kernel) r = Relu(c) y = GlobalAveragePool(r) }''')
    kernel = np.random.default_rng(0).normal(size=(16, 3, 3, 3)).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(kernel, "kernel"))
    proto.graph.node[1].name, proto.graph.node[1].op_type = name, operator
    proto.graph.node[1].domain = "" if operator == "Relu" else "other"
    return open_model(proto)

def large(count):
    reads = lambda i: [f"v{i - 1}" if i else "x"] + ([f"v{i - 4}"] if i % 4 == 3 and i > 4 else [])
    nodes = [helper.make_node("Sum", reads(i), [f"v{i}"], name=f"node_{i}") for i in range(count)]
    x, y = (helper.make_tensor_value_info(n, 1, ["N", 16]) for n in ("x", f"v{count - 1}"))
    return open_model(helper.make_model(helper.make_graph(nodes, "large", [x], [y])))
"""
HOSTILE = "<img src=x onerror=alert(1)>"


def graphs(lab):
    return lab.page.locator(".ow-graph[data-ready=true]")


def run(lab, name, *cells):
    lab.write_notebook(name, SMALL, *cells)
    lab.open_notebook(name)
    lab.run_all()
    assert lab.errors() == []
    return graphs(lab)


def test_a_click_is_answered_by_the_kernel(lab):
    graph = run(lab, "click.ipynb", "view(small())").first
    graph.wait_for()
    assert graph.get_attribute("data-surface") == "svg"
    assert graph.locator(".ow-node").count() == 5
    box = graph.locator("[data-node='1']")
    box.click()
    panel = graph.locator(".ow-panel")
    panel.get_by_text("mean ± std").wait_for()
    becomes(lab.page, panel.get_by_text("float32 16×3×3×3").count, 2)
    becomes(lab.page, panel.locator("svg.ow-histogram rect").count, 32)
    graph.locator(".ow-close").click()
    becomes(lab.page, panel.is_hidden, True)
    assert lab.console_errors == []


@pytest.mark.parametrize(("count", "surface"), [(1000, "svg"), (5000, "canvas")])
def test_large_graphs_are_drawn_and_answer_a_click(lab, count, surface):
    graph = run(lab, f"large_{count}.ipynb", f"view(large({count}))").first
    graph.wait_for()
    assert graph.get_attribute("data-surface") == surface
    assert graph.get_attribute("data-nodes") == str(count + 2)
    stage = rests(lab.page, graph.locator(".ow-stage").bounding_box)
    lab.page.mouse.click(stage["x"] + stage["width"] / 2, stage["y"] + 50)
    graph.locator(".ow-panel h3").wait_for()


def test_two_models_show_two_graphs(lab):
    found = run(lab, "two.ipynb", "view(small())", "view(large(30))")
    found.nth(1).wait_for()
    assert [found.nth(i).get_attribute("data-nodes") for i in range(2)] == ["5", "32"]


def test_markup_in_names_appears_as_text(lab):
    dialogs = []
    lab.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    graph = run(lab, "hostile.ipynb", f"view(small({HOSTILE!r}, {HOSTILE!r}))").first
    graph.wait_for()
    graph.locator("[data-node='2']").click()
    graph.locator(".ow-panel").get_by_text("execution order").wait_for()
    graph.locator(".ow-panel").get_by_text(HOSTILE).first.wait_for()
    assert graph.locator("img").count() == 0
    assert dialogs == []


def test_the_keyboard_walks_along_edges_searches_and_zooms(lab):
    graph = run(lab, "keys.ipynb", "view(small())").first
    graph.wait_for()
    stage, live = graph.locator(".ow-stage"), graph.locator(".ow-live")
    stage.focus()
    for expected in ("image", "Conv", "Relu"):
        lab.page.keyboard.press("ArrowDown")
        live.filter(has_text=expected).wait_for(state="attached")
    lab.page.keyboard.press("ArrowUp")
    live.filter(has_text="Conv").wait_for(state="attached")
    world = graph.locator(".ow-surface > g")
    before = rests(lab.page, lambda: world.get_attribute("transform"))
    lab.page.keyboard.press("+")
    lab.page.wait_for_function(
        "([w, t]) => w.getAttribute('transform') !== t", arg=[world.element_handle(), before]
    )
    lab.page.keyboard.press("/")
    lab.page.keyboard.type("relu")
    becomes(lab.page, graph.locator(".ow-count").inner_text, "1 found")
    lab.page.keyboard.press("Enter")
    live.filter(has_text="1 of 1: Relu").wait_for(state="attached")
    lab.page.keyboard.press("Escape")
    lab.page.keyboard.press("Escape")
    live.filter(has_text="Nothing selected").wait_for(state="attached")
    becomes(lab.page, graph.locator(".ow-panel").is_hidden, True)


def test_a_narrower_window_keeps_the_graph_in_sight(lab):
    graph = run(lab, "narrow.ipynb", "view(small())").first
    graph.wait_for()
    lab.page.set_viewport_size({"width": 900, "height": 900})
    lab.page.wait_for_function("document.querySelector('.ow-stage').clientWidth < 600")
    assert distance_from_the_middle(graph) < 40
    stage = rests(lab.page, graph.locator(".ow-stage").bounding_box)
    drag(lab, stage, 60)
    assert 20 < distance_from_the_middle(graph) < 100
    lab.page.set_viewport_size({"width": 1280, "height": 900})
    lab.page.wait_for_function("document.querySelector('.ow-stage').clientWidth > 800")
    assert 20 < distance_from_the_middle(graph) < 100, "moved by hand: the middle stays in the middle"


def test_the_second_fit_leads_back_to_where_the_graph_can_be_read(lab):
    graph = run(lab, "fit.ipynb", "view(large(200))").first
    graph.wait_for()
    first = graph.locator("[data-node='0']").first
    readable = rests(lab.page, first.bounding_box)
    fit = graph.get_by_role("button", name="Fit the whole graph")
    fit.click()
    becomes(lab.page, lambda: first.bounding_box()["height"] < readable["height"] / 4, True)
    fit.click()
    becomes(lab.page, first.bounding_box, readable)


def distance_from_the_middle(graph):
    parts = (".ow-stage", "[data-node='1']")
    stage, box = (rests(graph.page, graph.locator(part).bounding_box) for part in parts)
    return abs(box["x"] + box["width"] / 2 - stage["x"] - stage["width"] / 2)


def drag(lab, stage, distance):
    mouse = lab.page.mouse
    mouse.move(stage["x"] + 30, stage["y"] + 100)
    mouse.down()
    mouse.move(stage["x"] + 30 + distance, stage["y"] + 100, steps=4)
    mouse.up()


def test_the_wheel_belongs_to_the_notebook_until_the_graph_has_the_focus(lab):
    graph = run(lab, "wheel.ipynb", "view(small())").first
    graph.wait_for()
    world, stage = graph.locator(".ow-surface > g"), graph.locator(".ow-stage")
    before = rests(lab.page, lambda: world.get_attribute("transform"))
    lab.page.evaluate(
        "window.wheels = 0; window.addEventListener('wheel', () => window.wheels++, { capture: true })"
    )
    stage.hover(position={"x": 60, "y": 200})
    lab.page.mouse.wheel(0, 40)
    lab.page.wait_for_function("window.wheels > 0")
    assert rests(lab.page, lambda: world.get_attribute("transform")) == before
    stage.focus()
    stage.hover(position={"x": 60, "y": 200})
    lab.page.mouse.wheel(0, -40)
    lab.page.wait_for_function(
        "([w, t]) => w.getAttribute('transform') !== t", arg=[world.element_handle(), before]
    )


def test_an_overlay_repaints_without_moving_anything(lab):
    graph = run(lab, "overlay.ipynb", "shown = view(small()); shown").first
    graph.wait_for()
    box, world = graph.locator("[data-node='2']"), graph.locator(".ow-surface > g")

    def where():
        return box.get_attribute("transform"), world.get_attribute("transform")

    places = rests(lab.page, where)
    lab.kernel("shown.overlay({'c': 1.0, 'r': 9.0}, label='milliseconds')")
    graph.locator(".ow-legend", has_text="milliseconds").wait_for()
    rect = box.locator("rect")
    becomes(lab.page, lambda: rect.evaluate("rect => getComputedStyle(rect).fill"), "rgb(111, 23, 32)")
    assert rests(lab.page, where) == places


def test_a_selection_from_python_is_shown(lab):
    graph = run(lab, "select.ipynb", "shown = view(small()); shown").first
    graph.wait_for()
    lab.kernel("shown.select('r')")
    graph.locator(".ow-panel h3", has_text="Relu").wait_for()


def test_the_saved_page_works_without_jupyter_and_without_network(browser, tmp_path):
    namespace: dict[str, Any] = {}
    exec(SMALL, namespace)
    with saved_page(browser, tmp_path, namespace["view"](namespace["small"](HOSTILE))) as page:
        page.locator("[data-node='2']").click()
        page.locator(".ow-panel").get_by_text(HOSTILE).first.wait_for()
        assert page.locator("img").count() == 0


def test_an_executed_notebook_shows_its_graph_when_opened_without_running_anything(lab, server):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in (SMALL, "view(small())")],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    NotebookClient(notebook, timeout=180).execute()
    nbformat.write(notebook, server.root / "saved.ipynb")
    lab.open_notebook("saved.ipynb")
    # A notebook from elsewhere is not trusted: Lab shows only pictures that cannot hold scripts.
    lab.page.locator(".jp-OutputArea-output img[src^='data:image/png']").wait_for()
    lab.page.evaluate(
        "for (const cell of window.jupyterapp.shell.currentWidget.context.model.cells) cell.trusted = true"
    )
    graph = graphs(lab).first
    graph.wait_for()
    assert graph.locator(".ow-node").count() == 5
    graph.locator("[data-node='1']").click()
    panel = graph.locator(".ow-panel")
    panel.get_by_text("float32 16×3×3×3").first.wait_for()
    panel.get_by_text("come from the kernel").wait_for()
    assert graph.locator(".ow-histogram").count() == 0
