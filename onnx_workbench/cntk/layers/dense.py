"""Layers that multiply by a matrix, and the small ones: dropout, activation, label."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.default_options import default_override_or, is_default_override, options_of
from onnx_workbench.cntk.initializer import glorot_uniform
from onnx_workbench.cntk.layers.blocks import identity
from onnx_workbench.cntk.layers.shapes import INFERRED, as_tuple, ranked
from onnx_workbench.cntk.ops import alias, dropout, times
from onnx_workbench.cntk.ops.functions import BlockFunction, Function
from onnx_workbench.cntk.seeds import AUTO
from onnx_workbench.cntk.variables import Constant, Parameter

__all__ = ["Activation", "Dense", "Dropout", "Embedding", "Label"]


def Dense(
    shape: Any,
    activation: Any = default_override_or(identity),
    init: Any = default_override_or(glorot_uniform()),
    input_rank: int | None = None,
    map_rank: int | None = None,
    bias: Any = default_override_or(True),
    init_bias: Any = default_override_or(0),
    name: str = "",
) -> Any:
    """Return a fully connected layer: ``activation(x @ W + b)``.

    Parameters
    ----------
    shape
        Shape of the output: a number or a tuple.
    activation, init, bias, init_bias
        Function at the end, initial values of `W`, whether there is a `b`, and its initial values.
    input_rank
        How many of the last axes of the input are summed over; all of them if neither this nor `map_rank` is given.
    map_rank
        How many of the first axes of the input are kept.
    name
        Name of the block.

    Raises
    ------
    ValueError
        If both `input_rank` and `map_rank` are given.

    Examples
    --------
    >>> layer = C.layers.Dense(10, activation=C.relu)
    """
    activation, init, bias, init_bias = options_of(
        Dense, activation=activation, init=init, bias=bias, init_bias=init_bias
    )
    if input_rank is not None and map_rank is not None:
        raise ValueError("Dense: input_rank and map_rank cannot be specified at the same time.")
    output_shape = as_tuple(shape)
    output_rank = len(output_shape)
    infer_input_rank_to_map = -1 if input_rank is not None else map_rank or 0
    weight_shape = INFERRED * (1 if input_rank is None else input_rank) + output_shape
    w = Parameter(weight_shape, init=ranked(init, output_rank=output_rank), name="W")
    b = Parameter(output_shape, init=init_bias, name="b") if bias else None

    @BlockFunction("Dense", name)
    def dense(x: Any) -> Any:
        out = times(x, w, output_rank=output_rank, infer_input_rank_to_map=infer_input_rank_to_map)
        out = out if b is None else out + b
        return out if activation is None else activation(out)

    return dense


def Embedding(
    shape: Any = None,
    init: Any = default_override_or(glorot_uniform()),
    weights: Any = None,
    name: str = "",
) -> Any:
    """Return a layer that looks up rows of a matrix `E`, learnt or given.

    Raises
    ------
    ValueError
        If neither `shape` nor `weights` is given, or `weights` beside `shape` or `init`.
    """
    if weights is not None:
        if not is_default_override(init):
            raise ValueError("Embedding: init and weights options are mutually exclusive")
        if shape is not None:
            raise ValueError("Embedding: output shape must not be specified when weights are given")
        e: Any = Constant(np.array(weights), name="E")
    elif shape is None:
        raise ValueError("Embedding: output shape must be specified")
    else:
        (init,) = options_of(Embedding, init=init)
        e = Parameter(INFERRED + as_tuple(shape), init=init, name="E")

    @BlockFunction("Embedding", name)
    def embed(x: Any) -> Any:
        return times(x, e)

    return embed


def Dropout(
    dropout_rate: float | None = None, keep_prob: float | None = None, seed: int = AUTO, name: str = ""
) -> Any:
    """Return a layer that drops values in training and does nothing otherwise.

    Raises
    ------
    ValueError
        Unless exactly one of `dropout_rate` and `keep_prob` is given, within 0 and 1.
    """
    if dropout_rate is None and keep_prob is None:
        raise ValueError("Dropout: either dropout_rate or keep_prob must be specified.")
    if dropout_rate is not None and keep_prob is not None:
        raise ValueError("Dropout: dropout_rate and keep_prob cannot be specified at the same time.")
    if keep_prob is not None:
        if not 0 <= keep_prob < 1:
            raise ValueError(f"Dropout: keep_prob must be in the interval [0,1); got {keep_prob}.")
        dropout_rate = 1 - keep_prob
    rate = float(dropout_rate or 0)

    @BlockFunction("Dropout", name)
    def dropout_f(x: Any) -> Any:
        return dropout(x, dropout_rate=rate, seed=seed)

    return dropout_f


def Activation(activation: Any = default_override_or(identity), name: str = "") -> Any:
    """Return a function as a layer with a name."""
    (activation,) = options_of(Activation, activation=activation)

    @BlockFunction("Activation", name)
    def activation_f(x: Any) -> Any:
        return activation(x)

    return activation_f


def Label(name: str) -> Any:
    """Return a layer that does nothing but give its input a name, by which it can be found."""

    @Function
    def label(x: Any) -> Any:
        return alias(x, name=name)

    return label
