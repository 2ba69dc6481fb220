"""The decompositions of PyTorch's ONNX exporter: with them a module falls apart into the values of its export."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def decompositions() -> Any:
    """Return torch's decompositions but for operations that have an ONNX function; without its exporter, all."""
    import torch

    try:
        from torch.onnx._internal.exporter import _decomp

        return _decomp.create_onnx_friendly_decomposition_table(with_onnx_function())
    except (ImportError, AttributeError, TypeError):
        return torch.export.default_decompositions()


def with_onnx_function() -> Any:
    """Return the operations for which torch's exporter has a function in ONNX.

    The exporter's own registry compiles each function first, which takes most of a second.
    """
    from onnxscript.function_libs.torch_lib import ops, registration
    from torch.onnx._internal.exporter import _constants, _torchlib
    from torch.onnx._internal.exporter._torchlib import _torchlib_registry

    del ops, _torchlib  # imported for what they register
    found = {
        meta.fx_target
        for meta in _torchlib_registry.get_torchlib_ops()
        if (meta.opset_introduced or 0) <= _constants.TORCHLIB_OPSET
    }
    for name, _ in registration.default_registry.items():  # noqa: PERF102  it is no dict
        namespace, _, operation = name.partition("::")
        if namespace not in {"internal", "torchvision"}:
            found.add(_operation(namespace, operation))
    return found - {None}


def _operation(namespace: str, name: str) -> Any:
    """Return an operation of PyTorch, or a function of Python that stands for one; None if there is none."""
    import math
    import operator

    import torch

    if namespace in {"_operator", "math"}:
        return getattr({"_operator": operator, "math": math}[namespace], name, None)
    packet, _, overload = name.partition(".")
    return getattr(getattr(getattr(torch.ops, namespace), packet, None), overload or "default", None)
