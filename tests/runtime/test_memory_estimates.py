"""Estimates of memory: against closed formulas and the system's own count; refusals that say what to do."""

from __future__ import annotations

import misbehaviour
import numpy as np
import pytest
from tiny_models import convnet, dense, model, random_weights

import onnx_workbench as ow
from onnx_workbench.core import memory as core_memory
from onnx_workbench.core.errors import NotEnoughMemoryError
from onnx_workbench.core.value_sizes import buffers_alive, sized_values
from onnx_workbench.runtime import memory
from onnx_workbench.runtime.isolation import isolated

CHAIN = "chain (float[N] x) => (float[N] d) { a = Relu(x) b = Exp(a) c = Add(a, b) d = Relu(c) }"


@pytest.fixture
def available(monkeypatch):
    """Set how much memory there seems to be."""

    def set_to(mib: float) -> None:
        for module in (core_memory, memory):
            monkeypatch.setattr(module, "available_bytes", lambda: int(mib * 2**20))

    return set_to


def test_a_run_needs_what_lives_at_the_same_time():
    """Of a chain of four values a and b live together, c is written over one of them, and d gets its own buffer."""
    opened = ow.open_model(model(CHAIN))
    values = sized_values(opened, {"x": (1000,)})
    assert max(buffers_alive(opened, values)) == 2 * 4000
    assert (
        2 * 4000
        <= memory.run_bytes(opened, values, low_memory=True)
        < memory.run_bytes(opened, values)
        < 4 * 4000
    )
    assert memory.reference_run_bytes(opened, values) == 5 * 4000


WIDE = (
    "g (float[N,1024] x) => (float[N,1024] y) { a = Gelu(x) b = Gelu(a) c = Gelu(b) d = Gelu(c) y = Gelu(d) }"
)
STEPS = """g (float[N,1024] x) => (float[N,1024] y) {
    a = Concat<axis = 1>(x, x) b = Gelu(a) c, k = Split<axis = 1, num_outputs = 2>(b) d = Gelu(c)
    e = Concat<axis = 1>(d, k) f = Gelu(e) y, z = Split<axis = 1, num_outputs = 2>(f)
}"""


@pytest.mark.parametrize("body", [WIDE, STEPS])
@pytest.mark.parametrize("low_memory", [False, True])
def test_a_run_takes_about_what_was_estimated(body, low_memory):
    """The oracle is the kernel: what private memory grew by at its peak, during a run on 32 MiB."""
    proto = model(body)
    opened = ow.open_model(proto)
    estimate = memory.run_bytes(opened, sized_values(opened, {"x": (8192, 1024)}), low_memory=low_memory)
    taken = isolated(misbehaviour.growth_of_run, proto.SerializeToString(), (8192, 1024), low_memory)
    assert 0.6 * estimate < taken < 1.5 * estimate


@pytest.mark.parametrize("low_memory", [False, True])
def test_loading_takes_about_what_was_estimated(tmp_path, low_memory):
    """The oracle is the kernel: private memory of a process that loads 64 MiB of weights."""
    body = "g (float[N,2048] x) => (float[N,2048] y) { a = MatMul(x, v) y = MatMul(a, w) }"
    size = (2048, 2048)
    path = ow.open_model(model(body, v=random_weights(*size), w=random_weights(*size, seed=1))).save(
        tmp_path / "large.onnx"
    )
    estimate = memory.session_bytes(ow.open_model(path), low_memory=low_memory)
    taken, _ = isolated(misbehaviour.growth_of_session, str(path), low_memory)
    assert taken < 1.1 * estimate
    if not low_memory:
        assert taken > 0.7 * estimate


def test_large_weights_are_not_loaded_into_too_little_memory(tmp_path, available):
    path = ow.open_model(
        model("g (float[N,4096] x) => (float[N,4352] y) { y = MatMul(x, w) }", w=random_weights(4096, 4352))
    ).save(tmp_path / "large.onnx")
    opened = ow.open_model(path)
    available(60)
    with pytest.raises(
        NotEnoughMemoryError, match=r"load the model into onnxruntime: it needs about 76 MiB"
    ) as caught:
        ow.Session(opened, low_memory=False)
    assert "low_memory=True" in str(caught.value)
    assert caught.value.needed_bytes > caught.value.available_bytes == 60 << 20
    assert isinstance(caught.value, MemoryError)
    assert ow.Session(opened)._engine.low_memory
    for action in (
        opened.to_bytes,
        opened.to_proto,
        lambda: ow.Session(opened, backend="reference"),
        lambda: ow.Session(path.read_bytes(), low_memory=True),
        lambda: ow.open_model(bytearray(path.read_bytes())),
    ):
        with pytest.raises(NotEnoughMemoryError, match=r"needs about .* and 60 MiB are available\.\n"):
            action()
    opened.save(tmp_path / "copy.onnx")  # streamed: needs no room


@pytest.mark.parametrize("backend", ["onnxruntime", "reference"])
def test_a_batch_that_is_too_large_is_refused_before_it_runs(available, backend):
    session = ow.Session(model(CHAIN), backend=backend)
    available(33)
    x = np.ones(8 << 20, np.float32)
    with pytest.raises(NotEnoughMemoryError, match=r"run the model on these inputs.*\nGive a smaller batch"):
        session.run(x)
    assert session.run(x[:1000])["d"].shape == (1000,)


def test_a_run_is_weighed_when_it_is_much_larger_than_before_and_not_each_time(monkeypatch, available):
    session = ow.Session(model(CHAIN))
    weighed = []
    original = memory.sized_values
    monkeypatch.setattr(
        memory, "sized_values", lambda m, shapes: weighed.append(shapes) or original(m, shapes)
    )
    available(100)
    for size in (10, 10, 20, 5, 1000, 1001):
        session.run(np.ones(size, np.float32))
    assert weighed == [{"x": (10,)}]
    session.run(np.ones(100_000, np.float32))
    session.run(np.ones(100_000, np.float32))
    assert weighed[1:] == [{"x": (100_000,)}]


def test_in_isolation_nothing_is_refused(available):
    session = ow.Session(convnet(), isolated=True)
    available(1)
    assert session.run(np.ones((64, 3, 8, 8), np.float32))["logits"].shape == (64, 4)


def test_a_model_keeps_no_circle_through_its_engine():
    import gc
    import weakref

    opened = ow.open_model(dense())
    ow.run(opened, np.ones((1, 16), np.float32))
    gone = weakref.ref(opened)
    gc.disable()
    try:
        del opened
        assert gone() is None
    finally:
        gc.enable()


def test_the_summary_tells_the_estimates():
    summary = ow.summarize(convnet())
    assert summary.to_dict()["memory_estimates"]["load"] == memory.session_bytes(ow.open_model(convnet()))
    assert "memory to run" in str(summary)
    assert "low_memory" not in str(summary)  # it would save nothing worth saying
    assert "memory as proto" in summary._repr_html_()


def test_an_export_is_refused_where_it_would_not_fit(available):
    import torch

    network = torch.nn.Linear(1000, 1000)
    available(50)
    with pytest.raises(
        NotEnoughMemoryError, match=r"export the module.*\nExport it where there is more memory"
    ):
        ow.open_model(network, example_inputs=torch.ones(1, 1000))
