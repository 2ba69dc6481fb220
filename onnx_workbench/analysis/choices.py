"""Choices, as indices or as comparisons: which of the other side goes with one, and when other indices choose alike.

Their contents tell too little to find each other by, and what follows a choice can only be judged from the same choice:
where it may fall out otherwise, everything behind it may be anything. Of equal numbers, as half precision makes many,
either may be chosen: TopK and ArgMax of two frameworks then write other indices, and both are right. A limit that a
file holds in half precision is rounded: a value within one unit of it may be on either side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.analysis.differences import is_float
from onnx_workbench.analysis.expected_values import ExpectedValues
from onnx_workbench.analysis.rounding import Origin
from onnx_workbench.core.errors import RunError
from onnx_workbench.runtime.steps import StepwiseRun

Array = NDArray[Any]

_CHOOSES = frozenset({"TopK", "ArgMax", "ArgMin"})
_COMPARES = {
    "Greater": {"Greater", "gt"},
    "GreaterOrEqual": {"GreaterOrEqual", "ge"},
    "Less": {"Less", "lt"},
    "LessOrEqual": {"LessOrEqual", "le"},
    "Equal": {"Equal", "eq"},
}
"""Operators of ONNX, and what they are called on either side."""


def is_choice(origin: Origin, outcome: Array) -> bool:
    """Tell whether it is a choice among numbers that the other side has as well: rounding has no part in it."""
    constants = all(not before.step.inputs for before in origin.unconfirmed.values())
    indices = origin.step.operator in _CHOOSES and outcome.dtype.kind in "iu"
    return constants and (indices or (origin.step.operator in _COMPARES and outcome.dtype.kind == "b"))


def same_choice(
    origin: Origin, outcome: Array, twins: Mapping[str, str], expected: ExpectedValues
) -> str | None:
    """Return the one value that is the same choice on the other side; None if it is not plain which.

    It goes with a value that has its twin, or one step computes it from the same values.
    """
    if not is_choice(origin, outcome):
        return None
    beside = [twins[name] for name in origin.step.outputs if name in twins]
    read = [twins[name] for name in origin.feeds() if name in twins]
    names = (expected.parts_beside(beside[0]) if beside else []) or expected.computed_from(read)
    kinds = "b" if outcome.dtype.kind == "b" else "iu"
    found = [
        name
        for name in names
        if name not in expected.done
        and (array := expected.value(name)) is not None
        and array.dtype.kind in kinds
        and array.shape == outcome.shape
    ]
    if kinds == "b":
        found = [name for name in found if _is_called_alike(origin, expected.operator_of(name))]
    return found[0] if len(found) == 1 else None


def _is_called_alike(origin: Origin, operator: str) -> bool:
    """Tell whether it is the same comparison in the words of the other side."""
    return operator.split(".", maxsplit=1)[0] in _COMPARES.get(origin.step.operator, set())


def turns_by_a_unit(run: StepwiseRun, origin: Origin, outcome: Array, expected: Array, operator: str) -> bool:
    """Tell whether a comparison with a constant falls out as expected if what it reads moves by one rounding unit."""
    if (
        not _is_called_alike(origin, operator)
        or outcome.shape != expected.shape
        or expected.dtype.kind != "b"
    ):
        return False
    feeds = list(origin.feeds().items())
    if len(feeds) != 1:
        return False
    name, value = feeds[0]
    if not isinstance(value, np.ndarray) or not is_float(value):
        return False
    right = outcome == expected
    with np.errstate(over="ignore"):
        narrow = value.astype(np.float16)
    narrow = narrow if np.array_equal(narrow, value) else value
    for direction in (-np.inf, np.inf):
        # Zero is a limit that is never rounded.
        moved = np.where(narrow == 0, narrow, np.nextafter(narrow, narrow.dtype.type(direction)))
        values: dict[str, Any] = {name: moved.astype(value.dtype)}
        try:
            for step in origin.steps():
                values |= run.compute(step, values)
        except RunError:
            return False
        right |= run.array(values[origin.step.outputs[0]]) == expected
    return bool(right.all())


def choose_alike(origin: Origin, outcome: Array, expected: Array) -> bool:
    """Tell whether indices, though different, choose equal numbers of what the step was fed with."""
    if (
        origin.step.operator not in _CHOOSES
        or outcome.dtype.kind not in "iu"
        or expected.dtype.kind not in "iu"
    ):
        return False
    if outcome.shape != expected.shape:
        return False
    read = [
        np.asarray(value) for value in origin.fed.values() if isinstance(value, np.ndarray) and value.ndim
    ]
    return any(
        _equal_along(numbers, axis, outcome, expected)
        for numbers in read
        if is_float(numbers)
        for axis in range(numbers.ndim)
    )


def _equal_along(numbers: Array, axis: int, outcome: Array, expected: Array) -> bool:
    if outcome.ndim == numbers.ndim - 1:
        outcome, expected = np.expand_dims(outcome, axis), np.expand_dims(expected, axis)
    if outcome.ndim != numbers.ndim:
        return False
    others = [place for place in range(numbers.ndim) if place != axis]
    if any(outcome.shape[place] != numbers.shape[place] for place in others):
        return False
    size = numbers.shape[axis]
    for indices in (outcome, expected):
        if indices.size and not (-size <= indices.min() and indices.max() < size):
            return False
    chosen, right = (np.take_along_axis(numbers, indices, axis) for indices in (outcome, expected))
    return bool(np.array_equal(chosen, right))
