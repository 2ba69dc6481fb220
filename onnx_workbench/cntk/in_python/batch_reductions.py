"""Reductions over everything in a batch of sequences of different lengths, which no one ONNX tensor holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.in_python.registry import PYTHON_OPERATORS, PythonOperator, Values

Array = NDArray[Any]


def _flat(value: Any) -> Array:
    return (
        np.concatenate([one.reshape(-1) for one in value]) if isinstance(value, list) else value.reshape(-1)
    )


def _apart(flat: Array, like: Any) -> Any:
    if not isinstance(like, list):
        return flat.reshape(like.shape)
    ends = np.cumsum([one.size for one in like])[:-1]
    return [part.reshape(one.shape) for part, one in zip(np.split(flat, ends), like, strict=True)]


def _log_sum(x: Array) -> Any:
    largest = x.max()
    return largest + np.log(np.exp(x - largest).sum())


def _at(index: Any, x: Array) -> Array:
    found = np.zeros_like(x)
    found[index] = 1
    return found


def _others(x: Array) -> Array:
    """Return, for each number, the product of all others."""
    before = np.cumprod(np.concatenate([[1], x[:-1]]))
    after = np.cumprod(np.concatenate([[1], x[:0:-1]]))[::-1]
    found: Array = before * after
    return found


_REDUCED: dict[str, tuple[Callable[[Array], Any], Callable[[Array], Array]]] = {
    "Sum": (np.sum, np.ones_like),
    "Mean": (np.mean, lambda x: np.full_like(x, 1 / len(x))),
    "Max": (np.max, lambda x: _at(x.argmax(), x)),
    "Min": (np.min, lambda x: _at(x.argmin(), x)),
    "Prod": (np.prod, _others),
    "LogSum": (_log_sum, lambda x: np.exp(x - _log_sum(x))),
}


def _forward(function: Any, values: Values) -> tuple[Any, Values]:
    reduced = _REDUCED[function.attributes["reductionOpName"]][0](_flat(values[0]))
    return values[0], [np.asarray(reduced, function.output.dtype).reshape(())]


def _backward(function: Any, value: Any, gradients: Values) -> Values:
    flat = _flat(value)
    slope = _REDUCED[function.attributes["reductionOpName"]][1](flat)
    return [_apart((slope * np.asarray(gradients[0]).reshape(())).astype(flat.dtype), value)]


def _is_over_everything(function: Any) -> bool:
    axes = [axis.name for axis in function.attributes["axisVec"] if axis is not None]
    return axes == ["AllAxes"] and function.attributes["reductionOpName"] in _REDUCED


PYTHON_OPERATORS["ReduceElements"] = PythonOperator(_forward, _backward, if_ragged=_is_over_everything)
