"""PairView: two models side by side, each node with its counterpart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnx_workbench.analysis.model_difference import ModelDifference, NodeDifference, model_difference
from onnx_workbench.core.errors import InputError, MissingPackageError, require
from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.formatting import clean_text, escape
from onnx_workbench.views.graph_pane import Mark
from onnx_workbench.views.graph_view import GraphView
from onnx_workbench.views.overlay import Overlay
from onnx_workbench.views.page import pair_page

if TYPE_CHECKING:
    import ipywidgets

    from onnx_workbench.views.widgets import GraphWidget


class PairView:
    """The graphs of two models, side by side: a node selected in one is selected in the other.

    Nodes that differ have a coloured border, nodes that stand on one side only a dashed one; ``n`` and the button
    "next difference" lead from one to the next.

    Attributes
    ----------
    left, right
        The two views; each can be searched, saved and coloured by itself.
    difference
        What is matched with what, and what differs. ``print(difference)`` tells the first of it.
    """

    def __init__(self, left: GraphView, right: GraphView) -> None:
        self.left, self.right = left, right
        self.difference: ModelDifference = model_difference(left.model, right.model)
        for number, side in enumerate((left, right)):
            side.pane.marks = self._marks(number)
        self._box: ipywidgets.Widget | None = None
        self._sides: tuple[GraphWidget, ...] = ()

    def _marks(self, side: int) -> dict[str, Mark]:
        """Return the marks of one side."""
        other = clean_text(self.difference.names[1 - side], limit=40)
        marks = {
            key: Mark("differs", _rows(change, side, other))
            for key, change in self.difference.changed_by_address[side].items()
        }
        only = (self.difference.only_left, self.difference.only_right)[side]
        return marks | {key: Mark("only", (["counterpart", f"none in {other}"],)) for key in only}

    def colour_left(self, overlays: tuple[Overlay, ...]) -> None:
        """Colour the left graph, and the right one by its counterparts' numbers."""
        to_left = self.difference.counterparts[1]
        self.left.pane.colour_by(overlays)
        moved = []
        for overlay in overlays:
            numbers = {key: overlay.numbers[left] for key, left in to_left.items() if left in overlay.numbers}
            if numbers:
                moved.append(Overlay(numbers, overlay.label, overlay.scale))
        self.right.pane.colour_by(tuple(moved))

    @property
    def widget(self) -> ipywidgets.Widget:
        """Both graphs in one box, for use in layouts of your own; a new one after ``widget.close()``.

        Raises
        ------
        MissingPackageError
            If the packages for notebooks are not installed.
        """
        require("anywidget", purpose="to show graphs that can be clicked", extra="notebook")
        sides = (self.left.widget, self.right.widget)
        if self._box is None or self._box.comm is None or sides != self._sides:
            self._box = self._boxed(sides)
        return self._box

    def _boxed(self, sides: tuple[GraphWidget, GraphWidget]) -> ipywidgets.Widget:
        """Return both graphs in one box; each that is new follows the other from now on."""
        import ipywidgets

        for number, side in enumerate(sides):
            if side not in self._sides:
                side.observe(lambda change, number=number: self._follow(number, change), names="selected")
                side.layout = ipywidgets.Layout(flex="1 1 390px", min_width="0")
        self._sides = sides
        return ipywidgets.VBox(
            [
                ipywidgets.HTML(f"<div>{escape(self._explanation, limit=400)}</div>"),
                ipywidgets.HBox(sides, layout=ipywidgets.Layout(flex_flow="row wrap", grid_gap="8px")),
            ]
        )

    @property
    def _explanation(self) -> str:
        """The headline, with what the borders mean."""
        difference = self.difference
        told = [difference.headline]
        if difference.changed:
            told.append("A coloured border: the node differs.")
        if difference.only_left or difference.only_right:
            told.append("A dashed border: it has no counterpart.")
        if not difference.weights_compared:
            told.append("Not all weights were read.")
        return " ".join(told)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write both graphs to one page that works without Jupyter; each still follows what is selected in the other.

        Parameters
        ----------
        path
            A name that ends in ``.html``; ``left.save`` and ``right.save`` write each graph by itself.

        Raises
        ------
        InputError
            If the ending is another one.
        """
        target = Path(path).expanduser()
        if target.suffix.lower() != ".html":
            raise InputError(
                f"Two graphs side by side can be saved as .html; got {clean_text(target.name)!r}. "
                "pair.left.save('left.svg') and pair.right.save('right.svg') write each as a picture."
            )
        sides = (self.left.page_parts(), self.right.page_parts())
        return write_atomic(target, pair_page(sides, self._explanation, self._counterpart_numbers()))

    def _counterpart_numbers(self) -> list[dict[int, int]]:
        """Return each side's nodes with their counterparts, by numbers."""
        models = (self.left.model, self.right.model)
        found: list[dict[int, int]] = []
        for side in (0, 1):
            pairs = [
                (models[side].producer(key), models[1 - side].producer(other))
                for key, other in self.difference.counterparts[side].items()
            ]
            found.append({node.index: other.index for node, other in pairs if node and other})
        return found

    def _follow(self, side: int, change: dict[str, Any]) -> None:
        """Select in the other graph the counterpart of what was selected in one."""
        panes = (self.left.pane, self.right.pane)
        widgets = (self.left.widget, self.right.widget)
        place = change["new"]
        boxes = panes[side].drawn.nodes
        if not 0 <= place < len(boxes):
            return
        box, model = boxes[place], panes[side].model
        if box.members:
            keys = [model.nodes[index].key for index in box.members]
            known = self.difference.counterparts[side]
            found = next((known[key] for key in keys if key in known), None)
            target = panes[1 - side].place_of_node(found) if found else -1
        else:
            others = enumerate(panes[1 - side].drawn.nodes)
            target = next((at for at, one in others if (one.kind, one.key) == (box.kind, box.key)), -1)
        shown = widgets[1 - side].selected
        # A counterpart that is selected already stays: it may be a box of which several nodes are the counterpart.
        if target >= 0 and target != shown and not self._leads_here(1 - side, shown, side, place):
            widgets[1 - side].selected = target

    def _leads_here(self, side: int, place: int, other: int, target: int) -> bool:
        """Tell whether what is selected on a side has what was just selected as its counterpart."""
        panes = (self.left.pane, self.right.pane)
        boxes = panes[side].drawn.nodes
        if not 0 <= place < len(boxes):
            return False
        known = self.difference.counterparts[side]
        keys = (panes[side].model.nodes[index].key for index in boxes[place].members)
        return any(panes[other].place_of_node(known[key]) == target for key in keys if key in known)

    def __str__(self) -> str:
        """Return what differs."""
        return f"{self.left.model.name} beside {self.right.model.name}: {self.difference}"

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: dict[str, Any] = {"text/plain": str(self)}
        try:
            displayed = self.widget._repr_mimebundle_()
        except MissingPackageError:
            return bundle, {}
        data, metadata = displayed if isinstance(displayed, tuple) else (displayed, {})
        return (data or {}) | bundle, metadata


def _rows(change: NodeDifference, side: int, other: str) -> tuple[list[str], ...]:
    return tuple(
        [f"≠ {what}", f"here: {sides[side]}; in {other}: {sides[1 - side]}"]
        for what, sides in change.differences.items()
    )
