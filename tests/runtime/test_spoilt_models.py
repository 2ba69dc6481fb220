"""A short run of spoilt models through every verb, in isolation; ``benchmarks/fuzz_models.py`` is the long one."""

from __future__ import annotations

import random
from collections.abc import Callable

import hostile_checks
import model_mutations
import pytest
from processor_time import bounded_work

import onnx_workbench as ow
from onnx_workbench.core.errors import IsolationError, RunError
from onnx_workbench.runtime.isolation import Limits, Worker

SOUND = model_mutations.sound_models()


@pytest.mark.parametrize("name", SOUND)
def test_the_sound_ones_give_everything(name):
    """The oracle of the others: what is refused there is refused for what was done to it."""
    assert set(hostile_checks.look(SOUND[name]).values()) == {""}
    for check in (hostile_checks.run_once, hostile_checks.trace_once, hostile_checks.compare_with_itself):
        assert set(check(SOUND[name]).values()) == {""}


@pytest.fixture(scope="module")
def worker():
    found = Worker(Limits(memory_bytes=1500 << 20, time_s=20))
    yield found
    found.close()


@pytest.mark.parametrize("number", range(60))
def test_a_spoilt_model_gives_an_answer_or_an_error_of_the_workbench(worker, number):
    """Looking at it must neither crash, hang nor raise anything else; a run may crash its child, and no more."""
    chance = random.Random(f"short/{number}")
    _, content = model_mutations.spoilt(SOUND[chance.choice(list(SOUND))], chance)
    looks = (hostile_checks.look, hostile_checks.look_at_file)[number % 2]
    found = worker.call(looks, content)
    assert found["open"] == "" or len(found["open"]) > 40
    if found["open"] == "":
        for check in (hostile_checks.run_once, hostile_checks.trace_once, hostile_checks.compare_with_itself):
            assert "exit status" not in _fate(worker, check, content)


def _fate(worker: Worker, check: Callable[[bytes], dict[str, str]], content: bytes) -> str:
    """Return how a run ended its child; an exit status would be that of a Python error, and so ours."""
    try:
        worker.call(check, content)
    except IsolationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "name", ["x" * 100_000, "ab/" * 30_000, "f(" * 50_000, "a::" * 30_000, "a, " * 30_000]
)
def test_names_as_long_as_books_do_not_hold_up_the_error(name):
    """From the long run: onnxruntime's message holds the name, and was read in a time that grew with its square."""
    proto = model_mutations.dense()
    proto.graph.node[0].op_type = name
    opened = ow.open_model(proto)
    with bounded_work(4), pytest.raises(RunError, match="onnxruntime") as caught:
        ow.Session(opened)
    assert len(str(caught.value)) < 1500


def test_numbers_too_large_for_a_float_are_shown():
    """From the long run: 2 ** 62 elements along each of eighteen dimensions, and 10,000 dimensions of 2."""
    for dims in ([2**62] * 18, [2] * 10_000):
        proto = model_mutations.dense()
        proto.graph.initializer.add(name="n", data_type=1, dims=dims, data_location=0)
        proto.graph.output[0].type.tensor_type.shape.ClearField("dim")
        for size in dims:
            proto.graph.output[0].type.tensor_type.shape.dim.add(dim_value=size)
        found = hostile_checks.look(proto.SerializeToString())
        assert found["summarize"] == ""
        assert "TiB" in str(ow.summarize(proto))
