"""Functions made of Python functions, by calling them once on placeholders."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from onnx_workbench.cntk.default_options import default_options
from onnx_workbench.cntk.errors import (
    CntkTypeError,
)
from onnx_workbench.cntk.ops.functions import Function, block, composite, primitive
from onnx_workbench.cntk.variables import Variable


def _argument(name: str, annotation: Any) -> Variable:
    from onnx_workbench.cntk.ops.inputs import input_variable, placeholder

    kind = Variable._Type._sanitize(annotation)
    return input_variable(name=name, **kind) if isinstance(kind, Variable._Type) else placeholder(name=name)


def from_python(
    function: Callable[..., Any], *, make_block: bool = False, op_name: str = "", name: str = ""
) -> Function:
    """Call a Python function once, on placeholders, and return the graph it made."""
    signature = inspect.signature(function)
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    names = [p.name for p in signature.parameters.values() if p.kind in kinds and p.default is p.empty]
    types = getattr(function, "__annotations__", {})
    types = {key: kind for key, kind in types.items() if isinstance(kind, Variable._Type | type)}
    with default_options(pure=True):
        arguments = [_argument(one, types.get(one)) for one in names]
        if make_block:
            inner = [_argument(one, types.get(one)) for one in names]
            graph = _called(function, inner)
            made = block(graph, list(zip(inner, arguments, strict=True)), op_name, name)
        else:
            made = _called(function, arguments)
            order = [argument.name for argument in made.signature]
            if set(order) == set(names) and order != names:
                made = _called(function, list(_tuple_of(arguments)))
    _check_arguments(made, arguments, getattr(function, "__name__", "?"))
    return made


def _tuple_of(arguments: list[Variable]) -> tuple[Variable, ...]:
    """Pass arguments through one block, so that their order is that of the Python function."""
    from onnx_workbench.cntk.ops.inputs import placeholder

    inner = [placeholder(name=argument.name) for argument in arguments]
    graph = composite(primitive("Combine", list(inner)))
    return block(graph, list(zip(inner, arguments, strict=True)), "Tuple").outputs


def _called(function: Callable[..., Any], arguments: list[Variable]) -> Function:
    from onnx_workbench.cntk.ops.composition import alias, combine

    Function._under_construction.extend(arguments)
    try:
        out = function(*arguments)
    finally:
        del Function._under_construction[-len(arguments) :]
    if out is None:
        raise CntkTypeError(f"CNTK Function '{getattr(function, '__name__', '?')}' must return a value")
    if not isinstance(out, tuple):
        return combine([out]) if isinstance(out, Variable) else out
    seen: list[Any] = []
    for one in out:
        one = combine([one]) if isinstance(one, Variable) else one
        seen.append(alias(one) if any(one is other for other in seen) else one)
    return combine(seen)


def _check_arguments(made: Function, arguments: list[Variable], name: str) -> None:
    found, wanted = set(made.signature), set(arguments)
    if len(made.signature) == len(arguments):
        return
    missing = sorted(one.name for one in found - wanted)
    if missing:
        raise CntkTypeError(
            f"CNTK Function '{name}' has {len(missing)} missing arguments ({', '.join(missing)}), which is currently "
            "not supported"
        )
    unused = sorted(one.name for one in wanted - found)
    raise CntkTypeError(
        f"CNTK Function '{name}' has {len(unused)} unused arguments ({', '.join(unused)}), which is currently not "
        "supported"
    )
