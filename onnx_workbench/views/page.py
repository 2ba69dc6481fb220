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
const state = JSON.parse(document.getElementById("state").textContent);
const heard = new EventTarget();
const model = {{
  get: (name) => state[name],
  set: (name, value) => {{
    state[name] = value;
    heard.dispatchEvent(new Event(`change:${{name}}`));
  }},
  save_changes: () => {{}},
  send: () => {{}},
  on: (name, listener) => heard.addEventListener(name, listener),
  off: (name, listener) => heard.removeEventListener(name, listener),
}};
render({{ model, el: document.getElementById("graph") }});
</script>
</body>
</html>
"""


def page(pane: GraphPane, picture: str, chosen: Mapping[str, Any]) -> str:
    """Return the page.

    `picture` is the SVG that stands in where scripts do not run; `chosen` is what the reader of the widget has
    chosen: the overlay, its scale, the selected box, and what the kernel told of it.
    """
    state = {
        "graph": pane.graph_state() | {"foldable": False},  # without Python nothing opens or closes modules
        "overlays": pane.overlay_state(),
        "height": 600,
        **chosen,
    }
    return _PAGE.format(
        title=escape(pane.drawn.name),
        style=style("graph"),
        script=script("graph"),
        # Inside a script element only "<" can end the element; JSON lets it be written otherwise.
        state=json.dumps(state).replace("<", "\\u003c"),
        picture=picture,
    )
