"""A backend whose session lives in a child process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onnx_workbench.core.errors import IsolationError
from onnx_workbench.core.graph_parts import Value
from onnx_workbench.core.model import Model, as_model
from onnx_workbench.runtime.backends import Backend, Feeds, model_backend
from onnx_workbench.runtime.isolation import Limits, Worker

_kept: list[Backend] = []  # in the child: what its one session computes with


@dataclass(frozen=True)
class _Loaded:
    """What the parent needs to know about the child's session."""

    inputs: tuple[Value, ...]
    output_names: tuple[str, ...]
    low_memory: bool
    optimisation: str


def _load(source: object, backend: str, options: dict[str, Any]) -> _Loaded:
    model = as_model(source)
    # The graph is looked through in the parent too when a run is taken in pieces: what dies of that, dies here first.
    _ = model.nodes, model.values, model.constants
    engine = model_backend(model, backend, **options)
    _kept[:] = [engine]
    return _Loaded(
        engine.inputs,
        engine.output_names,
        bool(getattr(engine, "low_memory", False)),
        str(getattr(engine, "optimisation", "none")),
    )


def _run(output_names: tuple[str, ...], feeds: dict[str, Any]) -> list[Any]:
    return _kept[0].run(output_names, feeds)


class IsolatedBackend:
    """Another backend, in a process of its own that may crash, hang or be ended; then the next run starts a new one.

    Parameters
    ----------
    source
        A Model, or what ``open_model`` takes: a path or bytes are opened in the child, so that a file
        at which opening itself fails does no harm either.
    backend
        ``"onnxruntime"`` or ``"reference"``.
    limits
        For loading, and for each run.
    **options
        As for `model_backend`.
    """

    def __init__(self, source: object, backend: str, limits: Limits, **options: Any) -> None:
        self._request = (source, backend, options)
        self.limits = limits
        self._worker = Worker(limits)
        self.weighed_bytes = sys.maxsize  # nothing is refused: the limits hold
        loaded = self._load()
        self.inputs, self.output_names = loaded.inputs, loaded.output_names
        self.low_memory, self.optimisation = loaded.low_memory, loaded.optimisation

    def _load(self) -> _Loaded:
        try:
            return self._worker.call(_load, *self._request)
        except IsolationError as error:
            error.add_note("This happened while the model was loaded.")
            raise

    def weigh(self, model: Model, feeds: Feeds) -> None:
        """Refuse nothing."""

    def run(self, output_names: Sequence[str], feeds: Feeds) -> list[Any]:
        """Return the named outputs."""
        if not self._worker.is_running:
            self._load()
        return self._worker.call(_run, tuple(output_names), dict(feeds))
