"""classify: pictures and folders of pictures."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from typing import Any

from onnx_workbench.cli.options import Verbs, add_description, add_model, emit, labels_of, preprocessing_of
from onnx_workbench.core.errors import ImageError, PreprocessingError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.sources.open import open_model


def add_to(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs.add("classify", _classify, "Classify pictures, or folders of pictures.")
    add_model(parser)
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="picture files, or folders of them")
    parser.add_argument("--top", type=int, default=5, help="classes shown for each picture (default 5)")
    add_description(parser)


def _classify(options: argparse.Namespace) -> int:
    from onnx_workbench.analysis.classification import classify, declared_preprocessing

    model = open_model(options.model)
    labels, preprocessing = labels_of(options), preprocessing_of(options)
    if preprocessing is None and model.preprocessing is None:
        inputs = "; ".join(map(str, model.inputs))
        example = declared_preprocessing(model)
        if "color" not in example:
            example |= {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
        raise PreprocessingError(
            f"The model does not say how a picture becomes its input ({inputs}).\n"
            f"Give what it was trained with, such as  --preprocessing '{json.dumps(example)}'\n"
            "To keep it in the file:  onnx-workbench convert MODEL TARGET --preprocessing ... --labels names.txt"
        )
    texts: list[str] = []
    predictions: list[dict[str, Any]] = []
    errors: dict[str, str] = {}
    for picture in options.pictures:
        try:
            found = classify(model, picture, top=options.top, labels=labels, preprocessing=preprocessing)
        except ImageError as error:  # one bad picture does not lose the others
            errors[picture] = str(error)
            continue
        texts.append(str(replace(found, errors={})))  # they are told below, on the error stream
        predictions += found.to_dict()["predictions"]
        errors |= found.errors
    if not predictions:
        raise ImageError("\n".join(errors.values()))
    emit(options, "\n".join(texts), {"predictions": predictions, "errors": errors})
    if not options.json:
        for name, reason in errors.items():
            print(f"onnx-workbench: {clean_text(name)}: {reason}", file=sys.stderr)
    return 1 if errors else 0
