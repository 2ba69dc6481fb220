"""Gradients: the lowered graph is run by torch, and followed back from its outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from onnx_workbench.cntk.batch_running import groups_of
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.evaluation import State, batches, prepared, requested
from onnx_workbench.cntk.feeding import arguments_of, batch_of
from onnx_workbench.cntk.ops.replacing import as_variable
from onnx_workbench.cntk.program import Program
from onnx_workbench.cntk.staging import Run, Stage, added, assign, run_stages
from onnx_workbench.cntk.variables import Constant, Parameter, Variable
from onnx_workbench.core.errors import require

Found = dict[Variable, Any]


def gradients(function: Any, at: Any, wrt: Any = None, outputs: Any = None, grad_root: Any = None) -> Any:
    """Return the gradients of the sum of an output: one array, or a dictionary by variable.

    Raises
    ------
    ValueError
        If nothing is asked for, or something that has no gradient.
    """
    root = as_variable(function if grad_root is None else grad_root)
    if wrt is None:
        wanted = [one for one in function.arguments if one.needs_gradient]
        if not wanted:
            raise CntkValueError(
                f"None of the Function '{function}' arguments have 'needs_gradient == True'. Make one with "
                "input_variable(..., needs_gradient=True), or name parameters: grad(..., wrt=model.parameters)."
            )
    else:
        wanted = [
            as_variable(one) for one in (wrt if isinstance(wrt, list | tuple | set | frozenset) else [wrt])
        ]
    _check_wanted(wanted)
    if isinstance(outputs, list | tuple | set | frozenset | dict) and not outputs:
        outputs = None  # as if none had been asked for
    asked = requested(function, outputs) if outputs is not None else ()
    computed = tuple(dict.fromkeys((root, *asked)))
    whole = run_stages(function, computed, batches(arguments_of(function, at)), training=True)
    found, values = followed_back(function, computed, {root: None}, wanted, whole)
    assign(function, whole)
    result = next(iter(found.values())) if len(wanted) == 1 else found
    if outputs is None:
        return result
    shown = {one: values[one] for one in asked}
    return result, (next(iter(shown.values())) if len(shown) == 1 else shown)


def backward(function: Any, state: Any, root_gradients: Any, variables: Any) -> Found:
    """Return the gradients of what a forward call computed, given those of its outputs.

    Raises
    ------
    ValueError
        If the forward call did not keep what is needed.
    """
    if not isinstance(state, State):
        raise CntkValueError("backward needs the state of a forward call with keep_for_backward=... given.")
    if not isinstance(root_gradients, dict):
        if len(state.kept) != 1:
            raise CntkValueError(
                f"root_gradients must be a dictionary by output: forward kept {len(state.kept)} outputs."
            )
        root_gradients = {state.kept[0]: root_gradients}
    roots = {as_variable(output): gradient for output, gradient in root_gradients.items()}
    wanted = [as_variable(one) for one in variables]
    _check_wanted(wanted)
    shaped = {output: None if one is None else _shaped(output, one) for output, one in roots.items()}
    found, _ = followed_back(state.function, tuple(roots), shaped, wanted, state.run)
    assign(state.function, state.run)
    return found


def followed_back(
    function: Any, outputs: tuple[Variable, ...], roots: Found, wanted: list[Variable], run: Run
) -> tuple[Found, Found]:
    """Return the gradients of the variables wanted and the values of the outputs.

    Parameters
    ----------
    function
        Of which they are outputs.
    outputs
        What was computed.
    roots
        Gradients of some outputs; None for ones.
    wanted
        Whose gradients are asked for.
    run
        What the operators computed in Python have given: gradients go back through these too, the last one first.
    """
    through = [one for one in run.plan.given if one.needs_gradient]
    found, values = _through_graph(function, outputs, roots, [*wanted, *through], run.batch, run.plan.given)
    for stage, state in reversed(run.states):
        if stage.operator.backward is None or not any(one.needs_gradient for one in stage.function.outputs):
            continue
        gradients = [found.get(output) for output in stage.function.outputs]
        back = stage.operator.backward(stage.function, state, gradients)
        for variable, gradient in _before(function, stage, back, [*wanted, *through], run).items():
            found[variable] = added(found[variable], gradient)
    return {one: found[one] for one in wanted}, values


def _before(function: Any, stage: Stage, back: list[Any], wanted: list[Variable], run: Run) -> Found:
    """Return what an operator's gradients add to those of the variables before it."""
    roots: Found = {}
    for operand, gradient in zip(stage.operands, back, strict=True):
        if gradient is not None and operand.needs_gradient:
            roots[operand] = added(roots.get(operand), gradient)
    if not roots:
        return {}
    earlier = [one for one in wanted if one not in run.plan.given or one in stage.given]
    return _through_graph(function, tuple(roots), roots, earlier, run.batch, stage.given)[0]


def _through_graph(
    function: Any,
    outputs: tuple[Variable, ...],
    roots: Found,
    wanted: list[Variable],
    batch: Found,
    given: tuple[Variable, ...],
) -> tuple[Found, Found]:
    """Follow roots back through one piece of the graph; outputs may be its leaves."""
    leaves = {one: one for one in outputs if not one.is_output or one in given}
    computed = tuple(one for one in outputs if one not in leaves)
    found: Found = {}
    values: Found = {}
    if computed:
        program = prepared(function, computed, batch, given, numbers=False)
        if program.model is None:  # blocks around what is known: their outputs are what it is
            leaves |= {one: at for one, at in zip(computed, program.places, strict=True) if at in wanted}
        if any(one not in leaves for one in computed):
            found, values = _follow_back(program, batch, roots, wanted)
    for output, leaf in leaves.items():
        values[output] = leaf.value if isinstance(leaf, Parameter | Constant) else batch[leaf]
        if output in roots:
            gradient = _ones_like(values[output]) if roots[output] is None else roots[output]
            found[leaf] = added(found.get(leaf), gradient)
    return {one: found[one] if one in found else _zeros_for(one, batch) for one in wanted}, values


def _ones_like(value: Any) -> Any:
    return [np.ones_like(one) for one in value] if isinstance(value, list) else np.ones_like(value)


def _zeros_for(one: Variable, batch: Found) -> Any:
    """Return the gradient of a variable that nothing depends on."""
    if one in batch:
        given = batch[one]
        return [np.zeros_like(part) for part in given] if isinstance(given, list) else np.zeros_like(given)
    if isinstance(one, Parameter):
        return np.zeros(one.shape, one.dtype)
    raise CntkValueError(f"'{one}' is no argument and no parameter of this Function.")


def _shaped(output: Variable, gradient: Any) -> Any:
    return batch_of(output, np.asarray(gradient) if np.isscalar(gradient) else gradient)


def _check_wanted(wanted: Iterable[Variable]) -> None:
    for one in wanted:
        if isinstance(one, Constant) or not one.needs_gradient:
            raise CntkValueError(
                f"'{one}' has no gradient: needs_gradient is False. Parameters have one, and inputs made with "
                "input_variable(..., needs_gradient=True)."
            )


def _follow_back(program: Program, batch: Found, roots: Found, wanted: list[Variable]) -> tuple[Found, Found]:
    """Return gradients and outputs: sums over groups of sequences for parameters, by sequence for inputs."""
    require("torch", purpose="gradients of CNTK graphs", extra="torch")
    if program.model is None:
        raise CntkRuntimeError(
            "Gradients need at least one operator: these outputs are arguments or parameters."
        )
    whole = _Whole(program, batch, wanted)
    for chosen, feeds in groups_of(program, batch):
        whole.add(chosen, feeds, roots)
    return whole.gradients(), whole.outputs()


class _Whole:
    """Gradients and outputs, put together from groups."""

    def __init__(self, program: Program, batch: Found, wanted: list[Variable]) -> None:
        self.program, self.batch, self.wanted = program, batch, wanted
        self.weights = {leaf: leaf._numbers() for leaf, _ in program.kept}
        self.sums: Found = {}
        self.by_sample: dict[Variable, dict[int, Any]] = {}
        self.values: dict[Variable, dict[int, Any]] = {}
        self.single: Found = {}

    def add(self, chosen: list[int] | None, feeds: dict[str, Any], roots: Found) -> None:
        """Run one group of samples and follow it back."""
        import torch

        from onnx_workbench.cntk.as_torch.graph import run_model

        inputs = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in feeds.items()}
        leaves = {leaf: torch.from_numpy(np.array(value)) for leaf, value in self.weights.items()}
        sources = {variable: inputs[name] for variable, name in self.program.feeds if name} | leaves
        for variable in self.wanted:
            if variable in sources:
                sources[variable].requires_grad_()
        by_key = {leaf.key: tensor for leaf, tensor in leaves.items()}
        weights = {name: by_key[key].reshape(shape) for name, (key, shape) in self.program.weights.items()}
        values = run_model(self.program.model, inputs, weights)
        total = None
        for output, place in zip(self.program.outputs, self.program.places, strict=True):
            value = values[self.program.fetched[place]] if isinstance(place, int) else sources[place]
            self._keep(self.values, output, chosen, value.detach().numpy())
            if output in roots and value.requires_grad:
                gradient = self._root_gradient(roots[output], output, chosen, value)
                term = (value * gradient).sum()
                total = term if total is None else total + term
        if total is not None:
            total.backward()
        for variable in self.wanted:
            source = sources.get(variable)
            if source is not None:
                gradient = torch.zeros_like(source) if source.grad is None else source.grad
                self._add_gradient(variable, chosen, gradient.numpy())

    @staticmethod
    def _root_gradient(given: Any, output: Variable, chosen: list[int] | None, value: Any) -> Any:
        import torch

        if given is None:
            return torch.ones_like(value)
        if chosen is not None and output.dynamic_axes:
            given = np.stack([given[index] for index in chosen])
        return torch.from_numpy(np.ascontiguousarray(given)).reshape(value.shape)

    def _add_gradient(self, variable: Variable, chosen: list[int] | None, gradient: Any) -> None:
        if isinstance(variable, Parameter) or not variable.dynamic_axes:
            self.sums[variable] = gradient if variable not in self.sums else self.sums[variable] + gradient
        else:
            self._keep(self.by_sample, variable, chosen, gradient)

    def _keep(
        self, where: dict[Variable, dict[int, Any]], one: Variable, chosen: list[int] | None, value: Any
    ) -> None:
        if chosen is None or not one.dynamic_axes:
            self.single[(id(where), one)] = value  # type: ignore[index]
            where.setdefault(one, {})
            return
        for index, part in zip(chosen, value, strict=True):
            where.setdefault(one, {})[index] = part

    def _joined(self, where: dict[Variable, dict[int, Any]], one: Variable) -> Any:
        parts = where[one]
        if not parts:
            value = self.single[(id(where), one)]  # type: ignore[index]
            return list(value) if len(one.dynamic_axes) > 1 else value
        ordered = [parts[index] for index in sorted(parts)]
        return ordered if len(one.dynamic_axes) > 1 else np.stack(ordered)

    def gradients(self) -> Found:
        """Return the gradients of all that was asked for: zeros where the output does not depend on it."""
        return {one: self._gradient(one) for one in self.wanted}

    def _gradient(self, one: Variable) -> Any:
        if one in self.sums:
            return self.sums[one]
        if one in self.by_sample:
            return self._joined(self.by_sample, one)
        return _zeros_for(one, self.batch)

    def outputs(self) -> Found:
        """Return the outputs."""
        return {one: self._joined(self.values, one) for one in self.program.outputs}
