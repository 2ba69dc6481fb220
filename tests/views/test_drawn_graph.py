from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from tiny_models import convnet, model

from onnx_workbench.core.provenance import module_path
from onnx_workbench.sources.open import open_model
from onnx_workbench.views.drawn_graph import draw_small, draw_whole, is_constant
from onnx_workbench.views.modules import groups_within
from onnx_workbench.views.text_width import text_width


def titles(graph):
    return [node.title for node in graph.nodes]


def drawn(body: str, **weights: np.ndarray):
    return draw_whole(open_model(model(body, **weights)))


def joined(graph):
    return {(graph.nodes[edge.source].title, graph.nodes[edge.target].title) for edge in graph.edges}


def long_chain(count: int, *, name: str = "") -> object:
    proto = model("chain (float[1] x) => (float[1] y) { y = Relu(x) }")
    del proto.graph.node[:]
    for place in range(count):
        node = helper.make_node("Relu", [f"v{place - 1}" if place else "x"], [f"v{place}"])
        node.name = name.format(block=place // 10, step=place) if name else ""
        proto.graph.node.append(node)
    proto.graph.node[-1].output[0] = "y"
    return open_model(proto)


def test_nodes_inputs_and_outputs_are_boxes_and_weights_are_not():
    graph = draw_whole(open_model(convnet()))
    assert titles(graph) == ["image", "Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm", "logits"]
    assert [node.kind for node in graph.nodes] == ["input", *["node"] * 5, "output"]
    assert len(graph.edges) == 6


def test_constants_are_part_of_their_readers():
    opened = open_model(
        model("g (float[N] x) => (float[N] y) { two = Constant<value = float {2.0}>() y = Mul(x, two) }")
    )
    assert titles(draw_whole(opened)) == ["x", "Mul", "y"]
    assert [is_constant(node, opened) for node in opened.nodes] == [True, False]


def test_a_box_says_what_one_wants_to_know_of_its_operator():
    graph = drawn(
        """g (float[N,8,32,32] x) => (y) {
            a = Conv<strides=[2,2], pads=[1,1,1,1]>(x, wide)
            b = Conv<group=16, dilations=[2,2]>(a, deep)
            c = MaxPool<kernel_shape=[3,3], strides=[2,1]>(b)
            d = Transpose<perm=[0,2,3,1]>(c)
            e = MatMul(d, matrix)
            y = Softmax<axis=-1>(e)
        }""",
        wide=np.zeros((16, 8, 3, 3), np.float32),
        deep=np.zeros((16, 1, 5, 5), np.float32),
        matrix=np.zeros((16, 1000), np.float32),
    )
    assert [node.line for node in graph.nodes if node.kind == "node"] == [
        "3×3 · stride 2 · 16",
        "5×5 · dilation 2 · 16 · depthwise",
        "3×3 · stride 2×1",
        "0 2 3 1",
        "16 → 1,000",
        "axis -1",
    ]


def test_gemm_counts_its_features_after_the_transposition():
    weight = np.zeros((10, 64), np.float32)
    graph = drawn("g (float[N,64] x) => (y) { y = Gemm<transB=1>(x, w) }", w=weight)
    assert graph.nodes[1].line == "64 → 10"


@pytest.mark.parametrize(
    "attribute", [helper.make_attribute("kernel_shape", "text"), helper.make_attribute("strides", 1.5)]
)
def test_attributes_of_the_wrong_type_are_left_out(attribute):
    proto = model("g (float[1,1,4,4] x) => (y) { y = MaxPool<kernel_shape=[2,2]>(x) }")
    del proto.graph.node[0].attribute[:]
    proto.graph.node[0].attribute.append(attribute)
    assert draw_whole(open_model(proto)).nodes[1].line == ""


def test_a_node_with_subgraphs_is_marked_and_joined_to_what_they_capture():
    graph = drawn(
        """g (bool c, float[2] x) => (float[2] y) {
            inner = Relu(x)
            y = If (c) <
                then_branch = t () => (float[2] a) { a = Add(inner, inner) },
                else_branch = e () => (float[2] b) { b = Identity(x) }
            >
        }"""
    )
    assert next(node.line for node in graph.nodes if node.title == "If") == "⧉ 2 subgraphs · 2 nodes"
    assert {("c", "If"), ("Relu", "If"), ("x", "If")} <= joined(graph)


def test_edges_carry_their_shape_where_it_changes():
    opened = open_model(convnet())
    graph = draw_whole(opened)
    labelled = {graph.nodes[graph.edges[number].source].title for number in graph.labelled_edges}
    assert labelled == {"Conv", "GlobalAveragePool", "Flatten"}
    assert graph.edges[1].label == "×".join(map(str, opened.values["c"].shape))


def test_two_values_between_the_same_nodes_are_one_edge_that_says_so():
    graph = drawn("g (float[4] x) => (y) { a, b = Split<num_outputs=2>(x) y = Add(a, b) }")
    assert [(edge.values, edge.label) for edge in graph.edges if len(edge.values) > 1] == [
        (("a", "b"), "2 +1")
    ]


def test_an_operator_of_another_domain_says_which():
    proto = model("g (float[4] x) => (y) { y = Relu(x) }")
    proto.graph.node[0].domain = "com.example"
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    box = draw_whole(open_model(proto)).nodes[1]
    assert (box.title, box.line, box.family) == ("Relu", "com.example", "activation")


def test_a_large_graph_is_drawn_by_the_modules_in_its_names():
    graph = draw_small(long_chain(1000, name="/layer{block}/relu{step}"), 300)
    assert len(graph.nodes) == 102
    assert [graph.nodes[1].title, graph.nodes[1].line] == ["layer0", "10 nodes · Relu"]
    assert len(graph.edges) == 101
    assert graph.node_count == 1000
    assert "by module" in graph.notice


def test_a_large_graph_without_modules_is_cut_and_says_so():
    graph = draw_small(long_chain(1000), 300)
    assert len(graph.nodes) == 300
    assert "first 300 boxes of 1,002" in graph.notice
    assert max(edge.target for edge in graph.edges) < 300


def test_a_small_graph_is_drawn_whole_whatever_its_names():
    assert draw_small(long_chain(100, name="/layer{block}/relu{step}"), 300).notice == ""


def test_modules_that_read_from_each_other_are_drawn_all_the_same():
    names = [
        ("a", "x", "/one/relu"),
        ("b", "a", "/two/relu"),
        ("c", "b", "/one/relu_1"),
        ("d", "c", "/two/relu_1"),
    ]
    proto = model("g (float[1] x) => (float[1] d) { d = Relu(x) }")
    del proto.graph.node[:]
    proto.graph.node.extend(
        helper.make_node("Relu", [source], [name], name=path) for name, source, path in names
    )
    graph = draw_small(open_model(proto), 2)
    assert joined(graph) == {("x", "one"), ("one", "two"), ("two", "one"), ("two", "d")}
    assert len(graph.layout.centres) == 4


@pytest.mark.parametrize(
    ("metadata", "name", "expected"),
    [
        ({"pkg.torch.onnx.name_scopes": "['', 'body', 'body.0', 'conv2d']"}, "node_conv", ("body", "body.0")),
        ({"namespace": ": Net/body: Sequential/body.0: Conv2d/conv2d: aten.conv2d"}, "n", ("body", "body.0")),
        ({}, "/body/body.0/Conv", ("body", "body.0")),
        ({}, "conv1", ()),
        ({"pkg.torch.onnx.name_scopes": "[" * 3000}, "", ()),
        ({"pkg.torch.onnx.name_scopes": "__import__('os')"}, "", ()),
        ({"pkg.torch.onnx.name_scopes": "{'a': 1}"}, "/a/b", ("a",)),
    ],
)
def test_the_module_of_a_node_is_found_where_exporters_note_it(metadata, name, expected):
    proto = model("g (float[1] x) => (float[1] y) { y = Relu(x) }")
    proto.graph.node[0].name = name
    for key, value in metadata.items():
        proto.graph.node[0].metadata_props.add(key=key, value=value)
    assert module_path(open_model(proto).nodes[0]) == expected


def test_modules_are_opened_as_deep_as_the_limit_allows():
    paths = [(f"a{i // 8}", f"b{i // 2}") for i in range(64)]
    assert len(set(groups_within(paths, 10))) == 8
    assert len(set(groups_within(paths, 40))) == 32


def test_a_module_of_one_node_is_drawn_as_the_node():
    assert groups_within([("a",), ("a",), ("b",)], 2) == [("a",), ("a",), ()]


def test_names_are_cut_and_cleaned_before_they_are_measured():
    graph = drawn("g (float[1] x) => (float[1] y) { y = Relu(x) }")
    proto = model("g (float[1] x) => (float[1] y) { y = Relu(x) }")
    proto.graph.node[0].op_type = "\u202e" + "x" * 10_000
    proto.opset_import.append(helper.make_opsetid("other", 1))
    proto.graph.node[0].domain = "other"
    box = draw_whole(open_model(proto)).nodes[1]
    assert len(box.title) <= 26
    assert box.title[0] == "\ufffd"
    assert box.size[0] < 6 * graph.nodes[1].size[0]


def test_text_is_at_least_as_wide_as_in_the_fonts_that_draw_it():
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    for text in (
        "BatchNormalization",
        "3×3 · stride 2 · 64",
        "float32 1×3×224×224",
        "MatMul",
        "illicit fjord",
    ):
        for bold in (False, True):
            face = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
            drawn_width = TextPath((0, 0), text, size=13 * 0.92, prop=face).get_extents().width
            assert drawn_width <= text_width(text, 13, bold=bold) + 6
