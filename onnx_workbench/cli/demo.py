"""demo: the full flow on the built-in data."""

from __future__ import annotations

import argparse
from pathlib import Path

from onnx_workbench.cli.options import Verbs, emit


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add("demo", _demo, "Train, export, check, reload and classify, on road signs drawn here.")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder for what it writes")
    parser.add_argument("--threads", type=int, help="threads for training and running (default: all cores)")


def _demo(options: argparse.Namespace) -> None:
    from onnx_workbench.demo import run_demo

    report = run_demo(options.output, threads=options.threads, quiet=options.json)
    emit(options, report.closing(), report.to_dict())
