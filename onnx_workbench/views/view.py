"""view(): the front door to the graph; what draws it is imported when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, overload

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.model import as_model

if TYPE_CHECKING:
    from onnx_workbench.analysis.tracing import Trace
    from onnx_workbench.views.graph_view import GraphView
    from onnx_workbench.views.overlay import HasOverlays, Numbers
    from onnx_workbench.views.pair_view import PairView


@overload
def view(
    model: object,
    *,
    overlay: Numbers | Mapping[str, Numbers] | HasOverlays | None = None,
    overlay_label: str = "",
    overlay_scale: str = "linear",
    inputs: object = None,
    values: Mapping[str, Any] | Trace | None = None,
    collapsed: bool | None = None,
    beside: None = None,
    height: int = 600,
) -> GraphView: ...


@overload
def view(
    model: object,
    *,
    overlay: Numbers | Mapping[str, Numbers] | HasOverlays | None = None,
    overlay_label: str = "",
    overlay_scale: str = "linear",
    inputs: object = None,
    values: Mapping[str, Any] | Trace | None = None,
    collapsed: bool | None = None,
    beside: object,
    height: int = 600,
) -> PairView: ...


def view(
    model: object,
    *,
    overlay: Numbers | Mapping[str, Numbers] | HasOverlays | None = None,
    overlay_label: str = "",
    overlay_scale: str = "linear",
    inputs: object = None,
    values: Mapping[str, Any] | Trace | None = None,
    collapsed: bool | None = None,
    beside: object = None,
    height: int = 600,
) -> GraphView | PairView:
    """Show the graph of a model.

    In a notebook, as the last line of a cell, it is an interactive graph: drag to move, Ctrl and wheel to zoom,
    click a node for its attributes, shapes and weights, ``/`` to search, arrow keys to walk along edges, Enter to
    open a module and Shift+Enter to close it.

    Parameters
    ----------
    model
        Anything that ``open_model`` takes.
    overlay
        Numbers to colour nodes by, keyed by the name of any value that the node writes, or of an input. Several
        at once are keyed by their labels, ``{"time in ms": {"relu": 3.2}, "error": {"relu": 1e-6}}``: the reader
        then chooses among them. What ``trace``, ``compare`` and ``profile`` return can be given as it is.
    overlay_label
        What the numbers of a single overlay are, with their unit, for the legend.
    overlay_scale
        ``"linear"`` or ``"log"``, to begin with.
    inputs
        Arrays, as for ``run``: a click on a node then computes the values that it writes and reads, and shows them as
        a grid of channels (in CHW or HWC order), a matrix or bars, with statistics.
    values
        The same from arrays that are there already, by value name and of one run; or a trace that kept some,
        ``trace(model, inputs, keep=[...])``.
    collapsed
        Whether modules of the source framework begin closed, each as one box; a click on its ``+`` opens it. None
        closes those of graphs of more than 300 nodes. It needs a file that tells the modules, as PyTorch's do, or
        names with slashes or dots; a graph without is drawn whole.
    beside
        Another model, anything that ``open_model`` takes: both are shown side by side, each node with its
        counterpart, and what differs between them is marked. Nodes are matched by what they compute; names may differ.
        `inputs` are for both, if the other takes them; `values` are the first one's.
    height
        Height in the notebook, in CSS pixels.

    Returns
    -------
    GraphView
        Displays itself; ``.save("graph.svg")`` (also ``.png``, ``.html``, ``.txt``) writes a file. With `beside`, a
        ``PairView``: ``.left`` and ``.right`` are the two graphs, ``.difference`` tells what differs.

    Raises
    ------
    InputError
        If no node has a number in an overlay, an overlay is not a mapping from names to numbers, values are not
        arrays by names of the graph's values, or inputs do not fit.

    Notes
    -----
    The output of the cell holds a widget, a picture and text, and each reader takes the best it can show. nbconvert
    takes the widget wherever the notebook holds its state, as notebooks executed by nbconvert do, and their pages then
    need the network to show it. After ``jupyter nbconvert --execute --to html
    --ExecutePreprocessor.store_widget_state=False`` the page holds the picture.

    Examples
    --------
    >>> graph = ow.view("signs.onnx")
    >>> graph.save("graph.svg").name
    'graph.svg'
    >>> times = ow.view("signs.onnx", overlay={"relu": 3.2, "logits": 0.7}, overlay_label="ms")
    """
    opened = as_model(model)
    _check_height(height)
    from onnx_workbench.views.graph_view import GraphView

    shown = GraphView(opened, height=height, collapsed=collapsed)
    if overlay is not None:  # its faults are told here, not when the cell displays
        shown.overlay(overlay, label=overlay_label, scale=overlay_scale)
    if inputs is not None and values is not None:
        raise InputError("Give inputs, of which the values are computed, or values that are there; not both.")
    if inputs is not None:
        shown.inputs(inputs)
    if values is not None:
        shown.values(values)
    if beside is None:
        return shown
    from onnx_workbench.views.pair_view import PairView

    pair = PairView(shown, GraphView(as_model(beside), height=height, collapsed=collapsed))
    pair.colour_left(shown.pane.overlays)
    if inputs is not None:
        with suppress(InputError):  # the other may take other inputs
            pair.right.inputs(inputs)
    return pair


def _check_height(height: object) -> None:
    if not (isinstance(height, int) and 160 <= height <= 10_000):
        raise InputError(
            f"height is {height!r}; it is a whole number of CSS pixels and can be from 160 to 10000."
        )
