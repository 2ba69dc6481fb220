"""The values of the run that is right, computed step by step as far as they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.analysis.differences import Difference, is_float
from onnx_workbench.analysis.rounding import noise_on_the_way
from onnx_workbench.runtime.steps import Step, StepwiseRun, last_readers

Array = NDArray[Any]

_AHEAD_STEPS = 40
_AHEAD_BYTES = 96 << 20
_LONGEST_WAY = 24
_FEW = 64
_CASTS = frozenset({"Cast", "_to_copy", "to", "type_as", "convert_element_type"})
_TAKES = frozenset({"getitem", "select", "slice", "narrow", "index_select", "Gather", "Slice"})
_NUMBERED = re.compile(r"(?:val_|_?to_copy_|onnx::[A-Za-z]+_)?\d+")


class ExpectedValues:
    """The values of the run that is right, computed as far as they are asked for, and kept while they may be twins."""

    def __init__(self, run: StepwiseRun, feeds: Mapping[str, Any]) -> None:
        self.run, self.place = run, 0
        # Inputs, shapes and indices: nothing on the way to them is rounded.
        self._unrounded: dict[str, Any] = dict(feeds)
        self._raw: dict[str, Any] = dict(feeds)
        self._last = last_readers(run.steps)
        self._readers: dict[str, list[Step]] = {}
        for step in run.steps:
            for name in step.inputs:
                self._readers.setdefault(name, []).append(step)
        self._writer = {name: step for step in run.steps for name in step.outputs}
        self.held: dict[str, Array] = {}
        self.done: set[str] = set(run.input_names)
        self._ancestors: dict[str, int] = {name: 1 << i for i, name in enumerate(run.input_names)}
        self._bit = {name: i for i, name in enumerate(run.input_names)}
        self.confirmed_place = 0
        self._keep = set(run.output_names)
        # How many values that are computed from a value have no twin yet: counted, as all of them may read one input.
        self._pending = {
            name: sum(len(set(step.outputs)) for step in steps) for name, steps in self._distinct_readers()
        }
        self.inputs = {name: run.array(value) for name, value in feeds.items()}
        self._dtypes: dict[str, np.dtype[Any]] = {}

    def _distinct_readers(self) -> Iterator[tuple[str, list[Step]]]:
        for name, steps in self._readers.items():
            yield name, list({step.index: step for step in steps}.values())

    def knows(self, name: str) -> bool:
        """Tell whether there is a value of this name."""
        return name in self._writer

    def advance(self) -> bool:
        """Compute one step more; False at the end."""
        if self.place >= len(self.run.steps):
            return False
        step = self.run.steps[self.place]
        self.place += 1
        for name, value in self.run.compute(step, self._raw).items():
            self._raw[name] = value
            self._bit[name] = len(self._bit)
            bits = 1 << self._bit[name]
            for read in step.inputs:
                bits |= self._ancestors.get(read, 0)
            self._ancestors[name] = bits
            array = self.run.array(value)
            if array is not None:
                self.held[name] = array
                self._dtypes[name] = array.dtype
                if not is_float(array) and array.size <= _FEW:
                    self._unrounded[name] = value
            elif name not in self._readers:
                self._finish(name)
        for name in {*step.inputs, *step.outputs}:
            if self._last.get(name, -1) <= step.index and name not in self._keep:
                self._raw.pop(name, None)
                if name in self.done:
                    self._ancestors.pop(name, None)
        return True

    def value(self, name: str) -> Array | None:
        """Return a value by its name, computing as far as it needs; None if it is gone or no array."""
        while name not in self._bit and self.advance():
            pass
        return self.held.get(name)

    def ahead(self) -> Iterator[None]:
        """Compute further, as far as may be needed and memory allows."""
        while self.place - self.confirmed_place < _AHEAD_STEPS or self._held_bytes() < _AHEAD_BYTES // 4:
            if self._held_bytes() > _AHEAD_BYTES or not self.advance():
                return
            yield

    def _held_bytes(self) -> int:
        return sum(array.nbytes for array in self.held.values())

    def follows(self, name: str, twins: list[str]) -> bool:
        """Tell whether a value depends on all of these."""
        bits = self._ancestors.get(name, 0)
        return all(bits >> self._bit.get(twin, len(self._bit)) & 1 for twin in twins)

    def is_direct(self, name: str) -> bool:
        """Tell whether a value is computed in one step from values that have their twins."""
        writer = self._writer.get(name)
        return writer is None or all(read in self.done for read in writer.inputs)

    def plays_the_part(self, name: str, step: Step, twins: Mapping[str, str]) -> bool:
        """Tell whether a value of the same name is computed as a step computes its own, from the twins of its inputs.

        Exporters number the values that have no name: two files of one module then use one number for different values.
        """
        writer = self._writer.get(name)
        if writer is None or _NUMBERED.fullmatch(name) is None:
            return True
        known = [twins[read] for read in step.inputs if read in twins]
        return (
            writer.operator == step.operator and bool(known) and all(twin in writer.inputs for twin in known)
        )

    def are_siblings(self, name: str, other: str) -> bool:
        """Tell whether two values are parts of one: written by one step, or taken out of the same."""
        one, two = self._writer.get(name), self._writer.get(other)
        if one is None or two is None or name == other:
            return False
        takes = one.operator.split(".")[0] in _TAKES
        return one is two or (takes and one.operator == two.operator and one.inputs[:1] == two.inputs[:1])

    def operator_of(self, name: str) -> str:
        """Return what computes a value, in its framework's words; empty for inputs."""
        writer = self._writer.get(name)
        return "" if writer is None else writer.operator

    def parts_beside(self, name: str) -> list[str]:
        """Return the other parts of one value: what else its step writes, or is taken out of the same."""
        writer = self._writer.get(name)
        if writer is None:
            return []
        steps = [writer]
        if writer.operator == "getitem":
            steps = self._readers.get(writer.inputs[0], [])
        return [part for step in steps for part in step.outputs if self.are_siblings(name, part)]

    def computed_from(self, twins: list[str]) -> list[str]:
        """Return what one step computes from these, and from nothing else that waits for its twin; parts of it too."""
        found = [
            name
            for step in {step.index: step for twin in twins for step in self._readers.get(twin, [])}.values()
            if all(read in self.done for read in step.inputs) and set(twins) <= set(step.inputs)
            for name in step.outputs
        ]
        parts = [step for name in found for step in self._readers.get(name, []) if step.operator == "getitem"]
        return found + [part for step in parts for part in step.outputs]

    def cast_of(self, name: str, outcome: Array) -> str | None:
        """Return the value that is the same in the dtype of another; None if there is none."""
        casts = [step for step in self._readers.get(name, []) if step.operator in _CASTS]
        for cast in (out for step in casts for out in step.outputs if out not in self.done):
            array = self.value(cast)
            if array is not None and array.dtype == outcome.dtype and array.shape == outcome.shape:
                return cast
        return None

    def way_to(self, name: str, given: Iterable[str]) -> list[Step] | None:
        """Return the steps that compute a value from these, in order; None if they are many, or need more."""
        known = set(given)
        found: dict[int, Step] = {}
        waiting = [name]
        while waiting:
            current = waiting.pop()
            if current in known:
                continue
            writer = self._writer.get(current)
            if writer is None or len(found) > _LONGEST_WAY:
                return None
            if writer.index not in found:
                found[writer.index] = writer
                waiting += writer.inputs
        return [found[index] for index in sorted(found)]

    def noise(self, name: str, given: Mapping[str, Any]) -> Difference:
        """Return by how much a value moves if the values between these and it are rounded otherwise."""
        # The run under test may hold what it was given in another precision than this one computes in.
        fed = {**self._unrounded, **{read: self._as_computed(read, value) for read, value in given.items()}}
        way = self.way_to(name, fed)
        expected = self.held.get(name)
        if way is None or expected is None:
            return Difference(0.0, 1.0, units=0.0)
        return noise_on_the_way(self.run, way, fed, name, expected)

    def _as_computed(self, name: str, value: Any) -> Any:
        dtype = self._dtypes.get(name)
        other = isinstance(value, np.ndarray) and dtype is not None and value.dtype != dtype
        return value.astype(dtype) if other and is_float(value) else value

    def confirm(self, name: str) -> None:
        """Note that a value has its twin; what only leads to confirmed values is let go."""
        if (writer := self._writer.get(name)) is not None:
            self.confirmed_place = max(self.confirmed_place, writer.index + 1)
        waiting = [name]
        while waiting:
            current = waiting.pop()
            if current in self.done:
                continue
            waiting += [
                read
                for read in self._finish(current)
                if not self._pending[read] and read not in self.done and read in self._bit
            ]

    def _finish(self, name: str) -> set[str]:
        """Note that nobody looks for a value any more; return what it was computed from."""
        self.done.add(name)
        if name not in self._keep:
            self.held.pop(name, None)
        if name not in self._raw:
            self._ancestors.pop(name, None)
        writer = self._writer.get(name)
        read = set(writer.inputs) if writer else set()
        for before in read:
            self._pending[before] -= 1
        return read

    def unmatched(self) -> list[str]:
        """Return the values that nothing was paired with."""
        return [name for step in self.run.steps for name in step.outputs if name not in self.done]
