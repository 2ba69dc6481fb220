"""onnxruntime's messages, put into words that say what to do."""

from __future__ import annotations

import re

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model

_OLDEST_OPSET = 7
_LONGEST_READ = 6000


def onnxruntime_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that onnxruntime raises; it offers no common parent."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = [item for item in vars(state).values() if isinstance(item, type) and issubclass(item, Exception)]
    return (*found, ValueError, RuntimeError)


def essence(error: BaseException) -> str:
    """Return an onnxruntime message without its C++ file names, function signatures and doubled prefixes."""
    # Names of a model stand in the text, as long as they are: the patterns below would take the square of that.
    text = re.sub(r"\S{300,}", lambda word: f"{word[0][:299]}…", str(error))[:_LONGEST_READ].replace(
        "\n", " "
    )
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"[\w./\\:+-]*\w\.(?:cc|cpp|cu|h|hpp):\d+ (?:[\w:~]+ (?=[A-Z]))?", " ", text)
    text = re.sub(
        r"(?:[\w:<>*&~,]+ )*[\w:~<>]+\([^()]*(?:\([^()]*\)[^()]*)*\)(?: const)? (?=[A-Z\[])", "", text
    )
    text = re.sub(r"\w+(?:::[\w~]+)+\([^()]*\)(?:::<lambda\([^()]*\)>)?(?: const)? ", "", text)
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
            f"The model uses opset {_opsets(model)}, newer than the installed onnxruntime {version} knows.\n"
            "Either upgrade onnxruntime (pip install -U onnxruntime), or export with an older opset (opset=20)."
        )
    if found := re.search(r"Could not find an implementation for (\S+?)\((\d+)\)", text):
        return (
            f"onnxruntime {version} has no kernel for {found[1]} of opset {found[2]} with these dtypes on this "
            f"device.{_hint_on_age(model)}\nIt said: {text}"
        )
    if found := re.search(r"No Op registered for (\S+) with domain_version of (\d+)", text):
        return (
            f"onnxruntime {version} does not know the operator {found[1]} in opset {found[2]}: it was removed, is "
            "newer, or belongs to a custom library that must be registered."
        )
    if found := re.search(r"Fatal error: (\S+?):(\S+?)\(-?\d+\) is not a registered function/op", text):
        return (
            f"onnxruntime {version} does not know the operator {found[2]} of the domain {found[1]!r}: it belongs to a "
            "custom library that must be registered, or to another runtime."
        )
    return f"onnxruntime {version} cannot load the model.{_hint_on_age(model)}\nIt said: {text}"


def _hint_on_age(model: Model) -> str:
    opset = model.opsets.get("ai.onnx", _OLDEST_OPSET)
    if opset >= _OLDEST_OPSET:
        return ""
    return (
        f"\nIts opset {opset} is older than the oldest that onnxruntime promises ({_OLDEST_OPSET}). A newer one is "
        "made by  onnx.version_converter.convert_version(proto, 17)  of model.to_proto()."
    )


def _opsets(model: Model) -> str:
    return ", ".join(f"{clean_text(domain)} {version}" for domain, version in model.opsets.items())


def explain_running(error: BaseException) -> str:
    """Return why a run failed inside the model."""
    text = essence(error)
    if "Numpy_type" in text or "No corresponding Numpy type" in text:
        return (
            f"onnxruntime takes no numpy arrays of this dtype, nor gives them, although the model may use it inside: "
            f"{text}\nAdd a Cast at that input or output, or run with  Session(model, backend='reference')."
        )
    what = "The run failed inside the model, although the inputs fit what it declares."
    return f"{what}\nonnxruntime said: {text}"
