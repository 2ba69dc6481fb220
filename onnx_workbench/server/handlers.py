"""What the Jupyter server answers below ``<base URL>/onnx-workbench/netron/<id>/``.

Every answer needs Jupyter's login. An id names a model that a kernel of the same user has opened (see
``views/netron_registration.py``); an address can name no other file of the disk.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.iostream import StreamClosedError

from onnx_workbench.core.errors import WorkbenchError
from onnx_workbench.core.formatting import escape
from onnx_workbench.server.netron_page import HOST_SCRIPT, HOST_SCRIPT_PATH, check_netron, find_netron, page
from onnx_workbench.views.netron_registration import Registration, find_registration

_CHUNK_BYTES = 1 << 20
_MEDIA_TYPES = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
}
_UNKNOWN = (
    "This Jupyter server does not know the model. Run the cell again.\n"
    "If that does not help, the kernel runs as another user or on another machine than the server, and the "
    "Netron view cannot reach it. The graph in the cell can: view(model)"
)
_NO_SUCH_DATA = "The model names no such file, or the file was changed since the model was opened."


def frame_ancestors(configured: str) -> str:
    """Return who may frame the page: JupyterLab here, and whatever page the server's own policy lets frame that.

    JupyterHub's policy is ``frame-ancestors 'none'``: it means pages that have an address one could guess.
    """
    directive = re.search(r"frame-ancestors ([^;]*)", configured)
    others = directive[1].split() if directive else []
    return " ".join(
        ["frame-ancestors 'self'", *(other for other in others if other not in {"'none'", "'self'"})]
    )


class NetronHandler(JupyterHandler):
    """What all answers share: an authorization resource, and a policy under which little can go wrong."""

    auth_resource = "onnx_workbench"

    def policy(self, scripts: str) -> str:
        """Return the strictest policy with which Netron draws."""
        return "; ".join(
            (
                "default-src 'none'",
                f"script-src {scripts}",
                "worker-src 'self'",
                "connect-src 'self'",
                "img-src 'self' data: blob:",
                "style-src 'self' 'unsafe-inline'",
                "base-uri 'none'",
                "form-action 'none'",
                frame_ancestors(super().content_security_policy),
            )
        )

    @property
    def content_security_policy(self) -> str:
        """The policy of every answer but the page: Netron's worker may load scripts of this server."""
        return self.policy("'self'")

    async def prepare(self) -> None:  # type: ignore[override]
        """Look at where the request comes from, then let Jupyter look at who it comes from."""
        self.check_xsrf_cookie()
        await super().prepare()

    def check_xsrf_cookie(self) -> None:
        """Answer 403 to a page of another site that uses the visitor's cookie.

        This replaces the check of a token in a header. Netron's requests cannot carry that header, and JupyterHub
        takes a visitor for a stranger where this method refuses. Nothing here changes anything, and who does not
        know an id, which is secret in itself, learns nothing.
        """
        headers = self.request.headers
        site = headers.get("Sec-Fetch-Site")
        if site is not None:
            is_ours = site in {"same-origin", "none"}
        else:
            senders = filter(None, (headers.get("Origin"), headers.get("Referer")))
            is_ours = all(urlsplit(sender).netloc == self.request.host for sender in senders)
        if not is_ours:
            raise web.HTTPError(403, "Another site asked for this model.")

    def registration(self, registration_id: str) -> Registration:
        """Return the model of this address, or answer 404."""
        registration = find_registration(registration_id)
        if registration is None:
            raise web.HTTPError(404, _UNKNOWN)
        return registration

    def write_error(self, status_code: int, **kwargs: object) -> None:
        """Answer with a plain sentence: the page stands in a small frame."""
        text = "The Jupyter server's log says more."
        match kwargs.get("exc_info"):
            case (_, web.HTTPError(log_message=str(reason)), _):
                text = reason
        lines = text.splitlines()
        message = "\n".join(escape(line, limit=1000) for line in lines)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(f'<!doctype html><title>{status_code}</title><pre role="alert">{message}</pre>')

    async def send_file(self, path: Path, media_type: str) -> None:
        """Stream a file without holding more than a piece of it, off the server's event loop."""
        self.set_header("Content-Type", media_type)
        self.set_header("Cache-Control", "private, no-cache")
        with await asyncio.to_thread(path.open, "rb") as file:
            self.set_header("Content-Length", str(os.fstat(file.fileno()).st_size))  # of what is sent
            try:
                while piece := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                    self.write(piece)
                    await self.flush()
            except StreamClosedError:
                self.log.debug("The browser closed the connection while %s was sent.", path.name)


class PageHandler(NetronHandler):
    """The page in the frame."""

    @web.authenticated
    @authorized
    async def get(self, registration_id: str) -> None:
        """Answer with Netron's page, started by our host."""
        registration = self.registration(registration_id)
        try:
            netron = find_netron()
            check_netron(netron)
        except WorkbenchError as error:
            raise web.HTTPError(501, str(error)) from error
        nonce = secrets.token_urlsafe(16)
        self.set_header("Content-Security-Policy", self.policy(f"'nonce-{nonce}'"))
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(page(netron, name=registration.name, nonce=nonce))


class StatusHandler(NetronHandler):
    """Whether the model can be shown, and if not, why."""

    @web.authenticated
    @authorized
    async def get(self, registration_id: str) -> None:
        """Answer with ``{"problem": "..."}``; an empty text means that all is well."""
        problem = "" if find_registration(registration_id) else _UNKNOWN
        try:
            check_netron(find_netron())
        except WorkbenchError as error:
            problem = str(error)
        self.finish({"problem": problem})


class DataHandler(NetronHandler):
    """The model, and the files that hold its weights."""

    @web.authenticated
    @authorized
    async def get(self, registration_id: str, location: str) -> None:
        """Answer with the model's graph, or with a file that the model itself names."""
        registration = self.registration(registration_id)
        path = registration.model_path
        if location:
            served = registration.external.get(location)
            if served is None or not served.is_unchanged:
                raise web.HTTPError(404, _NO_SUCH_DATA)
            path = Path(served.path)
        await self.send_file(path, "application/octet-stream")


class AssetHandler(NetronHandler):
    """Netron's own files, and our host script among them."""

    @web.authenticated
    @authorized
    async def get(self, registration_id: str, name: str) -> None:
        """Answer with a file of the installed package; names hold no slash, so they cannot leave it."""
        self.registration(registration_id)
        path = HOST_SCRIPT_PATH if name == HOST_SCRIPT else find_netron().folder / name
        if path.suffix not in _MEDIA_TYPES or not path.is_file():
            raise web.HTTPError(404, "Netron has no such file.")
        await self.send_file(path, _MEDIA_TYPES[path.suffix])


def handlers(base_url: str) -> list[tuple[str, type[NetronHandler]]]:
    """Return the routes below a server's base URL."""
    root = url_path_join(base_url, "onnx-workbench/netron/([0-9a-f]{32})")
    return [
        (f"{root}/", PageHandler),
        (f"{root}/status", StatusHandler),
        (f"{root}/data/(.*)", DataHandler),
        (rf"{root}/([A-Za-z0-9_-]+\.[a-z]+)", AssetHandler),
    ]
