"""compare: which nodes make one model differ from another."""

from __future__ import annotations

import argparse
from pathlib import Path

from onnx_workbench.cli.options import Verbs, add_feeds, emit, given_feeds, target_path
from onnx_workbench.sources.open import open_model


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add(
        "compare",
        _compare,
        "Blame the nodes that make one model differ from another; exit code 1 if there are any.",
    )
    parser.add_argument("model", help="what is checked")
    parser.add_argument("expected", help="what it is checked against")
    add_feeds(parser)
    parser.add_argument(
        "--replay", metavar="FOLDER", help="write the smallest piece that shows the first fault"
    )
    parser.add_argument(
        "--node-data", type=Path, metavar="FILE.json", help="write the errors for Model Explorer"
    )


def _compare(options: argparse.Namespace) -> int:
    """Print the comparison; the exit code tells whether the models agree."""
    from onnx_workbench.analysis.comparison import compare
    from onnx_workbench.analysis.node_data import save_node_data

    node_data = None if options.node_data is None else target_path(options.node_data)
    model, expected = open_model(options.model), open_model(options.expected)
    found = compare(model, expected, given_feeds(options, model.inputs))
    if node_data is not None:
        save_node_data(node_data, found.overlays, model)
    if options.replay is not None and found.blamed:
        found.replay(options.replay)
    emit(options, str(found), found.to_dict())
    return int(not found)
