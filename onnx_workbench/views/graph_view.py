"""GraphView: the graph of a model in the cell, as a file, or as text."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from onnx_workbench.core.errors import InputError, MissingPackageError, NameNotFoundError, require
from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.formatting import clean_text, text_table
from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance import ModulePath
from onnx_workbench.views import figures
from onnx_workbench.views.drawn_graph import DrawnGraph, draw_small, draw_whole
from onnx_workbench.views.graph_pane import GraphPane
from onnx_workbench.views.overlay import HasOverlays, Numbers, overlays_from, paint
from onnx_workbench.views.page import page
from onnx_workbench.views.picture import Picture
from onnx_workbench.views.value_details import values_leaving
from onnx_workbench.views.value_source import ComputedValues, GivenValues

if TYPE_CHECKING:
    from onnx_workbench.analysis.tracing import Trace
    from onnx_workbench.views.netron_frame import NetronFrame
    from onnx_workbench.views.widgets import GraphWidget

LARGEST_WHOLE_PICTURE = 300
LARGEST_SAVED_BYTES = 250_000
LARGEST_PNG_BESIDE = 120
_TEXT_LINES = 40


class GraphView:
    """The graph of a model, drawn once: interactive in a notebook, and as SVG, PNG, HTML or text."""

    def __init__(self, model: Model, *, height: int, collapsed: bool | None = None) -> None:
        self.model, self.height = model, height
        self.pane = GraphPane(model)
        self.pane.begin_folded(collapsed)
        self._widget: GraphWidget | None = None

    @property
    def drawn(self) -> DrawnGraph:
        """The boxes as they are drawn now, with positions."""
        return self.pane.drawn

    @property
    def widget(self) -> GraphWidget:
        """The interactive graph, for use in layouts of your own; a new one after ``widget.close()``.

        Raises
        ------
        MissingPackageError
            If the packages for notebooks are not installed.
        """
        require("anywidget", purpose="to show a graph that can be clicked", extra="notebook")
        from onnx_workbench.views.widgets import GraphWidget

        if self._shown_widget is None:
            self._widget = GraphWidget(self.pane, height=self.height)
        return cast("GraphWidget", self._widget)

    @property
    def _shown_widget(self) -> GraphWidget | None:
        """The widget, if there is one that was not closed."""
        return None if self._widget is None or self._widget.is_closed else self._widget

    def netron(self) -> NetronFrame:
        """Return the same model in Netron, as a second view in the notebook.

        It is served by the Jupyter server that shows the notebook, behind its login: no other port or host.

        Raises
        ------
        MissingPackageError
            If the packages for notebooks are not installed.
        """
        from onnx_workbench.views.netron_view import netron_view

        return netron_view(self.model, height=self.height)

    def svg(self, *, whole: bool = False) -> str:
        """Return the picture as SVG text, of 250 KB at most.

        Graphs of more than 300 nodes are drawn by module if the file tells the modules, and cut otherwise; the
        picture says so. With `whole`, every node is drawn, whatever the size.
        """
        if whole:
            return figures.svg(self._picture(draw_whole(self.model)))
        limit = LARGEST_WHOLE_PICTURE
        while len((text := figures.svg(self._small_picture(limit))).encode()) > LARGEST_SAVED_BYTES:
            limit //= 2
        return text

    def text(self) -> str:
        """Return the model in ONNX's own text form."""
        return self.model.text()

    def select(self, value_name: str) -> None:
        """Select the node that writes a value, as a click would; closed modules around it are opened.

        Raises
        ------
        NameNotFoundError
            If no box of the graph writes it.
        """
        place = self.pane.place_of(value_name)
        writer = self.model.producer(value_name)
        if place is not None and writer and self.pane.drawn.nodes[place].kind == "module":
            self.pane.reveal(writer.index)
            self._show_modules(place)
            place = self.pane.place_of(value_name)
        if place is None:
            raise NameNotFoundError(
                f"No node of the graph writes {clean_text(str(value_name))!r}; model.values lists the names of all."
            )
        self.widget.selected = place

    def expand(self, *modules: str) -> None:
        """Open modules, so that what they hold is drawn; with no name, all of them.

        Parameters
        ----------
        modules
            Names of modules (``"layer1.0"``), or their whole paths with slashes (``"layer1/layer1.0"``).

        Raises
        ------
        NameNotFoundError
            If no module of several nodes is so named, or several are.
        """
        for path in self._modules_named(modules):
            self.pane.open(path)
        self._show_modules()

    def collapse(self, *modules: str) -> None:
        """Close modules, so that each is one box; with no name, as many as a large graph begins with.

        Parameters
        ----------
        modules
            Names of modules, as for `expand`.

        Raises
        ------
        NameNotFoundError
            If no module of several nodes is so named, or several are.
        """
        for path in self._modules_named(modules):
            self.pane.close(path)
        self._show_modules()

    def _modules_named(self, names: Sequence[str]) -> list[ModulePath | None]:
        """Return modules by their names; None stands for all."""
        return [self.pane.module_named(name) for name in names] or [None]

    def _show_modules(self, anchor: int = -1) -> None:
        if shown := self._shown_widget:
            shown.draw_anew(anchor)

    def overlay(
        self,
        numbers: Numbers | Mapping[str, Numbers] | HasOverlays | None,
        *,
        label: str = "",
        scale: str = "linear",
    ) -> None:
        """Colour the nodes by other numbers, in the cells that show the graph already; None takes colours off.

        Parameters
        ----------
        numbers
            One overlay (value name to number), several by their labels, or a result that offers them, such as a
            profile; the first is shown, and the reader of the widget chooses among them.
        label
            What the numbers of a single overlay are, with their unit.
        scale
            ``"linear"`` or ``"log"``; the reader may change it.

        Raises
        ------
        InputError
            If an overlay has no number for any value of the graph, or is no mapping from names to numbers.
        """
        changed = () if numbers is None else overlays_from(numbers, label=label, scale=scale)
        self.pane.colour_by(changed)
        if shown := self._shown_widget:
            shown.show_overlays()

    def values(self, values: Mapping[str, Any] | Trace | None) -> None:
        """Show other arrays at a click, by the names of the values that they are; None shows none any more.

        Raises
        ------
        InputError
            If no name is a value of the graph, or something cannot become an array.
        """
        self.pane.source = None if values is None else GivenValues(self.model, values)

    def inputs(self, inputs: object) -> None:
        """Show at a click the values of a run on these inputs, as for ``run``; each is computed when it is asked for.

        Raises
        ------
        InputError
            If the inputs do not fit the model.
        """
        self.pane.source = ComputedValues(self.model, inputs)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the graph to a file, whole or not at all; the ending of its name chooses the form.

        Parameters
        ----------
        path
            ``.svg`` or ``.png`` for a picture, ``.html`` for a page that works without Jupyter, ``.txt`` for
            ONNX's text form.

        Raises
        ------
        InputError
            If the ending is another one.
        """
        target = Path(path).expanduser()
        forms: dict[str, Callable[[], str | bytes]] = {
            ".svg": self.svg,
            ".png": lambda: figures.png(self._small_picture(LARGEST_WHOLE_PICTURE)),
            ".html": lambda: page(*self.page_parts()),
            ".txt": self.text,
        }
        form = forms.get(target.suffix.lower())
        if form is None:
            raise InputError(
                f"A graph cannot be saved as {target.name!r}: the name may end in {', '.join(forms)}."
            )
        return write_atomic(target, form())

    def page_parts(self) -> tuple[GraphPane, str, dict[str, Any]]:
        """Return what a page shows: the graph, its picture where scripts do not run, and what the reader chose."""
        return self.pane, self.svg(), self._chosen()

    def _chosen(self) -> dict[str, Any]:
        """Return what is chosen to be seen, by the reader of the widget if there is one."""
        if widget := self._shown_widget:
            return widget.chosen()
        shown, scale = (0, self.pane.overlays[0].scale) if self.pane.overlays else (-1, "linear")
        return {"overlay_shown": shown, "overlay_scale": scale, "selected": -1, "details": {}}

    def _picture(self, graph: DrawnGraph) -> Picture:
        chosen = self._chosen()
        frames = tuple(self.pane.frames[0]) if graph is self.drawn else ()
        if not 0 <= chosen["overlay_shown"] < len(self.pane.overlays):
            return Picture(graph, frames=frames)
        overlay = replace(self.pane.overlays[chosen["overlay_shown"]], scale=chosen["overlay_scale"])
        return Picture(graph, paint(overlay, graph.nodes, self.model), frames)

    def _small_picture(self, limit: int) -> Picture:
        few = self.pane.folded or len(self.model.nodes) <= limit
        fits = few and len(self.drawn.nodes) <= 2 * limit
        return self._picture(self.drawn if fits else draw_small(self.model, limit))

    def _png_beside(self) -> dict[str, str]:
        """Return the picture that JupyterLab shows in notebooks it does not trust; it hides SVG and widgets there.

        Large graphs go without: drawing them would keep the cell waiting.
        """
        if len(self.drawn.nodes) > LARGEST_PNG_BESIDE:
            return {}
        try:
            picture = figures.small_png(self._picture(self.drawn))
        except MissingPackageError:
            return {}
        return {"image/png": base64.b64encode(picture).decode("ascii")}

    def __str__(self) -> str:
        """Return the graph as lines: each node with what it reads and writes; long graphs are cut."""
        picture = Picture(self.drawn)
        shown = self.drawn.nodes[:_TEXT_LINES]
        read: dict[int, list[str]] = {}
        for edge in self.drawn.edges:
            read.setdefault(edge.target, []).extend(edge.values)
        written = [
            values_leaving(self.model, node) if node.kind == "module" else node.values for node in shown
        ]
        rows = [
            [place, node.title, node.line, ", ".join(read.get(place, ())), ", ".join(written[place])]
            for place, node in enumerate(shown)
        ]
        table = text_table(rows, header=("", "box", "", "reads", "writes"), right="r")
        rest = len(self.drawn.nodes) - _TEXT_LINES
        return f"Graph of {picture.caption}\n{table}" + f"\n… and {rest:,} more" * (rest > 0)

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return widget, picture and text at once: each reader takes the best it can show."""
        bundle: dict[str, Any] = {"text/plain": str(self), "image/svg+xml": self.svg(), **self._png_beside()}
        metadata: dict[str, Any] = {}
        try:
            displayed = self.widget._repr_mimebundle_()
        except MissingPackageError:
            displayed = None
        if displayed:
            data, metadata = displayed
            bundle = data | bundle
        return bundle, metadata
