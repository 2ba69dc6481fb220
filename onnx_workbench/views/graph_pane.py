"""One model as it is drawn now: its boxes, the numbers that colour them, and the arrays behind them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from onnx_workbench.core.model import Model
from onnx_workbench.views.drawn_graph import DrawnGraph, draw_whole
from onnx_workbench.views.node_details import node_details
from onnx_workbench.views.overlay import Overlay, PaintedOverlay, check_overlay, paint
from onnx_workbench.views.value_details import value_details
from onnx_workbench.views.value_source import ValueSource
from onnx_workbench.views.widget_state import graph_state, overlay_state


class GraphPane:
    """A model on the stage of a view.

    Attributes
    ----------
    model
        The model.
    overlays
        Numbers to choose among.
    source
        Arrays that a click shows; None for none.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.overlays: tuple[Overlay, ...] = ()
        self.source: ValueSource | None = None

    @cached_property
    def drawn(self) -> DrawnGraph:
        """The boxes, with positions."""
        return draw_whole(self.model)

    def colour_by(self, overlays: tuple[Overlay, ...]) -> None:
        """Take other overlays.

        Raises
        ------
        InputError
            If one has no number for any value of the graph.
        """
        for overlay in overlays:
            check_overlay(overlay, self.model)
        self.overlays = overlays

    def painted(self, graph: DrawnGraph | None = None) -> list[PaintedOverlay]:
        """Return the overlays on the boxes, or on those of another drawing of the model."""
        nodes = (graph or self.drawn).nodes
        return [paint(overlay, nodes, self.model) for overlay in self.overlays]

    def place_of(self, value_name: str) -> int | None:
        """Return the number of the box that writes a value."""
        places = (place for place, node in enumerate(self.drawn.nodes) if value_name in node.values)
        return next(places, None)

    def graph_state(self) -> dict[str, Any]:
        """Return the graph for the browser."""
        return graph_state(self.drawn, self.model)

    def overlay_state(self) -> dict[str, Any]:
        """Return the overlays for the browser."""
        return overlay_state(self.painted())

    def details(self, place: int, asked: dict[str, Any]) -> dict[str, Any]:
        """Return what the panel shows of a box; `asked` says which of its values, and how to look at it."""
        box = self.drawn.nodes[place]
        value = value_details(self.model, box, self.source, asked) if self.source else None
        return node_details(self.model, place, box) | {"value": value}
