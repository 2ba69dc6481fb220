"""Graphs with operators that are computed in Python: what lies before each of them is run, then it, then the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.graph import edits
from onnx_workbench.cntk.in_python import (  # noqa: F401 - they register operators
    batch_reductions,
    forward_backward,
    negative_samples,
    normalization,
    randomness,
    ranking,
    user_functions,
)
from onnx_workbench.cntk.in_python.registry import PYTHON_OPERATORS, PythonOperator
from onnx_workbench.cntk.native.form import SIZED, Given, Opened, given_in, native_graph
from onnx_workbench.cntk.native.graph import NativeGraph
from onnx_workbench.cntk.variables import Constant, Parameter, Variable

Batch = dict[Variable, Any]


@dataclass(frozen=True)
class Stage:
    """One operator that is computed in Python.

    Parameters
    ----------
    function, operator
        The primitive, and how it is computed.
    operands
        What it reads, blocks opened.
    given
        Outputs of the stages before, which are fed where they are read.
    """

    function: Any
    operator: PythonOperator
    operands: tuple[Variable, ...]
    given: Given


@dataclass(frozen=True)
class Plan:
    """How some outputs are computed.

    Parameters
    ----------
    edits
        How often graphs had been edited when it was made.
    sized
        Whether some operator must know how large the batch is.
    stages
        Operators computed in Python, in order.
    given
        Their outputs.
    assigned
        Parameters and constants that are set afterwards, and to what.
    """

    edits: int
    sized: bool
    stages: tuple[Stage, ...]
    given: Given
    assigned: tuple[tuple[Parameter | Constant, Variable], ...]


@dataclass
class Run:
    """A computation that gradients can be followed back through.

    Parameters
    ----------
    batch
        Values of arguments and of the outputs of stages.
    states
        The stages with what each keeps for its gradients.
    """

    batch: Batch
    plan: Plan
    states: list[tuple[Stage, Any]] = field(default_factory=list)


def plan_of(
    function: Any, outputs: tuple[Variable, ...], *, training: bool = False, ragged: bool = False
) -> Plan:
    """Return the plan for some outputs of a function, made at the first call."""
    key = ("plan", outputs, training, ragged)
    known = function._cache.get(key)
    if known is None or known.edits != edits.count:
        known = function._cache[key] = _make(outputs, training=training, ragged=ragged)
    return known  # type: ignore[no-any-return]


def _make(outputs: tuple[Variable, ...], *, training: bool, ragged: bool) -> Plan:
    functions: dict[str, tuple[Any, tuple[Variable, ...]]] = {}
    opened = Opened()
    graph, _ = native_graph(outputs, given=given_in(opened), functions=functions)
    stages: list[Stage] = []
    given = given_in(opened)
    chosen = {
        uid
        for uid, (one, _) in functions.items()
        if _is_chosen(graph, uid, one, training=training, ragged=ragged)
    }
    for uid in _in_order(graph, chosen):
        function, operands = functions[uid]
        operator = PYTHON_OPERATORS[graph.primitives[uid].operator]
        stages.append(Stage(function, operator, operands, given))
        given = given.and_also(function.outputs)
    sized = any(primitive.operator in SIZED for primitive in graph.primitives.values())
    return Plan(edits.count, sized, tuple(stages), given, tuple(_assigned(functions.values())))


def _assigned(
    calls: Iterable[tuple[Any, tuple[Variable, ...]]],
) -> Iterable[tuple[Parameter | Constant, Variable]]:
    for function, operands in calls:
        if function.op_name == "Assign":
            target = operands[0]
            if not isinstance(target, Parameter | Constant):
                raise CntkValueError(
                    f"assign: '{target}' is no parameter and no constant, so nothing can be kept there."
                )
            yield target, function.output


def _is_chosen(graph: NativeGraph, uid: str, function: Any, *, training: bool, ragged: bool) -> bool:
    operator = PYTHON_OPERATORS.get(graph.primitives[uid].operator)
    if operator is None:
        return False
    if operator.if_ragged is not None:
        return ragged and operator.if_ragged(function)
    return training or not operator.in_training_only


def _is_ragged(batch: Batch) -> bool:
    return any(len({len(one) for one in value}) > 1 for value in batch.values() if isinstance(value, list))


def _in_order(graph: NativeGraph, chosen: set[str]) -> list[str]:
    """Return the uids of what is computed in Python, what each reads before it.

    Raises
    ------
    CntkRuntimeError
        If one of them is in a loop and cannot be computed by ONNX either.
    """
    from onnx_workbench.cntk.as_onnx.rule_table import rule_for
    from onnx_workbench.cntk.native.as_onnx import components

    if not chosen:
        return []
    found: list[str] = []
    for component in components(graph):
        first = component[0]
        if len(component) == 1 and first.output() not in first.inputs:
            found += [first.uid] if first.uid in chosen else []
            continue
        for primitive in component:
            if primitive.uid not in chosen or primitive.attributes.get("dropoutRate") == 0:
                continue
            training_only = PYTHON_OPERATORS[primitive.operator].in_training_only
            if training_only or rule_for(primitive.operator) is None:
                raise CntkRuntimeError(
                    f"{primitive.operator} ({primitive.uid}) stands in a loop over the steps of a sequence: operators "
                    "that are computed in Python cannot be there, dropout and normalisation in training among them. "
                    "Take it out of the recurrence."
                )
    return found


def run_stages(function: Any, outputs: tuple[Variable, ...], batch: Batch, *, training: bool = False) -> Run:
    """Compute everything that is computed in Python for some outputs."""
    from onnx_workbench.cntk.evaluation import values_of

    plan = plan_of(function, outputs, training=training, ragged=_is_ragged(batch))
    whole = Run(dict(batch) if plan.stages else batch, plan)
    for stage in plan.stages:
        values = values_of(function, stage.operands, whole.batch, stage.given)
        state, results = stage.operator.forward(stage.function, values)
        whole.batch.update(zip(stage.function.outputs, results, strict=True))
        whole.states.append((stage, state))
        if stage.operator.effect is not None:
            stage.operator.effect(stage.function, stage.operands, state)
    return whole


def assign(function: Any, run: Run) -> None:
    """Set what the graph assigns, all at once, after everything has been computed."""
    from onnx_workbench.cntk.evaluation import values_of

    if run.plan.assigned:
        outputs = tuple(dict.fromkeys(output for _, output in run.plan.assigned))
        found = dict(zip(outputs, values_of(function, outputs, run.batch, run.plan.given), strict=True))
        for target, output in run.plan.assigned:
            target.value = np.asarray(found[output]).reshape(target.shape)


def added(first: Any, second: Any) -> Any:
    """Return the sum of two gradients, either of which may be missing."""
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, list):
        return [a + b for a, b in zip(first, second, strict=True)]
    return first + second
