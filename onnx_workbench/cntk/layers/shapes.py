"""Small questions that several layers ask about shapes, names and initial values."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.initializer import Initializer, initializer_with_rank
from onnx_workbench.cntk.ops import alias, combine
from onnx_workbench.cntk.ops.functions import Function

INFERRED = (-1,)
"""An axis of a parameter whose length is known once the input is."""


def as_tuple(value: Any) -> tuple[Any, ...]:
    """Return a tuple of what may be one number."""
    return (value,) if np.isscalar(value) else tuple(value)


def spread(filter_shape: tuple[int, ...], option: Any, what: str) -> tuple[Any, ...]:
    """Return an option for every axis of the filter; one value serves all.

    Raises
    ------
    ValueError
        If there are several values, but not one for each axis.
    """
    values = as_tuple(option)
    if len(values) == 1:
        values = values * max(len(filter_shape), 1)
    if len(values) != len(filter_shape):
        raise ValueError(
            f"{what} parameter ({values}) must be a scalar or have same number of elements as the filter_shape "
            f"parameter ({filter_shape})"
        )
    return values


def ranked(init: Any, *, output_rank: int | None = None, filter_rank: int | None = None) -> Any:
    """Tell an initialiser which axes are outputs and which belong to a filter; numbers and arrays need not know."""
    if init is None:
        raise ValueError("init parameter cannot be None")
    if isinstance(init, int | float | np.generic):
        return Initializer("constant", float(init))
    if isinstance(init, Initializer) and init.kind not in {
        "constant",
        "uniform",
        "bilinear",
        "truncated_normal",
    }:
        return initializer_with_rank(init, output_rank=output_rank, filter_rank=filter_rank)
    return init


def named(layer: Any, name: str) -> Any:
    """Give a composition of layers a name, in an alias of its own; without a name it stays as it is."""
    if not name:
        return layer
    function = layer if isinstance(layer, Function) else Function(layer)
    return (
        alias(function, name=name)
        if len(function.outputs) == 1
        else combine(list(function.outputs), name=name)
    )
