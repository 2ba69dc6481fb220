"""profile: where the time of a run goes."""

from __future__ import annotations

import argparse
from pathlib import Path

from onnx_workbench.cli.options import (
    Verbs,
    add_dimension,
    add_isolated,
    add_model,
    dimensions,
    emit,
    isolated_or_here,
    target_path,
)
from onnx_workbench.runtime import array_files
from onnx_workbench.runtime.plausible_inputs import plausible_feeds
from onnx_workbench.sources.open import open_model


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add(
        "profile", _profile, "Say where the time and the memory of a run go, on the model's own nodes."
    )
    add_model(parser)
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=FILE.npy", help="an input; or FILE.npz for all"
    )
    parser.add_argument("--random", type=int, default=0, metavar="SEED", help="random inputs of another seed")
    add_dimension(parser)
    add_isolated(parser)
    parser.add_argument("--repeat", type=int, default=10, metavar="RUNS", help="measured runs")
    parser.add_argument("--warmup", type=int, default=1, metavar="RUNS", help="runs before, beside the first")
    parser.add_argument("--threads", type=int, help="threads within one operator; 0 for all cores")
    parser.add_argument("--from-trace", metavar="FILE.json", help="read onnxruntime's profile, run nothing")
    parser.add_argument("--trace", type=Path, metavar="FILE.json", help="write a run for Perfetto or Chrome")
    parser.add_argument(
        "--node-data", type=Path, metavar="FILE.json", help="write the times for Model Explorer"
    )


def _profile(options: argparse.Namespace) -> None:
    from onnx_workbench.analysis.node_data import save_node_data
    from onnx_workbench.runtime.profiling import profile

    trace = None if options.trace is None else target_path(options.trace)
    node_data = None if options.node_data is None else target_path(options.node_data)
    model = open_model(options.model)
    if options.input:
        feeds = array_files.read_feeds(model.inputs, options.input)
    elif options.from_trace is None or options.dimension:
        feeds = plausible_feeds(model, seed=options.random, sizes=dimensions(options))
    else:
        feeds = None
    found = profile(
        isolated_or_here(options, model),
        feeds,
        repeat=options.repeat,
        warmup=options.warmup,
        threads=options.threads,
        from_trace=options.from_trace,
    )
    if trace is not None:
        found.save(trace)
    if node_data is not None:
        save_node_data(node_data, found.overlays, model)
    emit(options, str(found), found.to_dict())
