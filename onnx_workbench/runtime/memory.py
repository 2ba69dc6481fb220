"""How much memory sessions and runs need, told from the graph before they begin.

The factors stand against measured peaks of real networks in ``benchmarks/bench_memory_estimates.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from onnx_workbench.core.graph_parts import Value
from onnx_workbench.core.memory import available_bytes, require_memory
from onnx_workbench.core.model import Model
from onnx_workbench.core.serialization import bytes_memory, proto_memory
from onnx_workbench.core.value_sizes import buffers_alive, fixed_shape, size_of, sized_values

_FIXED_BYTES = 8 << 20
# Percentages: sizes are whole numbers, in damaged files too large ones for floats.
_IN_MEMORY_COPIES = 220  # the bytes handed to onnxruntime, and the proto that it makes of them
_MALLOC, _ARENA = 115, 140  # on top of the planned buffers; onnxruntime's arena grows by doubling
_REFERENCE_COPIES = 220  # a whole proto, and an array of each weight
_REFERENCE_COLUMNS = 450  # the evaluator's convolution lays every window out as a column, and reorders them
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
_SPARE = 250  # what is left for runs, and for the user, before weights are optimised


def weights_bytes(model: Model) -> int:
    """Return the size of all initializers and constants."""
    return sum(tensor.size_bytes for tensor in (*model.initializers.values(), *model.constants.values()))


def session_bytes(model: Model, *, low_memory: bool = False) -> int:
    """Return the private memory that a session of onnxruntime needs to load a model.

    Optimised, each weight is packed into a copy, and those of convolutions are fused and reordered, which makes
    two; with `low_memory` they stay mapped. A model that came as bytes has no file to map.
    """
    weights = weights_bytes(model)
    copies = _IN_MEMORY_COPIES * weights // 100 if model.payloads.in_memory else 0
    if low_memory:
        return _FIXED_BYTES + copies + (weights if model.payloads.in_memory else 0)
    filters = {
        node.inputs[1] for node in model.nodes if node.op_type in _CONVOLUTIONS and len(node.inputs) > 1
    }
    twice = sum(tensor.size_bytes for name, tensor in model.initializers.items() if name in filters)
    return _FIXED_BYTES + copies + weights + twice


def run_bytes(model: Model, values: Mapping[str, Value], *, low_memory: bool = False) -> int:
    """Return the private memory that one run needs beside its session, from onnxruntime's plan of its buffers.

    Parameters
    ----------
    model
        The model.
    values
        Every value with the shape that it has in this run, as `sized_values` finds them. Those of which the shape is
        not known count as nothing, so that the figure is then a lower bound.
    low_memory
        Without onnxruntime's arena.
    """
    return _run_bytes(max(buffers_alive(model, values)), low_memory=low_memory)


def _run_bytes(buffers: int, *, low_memory: bool) -> int:
    return (_MALLOC if low_memory else _ARENA) * buffers // 100


def _computed_sizes(model: Model, values: Mapping[str, Value]) -> dict[str, int]:
    held = model.initializers.keys() | model.constants.keys()
    sizes = {name: size_of(value) for name, value in values.items() if name not in held}
    return {name: size for name, size in sizes.items() if size is not None}


def reference_session_bytes(model: Model) -> int:
    """Return the memory that ONNX's reference evaluator needs to load a model."""
    return _FIXED_BYTES + _REFERENCE_COPIES * weights_bytes(model) // 100


def reference_run_bytes(model: Model, values: Mapping[str, Value]) -> int:
    """Return the memory of one run of ONNX's reference evaluator, which keeps every value to the end."""
    columns = (
        _column_bytes(model, values, node.inputs, node.key) for node in model.nodes if node.op_type == "Conv"
    )
    kept = sum(_computed_sizes(model, values).values())
    return kept + _REFERENCE_COLUMNS * max(columns, default=0) // 100


def _column_bytes(model: Model, values: Mapping[str, Value], inputs: tuple[str, ...], output: str) -> int:
    weight = model.initializers.get(inputs[1]) if len(inputs) > 1 else None
    shape = fixed_shape(values.get(output))
    if weight is None or shape is None or len(shape) < 3:
        return 0
    return 4 * math.prod(weight.shape[1:]) * shape[0] * math.prod(shape[2:])


def memory_estimates(model: Model, values: Mapping[str, Value]) -> dict[str, int]:
    """Return the private memory that each action needs, by its name; `values` as for `run_bytes`."""
    buffers = max(buffers_alive(model, values))
    return {
        "load": session_bytes(model),
        "load with low_memory": session_bytes(model, low_memory=True),
        "run": _run_bytes(buffers, low_memory=False),
        "run with low_memory": _run_bytes(buffers, low_memory=True),
        "load by reference": reference_session_bytes(model),
        "run by reference": reference_run_bytes(model, values),
        "to_proto": proto_memory(model.proto),
        "to_bytes": bytes_memory(model.proto),
    }


def needs_low_memory(model: Model) -> bool:
    """Tell whether optimising (which copies weights) could use up the memory that is left."""
    return weights_bytes(model) > 64 << 20 and _SPARE * session_bytes(model) // 100 > available_bytes()


def check_session(model: Model, *, low_memory: bool) -> None:
    """Refuse to load a model into onnxruntime if there is not enough memory for that.

    Raises
    ------
    NotEnoughMemoryError
        With the numbers, and what to do instead.
    """
    remedies = []
    if not low_memory:
        remedies.append("Leave the weights mapped in their file: Session(model, low_memory=True).")
    if model.payloads.in_memory:
        remedies.append(
            "Save the model (model.save(path)) and open it by its path: weights in a file are mapped."
        )
    require_memory(
        f"load the model into onnxruntime{' with low_memory' * low_memory}",
        session_bytes(model, low_memory=low_memory),
        remedy=_remedy(*remedies),
    )


def check_reference_session(model: Model) -> None:
    """Refuse to load a model into the reference evaluator if there is not enough memory for that."""
    require_memory(
        "load the model into ONNX's reference evaluator",
        reference_session_bytes(model),
        remedy=_remedy("Run it with onnxruntime, which maps weights: leave backend out."),
    )


def check_run(model: Model, feeds: Mapping[str, Any], *, reference: bool, low_memory: bool) -> int:
    """Refuse a run for which there is not enough memory.

    Returns
    -------
    int
        Bytes of inputs up to which there is no need to ask again.

    Raises
    ------
    NotEnoughMemoryError
        With the numbers, and what to do instead.
    """
    shapes = {name: tuple(array.shape) for name, array in feeds.items() if hasattr(array, "shape")}
    values = sized_values(model, shapes)
    needed = (
        reference_run_bytes(model, values) if reference else run_bytes(model, values, low_memory=low_memory)
    )
    remedies = ["Give a smaller batch or smaller inputs."]
    if reference:
        remedies.append("onnxruntime frees values that nobody needs any more: leave backend out.")
    elif not low_memory:
        remedies.append("Session(model, low_memory=True) keeps fewer blocks in reserve.")
    require_memory("run the model on these inputs", needed, remedy=_remedy(*remedies))
    # Needs grow at most with the square of the inputs (attention): a run that took 1/64 of the memory is asked about
    # again when its inputs are eight times as large, not each time that they change.
    given = sum(int(array.nbytes) for array in feeds.values() if hasattr(array, "nbytes"))
    return given * max(1, math.isqrt(available_bytes() // max(needed, 1)))


def _remedy(*sentences: str) -> str:
    return "\n".join((*sentences, "Or try it where it can do no harm: isolated=True."))
