"""One model as it is drawn now: its boxes, the numbers that colour them, and the arrays behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from onnx_workbench.core.errors import NameNotFoundError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance import ModulePath
from onnx_workbench.views.drawn_graph import DrawnGraph, DrawnNode, draw_by_module, draw_whole, drawn_nodes
from onnx_workbench.views.module_frames import ModuleFrame, module_frames
from onnx_workbench.views.modules import Folding, module_paths
from onnx_workbench.views.node_details import node_details
from onnx_workbench.views.overlay import Overlay, PaintedOverlay, check_overlay, paint
from onnx_workbench.views.value_details import value_details
from onnx_workbench.views.value_source import ValueSource
from onnx_workbench.views.widget_state import graph_state, modules_state, overlay_state


@dataclass(frozen=True)
class Mark:
    """Why a node is marked: ``"differs"`` or ``"only"`` (it has no counterpart), and the rows that tell it."""

    kind: str
    rows: tuple[list[str], ...]


LARGEST_OPEN = 300
"""Graphs of more nodes begin with their modules closed, as their pictures do."""

FIRST_BOXES = 60


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
    marks
        What is odd about nodes, by their addresses: each is drawn with a mark, and told in the panel.
    folded
        Whether modules are drawn, closed ones as one box and open ones with a frame; else every node is a box.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.overlays: tuple[Overlay, ...] = ()
        self.source: ValueSource | None = None
        self.marks: Mapping[str, Mark] = {}
        self.folded = False

    @cached_property
    def drawn(self) -> DrawnGraph:
        """The boxes, with positions."""
        return draw_by_module(self.model, self.folding.groups()) if self.folded else draw_whole(self.model)

    @cached_property
    def frames(self) -> tuple[list[ModuleFrame], list[int]]:
        """The frames of open modules, and each box's innermost."""
        return module_frames(self.drawn, self.folding) if self.folded else ([], [])

    @cached_property
    def folding(self) -> Folding:
        """Which modules are open, when modules are drawn."""
        nodes = drawn_nodes(self.model)
        folding = Folding({node.index: path for node, path in zip(nodes, module_paths(nodes), strict=True)})
        folding.open_few(FIRST_BOXES)
        return folding

    def begin_folded(self, collapsed: bool | None) -> None:
        """Choose how to begin; None closes the modules of large graphs."""
        large = len(self.model.nodes) > LARGEST_OPEN
        self.folded = bool(self.folding.modules) if collapsed or (collapsed is None and large) else False

    def open(self, path: ModulePath | None) -> None:
        """Open a module and all around it; None opens every module, and draws none."""
        if path is None:
            self.folded = False
        else:
            self.folded = True
            self.folding.open(path)
        self._draw_anew()

    def close(self, path: ModulePath | None) -> None:
        """Close a module and all within it; None closes as many as a large graph begins with."""
        if path is None:
            self.folding.open_few(FIRST_BOXES)
        else:
            if not self.folded:
                self.folding.open_all()
            self.folding.close(path)
        self.folded = bool(self.folding.modules)
        self._draw_anew()

    def reveal(self, node: int) -> None:
        """Open the modules around a node, given by its number in the model."""
        if self.folded:
            self.folding.reveal(node)
            self._draw_anew()

    def module_of(self, place: int) -> ModulePath | None:
        """Return the closed module that a box stands for; None for other boxes."""
        box = self.drawn.nodes[place]
        return self.folding.groups().get(box.members[0]) if box.kind == "module" else None

    def module_named(self, name: str) -> ModulePath:
        """Return a module by the last part of its path, or by the whole path with slashes.

        Raises
        ------
        NameNotFoundError
            If none has the name, or several.
        """
        modules = self.folding.modules
        found = [path for path in modules if "/".join(path) == name] or [
            path for path in modules if path[-1] == name
        ]
        if len(found) == 1:
            return found[0]
        known = [clean_text("/".join(path), limit=60) for path in (found or modules)]
        shown = ", ".join(map(repr, known[:6])) + ", …" * (len(known) > 6)
        which = "Several modules are" if found else "No module of several nodes is"
        raise NameNotFoundError(
            f"{which} named {clean_text(name, limit=60)!r}. "
            + (
                f"Give one of: {shown}."
                if known
                else "The file does not tell which modules its nodes are of."
            )
        )

    def place_after(self, box: DrawnNode) -> int:
        """Return the box that now shows what a box of an earlier drawing showed; -1 for none."""
        for place, now in enumerate(self.drawn.nodes):
            if now.members and box.members and box.members[0] in now.members:
                return place
            if not box.members and (now.kind, now.key) == (box.kind, box.key):
                return place
        return -1

    def with_all_open(self) -> GraphPane:
        """Return another pane with the same model, numbers and marks, in which every module is open, in its frame."""
        pane = GraphPane(self.model)
        pane.overlays, pane.marks = self.overlays, self.marks
        pane.folding.open_all()
        pane.folded = bool(pane.folding.modules)
        return pane

    def _draw_anew(self) -> None:
        for name in ("drawn", "frames"):
            self.__dict__.pop(name, None)

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
        frames, innermost = self.frames
        return graph_state(self.drawn, self.model) | {
            "foldable": bool(self.folding.modules),
            **modules_state(self.drawn, self.model, frames, innermost),
            "marks": [marks[0].kind if marks else "" for marks in map(self._marks_of, self.drawn.nodes)],
            "told": {
                str(place): rows for place, box in enumerate(self.drawn.nodes) if (rows := self._told(box))
            },
        }

    def _marks_of(self, box: DrawnNode) -> list[Mark]:
        """Return the marks of the nodes in a box; the first is drawn."""
        keys = (self.model.nodes[index].key for index in box.members)
        return [self.marks[key] for key in keys if key in self.marks]

    def _told(self, box: DrawnNode) -> list[list[str]]:
        """Return what is told of a box's marks."""
        marks = self._marks_of(box)
        return (
            list(marks[0].rows)
            if len(marks) == 1
            else [["differences", f"{len(marks):,} of its nodes"]] * bool(marks)
        )

    def place_of_node(self, key: str) -> int:
        """Return the box that shows a node, by its address; -1 for none."""
        node = self.model.producer(key)
        if node is None:
            return -1
        places = (place for place, box in enumerate(self.drawn.nodes) if node.index in box.members)
        return next(places, -1)

    def overlay_state(self) -> dict[str, Any]:
        """Return the overlays for the browser."""
        return overlay_state(self.painted())

    def details(self, place: int, asked: dict[str, Any]) -> dict[str, Any]:
        """Return what the panel shows of a box; `asked` says which of its values, and how to look at it."""
        box = self.drawn.nodes[place]
        value = value_details(self.model, box, self.source, asked) if self.source else None
        details = node_details(self.model, place, box) | {"value": value}
        details["rows"] = [*self._told(box), *details["rows"]]
        return details
