"""Who computes: onnxruntime, ONNX's reference evaluator, or a live module's own framework."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from onnx import GraphProto

from onnx_workbench.core.errors import InputError, RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_order import execution_order
from onnx_workbench.core.graph_parts import Value, value_of
from onnx_workbench.core.model import Model
from onnx_workbench.core.protos import ONNX_ERRORS
from onnx_workbench.runtime.input_advice import advise
from onnx_workbench.runtime.memory import check_reference_session, check_run, check_session, needs_low_memory
from onnx_workbench.runtime.runtime_errors import explain_loading, explain_running, onnxruntime_errors

Feeds = Mapping[str, Any]


class Backend(Protocol):
    """What a Session asks of the one that computes."""

    inputs: tuple[Value, ...]
    output_names: tuple[str, ...]
    weighed_bytes: int
    """Bytes of inputs up to which a run is known to fit into memory."""

    def weigh(self, model: Model, feeds: Feeds) -> None:
        """Refuse a run that would not fit into memory; set `weighed_bytes`."""

    def run(self, output_names: Sequence[str], feeds: Feeds) -> list[Any]:
        """Return the named outputs."""


def default_threads() -> int:
    """Return the threads to use: CPU_LIMIT where a hub sets it (cores are not hidden there), else 0 for all."""
    limit = os.environ.get("CPU_LIMIT", "")
    try:
        return max(1, int(float(limit))) if limit else 0
    except ValueError:
        return 0


OPTIMISATIONS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
"""How far onnxruntime may rewrite a graph before it runs it, and what it calls that."""


def optimisation_level(name: str) -> Any:
    """Return onnxruntime's own word for one of `OPTIMISATIONS`."""
    import onnxruntime

    return getattr(onnxruntime.GraphOptimizationLevel, OPTIMISATIONS[name])


class OnnxRuntimeBackend:
    """onnxruntime on a model whose weights it maps from the model's own file."""

    def __init__(
        self,
        model: Model,
        *,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
        low_memory: bool | None = None,
        optimisation: str | None = None,
        configure: Callable[[Any], None] | None = None,
    ) -> None:
        import onnxruntime

        self.inputs, self._defaults = _with_channels(model), _defaults(model)
        self.output_names = tuple(value.name for value in model.outputs)
        self.low_memory = _is_low(model, low_memory, optimisation)
        self.optimisation = optimisation or ("none" if self.low_memory else "all")
        check_session(model, low_memory=self.low_memory)
        self.weighed_bytes = -1
        self._takes_strings = any("string" in (value.dtype or "") for value in self.inputs)
        self._errors = onnxruntime_errors()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = default_threads() if threads is None else _checked_threads(threads)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.graph_optimization_level = optimisation_level(self.optimisation)
        if self.low_memory:
            options.add_session_config_entry("session.disable_prepacking", "1")
            options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        if configure is not None:
            configure(options)
        model.payloads.verify_unchanged(model.proto)
        if (mapped := model.payloads.for_runtime(model.proto)) is None:
            content = model.to_bytes()
        else:
            folder, proto = mapped
            content = proto.SerializeToString()
            options.add_session_config_entry(
                "session.model_external_initializers_file_folder_path", str(folder)
            )
        chosen = _providers(providers)
        try:
            self.session = onnxruntime.InferenceSession(content, options, providers=chosen)
        except self._errors as error:
            raise RunError(explain_loading(error, model)) from error
        self.providers = tuple(self.session.get_providers())
        if chosen[0] not in self.providers:
            raise RunError(
                f"{chosen[0]} is installed and could not be started; onnxruntime would run on "
                f"{', '.join(self.providers)} instead. Check the driver, or leave providers out."
            )
        self._run = self.session.run

    def weigh(self, model: Model, feeds: Feeds) -> None:
        """Refuse a run that would not fit into memory."""
        self.weighed_bytes = check_run(model, feeds, reference=False, low_memory=self.low_memory)

    def run(self, output_names: Sequence[str], feeds: Feeds) -> list[Any]:
        """Return the named outputs."""
        if self._takes_strings and (advice := advise(self.inputs, feeds, self._defaults)):
            raise InputError(advice)  # beforehand: onnxruntime reads beyond the end of numpy's byte strings
        try:
            return list(self._run(output_names, feeds))
        except self._errors as error:
            if advice := advise(self.inputs, feeds, self._defaults):
                raise InputError(advice) from None  # says all that the runtime's own words do, and the mend
            raise RunError(explain_running(error)) from error


class _ReferenceBackend:
    """ONNX's reference evaluator: slow, plain Python, and independent of onnxruntime."""

    def __init__(self, model: Model) -> None:
        from onnx.reference import ReferenceEvaluator

        self.inputs, self._defaults = _with_channels(model), _defaults(model)
        self.output_names = tuple(value.name for value in model.outputs)
        self.weighed_bytes = -1
        check_reference_session(model)
        whole = model.to_proto()
        ordered = GraphProto(node=execution_order(whole.graph))  # the evaluator takes the file's order
        del whole.graph.node[:]
        whole.graph.node.extend(ordered.node)
        try:
            self._evaluator = ReferenceEvaluator(whole)
        except (NotImplementedError, LookupError, *ONNX_ERRORS) as error:
            raise RunError(
                f"ONNX's reference evaluator cannot load the model: {clean_text(str(error))}"
            ) from error

    def weigh(self, model: Model, feeds: Feeds) -> None:
        """Refuse a run that would not fit into memory."""
        self.weighed_bytes = check_run(model, feeds, reference=True, low_memory=False)

    def run(self, output_names: Sequence[str], feeds: Feeds) -> list[Any]:
        """Return the named outputs."""
        if advice := advise(self.inputs, feeds, self._defaults):
            raise InputError(advice)
        try:
            return list(self._evaluator.run(list(output_names), dict(feeds)))
        except (ArithmeticError, AttributeError, LookupError, NotImplementedError, *ONNX_ERRORS) as error:
            reason = clean_text(str(error), limit=600)
            raise RunError(f"ONNX's reference evaluator failed: {reason}") from error


class Doorkeeper:
    """Knows the inputs of a model, and computes nothing."""

    def __init__(self, model: Model) -> None:
        self.inputs, self._defaults = _with_channels(model), _defaults(model)
        self.output_names = tuple(value.name for value in model.outputs)
        self.weighed_bytes = 0

    def check(self, feeds: Feeds) -> None:
        """Raise if the inputs do not fit."""
        if advice := advise(self.inputs, feeds, self._defaults):
            raise InputError(advice)

    def weigh(self, model: Model, feeds: Feeds) -> None:
        """Refuse nothing."""

    def run(self, output_names: Sequence[str], feeds: Feeds) -> list[Any]:
        """Return nothing."""
        del output_names, feeds
        return []


def model_backend(
    model: Model,
    backend: str,
    *,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
    low_memory: bool | None = None,
    optimisation: str | None = None,
) -> Backend:
    """Return what computes a model: ``"onnxruntime"``, to which the options belong, or ``"reference"``."""
    if backend == "reference":
        return _ReferenceBackend(model)
    options: dict[str, Any] = {"threads": threads, "providers": providers}
    return OnnxRuntimeBackend(model, **options, low_memory=low_memory, optimisation=optimisation)


def _is_low(model: Model, low_memory: bool | None, optimisation: str | None) -> bool:
    """Return whether the weights stay in their file; what that leaves out cannot be asked for at once."""
    if optimisation is not None and optimisation not in OPTIMISATIONS:
        listed = ", ".join(map(repr, OPTIMISATIONS))
        raise RunError(f"There is no optimisation {optimisation!r:.80}; possible are {listed}.")
    optimised = optimisation not in {None, "none"}
    if low_memory and optimised:
        raise RunError(
            f"low_memory=True leaves the graph as it is; optimisation={optimisation!r} would rewrite it: leave one out."
        )
    return (not optimised and needs_low_memory(model)) if low_memory is None else low_memory


def _providers(wanted: Sequence[str] | None) -> list[str]:
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if wanted is None:
        return ["CPUExecutionProvider"]
    if isinstance(wanted, str):
        raise RunError(f"providers is a list of names, in order of preference: give [{wanted!r}].")
    if missing := [name for name in wanted if name not in available]:
        raise RunError(
            f"Execution provider {', '.join(map(repr, missing))} is not in the installed onnxruntime "
            f"{onnxruntime.__version__}; available: {', '.join(available)}.\n"
            "A GPU needs its own build of the package (onnxruntime-gpu, for one)."
        )
    if not wanted:
        raise RunError(f"providers is empty; available: {', '.join(available)}.")
    return list(wanted)


def _checked_threads(threads: object) -> int:
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 0:
        raise RunError(f"threads is a whole number from 0 (all cores); got {threads!r}.")
    return threads


def _defaults(model: Model) -> tuple[Value, ...]:
    """Return the initializers that are inputs too: from IR version 4 on, these are defaults (onnx/docs/IR.md)."""
    if model.ir_version < 4:
        return ()
    return tuple(value_of(info) for info in model.proto.graph.input if info.name in model.initializers)


def _with_channels(model: Model) -> tuple[Value, ...]:
    """Return the model's inputs, unknown channel counts filled in from the convolutions that read them."""
    return tuple(Value(value.name, value.dtype, _channel_shape(model, value)) for value in model.inputs)


def _channel_shape(model: Model, value: Value) -> tuple[int | str | None, ...] | None:
    shape = value.shape
    if shape is None or len(shape) != 4 or isinstance(shape[1], int):
        return shape
    for node in model.consumers(value.name):
        weight = (
            model.initializers.get(node.inputs[1])
            if node.op_type == "Conv" and len(node.inputs) > 1
            else None
        )
        group = node.attributes.get("group", 1)
        if (
            weight is not None
            and len(weight.shape) == 4
            and node.inputs[0] == value.name
            and isinstance(group, int)
        ):
            return (shape[0], int(np.multiply(weight.shape[1], group)), *shape[2:])
    return shape
