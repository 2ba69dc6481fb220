"""Files of events that others wrote: read where they are sound, refused with a reason where not."""

from __future__ import annotations

import json

import pytest
import tiny_models

import onnx_workbench as ow
from onnx_workbench.core.errors import InputError
from onnx_workbench.runtime.kernel_events import read_events


def event(name: str, start: float, duration: float, op: str = "Cos", **more: object) -> dict:
    return {
        "cat": "Node",
        "ph": "X",
        "tid": 1,
        "name": f"{name}_kernel_time",
        "ts": start,
        "dur": duration,
        "args": {"op_name": op},
    } | more


def run_of(start: float, duration: float) -> dict:
    return {"cat": "Session", "name": "model_run", "ts": start, "dur": duration, "args": {}}


def written(tmp_path, events: object, *, lines: bool = False):
    path = tmp_path / "trace.json"
    whole = "[\n" + ",\n".join(map(json.dumps, events)) + "\n]\n" if lines else json.dumps(events, indent=2)
    path.write_text(whole)
    return path


EVENTS = [event("a", 0, 5), event("b", 6, 3), run_of(0, 10), event("a", 20, 7), run_of(20, 9)]


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_runs_are_told_apart_in_every_layout_of_the_file(tmp_path, lines, wrapped):
    content = {"traceEvents": EVENTS} if wrapped and not lines else EVENTS
    runs = read_events(written(tmp_path, content, lines=lines))
    assert [[(k.name, k.duration_us) for k in run.kernels] for run in runs] == [
        [("a", 5), ("b", 3)],
        [("a", 7)],
    ]
    assert [run.duration_us for run in runs] == [10, 9]


def test_a_kernel_in_a_subgraph_is_taken_out_of_the_time_of_the_one_around(tmp_path):
    events = [event("in", 2, 3), event("in", 5, 3), event("loop", 0, 10, "Loop"), event("next", 10, 0)]
    (run,) = read_events(written(tmp_path, events))
    own = {(k.name, k.start_us): (k.own_us, k.parent.name if k.parent else None) for k in run.kernels}
    assert own[("loop", 0)] == (4, None)
    assert own[("in", 2)] == own[("in", 5)] == (3, "loop")


def test_kernels_of_a_run_that_was_not_noted_to_its_end_count_for_none(tmp_path):
    runs = read_events(written(tmp_path, [*EVENTS, event("a", 50, 5)]))
    assert [len(run.kernels) for run in runs] == [2, 1]


def test_threads_are_told_apart(tmp_path):
    events = [event("loop", 0, 10, "Loop"), event("other", 2, 3, tid=2)]
    (run,) = read_events(written(tmp_path, events))
    assert [k.parent for k in run.kernels] == [None, None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no trace"),
        (b'[\n{"cat" : "Node",', "no trace"),
        (b"\x00\xff\x80" * 50, "no trace"),
        (b"[" * 100_000, "no trace"),
        (b'{"a": 1}', "list of events"),
        (b'"text"', "list of events"),
        (b"[]", "without kernels"),
        (b"[1, null, {}, []]", "without kernels"),
        (b'[{"name": "x_kernel_time", "ts": "0", "dur": 1, "args": {}}]', "without kernels"),
        (b'[{"name": "x_kernel_time", "ts": 0, "dur": -1, "args": {}}]', "without kernels"),
        (b'[{"name": "x_kernel_time", "ts": NaN, "dur": 1, "args": {}}]', "without kernels"),
        (b'[{"name": "x_kernel_time", "ts": 1e999, "dur": 1, "args": {}}]', "without kernels"),
        (b'[{"name": ["x_kernel_time"], "ts": 0, "dur": 1, "args": []}]', "without kernels"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_the_reason(tmp_path, content, message):
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        ow.profile(tiny_models.dense(), from_trace=path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.json.*No such file"):
        read_events(tmp_path / "nowhere.json")


def test_a_trace_of_another_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="None of the kernels"):
        ow.profile(tiny_models.dense(), from_trace=written(tmp_path, EVENTS))


def test_a_trace_in_which_nothing_took_a_microsecond_is_read(tmp_path):
    trace = written(tmp_path, [event("MatMul_0", 0, 0, "MatMul"), run_of(0, 0)])
    found = ow.profile(tiny_models.dense(), from_trace=trace)
    assert (found.time_ms, found.nodes[0].kernels) == (0, ("MatMul_0",))
    assert "y" in str(found.overlays["time in ms"])
    assert str(found)


def test_odd_numbers_in_arguments_count_as_nothing(tmp_path):
    odd = event("a", 0, 1)
    odd["args"] |= {"output_size": "9" * 5000, "provider": ["x"], "op_name": {"y": 1}}
    (run,) = read_events(written(tmp_path, [odd]))
    assert run.kernels[0].output_bytes == 0


@pytest.mark.parametrize("path", ["/dev/zero", "/"])
def test_what_is_no_file_is_not_read(path):
    with pytest.raises(InputError, match=r"a device or a pipe|a folder"):
        read_events(path)
