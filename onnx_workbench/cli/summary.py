"""summary: what a model holds."""

from __future__ import annotations

import argparse

from onnx_workbench.cli.options import Verbs, add_dimension, add_model, dimensions, emit


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add("summary", _summary, "Operators, parameters, MACs, shapes, memory and versions.")
    add_model(parser)
    add_dimension(parser)


def _summary(options: argparse.Namespace) -> None:
    from onnx_workbench.analysis.summary import summarize

    found = summarize(options.model, dimensions=dimensions(options))
    emit(options, str(found), found.to_dict())
