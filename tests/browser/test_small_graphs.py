"""Graphs a little longer than their frame: nobody takes the part in sight for the whole."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper
from patience import becomes, rests
from saved_pages import saved_page

from onnx_workbench.views.view import view

pytestmark = pytest.mark.browser


def line(count: int) -> object:
    nodes = [helper.make_node("Relu", [f"v{i - 1}" if i else "x"], [f"v{i}"]) for i in range(count)]
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("x", f"v{count - 1}")
    )
    return helper.make_model(helper.make_graph(nodes, "line", [x], [y]))


def end_is_in_sight(page, count: int) -> bool:
    stage, last = (
        rests(page, page.locator(part).bounding_box) for part in (".ow-stage", f"[data-node='{count + 1}']")
    )
    return last["y"] + last["height"] <= stage["y"] + stage["height"]


def test_a_graph_that_fits_says_nothing_of_more(browser, tmp_path):
    with saved_page(browser, tmp_path, view(line(6))) as page:
        assert end_is_in_sight(page, 6)
        assert page.get_by_role("button", name="continues below").count() == 0


@pytest.mark.parametrize("leave", ["mouse", "keyboard"])
def test_a_graph_that_goes_on_below_says_so_and_leads_there(browser, tmp_path, leave):
    with saved_page(browser, tmp_path, view(line(16))) as page:
        assert not end_is_in_sight(page, 16)
        more = page.get_by_role("button", name="continues below")
        for _ in range(4):
            if not more.is_visible():
                break
            more.click() if leave == "mouse" else more.press("Enter")
            end_is_in_sight(page, 16)  # wherever it leads, it has come to rest
        assert not more.is_visible()
        assert end_is_in_sight(page, 16)
        assert page.evaluate("document.activeElement.className").startswith("ow-stage"), (
            "the focus is not lost"
        )
        page.get_by_role("button", name="Fit the whole graph").click()
        assert end_is_in_sight(page, 16)
        becomes(page, more.is_visible, False)
