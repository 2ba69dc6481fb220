"""compare: which nodes make one model differ from another."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from onnx_workbench.cli.options import Verbs, add_feeds, emit, given_feeds, target_path
from onnx_workbench.core.model import Model
from onnx_workbench.runtime.backends import OPTIMISATIONS
from onnx_workbench.runtime.session import Session
from onnx_workbench.sources.open import open_model

if TYPE_CHECKING:
    from onnx_workbench.analysis.comparison import Comparison


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add(
        "compare",
        _compare,
        "Blame the nodes that make one model differ from another; exit code 1 if there are any.",
    )
    parser.add_argument("model", metavar="MODEL", help="what is checked")
    parser.add_argument(
        "expected",
        metavar="EXPECTED",
        nargs="?",
        help="what it is checked against; left out, the model itself",
    )
    add_feeds(parser)
    parser.add_argument(
        "--optimisation",
        choices=list(OPTIMISATIONS),
        help="check the graph that onnxruntime makes of the model, kernel by kernel",
    )
    parser.add_argument(
        "--backend",
        choices=["onnxruntime", "reference"],
        default="onnxruntime",
        help="who computes what is expected: onnxruntime, or ONNX's reference evaluator",
    )
    parser.add_argument(
        "--isolated", action="store_true", help="each in a process of its own, which may crash"
    )
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
    model = open_model(options.model)
    expected = model if options.expected is None else open_model(options.expected)
    found = compare(*_sides(options, model, expected), given_feeds(options, model))
    if node_data is not None:
        save_node_data(node_data, found.overlays, model)
    if options.replay is not None:
        _replay(found, options.replay)
    emit(options, str(found), found.to_dict())
    return int(not found)


def _replay(found: Comparison, folder: str) -> None:
    """Write the first fault; say on the error stream where it lies, or that there is none."""
    if found.blamed:
        print(f"onnx-workbench: Wrote {found.replay(folder)}", file=sys.stderr)
    else:
        print("onnx-workbench: Nobody is to blame, so that there is nothing to replay.", file=sys.stderr)


def _sides(options: argparse.Namespace, model: Model, expected: Model) -> tuple[object, object]:
    """Return both sides as they were asked for."""
    isolated = options.isolated
    checked = options.optimisation is not None or isolated
    tested = (
        Session(model, optimisation=options.optimisation or "none", isolated=isolated) if checked else model
    )
    if options.backend == "reference":
        return tested, Session(expected, backend="reference", isolated=isolated)
    return tested, Session(expected, optimisation="none", isolated=True) if isolated else expected
