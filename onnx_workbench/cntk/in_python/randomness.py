"""Operators that draw random numbers: CNTK's very numbers for the same seed, going on from call to call."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.in_python.negative_samples import packed_places
from onnx_workbench.cntk.in_python.registry import PYTHON_OPERATORS, PythonOperator, Values
from onnx_workbench.cntk.random_numbers import RandomNumbers

Array = NDArray[Any]


def _stream(function: Any) -> RandomNumbers:
    """Return the numbers of this operator, which begin at its seed at the first call."""
    if not hasattr(function, "_random_numbers"):
        function._random_numbers = RandomNumbers(int(function.attributes["rngSeed"]))
    return function._random_numbers  # type: ignore[no-any-return]


def _uniform(random: RandomNumbers, count: int, low: float, high: float) -> Array:
    return random.uniform(count, low, high)


def _normal(random: RandomNumbers, count: int, mean: float, deviation: float) -> Array:
    return random.normal(count + count % 2, mean, deviation)[:count]  # CNTK draws pairs


def _gumbel(random: RandomNumbers, count: int, place: float, scale: float) -> Array:
    return place - scale * np.log(-np.log1p(-random.uniform(count)))


def _bernoulli(random: RandomNumbers, count: int, mean: float) -> Array:
    return (random.uniform(count) >= 1 - mean).astype(np.float64)


_DRAWN: dict[str, Callable[..., Array]] = {
    "uniform": _uniform,
    "normal": _normal,
    "gumbel": _gumbel,
    "bernoulli": _bernoulli,
}


def _draw_like(value: Any, shape: tuple[int, ...], draw: Callable[[int], Array]) -> Any:
    """Draw numbers for a value; sequences get theirs step by step, packed into rows as CNTK packs them."""
    if not isinstance(value, list):
        return draw(math.prod(shape)).reshape(shape)
    sample = value[0].shape[1:]
    count, columns = packed_places([len(one) for one in value])
    steps = draw(count * math.prod(sample)).reshape(count, *sample)
    return [steps[places] for places in columns]


def _typed(value: Any, dtype: Any) -> Any:
    return [one.astype(dtype) for one in value] if isinstance(value, list) else value.astype(dtype)


def _random_distribution(function: Any, values: Values) -> tuple[Any, Values]:
    attributes = function.attributes
    kind, arguments = _DRAWN[attributes["randomDistributionType"]], attributes["randomDistributionArgs"]
    random = _stream(function)
    value = values[0] if values else None
    shape = function.output.shape if value is None else np.shape(value) if not isinstance(value, list) else ()
    drawn = _draw_like(value, shape, lambda count: kind(random, count, *arguments))
    return None, [_typed(drawn, function.output.dtype)]


def _dropout(function: Any, values: Values) -> tuple[Any, Values]:
    rate, random = function.attributes["dropoutRate"], _stream(function)
    kept = _draw_like(
        values[0],
        np.shape(values[0]) if not isinstance(values[0], list) else (),
        lambda count: (random.uniform(count) >= rate) / (1 - rate),
    )
    mask = _typed(kept, function.output.dtype)
    return mask, [_times(values[0], mask)]


def _dropout_backward(_function: Any, mask: Any, gradients: Values) -> Values:
    return [_times(gradients[0], mask)]


def _times(left: Any, right: Any) -> Any:
    return [a * b for a, b in zip(left, right, strict=True)] if isinstance(left, list) else left * right


def checked_weights(weights: Array, count: int, *, allow_duplicates: bool) -> Array:
    """Return running sums of the weights of classes that are drawn from.

    Raises
    ------
    ValueError
        For negative weights, and for more samples than there are classes where none may be drawn twice.
    """
    flat = np.asarray(weights, np.float64).reshape(-1)
    if count <= 0:
        raise CntkValueError(
            "RandomSample/RandomSampleInclusionFrequency: Number of requested samples must be > 0; "
            f"got {count}."
        )
    if not allow_duplicates and count >= len(flat):
        raise CntkValueError(
            "RandomSample/RandomSampleInclusionFrequency: For sampling without duplicates the number of requested "
            f"samples ({count}) must be less than the number of classes ({len(flat)})."
        )
    if (flat < 0).any():
        raise CntkValueError(f"Sampling weights contain negative number {flat[flat < 0][0]:f}.")
    return np.cumsum(flat)


def _sampled(random: RandomNumbers, sums: Array, count: int, *, allow_duplicates: bool) -> tuple[Array, int]:
    """Return the classes drawn, and how often it was tried."""
    if allow_duplicates:
        return np.searchsorted(sums, random.uniform(count, 0.0, float(sums[-1]))), count
    if np.count_nonzero(np.diff(sums, prepend=0.0)) < count:
        raise CntkValueError(
            f"RandomSample: {count} different classes are asked for, and fewer have a weight above 0."
        )
    seen: dict[int, None] = {}
    tries = 0
    while len(seen) < count:
        tries += 1
        seen[int(np.searchsorted(sums, random.uniform(1, 0.0, float(sums[-1]))[0]))] = None
    return np.array(list(seen)), tries


def _random_sample(function: Any, values: Values) -> tuple[Any, Values]:
    count, repeated = function.attributes["numSamples"], function.attributes["allowDuplicates"]
    sums = checked_weights(values[0], count, allow_duplicates=repeated)
    classes, _ = _sampled(_stream(function), sums, count, allow_duplicates=repeated)
    return None, [np.eye(len(sums), dtype=function.output.dtype)[classes]]


_EXPERIMENTS = 10


def _inclusion_frequency(function: Any, values: Values) -> tuple[Any, Values]:
    """Return how often each class is among the samples on average; CNTK estimates the tries by experiments."""
    count, repeated = function.attributes["numSamples"], function.attributes["allowDuplicates"]
    sums = checked_weights(values[0], count, allow_duplicates=repeated)
    chances = np.diff(sums, prepend=0.0) / sums[-1]
    if repeated:
        found = chances * count
    else:
        random = RandomNumbers(int(function.attributes["rngSeed"]))
        tries = [_sampled(random, sums, count, allow_duplicates=False)[1] for _ in range(_EXPERIMENTS)]
        with np.errstate(divide="ignore"):
            found = -np.expm1(sum(tries) / _EXPERIMENTS * np.log1p(-chances))
    return None, [found.astype(function.output.dtype)]


PYTHON_OPERATORS |= {
    "RandomDistribution": PythonOperator(_random_distribution),
    "RandomSample": PythonOperator(_random_sample),
    "RandomSampleInclusionFrequency": PythonOperator(_inclusion_frequency),
    "Dropout": PythonOperator(_dropout, _dropout_backward, in_training_only=True),
}
