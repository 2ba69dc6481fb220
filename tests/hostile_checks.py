"""What is asked of any model, however spoilt: an answer or an error of the workbench, of every verb."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import onnx_workbench as ow
from onnx_workbench.core.errors import WorkbenchError, WorkbenchWarning
from onnx_workbench.core.model import Model
from onnx_workbench.views.node_details import node_details


def look(content: bytes) -> dict[str, str]:
    """Open, summarize and view; return what each gave: "" or the error's message.

    Any exception that is not the workbench's own goes through, and is a fault.
    """
    return _look(content)


def look_at_file(content: bytes) -> dict[str, str]:
    """Write a model to a file, with a file of weights beside it, and look at that."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "weights.bin").write_bytes(bytes(64))
        (path := Path(folder) / "spoilt.onnx").write_bytes(content)
        return _look(path)


def _look(source: bytes | Path) -> dict[str, str]:
    found: dict[str, str] = {}
    opened = _outcome(found, "open", lambda: ow.open_model(source))
    if opened is not None:
        _outcome(found, "describe", lambda: (str(opened), opened._repr_html_()))
        _outcome(found, "summarize", lambda: _all_of(ow.summarize(opened)))
        _outcome(found, "view", lambda: _all_of_view(opened))
        _outcome(found, "text", opened.text)
    return found


def run_once(content: bytes) -> dict[str, str]:
    """Run on ones; return the outcome."""
    found: dict[str, str] = {}
    opened = _outcome(found, "open", lambda: ow.open_model(content))
    if opened is not None:
        _outcome(found, "run", lambda: ow.run(opened, feeds(opened)))
    return found


def trace_once(content: bytes) -> dict[str, str]:
    """Trace on ones; return the outcome."""
    found: dict[str, str] = {}
    opened = _outcome(found, "open", lambda: ow.open_model(content))
    if opened is not None:
        _outcome(found, "trace", lambda: _all_of(ow.trace(opened, feeds(opened))))
    return found


def compare_with_itself(content: bytes) -> dict[str, str]:
    """Compare with itself on ones; return the outcome."""
    found: dict[str, str] = {}
    opened = _outcome(found, "open", lambda: ow.open_model(content))
    if opened is not None:
        _outcome(found, "compare", lambda: _all_of(ow.compare(opened, opened, feeds(opened))))
    return found


def feeds(model: Model) -> dict[str, Any]:
    """Return ones for every input, of at most a million elements each."""
    made = {}
    for value in model.inputs:
        shape = [min(d, 1000) if isinstance(d, int) else 2 for d in value.shape or ()][:8]
        while np.prod(shape, dtype=object) > 1_000_000:
            shape[int(np.argmax(shape))] = 1
        dtype = value.dtype if (value.dtype or "").isalnum() and value.dtype != "string" else "float32"
        made[value.name] = np.full(shape, "a") if value.dtype == "string" else np.ones(shape, dtype)
    return made


def _all_of(result: Any) -> None:
    str(result)
    result._repr_html_()
    json.dumps(result.to_dict())


def _all_of_view(model: Model) -> None:
    shown = ow.view(model)
    shown.svg()
    shown._repr_mimebundle_()
    for place, node in enumerate(shown.drawn.nodes[:30]):  # what clicks would ask for
        node_details(model, place, node)


def _outcome(found: dict[str, str], verb: str, ask: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WorkbenchWarning)
        try:
            answer = ask()
        except WorkbenchError as error:
            found[verb] = f"{type(error).__name__}: {error}"
            return None
    found[verb] = ""
    return answer
