"""The skim: a model without its large weights, together with them, is the model."""

from __future__ import annotations

import io

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper
from tiny_models import dense, model, random_weights

import onnx_workbench as ow
from onnx_workbench.core.protos import tensors_of_model
from onnx_workbench.core.skim import LARGE_BYTES, skim
from onnx_workbench.core.wire import field_header

TYPES = (
    np.float32,
    np.float64,
    np.float16,
    np.int8,
    np.uint8,
    np.int16,
    np.uint16,
    np.int32,
    np.uint32,
    np.int64,
    np.uint64,
    np.bool_,
    np.complex64,
    np.complex128,
    ml_dtypes.bfloat16,
    ml_dtypes.float8_e4m3fn,
    ml_dtypes.float8_e5m2,
    ml_dtypes.int4,
    ml_dtypes.uint4,
)


def tensor(name: str, dtype, shape, rng) -> TensorProto:
    values = rng.integers(0, 2 if dtype is np.bool_ else 7, size=shape)
    return numpy_helper.from_array(values.astype(dtype), name)


def typed_tensor(name: str, data_type: int, count: int) -> TensorProto:
    """A tensor whose content stands in the field of its dtype, not in raw_data."""
    return helper.make_tensor(name, data_type, [count], [value % 5 for value in range(count)])


def random_model(seed: int) -> ModelProto:
    rng = np.random.default_rng(seed)

    def some_tensors(prefix: str) -> list[TensorProto]:
        found = []
        for index in range(rng.integers(1, 5)):
            shape = tuple(rng.integers(1, 40, size=rng.integers(0, 4)))
            found.append(tensor(f"{prefix}{index}", TYPES[rng.integers(len(TYPES))], shape, rng))
        kinds = (
            TensorProto.FLOAT,
            TensorProto.DOUBLE,
            TensorProto.INT64,
            TensorProto.INT32,
            TensorProto.COMPLEX64,
        )
        kind = kinds[rng.integers(len(kinds))]
        found.append(typed_tensor(f"{prefix}typed", kind, int(rng.integers(1, 900))))
        words = [b"a" * int(n) for n in rng.integers(0, 60, size=rng.integers(1, 80))]
        found.append(helper.make_tensor(f"{prefix}words", TensorProto.STRING, [len(words)], words))
        return found

    def constants(prefix: str) -> list[onnx.NodeProto]:
        return [helper.make_node("Constant", [], [f"{t.name}_c"], value=t) for t in some_tensors(prefix)]

    def subgraph(prefix: str, depth: int) -> onnx.GraphProto:
        nodes = constants(f"{prefix}n")
        if depth:
            inner = {f"branch{i}": subgraph(f"{prefix}{i}", depth - 1) for i in range(2)}
            nodes.append(helper.make_node("Inner", [], [f"{prefix}z"], **inner))
        return helper.make_graph(nodes, prefix, [], [], some_tensors(f"{prefix}i"))

    nodes = constants("c")
    nodes.append(helper.make_node("Inner", [], ["y"], body=subgraph("s", 2), many=some_tensors("m")))
    nodes.append(helper.make_node("Graphs", [], ["z"], all=[subgraph("p", 0), subgraph("q", 0)]))
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(700, np.float32), "sparse"),
        numpy_helper.from_array(np.arange(700, dtype=np.int64)),
        [2000],
    )
    graph = helper.make_graph(
        nodes,
        "random",
        [],
        [helper.make_empty_tensor_value_info("y")],
        some_tensors("w"),
        sparse_initializer=[sparse],
    )
    function = helper.make_function(
        "own", "F", ["a"], ["b"], constants("f"), [helper.make_opsetid("", 20)], ["k"],
        [helper.make_attribute("v", tensor("default", np.float32, (30, 30), rng))],
    )  # fmt: skip
    return helper.make_model(graph, functions=[function], ir_version=10)


def assert_same_contents(actual: ModelProto, expected: ModelProto) -> None:
    pairs = list(zip(tensors_of_model(actual), tensors_of_model(expected), strict=True))
    for ours, original in pairs:
        assert ours.data_location == TensorProto.DEFAULT
        assert (ours.name, ours.data_type, ours.dims) == (original.name, original.data_type, original.dims)
        if ours.data_type == TensorProto.STRING:
            assert ours.string_data == original.string_data
            continue
        left, right = numpy_helper.to_array(ours), numpy_helper.to_array(original)
        assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


def without_contents(proto: ModelProto) -> bytes:
    copy = ModelProto()
    copy.CopyFrom(proto)
    for item in tensors_of_model(copy):
        for name in ("raw_data", "float_data", "double_data", "external_data", "data_location"):
            item.ClearField(name)
    return copy.SerializeToString(deterministic=True)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("how", ["file", "bytes"])
def test_a_random_model_comes_back_whole(tmp_path, seed, how):
    original = random_model(seed)
    path = tmp_path / "random.onnx"
    path.write_bytes(original.SerializeToString())
    opened = ow.open_model(path if how == "file" else path.read_bytes())
    restored = opened.to_proto()
    assert_same_contents(restored, original)
    assert without_contents(restored) == without_contents(original)
    # The same after one more trip through the streaming writer, read by onnx itself.
    assert_same_contents(onnx.load_from_string(opened.to_bytes()), original)
    for item in original.graph.initializer:
        np.testing.assert_array_equal(opened.weight(item.name), numpy_helper.to_array(item))


@pytest.mark.parametrize("seed", range(10))
def test_nothing_large_stays_in_the_skimmed_model(seed):
    skimmed = ow.open_model(random_model(seed)).proto
    for item in tensors_of_model(skimmed):
        assert len(item.raw_data) < LARGE_BYTES or item.name in {"sparse", ""}
        assert len(item.float_data) * 4 < LARGE_BYTES
        assert len(item.double_data) * 8 < LARGE_BYTES


def test_what_is_written_is_what_onnx_writes(tmp_path):
    original = dense()
    path = ow.open_model(original).save(tmp_path / "dense.onnx")
    assert onnx.load(path) == original


def test_the_skim_of_a_small_model_is_the_model_itself():
    content = model("g (float[N] x) => (float[N] y) { y = Relu(x) }").SerializeToString()
    assert skim(io.BytesIO(content), len(content), location="m") == content


def test_a_graph_field_that_is_repeated_is_merged_as_protobuf_does():
    first, second = dense(), dense()
    second.graph.initializer[0].name = "second"
    second.graph.initializer[0].raw_data = random_weights(16, 64, seed=9).tobytes()
    del second.graph.node[:], second.graph.input[:], second.graph.output[:]
    merged = first.SerializeToString() + second.SerializeToString()
    opened = ow.open_model(merged)
    np.testing.assert_array_equal(opened.weight("w"), random_weights(16, 64))
    np.testing.assert_array_equal(opened.weight("second"), random_weights(16, 64, seed=9))
    assert opened.to_proto() == onnx.load_from_string(merged)


def test_fields_after_the_content_are_understood():
    item = numpy_helper.from_array(random_weights(16, 64), "w")
    content = item.raw_data
    item.ClearField("raw_data")
    # raw_data first, then dims, data_type and name: any order is a valid message.
    encoded = b"\x4a\x80\x20" + content + item.SerializeToString()
    shell = dense()
    del shell.graph.initializer[:]
    shell.graph.ClearField("output")
    graph = shell.graph.SerializeToString() + field_header(5, len(encoded)) + encoded
    shell.ClearField("graph")
    whole = shell.SerializeToString() + field_header(7, len(graph)) + graph
    assert onnx.load_from_string(whole).graph.initializer[0].raw_data == content  # the oracle reads it so
    np.testing.assert_array_equal(ow.open_model(whole).weight("w"), random_weights(16, 64))


def test_numbers_written_one_by_one_are_kept_inside():
    item = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[400])
    unpacked = b"".join(b"\x25" + np.float32(value).tobytes() for value in range(400))
    encoded = item.SerializeToString() + unpacked
    proto = dense()
    proto.graph.initializer[0].ParseFromString(encoded)
    np.testing.assert_array_equal(ow.open_model(proto).weight("w"), np.arange(400, dtype=np.float32))


def test_an_attribute_without_a_type_is_filled_all_the_same():
    """Files of IR version 1 leave the type out; their tensors were lost on the way to a file once."""
    proto = dense()
    node = helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(random_weights(20, 20), "k"))
    node.attribute[0].type = AttributeProto.UNDEFINED
    proto.graph.node.insert(0, node)
    restored = onnx.load_from_string(ow.open_model(proto).to_bytes())
    np.testing.assert_array_equal(
        numpy_helper.to_array(restored.graph.node[0].attribute[0].t), random_weights(20, 20)
    )


@pytest.mark.parametrize(("depth", "fine"), [(20, True), (31, True), (40, False), (3000, False)])
def test_graphs_may_be_nested_as_deep_as_protobuf_reads(depth, fine):
    def field(number: int, content: bytes) -> bytes:
        return field_header(number, len(content)) + content

    graph = helper.make_graph([], "innermost", [], [], [numpy_helper.from_array(random_weights(300), "w")])
    content = graph.SerializeToString()
    for _ in range(depth):  # graph.node.attribute.g
        content = field(1, field(4, b"If") + field(5, field(6, content) + field(1, b"branch")))
    whole = b"\x08\x0a" + field(7, content)
    if fine:
        assert_same_contents(ow.open_model(whole).to_proto(), onnx.load_from_string(whole))
    else:
        with pytest.raises(ow.WorkbenchError, match=r"nested more than 100 deep|damaged, or not ONNX"):
            ow.open_model(whole)
