"""What `profile` found: time of kernels and of the nodes that they stand for, and memory."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.formatting import (
    clean_text,
    escape,
    format_bytes,
    format_duration,
    html_table,
    text_table,
)

_WORST = 10
_MB = 1e6


@dataclass(frozen=True)
class KernelTime:
    """One kernel of onnxruntime: its time in a run, and the addresses of the nodes that it stands for.

    `layout` tells kernels that only change the layout or dtype of a value for others; their time counts for the node
    that has the time of the kernel that writes the value. `time_ms` is the median over the runs, without the kernels of
    its subgraphs.
    """

    name: str
    operator: str
    time_ms: float
    calls: int
    nodes: tuple[str, ...]
    layout: bool = False
    provider: str = ""


@dataclass(frozen=True)
class NodeTime:
    """One node of the model.

    Attributes
    ----------
    key
        Its first output; nodes of subgraphs carry the path there, such as ``"y/then_branch/a"``.
    operator
        What it calls.
    time_ms
        Its share of the time of the kernels that stand for it, without the nodes of its subgraphs.
    kernels
        Names of these kernels; empty for nodes that did not run: computed when the model was loaded, left out by the
        optimiser, in a branch not taken.
    together_with
        Other nodes in the same kernels. Of a fused kernel the time is that of the node whose operator it has (the Conv
        of a FusedConv); where there is none, all nodes get equal parts.
    output_bytes, weights_bytes
        Size of its outputs in this run (None if unknown), and of the weights that it reads.
    outer
        For a node of a subgraph: the key of the node of the model's graph that holds it.
    """

    key: str
    operator: str
    time_ms: float
    kernels: tuple[str, ...]
    together_with: tuple[str, ...]
    output_bytes: int | None
    weights_bytes: int
    outer: str = ""


@dataclass(frozen=True)
class KernelCall:
    """A call of a kernel in the run that is kept as an example."""

    kernel: str
    operator: str
    start_us: float
    duration_us: float
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """Where the time of a run goes, on the model's own nodes.

    Attributes
    ----------
    runs_ms
        Wall time of each measured run, profiler included; from a trace, as it says.
    load_ms, first_run_ms
        What comes before: loading and optimising the model, the first run; None from a trace.
    kernels
        Time of each kernel of onnxruntime, the longest first.
    nodes
        Time and memory of each node, in the order of the graph; subgraphs behind.
    peak_bytes
        Buffers alive at the same time in onnxruntime's plan, at most; a lower bound where shapes are unknown.
    weights_bytes
        Size of all weights.
    interrupted
        Whether Ctrl-C ended the measurement early.
    timeline
        One run call by call, for `save`.
    """

    name: str
    provider: str
    runs_ms: tuple[float, ...]
    load_ms: float | None
    first_run_ms: float | None
    kernels: tuple[KernelTime, ...]
    nodes: tuple[NodeTime, ...]
    peak_bytes: int
    weights_bytes: int
    interrupted: bool = False
    notes: tuple[str, ...] = ()
    timeline: tuple[KernelCall, ...] = field(default=(), repr=False)

    @property
    def time_ms(self) -> float:
        """Time of all kernels of a run."""
        return math.fsum(kernel.time_ms for kernel in self.kernels)

    @property
    def placed_share(self) -> float:
        """Part of the time that is placed on nodes of the model, from 0 to 1."""
        missing = math.fsum(kernel.time_ms for kernel in self.unplaced)
        return 1 - missing / self.time_ms if self.time_ms else 1.0

    @property
    def unplaced(self) -> tuple[KernelTime, ...]:
        """Kernels of which no node is known."""
        return tuple(kernel for kernel in self.kernels if not kernel.nodes)

    @property
    def by_operator(self) -> dict[str, float]:
        """Milliseconds by the operator of the model's nodes, the longest first."""
        found: dict[str, float] = {}
        for node in self.nodes:
            found[node.operator] = found.get(node.operator, 0.0) + node.time_ms
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    @property
    def worst(self) -> tuple[NodeTime, ...]:
        """The ten nodes that take longest."""
        ranked = sorted(self.nodes, key=lambda node: -node.time_ms)[:_WORST]
        return tuple(node for node in ranked if node.time_ms > 0)

    @property
    def overlays(self) -> dict[str, dict[str, float]]:
        """Numbers by value name for ``view(model, overlay=...)``; nodes of subgraphs count for the one around."""
        times: dict[str, float] = {}
        for node in self.nodes:
            key = node.outer or node.key
            times[key] = times.get(key, 0.0) + node.time_ms
        total = self.time_ms or 1.0
        main = [node for node in self.nodes if not node.outer]
        return {
            "time in ms": times,
            "share of time in %": {key: 100 * time / total for key, time in times.items()},
            "outputs in MB": {n.key: n.output_bytes / _MB for n in main if n.output_bytes is not None},
            "weights in MB": {n.key: n.weights_bytes / _MB for n in main},
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as JSON can hold it."""
        facts = {key: value for key, value in asdict(self).items() if key != "timeline"}
        return facts | {
            "time_ms": self.time_ms,
            "placed_share": self.placed_share,
            "unplaced": [kernel.name for kernel in self.unplaced],
            "by_operator": self.by_operator,
            "worst": [node.key for node in self.worst],
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one run as a chrome trace, which chrome://tracing, Perfetto and ``profile(from_trace=)`` open.

        Parameters
        ----------
        path
            The file, such as ``"profile.json"``.

        Returns
        -------
        Path
            The file written.
        """
        return write_atomic(Path(path).expanduser(), (line.encode() for line in self._trace_lines()))

    def _trace_lines(self) -> Iterator[str]:
        run = {"cat": "Session", "name": "model_run", "ph": "X", "pid": 1, "tid": 1, "args": {}}
        begin = min((call.start_us for call in self.timeline), default=0.0)
        end = max((call.start_us + call.duration_us for call in self.timeline), default=0.0)
        yield "[\n" + json.dumps(run | {"ts": 0, "dur": end - begin})
        for call in self.timeline:
            yield ",\n" + json.dumps(
                {
                    "cat": "Node",
                    "name": f"{call.kernel}_kernel_time",
                    "ph": "X",
                    "pid": 1,
                    "tid": 1,
                    "ts": call.start_us - begin,
                    "dur": call.duration_us,
                    "args": {"op_name": call.operator, "nodes": ", ".join(call.nodes), "model": self.name},
                }
            )
        yield "\n]\n"

    def _facts(self) -> list[tuple[str, str]]:
        median, low, high = statistics.median(self.runs_ms), min(self.runs_ms), max(self.runs_ms)
        stopped = " (stopped early)" if self.interrupted else ""
        spread = f"median of {len(self.runs_ms)}{stopped}, from {_ms(low)} to {_ms(high)}"
        facts = [("run", f"{_ms(median)}, {spread}")]
        if self.load_ms is not None and self.first_run_ms is not None:
            facts += [("before", f"{_ms(self.load_ms)} to load, {_ms(self.first_run_ms)} for the first run")]
        fused = sum(len(kernel.nodes) > 1 for kernel in self.kernels)
        facts += [
            ("kernels", f"{_ms(self.time_ms)} in {len(self.kernels):,}, {fused:,} of them fused"),
            ("placed", f"{100 * self.placed_share:.1f} % of that time, on {len(self.nodes):,} nodes"),
            (
                "memory",
                f"{self._shown_peak()} of values at peak, {format_bytes(self.weights_bytes)} of weights",
            ),
            ("computed by", self.provider or "(not said)"),
        ]
        if self.unplaced:
            listed = ", ".join(f"{k.operator} {clean_text(k.name, limit=40)!r}" for k in self.unplaced[:5])
            facts.append(
                ("not placed", f"{len(self.unplaced)} kernels: {listed}" + ", …" * (len(self.unplaced) > 5))
            )
        return facts + [("note", note) for note in self.notes]

    def _shown_peak(self) -> str:
        """Return the peak; only as a bound where sizes are unknown, as from a trace with no inputs given."""
        unknown = any(node.output_bytes is None for node in self.nodes)
        return f"{'at least ' if unknown else ''}{format_bytes(self.peak_bytes)}"

    def _operator_rows(self) -> list[tuple[object, ...]]:
        counts = Counter(node.operator for node in self.nodes)
        shown = list(self.by_operator.items())[:_WORST]
        return [(op, f"{counts[op]:,}", _ms(time), self._percent(time)) for op, time in shown if time > 0]

    def _worst_rows(self) -> list[tuple[object, ...]]:
        return [
            (
                node.operator,
                clean_text(node.key, limit=50),
                _ms(node.time_ms),
                self._percent(node.time_ms),
                "?" if node.output_bytes is None else format_bytes(node.output_bytes),
                format_bytes(node.weights_bytes) if node.weights_bytes else "",
                _listed(node.together_with),
            )
            for node in self.worst
        ]

    def _percent(self, time_ms: float) -> str:
        return f"{100 * time_ms / (self.time_ms or 1.0):.1f} %"

    def __str__(self) -> str:
        """Return the facts, the time by operator, and the ten nodes that take longest."""
        return "\n\n".join(
            (
                f"{clean_text(self.name)}\n{text_table(self._facts())}",
                text_table(self._operator_rows(), header=_OPERATOR_HEADER, right=" rrr"),
                text_table(self._worst_rows(), header=_NODE_HEADER, right="  rrrr "),
            )
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = self._worst_rows()
        caption = "The ten nodes that take longest" if len(rows) == _WORST else "The nodes, the longest first"
        worst = html_table(rows, header=_NODE_HEADER, right="  rrrr ", caption=caption)
        operators = html_table(self._operator_rows(), header=_OPERATOR_HEADER, right=" rrr")
        return (
            f"<div><strong>{escape(self.name)}</strong>{html_table(self._facts())}{worst}"
            f"<details><summary>By operator</summary>{operators}</details></div>"
        )


_OPERATOR_HEADER = ("operator", "nodes", "time", "share")
_NODE_HEADER = ("operator", "first output", "time", "share", "outputs", "weights", "in one kernel with")


def _ms(time_ms: float) -> str:
    return format_duration(time_ms / 1e3)


def _listed(keys: tuple[str, ...]) -> str:
    return ", ".join(clean_text(key, limit=30) for key in keys[:3]) + ", …" * (len(keys) > 3)
