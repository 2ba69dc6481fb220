"""The Jupyter server extension, enabled by ``jupyter_server_config.json``, which pip installs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx_workbench.server.handlers import handlers
from onnx_workbench.views.netron_registration import remove_stale

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "onnx_workbench.server.extension"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Add the routes; the name is Jupyter's."""
    remove_stale()
    server.web_app.add_handlers(  # type: ignore[no-untyped-call]
        ".*$", handlers(server.web_app.settings["base_url"])
    )
    server.log.info("onnx-workbench: the Netron view is served to models opened by this user's kernels.")
