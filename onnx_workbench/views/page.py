"""The graph as one HTML page that needs no Jupyter, no server and no network."""

from __future__ import annotations

import json
from collections.abc import Sequence

from onnx_workbench.core.formatting import escape
from onnx_workbench.core.model import Model
from onnx_workbench.views.drawn_graph import DrawnGraph
from onnx_workbench.views.overlay import PaintedOverlay
from onnx_workbench.views.static_files import script, style
from onnx_workbench.views.widget_state import graph_state, overlay_state

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
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
const state = JSON.parse(document.getElementById("state").textContent);
const heard = new EventTarget();
const model = {{
  get: (name) => state[name],
  set: (name, value) => {{
    state[name] = value;
    heard.dispatchEvent(new Event(`change:${{name}}`));
  }},
  save_changes: () => {{}},
  on: (name, listener) => heard.addEventListener(name, listener),
  off: (name, listener) => heard.removeEventListener(name, listener),
}};
render({{ model, el: document.getElementById("graph") }});
</script>
</body>
</html>
"""


def page(
    model: Model,
    drawn: DrawnGraph,
    overlays: Sequence[PaintedOverlay],
    choice: tuple[int, str],
    picture: str,
) -> str:
    """Return the page; `picture` is the SVG that stands in where scripts do not run."""
    state = {
        "graph": graph_state(drawn, model),
        "overlays": overlay_state(overlays),
        "overlay_shown": choice[0],
        "overlay_scale": choice[1],
        "selected": -1,
        "details": {},
        "height": 600,
    }
    return _PAGE.format(
        title=escape(drawn.name),
        style=style("graph"),
        script=script("graph"),
        # Inside a script element only "<" can end the element; JSON lets it be written otherwise.
        state=json.dumps(state).replace("<", "\\u003c"),
        picture=picture,
    )
