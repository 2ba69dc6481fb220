"""open_model: one door for everything that is, or can become, an ONNX model."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from onnx import GraphProto, ModelProto

from onnx_workbench.core.content import HEAD_BYTES
from onnx_workbench.core.errors import UnknownSourceError
from onnx_workbench.core.model import Model, set_opener
from onnx_workbench.core.reading import read_bytes, read_path, read_proto
from onnx_workbench.runtime.compatibility import warn_if_too_new
from onnx_workbench.runtime.reattachment import restored


class _SourceModule(Protocol):
    """What each file in this folder offers."""

    def export(self, source: object, **options: Any) -> Model:
        """Return the ONNX model of a framework's object."""


@dataclass(frozen=True)
class _Source:
    """A framework's objects, told by the qualified names of their classes, and the module that exports them."""

    module: str
    classes: frozenset[str]


# A new source is one line here and one file beside this one. The framework is imported only when one of its
# own objects is given.
_SOURCES = (
    _Source(
        "onnx_workbench.sources.pytorch",
        frozenset({"torch.nn.modules.module.Module", "torch.export.exported_program.ExportedProgram"}),
    ),
)


@dataclass(frozen=True)
class _FileSource:
    """Files of a format of its own: how they may begin, and the module that knows (`is_content`) and reads them."""

    beginning: re.Pattern[bytes]
    module: str


# A new format of files is one line here and one file beside this one, with `is_content(head)` and
# `read(source, **options)`. Modules are loaded only for what begins as their files do.
_FILE_SOURCES = (
    # Two tags that ONNX files have too, and behind them the key of an entry; in large files, a mark before them.
    _FileSource(
        re.compile(
            rb"(?:ktnc.{4})?(?:\x08[\x80-\xff]*[\x00-\x7f])?\x12[\x80-\xff]*[\x00-\x7f]\x0a", re.DOTALL
        ),
        "onnx_workbench.sources.cntk",
    ),
)


class _FileModule(Protocol):
    """What a file in this folder offers that reads a format of its own."""

    def is_content(self, head: bytes) -> bool:
        """Tell from its first bytes whether a file is of this format."""

    def read(self, source: str | os.PathLike[str] | bytes, **options: Any) -> Model:
        """Return the ONNX model of a file, or of its content."""


_inspectors: list[Callable[[Model, object], None]] = []


def set_inspector(inspect: Callable[[Model, object], None]) -> None:
    """Install what looks at each fresh export and its example inputs; called once, by analysis/preflight.py."""
    _inspectors[:] = [inspect]


def open_model(source: object, **options: Any) -> Model:
    """Return a model from a file, from bytes, from a proto, or exported from a framework's live object.

    Parameters
    ----------
    source
        - a path to an ``.onnx`` file (its weights stay in the file), or its content as bytes;
        - a path to a native file of CNTK 2 (``.model``, ``.dnn``, ``.cmf``), or its content: no CNTK is needed;
        - an ``onnx.ModelProto``, or an object that holds one as ``model_proto`` (torch's ``ONNXProgram``);
        - a ``torch.nn.Module`` or ``torch.export.ExportedProgram``, which is exported;
        - a `Model`, which is returned unchanged.
    **options
        For live objects and CNTK files only. CNTK: ``outputs``, ``as_is``, ``labels``, ``preprocessing``; see
        ``onnx_workbench.sources.cntk.read``. PyTorch: ``example_inputs`` (needed, unless ``training.fit`` noted it),
        ``input_names``, ``output_names``, ``dynamic_batch``, ``opset``, ``labels``, ``preprocessing``; see
        ``onnx_workbench.sources.pytorch.export``.

    Returns
    -------
    Model
        The graph; large weights are mapped when somebody asks for them.

    Raises
    ------
    ModelNotFoundError
        If there is no such file.
    ModelFileError
        If the content is not a sound ONNX model; the message says what it seems to be.
    ExportError
        If a framework could not export its model.
    UnknownSourceError
        If nothing here makes a model of such an object.

    Warns
    -----
    WorkbenchWarning
        If the installed onnxruntime will refuse the file's versions, or a fresh export has faults (see
        ``onnx_workbench.analysis.preflight``; exports whose runs cost little are looked at).

    Examples
    --------
    >>> model = ow.open_model("signs.onnx")
    >>> model = ow.open_model(network, example_inputs=data.example)  # a torch.nn.Module

    References
    ----------
    https://onnx.ai/onnx/repo-docs/IR.html
    """
    if (found := _live_source(source)) is not None:
        module = cast(_SourceModule, importlib.import_module(found.module))
        model = module.export(source, **options)
        example = options.get("example_inputs")
        for inspect in _inspectors:
            inspect(model, example)
        return model
    if (reader := _file_reader(source)) is not None:
        return reader.read(cast("str | os.PathLike[str] | bytes", _as_bytes(source)), **options)
    if options and not isinstance(source, type):
        raise UnknownSourceError(
            f"{', '.join(options)}: such options go with a live module that is exported. "
            f"{_kind(source)} is opened as it is: leave them out."
        )
    return _open_onnx(source)


def _open_onnx(source: object) -> Model:
    if isinstance(source, Model):
        return source
    if isinstance(source, (str, os.PathLike)):
        return restored(warn_if_too_new(read_path(source)))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return restored(warn_if_too_new(read_bytes(source)))
    if isinstance(source, ModelProto):
        return restored(warn_if_too_new(read_proto(source)))
    if isinstance(getattr(source, "model_proto", None), ModelProto):
        return restored(
            warn_if_too_new(read_proto(cast(Any, source).model_proto, source=type(source).__name__))
        )
    raise UnknownSourceError(_advice(source))


def _as_bytes(source: object) -> object:
    return bytes(source) if isinstance(source, (bytearray, memoryview)) else source


def _file_reader(source: object) -> _FileModule | None:
    """Return what reads a file that is not ONNX, told by its content."""
    head = b""
    if isinstance(source, (str, os.PathLike)):
        try:
            path = Path(source).expanduser()
            if path.is_file():
                with path.open("rb") as file:
                    head = file.read(HEAD_BYTES)
        except (OSError, ValueError):  # no file, or a name that cannot be one: reading it as ONNX says so
            return None
    elif isinstance(source, (bytes, bytearray, memoryview)):
        head = bytes(memoryview(source).cast("B")[:HEAD_BYTES])
    for entry in _FILE_SOURCES:
        if entry.beginning.match(head) is None:
            continue
        module = cast(_FileModule, importlib.import_module(entry.module))
        if module.is_content(head):
            return module
    return None


def _live_source(source: object) -> _Source | None:
    """Return the source of a framework's object, without importing the framework."""
    names = {f"{cls.__module__}.{cls.__qualname__}" for cls in type(source).__mro__}
    return next((entry for entry in _SOURCES if entry.classes & names), None)


def _kind(source: object) -> str:
    return f"A {type(source).__name__}"


def _advice(source: object) -> str:
    """Return what to do with an object that cannot be opened."""
    possible = "A path, bytes, an onnx.ModelProto, a torch.nn.Module or a Model can be opened"
    if isinstance(source, type):
        name = source.__name__
        return f"{possible}; this is the class {name} itself. Make an object of it first: {name}()."
    if isinstance(source, dict):
        return f"{possible}; this is a dict. A state_dict has weights and no graph: load it into its module."
    if source is None:
        return f"{possible}; this is None."
    if hasattr(source, "read"):
        return f"{possible}; this is an open file. Give its path (weights then stay in the file), or source.read()."
    if isinstance(source, GraphProto):
        return f"{possible}; this is a graph alone. Make a model of it first: onnx.helper.make_model(graph)."
    name = f"{type(source).__module__}.{type(source).__qualname__}"
    if name.endswith("InferenceSession"):
        return f"{possible}; an InferenceSession does not give its model back. Open the file that it was made from."
    return f"{possible}; this is a {name}. Export it to ONNX with its own framework, and open the file."


set_opener(open_model)
