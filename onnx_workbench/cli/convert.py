"""convert: any model that can be opened, as one sound ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path

from onnx_workbench.cli.options import Verbs, add_description, emit, labels_of, preprocessing_of, target_path
from onnx_workbench.core.provenance_record import with_record
from onnx_workbench.runtime.reattachment import with_provenance_of
from onnx_workbench.sources.open import open_model


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add(
        "convert", _convert, "Write a model as one sound ONNX file, with labels and preprocessing if given."
    )
    parser.add_argument("source", metavar="SOURCE", help="an .onnx file, or a native file of CNTK")
    parser.add_argument("target", metavar="TARGET.onnx", type=Path, help="the file to write")
    parser.add_argument("--external-data", action="store_true", help="weights in a second file (above 2 GiB)")
    parser.add_argument(
        "--provenance-of",
        metavar="ORIGINAL.onnx",
        help="note on the nodes which modules they come from, as the original that a tool made the model of tells",
    )
    add_description(parser)


def _convert(options: argparse.Namespace) -> None:
    target = target_path(options.target)
    model = open_model(options.source)
    if options.provenance_of is not None:
        model = with_provenance_of(model, options.provenance_of)
    model = with_record(model)
    labels, preprocessing = labels_of(options), preprocessing_of(options)
    if labels is not None or preprocessing is not None:
        model = model.with_metadata(labels=labels, preprocessing=preprocessing)
    written = model.save(target, external_data=options.external_data)
    emit(options, f"Wrote {written}\n{open_model(written)}", {"written": str(written)})
