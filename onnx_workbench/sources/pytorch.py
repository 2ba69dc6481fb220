"""PyTorch: a live module, exported by torch's current exporter into one sound ONNX file."""

from __future__ import annotations

import contextlib
import inspect
import shutil
import sys
import tempfile
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from onnx_workbench.core.errors import ExportError, WorkbenchWarning, require
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.memory import require_memory
from onnx_workbench.core.model import Model
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.core.provenance_record import with_record
from onnx_workbench.core.reading import read_path
from onnx_workbench.runtime.quiet_torch import quiet_torch
from onnx_workbench.sources.pytorch_graph import tidy
from onnx_workbench.sources.pytorch_metadata import METADATA_ATTRIBUTE
from onnx_workbench.sources.pytorch_names import Names, names_of_inputs, names_of_outputs

BATCH_DIMENSION = "N"
_FAULTS = (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError, ValueError, AttributeError)


def export(
    source: object,
    *,
    example_inputs: object = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_batch: bool = True,
    opset: int | None = None,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> Model:
    """Return a PyTorch module as an ONNX model; ``open_model(module, ...)`` calls this.

    The module is exported in eval mode, whatever its mode, and gets its own modes back. Each node keeps the
    module and the source lines that it comes from, in its metadata, without the paths of this machine. A record of
    that in the model's own metadata outlives tools that drop what nodes hold.

    Parameters
    ----------
    source
        A ``torch.nn.Module``, or a ``torch.export.ExportedProgram`` (which brings its own inputs).
    example_inputs
        What the module is traced with: one tensor or array, a tuple or list of them in the order of ``forward``,
        or a dict by the names of its arguments. Shapes and dtypes count, values do not. None takes what
        ``training.fit`` noted on the module, if it did.
    input_names, output_names
        Names in the model, one for each tensor. None takes the arguments of ``forward`` (``image`` if there is one
        and preprocessing is known), and ``output`` (``logits`` if labels are known), the keys of a dict, or the
        fields of a named tuple.
    dynamic_batch
        Let the first dimension of the inputs vary; it is then called ``N``.
    opset
        Opset of the model; None takes torch's own choice.
    labels, preprocessing
        Written into the model's metadata. None takes what ``training.fit`` noted on the module, if it did.

    Returns
    -------
    Model
        With its weights in a private temporary file until it is saved.

    Raises
    ------
    NotEnoughMemoryError
        If less memory is left than torch's exporter needs.
    ExportError
        If the module does not run on the example inputs, torch cannot export it, or names and tensors differ
        in number.

    Warns
    -----
    WorkbenchWarning
        If the module was in training mode, or its batch could not be made dynamic.

    References
    ----------
    https://docs.pytorch.org/docs/stable/onnx.html
    """
    _check_memory(source)
    require("onnxscript", purpose="to export PyTorch models", extra="torch")
    noted: Mapping[str, Any] = getattr(source, METADATA_ATTRIBUTE, None) or {}
    labels = labels if labels is not None else noted.get("labels")
    preprocessing = preprocessing if preprocessing is not None else noted.get("preprocessing")
    example_inputs = example_inputs if example_inputs is not None else noted.get("example_inputs")
    names = Names(input_names, output_names, preprocessing is not None, labels is not None)
    if isinstance(source, torch.nn.Module):
        model = _export_module(
            _unwrapped(source),
            example_inputs,
            names,
            dynamic_batch,
            opset,
        )
    elif isinstance(source, torch.export.ExportedProgram):
        model = _export_exported(source, names, opset)
    else:
        raise ExportError(
            f"A torch.nn.Module or an ExportedProgram can be exported; got {type(source).__name__}."
        )
    if labels is not None or preprocessing is not None:
        model = model.with_metadata(labels=labels, preprocessing=preprocessing)
    return with_record(model)


def _export_memory(source: object) -> int:
    """Return the memory that an export takes: weights are written as they lie, but for those that batch norms go into.

    Against measured exports in ``benchmarks/bench_memory_estimates.py``.
    """
    if isinstance(source, torch.nn.Module):
        held = dict([*source.named_parameters(), *source.named_buffers()])
    else:
        held = dict(getattr(source, "state_dict", {}))
    loaded = 110 << 20 if "onnxscript" in sys.modules else 220 << 20
    copied = 1.0 if any(name.endswith("running_mean") for name in held) else 0.1
    return int(loaded + copied * sum(t.nbytes for t in held.values() if not torch.nn.parameter.is_lazy(t)))


def _check_memory(source: object) -> None:
    require_memory(
        "export the module",
        _export_memory(source),
        remedy="Export it where there is more memory, and open the .onnx file here: the weights of a file stay there.",
    )


def _unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """Return the module inside torch.compile's and DataParallel's wrappers, which hide forward's arguments."""
    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    inner = module.module if isinstance(module, wrappers) else getattr(module, "_orig_mod", None)
    return _unwrapped(inner) if isinstance(inner, torch.nn.Module) else module


def _export_module(
    module: torch.nn.Module, example_inputs: object, names: Names, dynamic_batch: bool, opset: int | None
) -> Model:
    if isinstance(module, torch.jit.ScriptModule):
        raise ExportError(
            "A ScriptModule cannot be exported: TorchScript has lost what the exporter needs.\n"
            "Give the original Python module (the class with forward), with the same weights loaded."
        )
    arguments = _arguments(module, example_inputs)
    with _eval_mode(module):
        result = _run(module, arguments)
        options = names.options(
            names_of_inputs(arguments),
            names_of_outputs(module, result, is_classifier=names.is_classifier),
            weights=list(module.state_dict()),
        )
        if dynamic_batch and any(map(_has_batch, pytree.tree_leaves(arguments.arguments))):
            return _export_dynamic(module, arguments, options, opset)
        return _export_program(module, arguments, options, opset)


def _export_dynamic(
    module: torch.nn.Module, arguments: inspect.BoundArguments, options: dict[str, Any], opset: int | None
) -> Model:
    """Export with a first dimension that varies; if the module does not allow that, with a fixed one, and say so."""
    batch = next(item.shape[0] for item in pytree.tree_leaves(arguments.arguments) if _has_batch(item))
    # torch.export takes a dimension of size 1 for a constant, so that an example of one item is doubled.
    wide = inspect.BoundArguments(
        arguments.signature,
        OrderedDict(
            pytree.tree_map(
                lambda x: torch.cat([x, x]) if batch == 1 and _batched(x, 1) else x,
                dict(arguments.arguments),
            )
        ),
    )
    size = 2 if batch == 1 else batch
    shapes = pytree.tree_map(
        lambda x: {0: BATCH_DIMENSION} if _batched(x, size) else None, dict(wide.arguments)
    )
    reason = "torch found that the module needs the example's batch size"
    try:
        _run(module, wide)
        model = _export_program(module, wide, options | {"dynamic_shapes": shapes}, opset)
        if any(isinstance(v.shape[0], str) for v in model.inputs if v.shape):
            return model
    except ExportError as error:
        if "inferred a static shape" not in str(error):
            reason = clean_text(str(error).splitlines()[-1], limit=300)
    model = _export_program(module, arguments, options, opset)
    warnings.warn(
        f"The batch size of {type(module).__name__} is fixed at {batch} in the exported model: {reason}.\n"
        "Look in forward for reshape or view with a fixed first number, and use x.flatten(1) or -1 instead; and for "
        "loops over the batch.",
        WorkbenchWarning,
        stacklevel=5,
    )
    return model


def _has_batch(item: object) -> bool:
    return isinstance(item, torch.Tensor) and item.ndim > 0


def _batched(item: object, size: int) -> bool:
    return isinstance(item, torch.Tensor) and item.ndim > 0 and item.shape[0] == size


def _export_exported(program: torch.export.ExportedProgram, names: Names, opset: int | None) -> Model:
    """Export what torch.export made; its own names for tensors stand in its signature."""
    signature = program.graph_signature
    options = names.options(
        list(signature.user_inputs), list(signature.user_outputs), weights=list(program.state_dict)
    )
    return _export_program(program, None, options, opset)


def _export_program(
    source: Any, arguments: inspect.BoundArguments | None, options: dict[str, Any], opset: int | None
) -> Model:
    """Run torch's exporter, quietly, into a temporary file, and open that."""
    name = type(source).__name__
    positional, keywords = (arguments.args, arguments.kwargs) if arguments else ((), {})
    if positional and isinstance(positional[-1], dict) and not keywords:
        positional = (*positional, {})  # torch takes a dict at the end for the keywords
    folder = Path(tempfile.mkdtemp(prefix="onnx-workbench-"))
    try:
        with quiet_torch():
            program = torch.onnx.export(
                source,
                positional,
                kwargs=keywords or None,
                dynamo=True,
                verbose=False,
                opset_version=opset,
                **options,
            )
            if program is None:
                raise ExportError(f"torch exported nothing for {name}.")
            program.model.graph.name = name
            # Written into one file, all weights would be in memory twice more.
            program.save(folder / "model.onnx", external_data=True)
        opened = read_path(folder / "model.onnx")
    except _FAULTS as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ExportError(f"torch cannot export {name}: {_essence(error)}") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(opened.payloads, shutil.rmtree, folder, ignore_errors=True)
    tidy(opened.proto, BATCH_DIMENSION)
    model = Model(opened.proto, opened.payloads, source=f"PyTorch {name}")
    if opset is not None and (written := model.opsets.get("ai.onnx")) != opset:
        raise ExportError(
            f"torch {torch.__version__} cannot write opset {opset}: it wrote {written} instead. Leave opset out, or "
            f"give one from {written} on that your runtime knows."
        )
    return model


_ADVICE = {
    "data-dependent": "forward decides by the values of a tensor (if, while, int(...), .item()). An ONNX graph is the "
    "same for all inputs: use torch.where, or torch.cond.",
    "No ONNX function found": "ONNX has no such operator: compute it from others in forward, or outside of the model.",
}


def _essence(error: BaseException) -> str:
    """Return the root cause's own words: the exporter wraps it in reports of hundreds of lines."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    lines = [line.strip() for line in str(root).splitlines() if line.strip()]
    text = clean_text(" ".join(lines[:4]) or type(root).__name__, limit=400)
    advice = next((advice for sign, advice in _ADVICE.items() if sign in str(root)), "")
    return f"{text}\n{advice}" if advice else text


def _arguments(module: torch.nn.Module, example_inputs: object) -> inspect.BoundArguments:
    """Return the arguments of forward, with arrays as tensors on the module's device."""
    if example_inputs is None:
        raise ExportError(
            f"To export {type(module).__name__}, torch runs it once and needs example inputs:\n"
            "open_model(module, example_inputs=torch.zeros(2, 3, 32, 32))  with the shape that it takes."
        )
    parameter = next(module.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")

    def tensor(item: object) -> object:
        if isinstance(item, torch.Tensor):
            return item.detach().to(device)
        return torch.tensor(item, device=device) if hasattr(item, "__array__") else item

    positional: tuple[object, ...] = ()
    keywords: dict[str, object] = {}
    if isinstance(example_inputs, Mapping):
        keywords = {str(name): item for name, item in example_inputs.items()}
    else:
        positional = tuple(example_inputs) if isinstance(example_inputs, (tuple, list)) else (example_inputs,)
    signature = inspect.signature(module.forward)
    try:
        bound = signature.bind(*positional, **keywords)
    except TypeError as error:
        raise ExportError(
            f"The example inputs do not fit {type(module).__name__}.forward{signature}: {error}."
        ) from error
    tensors = pytree.tree_map(tensor, dict(bound.arguments))
    return inspect.BoundArguments(signature, OrderedDict(tensors))


def _run(module: torch.nn.Module, arguments: inspect.BoundArguments) -> object:
    """Return what the module gives, or raise the error that tells its fault from an export's."""
    try:
        with torch.no_grad():
            return module(*arguments.args, **arguments.kwargs)
    except (*_FAULTS, IndexError, KeyError, AssertionError) as error:
        leaves = pytree.tree_leaves(arguments.arguments)
        tensors = [item for item in leaves if isinstance(item, torch.Tensor)]
        given = ", ".join(f"{str(item.dtype).removeprefix('torch.')} {tuple(item.shape)}" for item in tensors)
        hint = ""
        if any(item.dtype == torch.float64 for item in tensors):
            hint = "\nnumpy makes float64 by default: give  x.astype(np.float32)."
        elif any(item.ndim == 4 and item.shape[-1] in {1, 3} for item in tensors):
            hint = (
                "\nThe pictures seem to be NHWC, and torch takes NCHW: give  np.transpose(x, (0, 3, 1, 2))."
            )
        raise ExportError(
            f"{type(module).__name__} itself does not run on the example inputs ({given}): "
            f"{clean_text(str(error), limit=300)}{hint}"
        ) from error


@contextlib.contextmanager
def _eval_mode(module: torch.nn.Module) -> Iterator[None]:
    """Put a module into eval mode and every part of it back into its own mode; say so if it was not in eval."""
    modes = {part: part.training for part in module.modules()}
    if any(modes.values()):
        warnings.warn(
            f"{type(module).__name__} was in training mode, where Dropout and BatchNorm behave otherwise. It was "
            "exported in eval mode, and is in its own mode again. Call module.eval() first to say that you mean it.",
            WorkbenchWarning,
            stacklevel=6,
        )
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training
