"""A session of onnxruntime that profiles, together with the graph that it really runs."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from onnx import FunctionProto, GraphProto, ModelProto, NodeProto
from onnx import load as load_proto

from onnx_workbench.core.errors import WriteError
from onnx_workbench.core.model import Model
from onnx_workbench.runtime.backends import OnnxRuntimeBackend, optimisation_level
from onnx_workbench.runtime.placement import subgraphs

_GRAPH, _WEIGHTS = "optimised.onnx", "weights.bin"
_SMALL_BYTES = "1024"


def with_node_names(model: Model) -> Model:
    """Return the model with a name of its own for each node, by which onnxruntime's events tell it.

    Names that are there and unique in their graph stay. The others get what onnxruntime calls a node without a name:
    its operator and its place in the file, which does not count Constant nodes.
    """
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    graphs: list[GraphProto | FunctionProto] = [proto.graph, *proto.functions]
    while graphs:
        graph = graphs.pop()
        name_nodes(graph.node)
        graphs += [inner for node in graph.node for _, inner in subgraphs(node)]
    return Model(proto, model.payloads, source=model.source, path=model.path)


def name_nodes(nodes: Sequence[NodeProto]) -> None:
    """Name the nodes of one graph that have no name of their own; in place."""
    counts = Counter(node.name for node in nodes)
    taken = {name for name, count in counts.items() if count == 1}
    numbers: Counter[str] = Counter()
    place = 0
    for node in nodes:
        if not node.name or counts[node.name] > 1:
            name = stem = node.name or f"{node.op_type}_{place}"
            while name in taken:
                numbers[stem] += 1
                name = f"{stem}#{numbers[stem]}"
            node.name = name
            taken.add(name)
        place += node.op_type != "Constant"


class ProfilingBackend(OnnxRuntimeBackend):
    """onnxruntime, noting when each kernel starts and how long it takes.

    Attributes
    ----------
    graph
        What it runs; the model's own graph where nothing was optimised.
    """

    def __init__(self, model: Model, folder: Path, *, level: str = "", **options: Any) -> None:
        self._folder, self._level = folder, level
        super().__init__(model, configure=self._configure, **options)
        self.graph = self._read_graph() or model.proto.graph

    def _configure(self, options: Any) -> None:
        import onnxruntime

        if self._level:
            options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, self._level)
        options.enable_profiling = True
        options.profile_file_prefix = str(self._folder / "profile")
        if self.low_memory:  # then nothing is optimised, and the weights had better stay where they are
            return
        _write_graph_to(self._folder, options)
        with suppress(
            OSError, NotImplementedError
        ):  # nobody reads the weights: where there is a hole, they go there
            (self._folder / _WEIGHTS).symlink_to(os.devnull)

    def _read_graph(self) -> GraphProto | None:
        path = self._folder / _GRAPH
        graph = load_proto(path, load_external_data=False).graph if path.is_file() else None
        (self._folder / _WEIGHTS).unlink(missing_ok=True)
        return graph

    def end(self) -> Path:
        """Stop profiling and return the file of events."""
        return Path(self.session.end_profiling())


def _write_graph_to(folder: Path, options: Any) -> None:
    """Let onnxruntime write the graph that it runs, and the weights beside it."""
    options.optimized_model_filepath = str(folder / _GRAPH)
    for key, value in {"file_name": _WEIGHTS, "min_size_in_bytes": _SMALL_BYTES}.items():
        options.add_session_config_entry(f"session.optimized_model_external_initializers_{key}", value)


def write_optimised(model: Model, folder: Path, level: str) -> Path:
    """Write the graph that onnxruntime runs, with its weights, into a folder; return the file.

    Raises
    ------
    RunError
        If onnxruntime refuses the model.
    """

    def configure(options: Any) -> None:
        options.graph_optimization_level = optimisation_level(level)
        _write_graph_to(folder, options)

    OnnxRuntimeBackend(model, low_memory=False, configure=configure)
    return folder / _GRAPH


@contextmanager
def profiling_folder() -> Iterator[Path]:
    """Give a folder for what onnxruntime writes, and remove it afterwards."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="onnx_workbench_", ignore_cleanup_errors=True)
    except OSError as error:
        raise WriteError(
            f"onnxruntime's events need a temporary folder: {error.strerror or error}."
        ) from error
    with folder as path:
        yield Path(path)
