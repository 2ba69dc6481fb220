"""Nodes that fail for the numbers they are fed with, and would run with others: random inputs are no proof there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onnx_workbench.analysis.step_sources import steps_of
from onnx_workbench.core.errors import InputError, NotEnoughMemoryError, RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.runtime.session import Session
from onnx_workbench.runtime.steps import Step, StepwiseRun, run_all

_SIZES_ONLY = frozenset({"Shape", "Size"})
_OTHER_NUMBERS = (0, 1, -1)


def node_that_minds_numbers(session: Session, feeds: Mapping[str, Any]) -> str:
    """Return the node that fails with these inputs, if it runs once other whole numbers reach it; else nothing.

    It is tried, and not read out of messages: the node is run anew, with each of its whole numbers that come of the
    inputs replaced by 0, by 1 and by -1.
    """
    run = steps_of(session, dict(feeds))
    values: dict[str, Any] = {}
    done = -1
    try:
        for step, _ in run_all(run, feeds, values=values):
            done = step.index
    except (RunError, InputError):
        failed = run.steps[done + 1]
        if any(_runs_with_others(run, failed, values, name) for name in _of_inputs(run) & {*failed.inputs}):
            return (
                f"{failed.operator} ({clean_text(failed.outputs[0])!r})"
                if failed.outputs
                else failed.operator
            )
    except NotEnoughMemoryError:
        pass
    return ""


def _of_inputs(run: StepwiseRun) -> set[str]:
    """Return the values that come of the numbers of the inputs, and not of their sizes alone."""
    found = {*run.input_names}
    for step in run.steps:
        if step.operator not in _SIZES_ONLY and found & {*step.inputs}:
            found.update(step.outputs)
    return found


def _runs_with_others(run: StepwiseRun, step: Step, values: Mapping[str, Any], name: str) -> bool:
    array = run.array(values.get(name))
    if array is None or array.dtype.kind not in "iu":
        return False
    for number in _OTHER_NUMBERS:
        if number < 0 and array.dtype.kind == "u":
            continue
        try:
            run.compute(step, {**values, name: np.full_like(array, number)})
        except (RunError, InputError, NotEnoughMemoryError):
            continue
        return True
    return False
