"""JupyterLab in a real browser, for tests marked ``browser``.

Fixtures
--------
server
    One JupyterLab for the whole run: token login, base URL ``/user/x/`` as on a hub, an empty temporary
    folder as its root, and settings of its own (nothing of the user's configuration is read or written).
    ``server.root`` is the folder, ``server.url("api/status")`` an address below the base URL,
    ``server.fetch("api/status", token=False)`` a request outside the browser (see tests/jupyter_process.py).
lab
    One fresh browser profile, logged in, for one test. Its methods:

    ``lab.write_notebook(name, *cells)``  writes a notebook of code cells below ``server.root``;
    ``lab.open_notebook(name)``           opens it in its own workspace and waits for the kernel;
    ``lab.run_all(timeout=...)``          runs every cell and waits until the kernel is idle again;
    ``lab.wait_for_idle(timeout=...)``    waits only;
    ``lab.cells()``                       the notebook as it stands in the page (nbformat dictionaries);
    ``lab.errors()``                      ``ename: evalue`` of every error output;
    ``lab.text()``                        all text that cells printed or returned;
    ``lab.kernel(code)``                  runs code in the notebook's kernel, outside any cell; returns its text;
    ``lab.save()``                        saves the notebook;
    ``lab.close()``                       shuts the notebook's kernel down.

    ``lab.page`` is the Playwright page; ``lab.outside_requests`` lists each request that left the origin;
    ``lab.console_errors`` lists messages of the browser console at level error, and uncaught exceptions.
    At the end of each test the fixture itself asserts that no request left the origin.

Without Chromium or Playwright these tests are skipped; with ``CI=true`` in the environment they fail instead.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from jupyter_process import Server, running_jupyter
from patience import PATIENCE_S, WHOLE_TEST_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

HERE = Path(__file__).parent


@dataclass
class Lab:
    """One browser page with JupyterLab in it."""

    page: Page
    server: Server
    outside_requests: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)

    def write_notebook(self, name: str, *cells: str) -> Path:
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        path = self.server.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    def open_notebook(self, name: str, *, timeout: float = 150) -> None:
        workspace = secrets.token_hex(4)
        self.page.goto(self.server.url(f"lab/workspaces/{workspace}/tree/{name}"))
        self.page.wait_for_function(
            "name => window.jupyterapp?.shell?.currentWidget?.context?.path === name",
            arg=name,
            timeout=timeout * 1000,
        )
        self._evaluate(
            "async widget => { await widget.context.ready; await widget.revealed;"
            " await widget.sessionContext.ready; }"
        )
        self.wait_for_idle(timeout=timeout)

    def run_all(self, *, timeout: float = 150) -> None:
        # The command's own promise is not awaited in the page: Playwright has no time limit for that.
        self._evaluate(
            "async widget => { window.runsOnTest = 'running';"
            " window.jupyterapp.commands.execute('notebook:run-all-cells')"
            ".then(() => { window.runsOnTest = 'done'; }, error => { window.runsOnTest = String(error); }); }"
        )
        self.page.wait_for_function("window.runsOnTest !== 'running'", timeout=timeout * 1000)
        self.wait_for_idle(timeout=timeout)

    def wait_for_idle(self, *, timeout: float = 150) -> None:
        self.page.wait_for_function(
            "window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'",
            timeout=timeout * 1000,
        )

    def cells(self) -> list[dict[str, Any]]:
        notebook = self._evaluate("async widget => widget.context.model.toJSON()")
        return notebook["cells"]

    def errors(self) -> list[str]:
        return [f"{output['ename']}: {output['evalue']}" for output in self._outputs("error")]

    def text(self) -> str:
        pieces = [_joined(output["text"]) for output in self._outputs("stream")]
        for kind in ("execute_result", "display_data"):
            pieces += [_joined(output["data"].get("text/plain", "")) for output in self._outputs(kind)]
        return "\n".join(pieces)

    def kernel(self, code: str) -> str:
        return self._evaluate(
            """async (widget, code) => {
                const future = widget.sessionContext.session.kernel.requestExecute({ code });
                let text = '';
                future.onIOPub = message => {
                    const content = message.content;
                    text += content.text ?? content.data?.['text/plain'] ?? content.traceback?.join('\\n') ?? '';
                };
                await future.done;
                return text;
            }""",
            code,
        )

    def save(self) -> None:
        self._evaluate("async widget => { await widget.context.save(); }")

    def close(self) -> None:
        self._evaluate("async widget => { await widget.sessionContext.shutdown(); }")

    def _outputs(self, kind: str) -> list[dict[str, Any]]:
        found = [output for cell in self.cells() for output in cell.get("outputs", ())]
        return [output for output in found if output["output_type"] == kind]

    def _evaluate(self, function: str, argument: object = None) -> Any:
        return self.page.evaluate(
            f"argument => ({function})(window.jupyterapp.shell.currentWidget, argument)", argument
        )

    def record(self) -> None:
        """Begin to write down requests and errors."""

        def on_request(request: Request) -> None:
            if not request.url.startswith((self.server.origin, "data:", "blob:", "about:")):
                self.outside_requests.append(request.url)

        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.console_errors.append(message.text)

        self.page.on("request", on_request)
        self.page.on("console", on_console)
        self.page.on("pageerror", lambda error: self.console_errors.append(str(error)))


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def _unavailable(reason: str) -> None:
    """Skip at home; fail in CI, where a skipped promise would be a broken one."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test here time for a machine several times slower than that of whoever wrote it."""
    for item in items:
        if item.path.parent == HERE and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(WHOLE_TEST_S))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_jupyter("jupyterlab", tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _unavailable("playwright is not installed: pip install playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        _unavailable("Chromium is not on the PATH: install your system's package")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-component-update"],
        )
        yield browser
        browser.close()


@pytest.fixture
def lab(browser: Browser, server: Server) -> Iterator[Lab]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_S * 1000)
    # Logging in here keeps the token out of every address that the tests open later.
    context.request.get(server.url(f"lab?token={server.token}"))
    window = Lab(context.new_page(), server)
    window.record()
    yield window
    context.close()
    _shut_down_kernels(server)
    assert window.outside_requests == [], "requests left the origin"


def _shut_down_kernels(server: Server) -> None:
    """Free the memory of this test's kernels before the next begins."""
    for kernel in json.loads(server.fetch("api/kernels").body):
        server.fetch(f"api/kernels/{kernel['id']}", method="DELETE")
