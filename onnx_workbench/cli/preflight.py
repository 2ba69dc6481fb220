"""preflight: whether a model will run here as it should."""

from __future__ import annotations

import argparse

from onnx_workbench.cli.options import Verbs, add_isolated, add_model, emit, isolated_or_here
from onnx_workbench.runtime import array_files
from onnx_workbench.sources.open import open_model


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add(
        "preflight",
        _preflight,
        "Versions, operators, batch sizes, optimisation, a sample: exit code 1 on findings.",
    )
    add_model(parser)
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME=FILE.npy",
        help="a real sample; or FILE.npz for all",
    )
    add_isolated(parser)


def _preflight(options: argparse.Namespace) -> int:
    from onnx_workbench.analysis.preflight import preflight

    model = open_model(options.model)
    inputs = array_files.read_feeds(model.inputs, options.input) if options.input else None
    found = preflight(isolated_or_here(options, model), inputs)
    emit(options, str(found), found.to_dict())
    return 0 if found else 1
