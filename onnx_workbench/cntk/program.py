"""Programs: outputs of a graph, lowered to ONNX once and made ready for onnxruntime, for whatever batch is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onnx import numpy_helper

from onnx_workbench.cntk.as_onnx.step_rules import is_single
from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.feeding import Array
from onnx_workbench.cntk.graph import edits
from onnx_workbench.cntk.native.as_onnx import to_onnx
from onnx_workbench.cntk.native.form import native_graph
from onnx_workbench.cntk.native.graph import NativeGraph, Primitive
from onnx_workbench.cntk.threads import threads_of_sessions
from onnx_workbench.cntk.variables import Constant, Parameter, Variable


@dataclass
class Program:
    """A graph that is ready to run.

    Parameters
    ----------
    outputs
        What it computes, as asked for.
    feeds
        Arguments that it needs, with the names that they have in ONNX; no name where nothing reads them.
    fetched
        Names in ONNX of what is computed.
    places
        For each output its place in `fetched`, or the argument or parameter that is asked for itself.
    kept
        Parameters and constants inside, with the version of their numbers.
    model, run
        The ONNX model, and what runs it, called as a session's `run` is; None where there is nothing to compute.
    edits
        How often any graph had been edited when it was made.
    alone
        Whether each sequence has to be run by itself.
    steps
        Whether some output has an axis of steps.
    weights
        The uid and the shape of the parameter or constant behind each initializer, by its name in ONNX.
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


def _make(
    outputs: tuple[Variable, ...], sizes: dict[str, tuple[int, ...]], given: tuple[Variable, ...]
) -> Program:
    graph, leaves = native_graph(outputs, sizes, given)
    _refuse_placeholders(leaves)
    produced = [uid for uid in dict.fromkeys(graph.outputs) if uid in graph.producers]
    weights: dict[str, tuple[str, tuple[int, ...]]] = {}
    shared: dict[str, Array] = {}
    model = None
    if produced:
        model = to_onnx(graph, location="", outputs=produced, keep_steps=True, weights=weights, shared=shared)
    return Program(
        outputs,
        feeds=_feeds(graph, leaves, [] if model is None else [one.name for one in model.graph.input]),
        fetched=[] if model is None else [one.name for one in model.graph.output],
        places=[produced.index(uid) if uid in graph.producers else leaves[uid] for uid in graph.outputs],
        kept=[(leaf, leaf.version) for leaf in leaves.values() if isinstance(leaf, Parameter | Constant)],
        model=model,
        run=None if model is None else _runner(model, shared),
        edits=edits.count,
        alone=any(_parts_lengths(primitive) for primitive in graph.primitives.values()),
        steps=any(len(one.dynamic_axes) > 1 for one in outputs),
        weights=weights,
    )


def _refuse_placeholders(leaves: dict[str, Variable]) -> None:
    for one in leaves.values():
        if one.is_placeholder:
            raise CntkValueError(
                f"Values for 1 required arguments '{one}' have not been provided, and cannot be: it is a placeholder. "
                "Put an input in its place before evaluating, model.replace_placeholder(input_variable(shape))."
            )


def _feeds(graph: NativeGraph, leaves: dict[str, Variable], names: list[str]) -> list[tuple[Variable, str]]:
    """Return the variables to be given, with the names of those that the graph reads."""
    inputs = [leaf for leaf in leaves.values() if leaf.is_input or leaf.is_output]
    used = {uid for primitive in graph.primitives.values() for uid in primitive.inputs}
    read = [leaf for leaf in inputs if leaf.key in used]
    return [*zip(read, names, strict=True), *((leaf, "") for leaf in inputs if leaf.key not in used)]


def _parts_lengths(primitive: Primitive) -> bool:
    """Tell whether sequences of one length may differ in it afterwards: each is then run by itself."""
    if primitive.operator == "Where":
        return not is_single(primitive)
    if primitive.operator == "ONNX::NonZero":  # what Where became in a file
        return bool(primitive.attributes.get("ofSteps"))
    return primitive.operator == "ToSequenceOp" and len(primitive.inputs) > 1


def _runner(model: Any, shared: dict[str, Array]) -> Any:
    """Return what runs a model: onnxruntime, or where it has no kernel for a dtype, ONNX's reference evaluator.

    Large weights do not travel through the serialized model, where each step would copy them: onnxruntime is handed
    the arrays themselves.
    """
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads_of_sessions()
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
