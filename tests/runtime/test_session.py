"""Sessions: backends that agree, weights that are mapped, inputs of every type, memory that is given back."""

from __future__ import annotations

import gc
import weakref

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_models import convnet, dense, model, random_weights

import onnx_workbench as ow
from onnx_workbench.core.errors import InputError, RunError
from onnx_workbench.core.graph_parts import Tensor
from onnx_workbench.runtime import backends, memory
from onnx_workbench.runtime.backends import default_threads

X = np.random.default_rng(0).random((3, 3, 8, 8), np.float32)


def plain(path_or_bytes, feeds) -> list[np.ndarray]:
    """Return what onnxruntime gives by itself."""
    return onnxruntime.InferenceSession(path_or_bytes).run(None, feeds)


@pytest.mark.parametrize("source", ["file", "bytes", "proto", "external", "Model", "text"])
@pytest.mark.parametrize("low_memory", [False, True])
def test_every_source_gives_what_plain_onnxruntime_gives(tmp_path, source, low_memory):
    path = tmp_path / "m.onnx"
    onnx.save(convnet(), path)
    onnx.save(convnet(), tmp_path / "e.onnx", save_as_external_data=True, location="e.data", size_threshold=0)
    sources = {
        "file": path,
        "bytes": path.read_bytes(),
        "proto": convnet(),
        "external": tmp_path / "e.onnx",
        "Model": ow.open_model(path),
        "text": str(path),
    }
    session = ow.Session(sources[source], low_memory=low_memory)
    expected = plain(str(path), {"image": X})[0]
    np.testing.assert_allclose(session.run(X)["logits"], expected, rtol=1e-4, atol=1e-5)
    assert ("low memory" in repr(session)) == low_memory


def sub_models():
    """Models whose large tensors stand elsewhere than among the initializers, with what they compute of x."""
    weights = random_weights(16, 64)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 64])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    tensor = numpy_helper.from_array(weights, "w")

    def whole(nodes, inits=(), functions=()):
        graph = helper.make_graph(nodes, "g", [x], [y], list(inits))
        return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)

    constant = [
        helper.make_node("Constant", [], ["w"], value=tensor),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    yield "constant", whole(constant)
    branch = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)],
        [tensor],
    )
    condition = numpy_helper.from_array(np.array(True), "c")
    yield (
        "subgraph",
        whole([helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)], [condition]),
    )
    body = helper.make_function("own", "F", ["x"], ["y"], constant, opsets[:1])
    yield "function", whole([helper.make_node("F", ["x"], ["y"], domain="own")], functions=[body])
    taken = helper.make_node("Constant", [], ["w"])
    taken.attribute.add(name="value", ref_attr_name="v", type=onnx.AttributeProto.TENSOR)
    default = helper.make_function(
        "own", "F", ["x"], ["y"], [taken, constant[1]], opsets[:1], [], [helper.make_attribute("v", tensor)]
    )
    yield (
        "default of an attribute",
        whole([helper.make_node("F", ["x"], ["y"], domain="own")], functions=[default]),
    )
    typed = helper.make_tensor("w", TensorProto.FLOAT, [16, 64], weights.ravel())
    yield "float_data", whole([constant[1]], [typed])


@pytest.mark.parametrize("proto", [pytest.param(proto, id=name) for name, proto in sub_models()])
@pytest.mark.parametrize("how", ["file", "bytes", "two files"])
@pytest.mark.parametrize("backend", ["onnxruntime", "reference"])
def test_large_tensors_anywhere_in_the_model_are_found(tmp_path, proto, how, backend):
    if backend == "reference" and proto.functions and proto.functions[0].attribute_proto:
        pytest.skip("ONNX's reference evaluator does not know defaults of attributes")
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    if how == "two files":
        path = ow.open_model(path).save(tmp_path / "two.onnx", external_data=True)
    x = random_weights(2, 16, seed=3)
    session = ow.Session(path.read_bytes() if how == "bytes" else path, backend=backend)
    np.testing.assert_allclose(session.run(x)["y"], x @ random_weights(16, 64), rtol=1e-4, atol=1e-5)


def test_backends_agree():
    outputs = [ow.Session(convnet(), backend=name).run(X)["logits"] for name in ("onnxruntime", "reference")]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)


def test_what_cannot_go_together_is_refused():
    with pytest.raises(
        RunError, match="no backend 'tensorrt'; possible are 'onnxruntime', 'reference', 'torch'"
    ):
        ow.Session(convnet(), backend="tensorrt")
    with pytest.raises(RunError, match="backend='torch' does not go with a ModelProto"):
        ow.Session(convnet(), backend="torch")
    with pytest.raises(RunError, match="providers is empty"):
        ow.Session(convnet(), providers=[])


def test_run_keeps_one_session_for_a_model_and_none_for_a_path(tmp_path, monkeypatch):
    made = []
    original = backends.OnnxRuntimeBackend.__init__
    monkeypatch.setattr(
        backends.OnnxRuntimeBackend,
        "__init__",
        lambda self, *a, **k: (made.append(1), original(self, *a, **k))[1],
    )
    opened = ow.open_model(convnet())
    for _ in range(3):
        ow.run(opened, X)
    assert len(made) == 1
    path = opened.save(tmp_path / "m.onnx")
    ow.run(path, X)
    ow.run(path, X)
    assert len(made) == 3
    session = ow.Session(opened)
    assert ow.run(session, X)["logits"].shape == (3, 4)


def test_a_model_that_was_run_is_given_back_at_once():
    """A cycle of references would keep its gigabytes until Python happens to look for cycles."""
    opened = ow.open_model(convnet())
    gc.collect()
    gc.disable()
    try:
        ow.run(opened, X)
        watched = [weakref.ref(opened), weakref.ref(opened.engine), weakref.ref(opened.payloads)]
        del opened
        assert [reference() for reference in watched] == [None, None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("limit", "threads"), [("", 0), ("1", 1), ("0.5", 1), ("2.7", 2), ("many", 0), ("-3", 1)]
)
def test_threads_follow_the_limit_of_a_hub(monkeypatch, limit, threads):
    monkeypatch.setenv("CPU_LIMIT", limit)
    assert default_threads() == threads
    asked = []
    monkeypatch.setattr(
        onnxruntime.SessionOptions,
        "intra_op_num_threads",
        property(lambda _: 0, lambda _, n: asked.append(n)),
    )
    ow.Session(dense())
    ow.Session(dense(), threads=3)
    assert asked == [threads, 3]


@pytest.mark.parametrize(
    ("weights_mib", "free_mib", "low"), [(100, 250, True), (100, 400, False), (10, 1, False)]
)
def test_low_memory_is_chosen_where_optimising_would_not_fit(monkeypatch, weights_mib, free_mib, low):
    monkeypatch.setattr(memory, "available_bytes", lambda: free_mib << 20)
    opened = ow.open_model(dense())
    opened.payloads.in_memory = False  # as if it had come from a file
    opened.initializers["w"] = Tensor("w", "float32", (weights_mib << 18,), weights_mib << 20)
    assert memory.needs_low_memory(opened) == low


STRINGS = model("g (string[N] x) => (string[N] y) { y = Identity(x) }")


@pytest.mark.parametrize("backend", ["onnxruntime", "reference"])
@pytest.mark.parametrize("x", [np.array(["a", "\u00e9"]), np.array(["a", "\u00e9"], object), ["a", "\u00e9"]])
def test_strings_go_in_and_out(backend, x):
    assert list(ow.Session(STRINGS, backend=backend).run(x)["y"]) == ["a", "\u00e9"]


@pytest.mark.parametrize("wrong", [np.array([b"a", b"b"]), np.array([1.0])])
def test_byte_strings_never_reach_onnxruntime(wrong):
    """It reads beyond their end, and hands out what lies there."""
    with pytest.raises(InputError, match=r"takes strings; got .*\nGive  x\.astype\(str\)") as caught:
        ow.run(STRINGS, wrong)
    del caught
    assert ow.run(STRINGS, wrong.astype(str))["y"].shape == wrong.shape


def test_sequences_go_in_and_out():
    joined = model("g (seq(float[N]) x) => (float[M] y) { y = ConcatFromSequence<axis=0>(x) }")
    parts = [np.ones(2, np.float32), np.zeros(1, np.float32)]
    for backend in ("onnxruntime", "reference"):
        for given in ({"x": parts}, parts, [[1.0, 1.0], [0.0]]):
            assert ow.Session(joined, backend=backend).run(given)["y"].tolist() == [1, 1, 0]
    split = model("g (float[N] x) => (seq(float[M]) y) { y = SplitToSequence<axis=0>(x) }")
    assert [part.tolist() for part in ow.run(split, np.ones(2, np.float32))["y"]] == [[1], [1]]


def test_an_optional_input_may_be_none():
    proto = model("g (optional(float[N]) x) => (bool y) { y = OptionalHasElement(x) }")
    assert ow.run(proto, {"x": np.ones(2, np.float32)})["y"]
    assert not ow.run(proto, {"x": None})["y"]


@pytest.mark.parametrize("dtype", ["float", "double", "float16", "int64", "uint8", "bool"])
def test_plain_lists_get_the_dtype_of_the_input(dtype):
    proto = model(f"g ({dtype}[N] x) => ({dtype}[N] y) {{ y = Identity(x) }}")
    output = ow.run(proto, [1, 0, 1])["y"]
    assert output.tolist() == [1, 0, 1]
    assert output.dtype == plain(proto.SerializeToString(), {"x": np.zeros(1, output.dtype)})[0].dtype


def test_lists_for_several_inputs_go_in_order():
    proto = model("g (float[N] a, float[N] b) => (float[N] y) { y = Sub(a, b) }")
    for inputs in ([[3.0], [1.0]], (np.float32([3]), np.float32([1])), {"b": [1.0], "a": [3.0]}):
        assert ow.run(proto, inputs)["y"].tolist() == [2]


def test_arrays_in_any_memory_order_are_taken():
    session = ow.Session(convnet())
    expected = session.run(X)["logits"]
    for array in (np.asfortranarray(X), X.astype(">f4"), np.repeat(X, 2, axis=0)[::2], X.view(np.recarray)):
        np.testing.assert_array_equal(session.run(array)["logits"], expected)
    assert session.run(X[:0])["logits"].shape == (0, 4)


def test_the_inputs_are_left_alone():
    feeds = {"image": X.tolist()}
    ow.run(convnet(), feeds)
    assert feeds == {"image": X.tolist()}


def test_outputs_come_in_the_order_asked_for():
    session = ow.Session(model("g (float[N] x) => (float[N] a, float[N] b) { a = Neg(x)  b = Abs(x) }"))
    assert list(session.run(np.float32([-2]))) == ["a", "b"]
    assert list(session.run(np.float32([-2]), ["b", "a"])) == ["b", "a"]
    assert session.run(np.float32([2]), ["b"])["b"].tolist() == [2]


def test_a_model_without_inputs_runs():
    proto = model("g () => (float[2] y) { y = Constant<value = float[2] {1, 2}>() }")
    assert ow.run(proto, {})["y"].tolist() == [1, 2]
    assert ow.run(proto, [])["y"].tolist() == [1, 2]


def test_an_initializer_that_is_an_input_can_be_replaced():
    """From IR version 4 on, an initializer of an input's name is that input's default."""
    body = "g (float[N,2] x, float[2] bias) => (float[N,2] y) { y = Add(x, bias) }"
    proto = model(body, bias=np.array([1, 2], np.float32))
    x, other = np.zeros((1, 2), np.float32), np.array([5, 6], np.float32)
    for backend in ("onnxruntime", "reference"):
        session = ow.Session(proto, backend=backend)
        assert session.run(x)["y"].tolist() == [[1, 2]]
        assert session.run({"x": x, "bias": other})["y"].tolist() == [[5, 6]]
        with pytest.raises(InputError, match=r"^Input 'x' takes shape \(N, 2\); got \(1, 3\)"):
            session.run({"x": np.zeros((1, 3), np.float32), "bias": other})
        with pytest.raises(InputError, match=r"^Input 'bias' takes shape \(2,\); got \(3,\)"):
            session.run({"x": x, "bias": np.zeros(3, np.float32)})


def test_a_sequence_is_given_alone_or_in_a_list_of_inputs():
    joined = model("g (seq(float[M]) s) => (float[N] y) { y = ConcatFromSequence<axis=0>(s) }")
    parts = [np.ones(2, np.float32), np.zeros(1, np.float32)]
    for inputs in (parts, [parts], (parts,), {"s": parts}):
        assert ow.run(joined, inputs)["y"].tolist() == [1, 1, 0]


def test_no_outputs_are_asked_for_by_leaving_them_out():
    with pytest.raises(
        InputError, match=r"outputs is empty: leave it out for all of them, or name .*'logits'"
    ):
        ow.run(convnet(), X, [])


@pytest.mark.parametrize("threads", [-1, 1.5, "2", True])
def test_threads_are_a_whole_number(threads):
    with pytest.raises(RunError, match=r"threads is a whole number from 0 \(all cores\); got "):
        ow.Session(dense(), threads=threads)


def test_providers_are_a_list():
    with pytest.raises(RunError, match=r"providers is a list of names.*\['CPUExecutionProvider'\]"):
        ow.Session(dense(), providers="CPUExecutionProvider")


def test_dtypes_that_onnxruntime_takes_no_arrays_of_are_named_with_the_way_out():
    proto = model("g (bfloat16[N] x) => (bfloat16[N] y) { y = Identity(x) }")
    with pytest.raises(
        InputError, match=r"takes bfloat16; got float32\.\nGive  x\.astype\(ml_dtypes\.bfloat16\)"
    ):
        ow.run(proto, np.ones(2, np.float32))
    x = np.ones(2, np.float32).astype(ml_dtypes.bfloat16)
    with pytest.raises(RunError, match=r"takes no numpy arrays of this dtype.*\n.*backend='reference'"):
        ow.run(proto, x)
    assert ow.Session(proto, backend="reference").run(x)["y"].tolist() == [1, 1]
