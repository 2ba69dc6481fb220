"""Computing with graphs: lowered to ONNX once, then run by onnxruntime with whatever batch is given.

Sequences are run in groups of one length, so that no padding is ever seen by an operator.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import numpy_helper

from onnx_workbench.cntk.as_onnx.step_rules import is_single
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.feeding import Array, arguments_of, batch_of
from onnx_workbench.cntk.graph import edits, functions_below
from onnx_workbench.cntk.inference.registry import reduced_dynamic_axes
from onnx_workbench.cntk.native.as_onnx import to_onnx
from onnx_workbench.cntk.native.form import native_graph
from onnx_workbench.cntk.native.graph import Primitive
from onnx_workbench.cntk.staging import Run, assign, plan_of, run_stages
from onnx_workbench.cntk.value_types import FREE
from onnx_workbench.cntk.variables import Constant, Parameter, Variable
from onnx_workbench.runtime.backends import default_threads


@dataclass
class Program:
    """A graph that is ready to run.

    Parameters
    ----------
    outputs
        What it computes, as asked for.
    feeds
        Arguments that it needs, with the names that they have in ONNX.
    fetched
        Names in ONNX of what is computed, and the place of each output among them; None where an argument or
        parameter is asked for itself.
    kept
        Parameters and constants inside, with the version of their numbers.
    """

    outputs: tuple[Variable, ...]
    feeds: list[tuple[Variable, str]]
    fetched: list[str]
    places: list[int | Variable]
    kept: list[tuple[Parameter | Constant, int]]
    model: Any
    run: Any
    edits: int
    alone: bool
    steps: bool
    weights: dict[str, tuple[str, tuple[int, ...]]]

    def is_current(self, *, numbers: bool = True) -> bool:
        """Tell whether nothing has changed since it was made; the `numbers` of parameters may not matter."""
        return self.edits == edits.count and all(
            one.version == version or (one.is_parameter and not numbers) for one, version in self.kept
        )


def program_of(
    function: Any,
    outputs: tuple[Variable, ...],
    shapes: tuple[Any, ...] = (),
    given: tuple[Variable, ...] = (),
    *,
    numbers: bool = True,
) -> Program:
    """Return the program for some outputs of a function, made at the first call.

    Without `numbers` it may be one made for other numbers of the parameters, to whose own names they are then given.
    """
    key = (outputs, shapes, given)
    found = function._cache.get(key)
    if found is None or not found.is_current(numbers=numbers):
        found = _make(outputs, dict(shapes), given)
        function._cache[key] = found
    return found  # type: ignore[no-any-return]


def lowered(
    outputs: Sequence[Variable],
    sizes: dict[str, tuple[int, ...]] | None = None,
    weights: dict[str, tuple[str, tuple[int, ...]]] | None = None,
    given: tuple[Variable, ...] = (),
    shared: dict[str, Array] | None = None,
) -> tuple[Any, Any, Any]:
    """Return the ONNX model of some outputs (None if they are leaves), their native graph and its leaves by key."""
    graph, leaves = native_graph(outputs, sizes, given)
    produced = [uid for uid in dict.fromkeys(graph.outputs) if uid in graph.producers]
    model = (
        to_onnx(graph, location="", outputs=produced, keep_steps=True, weights=weights, shared=shared)
        if produced
        else None
    )
    return model, graph, leaves


def _make(
    outputs: tuple[Variable, ...], sizes: dict[str, tuple[int, ...]], given: tuple[Variable, ...]
) -> Program:
    weights: dict[str, tuple[str, tuple[int, ...]]] = {}
    shared: dict[str, Array] = {}
    model, graph, leaves = lowered(outputs, sizes, weights, given, shared)
    produced = [uid for uid in dict.fromkeys(graph.outputs) if uid in graph.producers]
    places = [produced.index(uid) if uid in graph.producers else leaves[uid] for uid in graph.outputs]
    for one in leaves.values():
        if one.is_placeholder:
            raise CntkValueError(
                f"Values for 1 required arguments '{one}' have not been provided, and cannot be: it is a placeholder. "
                "Put an input in its place before evaluating, model.replace_placeholder(input_variable(shape))."
            )
    names = [] if model is None else [one.name for one in model.graph.input]
    inputs = [leaf for leaf in leaves.values() if leaf.is_input or leaf.is_output]
    used = {uid for primitive in graph.primitives.values() for uid in primitive.inputs}
    fed = [leaf for leaf in inputs if leaf.key in used]
    feeds = list(zip(fed, names, strict=True))
    feeds += [(leaf, "") for leaf in inputs if leaf.key not in used]
    kept = [(leaf, leaf.version) for leaf in leaves.values() if isinstance(leaf, Parameter | Constant)]
    fetched = [] if model is None else [one.name for one in model.graph.output]
    alone = any(_parts_lengths(primitive) for primitive in graph.primitives.values())
    return Program(
        outputs,
        feeds,
        fetched,
        places,
        kept,
        model,
        None if model is None else _runner(model, shared),
        edits.count,
        alone,
        any(len(one.dynamic_axes) > 1 for one in outputs),
        weights,
    )


def _parts_lengths(primitive: Primitive) -> bool:
    """Tell whether sequences of one length may differ in it afterwards: each is then run by itself."""
    if primitive.operator == "Where":
        return not is_single(primitive)
    if primitive.operator == "ONNX::NonZero":  # what Where became in a file
        return bool(primitive.attributes.get("ofSteps"))
    return primitive.operator == "ToSequenceOp" and len(primitive.inputs) > 1


def _threads() -> int:
    """Return how many threads compute: as many as OMP_NUM_THREADS says, as in CNTK, or as the hub allows."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() else default_threads()


def _runner(model: Any, shared: dict[str, Array]) -> Any:
    """Return what runs a model: onnxruntime, or where it has no kernel for a dtype, ONNX's reference evaluator.

    Large weights do not travel through the serialized model, where each step would copy them: onnxruntime is handed
    the arrays themselves.
    """
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = _threads()
    names = [tensor.name for tensor in model.graph.initializer if tensor.name in shared]
    if names:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(shared[name]) for name in names]
        options.add_external_initializers(names, values)
    try:
        data = model.SerializeToString()
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except NoKernel:
        from onnx.reference import ReferenceEvaluator

        for tensor in model.graph.initializer:
            if tensor.name in shared:
                tensor.CopyFrom(numpy_helper.from_array(shared[tensor.name], tensor.name))
        return ReferenceEvaluator(model).run
    return session.run


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


def run(program: Program, batch: dict[Variable, Any]) -> list[Any]:
    """Return the values of a program's outputs: an array, or a list of one for each sequence."""
    values: list[Any] = []
    if program.run is not None:
        sequences = any(isinstance(batch[variable], list) for variable, name in program.feeds if name)
        if sequences or program.alone:
            values = _by_length(program, batch)
        else:
            values = program.run(program.fetched, {name: batch[one] for one, name in program.feeds if name})
            if program.steps:
                values = [list(v) if _dynamic(program, i) > 1 else v for i, v in enumerate(values)]
    return [
        values[place] if isinstance(place, int) else _leaf_value(place, batch) for place in program.places
    ]


def _leaf_value(leaf: Variable, batch: dict[Variable, Any]) -> Any:
    return leaf.value if isinstance(leaf, Parameter | Constant) else batch[leaf]


def groups_of(
    program: Program, batch: dict[Variable, Any]
) -> Iterator[tuple[list[int] | None, dict[str, Array]]]:
    """Yield what onnxruntime is fed: once (None), or for each length of sequences, with the numbers of the samples."""
    feeds = [(variable, name, batch[variable]) for variable, name in program.feeds if name]
    if not program.alone and not any(isinstance(value, list) for _, _, value in feeds):
        yield None, {name: value for _, name, value in feeds}
        return
    count = len(next(value for variable, _, value in feeds if variable.dynamic_axes))
    groups: dict[Any, list[int]] = {}
    for index in range(count):
        lengths = tuple(len(value[index]) for _, _, value in feeds if isinstance(value, list))
        groups.setdefault((lengths, index if program.alone else None), []).append(index)
    for chosen in groups.values():
        yield chosen, {name: _group(variable, value, chosen) for variable, name, value in feeds}


def _by_length(program: Program, batch: dict[Variable, Any]) -> list[Any]:
    parts: list[dict[int, Any]] = [{} for _ in program.fetched]
    whole: list[Any] = [None] * len(program.fetched)
    groups = list(groups_of(program, batch))
    if len(groups) > 1 and (
        mixing := _mixes_samples([one.owner for one in program.outputs if one.is_output])
    ):
        raise CntkRuntimeError(
            f"{mixing} works across the batch, and the sequences given have different lengths: these are computed one "
            "length after the other, so the answer would be wrong. Give sequences of one length, or reduce afterwards."
        )
    for chosen, feeds in groups:
        for position, result in enumerate(program.run(program.fetched, feeds)):
            whole[position] = result
            if _dynamic(program, position):
                parts[position].update(zip(chosen or (), result, strict=True))
    return [
        _joined(program, position, [pieces[i] for i in sorted(pieces)], whole[position])
        for position, pieces in enumerate(parts)
    ]


def _mixes_samples(roots: list[Any]) -> str:
    """Return the name of an operator that works across the batch, or nothing; blocks are looked into."""
    for function in functions_below(roots):
        if function.is_block:
            inner = _mixes_samples([function.block_root])
            if inner:
                return inner
        across = function.op_name in {"UnpackBatchAxis", "ClassificationError"}
        reduction = function.op_name == "ReduceElements" and not function.is_block
        if across or (reduction and reduced_dynamic_axes(function)[0]):
            return str(function.op_name)
    return ""


def _group(variable: Variable, value: Any, chosen: list[int]) -> Array:
    if isinstance(value, list):
        return np.stack([value[index] for index in chosen])
    return value[chosen] if variable.dynamic_axes else value  # type: ignore[no-any-return]


def _dynamic(program: Program, position: int) -> int:
    """Return how many dynamic axes an output has."""
    for output, place in zip(program.outputs, program.places, strict=True):
        if place == position:
            return len(output.dynamic_axes)
    return 0


def _joined(program: Program, position: int, parts: list[Any], whole: Any) -> Any:
    axes = _dynamic(program, position)
    if axes == 0:
        return whole
    if axes > 1:
        return parts
    if len({np.shape(part) for part in parts}) > 1:
        raise CntkRuntimeError(
            f"The output '{program.outputs[program.places.index(position)]}' has an axis as long as the sequence, and "
            "the sequences given have different lengths. Give sequences of one length."
        )
    return np.stack(parts)
