"""preflight: whether a model will run here, at other batch sizes too, and gives the same optimised or not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, defs

from onnx_workbench.analysis.sample_runs import Finding, SampleRuns
from onnx_workbench.core.errors import NotEnoughMemoryError, RunError, WorkbenchError, WorkbenchWarning
from onnx_workbench.core.formatting import clean_text, escape, html_table
from onnx_workbench.core.graph_parts import Node
from onnx_workbench.core.model import Model, as_model
from onnx_workbench.core.protos import ONNX_ERRORS, tensors_of_model
from onnx_workbench.runtime.session import Session, model_of, session_of
from onnx_workbench.sources.open import set_inspector

if TYPE_CHECKING:
    import torch

_MOST_MACS = 1 << 30
_MOST_WEIGHT_BYTES = 128 << 20
_MOST_NAMED = 5


@dataclass(frozen=True)
class Preflight:
    """What `preflight` found; true when nothing is wrong.

    Attributes
    ----------
    model
        Name of the model.
    facts
        What was looked at and is well, in a few words each.
    findings
        What is wrong, each with its mend.
    """

    model: str
    facts: tuple[str, ...]
    findings: tuple[Finding, ...]

    def __bool__(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return {
            "sound": bool(self),
            "model": self.model,
            "facts": list(self.facts),
            "findings": [asdict(finding) for finding in self.findings],
        }

    def _verdict(self) -> str:
        if self:
            return f"sound: {'; '.join(self.facts)}"
        count = len(self.findings)
        name = clean_text(self.model)
        return f"{count} finding{'s' * (count > 1)} in {name!r}" + (
            f"; well: {'; '.join(self.facts)}" if self.facts else ""
        )

    def __str__(self) -> str:
        """Return one line when all is well, else each finding with its mend."""
        return "\n".join([self._verdict(), *(str(finding) for finding in self.findings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [(finding.check, finding.problem, finding.mend) for finding in self.findings]
        table = html_table(rows, header=("check", "problem", "mend")) if rows else ""
        mark = "✓" if self else "✗"
        return f"<div><strong>{mark} {escape(self._verdict(), limit=600)}</strong>{table}</div>"


def preflight(model: object, inputs: object = None, *, module: torch.nn.Module | None = None) -> Preflight:
    """Check before the flight: versions, operators, batch sizes, optimisation and a real sample.

    Parameters
    ----------
    model
        A Model or anything that ``open_model`` takes; or a Session, of which the model is checked: in a child process,
        within its limits, if it is isolated.
    inputs
        A real sample, as for ``run``. None prepares drawn pictures if the file says how, and otherwise draws random
        numbers from what the inputs declare.
    module
        The live torch module that the model was exported from: whether it is in eval mode.

    Returns
    -------
    Preflight
        True, and one line, when all is well; else each finding with its mend.

    Raises
    ------
    InputError
        If `inputs` do not fit the model.

    Examples
    --------
    >>> from onnx_workbench.analysis.preflight import preflight
    >>> bool(preflight("signs.onnx"))
    True
    """
    if isinstance(model, Session):
        if model.limits is not None:
            found = model.in_child(preflight, inputs)
            return replace(found, findings=(*_module_modes(module), *found.findings))
        model = model_of(model)
    opened = as_model(model)
    findings = [*_module_modes(module), *_modes(opened), *_wide_numbers(opened)]
    facts: list[str] = []
    loading = _loading(opened)
    if loading is None:
        facts.append(f"opset {opened.opsets.get('ai.onnx', '?')} and IR {opened.ir_version} run here")
        runs = SampleRuns(opened, session_of(opened), inputs)
        runs.check()
        facts += runs.facts
        findings += runs.findings
    else:
        findings.append(loading)
    if loading is None or loading.check != "versions":
        findings += _validity(opened)
    return Preflight(opened.name, tuple(facts), tuple(findings))


def _loading(model: Model) -> Finding | None:
    """Return why the installed onnxruntime refuses the model."""
    try:
        session_of(model)
    except NotEnoughMemoryError as error:
        return _from_message("memory", str(error), "Look at it where there is more memory.")
    except RunError as error:
        message = str(error)
        if "is written in IR version" in message or "newer than the installed" in message:
            return _from_message("versions", message, "Upgrade onnxruntime, or export with an older opset.")
        mend = (
            "Export it from operators that ONNX has, or with another opset; or run it with  "
            "Session(model, backend='reference')."
        )
        unknown = [f"{clean_text(node.label)} ({clean_text(node.key)!r})" for node in _unknown(model)]
        if len(unknown) > 1:
            shown = ", ".join(unknown[:_MOST_NAMED]) + ", ..." * (len(unknown) > _MOST_NAMED)
            return Finding("operators", f"{len(unknown)} nodes call operators unknown here: {shown}.", mend)
        return _from_message("operators", message, mend)
    return None


def _from_message(check: str, message: str, mend: str) -> Finding:
    problem, _, advice = message.partition("\n")
    return Finding(check, problem, advice if advice and not advice.startswith("It said") else mend)


def _unknown(model: Model) -> Iterator[Node]:
    """Yield the nodes of which neither ONNX nor the file itself defines the operator."""
    functions = {(function.domain, function.name) for function in model.proto.functions}
    for node in model.nodes:
        domain = "" if node.domain == "ai.onnx" else node.domain
        if (
            not domain.startswith("com.microsoft")
            and (node.domain, node.op_type) not in functions
            and not defs.has(node.op_type, domain)
        ):
            yield node


def _module_modes(module: torch.nn.Module | None) -> Iterator[Finding]:
    """Yield what is in training mode in the module."""
    if module is not None and (parts := [name for name, part in module.named_modules() if part.training]):
        named = ", ".join(clean_text(name) or type(module).__name__ for name in parts[:_MOST_NAMED])
        yield Finding(
            "mode",
            f"{len(parts)} part(s) of the module are in training mode: {named}.",
            "Call module.eval() before it is exported or compared.",
        )


def _modes(model: Model) -> Iterator[Finding]:
    """Yield what is in training mode in the graph."""
    if training := [node for node in model.nodes if _is_training(model, node)]:
        named = ", ".join(f"{node.label} {clean_text(node.key)!r}" for node in training[:_MOST_NAMED])
        yield Finding(
            "mode",
            f"{len(training)} node(s) compute as in training: {named}. Their answers depend on chance, or on the "
            "other items of the batch.",
            "Call module.eval(), and export again.",
        )


def _is_training(model: Model, node: Node) -> bool:
    if node.domain not in {"", "ai.onnx"}:
        return False
    if node.op_type == "BatchNormalization":
        old = model.opsets.get("ai.onnx", 0) < 14  # further outputs are the new statistics
        return bool(node.attributes.get("training_mode", 0)) or (old and sum(map(bool, node.outputs)) > 1)
    if node.op_type == "Dropout" and len(node.inputs) > 2 and (name := node.inputs[2]):
        known = name in model.initializers or name in model.constants
        return known and bool(np.any(model.weight(name)))
    return False


def _wide_numbers(model: Model) -> Iterator[Finding]:
    """Yield numbers of eight bytes where those of four, or one, were meant."""
    wide = [clean_text(str(value)) for value in (*model.inputs, *model.outputs) if value.dtype == "float64"]
    wide += [clean_text(t.name) for t in model.initializers.values() if t.dtype == "float64" and t.count > 1]
    if wide:
        more = f" and {len(wide) - _MOST_NAMED:,} more" if len(wide) > _MOST_NAMED else ""
        yield Finding(
            "dtypes",
            f"numbers of 8 bytes (float64) in {', '.join(wide[:_MOST_NAMED])}{more}: slow, and many runtimes have no "
            "kernels for them.",
            "Mostly it is numpy's default that slipped in: module.float(), or x.astype(np.float32), before the export.",
        )
    for value in model.inputs:
        if value.dtype == "int64" and value.shape is not None and len(value.shape) == 4:
            yield Finding(
                "dtypes",
                f"input {value} has the shape of pictures, and takes whole numbers of 8 bytes.",
                "Export with example inputs of float32, or of uint8.",
            )


def _validity(model: Model) -> Iterator[Finding]:
    """Yield what ONNX's checker objects to; contents of tensors that lie in files are left out."""
    copy = ModelProto()
    copy.CopyFrom(model.proto)
    for tensor in tensors_of_model(copy):
        if tensor.data_location == TensorProto.EXTERNAL:
            del tensor.external_data[:], tensor.dims[:]
            tensor.data_location, tensor.raw_data = TensorProto.DEFAULT, b""
            tensor.dims.append(0)
    try:
        checker.check_model(copy)
    except ONNX_ERRORS as error:
        text = clean_text(" ".join(str(error).split()), limit=300)
        yield Finding(
            "validity",
            f"ONNX's checker objects: {text}",
            "Export it again with a newer exporter: other runtimes may refuse it, although onnxruntime may not.",
        )


def _inspect_export(model: Model, example: object) -> None:
    """Look at a fresh export whose runs cost little, and warn if something is wrong."""
    from onnx_workbench.analysis.summary import summarize

    summary = summarize(model)
    if summary.macs > _MOST_MACS or summary.weights_bytes > _MOST_WEIGHT_BYTES:
        return
    try:
        found = preflight(model, _flat(model, example))
        doubtful = {finding.check for finding in found.findings} & {"finite", "sample"}
        # Values of examples do not count: zeros may give 0/0 where no picture does.
        drawn = preflight(model) if doubtful else found
    except WorkbenchError:  # what cannot be tried is no fault of the export
        return
    if drawn:
        found = drawn
    model.preflight = found
    if not found:
        findings = "\n".join(str(finding) for finding in found.findings)
        warnings.warn(
            f"The exported model has faults:\n{findings}",
            WorkbenchWarning,
            stacklevel=3,
        )


def _flat(model: Model, example: object) -> object:
    """Return the example as arrays by the model's input names; None where it is not that simple."""
    names = [value.name for value in model.inputs]
    items = list(example.values()) if isinstance(example, dict) else example
    items = list(items) if isinstance(items, (list, tuple)) else [items]
    if len(items) != len(names) or not all(hasattr(item, "__array__") for item in items):
        return None
    try:
        arrays = [np.asarray(item.detach().cpu() if hasattr(item, "detach") else item) for item in items]
    except TypeError:  # numpy has no such dtype, bfloat16 for one
        return None
    return dict(zip(names, arrays, strict=True))


set_inspector(_inspect_export)
