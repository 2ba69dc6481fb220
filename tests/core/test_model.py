"""Model: what it says of a graph, in what order, and with whose names escaped."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_models import convnet, dense, model

import onnx_workbench as ow
from onnx_workbench.core.errors import ModelFileError, NameNotFoundError

EVIL = "<img src=x onerror=alert(1)>"


def test_inputs_outputs_values_and_versions():
    opened = ow.open_model(convnet())
    assert [str(value) for value in opened.inputs] == ["image: float32 (N, 3, 8, 8)"]
    assert [str(value) for value in opened.outputs] == ["logits: float32 (N, 4)"]
    assert opened.opsets == {"ai.onnx": 20}
    assert opened.ir_version == 10
    assert opened.values["r"].shape == ("N", 16, 8, 8)
    assert opened.values["kernel"].shape == (16, 3, 3, 3)
    assert opened.initializers["kernel"].size_bytes == 16 * 27 * 4
    assert [node.op_type for node in opened.nodes] == ["Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"]
    assert opened.name == "convnet"
    assert opened.source == "ModelProto"


def test_initializers_that_are_listed_as_inputs_are_no_inputs():
    """Files of IR version 3 list every weight as an input."""
    proto = dense()
    proto.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [16, 64]))
    assert [value.name for value in ow.open_model(proto).inputs] == ["x"]


def test_producers_consumers_and_nodes_by_key_or_name():
    proto = convnet()
    proto.graph.node[1].name = "activation"
    opened = ow.open_model(proto)
    assert opened.producer("r").op_type == "Relu"
    assert opened.producer("image") is None
    assert [node.op_type for node in opened.consumers("r")] == ["GlobalAveragePool"]
    assert opened.consumers("logits") == ()
    assert opened.node("r") is opened.node("activation")
    with pytest.raises(
        NameNotFoundError, match=r"no value or node 'activatoin'\. Did you mean 'activation'\?"
    ):
        opened.node("activatoin")
    with pytest.raises(KeyError, match=r"no initializer 'kernal'\. Did you mean 'kernel'"):
        opened.weight("kernal")


def test_values_read_inside_subgraphs_count_as_read():
    opened = ow.open_model(
        model(
            """g (bool c, float[N] x) => (float[N] y) {
                k = Relu(x)
                y = If (c) <
                    then_branch = t () => (float[N] a) { a = Neg(k) },
                    else_branch = e () => (float[N] b) { b = Identity(k) }
                >
            }"""
        )
    )
    assert [node.op_type for node in opened.consumers("k")] == ["If"]
    assert str(opened.node("y").attributes["then_branch"]) == "subgraph 't' of 1 nodes"


def test_values_read_two_subgraphs_deep_order_the_nodes_outside():
    """The If stands before the node that its inner If reads from, in the file."""
    inner = (
        "then_branch = p () => (float[N] q) { q = Neg(k) }, else_branch = r () => (float[N] s) { s = Abs(k) }"
    )
    opened = ow.open_model(
        model(
            f"""g (bool c, float[N] x) => (float[N] y) {{
                y = If (c) <
                    then_branch = t () => (float[N] a) {{ a = If (c) <{inner}> }},
                    else_branch = e () => (float[N] b) {{ b = Identity(x) }}
                >
                k = Relu(x)
            }}"""
        )
    )
    assert [node.op_type for node in opened.nodes] == ["Relu", "If"]
    assert [node.op_type for node in opened.consumers("k")] == ["If"]


UNSORTED = """g (float[N] x) => (float[N] d) {
    d = Neg(c)
    b = Relu(a)
    c = Sqrt(b)
    a = Abs(x)
}"""


def test_a_graph_out_of_order_is_put_in_order_and_runs():
    opened = ow.open_model(model(UNSORTED))
    assert [node.key for node in opened.nodes] == ["a", "b", "c", "d"]
    assert [node.index for node in opened.nodes] == [0, 1, 2, 3]
    x = np.array([-4, 9], np.float32)
    for backend in ("onnxruntime", "reference"):
        np.testing.assert_allclose(ow.Session(opened, backend=backend).run(x)["d"], [-2, -3])


def test_a_graph_out_of_order_is_saved_as_it_came(tmp_path):
    saved = ow.open_model(model(UNSORTED)).save(tmp_path / "m.onnx")
    assert [node.output[0] for node in onnx.load(saved).graph.node] == ["d", "b", "c", "a"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("a = Neg(a)  y = Relu(x)", r"a cycle of 1 node, .*: a → a\.\nLoops"),
        ("a = Add(x, b)  b = Neg(a)  y = Relu(b)", r"a cycle of 2 nodes, .*: (a → b → a|b → a → b)\."),
        ("y = Relu(c)  a = Neg(c)  b = Neg(a)  c = Add(b, x)", r"a cycle of 3 nodes"),
    ],
)
def test_cyclic_graphs_are_refused_naming_the_cycle(body, says):
    with pytest.raises(ModelFileError, match=says):
        ow.open_model(model(f"g (float[N] x) => (float[N] y) {{ {body} }}"))


def test_a_cycle_through_a_subgraph_is_seen():
    with pytest.raises(ModelFileError, match="a cycle of 1 node"):
        ow.open_model(
            model(
                """g (bool c, float[N] x) => (float[N] y) {
                    y = If (c) <
                        then_branch = t () => (float[N] a) { a = Neg(y) },
                        else_branch = e () => (float[N] b) { b = Identity(x) }
                    >
                }"""
            )
        )


def test_a_cycle_of_twenty_thousand_nodes_is_found_soon_and_told_briefly():
    count = 20_000
    nodes = [helper.make_node("Neg", [f"v{i}"], [f"v{(i + 1) % count}"]) for i in range(count)]
    proto = model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    proto.graph.node.extend(nodes)
    with pytest.raises(ModelFileError, match=r"a cycle of 20000 nodes") as caught:
        ow.open_model(proto)
    assert len(str(caught.value)) < 1000


def test_two_nodes_that_write_the_same_value_are_refused():
    with pytest.raises(ModelFileError, match=r"Two nodes write the same value 'y' \(nodes 0 and 1"):
        ow.open_model(model("g (float[N] x) => (float[N] y) { y = Relu(x)  y = Neg(x) }"))


def test_a_model_without_an_opset_means_the_first_and_is_brought_to_the_oldest_that_runs():
    proto = model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    del proto.opset_import[:]
    opened = ow.open_model(proto)
    assert opened.opsets == {"ai.onnx": 7}
    assert opened.source == "ModelProto, brought from opset 1 to 7"


@pytest.mark.parametrize("proto", [onnx.ModelProto(), onnx.ModelProto(ir_version=8, producer_name="x")])
def test_a_model_without_a_graph_is_refused(proto):
    with pytest.raises(ModelFileError, match=r"an empty file|no graph"):
        ow.open_model(proto)


def test_attributes_become_python_objects():
    tensor = numpy_helper.from_array(np.ones((2, 3), np.float32), "t")
    values = {
        "f": 1.5,
        "i": 3,
        "s": "text",
        "fs": [1.0, 2.0],
        "ints": [1, 2],
        "ss": ["a", "b"],
        "t": tensor,
        "ts": [tensor],
    }
    proto = model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    proto.graph.node[0].CopyFrom(helper.make_node("Any", ["x"], ["y"], domain="own", **values))
    found = ow.open_model(proto).nodes[0].attributes
    assert (found["f"], found["i"], found["s"]) == (1.5, 3, "text")
    assert (found["fs"], found["ints"], found["ss"]) == ((1.0, 2.0), (1, 2), ("a", "b"))
    assert (found["t"].dtype, found["t"].shape, found["t"].size_bytes) == ("float32", (2, 3), 24)
    assert found["ts"] == (found["t"],)


def test_omitted_inputs_stay_in_place():
    opened = ow.open_model(model('g (float[N] x) => (float[N] y) { y = Clip(x, "", m) }', m=np.float32(1)))
    assert opened.nodes[0].inputs == ("x", "", "m")


def evil_model():
    proto = convnet()
    graph = proto.graph
    for node in graph.node:
        node.name, node.doc_string = EVIL, EVIL
    graph.name = graph.input[0].type.tensor_type.shape.dim[0].dim_param = proto.producer_name = EVIL
    graph.node[0].input[0] = graph.input[0].name = EVIL + "in"
    graph.node[4].output[0] = graph.output[0].name = EVIL + "out"
    graph.initializer[0].name = graph.node[0].input[1] = EVIL + "w"
    graph.node[1].domain, graph.node[1].op_type = EVIL, EVIL
    proto.opset_import.add(domain=EVIL, version=1)
    proto.metadata_props.add(key="names", value=json.dumps([EVIL] * 4))
    return ow.open_model(proto)


def test_names_with_markup_are_escaped_wherever_html_is_made():
    opened = evil_model()
    for page in (opened._repr_html_(), ow.summarize(opened)._repr_html_()):
        assert "<img" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_terminal_escapes_do_not_reach_the_terminal():
    proto = dense()
    proto.graph.input[0].name = proto.graph.node[0].input[0] = "\x1b[31mred\u202e"
    opened = ow.open_model(proto)
    for text in (str(opened), repr(opened), str(ow.summarize(opened))):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_text_is_onnx_text_without_the_weights():
    text = ow.open_model(dense()).text()
    assert "MatMul (x, w)" in text
    assert len(text) < 1000  # the weights alone would take more


def test_weights_are_read_only():
    weight = ow.open_model(dense()).weight("w")
    with pytest.raises(ValueError, match="read-only"):
        weight[0, 0] = 1
    small = ow.open_model(model("g (float[N] x) => (float[N] y) { y = Add(x, b) }", b=np.float32(1))).weight(
        "b"
    )
    assert not small.flags.writeable


@pytest.mark.parametrize(
    "dtype", ["FLOAT4E2M1", "INT4", "UINT4", "FLOAT8E4M3FN", "BFLOAT16", "BOOL", "COMPLEX64"]
)
@pytest.mark.parametrize("count", [7, 4001])
def test_weights_of_every_dtype_are_what_onnx_reads(dtype, count):
    data_type = getattr(TensorProto, dtype)
    tensor = helper.make_tensor("k", data_type, [count], [index % 2 for index in range(count)])
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), "k"))
    assert tensor.HasField("raw_data")
    proto = dense()
    proto.graph.initializer.append(tensor)
    opened = ow.open_model(proto)
    expected = numpy_helper.to_array(tensor)
    found = opened.weight("k")
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    assert opened.initializers["k"].size_bytes == len(tensor.raw_data)
