"""trace: the measure of every value of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from onnx_workbench.cli.options import (
    Verbs,
    add_feeds,
    add_isolated,
    add_model,
    emit,
    given_feeds,
    isolated_or_here,
    target_path,
)
from onnx_workbench.core.errors import InputError
from onnx_workbench.core.files import write_atomic
from onnx_workbench.runtime import array_files
from onnx_workbench.sources.open import open_model


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add(
        "trace", _trace, "Measure every value of a run; exit code 1 if one is NaN or infinite."
    )
    add_model(parser)
    add_feeds(parser)
    add_isolated(parser)
    parser.add_argument(
        "--keep", action="append", default=[], metavar="VALUE", help="a value to write to --output"
    )
    parser.add_argument("--output", type=Path, metavar="FILE.npz", help="write the values kept")
    parser.add_argument("--stop-after", metavar="VALUE", help="compute no further than this value")


def _trace(options: argparse.Namespace) -> int:
    """Print the trace; the exit code tells whether all is finite."""
    from onnx_workbench.analysis.tracing import trace

    if options.keep and options.output is None:
        raise InputError("--keep says which values to write: name the file with  --output FILE.npz")
    if options.output is not None and not options.keep:
        raise InputError("--output writes the values kept: name one or more with  --keep VALUE")
    target = None if options.output is None else target_path(options.output)
    model = open_model(options.model)
    feeds = given_feeds(options, model)
    traced = isolated_or_here(options, model, optimisation="none")
    found = trace(traced, feeds, keep=options.keep, stop_after=options.stop_after)
    if target is not None:
        write_atomic(target, array_files.npz(dict(found.arrays)))
    emit(options, str(found), found.to_dict())
    stopped = not found.complete and options.stop_after is None
    return int(found.first_not_finite is not None or stopped)
