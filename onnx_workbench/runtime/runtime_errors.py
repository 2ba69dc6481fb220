"""onnxruntime's messages, put into words that say what to do."""

from __future__ import annotations

import re

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model


def onnxruntime_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that onnxruntime raises; it offers no common parent."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = [item for item in vars(state).values() if isinstance(item, type) and issubclass(item, Exception)]
    return (*found, ValueError, RuntimeError)


def essence(error: BaseException) -> str:
    """Return an onnxruntime message without its C++ file names, function signatures and doubled prefixes."""
    text = str(error).replace("\n", " ")
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"\S*/\S+\.(?:cc|h|cpp):\d+ ", "", text)
    text = re.sub(
        r"(?:[\w:<>*&~,]+ )*[\w:~<>]+\([^()]*(?:\([^()]*\)[^()]*)*\)(?: const)? (?=[A-Z\[])", "", text
    )
    text = re.sub(r"Load model from \S* ?failed:", "", text)
    return clean_text(re.sub(r"\s+", " ", text).strip(), limit=600)


def explain_loading(error: BaseException, model: Model) -> str:
    """Return why onnxruntime refuses a model, and the remedies."""
    import onnxruntime

    text, version = essence(error), onnxruntime.__version__
    if found := re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", text):
        return (
            f"The model is written in IR version {found[1]}, and the installed onnxruntime {version} reads up to "
            f"{found[2]}.\nEither upgrade onnxruntime (pip install -U onnxruntime), or export the model again with an "
            "older opset."
        )
    if "is under development" in text or ("Opset" in text and "not supported" in text):
        return (
            f"The model uses opset {model.opsets}, newer than the installed onnxruntime {version} knows.\n"
            "Either upgrade onnxruntime (pip install -U onnxruntime), or export with an older opset (opset=20)."
        )
    if found := re.search(r"Could not find an implementation for (\S+?)\((\d+)\)", text):
        return (
            f"onnxruntime {version} has no kernel for {found[1]} of opset {found[2]} with these dtypes on this "
            f"device.\nIt said: {text}"
        )
    if found := re.search(r"No Op registered for (\S+) with domain_version of (\d+)", text):
        return (
            f"onnxruntime {version} does not know the operator {found[1]} in opset {found[2]}: it was removed, is "
            "newer, or belongs to a custom library that must be registered."
        )
    oldest = min(model.opsets.get("ai.onnx", 99), 99)
    hint = (
        f"\nIts opset {oldest} is older than the oldest that onnxruntime promises (7)." if oldest < 7 else ""
    )
    return f"onnxruntime {version} cannot load the model.{hint}\nIt said: {text}"


def explain_running(error: BaseException) -> str:
    """Return why a run failed inside the model."""
    what = "The run failed inside the model, although the inputs fit what it declares."
    return f"{what}\nonnxruntime said: {essence(error)}"
