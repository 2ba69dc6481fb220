"""run: arrays in, arrays out."""

from __future__ import annotations

import argparse
from pathlib import Path

from onnx_workbench.cli.options import Verbs, add_feeds, add_isolated, add_model, emit, feeds_of, target_path
from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.formatting import text_table
from onnx_workbench.runtime import array_files
from onnx_workbench.sources.open import open_model


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add(
        "run", _run, "Run once on arrays from files, or on random ones, and print the outputs."
    )
    add_model(parser)
    add_feeds(parser)
    add_isolated(parser)
    parser.add_argument("--output", type=Path, metavar="FILE.npz", help="write the outputs")


def _run(options: argparse.Namespace) -> None:
    from onnx_workbench.runtime.session import Session

    target = None if options.output is None else target_path(options.output)
    model = open_model(options.model)
    feeds = feeds_of(options, model)
    outputs = array_files.without_sequences(Session(model, isolated=options.isolated).run(feeds))
    if target is not None:
        write_atomic(target, array_files.npz(outputs))
    rows = [array_files.statistics(name, array) for name, array in outputs.items()]
    header = ("output", "dtype", "shape", "min", "max", "mean", "NaN")
    text = text_table([tuple(row.values()) for row in rows], header=header)
    emit(options, text, {"outputs": rows})
