"""A child process that crashes, hangs or takes too much: this one lives, and says what happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import misbehaviour
import numpy as np
import onnx.parser
import pytest
import torch
from tiny_models import convnet, dense, model

import onnx_workbench as ow
from onnx_workbench.analysis.preflight import preflight
from onnx_workbench.core.errors import (
    CrashError,
    InputError,
    IsolationError,
    MemoryLimitError,
    ModelNotFoundError,
    RunError,
    TimeLimitError,
    WorkbenchWarning,
)
from onnx_workbench.runtime import isolation
from onnx_workbench.runtime.isolation import Limits, Worker, isolated

SIGNS = Path(ow.__file__).parent / "training" / "assets" / "signs.onnx"
ON_LINUX = sys.platform == "linux"
TESTS = Path(__file__).parents[1]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_until_gone(pid: int, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if not is_alive(pid):
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_arrays_go_there_and_back_whole_and_can_be_written_to():
    a = np.arange(3_000_000, dtype=np.float64).reshape(1000, 3000)
    result = isolated(np.add, a.T, 1)
    np.testing.assert_array_equal(result, a.T + 1)
    result[0, 0] = 7


def test_the_answer_is_that_of_the_same_call_here():
    assert isolated(ow.summarize, convnet()).to_dict() == ow.summarize(convnet()).to_dict()


def test_errors_of_the_workbench_arrive_as_themselves():
    with pytest.raises(ModelNotFoundError) as here:
        ow.summarize("nowhere.onnx")
    with pytest.raises(ModelNotFoundError) as there:
        isolated(ow.summarize, "nowhere.onnx")
    assert str(there.value) == str(here.value)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (misbehaviour.segfault, (), r"crashed \(a segmentation fault.*\[SIGSEGV\]"),
        (misbehaviour.kill_itself, (signal.SIGABRT,), r"gave up.*\[SIGABRT\]"),
        (
            misbehaviour.kill_itself,
            (signal.SIGKILL,),
            r"killed from outside, most likely .* memory \[SIGKILL\]",
        ),
        (misbehaviour.kill_itself, (signal.SIGUSR1,), r"ended by a signal \[SIGUSR1\]"),
        (misbehaviour.leave, (3,), r"exit status 3"),
        (int, ("x",), r"exit status 1\nIts last words: ValueError: invalid literal for int\(\)"),
        (
            misbehaviour.complain_and_crash,
            ("\x1b[31mwhat(): bad\n",),
            "last words: \ufffd\\[31mwhat\\(\\): bad",
        ),
    ],
)
def test_a_child_that_ends_is_described_and_the_next_call_works(function, arguments, message):
    worker = Worker(Limits(time_s=30))
    with pytest.raises(CrashError, match=message):
        worker.call(function, *arguments)
    assert worker.call(abs, -2) == 2
    worker.close()


@pytest.mark.parametrize("function", [misbehaviour.loop, misbehaviour.loop_in_native_code])
def test_an_endless_loop_is_ended(function):
    started = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"no answer after 0\.5 s.*\n.*time_s") as caught:
        isolated(function, time_s=0.5)
    assert time.monotonic() - started < 60
    assert isinstance(caught.value, TimeoutError)


def test_memory_beyond_the_limit_is_refused():
    with pytest.raises(
        MemoryLimitError, match=r"it took [2-9]\d\d MiB of memory, and 200 MiB were allowed"
    ) as caught:
        isolated(misbehaviour.take_memory, 2000, memory_bytes=200 << 20)
    assert isinstance(caught.value, MemoryError)
    assert isolated(misbehaviour.take_memory, 100, memory_bytes=200 << 20) == 25


def test_without_a_limit_what_a_child_holds_from_former_calls_is_not_held_against_it(monkeypatch):
    monkeypatch.setattr(isolation, "available_bytes", lambda: 250 << 20)
    worker = Worker(Limits())
    for _ in range(4):
        worker.call(misbehaviour.hold, 100)
        assert worker.call(misbehaviour.take_memory, 20) == 5
    with pytest.raises(MemoryLimitError, match="were allowed"):
        worker.call(misbehaviour.take_memory, 2000)


def test_an_allocation_that_the_system_refuses_is_told():
    with pytest.raises(MemoryLimitError, match=r"ran out of memory: Unable to allocate"):
        isolated(np.ones, 1 << 50)


def test_pages_of_mapped_files_do_not_count(tmp_path):
    path = tmp_path / "large.bin"
    np.ones(300 << 20, np.uint8).tofile(path)
    assert (
        isolated(misbehaviour.read_mapped, str(path), memory_bytes=100 << 20) == (300 << 20) // 4096 % 2**64
    )


def test_what_a_child_prints_does_not_disturb_the_answer(capfd):
    assert isolated(misbehaviour.talk, "hello" * 100_000) == ""
    assert capfd.readouterr() == ("", "")


def test_warnings_come_out():
    with pytest.warns(WorkbenchWarning, match="mind the gap"):
        isolated(misbehaviour.warn, "mind the gap")


def test_functions_that_a_child_cannot_import_are_refused():
    with pytest.raises(IsolationError, match=r"handed over as a pickle.*\n.*imported from a module"):
        isolated(lambda: 1)
    with pytest.raises(IsolationError, match="handed over as a pickle"):
        isolated(misbehaviour.something_local)


@pytest.mark.parametrize(
    "limits", [{"memory_bytes": 1 << 20}, {"memory_bytes": -1}, {"time_s": 0}, {"time_s": -1}]
)
def test_limits_that_nothing_could_keep_are_refused(limits):
    with pytest.raises(InputError, match=r"(memory_bytes|time_s)=.*give"):
        isolated(abs, 1, **limits)


def script(body: str, **options) -> subprocess.Popen:
    """Start a program that is no module and has no ``if __name__`` guard."""
    head = f"import sys\nsys.path.insert(0, {str(TESTS)!r})\nimport misbehaviour\n"
    # Whoever runs these tests in the background may have had Ctrl-C ignored, and programs inherit that.
    head += "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    head += "from onnx_workbench.runtime.isolation import Limits, Worker, isolated\n"
    code = head + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_script_without_a_guard_runs_once():
    out, err = script(
        """
        print("begin")
        print(isolated(abs, -3))
        def own(): pass
        try:
            isolated(own)
        except Exception as error:
            print(error)
        """
    ).communicate(timeout=110)
    assert err == ""
    begin, three, refusal = out.splitlines()
    assert (begin, three) == ("begin", "3")
    assert refusal.startswith("own is defined in this notebook or script")


@pytest.mark.skipif(not ON_LINUX, reason="tells from /proc whether a process lives")
@pytest.mark.parametrize("loop", ["loop", "loop_in_native_code"])
@pytest.mark.parametrize("in_a_thread", [False, True])
def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path, loop, in_a_thread):
    note = tmp_path / "pid"
    call = f"isolated(misbehaviour.announce_and, {str(note)!r}, {loop!r}, time_s=None)"
    started = f"import threading\nthreading.Thread(target=lambda: {call}).start()" if in_a_thread else call
    parent = script(started)
    child = _noted(note)
    assert is_alive(child)
    parent.kill()
    parent.communicate()
    assert wait_until_gone(child)


@pytest.mark.skipif(not ON_LINUX, reason="tells from /proc whether a process lives")
def test_ctrl_c_stops_the_child_and_the_next_call_works(tmp_path):
    note = tmp_path / "pid"
    parent = script(
        f"""
        worker = Worker(Limits(time_s=None))
        try:
            worker.call(misbehaviour.announce_and, {str(note)!r}, "loop_in_native_code")
        except KeyboardInterrupt:
            print("stopped", worker.call(abs, -4))
        """
    )
    child = _noted(note)
    parent.send_signal(signal.SIGINT)
    out, err = parent.communicate(timeout=120)
    assert (out.strip(), err) == ("stopped 4", "")
    assert wait_until_gone(child)


def _noted(note: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if note.exists() and note.read_text():
            return int(note.read_text())
        time.sleep(0.02)
    raise AssertionError("the child did not begin")


IMAGE = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("backend", ["onnxruntime", "reference"])
@pytest.mark.parametrize("kind", ["path", "model", "bytes", "model in memory"])
def test_an_isolated_session_gives_what_a_plain_one_gives(tmp_path, backend, kind):
    path = ow.open_model(convnet()).save(tmp_path / "net.onnx")
    source = {
        "path": path,
        "model": ow.open_model(path),
        "bytes": path.read_bytes(),
        "model in memory": ow.open_model(path.read_bytes()),
    }[kind]
    session = ow.Session(source, backend=backend, isolated=True)
    assert session.inputs == ow.open_model(path).inputs
    expected = ow.run(path, IMAGE)
    for _ in range(2):
        np.testing.assert_allclose(session.run(IMAGE)["logits"], expected["logits"], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(ow.run(source, IMAGE, isolated=True)["logits"], expected["logits"])


def test_an_isolated_session_classifies_as_a_plain_one(tmp_path):
    picture = np.full((32, 32, 3), 200, np.uint8)
    plain, alone = (ow.classify(ow.Session(SIGNS, isolated=way), picture) for way in (False, True))
    assert alone.best == plain.best


def test_advice_on_inputs_arrives_from_an_isolated_session():
    session = ow.Session(convnet(), isolated=True)
    with pytest.raises(InputError) as there:
        session.run(IMAGE.astype(np.float64))
    with pytest.raises(InputError) as here:
        ow.Session(convnet()).run(IMAGE.astype(np.float64))
    assert str(there.value) == str(here.value)
    assert session.run(IMAGE)["logits"].shape == (2, 4)
    assert "isolated" in repr(session)


def test_an_isolated_session_whose_process_was_killed_starts_again():
    session = ow.Session(convnet(), isolated=Limits(time_s=30))
    expected = session.run(IMAGE)["logits"]
    os.kill(session._engine._worker._child.pid, signal.SIGKILL)
    with pytest.raises(CrashError, match="SIGKILL"):
        session.run(IMAGE)
    np.testing.assert_array_equal(session.run(IMAGE)["logits"], expected)


@pytest.mark.skipif(not ON_LINUX, reason="tells from /proc whether a process lives")
def test_the_process_ends_with_its_session():
    session = ow.Session(convnet(), isolated=True)
    child = session._engine._worker._child.pid
    assert is_alive(child)
    del session
    assert wait_until_gone(child)


def test_mistakes_in_the_keyword_are_told():
    with pytest.raises(RunError, match=r"isolated is True, or Limits of memory and time; got 5"):
        ow.Session(dense(), isolated=5)


GROWING = """growing (float[1,1] x) => (float[a,b] y) {
    e = Expand(x, shape) f = Neg(e) g = Abs(f) h = Neg(g) y = Sum(e, f, g, h)
}"""
ENDLESS = """<ir_version: 8, opset_import: ["" : 17]>
endless (float[1] x) => (float[1] y) {
    n = Constant<value = int64 {9223372036854775807}>()
    c = Constant<value = bool {1}>()
    y = Loop(n, c, x) <body = b (int64 i, bool k, float[1] a) => (bool l, float[1] d) { l = Identity(k) d = Relu(a) }>
}"""


def test_the_values_of_an_isolated_trace_take_no_more_here_than_the_child_may():
    shape = np.array([3 << 10, 4 << 10])  # 48 MiB each
    session = ow.Session(model(GROWING, shape=shape), isolated=Limits(memory_bytes=200 << 20, time_s=30))
    found = ow.trace(session, np.ones((1, 1), np.float32))
    assert not found.complete
    assert [value.name for value in found.values] == ["e", "f", "g"]
    assert "'h' cannot be run: The answer of the isolated call has 50,33" in found.notes[0]


@pytest.mark.parametrize("verb", [ow.profile, preflight], ids=["profile", "preflight"])
def test_profile_and_preflight_of_an_isolated_session_work_in_a_child(verb):
    given = np.ones((2, 16), np.float32)
    there = verb(ow.Session(dense(), isolated=True), given)
    here = verb(ow.Session(dense()), given)
    assert there
    assert type(there) is type(here)
    if verb is preflight:
        assert there == here
    endless = ow.Session(onnx.parser.parse_model(ENDLESS), isolated=Limits(time_s=2))
    with pytest.raises(TimeLimitError, match="no answer after 2 s"):
        verb(endless, np.ones(1, np.float32))


def test_a_module_in_training_mode_is_seen_beside_an_isolated_session():
    module = torch.nn.Dropout()
    found = preflight(ow.Session(dense(), isolated=True), module=module)
    assert [finding.check for finding in found.findings] == ["mode"]
