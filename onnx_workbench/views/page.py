"""The graph as one HTML page that needs no Jupyter, no server and no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
<title>Graph of {title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; }}
.ow-graph {{ height: 100vh !important; border: 0 !important; border-radius: 0 !important; }}
{style}
</style>
</head>
<body>
<div id="graph"></div>
<noscript>{picture}</noscript>
<script type="application/json" id="state">{state}</script>
<script type="module">
{script}
{drawings}
const model = savedModel(JSON.parse(document.getElementById("state").textContent));
render({{ model, el: document.getElementById("graph") }});
</script>
</body>
</html>
"""


def page(pane: GraphPane, picture: str, chosen: Mapping[str, Any]) -> str:
    """Return the page: modules are closed as they are now, and a click on one shows every node.

    Nobody lays a graph out in a page without Python: it holds two drawings, and goes from one to the other.

    `picture` is the SVG that stands in where scripts do not run; `chosen` is what the reader of the widget has
    chosen: the overlay, its scale, the selected box, and what the kernel told of it.
    """
    drawings = [_drawing(pane, foldable=pane.folded)]
    if pane.folded:
        drawings.append(_drawing(pane.with_all_open(), foldable=True, notice=_ALL_OPEN))
    state = {"height": 600, "drawings": drawings, **chosen}
    return _PAGE.format(
        title=escape(pane.drawn.name),
        style=style("graph"),
        script=script("graph"),
        drawings=script("page", "drawings"),
        # Inside a script element only "<" can end the element; JSON lets it be written otherwise.
        state=json.dumps(state).replace("<", "\\u003c"),
        picture=picture,
    )


_ALL_OPEN = "Every module is open: a page without Python shows all of them so, or as they were saved."


def _drawing(pane: GraphPane, **changed: object) -> dict[str, Any]:
    return {
        "graph": pane.graph_state() | changed,
        "overlays": pane.overlay_state(),
        "members": [list(box.members) for box in pane.drawn.nodes],
    }
