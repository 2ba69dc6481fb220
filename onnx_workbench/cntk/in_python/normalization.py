"""Normalisation by the minibatch itself, as training has it; evaluation takes running statistics, in ONNX."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.in_python.registry import PYTHON_OPERATORS, PythonOperator, Values
from onnx_workbench.cntk.variables import Constant, Parameter, Variable

Array = NDArray[Any]


def _together(value: Any) -> Array:
    """Return all samples, those of all steps of sequences too, as one array."""
    return np.concatenate(value) if isinstance(value, list) else np.asarray(value)


def _apart(array: Array, like: Any) -> Any:
    if not isinstance(like, list):
        return array
    return np.split(array, np.cumsum([len(one) for one in like])[:-1])


def _channels(array: Array, *, spatial: bool) -> Array:
    """Return numbers as (channels, numbers that are normalised together)."""
    if not spatial:
        return array.reshape(len(array), -1).T
    return np.moveaxis(array, 1, 0).reshape(array.shape[1], -1)


def _as_samples(rows: Array, shape: tuple[int, ...], *, spatial: bool) -> Array:
    if not spatial:
        return np.ascontiguousarray(rows.T).reshape(shape)
    return np.ascontiguousarray(np.moveaxis(rows.reshape(shape[1], shape[0], *shape[2:]), 0, 1))


def _forward(function: Any, values: Values) -> tuple[Any, Values]:
    """Normalise by the minibatch alone: a blend_time_constant changes nothing in CNTK 2.7 either, on CPUs."""
    attributes = function.attributes
    spatial = bool(attributes["spatial"])
    whole = _together(values[0])
    rows = _channels(whole, spatial=spatial)
    scale, bias = (np.asarray(one).reshape(-1, 1) for one in values[1:3])
    mean, variance = rows.mean(axis=1, keepdims=True), rows.var(axis=1, keepdims=True)
    deviation = np.sqrt(variance + np.asarray(attributes["epsilon"], rows.dtype))
    normal = (rows - mean) / deviation
    together = rows.shape[1]
    unbiased = variance * (together / (together - 1)) if together > 1 else variance
    found = _as_samples(normal * scale + bias, whole.shape, spatial=spatial)
    return (normal, deviation, scale, values[0], len(whole), mean, unbiased), [_apart(found, values[0])]


def _update(function: Any, operands: tuple[Variable, ...], state: Any) -> None:
    """Let running statistics follow those of the minibatch, the variance free of bias."""
    kept: tuple[Any, ...] = operands[3:6]
    samples, mean, variance = state[4:]
    if not all(isinstance(one, Constant | Parameter) for one in kept):
        raise CntkValueError(
            f"BatchNormalization {function.uid}: running statistics must be constants to be updated in training; got "
            f"{', '.join(map(str, kept))}."
        )
    constant, count = function.attributes["normalizationTimeConstant"], kept[2]
    seen = float(count.value.sum())
    if constant < 0:
        part = samples / (seen + samples)
    else:
        part = 1.0 if seen == 0 or constant == 0 else -math.expm1(-samples / constant)
    for one, new in zip(kept, (mean, variance), strict=False):
        one.value = ((1 - part) * one.value + part * new.reshape(one.shape)).astype(one.dtype)
    count.value = (count.value + samples).astype(count.dtype)


def _backward(function: Any, state: Any, gradients: Values) -> Values:
    normal, deviation, scale, given = state[:4]
    spatial = bool(function.attributes["spatial"])
    whole = _together(gradients[0])
    rows = _channels(whole, spatial=spatial)
    by_scale = (rows * normal).sum(axis=1, keepdims=True)
    by_bias = rows.sum(axis=1, keepdims=True)
    count = rows.shape[1]
    back = scale / deviation * (rows - by_bias / count - normal * by_scale / count)
    shapes = [one.shape for one in function.inputs[1:3]]
    return [
        _apart(_as_samples(back, whole.shape, spatial=spatial), given),
        by_scale.reshape(shapes[0]),
        by_bias.reshape(shapes[1]),
        None,
        None,
        None,
    ]


PYTHON_OPERATORS["BatchNormalization"] = PythonOperator(
    _forward, _backward, effect=_update, in_training_only=True
)
