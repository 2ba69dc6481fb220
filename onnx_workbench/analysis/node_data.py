"""Node data of Model Explorer: numbers on the nodes of a graph, as a JSON file.

The format is that of ``node_data_builder.py`` in the package ai-edge-model-explorer: an object that maps the id of a
graph to ``{"name": ..., "results": {node id or output name: {"value": ..., "bgColor": ...}}, "gradient": [...]}``. Its
ONNX adapter takes the graph's name for the graph's id and the node's name for the node's.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.files import read_bounded, write_atomic
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model, as_model

_GRADIENT = (
    {"stop": 0, "bgColor": "#fdf6e0"},
    {"stop": 0.5, "bgColor": "#f0a14a"},
    {"stop": 1, "bgColor": "#a03326"},
)
_NOT_FINITE = {"bgColor": "#5b2a86", "textColor": "#ffffff"}
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_LARGEST_FILE = 64 << 20


def save_node_data(
    path: str | os.PathLike[str], overlay: Mapping[str, Any], model: object, *, label: str = ""
) -> Path:
    """Write an overlay as node data that Model Explorer opens beside the model.

    Parameters
    ----------
    path
        The file, such as ``"times.json"``.
    overlay
        Numbers by value name; or several such mappings by their labels, as the ``overlays`` of a Profile or a
        Comparison: a file holds one of them, that of `label`, or the first.
    model
        The model that the names are of: a Model or anything that ``open_model`` takes.
    label
        What the numbers are, with their unit.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If the overlay has no numbers, none of them for this model, or none of this label.
    """
    opened = as_model(model)
    name, numbers = _one_of(overlay, label)
    results = {}
    for key, node in zip(_node_ids(opened), opened.nodes, strict=True):
        found = [float(numbers[value]) for value in node.outputs if value in numbers]
        if found:
            results[key] = _result(next((n for n in found if not math.isfinite(n)), max(found)))
    if not results:
        raise InputError(
            f"None of the {len(numbers):,} numbers is of a node of {clean_text(opened.name)!r}: an overlay names "
            "values that nodes write."
        )
    data = {"name": name, "results": results, "gradient": list(_GRADIENT)}
    content = {opened.proto.graph.name or opened.name: data}
    return write_atomic(Path(path).expanduser(), json.dumps(content, indent=1, allow_nan=False))


def _one_of(overlay: Mapping[str, Any], label: str) -> tuple[str, Mapping[str, Any]]:
    if not overlay:
        raise InputError(f"An overlay maps value names to numbers; got {overlay!r:.60}.")
    if not all(isinstance(numbers, Mapping) for numbers in overlay.values()):
        return label or "value", overlay
    chosen = label or next(iter(overlay))
    if chosen not in overlay:
        raise InputError(f"There is no overlay {label!r:.60}; there are {', '.join(map(repr, overlay))}.")
    return chosen, overlay[chosen]


def _result(number: float) -> dict[str, Any]:
    """Return a number as a result; JSON has none for NaN and infinities, which get a word and a colour."""
    if math.isfinite(number):
        return {"value": number}
    word = "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    return {"value": word, **_NOT_FINITE}


def _node_ids(model: Model) -> list[str]:
    """Return the ids that Model Explorer's ONNX adapter gives: names, or else the place in the file."""
    places = {next(iter(node.output), ""): place for place, node in enumerate(model.proto.graph.node)}
    return [
        node.name or f"<node_{places.get(next(iter(node.outputs), ''), node.index)}>" for node in model.nodes
    ]


def read_node_data(path: str | os.PathLike[str], model: object) -> dict[str, dict[str, float]]:
    """Return the numbers of a file of node data by value name, as ``view(model, overlay=...)`` takes them.

    Parameters
    ----------
    path
        The file, from `save_node_data`, Model Explorer's ``save_to_file``, or another tool.
    model
        The model that it is about: a Model or anything that ``open_model`` takes.

    Returns
    -------
    dict
        Numbers by value name, by the name of the data; values that are words are left out.

    Raises
    ------
    InputError
        If the file cannot be read, is no node data, or has no number for this model.
    """
    opened, name = as_model(model), clean_text(str(path))
    ids = dict(zip(_node_ids(opened), (node.key for node in opened.nodes), strict=True))
    values = {value for node in opened.nodes for value in node.outputs} | {v.name for v in opened.inputs}
    found: dict[str, dict[str, float]] = {}
    for data in _graphs(_content(path, name), name):
        label = data.get("name")
        numbers = found.setdefault(label if isinstance(label, str) and label else Path(path).stem, {})
        for key, result in data["results"].items():
            number = _number(result)
            if number is not None and (value := key if key in values else ids.get(key)) is not None:
                numbers[value] = number
    found = {label: numbers for label, numbers in found.items() if numbers}
    if not found:
        raise InputError(
            f"{name!r} is node data, and has no number for a node of {clean_text(opened.name)!r}: its keys are names "
            "of nodes or of their outputs. Give the model that it was made of."
        )
    return found


def _content(path: str | os.PathLike[str], name: str) -> object:
    try:
        return json.loads(read_bounded(path, most_bytes=_LARGEST_FILE))
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or a number of thousands of digits
        raise InputError(f"{name!r} is no JSON: {clean_text(str(error), limit=120)}.") from error


def _graphs(content: object, name: str) -> Iterator[dict[str, Any]]:
    """Yield the data of each graph; Model Explorer also takes that of one graph without its id."""
    entries = {"": content} if isinstance(content, dict) and "results" in content else content
    if isinstance(entries, dict) and entries:
        for data in entries.values():
            if not isinstance(data, dict) or not isinstance(data.get("results"), dict):
                break
            yield data
        else:
            return
    raise InputError(
        f"{name!r} is no node data of Model Explorer: expected is an object "
        '{graph id: {"results": {node name: {"value": number}}}}.'
    )


def _number(result: object) -> float | None:
    value = result.get("value") if isinstance(result, dict) else None
    if isinstance(value, str):
        return _WORDS.get(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
