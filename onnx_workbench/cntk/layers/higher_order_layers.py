"""Layers made of layers: one after the other, many alike, and with shortcuts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import reduce
from types import FunctionType
from typing import Any

from onnx_workbench.cntk.layers.blocks import identity
from onnx_workbench.cntk.layers.shapes import named

__all__ = ["For", "ResNetBlock", "Sequential", "SequentialClique"]


def Sequential(layers: Any, name: str = "") -> Any:
    """Compose a list of layers, the first first; lists inside are composed too, tuples run side by side.

    Examples
    --------
    >>> model = C.layers.Sequential([C.layers.Dense(64, activation=C.relu), C.layers.Dense(10)])
    """
    if not isinstance(layers, list):
        return layers
    composed = reduce(lambda before, after: before >> after, map(Sequential, layers), identity)
    return named(composed, name)


def For(what_range: Iterable[Any], constructor: Callable[..., Any], name: str = "") -> Any:
    """Compose the layers that a function makes for each of some values.

    Raises
    ------
    ValueError
        If `constructor` is a layer itself: it must be a function that makes one.
    """
    if not isinstance(constructor, FunctionType):
        raise ValueError(  # noqa: TRY004 - as CNTK
            f"For: constructor must be a Python function/lambda that makes a layer; got {type(constructor).__name__}."
        )
    takes_value = bool(inspect.signature(constructor).parameters)
    made = [constructor(value) if takes_value else constructor() for value in what_range]
    return named(Sequential(made), name)


def SequentialClique(functions: Iterable[Any], name: str = "") -> Any:
    """Compose layers of which each is given the sum of the input and all outputs before it."""
    layers = list(functions)

    def clique(x: Any) -> Any:
        out = x
        for layer in layers:
            out = layer(x)
            x = x + out
        return out

    return named(clique, name)


def ResNetBlock(f: Any, name: str = "") -> Any:
    """Add a layer's input to its output (He and others, 2015)."""

    def skip(x: Any) -> Any:
        return f(x) + x

    return named(skip, name)
