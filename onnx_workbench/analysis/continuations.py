"""Continuations: a value of the other side is tried where one is in doubt, and the steps behind are run with it.

If they come to something that the other side knows, the value belongs there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.analysis.differences import difference, epsilon, is_float, is_telling, may_agree
from onnx_workbench.analysis.expected_values import ExpectedValues
from onnx_workbench.analysis.rounding import HALF, Origin, plain_limit
from onnx_workbench.core.errors import RunError
from onnx_workbench.runtime.steps import Step, StepwiseRun

Array = NDArray[Any]

LIKENESS = 64.0
"""How many times what rounding explains is still a likeness."""

_LIKENESS_OF_HALVES = 6.0  # a hundredth: more would be no likeness
_DEEPEST = 3
_MOST_TRIED, _MOST_LOOKED_AT = 4000, 50_000
"""Steps computed in one walk to see how values go on, and values looked at: thousands must not try each other."""


class Continuations:
    """How one run goes on with values that are tried in it; in one walk only so many are.

    Parameters
    ----------
    run
        The run under test.
    expected
        The values of the run that is right.
    fed
        What the steps of the run under test are fed with, as far as the walk has come: it is looked at anew each time.
    """

    def __init__(self, run: StepwiseRun, expected: ExpectedValues, fed: Mapping[str, Any]) -> None:
        self._run, self._expected, self._fed = run, expected, fed
        self._tried = self._looked_at = 0
        self._readers: dict[str, list[Step]] = {}
        for step in run.steps:
            for name in step.inputs:
                self._readers.setdefault(name, []).append(step)
        self._writer = {name: step for step in run.steps for name in step.outputs}

    @property
    def exhausted(self) -> bool:
        """Whether as many steps have been tried as one walk may."""
        return self._tried >= _MOST_TRIED

    def steps_until_known(self, name: str, expected: Array, candidate: str | None = None) -> int | None:
        """Return how many steps on, fed with this, something known comes; 0 if nothing does, None if unknown."""
        tried = None
        values = {name: expected}
        ways = [(reader, 1) for reader in self._readers.get(name, [])]
        while ways and not self.exhausted:
            reader, depth = ways.pop(0)
            self._tried += 1
            try:
                fed = {read: self._looked_up(read, values, _DEEPEST) for read in reader.inputs}
                written = self._run.compute(reader, fed)
            except RunError:
                continue
            for out, value in written.items():
                values[out] = value
                array = self._run.array(value)
                if array is None:
                    continue
                if is_telling(array):
                    if self._is_known(reader, fed, array, candidate):
                        return depth
                    tried = 0
                if depth < _DEEPEST:
                    ways += [(behind, depth + 1) for behind in self._readers.get(out, [])]
        return tried

    def can_be_read(self, name: str, expected: Array) -> bool:
        """Tell whether any step behind can be run with a value in this place; where none is ready, it may be."""
        ready = [step for step in self._readers.get(name, []) if {*step.inputs} <= {name, *self._fed}]
        for reader in ready:
            try:
                self._run.compute(reader, {**self._fed, name: expected})
            except RunError:
                continue
            return True
        return not ready

    def _looked_up(self, name: str, values: dict[str, Any], depth: int) -> Any:
        """Return a value that a later step reads, computing what comes from another branch."""
        if name not in values and name not in self._fed:
            writer = self._writer.get(name)
            if writer is None or depth == 0:
                raise RunError(f"{name!r} is not there yet")
            fed = {read: self._looked_up(read, values, depth - 1) for read in writer.inputs}
            values.update(self._run.compute(writer, fed))
        return values[name] if name in values else self._fed[name]

    def _is_known(self, reader: Step, fed: dict[str, Any], array: Array, candidate: str | None) -> bool:
        origin = Origin(reader, fed, {})
        allowed: dict[np.dtype[Any], float] = {}
        for known, expected in list(self._expected.held.items()):
            if known == candidate or known in self._expected.done or expected.shape != array.shape:
                continue
            if not is_float(expected) or (candidate and not self._expected.follows(known, [candidate])):
                continue
            self._looked_at += 1
            if self._looked_at > _MOST_LOOKED_AT:
                return False
            if (rough := allowed.get(expected.dtype)) is None:
                limit = plain_limit(self._run, origin, array, expected)
                rough = allowed[expected.dtype] = likeness_of(expected) * limit
            if may_agree(array, expected, rough):
                apart = difference(array, expected)
                if apart.relative <= rough:
                    return True
        return False


def likeness_of(expected: Array) -> float:
    """Return how many times what rounding explains is still a likeness."""
    return LIKENESS if epsilon(expected.dtype) <= HALF else _LIKENESS_OF_HALVES
