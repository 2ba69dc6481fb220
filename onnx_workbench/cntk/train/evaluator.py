"""Tests of a network by minibatches, with nothing learnt."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.evaluation import batches, values_of
from onnx_workbench.cntk.feeding import arguments_of
from onnx_workbench.cntk.ops.composition import combine
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.staging import run_stages
from onnx_workbench.cntk.variables import Variable


class Evaluator:
    """Tests minibatches.

    Parameters
    ----------
    eval_function
        The metric, one number for each sample.
    progress_writers
        Objects such as `logging.ProgressPrinter` that are told about it.
    """

    def __init__(self, eval_function: Any, progress_writers: Any = None) -> None:
        self.evaluation_function = (
            combine([eval_function]) if isinstance(eval_function, Variable) else eval_function
        )
        writers = [] if progress_writers is None else progress_writers
        self._writers: list[Any] = writers if isinstance(writers, list) else [writers]

    def test_minibatch(self, arguments: Any, device: Any = None, distributed: bool = False) -> float:
        """Return the metric of a minibatch for each sample; nothing is changed."""
        if self.evaluation_function is None:
            raise CntkValueError(
                "Evaluator::TestMinibatch: Cannot test when no evaluation function was specified during construction."
            )
        return tested(self.evaluation_function, self.evaluation_function, arguments, self._writers)[0]

    def summarize_test_progress(self) -> None:
        """Let the writers tell what the test has summed up to, and begin anew."""
        for writer in self._writers:
            writer.write_test_summary()


def tested(whole: Function, metric: Function, arguments: Any, writers: list[Any]) -> tuple[float, int]:
    """Return the metric of a minibatch for each sample and how many there are, and tell the writers of it."""
    sum_, count = 0.0, 0
    for batch in _parts(metric, batches(arguments_of(whole, arguments))):
        wanted = tuple(dict.fromkeys((metric.output, counted(metric))))
        run = run_stages(whole, wanted, batch)
        values = values_of(whole, wanted, run.batch, run.plan.given)
        sum_, count = sum_ + total(values[0]), count + samples_in(values[-1], wanted[-1])
    for writer in writers:
        if hasattr(writer, "update_test"):
            writer.update_test(count, sum_)
    return sum_ / max(count, 1), count


def _parts(metric: Function, batch: dict[Variable, Any]) -> list[dict[Variable, Any]]:
    """Return a batch by the lengths of its sequences where the metric, a sum of errors, is computed by length."""
    lists = [value for value in batch.values() if isinstance(value, list)]
    output = metric.output
    if not lists or not output.is_output or output.owner.op_name != "ClassificationError":
        return [batch]
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, lengths in enumerate(zip(*([len(one) for one in value] for value in lists), strict=True)):
        groups.setdefault(lengths, []).append(number)
    return [{key: _chosen(key, value, group) for key, value in batch.items()} for group in groups.values()]


def _chosen(variable: Variable, value: Any, group: list[int]) -> Any:
    if isinstance(value, list):
        return [value[number] for number in group]
    return value[group] if variable.dynamic_axes else value


def counted(function: Function) -> Variable:
    """Return the variable whose samples are counted: the output, or if that is a sum, the last one that has samples."""
    output: Variable = function.output
    waiting, seen = [output], {output}
    for one in waiting:  # which grows
        if one.dynamic_axes:
            return one
        if one.is_output:
            more = [operand for operand in one.owner.inputs if operand not in seen]
            seen.update(more)
            waiting += more
    return output


def samples_in(value: Any, variable: Variable) -> int:
    """Return how many samples a value of a variable has."""
    if not variable.dynamic_axes:
        return 1
    return sum(len(one) for one in value) if isinstance(value, list) else len(value)


def total(value: Any) -> float:
    """Return the sum of all numbers in a value."""
    return float(sum(np.sum(one) for one in value)) if isinstance(value, list) else float(np.sum(value))
