"""How much error of its own a step may add before it is to blame: by dtype, reduction length, and measured noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.analysis.differences import Difference, difference, epsilon, is_float, jittered
from onnx_workbench.core.errors import RunError
from onnx_workbench.runtime.steps import Step, StepwiseRun

Array = NDArray[Any]

_UNITS = 4.0
_UNITS_PER_ROOT = 0.25
_HALF_UNITS = 1.5
_NOISE_UNITS = 16.0
_HALF_NOISE_UNITS = 1.5  # sound files are within 1.5 rounding units in all
HALF = 1e-5
_MEAN_UNITS = 1.0
_DRAWS = 2
_SELDOM_UNITS = 0.25
_ANYTHING = 0.25


@dataclass(frozen=True)
class Origin:
    """What a value was computed from: a step, what it was fed, and where those that no twin confirms come from."""

    step: Step
    fed: Mapping[str, Any] = field(repr=False)
    unconfirmed: Mapping[str, Origin] = field(repr=False)
    depth: int = 1
    """How long the longest way from confirmed values is: at least that many steps, known without walking it."""

    def steps(self) -> list[Step]:
        """Return the steps since the last confirmed values, in order."""
        found: dict[int, Step] = {}
        waiting = [self]
        while waiting:
            origin = waiting.pop()
            if origin.step.index not in found:
                found[origin.step.index] = origin.step
                waiting += origin.unconfirmed.values()
        return [found[index] for index in sorted(found)]

    def rounding_steps(self) -> int:
        """Return how many of those steps write floating-point numbers: shapes and indices are not rounded."""
        found = {self.step.index}
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            origin = waiting.pop()
            if origin.step.index in seen:
                continue
            seen.add(origin.step.index)
            for name, before in origin.unconfirmed.items():
                if is_float(np.asarray(origin.fed[name]) if not isinstance(origin.fed[name], list) else None):
                    found.add(before.step.index)
                waiting.append(before)
        return len(found)

    def feeds(self) -> dict[str, Any]:
        """Return the confirmed values that those steps were fed with."""
        found: dict[str, Any] = {}
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            origin = waiting.pop()
            if origin.step.index in seen:
                continue
            seen.add(origin.step.index)
            found |= {name: value for name, value in origin.fed.items() if name not in origin.unconfirmed}
            waiting += origin.unconfirmed.values()
        return found


def plain_limit(run: StepwiseRun, origin: Origin, outcome: Array, expected: Array) -> float:
    """Return the share of the value's scale that rounding may take, if nothing amplifies it.

    Sums of n rounded terms are off by about the root of n rounding units; half precision is summed in single
    precision on both sides, and rounded once for each step.
    """
    steps = origin.steps()
    unit = max(epsilon(outcome.dtype), epsilon(expected.dtype))
    length = max(_reduction_length(run, step, origin, outcome) for step in steps)
    ways = math.sqrt(origin.rounding_steps())
    if unit > HALF:
        return unit * (_HALF_UNITS * ways + 0.01 * math.sqrt(length))
    return unit * (_UNITS * ways + _UNITS_PER_ROOT * math.sqrt(length))


def _reduction_length(run: StepwiseRun, step: Step, origin: Origin, outcome: Array) -> float:
    """Return about how many terms are summed for one element: what is read, in units of what is written."""
    sizes = [np.size(value) for name, value in origin.fed.items() if isinstance(value, np.ndarray)]
    return max(1.0, max(sizes, default=1) / max(1, outcome.size), run.summed_terms(step))


def noise(run: StepwiseRun, origin: Origin, name: str, outcome: Array, unit: float) -> Difference:
    """Return by how much the outcome moves if every number on the way moves by one rounding unit.

    A way through a precision coarser than `unit` has no excuse: rounding so is what it adds.
    """
    none = moved = Difference(0.0, 1.0, units=0.0)
    for seed in range(_DRAWS):
        generator = np.random.default_rng(seed)
        try:
            done: dict[int, dict[str, Any]] = {}
            shaken = _shaken(run, origin, generator, done)
        except RunError:
            return none
        arrays = [run.array(value) for written in done.values() for value in written.values()]
        if any(epsilon(array.dtype) > unit for array in arrays if array is not None):
            return none
        array = run.array(shaken[name])
        if array is None or array.shape != outcome.shape:
            continue
        found = difference(array, outcome)
        if not found.problem:
            moved = Difference(max(moved.largest, found.largest), 1.0, units=max(moved.units, found.units))
    return moved


def _shaken(
    run: StepwiseRun, origin: Origin, generator: np.random.Generator, done: dict[int, dict[str, Any]]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    # Steps before come first, in order: a long chain must not become a deep recursion.
    order: dict[int, Origin] = {}
    waiting = [origin]
    while waiting:
        item = waiting.pop()
        if item.step.index not in order:
            order[item.step.index] = item
            waiting += item.unconfirmed.values()
    for index in sorted(order):
        item = order[index]
        fed = {}
        for name, value in item.fed.items():
            before = item.unconfirmed.get(name)
            value = done[before.step.index][name] if before is not None else value
            array = run.array(value)
            fed[name] = jittered(array, generator) if array is not None and is_float(array) else value
        done[index] = run.compute(item.step, fed)
    values.update(done[origin.step.index])
    return values


def noise_on_the_way(
    run: StepwiseRun, way: Sequence[Step], fed: Mapping[str, Any], name: str, expected: Array
) -> Difference:
    """Return by how much the other side's value moves if what it rounds on its way moves by one rounding unit.

    The run under test may take the same way in fewer steps, such as a convolution with a folded normalization.
    """
    moved = Difference(0.0, 1.0, units=0.0)
    for seed in range(_DRAWS if len(way) > 1 else 0):
        generator = np.random.default_rng(seed)
        values = dict(fed)
        try:
            for step in way:
                for written, value in run.compute(step, values).items():
                    # Parts of a tuple are moved when they are taken out of it.
                    array = None if written == name else run.array(value)
                    values[written] = value if array is None else jittered(array, generator)
        except RunError:
            break
        array = run.array(values[name])
        if array is not None and array.shape == expected.shape:
            found = difference(array, expected)
            if not found.problem:
                moved = Difference(
                    max(moved.largest, found.largest), 1.0, units=max(moved.units, found.units)
                )
    return moved


@dataclass(frozen=True)
class Limits:
    """What rounding explains: a share of the value's scale, and for half precision units of the last place.

    Units in the last place prove something only between runs of the same kernels (`same_kernels`): another framework
    may sum and round in its own way. There they are a reason to look closer.
    """

    relative: float
    units: float = math.inf
    same_kernels: bool = True
    seldom: float = math.inf
    without_noise: float = math.inf
    """The share of the scale that rounding explains where nothing amplifies it."""

    def widened(self, behind: Difference, scale: float) -> Limits:
        """Return the limits where the other side rounds on its way too."""
        if not behind.largest or not scale:
            return self
        units = self.units if behind.units != behind.units else max(self.units, 2 * behind.units)
        return replace(
            self, relative=max(self.relative, 2 * behind.largest / scale), units=units, seldom=units
        )

    def explain(self, found: Difference) -> bool:
        """Tell whether rounding explains a difference."""
        if found.problem or found.relative > self.relative:
            return False
        return not (self.same_kernels and found.units > self.units)

    def excuse(self, found: Difference) -> bool:
        """Tell whether a difference passes only because rounding may turn the value into nearly anything."""
        return self.explain(found) and self.relative > _ANYTHING and found.relative > self.without_noise

    def is_doubtful(self, found: Difference) -> bool:
        """Tell whether rounding explains a difference, but would seldom make it."""
        return self.explain(found) and found.units > self.seldom


def limits(
    run: StepwiseRun,
    origin: Origin,
    name: str,
    outcome: Array,
    expected: Array,
    found: Difference,
    *,
    same_kernels: bool = True,
) -> Limits:
    """Return what rounding explains; the noise is measured only where the plain limits are passed."""
    ways = len(origin.steps())
    share = plain_limit(run, origin, outcome, expected)
    plain = Limits(share, _MEAN_UNITS * ways, same_kernels, seldom=_SELDOM_UNITS * ways, without_noise=share)
    if found.problem or plain.explain(found):
        return plain
    moved = noise(run, origin, name, outcome, max(epsilon(outcome.dtype), epsilon(expected.dtype)))
    if not is_float(outcome):
        return Limits(4 * moved.largest / found.scale if found.scale else 4 * moved.largest)
    half = epsilon(outcome.dtype) > HALF
    if found.scale == 0:
        return Limits(math.inf if found.largest <= _NOISE_UNITS * moved.largest else plain.relative)
    relative = (_HALF_NOISE_UNITS if half else _NOISE_UNITS) * moved.largest / found.scale
    # One step on the same inputs is rounded once on either side; what moves its inputs is no excuse.
    units = plain.units if ways == 1 or moved.units != moved.units else max(plain.units, 2 * moved.units)
    return replace(plain, relative=max(plain.relative, relative), units=units)
