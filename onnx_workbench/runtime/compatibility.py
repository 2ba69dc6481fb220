"""What the installed onnxruntime reads, told without importing it: opening a model may not take longer for that."""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, version

from onnx_workbench.core.errors import WorkbenchWarning
from onnx_workbench.core.model import Model

_READ_BY_ALL = (13, 26)
"""Newest IR version and opset that the oldest supported onnxruntime reads."""

_READ_BY = {**dict.fromkeys([(1, minor) for minor in range(26, 32)], (13, 26)), (1, 32): (14, 28)}
"""The same for each release of onnxruntime, measured by loading a small model of each version."""


def version_problems(model: Model) -> list[str]:
    """Return in sentences what of a model's versions is too new for the installed onnxruntime.

    Nothing is said where that cannot be known: of a release that is not in the table, or is not installed.
    """
    opset = model.opsets.get("ai.onnx", 0)
    if model.ir_version <= _READ_BY_ALL[0] and opset <= _READ_BY_ALL[1]:
        return []
    try:
        installed = version("onnxruntime")
    except PackageNotFoundError:  # a build for other devices has another name
        return []
    release = tuple(int(part) for part in installed.split(".")[:2] if part.isdecimal())
    if len(release) != 2 or (read := _READ_BY.get((release[0], release[1]))) is None:
        return []
    found = (("IR version", model.ir_version, read[0]), ("opset", opset, read[1]))
    return [
        f"The model is written in {what} {written}, and the installed onnxruntime {installed} reads up to {newest}."
        for what, written, newest in found
        if written > newest
    ]


def warn_if_too_new(model: Model) -> Model:
    """Return the model, with a warning if the installed onnxruntime will refuse it.

    Warns
    -----
    WorkbenchWarning
        With the versions, and what to do.
    """
    if problems := version_problems(model):
        warnings.warn(
            f"{' '.join(problems)} It can be looked at, and not run. Upgrade onnxruntime (pip install -U onnxruntime), "
            "or export the model again with an older opset.",
            WorkbenchWarning,
            stacklevel=4,
        )
    return model
