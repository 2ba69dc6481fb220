"""Numbers on the graph, in a browser: chosen, rescaled, listed; without a kernel, and with one."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from patience import becomes, rests
from saved_pages import saved_page

from onnx_workbench.views.view import view

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"
FIRST, LAST, ODD = "rgb(253, 246, 224)", "rgb(111, 23, 32)", "rgb(91, 42, 134)"


def line(count: int, **names: str) -> object:
    nodes = [
        helper.make_node("Relu", [f"v{i - 1}" if i else "x"], [f"v{i}"], name=names.get(f"v{i}", f"n{i}"))
        for i in range(count)
    ]
    x, y = (helper.make_tensor_value_info(name, 1, ["N", 4]) for name in ("x", f"v{count - 1}"))
    return helper.make_model(helper.make_graph(nodes, "line", [x], [y]))


def fill(page, place: int) -> str:
    return page.locator(f"[data-node='{place}'] rect").evaluate("rect => getComputedStyle(rect).fill")


def test_the_reader_chooses_among_overlays_and_scales_without_a_kernel(browser, tmp_path):
    times = {f"v{i}": 10.0**i for i in range(6)}
    shown = view(line(6), overlay={"time in ms": times, "error": {"v0": 1.0, "v1": 0.0, "v2": np.nan}})
    with saved_page(browser, tmp_path, shown) as page:
        becomes(page, lambda: [fill(page, place) for place in (1, 5, 6)], [FIRST, FIRST, LAST])
        places = page.locator("[data-node]").evaluate_all(
            "boxes => boxes.map(b => b.getAttribute('transform'))"
        )
        page.get_by_role("button", name="linear scale").click()

        def steps() -> tuple[str, str, int]:
            fills = [fill(page, place) for place in range(1, 7)]
            return fills[0], fills[-1], len(set(fills))

        becomes(page, steps, (FIRST, LAST, 6))
        page.get_by_label("Numbers that colour the nodes").select_option("error")
        becomes(page, lambda: [fill(page, place) for place in (1, 2, 3)], [LAST, FIRST, ODD])
        assert "NaN or infinite" in page.locator(".ow-legend").inner_text()
        page.get_by_label("Numbers that colour the nodes").select_option("kind of operator")
        becomes(page, lambda: fill(page, 1) == fill(page, 3) != FIRST, True)
        assert places == page.locator("[data-node]").evaluate_all(
            "boxes => boxes.map(b => b.getAttribute('transform'))"
        )


def test_the_worst_ten_lead_to_their_nodes_by_mouse_and_by_keys(browser, tmp_path):
    numbers = {f"v{i}": float(i * 7 % 50) for i in range(50)}
    with saved_page(browser, tmp_path, view(line(50), overlay=numbers, overlay_label="ms")) as page:
        page.get_by_role("button", name="Worst ten").click()
        entries = page.locator(".ow-worst-list li")
        becomes(page, entries.count, 10)
        worst = sorted(numbers, key=numbers.get, reverse=True)
        entries.nth(0).locator("button").click()
        page.locator(f".ow-graph[data-selected='{int(worst[0][1:]) + 1}']").wait_for()
        becomes(page, page.locator(".ow-panel").get_by_text("49", exact=True).count, 1)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.locator(f".ow-graph[data-selected='{int(worst[1][1:]) + 1}']").wait_for()
        page.locator(f"[data-node='{int(worst[1][1:]) + 1}'].ow-selected").wait_for()
        box, legend = (
            rests(page, page.locator(part).bounding_box) for part in (".ow-node.ow-selected", ".ow-legend")
        )
        assert box["x"] >= legend["x"] + legend["width"]
        page.keyboard.press("Escape")
        becomes(page, page.locator(".ow-worst-list").count, 0)


def test_a_graph_begins_beside_its_legend_where_there_is_room(browser, tmp_path):
    numbers = {f"v{i}": float(i) for i in range(30)}
    with saved_page(browser, tmp_path, view(line(30), overlay=numbers, overlay_label="ms" * 12)) as page:
        page.set_viewport_size({"width": 760, "height": 700})
        legend = rests(page, page.locator(".ow-legend").bounding_box)
        boxes = page.locator(".ow-node").evaluate_all("all => all.map(box => box.getBoundingClientRect().x)")
        assert min(boxes) >= legend["x"] + legend["width"]


def test_a_legend_is_folded_and_stays_so_for_the_next_graph(browser, tmp_path):
    shown = view(line(6), overlay={"v1": 1.0, "v2": 2.0}, overlay_label="ms")
    with saved_page(browser, tmp_path, shown) as page:
        page.get_by_role("button", name="Fold the legend").click()
        becomes(page, page.locator(".ow-ramp").count, 0)
        unfold = page.get_by_role("button", name="Show the legend")
        assert unfold.evaluate("button => button === document.activeElement")
        assert page.locator(".ow-legend").bounding_box()["width"] < 80
        assert fill(page, 3) == LAST  # the colours stay
        page.reload()
        unfold.click()
        becomes(page, page.locator(".ow-ramp").count, 1)
        page.reload()
        page.locator(".ow-ramp").wait_for()


def test_markup_in_labels_and_names_stays_text(browser, tmp_path):
    shown = view(line(3, v1=HOSTILE), overlay={HOSTILE: {"v1": 2.0}, "plain": {"v0": 1.0}})
    with saved_page(browser, tmp_path, shown) as page:
        page.get_by_role("button", name="Worst 1").click()
        page.locator(".ow-worst-list").get_by_text(HOSTILE).wait_for()
        assert HOSTILE in page.locator(".ow-chooser option").all_inner_texts()
        assert page.locator("img").count() == 0
