"""Computing with graphs: what callers ask for and give is checked, and handed to the program made of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onnx_workbench.cntk.batch_running import run
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.feeding import arguments_of, batch_of
from onnx_workbench.cntk.graph import edits, functions_below
from onnx_workbench.cntk.program import Program, program_of
from onnx_workbench.cntk.staging import Run, assign, plan_of, run_stages
from onnx_workbench.cntk.value_types import FREE
from onnx_workbench.cntk.variables import Variable


def forward(
    function: Any, arguments: Any, outputs: Any = None, keep_for_backward: Any = None
) -> tuple[Any, dict[Variable, Any]]:
    """Compute outputs of a function; also return what `backward` needs."""
    wanted = requested(function, outputs)
    batch = batches(arguments_of(function, arguments))
    whole = run_stages(function, wanted, batch, training=keep_for_backward is not None)
    values = dict(zip(wanted, values_of(function, wanted, whole.batch, whole.plan.given), strict=True))
    if keep_for_backward is None:
        assign(function, whole)
        return None, values
    return State(function, whole, tuple(keep_for_backward)), values


@dataclass
class State:
    """What `backward` needs of a `forward`."""

    function: Any
    run: Run
    kept: tuple[Any, ...]


def batches(given: dict[Variable, Any]) -> dict[Variable, Any]:
    """Return what callers gave for variables, as `batch_of` has it."""
    for variable, value in given.items():
        if variable.is_placeholder and not isinstance(value, str | None):
            raise CntkRuntimeError(
                f"'{variable}' is a placeholder, and cannot be given a value: put an input in its place first, "
                "model.replace_placeholder(input_variable(shape))."
            )
    return {variable: batch_of(variable, value) for variable, value in given.items()}


def values_of(
    function: Any, outputs: tuple[Variable, ...], batch: dict[Variable, Any], given: tuple[Variable, ...] = ()
) -> list[Any]:
    """Compute outputs; those of other functions that are `given` are in the batch, and what is before is left out."""
    return run(prepared(function, outputs, batch, given), batch)


def requested(function: Any, outputs: Any) -> tuple[Variable, ...]:
    """Return the variables that callers ask for: all outputs if they do not say."""
    if outputs is None:
        return function.outputs  # type: ignore[no-any-return]
    if isinstance(outputs, Variable) or hasattr(outputs, "outputs"):
        outputs = [outputs]
    found: list[Variable] = []
    for one in outputs:
        if not isinstance(one, Variable) and not hasattr(one, "outputs"):
            raise CntkTypeError(
                f"expected list of Variables or single-output Functions, but got a {type(one).__name__} instead; "
                "outputs are such as model.outputs, or model.find_by_name('name').outputs."
            )
        found += [one] if isinstance(one, Variable) else one.outputs
    if not found:
        raise CntkValueError(
            f"At least one output has to be specified when calling the Function '{function}'."
        )
    _check_outputs(function, tuple(found))
    return tuple(found)


def _check_outputs(function: Any, outputs: tuple[Variable, ...]) -> None:
    """Refuse outputs that the function does not compute on its way; those inside its blocks are part of it."""
    key = ("asked", outputs)
    if function._cache.get(key) == edits.count:
        return
    whole: set[int] = set()
    waiting = [function.root_function]
    while waiting:
        for one in functions_below([waiting.pop()]):
            whole.add(id(one))
            waiting += [one.block_root] if one.is_block else []
    for one in outputs:
        if one.is_output and id(one.owner) not in whole:
            raise CntkValueError(
                f"One of the requested outputs '{one}' is not part of the Function '{function}'. Evaluate "
                "combine([output]), or a Function that computes it."
            )
    function._cache[key] = edits.count


def prepared(
    function: Any,
    outputs: tuple[Variable, ...],
    batch: dict[Variable, Any],
    given: tuple[Variable, ...] = (),
    *,
    numbers: bool = True,
) -> Program:
    """Return the program for outputs and values.

    Raises
    ------
    ValueError
        If values are missing, do not fit, or differ in the number of samples or the lengths of sequences.
    """
    free = tuple(
        (variable.key, _sample_shape(value, variable))
        for variable, value in batch.items()
        if FREE in variable._shape or -1 in variable._shape
    )
    if batch and plan_of(function, outputs).sized:
        free += _sizes(batch)
    program = program_of(function, outputs, free, given, numbers=numbers)
    missing = [variable for variable, _ in program.feeds if variable not in batch]
    if missing:
        listed = ", ".join(f"'{one}'" for one in missing)
        raise CntkValueError(
            f"Values for {len(missing)} required arguments {listed}, that the requested output(s) "
            f"{', '.join(map(repr, map(str, outputs)))} depend on, have not been provided."
        )
    if len(program.feeds) > 1:
        _check_layouts(program, batch)
    return program


def _sizes(batch: dict[Variable, Any]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    lists = [value for value in batch.values() if isinstance(value, list)]
    steps = max((len(one) for value in lists for one in value), default=0)
    samples = max((len(value) for variable, value in batch.items() if variable.dynamic_axes), default=1)
    return (("steps", (steps,)), ("samples", (samples,)))


def _sample_shape(value: Any, variable: Variable) -> tuple[int, ...]:
    first = value[0] if isinstance(value, list) else value
    return tuple(first.shape[first.ndim - variable.rank :])


def _check_layouts(program: Program, batch: dict[Variable, Any]) -> None:
    seen: dict[Any, tuple[Any, Variable]] = {}
    for variable, _ in program.feeds:
        if not variable.dynamic_axes:
            continue
        value = batch[variable]
        lengths = [len(one) for one in value] if isinstance(value, list) else len(value)
        before = seen.setdefault(variable.dynamic_axes, (lengths, variable))
        if before[0] != lengths:
            raise CntkValueError(
                "Different minibatch layouts detected (difference in sequence lengths or count or start flags) in data "
                f"specified for the Function's arguments '{before[1]}' ({before[0]}) vs. '{variable}' ({lengths}), "
                "though these arguments have the same dynamic axes."
            )
    counts = {
        len(batch[variable]): variable
        for variable, _ in program.feeds
        if any(axis.is_batch_axis for axis in variable.dynamic_axes)
    }
    if len(counts) > 1:
        listed = ", ".join(f"{count} for '{variable}'" for count, variable in counts.items())
        raise CntkValueError(
            f"The values given are of different numbers of samples or sequences: {listed}. Give as many of each."
        )
