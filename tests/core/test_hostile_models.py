"""Models that parse and are wrong, or hostile, inside."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from processor_time import bounded_work
from tiny_models import dense, model

import onnx_workbench as ow
from onnx_workbench.core.errors import ModelFileError, NameNotFoundError


def marked_model() -> bytes:
    """A model with the text MARKnn wherever text can stand."""
    proto = dense()
    graph = proto.graph
    graph.name, graph.doc_string, proto.domain, proto.producer_name = "MARK01", "MARK02", "MARK03", "MARK04"
    graph.node[0].name, graph.node[0].doc_string, graph.node[0].domain = "MARK05", "MARK06", "MARK07"
    graph.node[0].metadata_props.add(key="MARK08", value="MARK09")
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "MARK10"
    graph.input[0].type.denotation = "MARK11"
    graph.node.append(
        helper.make_node("Constant", [], ["MARK12"], value=numpy_helper.from_array(np.ones(1), "MARK13"))
    )
    graph.initializer.add(name="e", data_type=1, dims=[1], data_location=1).external_data.add(
        key="location", value="MARK14"
    )
    graph.sparse_initializer.add().values.name = "MARK15"
    graph.quantization_annotation.add(tensor_name="MARK16")
    graph.node[1].attribute.append(helper.make_attribute("MARK17", 1))
    graph.node[1].attribute[1].ref_attr_name = "MARK18"
    proto.functions.add(name="MARK19", domain="MARK20", input=["MARK21"]).node.add(op_type="MARK22")
    proto.training_info.add().initialization.name = "MARK23"
    proto.metadata_props.add(key="MARK24", value="MARK25")
    proto.opset_import.add(domain="MARK26", version=1)
    return proto.SerializeToString()


@pytest.mark.parametrize("number", range(1, 27))
def test_text_that_is_not_utf8_is_refused_wherever_it_stands(number):
    mark = b"MARK%02d" % number
    content = marked_model()
    assert content.count(mark) == 1
    with pytest.raises(ModelFileError, match=r"is not UTF-8, which ONNX requires.*Rename"):
        ow.open_model(content.replace(mark, b"\xff\xfe\xff\xfe\xff\xfe"))


def test_bytes_in_string_attributes_are_allowed_and_shown():
    """ONNX's string attributes are bytes; vocabularies and blobs stand in them."""
    proto = model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    proto.graph.node[0].attribute.add(name="blob", type=AttributeProto.STRING, s=b"\xff\xfe")
    opened = ow.open_model(proto)
    assert opened.nodes[0].attributes["blob"] == "\ufffd\ufffd"
    assert "blob" in opened.text()
    assert opened.to_proto().graph.node[0].attribute[0].s == b"\xff\xfe"


OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]


def function(name: str, *calls: str):
    nodes = [helper.make_node(call, ["a"], ["b"], domain="own") for call in calls]
    return helper.make_function(
        "own", name, ["a"], ["b"], nodes or [helper.make_node("Relu", ["a"], ["b"])], OPSETS
    )


def calling(*functions):
    proto = model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    proto.graph.node[0].op_type, proto.graph.node[0].domain = "F0", "own"
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.functions.extend(functions)
    return proto


@pytest.mark.parametrize("circle", [["F0"], ["F0", "F1"], ["F0", "F1", "F2", "F3"]])
def test_functions_that_call_themselves_are_refused(circle):
    functions = [function(name, circle[(i + 1) % len(circle)]) for i, name in enumerate(circle)]
    with pytest.raises(ModelFileError, match="calls itself"):
        ow.open_model(calling(*functions))


def test_functions_nested_to_grow_without_measure_are_refused_at_once():
    functions = [function(f"F{i}", f"F{i + 1}", f"F{i + 1}") for i in range(60)] + [function("F60")]
    with bounded_work(3), pytest.raises(ModelFileError, match="more than the 1,000,000 that are opened"):
        ow.open_model(calling(*functions))


def test_functions_that_call_others_are_fine():
    opened = ow.open_model(calling(function("F0", "F1", "F1"), function("F1")))
    assert ow.summarize(opened).uncounted == {"own.F0": 1}


@pytest.mark.parametrize(
    "text",
    [
        "{1e999: 'a'}",
        "{[]: 1}",
        "{[1]}",
        "(" * 100_000,
        "-" * 100_000 + "1",
        "[" * 100_000,
        "9" * 100_000,
        "\0,\0",
        "b'x'",
        "[1, {}]",
        "{'a': 1}",
        "1," * 2_000_000,
        "[" + "1," * 400_000 + "]",
    ],
    ids=lambda text: text[:8],
)
def test_labels_that_cannot_be_read_are_none_or_texts(text):
    proto = dense()
    proto.metadata_props.add(key="names", value=text)
    with bounded_work(4):
        labels = ow.open_model(proto).labels
        assert labels is None or all(isinstance(label, str) for label in labels)


def test_a_model_that_is_wrong_inside_is_still_looked_at():
    proto = dense()
    proto.graph.node[0].op_type = "Conv"  # of two-dimensional values
    proto.graph.node[0].domain = "nowhere"
    opened = ow.open_model(proto)
    assert opened.values["x"].shape == ("N", 16)
    assert ow.summarize(opened).uncounted == {"nowhere.Conv": 1}


@pytest.mark.parametrize(
    "item",
    [
        TensorProto(name="w", data_type=99, dims=[500], raw_data=bytes(2000)),
        TensorProto(name="w", data_type=99, dims=[1], raw_data=b"abcd"),
        TensorProto(name="w", data_type=TensorProto.STRING, dims=[1], raw_data=bytes(2000)),
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[5], float_data=[1.0]),
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[5], raw_data=b"abc"),
    ],
)
def test_a_damaged_tensor_is_named_when_somebody_asks(item):
    proto = dense()
    proto.graph.initializer.append(item)
    del proto.graph.initializer[0]
    opened = ow.open_model(proto)
    str(ow.summarize(opened))
    with pytest.raises(ModelFileError, match=r"Tensor 'w' of \w+"):
        opened.weight("w")


@pytest.mark.parametrize("content", [bytes(2000), b"abcd"])
def test_a_negative_dimension_is_refused(content):
    proto = dense()
    proto.graph.initializer.add(name="n", data_type=1, dims=[-1, -500], raw_data=content)
    with pytest.raises(ModelFileError, match=r"Tensor 'n' has a negative dimension: \(-1, -500\)"):
        ow.open_model(proto)


def test_weights_of_the_wrong_length_are_refused():
    proto = dense()
    proto.graph.initializer[0].dims[0] = 17
    with pytest.raises(ModelFileError, match=r"needs 4\.25 KiB \(4,352 bytes\), and 4,096 bytes are there"):
        ow.open_model(proto)


def test_a_dimension_of_minus_one_is_unknown():
    """Several exporters write -1 for a size that they do not know."""
    proto = dense()
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    opened = ow.open_model(proto)
    assert opened.inputs[0].shape == (None, 16)
    assert ow.summarize(opened).peak_bytes >= 0


def test_names_as_long_as_books_are_compared_in_no_time():
    proto = dense()
    proto.graph.output[0].name = proto.graph.node[0].output[0] = "ab" * 100_000
    opened = ow.open_model(proto)
    with bounded_work(3), pytest.raises(NameNotFoundError, match="no value or node 'ababab"):
        opened.node("ab" * 100_001)
