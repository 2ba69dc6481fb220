"""The widget that holds the frame of the Netron view."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import anywidget
import traitlets

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.views.netron_registration import Registration, unregister_with

if TYPE_CHECKING:
    import weakref

_MOST_SERVED = 16
"""Models that one kernel lets the server serve; the oldest give way. Their drawn graphs stay in the page."""


class NetronFrame(anywidget.AnyWidget):
    """A frame with Netron in it; the browser finds the server's address, which the kernel does not know."""

    _esm = Path(__file__).with_name("static") / "netron_frame.js"
    _served: ClassVar[deque[weakref.finalize[..., object]]] = deque()

    path = traitlets.Unicode(help="address of the page, below the server's base URL").tag(sync=True)
    name = traitlets.Unicode(help="the model's name, for screen readers").tag(sync=True)
    height = traitlets.Int(600, min=100, max=10_000, help="height in CSS pixels").tag(sync=True)

    def __init__(self, registration: Registration, *, height: int) -> None:
        super().__init__(
            # The slash at the end matters: Netron's page finds its files relative to its own address.
            path=f"onnx-workbench/netron/{registration.id}/",
            name=clean_text(registration.name),
            height=height,
        )
        self._unregister = unregister_with(self, registration)
        self._served.append(self._unregister)
        while len(self._served) > _MOST_SERVED:
            self._served.popleft()()

    def close(self) -> None:
        """Take the frame out of the notebook and stop serving the model."""
        self._unregister()
        super().close()

    def __repr__(self) -> str:
        """Return what a reader without widgets sees."""
        return f"Netron view of {self.name!r} (run the cell in JupyterLab to see it)"
