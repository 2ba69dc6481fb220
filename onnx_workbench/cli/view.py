"""view: the graph as text, as a page, or in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from onnx_workbench.cli.options import Verbs, add_model, emit, graph_path
from onnx_workbench.core.errors import InputError


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add(
        "view", _view, "Print the graph as text, or write it as a page to look at in a browser."
    )
    add_model(parser)
    parser.add_argument(
        "--beside", metavar="OTHER", help="with another model: which nodes it has too, and what differs"
    )
    parser.add_argument("--browser", action="store_true", help="show it as a page in the browser")
    parser.add_argument("--output", type=Path, help="write to this file instead: .svg, .png, .html or .txt")


def _view(options: argparse.Namespace) -> None:
    import tempfile
    import webbrowser

    target = None if options.output is None else graph_path(options.output)
    if options.beside is not None and target is not None and target.suffix.lower() != ".html":
        raise InputError(
            f"Two graphs side by side are written as .html; got {target.name!r}. For pictures, write each by itself:  "
            "onnx-workbench export-graph MODEL TARGET.svg"
        )
    from onnx_workbench.views.pair_view import PairView
    from onnx_workbench.views.view import view

    shown = view(options.model) if options.beside is None else view(options.model, beside=options.beside)
    if target is None and not options.browser:
        facts = shown.difference.to_dict() if isinstance(shown, PairView) else {"text": shown.text()}
        emit(options, str(shown), facts)
        return
    if target is None:
        target = Path(tempfile.mkdtemp(prefix="onnx-workbench-")) / "graph.html"
    shown.save(target)
    if options.browser:
        webbrowser.open(target.absolute().as_uri())
    emit(options, f"Wrote {target}", {"written": str(target)})
