"""The graph as a widget: the state that the browser draws, and the kernel's answers to clicks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.views.drawn_graph import DrawnNode
from onnx_workbench.views.graph_pane import GraphPane
from onnx_workbench.views.overlay import SCALES
from onnx_workbench.views.static_files import script, style


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

    def __init__(self, pane: GraphPane, *, height: int) -> None:
        self._pane = pane
        self._asked: dict[str, Any] = {}
        self._boxes = pane.drawn.nodes
        super().__init__(graph=pane.graph_state(), height=height)
        self.show_overlays()
        self.observe(self._on_selected, names="selected")
        self.on_msg(self._on_message)

    @property
    def is_closed(self) -> bool:
        """Whether ``close()`` took it out of the notebook, for good."""
        return self.comm is None

    def show_overlays(self) -> None:
        """Colour the boxes anew, by the first of the overlays; positions stay."""
        overlays = self._pane.overlays
        with self.hold_sync():
            self.overlays = self._pane.overlay_state()
            self.overlay_shown = 0 if overlays else -1
            self.overlay_scale = overlays[0].scale if overlays else "linear"

    def draw_anew(self, anchor: int = -1, *, node: int = -1) -> None:
        """Send the graph as it is drawn now.

        Parameters
        ----------
        anchor
            The box of the former drawing that stays in its place; the selected one if left out.
        node
            Number of the model's node to select; what was selected stays so if left out.
        """
        former, pane = self._boxes, self._pane
        self._boxes = pane.drawn.nodes
        anchor = anchor if anchor >= 0 else self.selected
        chosen = self._boxes_with(node) if node >= 0 else self._moved(former, self.selected)
        with self.hold_sync():
            self.graph = pane.graph_state() | {"focus": self._moved(former, anchor)}
            self.overlays = pane.overlay_state()
            self.selected = chosen
            self._answer()

    def _moved(self, former: Sequence[DrawnNode], place: int) -> int:
        return self._pane.place_after(former[place]) if 0 <= place < len(former) else -1

    def _boxes_with(self, node: int) -> int:
        return next((place for place, box in enumerate(self._boxes) if node in box.members), -1)

    def chosen(self) -> dict[str, Any]:
        """Return what the reader has chosen to see."""
        names = ("overlay_shown", "overlay_scale", "selected", "details")
        return {name: getattr(self, name) for name in names}

    def _on_selected(self, _change: dict[str, Any]) -> None:
        # Walking through the graph with one picture in mind: its place in the batch stays.
        self._asked = {key: self._asked[key] for key in ("sample", "alike") if key in self._asked}
        self._answer()

    def _on_message(self, _widget: object, content: Any, _buffers: object) -> None:
        """Take a message of the browser: a look at the value of the selected box, or modules to open or close."""
        if not isinstance(content, dict):
            return
        kind = content.get("kind")
        if kind == "look":
            self._asked = content
            self._answer()
        elif isinstance(kind, str) and kind in {"open", "close", "reveal"}:
            selected, anchor = content.get("selected"), content.get("anchor")
            if isinstance(selected, int) and -1 <= selected < len(self._boxes):
                self.selected = selected
            self._fold(kind, content.get("which"), anchor if isinstance(anchor, int) else -1)

    def _fold(self, kind: str, which: object, anchor: int) -> None:
        """Open or close one module, or with no number all; what a browser sends may be of an earlier drawing."""
        pane = self._pane
        frames = pane.frames[0]
        known = {"open": len(self._boxes), "close": len(frames), "reveal": len(pane.model.nodes)}[kind]
        if isinstance(which, int) and 0 <= which < known:
            if kind == "reveal":
                pane.reveal(which)
            elif kind == "close":
                pane.close(frames[which].path)
            elif path := pane.module_of(which):
                pane.open(path)
        elif which is None and kind == "open":
            pane.open(None)
        elif which is None and kind == "close":
            pane.close(None)
        self.draw_anew(anchor, node=which if kind == "reveal" and isinstance(which, int) else -1)

    def _answer(self) -> None:
        if 0 <= self.selected < len(self._pane.drawn.nodes):
            self.details = self._pane.details(self.selected, self._asked)

    def __repr__(self) -> str:
        """Return what a reader without widgets sees."""
        return f"Graph of {clean_text(self._pane.drawn.name)!r} (run the cell in Jupyter to see it)"
