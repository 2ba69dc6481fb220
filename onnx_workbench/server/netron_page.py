"""Netron's page, made from the installed package and a host of our own.

The page is Netron's ``index.html`` (MIT licence) with its start script replaced by ``static/quiet_host.js``,
which says what it changes and on which internals it relies. Nothing of Netron is copied into this package.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from onnx_workbench.core.errors import MissingPackageError, RunError
from onnx_workbench.core.formatting import clean_text, escape

HOST_SCRIPT = "onnx_workbench_host.js"
HOST_SCRIPT_PATH = Path(__file__).with_name("static") / "quiet_host.js"
MADE_FOR = "Netron 8.8 to 9.3"
KNOWN_RANGE = ">=8.8,<9.4"

_START_SCRIPT = re.compile(r'<script[^>]*\bsrc="index\.js"[^>]*>\s*</script>')
_VERSION = re.compile(r'<meta name="version" content="[^"]*">')
_NEEDED_IN_PAGE = ('id="target"', 'id="sidebar"', 'id="message-text"', 'id="message-button"')
_NEEDED_IN_SCRIPTS = {
    "browser.js": ("export const Host", "async view(view)", "async start()", "_openModel("),
    "view.js": ("export const View", "async start()"),
}


@dataclass(frozen=True)
class InstalledNetron:
    """The netron package of this environment."""

    folder: Path
    version: str


def find_netron() -> InstalledNetron:
    """Find Netron without importing it.

    Raises
    ------
    MissingPackageError
        If it is not installed beside the Jupyter server.
    """
    spec = importlib.util.find_spec("netron")
    if spec is None or spec.origin is None:
        raise MissingPackageError(
            "The package 'netron' is not installed where the Jupyter server runs.\n"
            "Install it there, then run the cell again:  pip install 'onnx-workbench[notebook]'",
            name="netron",
        )
    return InstalledNetron(Path(spec.origin).resolve().parent, importlib.metadata.version("netron"))


def check_netron(netron: InstalledNetron) -> None:
    """Raise RunError if the package lacks what our host builds on."""
    missing = [
        f"{file}: {text}"
        for file, texts in ({"index.html": _NEEDED_IN_PAGE} | _NEEDED_IN_SCRIPTS).items()
        for text in texts
        if text not in _read(netron.folder / file)
    ]
    page = _read(netron.folder / "index.html")
    missing += [
        f"index.html: {pattern.pattern}" for pattern in (_START_SCRIPT, _VERSION) if not pattern.search(page)
    ]
    if missing:
        raise RunError(
            f"Netron {netron.version} is installed, and this view was made for {MADE_FOR}: "
            f"it no longer has {missing[0]!r}.\n"
            f"Install a version that is known to work:  pip install 'netron{KNOWN_RANGE}'\n"
            "The graph in the cell does not need Netron: view(model)"
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def page(netron: InstalledNetron, *, name: str, nonce: str) -> str:
    """Return the page for a model.

    Parameters
    ----------
    netron
        The installed package; `check_netron` has passed.
    name
        The model's name, as untrusted as the file that it comes from.
    nonce
        The one-time word without which the page's policy runs no script.
    """
    metas = {
        "version": "0.0.0",  # what Netron takes for a build from source, which never reports
        "type": "Python",
        "identifier": f"{clean_text(name)}.onnx",
        "name": clean_text(name),
        "netron-version": netron.version,
        "netron-made-for": MADE_FOR,
        "netron-range": KNOWN_RANGE,
    }
    tags = "\n".join(f'<meta name="{key}" content="{escape(value)}">' for key, value in metas.items())
    script = f'<script type="module" nonce="{escape(nonce)}" src="{HOST_SCRIPT}"></script>'
    html = _read(netron.folder / "index.html")
    html = _VERSION.sub(lambda _: tags, html, count=1)
    return _START_SCRIPT.sub(lambda _: script, html, count=1)
