"""Summary: what a model consists of, without reading its weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from onnx_workbench.analysis.macs import macs_of
from onnx_workbench.core.errors import InputError, PreprocessingError
from onnx_workbench.core.formatting import (
    Shape,
    clean_text,
    escape,
    format_bytes,
    format_count,
    format_shape,
    html_table,
    text_table,
)
from onnx_workbench.core.graph_parts import Node, Tensor, Value
from onnx_workbench.core.model import Model, as_model
from onnx_workbench.core.value_sizes import fixed_shape, size_of, sized_values, sizes_alive
from onnx_workbench.runtime.memory import memory_estimates

_ROWS_SHOWN = 12


@dataclass(frozen=True)
class NodeSummary:
    """One node: its key, operator, first output's shape, parameters that it reads, MACs (None: uncounted)."""

    key: str
    operator: str
    shape: Shape | None
    parameters: int
    macs: int | None


@dataclass(frozen=True)
class TensorMemory:
    """Memory of one tensor: a weight, or a value that a run computes."""

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int


@dataclass(frozen=True)
class Summary:
    """What `summarize` found.

    Attributes
    ----------
    operators
        Number of nodes of each operator, the most frequent first.
    parameters
        Elements of all floating-point and quantised initializers and constants.
    macs
        Multiply-accumulate operations for one run with `dimensions`, of the operators that have a rule.
    uncounted
        Operators that may have MACs and were not counted, with the number of nodes: no rule, or unknown shapes.
    weights_bytes
        Bytes of all initializers and constants.
    peak_bytes
        Largest sum of the computed values that are alive at the same time, in bytes, without reuse in place;
        values of unknown shape are left out (`unknown_shapes`).
    memory_estimates
        Private memory in bytes that actions need, by their name: to load a session and to run it once with
        `dimensions` (both also with ``low_memory=True``, and by ONNX's reference evaluator), ``to_proto``,
        ``to_bytes``. Within a factor of about two of measured peaks.
    """

    name: str
    source: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    opsets: dict[str, int]
    ir_version: int
    producer: str
    dimensions: dict[str, int]
    operators: dict[str, int]
    parameters: int
    macs: int
    uncounted: dict[str, int]
    weights_bytes: int
    peak_bytes: int
    unknown_shapes: int
    memory_estimates: dict[str, int]
    nodes: tuple[NodeSummary, ...]
    tensors: tuple[TensorMemory, ...]
    labels: tuple[str, ...] | None = None
    preprocessing: tuple[str, ...] = ()
    labels_error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return asdict(self)

    def _facts(self) -> list[tuple[str, str]]:
        opsets = ", ".join(f"{domain} {version}" for domain, version in self.opsets.items())
        at = ", ".join(f"{name}={size}" for name, size in self.dimensions.items())
        macs = format_count(self.macs) + (f" at {at}" if at else "")
        if self.uncounted:
            listed = ", ".join(f"{op} x{count}" for op, count in self.uncounted.items())
            macs += f"; uncounted: {listed}"
        facts = [("file", self.source)]
        facts += [("input", str(value)) for value in self.inputs]
        facts += [("output", str(value)) for value in self.outputs]
        facts += [
            ("nodes", f"{len(self.nodes):,}"),
            ("parameters", _shown_count(self.parameters)),
            ("MACs", macs),
            ("weights", format_bytes(self.weights_bytes)),
            ("values at peak", format_bytes(self.peak_bytes) + self._unknown()),
            *self._estimates(),
            ("opset", f"{opsets}; IR version {self.ir_version}"),
            ("written by", self.producer or "(not said)"),
            ("labels", self._shown_labels()),
            *self._preprocessing_rows(),
        ]
        return facts

    def _estimates(self) -> list[tuple[str, str]]:
        """Return what it takes to load the model and run it once, and to have it whole in memory."""
        sizes = self.memory_estimates
        load, run = sizes["load"], sizes["run"]
        frugal = sizes["load with low_memory"] + sizes["run with low_memory"]
        shown = (
            f"about {format_bytes(load + run)}: {format_bytes(load)} to load, {format_bytes(run)} to run once"
        )
        if 100 * frugal < _WORTH_SAYING * (load + run):
            shown += f" (about {format_bytes(frugal)} with low_memory=True)"
        return [("memory to run", shown), ("memory as proto", f"about {format_bytes(sizes['to_proto'])}")]

    def _shown_labels(self) -> str:
        if not self.labels:
            return self.labels_error or "(not in the file)"
        return f"{len(self.labels)}: {clean_text(', '.join(self.labels), limit=80)}"

    def _preprocessing_rows(self) -> list[tuple[str, str]]:
        """Return a line for each step."""
        steps = self.preprocessing or ("(not in the file)",)
        return [("" if index else "preprocessing", step) for index, step in enumerate(steps)]

    def _unknown(self) -> str:
        if not self.unknown_shapes:
            return ""
        free = sorted(
            {d for v in self.inputs for d in v.shape or () if isinstance(d, str)} - set(self.dimensions)
        )
        hint = f"; give dimensions={{{', '.join(f'{name!r}: ...' for name in free)}}}" if free else ""
        return f" ({self.unknown_shapes} values of unknown shape left out{hint})"

    def _largest(self) -> list[tuple[object, ...]]:
        return [
            (t.name, t.kind, t.dtype, format_shape(t.shape), format_bytes(t.size_bytes))
            for t in self.tensors[:8]
        ]

    def _node_rows(self) -> list[tuple[object, ...]]:
        heavy = sorted(self.nodes, key=lambda node: (-(node.macs or 0), -node.parameters))[:_ROWS_SHOWN]
        chosen = (
            {node.key for node in heavy}
            if len(self.nodes) > _ROWS_SHOWN
            else {node.key for node in self.nodes}
        )
        return [
            (
                node.operator,
                node.key,
                format_shape(node.shape),
                format_count(node.parameters) if node.parameters else "",
                "?" if node.macs is None else format_count(node.macs) if node.macs else "",
            )
            for node in self.nodes
            if node.key in chosen
        ]

    def _node_caption(self) -> str:
        total = len(self.nodes)
        return (
            "All nodes"
            if total <= _ROWS_SHOWN
            else f"The {_ROWS_SHOWN} heaviest of {total:,} nodes, in order"
        )

    def __str__(self) -> str:
        """Return facts, operators, nodes and the largest tensors as text."""
        operators = [(op, f"{count:,}") for op, count in self.operators.items()][:_ROWS_SHOWN]
        return "\n\n".join(
            (
                f"{clean_text(self.name)}\n{text_table(self._facts())}",
                text_table(operators, header=("operator", "nodes"), right=" r"),
                f"{self._node_caption()}\n{text_table(self._node_rows(), header=_NODE_HEADER, right='   rr')}",
                f"Largest tensors\n{text_table(self._largest(), header=_TENSOR_HEADER, right='    r')}",
            )
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        operators = ", ".join(f"{escape(op)} × {count:,}" for op, count in self.operators.items())
        tables = (
            html_table(self._node_rows(), header=_NODE_HEADER, right="   rr", caption=self._node_caption()),
            html_table(self._largest(), header=_TENSOR_HEADER, right="    r", caption="Largest tensors"),
        )
        folded = "".join(
            f"<details><summary>{t}</summary>{b}</details>" for t, b in zip(_FOLDS, tables, strict=True)
        )
        return f"<div><strong>{escape(self.name)}</strong>{html_table(self._facts())}<p>{operators}</p>{folded}</div>"


_NODE_HEADER = ("operator", "first output", "shape", "parameters", "MACs")
_TENSOR_HEADER = ("tensor", "kind", "dtype", "shape", "size")
_WORTH_SAYING = 80
"""The frugal way is named where it takes less than this share of the usual one, in percent."""
_FOLDS = ("Nodes", "Memory by tensor")


def _shown_count(count: int) -> str:
    short = format_count(count)
    return short if short == f"{count:,}" else f"{short} ({count:,})"


def summarize(model: object, *, dimensions: Mapping[str, int] | None = None) -> Summary:
    """Return operators, parameters, MACs, shapes, memory and versions of a model; its weights are not read.

    Parameters
    ----------
    model
        A Model or anything that ``open_model`` takes.
    dimensions
        Sizes of symbolic dimensions, for MACs and memory. A symbolic batch (the first dimension of an input) is 1
        unless given.

    Returns
    -------
    Summary
        Printed as text or shown as tables; ``to_dict()`` for programs.

    Raises
    ------
    InputError
        If `dimensions` names a dimension that no input has.

    Examples
    --------
    >>> ow.summarize("signs.onnx").macs
    970240
    """
    opened = as_model(model)
    sizes = _dimensions(opened, dimensions or {})
    values = _sized_values(opened, sizes)
    held = _weights(opened)
    nodes = tuple(_summarize_node(node, values, held) for node in opened.nodes)
    uncounted = Counter(node.operator for node in nodes if node.macs is None)
    memory, unknown = _memory(held, values)
    weights = held.values()
    return Summary(
        name=opened.name,
        source=opened.source,
        inputs=opened.inputs,
        outputs=opened.outputs,
        opsets=opened.opsets,
        ir_version=opened.ir_version,
        producer=opened.producer_name,
        dimensions=sizes,
        operators=dict(Counter(node.operator for node in nodes).most_common()),
        parameters=sum(tensor.parameters for tensor in weights),
        macs=sum(node.macs or 0 for node in nodes),
        uncounted=dict(uncounted.most_common()),
        weights_bytes=sum(t.size_bytes for t in weights),
        peak_bytes=max(sizes_alive(opened, {t.name: t.size_bytes for t in memory if t.kind == "value"})),
        unknown_shapes=unknown,
        memory_estimates=memory_estimates(opened, values),
        nodes=nodes,
        tensors=memory,
        preprocessing=_preprocessing_steps(opened),
        **_labels(opened),
    )


def _preprocessing_steps(model: Model) -> tuple[str, ...]:
    """Return the steps in words; an entry that cannot be understood is no reason to show nothing."""
    try:
        return model.preprocessing.steps[1:] if model.preprocessing else ()
    except PreprocessingError as error:
        return (f"(not understood: {error})",)


def _labels(model: Model) -> dict[str, Any]:
    try:
        return {"labels": model.labels}
    except PreprocessingError as error:
        return {"labels_error": f"(not understood: {error})"}


def _weights(model: Model) -> dict[str, Tensor]:
    """Return what the model holds rather than computes; exporters before IR 4 keep weights in Constant nodes."""
    return model.constants | model.initializers


def parameters_read(model: Model, nodes: Iterable[Node]) -> int:
    """Return how many parameters some nodes read; what several read counts once."""
    weights = _weights(model)
    names = dict.fromkeys(name for node in nodes for name in node.inputs)
    return sum(weights[name].parameters for name in names if name in weights)


def _dimensions(model: Model, given: Mapping[str, Any]) -> dict[str, int]:
    symbols = {d for value in model.inputs for d in value.shape or () if isinstance(d, str)}
    if unknown := sorted(map(str, set(given) - symbols)):
        known = ", ".join(clean_text(name) for name in sorted(symbols)) or "none"
        raise InputError(f"No input has a dimension {', '.join(unknown)}; symbolic are: {known}.")
    batch = {value.shape[0] for value in model.inputs if value.shape and isinstance(value.shape[0], str)}
    for name, size in given.items():
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or not 1 <= size < 2**63:
            raise InputError(f"Dimension {clean_text(name)!r} takes a whole number from 1; got {size!r:.60}.")
    return {str(name): 1 for name in sorted(map(str, batch))} | {
        name: int(size) for name, size in given.items()
    }


def _sized_values(model: Model, sizes: Mapping[str, int]) -> dict[str, Value]:
    """Return every value with symbolic dimensions replaced and shapes inferred anew."""
    shapes = {
        value.name: tuple(sizes.get(d, d) if isinstance(d, str) else d for d in value.shape)
        for value in model.inputs
        if value.shape and not sizes.keys().isdisjoint(value.shape)
    }
    return sized_values(model, shapes)


def _summarize_node(node: Node, values: Mapping[str, Value], weights: Mapping[str, Tensor]) -> NodeSummary:
    inputs = [fixed_shape(values.get(name)) for name in node.inputs]
    outputs = [fixed_shape(values.get(name)) for name in node.outputs]
    found = values.get(node.key)
    read = [weights[name] for name in dict.fromkeys(node.inputs) if name in weights]
    parameters = sum(tensor.parameters for tensor in read)
    return NodeSummary(
        node.key, node.label, found.shape if found else None, parameters, macs_of(node, inputs, outputs)
    )


def _memory(
    weights: Mapping[str, Tensor], values: Mapping[str, Value]
) -> tuple[tuple[TensorMemory, ...], int]:
    """Return every tensor with its size, the largest first, and how many values have no known size."""
    found = [TensorMemory(t.name, "weight", t.dtype, t.shape, t.size_bytes) for t in weights.values()]
    unknown = 0
    for name, value in values.items():
        if name in weights:
            continue
        if (size := size_of(value)) is None:
            unknown += 1
        else:
            found.append(TensorMemory(name, "value", value.dtype or "?", fixed_shape(value) or (), size))
    return tuple(sorted(found, key=lambda tensor: -tensor.size_bytes)), unknown
