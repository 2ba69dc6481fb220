"""Graphs saved as pages, in a browser without Jupyter: what works there works without a kernel."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from onnx_workbench.views.graph_view import GraphView
    from onnx_workbench.views.pair_view import PairView


@contextmanager
def saved_page(browser: Browser, folder: Path, shown: GraphView | PairView) -> Iterator[Page]:
    """Open a graph as a page; a request that leaves it, or an error in the console, fails."""
    path = shown.save(folder / "graph.html")
    page = browser.new_page(viewport={"width": 1000, "height": 640})
    page.set_default_timeout(PATIENCE_S * 1000)
    requests: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.as_uri())
    page.locator(".ow-graph[data-ready=true]").last.wait_for()
    yield page
    page.close()
    assert {url for url in requests if not url.startswith("data:")} == {path.as_uri()}
    assert problems == []
