"""A graph, or two side by side, as one HTML page that needs no Jupyter, no server and no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from onnx_workbench.core.formatting import escape
from onnx_workbench.views.graph_pane import GraphPane
from onnx_workbench.views.static_files import script, style

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ display: flex; flex-direction: column; height: 100vh; margin: 0; }}
#explanation {{ padding: 6px 12px; font: 12px/1.4 system-ui, sans-serif; }}
#graphs {{ display: flex; flex: 1 1 auto; gap: 6px; min-height: 0; }}
#graphs > div {{ flex: 1 1 0; min-width: 0; }}
.ow-graph {{ height: 100% !important; border: 0 !important; border-radius: 0 !important; }}
{style}
</style>
</head>
<body>
{explanation}
<div id="graphs"></div>
<noscript>{pictures}</noscript>
<script type="application/json" id="state">{state}</script>
<script type="module">
{script}
{page_script}
showGraphs(JSON.parse(document.getElementById("state").textContent), document.getElementById("graphs"), render);
</script>
</body>
</html>
"""


Counterparts = Sequence[Mapping[int, int]]
"""For each of two models, the nodes with the other's that they match, by their numbers."""


def page(pane: GraphPane, picture: str, chosen: Mapping[str, Any]) -> str:
    """Return the page: modules are closed as they are now, and a click on one shows every node.

    Nobody lays a graph out in a page without Python: it holds two drawings, and goes from one to the other.

    `picture` is the SVG that stands in where scripts do not run; `chosen` is what the reader of the widget has
    chosen: the overlay, its scale, the selected box, and what the kernel told of it.
    """
    return _page(f"Graph of {pane.drawn.name}", [_state(pane, chosen)], [picture])


def pair_page(
    sides: Sequence[tuple[GraphPane, str, Mapping[str, Any]]], explanation: str, counterparts: Counterparts
) -> str:
    """Return a page with two graphs, each given as for `page`: what is selected in one is selected in the other."""
    title = " beside ".join(pane.drawn.name for pane, _, _ in sides)
    graphs = [_state(pane, chosen) for pane, _, chosen in sides]
    return _page(title, graphs, [picture for _, picture, _ in sides], explanation, counterparts)


def _page(
    title: str,
    graphs: Sequence[dict[str, Any]],
    pictures: Sequence[str],
    explanation: str = "",
    counterparts: Counterparts = (),
) -> str:
    state = {"graphs": graphs, "counterparts": [dict(known) for known in counterparts]}
    told = f'<div id="explanation">{escape(explanation, limit=400)}</div>' if explanation else ""
    return _PAGE.format(
        title=escape(title, limit=200),
        style=style("graph"),
        script=script("graph"),
        page_script=script("page", "graphs"),
        # Inside a script element only "<" can end the element; JSON lets it be written otherwise.
        state=json.dumps(state).replace("<", "\\u003c"),
        explanation=told,
        pictures="".join(pictures),
    )


def _state(pane: GraphPane, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what one graph of the page is drawn from."""
    drawings = [_drawing(pane, foldable=pane.folded)]
    if pane.folded:
        drawings.append(_drawing(pane.with_all_open(), foldable=True, notice=_ALL_OPEN))
    return {"height": 600, "drawings": drawings, **chosen}


_ALL_OPEN = "Every module is open: a page without Python shows all of them so, or as they were saved."


def _drawing(pane: GraphPane, **changed: object) -> dict[str, Any]:
    return {
        "graph": pane.graph_state() | changed,
        "overlays": pane.overlay_state(),
        "members": [list(box.members) for box in pane.drawn.nodes],
    }
