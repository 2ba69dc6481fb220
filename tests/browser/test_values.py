"""A click on a node shows its array, in a real JupyterLab: channels, samples, layouts, one channel large."""

from __future__ import annotations

import pytest
from patience import becomes, rests
from saved_pages import saved_page
from tiny_models import convnet, random_weights

from onnx_workbench.views.view import view

pytestmark = pytest.mark.browser

CELL = """
import numpy as np
from onnx import parser, numpy_helper
from onnx_workbench.sources.open import open_model
from onnx_workbench.views.view import view
proto = parser.parse_model('''<ir_version: 10, opset_import: ["" : 20]>
    g (float[N,3,8,8] image) => (y) { r = Relu(image) y = Conv(r, kernel) }''')
kernel = np.random.default_rng(0).normal(size=(70, 3, 3, 3)).astype(np.float32)
proto.graph.initializer.append(numpy_helper.from_array(kernel, "kernel"))
image = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
y = np.random.default_rng(2).normal(size=(2, 70, 6, 6)).astype(np.float32)
shown = view(open_model(proto), values={"image": image, "r": np.maximum(image, 0), "y": y})
shown
"""


@pytest.fixture
def graph(lab):
    lab.write_notebook("values.ipynb", CELL)
    lab.open_notebook("values.ipynb")
    lab.run_all()
    assert lab.errors() == []
    graph = lab.page.locator(".ow-graph[data-ready=true]").first
    graph.wait_for()
    return graph


def source(graph) -> str:
    return graph.locator(".ow-value .ow-tiles").get_attribute("src")


def changed(lab, graph, before: str) -> None:
    lab.page.wait_for_function(
        "before => document.querySelector('.ow-value .ow-tiles')?.src !== before", arg=before
    )


def test_a_click_shows_channels_and_the_reader_walks_through_them(lab, graph):
    graph.locator("[data-node='2']").click()
    value = graph.locator(".ow-value")
    value.get_by_text("channels 0 to 63 of 70, each 6 × 6").wait_for()
    tiles = value.locator(".ow-tiles")
    assert "channels 0 to 63 of 70" in tiles.get_attribute("alt")
    becomes(lab.page, lambda: tiles.evaluate("image => image.naturalWidth") > 300, True)
    before = source(graph)
    sample = value.get_by_label("sample, 0 to 1")
    sample.fill("1")
    sample.press("Enter")
    changed(lab, graph, before)
    becomes(
        lab.page,
        lambda: value.get_by_label("sample, 0 to 1").evaluate("input => input === document.activeElement"),
        True,
    )
    value.get_by_role("button", name="›").click()
    value.get_by_text("channels 64 to 69 of 70").wait_for()
    # The picture of the next channels has its size only when it is decoded.
    lab.page.wait_for_function("document.querySelector('.ow-value .ow-tiles').naturalWidth > 0")
    box = rests(lab.page, value.locator(".ow-tiles").bounding_box)
    lab.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.25)
    value.get_by_text("channel 65 of 70, each 6 × 6").wait_for()
    assert lab.console_errors == []


def test_an_input_is_seen_as_a_picture_in_either_layout(lab, graph):
    graph.locator("[data-node='0']").click()
    value = graph.locator(".ow-value")
    value.get_by_text("as red, green and blue").wait_for()
    picture = value.locator(".ow-small img")
    first = picture.get_attribute("src")
    value.get_by_role("button", name="refilled").click()
    lab.page.wait_for_function(
        "first => document.querySelector('.ow-value .ow-small img')?.src !== first", arg=first
    )
    refilled = value.get_by_role("button", name="refilled")
    becomes(lab.page, lambda: refilled.get_attribute("aria-pressed"), "true")
    value.get_by_role("button", name="H×W×C").click()
    value.get_by_text("channels 0 to 7 of 8, each 3 × 8").wait_for()


def test_what_was_looked_at_last_is_still_there_without_a_kernel(browser, tmp_path):
    shown = view(convnet(), values={"r": random_weights(2, 16, 8, 8)})
    shown.select("r")
    with saved_page(browser, tmp_path, shown) as page:
        page.locator(".ow-panel h3", has_text="Relu").wait_for()
        tiles = page.locator(".ow-value .ow-tiles")
        page.wait_for_function("document.querySelector('.ow-tiles').complete")
        becomes(page, lambda: tiles.evaluate("image => image.naturalWidth") > 300, True)
        page.locator("[data-node='1']").click()
        becomes(page, page.locator(".ow-panel h3").inner_text, "Conv")
        assert page.locator(".ow-value").count() == 0
