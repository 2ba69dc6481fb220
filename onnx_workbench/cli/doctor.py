"""doctor: what is wrong with an input."""

from __future__ import annotations

import argparse

from onnx_workbench.cli.options import Verbs, add_description, add_model, emit, labels_of, preprocessing_of
from onnx_workbench.core.errors import InputError
from onnx_workbench.runtime import array_files
from onnx_workbench.sources.open import open_model


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add(
        "doctor",
        _doctor,
        "Say what is wrong with an input, and the line of Python that mends it; exit code 1 unless all is well.",
    )
    add_model(parser)
    parser.add_argument("inputs", nargs="+", metavar="PICTURE_OR_ARRAY", help="pictures, or .npy files")
    parser.add_argument(
        "--label", action="append", metavar="NAME", help="what the input shows: one for all, or one for each"
    )
    add_description(parser)


def _doctor(options: argparse.Namespace) -> int:
    """Print the diagnosis; the exit code tells whether all is well."""
    from onnx_workbench.analysis.doctor import doctor

    is_array = [path.lower().endswith((".npy", ".npz")) for path in options.inputs]
    if any(is_array) and not all(is_array):
        raise InputError("Give either pictures or arrays (.npy, .npz), not both at once.")
    given = [array_files.read_array(path) for path in options.inputs] if any(is_array) else options.inputs
    model, labels = open_model(options.model), labels_of(options)
    known = labels or model.labels or ()
    expected = [
        int(label) if label.isdecimal() and label not in known else label for label in options.label or ()
    ]
    found = doctor(
        model,
        given[0] if len(given) == 1 else given,
        expected or None,
        preprocessing=preprocessing_of(options),
        labels=labels,
    )
    emit(options, str(found), found.to_dict())
    return 0 if found else 1
