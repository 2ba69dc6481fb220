"""Labels and preprocessing inside the model's file, as readable JSON in metadata_props.

Two entries, documented for other readers in ARCHITECTURE.md:

``onnx_workbench.labels``
    A JSON list of the class names, in the order of the output.
``onnx_workbench.preprocessing``
    A JSON object with the fields of `Preprocessing`.

Labels that other tools left (``names``, ``labels``, ``classes``) are understood as well.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from onnx_workbench.core.errors import PreprocessingError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.payloads import is_utf8

if TYPE_CHECKING:
    from onnx_workbench.core.preprocessing import Preprocessing

LABELS_KEY = "onnx_workbench.labels"
PREPROCESSING_KEY = "onnx_workbench.preprocessing"
_FOREIGN_LABEL_KEYS = ("names", "labels", "classes", "class_names")
_LONGEST_TEXT = 4_000_000
_LONGEST_LITERAL = 200_000  # Python's parser takes 500 bytes and more for each character


def labels_to(labels: object) -> dict[str, str]:
    """Return the metadata entry for labels."""
    names = list(labels) if isinstance(labels, Iterable) and not isinstance(labels, str) else [None]
    if not all(isinstance(name, str) and is_utf8(name) for name in names):
        raise PreprocessingError(f"labels must be a list of strings, one for each class; got {labels!r:.80}.")
    return {LABELS_KEY: json.dumps(names, ensure_ascii=False)}


def labels_from(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the labels in metadata, or None where there are none.

    Raises
    ------
    PreprocessingError
        If there is an entry of ours, and it cannot be understood; what other tools wrote is passed over then.
    """
    if LABELS_KEY in metadata and _as_labels(_parse(metadata[LABELS_KEY])) is None:
        raise PreprocessingError(
            f"The model's metadata entry {LABELS_KEY!r} is no JSON list of names: it begins with "
            f"{clean_text(metadata[LABELS_KEY], limit=40)!r}. Give the names with labels=[...]; "
            "model.with_metadata(labels=[...]) keeps them."
        )
    for key in (LABELS_KEY, *_FOREIGN_LABEL_KEYS):
        labels = _as_labels(_parse(metadata.get(key, "")))
        if labels:
            return labels
    return None


def _parse(text: str) -> object:
    if not text or len(text) > _LONGEST_TEXT:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:  # Ultralytics writes the repr of a dict
        if len(text) <= _LONGEST_LITERAL:
            return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    return [part.strip() for part in text.split(",")] if "," in text else None


def _as_labels(parsed: object) -> tuple[str, ...] | None:
    if isinstance(parsed, dict):
        try:
            parsed = [parsed[key] for key in sorted(parsed, key=int)]
        except (ValueError, TypeError, OverflowError):
            return None
    if isinstance(parsed, (list, tuple)) and all(isinstance(item, (str, int)) for item in parsed):
        return tuple(str(item) for item in parsed)
    return None


def preprocessing_to(preprocessing: object) -> dict[str, str]:
    """Return the metadata entry for preprocessing."""
    from onnx_workbench.core.preprocessing import Preprocessing

    if not isinstance(preprocessing, Preprocessing):
        raise PreprocessingError(
            f"preprocessing is a Preprocessing; got {type(preprocessing).__name__}. Give Preprocessing(size=..., ...)."
        )
    return {PREPROCESSING_KEY: json.dumps(preprocessing.to_dict())}


def preprocessing_from(metadata: Mapping[str, str]) -> Preprocessing | None:
    """Return the preprocessing in metadata, or None where there is none.

    Raises
    ------
    PreprocessingError
        If there is an entry, and it cannot be understood.
    """
    from onnx_workbench.core.preprocessing import Preprocessing

    text = metadata.get(PREPROCESSING_KEY)
    if text is None:
        return None
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PreprocessingError(
            f"The model's metadata entry {PREPROCESSING_KEY!r} is no JSON: {clean_text(str(error))}"
        ) from error
    if not isinstance(fields, dict):
        raise PreprocessingError(f"The model's metadata entry {PREPROCESSING_KEY!r} is no JSON object.")
    return Preprocessing.from_dict(fields)
