"""The Netron view in JupyterLab under a base URL: it draws, it stays quiet, and it gives nothing away."""

from __future__ import annotations

import importlib.metadata
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import onnx
import pytest
from patience import becomes

pytestmark = pytest.mark.browser

THREE_NODES = """
<ir_version: 10, opset_import: ["" : 21]>
three (float[N, 4] x) => (float[N, 4] y) { a = Relu(x)  b = Sigmoid(a)  y = Tanh(b) }
"""
TWO_NODES = """
<ir_version: 10, opset_import: ["" : 21]>
two (float[N, 4] x) => (float[N, 4] y) { a = Exp(x)  y = Neg(a) }
"""
ADD = """
<ir_version: 10, opset_import: ["" : 21]>
add (float[N, 512] x) => (float[N, 512] y) { y = Add(x, offset) }
"""
SETUP = """
from onnx_workbench.core.reading import read_path
from onnx_workbench.views import netron_registration
from onnx_workbench.views.netron_view import netron_view
"""
OPERATORS = ".node .node-item-type text"
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def models(server):
    for name, text in {"three.onnx": THREE_NODES, "two.onnx": TWO_NODES}.items():
        onnx.save(onnx.parser.parse_model(text), server.root / name)
    return server.root


def show(lab, *cells):
    lab.write_notebook("netron.ipynb", SETUP, *cells)
    lab.open_notebook("netron.ipynb")
    lab.run_all()
    assert lab.errors() == []


def drawn_frames(lab, count):
    """Return the Netron frames once each has drawn a graph."""
    lab.page.wait_for_function(
        "count => document.querySelectorAll('iframe[title^=Netron]').length === count", arg=count
    )
    frames = [handle.content_frame() for handle in lab.page.query_selector_all("iframe[title^=Netron]")]
    for frame in frames:
        frame.wait_for_selector(OPERATORS)
    return frames


def operators(frame):
    return {element.text_content() for element in frame.query_selector_all(OPERATORS)}


def text_of_message(lab):
    return lab.page.wait_for_selector("pre[role=status]").text_content()


def test_the_graph_is_drawn_with_every_node(lab, models):
    show(lab, "netron_view(read_path('three.onnx'))")
    (frame,) = drawn_frames(lab, 1)
    becomes(lab.page, lambda: operators(frame), {"Relu", "Sigmoid", "Tanh"})
    assert re.search(r"/user/x/onnx-workbench/netron/[0-9a-f]{32}/$", frame.url)


def test_two_models_at_once_show_two_graphs(lab, models):
    show(lab, "netron_view(read_path('three.onnx'))", "netron_view(read_path('two.onnx'))")
    first, second = drawn_frames(lab, 2)
    becomes(lab.page, lambda: operators(first), {"Relu", "Sigmoid", "Tanh"})
    becomes(lab.page, lambda: operators(second), {"Exp", "Neg"})


def test_with_the_clock_190_days_ahead_it_opens_without_any_notice(lab, models):
    lab.page.clock.set_fixed_time(datetime.now(UTC) + timedelta(days=190))
    show(lab, "netron_view(read_path('three.onnx'))")
    (frame,) = drawn_frames(lab, 1)
    assert frame.evaluate("Date.now()") > (datetime.now(UTC) + timedelta(days=189)).timestamp() * 1000
    assert not frame.locator("#message-text").is_visible()
    assert not frame.locator("#message-button").is_visible()


def test_no_consent_is_asked_and_no_cookie_is_set_by_netron(lab, models):
    show(lab, "netron_view(read_path('three.onnx'))")
    (frame,) = drawn_frames(lab, 1)
    assert not frame.locator("#message-button").is_visible()
    names = {cookie["name"] for cookie in lab.page.context.cookies()}
    assert not names & {"consent", "_ga"}
    assert not any(name.startswith("_ga") for name in names)


def test_no_address_of_the_view_holds_a_token(lab, models, server):
    addresses = []
    lab.page.on("request", lambda request: addresses.append(request.url))
    show(lab, "netron_view(read_path('three.onnx'))")
    drawn_frames(lab, 1)
    view = [address for address in addresses if "/onnx-workbench/" in address]
    assert len(view) > 10
    assert not any(server.token in address or "token=" in address for address in view)


def test_a_script_slipped_into_the_page_does_not_run(lab, models):
    show(lab, "netron_view(read_path('three.onnx'))")
    (frame,) = drawn_frames(lab, 1)
    frame.evaluate(
        "() => { const script = document.createElement('script');"
        " script.textContent = 'window.strangerRan = true'; document.body.append(script); }"
    )
    assert frame.evaluate("window.strangerRan") is None
    lab.console_errors.clear()


def test_markup_in_names_is_shown_as_text(lab, server):
    proto = onnx.parser.parse_model(TWO_NODES)
    proto.graph.node[0].name = MARKUP
    onnx.save(proto, server.root / "markup.onnx")
    dialogs = []
    lab.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    show(
        lab,
        f"model = read_path('markup.onnx').with_metadata(note={MARKUP!r})",
        f"model.path = model.path.with_name({MARKUP + '.onnx'!r})",
        "netron_view(model)",
    )
    (frame,) = drawn_frames(lab, 1)
    assert frame.evaluate("document.querySelectorAll('img').length") == 0
    assert MARKUP in frame.evaluate("document.querySelector('meta[name=name]').content")
    assert dialogs == []


def test_large_weights_are_fetched_when_they_are_looked_at_and_not_before(lab, server):
    proto = onnx.parser.parse_model(ADD)
    offset = np.arange(512, dtype=np.float32) + 7000
    proto.graph.initializer.append(onnx.numpy_helper.from_array(offset, "offset"))
    onnx.save(proto, server.root / "large.onnx")
    addresses = []
    lab.page.on("request", lambda request: addresses.append(request.url))
    show(
        lab,
        "netron_registration._INLINE_LIMIT_BYTES = 0",
        "netron_view(read_path('large.onnx'))",
    )
    (frame,) = drawn_frames(lab, 1)
    assert not any("data/large.onnx" in address for address in addresses)
    frame.locator(OPERATORS, has_text="Add").click()
    frame.locator(".sidebar-item", has_text="offset").locator(".sidebar-item-value-expander").click()
    frame.wait_for_selector("text=7511")
    assert any("data/large.onnx" in address for address in addresses)


def test_a_closed_view_is_served_no_longer(lab, models, server):
    show(lab, "view = netron_view(read_path('three.onnx'))", "print(view.path)")
    path = re.search(r"onnx-workbench/netron/[0-9a-f]{32}/", lab.text()).group()
    assert server.fetch(f"{path}data/").status == 200
    lab.kernel("view.close()")
    assert server.fetch(f"{path}data/").status == 404


def test_a_view_ends_with_its_kernel(lab, models, server):
    show(lab, "view = netron_view(read_path('three.onnx'))", "print(view.path)")
    path = re.search(r"onnx-workbench/netron/[0-9a-f]{32}/", lab.text()).group()
    assert server.fetch(f"{path}data/").status == 200
    lab.close()
    becomes(lab.page, lambda: server.fetch(f"{path}data/").status, 404)


def test_a_model_that_the_server_does_not_know_is_explained_in_words(lab, models):
    show(lab, "view = netron_view(read_path('three.onnx')); view._unregister()", "view")
    assert "Run the cell again" in text_of_message(lab)


def test_a_server_without_the_extension_is_explained_in_words(lab, models):
    show(lab, "view = netron_view(read_path('three.onnx')); view.path = 'nowhere/'", "view")
    assert "jupyter server extension enable" in text_of_message(lab)


def test_a_netron_that_does_not_start_is_explained_in_words(lab, models):
    lab.page.route(
        "**/view.js",
        lambda route: route.fulfill(body="export const View = class {};", content_type="text/javascript"),
    )
    show(lab, "netron_view(read_path('three.onnx'))")
    frame = lab.page.frame_locator("iframe[title^=Netron]")
    message = frame.locator("pre[role=alert]").text_content()
    assert f"Netron {importlib.metadata.version('netron')} is installed" in message
    assert 'pip install "netron>=8.8,<9.4"' in message
