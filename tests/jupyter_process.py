"""A Jupyter server of its own for tests: another base URL, token login, nobody's settings but its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[1]
BASE_URL = "/user/x/"
HUB_POLICY = "frame-ancestors 'none'"  # what JupyterHub sets for every page
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    # Cells far below would otherwise be drawn only when scrolled to.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Server:
    """A running Jupyter server."""

    origin: str
    token: str
    root: Path
    home: Path

    @property
    def log(self) -> str:
        return (self.home / "jupyter.log").read_text()

    def url(self, path: str = "") -> str:
        """Return the address of a path below the base URL."""
        return f"{self.origin}{BASE_URL}{path}"

    def fetch(
        self, path: str, *, token: bool = True, method: str = "GET", headers: dict[str, str] | None = None
    ) -> Reply:
        """Fetch a path outside the browser, without following redirects."""
        request = urllib.request.Request(self.url(path), method=method, headers=headers or {})
        if token:
            request.add_header("Authorization", f"token {self.token}")
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=90) as reply:
                return Reply(reply.status, reply.read(), dict(reply.headers))
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.read(), dict(error.headers))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@contextmanager
def running_jupyter(application: str, folder: Path) -> Iterator[Server]:
    """Run ``python -m <application>`` (jupyterlab or jupyter_server) with its root and home below `folder`."""
    home, root = folder / "home", folder / "root"
    home.mkdir()
    root.mkdir()
    port = _free_port()
    server = Server(f"http://127.0.0.1:{port}", secrets.token_hex(24), root, home)
    with (home / "jupyter.log").open("wb") as output:
        process = subprocess.Popen(
            _command(application, port, root),
            env=_environment(home, server.token),
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=root,
        )
        try:
            _wait_until_up(server, process)
            yield server
        finally:
            _stop(process)


def _command(application: str, port: int, root: Path) -> list[str]:
    command = [
        sys.executable,
        "-m",
        application,
        "--no-browser",
        "--allow-root",
        f"--ServerApp.base_url={BASE_URL}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.tornado_settings={{'headers': {{'Content-Security-Policy': {HUB_POLICY!r}}}}}",
    ]
    return [*command, "--expose-app-in-browser"] if application == "jupyterlab" else command


def _environment(home: Path, token: str) -> dict[str, str]:
    """Return an environment in which Jupyter reads and writes only below `home`."""
    configuration = home / "enabled"
    enabled, settings = configuration / "jupyter_server_config.d", configuration / "labconfig"
    enabled.mkdir(parents=True)
    settings.mkdir()
    # The file that the wheel installs under etc/jupyter: tests also run from an uninstalled tree.
    shutil.copy(PROJECT / "onnx_workbench/server/jupyter_server_config.json", enabled / "onnx_workbench.json")
    settings.joinpath("default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    return {
        **os.environ,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_CONFIG_PATH": str(configuration),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_TOKEN": token,
        "JUPYTERLAB_SETTINGS_DIR": str(home / "user_settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH")))),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(server: Server, process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        if process.poll() is not None:
            break
        try:
            if server.fetch("api/status").status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    pytest.fail(f"Jupyter did not start:\n{server.log[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()  # on SIGTERM the server shuts its kernels down as well
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
