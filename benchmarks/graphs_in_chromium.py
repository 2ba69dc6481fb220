"""Time graphs in a real Chromium, without a screen: saved pages of ours, and the same models in Netron."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from onnx_workbench.core.model import Model
    from onnx_workbench.views.graph_pane import GraphPane

PATIENCE_MS = 180_000
_CHOSEN = {"overlay_shown": 0, "overlay_scale": "linear", "selected": -1, "details": {}}

_NOTE_PAINT = """
const watch = new MutationObserver(() => {
    if (!document.querySelector(".ow-graph[data-ready=true]")) return;
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.paintedMs = performance.now(); }));
});
watch.observe(document, { subtree: true, attributeFilter: ["data-ready"] });
"""
_CHANGE_OVERLAY = """async () => {
    const chooser = document.querySelector(".ow-chooser");
    const began = performance.now();
    chooser.value = chooser.value === "0" ? "1" : "0";
    chooser.dispatchEvent(new Event("change"));
    await new Promise(requestAnimationFrame);  // in this frame it is drawn ...
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));  // ... and after it, on the screen
    return performance.now() - began;
}"""
_NETRON_DRAWN = (
    "() => document.body.classList.contains('default') && document.querySelector('.node-item-type')"
)


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """Yield a browser; None where Chromium or Playwright is missing."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        program = None
    if program is None:
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def page_ms(browser: Browser, pane: GraphPane, *, runs: int = 3) -> tuple[float, float]:
    """Return the median milliseconds from opening a page to the painted graph, and of a change of colours.

    The page is the one that is saved, but for closed modules, which stay closed as in a cell. It needs two overlays.
    """
    from onnx_workbench.views.page import page as page_of

    painted, changed = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.html"
        path.write_text(page_of(pane, "", _CHOSEN), encoding="utf-8")
        for _ in range(runs):
            page = browser.new_page(viewport={"width": 1000, "height": 640})
            page.add_init_script(_NOTE_PAINT)
            page.goto(path.as_uri())
            page.wait_for_function("() => window.paintedMs", timeout=PATIENCE_MS)
            painted.append(page.evaluate("() => window.paintedMs"))
            changed += [page.evaluate(_CHANGE_OVERLAY) for _ in range(3)]
            page.close()
    return statistics.median(painted), statistics.median(changed)


def netron_ms(browser: Browser, model: Model) -> float:
    """Return the milliseconds from opening Netron's page to its drawn graph; infinity if that takes three minutes."""
    from jupyter_process import running_jupyter
    from playwright.sync_api import TimeoutError as TooLong

    from onnx_workbench.views.netron_registration import register

    with (
        tempfile.TemporaryDirectory() as folder,
        running_jupyter("jupyter_server", Path(folder)) as server,
    ):
        os.environ["JUPYTER_RUNTIME_DIR"] = str(server.home / "runtime")
        address = server.url(f"onnx-workbench/netron/{register(model).id}/")
        context = browser.new_context(viewport={"width": 1000, "height": 640})
        context.request.get(server.url(f"api/status?token={server.token}"))
        page = context.new_page()
        began = time.perf_counter()
        try:
            page.goto(address, timeout=PATIENCE_MS)
            page.wait_for_function(_NETRON_DRAWN, timeout=PATIENCE_MS)
        except TooLong:
            return float("inf")
        finally:
            drawn = (time.perf_counter() - began) * 1000
            context.close()
    return drawn
