"""The smallest piece of a model that shows a fault, as a folder that anybody can run."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onnx_workbench.analysis.verdict import Verdict
from onnx_workbench.core.errors import NameNotFoundError
from onnx_workbench.core.files import made_folder, write_atomic
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.runtime.onnx_steps import OnnxSteps
from onnx_workbench.runtime.steps import StepwiseRun

_PROGRAM = """\
# What one piece of a model computes, against what was expected: {what}
# Needs numpy and onnxruntime:  python replay.py
from pathlib import Path

import numpy as np
import onnxruntime

here = Path(__file__).parent
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
session = onnxruntime.InferenceSession(here / "piece.onnx", options, providers=["CPUExecutionProvider"])
found = session.run(None, dict(np.load(here / "inputs.npz")))[0]
expected = np.load(here / "expected.npz")["expected"]
if found.shape != expected.shape:
    raise SystemExit(f"shape {{found.shape}}, expected {{expected.shape}}")
difference = np.abs(found.astype("float64") - expected.astype("float64"))
print(f"largest difference {{difference.max():.3g}}, largest expected {{np.abs(expected).max():.3g}}")
"""


def write_replay(
    folder: str | os.PathLike[str], key: str, faults: Sequence[Verdict], run: StepwiseRun | None
) -> Path:
    """Write piece, inputs, expected values and program for the fault that the node `key` is blamed for."""
    fault = next((fault for fault in faults if _holds(fault, key)), None)
    if fault is None or fault.origin is None or fault.expected is None or not isinstance(run, OnnxSteps):
        raise NameNotFoundError(
            f"{clean_text(key)!r} cannot be replayed: there are no expected values to run it against."
        )
    target = made_folder(folder)
    feeds = {name: value for name, value in fault.origin.feeds().items() if isinstance(value, np.ndarray)}
    piece = run.excerpt(fault.origin.steps(), feeds, {fault.name: fault.expected})
    write_atomic(target / "piece.onnx", piece.SerializeToString())
    write_atomic(target / "inputs.npz", _zipped(feeds))
    write_atomic(target / "expected.npz", _zipped({"expected": fault.expected}))
    what = clean_text(f"{fault.step.operator} {fault.name}").replace("\\", "/")
    write_atomic(target / "replay.py", _PROGRAM.format(what=what))
    return target / "replay.py"


def _holds(fault: Verdict, key: str) -> bool:
    steps = fault.origin.steps() if fault.origin is not None else [fault.step]
    return any(key in step.outputs for step in steps)


def _zipped(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
