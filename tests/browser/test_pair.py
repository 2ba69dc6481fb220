"""Two models side by side in a cell: both drawn, one selection, a way from difference to difference."""

from __future__ import annotations

import pytest
from onnx import parser
from patience import becomes, rests
from saved_pages import saved_page

from onnx_workbench.views.view import view

pytestmark = pytest.mark.browser

PAIR = """
import onnx_workbench as ow
from onnx import parser

def chain(*operators, names="a"):
    values = ["x", *(f"{names}{i}" for i in range(len(operators) - 1)), "y"]
    body = " ".join(f"{made} = {operator}({read})" for operator, read, made in zip(operators, values, values[1:]))
    return parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> g (float[2,2] x) => (float[2,2] y) {{ {body} }}')

left = chain("Relu", "Tanh", "Neg", "Abs", "Sigmoid", "Exp")
right = chain("Relu", "Tanh", "Floor", "Sigmoid", "Exp", names="z")
"""


def test_a_click_selects_the_counterpart_and_n_goes_to_the_next_difference(lab):
    lab.page.set_viewport_size({"width": 1500, "height": 1000})
    lab.write_notebook("pair.ipynb", PAIR, "ow.view(left, beside=right)")
    lab.open_notebook("pair.ipynb")
    lab.run_all()
    assert lab.errors() == []
    graphs = lab.page.locator(".ow-graph[data-ready=true]")
    graphs.nth(1).wait_for()
    boxes = rests(lab.page, lambda: [graphs.nth(i).bounding_box() for i in (0, 1)])
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    graphs.nth(0).locator("[data-node='2']").click()
    counterpart = graphs.nth(1).locator(".ow-node.ow-selected")
    counterpart.wait_for()
    assert "Tanh" in counterpart.get_attribute("aria-label")
    stage = graphs.nth(0).locator(".ow-stage")
    stage.focus()
    stage.press("n")
    # The mark is drawn in the next frame of the page, not at the key.
    graphs.nth(0).locator(".ow-node.ow-selected:is(.ow-differs, .ow-only)").wait_for()
    lab.page.set_viewport_size({"width": 760, "height": 1000})
    lab.page.wait_for_function(
        "() => { const [a, b] = [...document.querySelectorAll('.ow-graph')].map(g => g.getBoundingClientRect());"
        " return b.top >= a.bottom - 1; }"
    )


HEAD = '<ir_version: 8, opset_import: ["" : 17]> g (float[2,2] x) => (float[2,2] y)'


def test_a_saved_page_shows_both_and_each_follows_the_other(browser, tmp_path):
    left = parser.parse_model(HEAD + "{ a = Relu(x) b = Tanh(a) c = Neg(b) y = Abs(c) }")
    right = parser.parse_model(HEAD + "{ a = Relu(x) c = Neg(a) y = Abs(c) }")
    with saved_page(browser, tmp_path, view(left, beside=right)) as page:
        graphs = page.locator(".ow-graph")
        boxes = rests(page, lambda: [graphs.nth(i).bounding_box() for i in (0, 1)])
        assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
        assert all(500 < box["height"] <= 640 - box["y"] for box in boxes)
        assert "has no counterpart" in page.locator("#explanation").inner_text()

        def selected() -> list[str | None]:
            return [graphs.nth(i).get_attribute("data-selected") for i in (0, 1)]

        graphs.nth(0).locator("[data-node='3']").click()
        becomes(page, selected, ["3", "2"])
        graphs.nth(1).locator("[data-node='0']").click()
        becomes(page, selected, ["0", "0"])
        graphs.nth(0).locator("[data-node='2']").click()  # it has no counterpart
        becomes(page, selected, ["2", "0"])
        told = graphs.nth(0).locator(".ow-panel").get_by_role("row", name="counterpart")
        becomes(page, told.inner_text, "counterpart\tnone in the right one")
