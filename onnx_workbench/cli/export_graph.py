"""export-graph: the graph as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from onnx_workbench.cli.options import GRAPH_SUFFIXES, Verbs, add_model, emit, graph_path


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add(
        "export-graph", _export_graph, f"Write the graph's picture: {', '.join(GRAPH_SUFFIXES)}."
    )
    add_model(parser)
    parser.add_argument("target", metavar="TARGET", type=Path, help="the picture to write")


def _export_graph(options: argparse.Namespace) -> None:
    from onnx_workbench.views.view import view

    target = graph_path(options.target)
    view(options.model).save(target)
    emit(options, f"Wrote {target}", {"written": str(target)})
