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
        "--beside", metavar="OTHER", help="tell which nodes another model has too, and what differs"
    )
    parser.add_argument("--browser", action="store_true", help="show it as a page in the browser")
    parser.add_argument("--output", type=Path, help="write to this file instead: .svg, .png, .html or .txt")


def _view(options: argparse.Namespace) -> None:
    import tempfile
    import webbrowser

    target = None if options.output is None else graph_path(options.output)
    from onnx_workbench.views.view import view

    if options.beside is not None:
        if target is not None or options.browser:
            raise InputError("--beside prints what differs; a picture or page shows one model: leave it out.")
        pair = view(options.model, beside=options.beside)
        emit(options, str(pair), pair.difference.to_dict())
        return
    drawing = view(options.model)
    if options.output is None and not options.browser:
        emit(options, str(drawing), {"text": drawing.text()})
        return
    if target is None:
        target = Path(tempfile.mkdtemp(prefix="onnx-workbench-")) / f"{drawing.model.name}.html"
    drawing.save(target)
    if options.browser:
        webbrowser.open(target.absolute().as_uri())
    emit(options, f"Wrote {target}", {"written": str(target)})
