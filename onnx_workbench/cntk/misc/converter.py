"""Graphs copied with some of their functions exchanged for others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onnx_workbench.cntk.errors import CntkRuntimeError
from onnx_workbench.cntk.graph import functions_below
from onnx_workbench.cntk.logging.graph import depth_first_search
from onnx_workbench.cntk.ops.composition import as_block, as_composite
from onnx_workbench.cntk.ops.functions import CloneMethod, Function

__all__ = ["convert"]


def convert(root_func: Any, filter: Callable[[Any], Any], converter: Callable[[Any], Any]) -> Any:
    """Return a copy of a graph, with other functions in the place of some; parameters are shared.

    Parameters
    ----------
    root_func
        The graph; what is in its blocks is looked at too. It is returned as it is if nothing is exchanged.
    filter
        Tells of a function or variable whether it is to be exchanged.
    converter
        Returns what takes the place of a function.

    Raises
    ------
    RuntimeError
        If what comes in would itself have to be exchanged.

    Examples
    --------
    >>> x = C.input_variable(3)
    >>> is_relu = lambda one: isinstance(one, C.Function) and one.op_name == "ReLU"
    >>> C.misc.convert(C.relu(x), is_relu, lambda old: C.tanh(old.inputs[0])).root_function.op_name
    'Tanh'
    """
    root = _with_blocks_converted(root_func, filter, converter)
    count = len(_chosen(root, filter))
    for done in range(count):
        left = _chosen(root, filter)
        if len(left) > count:
            raise CntkRuntimeError(
                f"The conversion adds what it converts: there were {count} such functions, and now there are "
                f"{len(left)}. Let the filter refuse what the converter gives."
            )
        old = left[0] if len(left) == count - done else left[done]
        root = _with(root, {old.output: converter(old).output})
    return root


def _chosen(root: Any, filter: Callable[[Any], Any]) -> list[Any]:
    """Return the functions to exchange, operands before what reads them."""
    chosen = {id(one) for one in depth_first_search(root, filter)}
    return [one for one in functions_below([root.root_function]) if id(one) in chosen]


def _with(root: Any, replaced: dict[Any, Any]) -> Any:
    """Return a copy of a graph with other variables in the place of some, and its own arguments."""
    return root.clone(CloneMethod.share, {**{one: one for one in root.arguments}, **replaced})


def _with_blocks_converted(root: Any, filter: Callable[[Any], Any], converter: Callable[[Any], Any]) -> Any:
    place = 0
    while True:
        blocks = depth_first_search(
            root, lambda one: isinstance(one, Function) and one.root_function.is_block
        )
        if place == len(blocks):
            return root
        block, place = blocks[place].root_function, place + 1
        inside = as_composite(block.block_root)
        converted = convert(inside, filter, converter)
        if converted is not inside:
            outside = dict(block.block_arguments_mapping)
            pairs = [
                (new, outside[old]) for old, new in zip(inside.arguments, converted.arguments, strict=True)
            ]
            made = as_block(converted, pairs, block.op_name, block.name)
            root = _with(root, dict(zip(block.outputs, made.outputs, strict=True)))
