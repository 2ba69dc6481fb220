"""profile: time and memory of each node, from repeated runs with onnxruntime's profiler."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model, as_model
from onnx_workbench.core.value_sizes import buffers_alive, sized_values
from onnx_workbench.runtime.kernel_events import RunEvents, read_events
from onnx_workbench.runtime.memory import weights_bytes
from onnx_workbench.runtime.optimised_graph import ProfilingBackend, profiling_folder, with_node_names
from onnx_workbench.runtime.placement import Placed, place
from onnx_workbench.runtime.plausible_inputs import plausible_feeds
from onnx_workbench.runtime.profile_result import Profile
from onnx_workbench.runtime.profile_tables import Places, kernel_times, node_times
from onnx_workbench.runtime.session import Session, model_of

_MOST_EVENTS = 200_000
"""onnxruntime keeps each event in memory, about a kilobyte, until profiling ends."""
_REPEATING = frozenset({"Loop", "Scan"})
_LEVELS = ("ORT_ENABLE_ALL", "ORT_DISABLE_ALL", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_BASIC")
_NEARLY_ALL = 0.999


class _ProfilingSession(Session):
    """A session on an engine that profiles."""

    def __init__(self, model: Model, engine: ProfilingBackend) -> None:
        self._join(model, "onnxruntime", engine)

    def shapes(self, inputs: object) -> dict[str, tuple[int, ...]]:
        """Return the shapes of inputs by their names."""
        feeds = {} if inputs is None else self._by_name(inputs)
        return {
            name: np.shape(array) for name, array in feeds.items() if not isinstance(array, (list, tuple))
        }


def profile(
    model: object,
    inputs: object = None,
    *,
    repeat: int = 10,
    warmup: int = 1,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
    from_trace: str | os.PathLike[str] | None = None,
) -> Profile:
    """Return where the time and the memory of a run go, on the nodes of the model's own graph.

    onnxruntime runs fused and renamed kernels in other layouts; each is placed on the nodes that it absorbed.

    Parameters
    ----------
    model
        A Model or anything that ``open_model`` takes; or a Session, of which the model is measured as it is loaded
        here: in a child process, within its limits, if it is isolated.
    inputs
        Arrays, as for ``run``; None draws random ones, with 1 for symbolic dimensions.
    repeat
        Measured runs; fewer for graphs of so many nodes that their events would not fit into memory.
    warmup
        Runs before, beside the first one, which is told apart.
    threads, providers
        As for ``Session``.
    from_trace
        File of onnxruntime's profiler (``SessionOptions.enable_profiling``) for this model, or of ``Profile.save``:
        it is read instead of running the model; `inputs` then only tell the shapes.

    Returns
    -------
    Profile
        Printed as text or shown as tables; ``overlays`` for ``view``, ``save`` for chrome://tracing and Perfetto.

    Raises
    ------
    InputError
        If the inputs do not fit the model, or the file is no trace of it.
    RunError
        If onnxruntime cannot run the model.

    Examples
    --------
    >>> profile = ow.profile("signs.onnx", batch, repeat=5)
    >>> len(profile.worst) <= 10
    True
    >>> graph = ow.view("signs.onnx", overlay=profile.overlays)
    """
    _check_count("repeat", repeat, 1)
    _check_count("warmup", warmup, 0)
    options: dict[str, Any] = {"threads": threads, "providers": providers}
    if isinstance(model, Session):
        if model.limits is not None:
            return model.in_child(_profile_there, inputs, repeat, warmup, options, from_trace)
        model = model_of(model)
    opened = as_model(model)
    with profiling_folder() as folder:
        if from_trace is not None:
            return _from_trace(opened, inputs, from_trace, folder, options)
        feeds = plausible_feeds(opened, seed=0, sizes={}) if inputs is None else inputs
        return _measured(opened, feeds, folder, (repeat, warmup), options)


def _profile_there(
    source: object, inputs: object, repeat: int, warmup: int, options: dict[str, Any], from_trace: Any
) -> Profile:
    """Profile in a child process."""
    return profile(source, inputs, repeat=repeat, warmup=warmup, from_trace=from_trace, **options)


def _check_count(name: str, count: object, least: int) -> None:
    if not isinstance(count, int) or isinstance(count, bool) or count < least:
        raise InputError(f"{name} is a whole number from {least}; got {count!r:.60}.")


def _measured(
    model: Model, inputs: object, folder: Path, counts: tuple[int, int], options: dict[str, Any]
) -> Profile:
    named = with_node_names(model)
    repeat, warmup, notes = _fitting(named, inputs, folder, counts, options)
    start = time.perf_counter()
    engine = ProfilingBackend(named, folder, **options)
    loaded = time.perf_counter() - start
    session = _ProfilingSession(named, engine)
    placed = place(named.proto.graph, engine.graph)
    walls, interrupted = _run_often(session, inputs, repeat, warmup)
    runs = read_events(engine.end(), may_be_empty=True)
    before = 1 + warmup if len(runs) > 1 + warmup else 0
    if len(runs) < len(walls):
        notes += (f"onnxruntime noted only {len(runs)} of {len(walls)} runs: it stops at a million events.",)
    return _profile(
        model,
        session.shapes(inputs),
        runs[before : len(walls)],
        placed,
        provider=", ".join(engine.providers),
        runs_ms=tuple(wall * 1e3 for wall in walls[1 + warmup :]),
        load_ms=loaded * 1e3,
        first_run_ms=walls[0] * 1e3,
        interrupted=interrupted,
        notes=notes,
    )


def _fitting(
    named: Model, inputs: object, folder: Path, counts: tuple[int, int], options: dict[str, Any]
) -> tuple[int, int, tuple[str, ...]]:
    """Return as many runs and warming ones as have events that fit into memory, and what to say about it."""
    repeat, warmup = counts
    events = len(named.nodes)
    if any(node.op_type in _REPEATING for node in named.nodes):  # nobody knows how often before it has run
        engine = ProfilingBackend(named, folder, **options)
        _ProfilingSession(named, engine).run(inputs)
        events = sum(len(run.kernels) for run in read_events(engine.end(), may_be_empty=True))
    room = max(2, _MOST_EVENTS // max(1, events))
    if 1 + warmup + repeat <= room:
        return repeat, warmup, ()
    warmup = min(warmup, max(0, room - 2))
    repeat = min(repeat, room - 1 - warmup)
    note = f"{repeat} instead of {counts[0]}: a run has {events:,} events, which onnxruntime keeps in memory."
    return repeat, warmup, (note,)


def _run_often(session: Session, inputs: object, repeat: int, warmup: int) -> tuple[list[float], bool]:
    """Return the seconds of each run, the first and the warming ones too, and whether Ctrl-C came among the others."""
    from tqdm.auto import tqdm

    walls: list[float] = []
    with tqdm(total=1 + warmup + repeat, desc="profile", unit="run", leave=False, delay=1) as progress:
        try:
            while len(walls) < 1 + warmup + repeat:
                start = time.perf_counter()
                session.run(inputs)
                walls.append(time.perf_counter() - start)
                progress.update()
        except KeyboardInterrupt:
            if len(walls) <= 1 + warmup:
                raise
            return walls, True
    return walls, False


def _from_trace(
    model: Model, inputs: object, path: str | os.PathLike[str], folder: Path, options: dict[str, Any]
) -> Profile:
    runs = read_events(path)
    named = with_node_names(model)
    engine, placed = _best_placement(named, runs, folder, options)
    if placed is None:
        known = ", ".join(repr(clean_text(node.name)) for node in named.proto.graph.node[:3])
        read = ", ".join(repr(clean_text(event.name)) for event in runs[0].kernels[:3])
        raise InputError(
            f"None of the kernels in {clean_text(str(path))!r} is of this model: the trace names {read}; the model has "
            f"nodes such as {known}. Give the model that was profiled, from the file that was run."
        )
    session = _ProfilingSession(named, engine)
    walls = tuple(run.duration_us / 1e3 for run in runs)
    providers = dict.fromkeys(event.provider for run in runs for event in run.kernels if event.provider)
    return _profile(
        model,
        session.shapes(inputs),
        runs,
        placed,
        provider=", ".join(providers),
        runs_ms=walls,
        load_ms=None,
        first_run_ms=None,
    )


def _best_placement(
    named: Model, runs: Sequence[RunEvents], folder: Path, options: dict[str, Any]
) -> tuple[ProfilingBackend, list[Placed] | None]:
    """Return the kernels of the optimised graph that explains most of a trace; None if none explains anything."""
    most, best = (0.0, 0), None  # of time, then of kernels: all may have taken less than a microsecond
    for level in _LEVELS:  # nobody knows how the session of a trace was made
        engine = ProfilingBackend(named, folder, level=level, **options)
        engine.end()
        placed = place(named.proto.graph, engine.graph)
        kernels, _, _ = kernel_times(runs, Places(placed))
        known = [kernel for kernel in kernels if kernel.nodes]
        found = (sum(kernel.time_ms for kernel in known), len(known))
        if found > most:
            most, best = found, placed
        if found[1] and found[0] >= _NEARLY_ALL * sum(kernel.time_ms for kernel in kernels):
            break
    return engine, best


def _profile(
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    runs: Sequence[RunEvents],
    placed: Sequence[Placed],
    **facts: Any,
) -> Profile:
    kernels, written, timeline = kernel_times(runs, Places(placed))
    values = sized_values(model, shapes)
    return Profile(
        name=model.name,
        kernels=kernels,
        nodes=node_times(model, kernels, values, written),
        peak_bytes=max(buffers_alive(model, values)),
        weights_bytes=weights_bytes(model),
        timeline=timeline,
        **facts,
    )
