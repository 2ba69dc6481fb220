"""Netron as a second view of a model, in a frame that the Jupyter server itself serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx_workbench.core.errors import require
from onnx_workbench.core.model import as_model
from onnx_workbench.views.netron_registration import register

if TYPE_CHECKING:
    from onnx_workbench.views.netron_frame import NetronFrame


def netron_view(model: object, *, height: int = 600) -> NetronFrame:
    """Show a model in Netron, inside the notebook.

    The page comes from the Jupyter server that shows the notebook, behind its login: no second port, no
    request to another host, no consent notice, no expiry. It is Netron (MIT licence) with a host of our own.

    Parameters
    ----------
    model
        Anything that ``open_model`` takes.
    height
        Height of the frame in CSS pixels.

    Returns
    -------
    NetronFrame
        A widget; its ``close()`` ends the serving of the model, as does the end of the kernel.

    Raises
    ------
    MissingPackageError
        If the packages for notebooks are not installed.

    Examples
    --------
    >>> frame = netron_view("signs.onnx")
    >>> frame.close()
    """
    require("anywidget", purpose="to show Netron in a notebook", extra="notebook")
    from onnx_workbench.views.netron_frame import NetronFrame

    opened = as_model(model)
    return NetronFrame(register(opened), height=height)
