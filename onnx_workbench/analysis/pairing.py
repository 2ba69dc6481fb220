"""Pairing: one run, step by step, fed with another run's values, and for each value its twin in the other run.

A twin is known by its name where both sides agree on names, and else by its contents: fed with the other side's
values, a sound step gives the other side's next value. A faulty step gives nothing that the other side knows; then its
twin is the value with which the steps behind it go on as expected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.analysis.choices import choose_alike, is_choice, same_choice, turns_by_a_unit
from onnx_workbench.analysis.continuations import LIKENESS, Continuations, likeness_of
from onnx_workbench.analysis.differences import (
    Difference,
    difference,
    epsilon,
    is_alike,
    is_float,
    is_telling,
    may_agree,
)
from onnx_workbench.analysis.expected_values import ExpectedValues
from onnx_workbench.analysis.rounding import Limits, Origin, limits, plain_limit
from onnx_workbench.analysis.verdict import Verdict
from onnx_workbench.core.errors import RunError
from onnx_workbench.runtime.steps import Step, StepwiseRun, last_readers

Array = NDArray[Any]

_LONGEST_WAY = 12


_Found = tuple[str, Array, Difference, Limits]


class Pairing:
    """One walk through the run under test.

    Parameters
    ----------
    actual, expected
        The run under test, and the one that is right.
    actual_feeds, expected_feeds
        Their inputs.
    carried
        Whether the run under test is also run on its own values.
    doubtful
        Indices of steps behind which nothing was recognised in the walk before: their twins are looked for by
        what follows.
    """

    def __init__(
        self,
        actual: StepwiseRun,
        expected: StepwiseRun,
        actual_feeds: Mapping[str, Any],
        expected_feeds: Mapping[str, Any],
        *,
        carried: bool = True,
        doubtful: set[int] | None = None,
    ) -> None:
        self.actual = actual
        self.expected = ExpectedValues(expected, expected_feeds)
        self.fed: dict[str, Any] = dict(actual_feeds)
        self.own: dict[str, Any] | None = dict(actual_feeds) if carried else None
        self.twins: dict[str, str] = {}
        self.origins: dict[str, Origin] = {}
        self._continuations = Continuations(actual, self.expected, self.fed)
        self._same_kernels = actual.kernels == expected.kernels
        self._last = last_readers(actual.steps)
        self._doubtful = doubtful or set()
        self._named_well = self._named_badly = 0
        self.lost: set[int] = set()
        self._outputs = dict(zip(actual.output_names, expected.output_names, strict=False))
        for name, twin in zip(actual.input_names, expected.input_names, strict=False):
            self.twins[name] = twin

    def walk(self) -> Iterator[list[Verdict]]:
        """Yield what is found at each step."""
        for step in self.actual.steps:
            yield self._take(step)
            for name in {*step.inputs, *step.outputs}:
                if self._last.get(name, -1) <= step.index:
                    self.fed.pop(name, None)
                    self.origins.pop(name, None)
                    if self.own is not None:
                        self.own.pop(name, None)

    def _take(self, step: Step) -> list[Verdict]:
        if any(name not in self.fed for name in step.inputs):
            return [self._pass_by(step, name) for name in step.outputs]
        read = list(step.inputs)
        before = {name: self.origins[name] for name in read if name in self.origins}
        depth = 1 + max((source.depth for source in before.values()), default=0)
        origin = Origin(step, {name: self.fed[name] for name in read}, before, depth)
        try:
            written = self.actual.compute(step, self.fed)
        except RunError as error:
            written, trouble = {}, str(error)
        else:
            trouble = ""
        own = self._run_on_its_own(step, written)
        verdicts = []
        for name in step.outputs:
            verdict = self._judge(step, name, origin, written.get(name), trouble)
            self._measure_carried(verdict, own.get(name))
            verdicts.append(verdict)
        if self.own is not None:
            self.own.update(own)
        return verdicts

    def _pass_by(self, step: Step, name: str) -> Verdict:
        """Judge nothing where a step before could not be run; go on with the twin, if its name tells it."""
        verdict = Verdict(name, step, (), "")
        twin, expected = self._by_name_alone(step, name)
        if expected is not None:
            self._confirm(name, twin, expected)
        return verdict

    def _by_name_alone(self, step: Step, name: str) -> tuple[str, Array | None]:
        """Return the twin that a name tells, and its value; None if it tells none."""
        twin = self._outputs.get(name, name)
        told = name in self._outputs or self.expected.plays_the_part(name, step, self.twins)
        return twin, self.expected.value(twin) if told and self.expected.knows(twin) else None

    def _run_on_its_own(self, step: Step, written: dict[str, Any]) -> dict[str, Any]:
        if self.own is None:
            return {}
        if any(name not in self.own for name in step.inputs):
            return {}
        if all(self.own[name] is self.fed.get(name) for name in step.inputs):
            return dict(written)
        try:
            return self.actual.compute(step, self.own)
        except RunError:
            return {}

    def _measure_carried(self, verdict: Verdict, own: Any) -> None:
        array = None if own is None else self.actual.array(own)
        if array is not None and verdict.expected is not None:
            verdict.carried = difference(array, verdict.expected)

    def _judge(self, step: Step, name: str, origin: Origin, value: Any, trouble: str) -> Verdict:
        outcome = None if value is None else self.actual.array(value)
        shape = () if outcome is None else outcome.shape
        verdict = Verdict(name, step, shape, "" if outcome is None else outcome.dtype.name, origin=origin)
        if trouble:
            return self._after_trouble(verdict, trouble)
        if outcome is None:
            self._go_on(verdict, value, origin)
            return verdict
        found = self._find(step, name, origin, outcome)
        if found is None:
            self._go_on(verdict, value, origin)
            return verdict
        twin, expected, apart, threshold = found
        verdict.reads_otherwise = not self.expected.follows(twin, self._confirmed_before(origin))
        verdict.twin, verdict.own, verdict.limits, verdict.expected = twin, apart, threshold, expected
        if self._outputs.get(name) == twin and outcome.dtype != expected.dtype and not apart.problem:
            verdict.reason = f"is {outcome.dtype.name}, and {expected.dtype.name} was expected"
        # Which of several? Their twins are looked for once more.
        if origin.unconfirmed and verdict.failed:
            self.lost |= {step.index for step in origin.steps()}
        self._confirm(name, twin, _in_dtype_of(outcome, expected))
        return verdict

    def _after_trouble(self, verdict: Verdict, trouble: str) -> Verdict:
        """Blame a step that fails on the other side's values, and go on with its twin, if its name tells it."""
        twin, expected = self._by_name_alone(verdict.step, verdict.name)
        verdict.reason = f"cannot be run on the expected values: {trouble}"
        if expected is not None:
            verdict.twin, verdict.expected = twin, expected
            self._confirm(verdict.name, twin, expected)
        return verdict

    def _go_on(self, verdict: Verdict, value: Any, origin: Origin) -> None:
        self.fed[verdict.name] = value
        self.origins[verdict.name] = origin
        array = self.actual.array(value)
        verdict.is_finite = array is None or not is_float(array) or bool(np.isfinite(array).all())
        if verdict.name in self._outputs:
            self.lost |= {step.index for step in origin.steps()}

    def _confirm(self, name: str, twin: str, expected: Array) -> None:
        self.fed[name] = expected
        self.twins[name] = twin
        self.expected.confirm(twin)

    def _find(self, step: Step, name: str, origin: Origin, outcome: Array) -> _Found | None:
        """Return the twin, its value, how far they are apart, and how far they may be."""
        named = self._named(name, origin)
        if named is not None:
            close = self._compare(origin, name, outcome, named[1], named[0])
            if close[1].explain(close[0]):
                self._named_well += 1
                return (*named, *close)
        if (choice := same_choice(origin, outcome, self.twins, self.expected)) is not None:
            expected = self.expected.held[choice]
            return (choice, expected, *self._compare(origin, name, outcome, expected, choice))
        if name not in self._outputs and (found := self._unchanged(origin, name, outcome)) is not None:
            return found
        found = self._by_contents(origin, name, outcome)
        if found is not None and not (named and self.expected.are_siblings(named[0], found[0])):
            return found
        if name not in self._outputs and (found := self._through_casts(origin, name, outcome)) is not None:
            return found
        is_output = name in self._outputs
        if named is not None and (is_output or self._trusts(name, origin, named[1], outcome)):
            self._named_badly += not is_output
            return (*named, *self._compare(origin, name, outcome, named[1], named[0]))
        if is_output:
            return self._at_output(name, origin, outcome)
        if step.index in self._doubtful and is_float(outcome):
            return self._by_what_follows(name, origin, outcome)
        return None

    def _trusts(self, name: str, origin: Origin, expected: Array, outcome: Array) -> bool:
        """Tell whether a value of the same name is the twin, though it does not agree: names may have changed hands."""
        if not self.expected.plays_the_part(name, origin.step, self.twins):
            return False
        if outcome.shape != expected.shape and not self._continuations.can_be_read(name, expected):
            return False
        if self._named_well > 3 * self._named_badly:
            return True
        if self.expected.is_direct(name) and self.expected.follows(name, self._confirmed_before(origin)):
            return True
        return self._continuations.steps_until_known(name, expected) != 0

    def _named(self, name: str, origin: Origin) -> tuple[str, Array] | None:
        if not self.expected.knows(name):
            return None
        if (expected := self.expected.value(name)) is not None:
            return name, expected
        # The value before it had this twin already: nodes that only one side has must leave it as it is.
        for read, value in origin.feeds().items():
            if self.twins.get(read) == name and (array := self.actual.array(value)) is not None:
                return name, array
        return None

    def _compare(
        self, origin: Origin, name: str, outcome: Array, expected: Array, twin: str
    ) -> tuple[Difference, Limits]:
        apart = difference(outcome, expected)
        if is_choice(origin, outcome):
            alike = not apart.problem and (
                choose_alike(origin, outcome, expected)
                or turns_by_a_unit(self.actual, origin, outcome, expected, self.expected.operator_of(twin))
            )
            return replace(apart, largest=0.0) if alike else apart, Limits(0.0)
        found = limits(self.actual, origin, name, outcome, expected, apart, same_kernels=self._same_kernels)
        if not is_float(expected) or (found.explain(apart) and not found.is_doubtful(apart)):
            return apart, found
        # What the other side computes in several steps, it rounds on the way.
        fed = {self.twins[read]: value for read, value in origin.feeds().items() if read in self.twins}
        return apart, found.widened(self.expected.noise(twin, fed), apart.scale)

    def _by_contents(self, origin: Origin, name: str, outcome: Array) -> _Found | None:
        if not is_telling(outcome) or origin.depth > _LONGEST_WAY or len(origin.steps()) > _LONGEST_WAY:
            return None
        twins = self._confirmed_before(origin)
        seen: set[str] = set()
        steps = self.expected.ahead()
        while True:
            for candidate, expected in list(self.expected.held.items()):
                if candidate in seen or candidate in self.expected.done:
                    continue
                seen.add(candidate)
                if expected.shape != outcome.shape or not is_float(expected):
                    continue
                if _is_rounding(origin, outcome, expected) or not self.expected.follows(candidate, twins):
                    continue
                limit = plain_limit(self.actual, origin, outcome, expected)
                if not may_agree(outcome, expected, LIKENESS * limit):
                    continue
                apart, threshold = self._compare(origin, name, outcome, expected, candidate)
                if not threshold.explain(apart):
                    continue
                if apart.largest == 0 or is_alike(outcome, expected, likeness_of(expected) * limit):
                    return candidate, expected, apart, threshold
            if next(steps, self) is self:
                return None

    def _unchanged(self, origin: Origin, name: str, outcome: Array) -> _Found | None:
        """Return the twin of what a cast leaves as it is, number by number, though another value may equal it."""
        if origin.step.operator != "Cast" or origin.unconfirmed or not origin.fed or not is_float(outcome):
            return None
        ((source, value),) = origin.fed.items()
        expected = self.actual.array(value)
        if source not in self.twins or expected is None or not is_float(expected):
            return None
        if not np.array_equal(outcome, expected):
            return None
        twin = self.expected.cast_of(self.twins[source], outcome) or self.twins[source]
        return (twin, expected, *self._compare(origin, name, outcome, expected, twin))

    def _through_casts(self, origin: Origin, name: str, outcome: Array) -> _Found | None:
        """Return what was cast, and cast again: casts that only one side has must leave it as it is."""
        if origin.step.operator != "Cast":
            return None
        feeds = origin.feeds()
        if len(feeds) != 1 or any(step.operator != "Cast" for step in origin.steps()):
            return None
        ((source, value),) = feeds.items()
        expected = self.actual.array(value)
        if source not in self.twins or expected is None or not is_float(expected) or not is_float(outcome):
            return None
        if epsilon(outcome.dtype) > epsilon(
            expected.dtype
        ):  # rounded: what is cast back is judged by the source
            return None
        twin = self.twins[source]
        return (twin, expected, *self._compare(origin, name, outcome, expected, twin))

    def _confirmed_before(self, origin: Origin) -> list[str]:
        names = origin.feeds()
        return [self.twins[name] for name in names if name in self.twins]

    def _at_output(self, name: str, origin: Origin, outcome: Array) -> _Found | None:
        """Return an output's twin, by its place; if they do not agree, the way to it is walked once more."""
        twin = self._outputs[name]
        expected = self.expected.value(twin)
        if expected is None:
            return None
        apart, threshold = self._compare(origin, name, outcome, expected, twin)
        if not threshold.explain(apart) or threshold.excuse(apart) or len(origin.steps()) > _LONGEST_WAY:
            self.lost |= {step.index for step in origin.steps()}
        return twin, expected, apart, threshold

    def _by_what_follows(self, name: str, origin: Origin, outcome: Array) -> _Found | None:
        """Try each value of the other side in this place, and take the one with which the next steps go on."""
        twins = self._confirmed_before(origin)
        for _ in self.expected.ahead():
            pass
        best: tuple[int, str, Array] | None = None
        for candidate, expected in self._candidates(origin, outcome, twins):
            if self._continuations.exhausted or (best is not None and best[0] == 1):
                break
            if expected.shape != outcome.shape or not is_float(expected):
                continue
            if _is_rounding(origin, outcome, expected):
                continue
            # The sooner something is known again, the surer: far behind, a choice may fall out alike for many values.
            after = self._continuations.steps_until_known(name, expected, candidate)
            if after and (best is None or after < best[0]):
                best = after, candidate, expected
        if best is None:
            return None
        _, candidate, expected = best
        return (candidate, expected, *self._compare(origin, name, outcome, expected, candidate))

    def _candidates(self, origin: Origin, outcome: Array, twins: list[str]) -> Iterator[tuple[str, Array]]:
        """Yield the values that may belong where something else was written, the likeliest first."""
        waiting = [
            (name, value) for name, value in self.expected.held.items() if name not in self.expected.done
        ]
        follow = [self.expected.follows(name, twins) for name, _ in waiting]
        yield from (pair for pair, does in zip(waiting, follow, strict=True) if does)
        # A node that only this side has must leave what it reads as it is.
        for read, value in origin.feeds().items():
            array = self.actual.array(value)
            if read in self.twins and array is not None and array.dtype == outcome.dtype:
                yield self.twins[read], array
        # A node that reads what it should not: its twin comes from elsewhere.
        yield from (pair for pair, does in zip(waiting, follow, strict=True) if not does)


def _is_rounding(origin: Origin, outcome: Array, expected: Array) -> bool:
    """Tell whether a cast rounds what the other side does not: what comes of it must not be excused by that."""
    return origin.step.operator == "Cast" and epsilon(outcome.dtype) > epsilon(expected.dtype)


def _in_dtype_of(outcome: Array, expected: Array) -> Array:
    """Return the expected value as the run under test has it: precisions may differ between the sides."""
    if outcome.dtype == expected.dtype or {outcome.dtype.kind, expected.dtype.kind} - set("fiub"):
        return expected
    return expected.astype(outcome.dtype)
