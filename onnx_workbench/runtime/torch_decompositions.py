"""Which operations PyTorch's ONNX exporter takes apart: taken apart so too, a module shows the values of its export."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_TORCHLIB = "onnxscript.function_libs.torch_lib.ops"
_EXPORTER = "torch.onnx._internal.exporter"
_OPSET = 18  # of torch's own functions; onnxscript's have no limit

_QUOTED = re.compile(r'^ *@torch_op\(\s*(\([^)]*\)|"[^"]*")([^)]*)\)', re.MULTILINE)
_TARGETS = re.compile(r"^@onnx_impl\(\s*(\([^)]*\)|[\w.]+)([^)]*)\)", re.MULTILINE)
_INTRODUCED = re.compile(r"opset_introduced=(\d+)")


@cache
def decomposition(operation: Any) -> Callable[..., Any] | None:
    """Return what takes an operation of PyTorch apart before it is exported; None if it stays whole.

    As in ``torch.onnx.export``: what has a function in ONNX is left whole, and of the rest whatever can be is taken
    apart. An operation that may return its own input cannot be left whole; one that changes it is, unless it is made
    of others.
    """
    import torch

    name = operation.name()
    is_composite = torch._C._dispatch_has_kernel(name) and operation._can_decompose()  # noqa: SLF001  nothing public
    if is_composite and not _is_functional(operation):
        return _of_composite(operation)
    if operation._schema.is_mutable or name in names_with_onnx_function():  # noqa: SLF001
        return None
    if (known := _core().get(operation)) is not None:
        return known
    if is_composite:
        return _of_composite(operation)
    found: Callable[..., Any] | None = torch._decomp.decomposition_table.get(operation)  # noqa: SLF001
    return found


def _of_composite(operation: Any) -> Callable[..., Any]:
    from torch._C import DispatchKey

    # What Python overrides, it overrides for autograd: while a module is exported, that comes first.
    found: Callable[..., Any] = operation.py_kernels.get(DispatchKey.Autograd, operation.decompose)
    return found


def _is_functional(operation: Any) -> bool:
    """Tell whether an operation neither changes its inputs nor returns views of them."""
    from torch import _decomp

    is_unsafe = getattr(_decomp, "_should_decompose_because_unsafe_op", None)
    if is_unsafe is not None and is_unsafe(operation):  # its schema does not tell
        return False
    schema = operation._schema  # noqa: SLF001
    return not schema.is_mutable and not any(argument.alias_info for argument in schema.arguments)


@cache
def _core() -> dict[Any, Callable[..., Any]]:
    """Return the decompositions that ``torch.export`` prefers."""
    from torch import _decomp

    found: dict[Any, Callable[..., Any]] = getattr(_decomp, "_core_aten_decompositions_post_autograd", dict)()
    return found


@cache
def names_with_onnx_function() -> frozenset[str]:
    """Return the operations for which torch's exporter has a function in ONNX, as ``aten::add.Tensor``.

    If its library is loaded, it is asked; else its source is read: loading takes longer than a whole comparison.
    """
    if _TORCHLIB in sys.modules:
        return frozenset(_registered())
    return frozenset(_written_down())


def _registered() -> Iterator[str]:
    from onnxscript.function_libs.torch_lib import registration
    from torch.onnx._internal.exporter import _torchlib
    from torch.onnx._internal.exporter._torchlib import _torchlib_registry

    del _torchlib  # imported for what it registers
    for meta in _torchlib_registry.get_torchlib_ops():
        if (meta.opset_introduced or 0) <= _OPSET and hasattr(meta.fx_target, "_schema"):
            target: Any = meta.fx_target
            yield target.name()
    for name, _ in registration.default_registry.items():  # noqa: PERF102  it is no dict
        yield name


def _written_down() -> Iterator[str]:
    for path in _sources("onnxscript", "function_libs/torch_lib/ops"):
        for names, options in _QUOTED.findall(path.read_text(encoding="utf-8")):
            if "private=True" not in options:
                yield from re.findall(r'"([^"]+)"', names)
    for path in _sources("torch", "onnx/_internal/exporter/_torchlib/ops"):
        for names, options in _TARGETS.findall(path.read_text(encoding="utf-8")):
            introduced = _INTRODUCED.search(options)
            if introduced is None or int(introduced[1]) <= _OPSET:
                yield from filter(None, map(_qualified, re.findall(r"[\w.]+", names)))


def _qualified(target: str) -> str:
    """Return ``aten::add.Tensor`` for ``aten.add.Tensor`` in a program; nothing for what is no operation."""
    pieces = target.removeprefix("torch.ops.").split(".")
    if len(pieces) != 3:
        return ""
    return f"{pieces[0]}::{pieces[1]}" + ("" if pieces[2] == "default" else f".{pieces[2]}")


def _sources(package: str, folder: str) -> list[Path]:
    """Return the files of a folder inside a package, without importing it; none if it is not there."""
    spec = find_spec(package)
    places = (spec.submodule_search_locations or []) if spec is not None else []
    return [path for place in places for path in sorted((Path(place) / folder).glob("*.py"))]
