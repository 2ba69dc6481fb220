"""The graph as a widget: the state that the browser draws, and the kernel's answers to clicks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model
from onnx_workbench.views.drawn_graph import DrawnGraph
from onnx_workbench.views.node_details import node_details
from onnx_workbench.views.overlay import SCALES, PaintedOverlay
from onnx_workbench.views.static_files import script, style
from onnx_workbench.views.widget_state import graph_state, overlay_state


class GraphWidget(anywidget.AnyWidget):
    """A graph that can be moved, zoomed, searched and clicked.

    Its state holds all that is drawn, so that a saved notebook shows the graph without a kernel.

    Attributes
    ----------
    selected
        Number of the selected box in ``graph["nodes"]``; -1 for none. The browser and Python may both set it.
    overlay_shown, overlay_scale
        Which of the overlays colours the boxes (-1 for none), and whether its colours are linear or logarithmic.
    details
        The kernel's answer to the selection: names, attributes, types, weights. ``details["node"]`` is the box.
    """

    _esm = script("graph")
    _css = style("graph")

    graph = traitlets.Dict(help="boxes, edges and positions").tag(sync=True)
    overlays = traitlets.Dict(help="colours and legends of the numbers on the graph").tag(sync=True)
    overlay_shown = traitlets.Int(-1, min=-1, help="number of the overlay that is shown").tag(sync=True)
    overlay_scale = traitlets.Enum(SCALES, "linear", help="scale of the colours").tag(sync=True)
    selected = traitlets.Int(-1, min=-1, help="the selected box").tag(sync=True)
    details = traitlets.Dict(help="what the kernel knows of the selected box").tag(sync=True)
    height = traitlets.Int(600, min=160, max=10_000, help="height in CSS pixels").tag(sync=True)

    def __init__(
        self, model: Model, drawn: DrawnGraph, *, overlays: Sequence[PaintedOverlay], height: int
    ) -> None:
        self._model, self._drawn = model, drawn
        super().__init__(graph=graph_state(drawn, model), height=height)
        self.show_overlays(overlays)
        self.observe(self._answer, names="selected")

    def show_overlays(self, overlays: Sequence[PaintedOverlay]) -> None:
        """Colour the boxes anew, by the first of the overlays; positions stay."""
        with self.hold_sync():
            self.overlays = overlay_state(overlays)
            self.overlay_shown = 0 if overlays else -1
            self.overlay_scale = overlays[0].scale if overlays else "linear"

    def _answer(self, change: dict[str, Any]) -> None:
        place = change["new"]
        if 0 <= place < len(self._drawn.nodes):
            self.details = node_details(self._model, place, self._drawn.nodes[place])

    def __repr__(self) -> str:
        """Return what a reader without widgets sees."""
        return f"Graph of {clean_text(self._drawn.name)!r} (run the cell in Jupyter to see it)"
