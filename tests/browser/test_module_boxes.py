"""Modules opened and closed in the graph of a cell, by mouse, by keys, from the search and from Python."""

from __future__ import annotations

import re

import pytest
from patience import becomes, rests
from saved_pages import saved_page

pytestmark = pytest.mark.browser

BLOCKS = """
import numpy as np, onnx_workbench as ow
from onnx import helper
from onnx_workbench.views.view import view
from onnx_workbench.sources.open import open_model

def blocks(count, steps=12):
    nodes, last = [], "x"
    for block in range(count):
        for step in range(steps):
            inner = "first" if step < steps // 2 else "second"
            made, module = f"b{block}s{step}", f"/blocks/block{block}/{inner}"
            nodes.append(helper.make_node("Relu" if step % 2 else "Neg", [last], [made], name=f"{module}/node"))
            last = made
    x, y = (helper.make_tensor_value_info(n, 1, ["N", 4]) for n in ("x", last))
    return open_model(helper.make_model(helper.make_graph(nodes, "blocks", [x], [y]), opset_imports=[
        helper.make_opsetid("", 20)], ir_version=10))

model = blocks(40)
"""


def shown(lab, name, cell):
    lab.write_notebook(name, BLOCKS, cell)
    lab.open_notebook(name)
    lab.run_all()
    assert lab.errors() == []
    graph = lab.page.locator(".ow-graph[data-ready=true]").first
    graph.wait_for()
    return graph


def titles(graph):
    return graph.locator(".ow-node .ow-title").all_text_contents()


def boxes_become(graph, count):
    graph.page.wait_for_function(
        "([root, count]) => root.dataset.nodes === String(count)", arg=[graph.element_handle(), count]
    )


def test_a_large_graph_begins_closed_and_a_click_opens_a_module_where_it_was(lab):
    graph = shown(lab, "modules.ipynb", "graph = ow.view(model)\ngraph")
    becomes(lab.page, lambda: titles(graph), ["x", *[f"block{i}" for i in range(40)], "b39s11"])
    assert "480 nodes are in closed modules" in graph.locator(".ow-notice").inner_text()
    box = graph.locator("[data-node='2']")
    assert box.get_attribute("aria-expanded") == "false"
    before = rests(lab.page, box.bounding_box)
    sign = rests(lab.page, box.locator(".ow-sign").bounding_box)
    lab.page.mouse.click(sign["x"] + sign["width"] / 2, sign["y"] + sign["height"] / 2)
    boxes_become(graph, 43)
    becomes(lab.page, lambda: titles(graph)[1:5], ["block0", "first", "second", "block2"])
    first = rests(lab.page, graph.locator("[data-node='2']").bounding_box)
    assert abs(first["y"] - before["y"]) < 3
    tab = graph.locator(".ow-tab", has_text=re.compile(r"^− block1$"))
    place = rests(lab.page, tab.bounding_box)
    lab.page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    boxes_become(graph, 42)
    becomes(lab.page, lambda: titles(graph)[1:4], ["block0", "block1", "block2"])
    assert abs(rests(lab.page, graph.locator("[data-node='2']").bounding_box)["y"] - before["y"]) < 3


def test_keys_open_and_close_and_the_buttons_do_all_at_once(lab):
    graph = shown(lab, "keys.ipynb", "ow.view(model)")
    graph.locator(".ow-stage").focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):  # the first key selects the input
        lab.page.keyboard.press(key)
    boxes_become(graph, 43)
    becomes(lab.page, lambda: graph.get_attribute("data-selected"), "1")
    lab.page.keyboard.press("Enter")
    boxes_become(graph, 48)
    becomes(lab.page, lambda: titles(graph)[1:8], ["Neg", "Relu", "Neg", "Relu", "Neg", "Relu", "second"])
    buttons = graph.locator(".ow-panel .ow-modules button")
    becomes(lab.page, buttons.all_inner_texts, ["− blocks", "− block0", "− first"])
    lab.page.keyboard.press("Shift+Enter")
    boxes_become(graph, 43)
    graph.get_by_role("button", name="open all").click()
    boxes_become(graph, 482)
    graph.get_by_role("button", name="close modules").click()
    boxes_become(graph, 42)


def comes_into_sight(graph, text):
    """Wait until the selected box lies on the stage, and neither under the panel nor under the legend."""
    graph.locator(".ow-panel").get_by_text(text).first.wait_for()
    graph.page.wait_for_function(
        """root => {
            const box = root.querySelector(".ow-node.ow-selected")?.getBoundingClientRect();
            const stage = root.querySelector(".ow-stage").getBoundingClientRect();
            const over = [...root.querySelectorAll(".ow-panel:not([hidden]), .ow-legend:not([hidden])")]
                .map(item => item.getBoundingClientRect());
            return box && box.top >= stage.top && box.bottom <= stage.bottom && box.left >= stage.left
                && over.every(one => box.right <= one.left || box.left >= one.right
                    || box.bottom <= one.top || box.top >= one.bottom);
        }""",
        arg=graph.element_handle(),
    )


def test_search_and_the_worst_list_open_what_hides_a_node(lab):
    graph = shown(
        lab,
        "hidden.ipynb",
        "graph = ow.view(model, overlay={'b7s3': 5.0, 'b2s1': 1.0}, overlay_label='ms')\ngraph",
    )
    note = graph.locator(".ow-legend-note", has_text="A module shows the worst number of its nodes")
    note.wait_for()
    graph.locator(".ow-search").fill("b20s7")
    becomes(lab.page, graph.locator(".ow-count").inner_text, "1 found")
    graph.locator(".ow-search").press("Enter")
    boxes_become(graph, 48)
    graph.locator(".ow-node.ow-selected", has_text="Relu").wait_for()
    comes_into_sight(graph, "b20s7")
    becomes(lab.page, graph.locator(".ow-count").inner_text, "1 of 2")  # who writes it, and who reads it
    graph.get_by_role("button", name="Worst 2").click()
    graph.locator(".ow-worst-list button").first.click()
    boxes_become(graph, 54)
    comes_into_sight(graph, "b7s3")
    lab.kernel("graph.collapse()")
    boxes_become(graph, 42)
    lab.kernel("graph.select('b4s4')")
    boxes_become(graph, 48)
    comes_into_sight(graph, "b4s4")


def test_a_saved_page_opens_all_modules_where_one_is_clicked_and_closes_them_again(browser, tmp_path):
    namespace: dict = {}
    exec(BLOCKS, namespace)
    graph = namespace["view"](namespace["model"], overlay={"b30s4": 2.0, "b3s1": 9.0}, overlay_label="ms")
    with saved_page(browser, tmp_path, graph) as page:
        root = page.locator(".ow-graph")
        assert "480 nodes are in closed modules" in root.locator(".ow-notice").inner_text()
        boxes = int(root.get_attribute("data-nodes"))
        assert boxes == 42
        box = root.locator("[data-node='2']")
        sign = rests(page, box.locator(".ow-sign").bounding_box)
        page.mouse.click(sign["x"] + sign["width"] / 2, sign["y"] + sign["height"] / 2)
        boxes_become(root, 482)
        assert "or as they were saved" in root.locator(".ow-notice").inner_text()
        page.get_by_role("button", name="close modules").click()
        boxes_become(root, 42)
        root.locator(".ow-search").fill("b30s4")
        root.locator(".ow-search").press("Enter")
        boxes_become(root, 482)
        panel = root.locator(".ow-panel")
        panel.get_by_text("b30s4").first.wait_for()
        becomes(page, lambda: bool(re.search(r"\bms\s+2\b", panel.inner_text())), True)


def test_nothing_overlaps_where_there_is_little_room(lab):
    lab.page.set_viewport_size({"width": 900, "height": 900})  # the side bar takes a third
    graph = shown(
        lab,
        "narrow.ipynb",
        "graph = ow.view(model, overlay={'b7s3': 5.0, 'b2s1': 1.0}, overlay_label='time in ms', height=420)\ngraph",
    )
    tools = graph.locator(".ow-tools").locator("button")
    becomes(lab.page, lambda: len({round(tool.bounding_box()["y"]) for tool in tools.all()}), 1)  # one line
    graph.get_by_role("button", name="Worst 2").click()
    graph.locator(".ow-worst-list button").first.click()
    boxes_become(graph, 48)
    comes_into_sight(graph, "b7s3")
    panel, legend = (
        rests(lab.page, graph.locator(name).bounding_box) for name in (".ow-panel", ".ow-legend")
    )
    assert legend["x"] + legend["width"] <= panel["x"]
