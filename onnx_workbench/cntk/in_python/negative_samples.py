"""Cosines between each sample and others of the minibatch, for ragged sequences: no one ONNX tensor holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.in_python.registry import PYTHON_OPERATORS, PythonOperator, Values

Array = NDArray[Any]


def packed_places(lengths: list[int]) -> tuple[int, list[Array]]:
    """Return how many columns CNTK packs sequences into, and those of the steps of each.

    A row holds sequences one after another, up to the length of the longest; columns go through all rows at a time.
    """
    longest = max(lengths)
    used: list[int] = []
    places: list[tuple[int, int]] = []
    for length in lengths:
        row = next((i for i, taken in enumerate(used) if taken + length <= longest), len(used))
        used += [0] if row == len(used) else []
        places.append((row, used[row]))
        used[row] += length
    columns = [
        (start + np.arange(length)) * len(used) + row
        for length, (row, start) in zip(lengths, places, strict=True)
    ]
    return longest * len(used), columns


def _matrix(value: Any) -> tuple[Array, Array]:
    """Return all samples as rows in CNTK's order, gaps as zeros, and in which rows those given stand."""
    if not isinstance(value, list):
        array = np.asarray(value)
        return array.reshape(len(array), -1), np.arange(len(array))
    count, columns = packed_places([len(one) for one in value])
    flat = np.concatenate([one.reshape(len(one), -1) for one in value])
    places = np.concatenate(columns)
    rows = np.zeros((count, flat.shape[1]), flat.dtype)
    rows[places] = flat
    return rows, places


def _apart(array: Array, like: Any, shape: tuple[int, ...]) -> Any:
    if not isinstance(like, list):
        return array.reshape(len(array), *shape)
    ends = np.cumsum([len(one) for one in like])[:-1]
    return [part.reshape(len(part), *shape) for part in np.split(array, ends)]


def _inverse_lengths(rows: Array) -> Array:
    length = np.sqrt((rows * rows).sum(axis=-1, keepdims=True))
    found: Array = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
    return found


def _forward(function: Any, values: Values) -> tuple[Any, Values]:
    shift, count = (int(np.asarray(one.value).item()) for one in function.inputs[2:])
    x, places = _matrix(values[0])
    y, _ = _matrix(values[1])
    others = np.concatenate([[0], shift + np.arange(count)])
    partners = (np.arange(len(x))[:, None] + others) % len(x)
    by_x, by_y = _inverse_lengths(x), _inverse_lengths(y)
    cosines = np.einsum("nd,nkd->nk", x * by_x, (y * by_y)[partners])
    found = cosines[places].astype(function.output.dtype)
    return (x * by_x, y * by_y, by_x, by_y, partners, cosines, places, values[:2]), [
        _apart(found, values[0], (count + 1,))
    ]


def _backward(function: Any, state: Any, gradients: Values) -> Values:
    x, y, by_x, by_y, partners, cosines, places, values = state
    slope = np.zeros_like(cosines)
    slope[places] = np.concatenate(gradients[0]) if isinstance(gradients[0], list) else gradients[0]
    to_x = by_x * (np.einsum("nk,nkd->nd", slope, y[partners]) - x * (slope * cosines).sum(1, keepdims=True))
    to_y = np.zeros_like(y)
    each = slope[..., None] * (x[:, None] - y[partners] * cosines[..., None]) * by_y[partners]
    np.add.at(to_y, partners, each)
    found = [
        _apart(one[places], value, operand.shape)
        for one, value, operand in zip((to_x, to_y), values, function.inputs, strict=False)
    ]
    return [*found, None, None]


PYTHON_OPERATORS["CosDistanceWithNegativeSamples"] = PythonOperator(
    _forward, _backward, if_ragged=lambda _function: True
)
