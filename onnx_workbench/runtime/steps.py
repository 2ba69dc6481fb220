"""Runs taken step by step: who computes what from what, one operation at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True)
class Step:
    """One operation of a run.

    Attributes
    ----------
    index
        Its place in the order of execution.
    inputs, outputs
        Names of the values that it reads and writes; weights and constants are not among its inputs.
    operator
        What it computes, in its framework's words.
    module_path
        Modules of the source framework around it, outermost first, joined by dots; empty if unknown.
    source_line
        ``file:line`` of the user's code that called it; empty if unknown.
    """

    index: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operator: str
    module_path: str = ""
    source_line: str = ""


class StepwiseRun(Protocol):
    """A run of which every value can be had, in the order in which they come."""

    @property
    def steps(self) -> Sequence[Step]:
        """The operations, in the order of execution."""

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    @property
    def kernels(self) -> str:
        """Whose kernels compute: what the same ones make of the same inputs, they round alike."""

    def feeds(self, inputs: object) -> dict[str, Any]:
        """Return the inputs by the names that the steps use; they must fit."""

    def compute(self, step: Step, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a step writes, by name, from the values that it reads."""

    def summed_terms(self, step: Step) -> float:
        """Return about how many products with weights are summed for one element; 1 if unknown."""

    def array(self, value: Any) -> NDArray[Any] | None:
        """Return a value as an array; None for what is none, such as a sequence."""


def run_all(
    run: StepwiseRun, feeds: Mapping[str, Any], *, values: dict[str, Any] | None = None
) -> Iterator[tuple[Step, dict[str, Any]]]:
    """Yield each step with what it wrote; a value is let go when its last reader has run.

    With `values`, an empty dict, the values alive are kept in it: after an error, what the failing step was fed with.
    """
    last = last_readers(run.steps)
    values = {} if values is None else values
    values.update(feeds)
    for step in run.steps:
        written = run.compute(step, values)
        values.update(written)
        yield step, written
        for name in {*step.inputs, *step.outputs}:
            if last.get(name, -1) <= step.index:
                values.pop(name, None)


def last_readers(steps: Sequence[Step]) -> dict[str, int]:
    """Return the index of the last step that reads each value."""
    return {name: step.index for step in steps for name in step.inputs}


def run_for(run: StepwiseRun, feeds: Mapping[str, Any], name: str) -> Any:
    """Return one value, computing only what it needs; None if nothing writes it."""
    if name in feeds:
        return feeds[name]
    writers = {written: step for step in run.steps for written in step.outputs}
    needed: dict[int, Step] = {}
    waiting = [name]
    while waiting:
        step = writers.get(waiting.pop())
        if step is not None and step.index not in needed:
            needed[step.index] = step
            waiting += step.inputs
    order = [needed[index] for index in sorted(needed)]
    last = last_readers(order)
    values: dict[str, Any] = dict(feeds)
    for step in order:
        values.update(run.compute(step, values))
        for read in {*step.inputs, *step.outputs} - {name}:
            if last.get(read, -1) <= step.index:
                values.pop(read, None)
    return values.get(name)
