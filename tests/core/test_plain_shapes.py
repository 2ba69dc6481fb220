"""Types of plain layers: what our rules say is what ONNX says, and what is not plain is left to ONNX."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, shape_inference
from tiny_models import convnet, dense, model

from onnx_workbench import training
from onnx_workbench.core import inference
from onnx_workbench.core.plain_shapes import plain_graph

CHAINS = {
    "dense": "g (float[N,16] x) => (float[N,4] y) { a = MatMul(x, w) b = Add(a, bias) y = Relu(b) }",
    "batched product": "g (float[B,1,5,16] x, float[3,16,7] k) => (float[B,3,5,7] y) { y = MatMul(x, k) }",
    "gemm": "g (float[16,N] x) => (float[P,Q] y) { y = Gemm<transA=1>(x, w, bias) }",
    "gemm from rows": "g (double[N,4] x, double[9,4] k) => (double[N,9] y) { y = Gemm<transB=1>(x, k) }",
    "broadcast": "g (float[N,1,5] x, float[3,1] k) => (float[a,b,c] y) { s = Mul(x, k) y = Sub(s, x) }",
    "another name for the batch": "g (float[N,16] x) => (float[batch,16] y) { a = Tanh(x) y = Softmax<axis=1>(a) }",
    "convolution": """g (float[N,3,9,8] x, float[6,1,3,3] k) => (float[N,o,p,q] y)
        { c = Conv<group=3, pads=[1,0,1,2], strides=[2,1], dilations=[1,2]>(x, k) y = Clip(c, low) }""",
    "pooling": """g (float[N,3,9,8] x) => (float[N,f] y) {
        m = MaxPool<kernel_shape=[3,2], strides=[2,2], pads=[1,0,0,1]>(x)
        a = AveragePool<kernel_shape=[2,2]>(m) d = Dropout(a) y = Flatten(d) }""",
    "global": "g (float[N,3,9,8] x) => (float[N,3] y) { m = GlobalMaxPool(x) a = Neg(m) y = Flatten(a) }",
    "declared inside": "g (float[N,4] x) => (float[N,4] y) <float[batch,4] a> { a = Exp(x) y = Log(a) }",
    "an output that is read on": "g (float[N,4] x) => (float[N,4] a, float[N,4] y) { a = Exp(x) y = Log(a) }",
}
LEFT_TO_ONNX = {
    "another operator": "g (float[N,16] x) => (float[a,b] y) { y = Transpose(x) }",
    "two outputs": "g (float[N,8,9] x) => (float[a,b,c] y) { y, i = MaxPool<kernel_shape=[2]>(x) }",
    "padding as TensorFlow does": """g (float[N,3,9,8] x) => (float[a,b,c,d] y)
        { y = MaxPool<kernel_shape=[3,3], auto_pad="SAME_UPPER">(x) }""",
    "rounded up": """g (float[N,3,9] x) => (float[a,b,c] y)
        { y = MaxPool<kernel_shape=[2], strides=[2], ceil_mode=1>(x) }""",
    "unequal symbols": "g (float[N,4] x, float[M,4] k) => (float[a,b] y) { y = Add(x, k) }",
    "sizes that do not meet": "g (float[N,5] x) => (float[a,b] y) { y = MatMul(x, w) }",
    "a free size under a window": "g (float[N,3,W] x) => (float[a,b,c] y) { y = MaxPool<kernel_shape=[2]>(x) }",
    "a declaration of another kind": "g (float[N,16] x) => (double[N,16] y) { y = Relu(x) }",
    "another size inside": "g (float[N,4] x) => (float[N,4] y) <float[N,3] a> { a = Exp(x) y = Log(a) }",
    "a declaration of another size": "g (float[N,16] x) => (float[N,15] y) { y = Relu(x) }",
    "a window that is too large": "g (float[N,3,4] x) => (float[a,b,c] y) { y = MaxPool<kernel_shape=[9]>(x) }",
    "an attribute of a wrong type": "g (float[N,3,9] x) => (float[a,b,c] y) { y = MaxPool<kernel_shape=2>(x) }",
    "what nobody has written": "g (float[N,4] x) => (float[N,4] y) { y = Add(x, nothing) }",
    "a product beyond all sizes": "g (float[N,4611686018427387904,4] x) => (float[a,b] y) { y = Flatten(x) }",
}


def made(text: str) -> onnx.ModelProto:
    held = {
        "w": np.ones((16, 4), np.float32),
        "bias": np.ones(4, np.float32),
        "low": np.float32(0),
    }
    return model(
        text, **{name: array for name, array in held.items() if f" {name}" in text or f"({name}" in text}
    )


def types(graph: onnx.GraphProto) -> dict[str, str]:
    infos = (*graph.input, *graph.output, *graph.value_info)
    return {info.name: helper.printable_value_info(info) for info in infos}


@pytest.mark.parametrize("name", CHAINS)
def test_the_types_of_plain_layers_are_those_that_onnx_infers(name):
    proto = made(CHAINS[name])
    found = plain_graph(proto)
    assert found is not None
    expected = shape_inference.infer_shapes(proto, data_prop=True, strict_mode=True).graph
    assert types(found) == types(expected)


@pytest.mark.parametrize(
    "proto",
    [convnet(), convnet(batch="2"), dense(), training.signs_model().to_proto()],
    ids=["convnet", "fixed batch", "dense", "signs"],
)
def test_whole_networks_agree_with_onnx(proto):
    del proto.graph.value_info[:]
    found = plain_graph(proto)
    if found is not None:
        assert types(found) == types(shape_inference.infer_shapes(proto).graph)
    assert types(inference.inferred_graph(proto)).keys() >= {node.output[0] for node in proto.graph.node}


@pytest.mark.parametrize("name", LEFT_TO_ONNX)
def test_what_is_not_plain_is_left_to_onnx(name):
    assert plain_graph(made(LEFT_TO_ONNX[name])) is None


def test_a_graph_of_plain_layers_is_not_handed_to_onnx(monkeypatch):
    monkeypatch.setattr(inference.shape_inference, "infer_shapes", None)
    assert types(inference.inferred_graph(dense())).keys() == {"x", "y"}
