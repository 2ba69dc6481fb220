"""Read events in Chrome's trace format: what onnxruntime's profiler writes, or `Profile.save`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from onnx_workbench.core.errors import InputError, WorkbenchError
from onnx_workbench.core.files import check_regular
from onnx_workbench.core.formatting import clean_text, format_bytes

_SUFFIX = "_kernel_time"
_WITH_SUBGRAPHS = frozenset(
    {"If", "Loop", "Scan", "BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch"}
)
_ROUNDING_US = 1  # start and duration are whole microseconds, each cut
_MOST_EVENTS = 2_000_000
"""onnxruntime itself stops at a million."""
_LONGEST_LINE = 1 << 20
_LARGEST_WHOLE_FILE = 256 << 20


@dataclass(eq=False)
class KernelEvent:
    """One call of a kernel. `own_us` is its time without that of the kernels of its subgraphs."""

    name: str
    op_type: str
    start_us: float
    duration_us: float
    provider: str
    output_bytes: int
    own_us: float = 0.0
    parent: KernelEvent | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RunEvents:
    """The kernels of one run in the order of their start, and the run's own time."""

    duration_us: float
    kernels: tuple[KernelEvent, ...]


def read_events(path: str | os.PathLike[str], *, may_be_empty: bool = False) -> list[RunEvents]:
    """Return the runs in a file of events; of a model that computes nothing, runs without kernels.

    Raises
    ------
    InputError
        If there is no such file, it is no trace, or holds no kernels of onnxruntime.
    """
    check_regular(path)
    name = clean_text(str(path))
    try:
        with Path(path).expanduser().open("rb") as file:
            try:
                kernels, runs = _sorted_out(_lines(file), name)
            except ValueError:  # no event a line
                kernels, runs = _sorted_out(_whole(file, name), name)
    except OSError as error:
        raise InputError(f"{name!r} cannot be read: {error.strerror or error}.") from error
    if not kernels and not may_be_empty:
        raise InputError(
            f"{name!r} is a trace without kernels of onnxruntime. Expected is what SessionOptions.enable_profiling "
            "writes, or Profile.save()."
        )
    _nest(kernels)
    return _by_run([kernel for kernel, _ in kernels], runs)


def _sorted_out(
    events: Iterable[object], name: str
) -> tuple[list[tuple[KernelEvent, object]], list[tuple[float, float]]]:
    """Return the kernels, each with its thread, and the times of the runs."""
    kernels: list[tuple[KernelEvent, object]] = []
    runs: list[tuple[float, float]] = []
    for event in events:
        if not isinstance(event, dict):
            continue
        if (kernel := _kernel(event)) is not None:
            kernels.append((kernel, event.get("tid")))
        elif event.get("name") == "model_run" and (span := _span(event)):
            runs.append(span)
        if len(kernels) > _MOST_EVENTS:
            raise _TooManyEventsError(name)
    return kernels, runs


class _TooManyEventsError(WorkbenchError):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} holds more than {_MOST_EVENTS:,} kernels: profile fewer runs.")


def _lines(file: BinaryIO) -> Iterator[object]:
    """Yield events as onnxruntime writes them, one a line; ValueError for other layouts."""
    if file.readline(_LONGEST_LINE).strip() == b"[":
        while line := file.readline(_LONGEST_LINE):
            if (text := line.strip().rstrip(b",")) not in {b"", b"]"}:
                try:
                    yield json.loads(text)
                except RecursionError as error:
                    raise json.JSONDecodeError("nested too deeply", "", 0) from error
    else:
        raise json.JSONDecodeError("not one event a line", "", 0)


def _whole(file: BinaryIO, name: str) -> list[object]:
    size = file.seek(0, os.SEEK_END)
    if size > _LARGEST_WHOLE_FILE:
        raise InputError(
            f"{name!r} has {format_bytes(size)} and not one event a line, as onnxruntime writes them; read whole, "
            f"such files may have {format_bytes(_LARGEST_WHOLE_FILE)}."
        )
    file.seek(0)
    try:
        content = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{name!r} is no trace: {clean_text(str(error), limit=120)}. Expected is the JSON that onnxruntime's "
            "SessionOptions.enable_profiling writes, complete (InferenceSession.end_profiling() ends it)."
        ) from error
    events = content.get("traceEvents") if isinstance(content, dict) else content
    if not isinstance(events, list):
        raise InputError(
            f"{name!r} is JSON, and no trace: expected is a list of events, or an object with 'traceEvents'."
        )
    return events


def _span(event: dict[str, Any]) -> tuple[float, float] | None:
    """Return start and duration in microseconds, if they are numbers that a clock can give."""
    start, duration = event.get("ts"), event.get("dur")
    for number in (start, duration):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) < 1e15:
            return None
    return (float(start), float(duration)) if duration >= 0 else None  # type: ignore[arg-type,operator]


def _kernel(event: dict[str, Any]) -> KernelEvent | None:
    name, given = event.get("name"), event.get("args")
    if not isinstance(name, str) or not name.endswith(_SUFFIX) or not isinstance(given, dict):
        return None
    if (span := _span(event)) is None:
        return None
    return KernelEvent(
        name.removesuffix(_SUFFIX),
        str(given.get("op_name", "")),
        *span,
        provider=str(given.get("provider", "")),
        output_bytes=_whole_number(given.get("output_size")),
    )


def _whole_number(text: object) -> int:
    return int(text) if isinstance(text, (str, int)) and str(text).isdecimal() and len(str(text)) < 20 else 0


def _nest(kernels: list[tuple[KernelEvent, object]]) -> None:
    """Find the kernel in whose subgraph each was called: the innermost one of its thread that spans its time.

    onnxruntime notes a kernel when it ends, so that of two with the same times the later one is outside.
    """
    order = sorted(
        range(len(kernels)), key=lambda i: (kernels[i][0].start_us, -kernels[i][0].duration_us, -i)
    )
    open_by_thread: dict[object, list[KernelEvent]] = {}
    for index in order:
        kernel, thread = kernels[index]
        stack = open_by_thread.setdefault(str(thread), [])
        while stack and not _spans(stack[-1], kernel):
            stack.pop()
        kernel.own_us = kernel.duration_us
        if stack:
            kernel.parent = stack[-1]
            stack[-1].own_us = max(0.0, stack[-1].own_us - kernel.duration_us)
        if kernel.op_type in _WITH_SUBGRAPHS:
            stack.append(kernel)
    kernels[:] = [kernels[index] for index in order]


def _spans(outer: KernelEvent, inner: KernelEvent) -> bool:
    end = outer.start_us + outer.duration_us
    return inner.start_us <= end and inner.start_us + inner.duration_us <= end + _ROUNDING_US


def _by_run(kernels: list[KernelEvent], runs: list[tuple[float, float]]) -> list[RunEvents]:
    """Return kernels by the run in whose time they started; all in one where no run was noted."""
    runs.sort()
    if not runs and kernels:
        end = max(kernel.start_us + kernel.duration_us for kernel in kernels)
        runs = [(kernels[0].start_us, end - kernels[0].start_us)]
    found: list[list[KernelEvent]] = [[] for _ in runs]
    place = 0
    for kernel in kernels:
        while place + 1 < len(runs) and kernel.start_us >= runs[place + 1][0]:
            place += 1
        if (
            kernel.start_us <= runs[place][0] + runs[place][1] + _ROUNDING_US
        ):  # else of a run that was not noted
            found[place].append(kernel)
    return [RunEvents(run[1], tuple(part)) for run, part in zip(runs, found, strict=True)]
