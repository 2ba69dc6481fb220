"""Models of opset 1 to 6 run as they were meant: against closed formulas, and what CNTK 2.4's exports should give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import AttributeProto, TensorProto, checker, helper, numpy_helper

import onnx_workbench as ow
from onnx_workbench.core.old_opsets import upgrade_old_opset

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "cntk" / "onnx"


def old_model(nodes, inputs, *, opset=1, outputs=("y",), **weights):
    rank = len(next(iter(inputs.values())))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    for name, value in weights.items():  # as IR version 3 wants it
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        graph.input.append(helper.make_tensor_value_info(name, kind, value.shape))
    imports = [helper.make_opsetid("", opset)] if opset else []
    return helper.make_model(graph, ir_version=3, opset_imports=imports)


def run_upgraded(proto, feeds):
    assert upgrade_old_opset(proto)
    checker.check_model(proto)
    return onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feeds)[0]


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 3, 2, 2)])
def test_an_operand_is_aligned_at_its_axis(operator, shape):
    x, b = numbers(*shape), numbers(3) + 5
    node = helper.make_node(operator, ["x", "b"], ["y"], axis=1, broadcast=1, consumed_inputs=[0, 0])
    found = run_upgraded(old_model([node], {"x": shape}, b=b), {"x": x})
    apply = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[operator]
    np.testing.assert_allclose(found, apply(x, b[:, None, None]), rtol=1e-6)


def test_an_operand_of_two_dimensions_and_a_negative_axis():
    x, b = numbers(2, 3, 4, 5), numbers(3, 4)
    for axis in (1, -3):
        node = helper.make_node("Add", ["x", "b"], ["y"], axis=axis, broadcast=1)
        found = run_upgraded(old_model([node], {"x": x.shape}, b=b), {"x": x})
        np.testing.assert_allclose(found, x + b[..., None], rtol=1e-6)


def test_without_an_axis_the_last_dimensions_are_aligned():
    x, b = numbers(2, 3, 4), numbers(4)
    node = helper.make_node("Add", ["x", "b"], ["y"], broadcast=1)
    np.testing.assert_allclose(run_upgraded(old_model([node], {"x": x.shape}, b=b), {"x": x}), x + b)


def test_shapes_that_were_attributes_become_inputs():
    x = numbers(2, 6)
    nodes = [
        helper.make_node(
            "Reshape", ["x"], ["x_shape"], shape=[3, 2, 2]
        ),  # the name that the input would take
        helper.make_node("Reshape", ["x_shape"], ["y"], shape=[0, -1]),
    ]
    np.testing.assert_array_equal(run_upgraded(old_model(nodes, {"x": x.shape}), {"x": x}), x.reshape(3, 4))


def test_normalisation_and_dropout_are_as_in_inference():
    x, scale, bias, mean = numbers(2, 3, 4, 4), numbers(3), numbers(3), numbers(3)
    variance = np.abs(numbers(3)) + 1
    nodes = [
        helper.make_node(
            "BatchNormalization",
            ["x", "scale", "bias", "mean", "variance"],
            ["n"],
            consumed_inputs=[0, 0, 0, 1, 1],
            is_test=1,
            epsilon=1e-3,
        ),
        helper.make_node("Dropout", ["n"], ["y"], is_test=1, ratio=0.5),
    ]
    proto = old_model(nodes, {"x": x.shape}, scale=scale, bias=bias, mean=mean, variance=variance)
    column = (slice(None), None, None)
    expected = scale[column] * (x - mean[column]) / np.sqrt(variance[column] + 1e-3) + bias[column]
    np.testing.assert_allclose(run_upgraded(proto, {"x": x}), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (helper.make_node("Pad", ["x"], ["y"], paddings=[0, 1, 0, 2], value=7.0), ((0, 0), (1, 2))),
        (helper.make_node("Concat", ["x", "x"], ["y"]), 1),
    ],
)
def test_padding_and_joining(node, expected):
    x = numbers(2, 3)
    found = run_upgraded(old_model([node], {"x": x.shape}), {"x": x})
    if isinstance(expected, int):
        np.testing.assert_array_equal(found, np.concatenate([x, x], axis=expected))
    else:
        np.testing.assert_array_equal(found, np.pad(x, expected, constant_values=7.0))


def test_a_dtype_was_a_name():
    x = numbers(5) * 10
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], to="INT32"),
        helper.make_node("Cast", ["i"], ["y"], to="FLOAT"),
    ]
    np.testing.assert_array_equal(run_upgraded(old_model(nodes, {"x": x.shape}), {"x": x}), np.trunc(x))


def test_the_rest_keeps_its_old_meaning():
    x, w, c = numbers(2, 3), numbers(3, 4), numbers(4)
    gemm = helper.make_node("Gemm", ["x", "w", "c"], ["g"], broadcast=1, alpha=2.0)
    selu = helper.make_node("Selu", ["g"], ["y"])
    g = 2 * x @ w + c
    expected = np.where(g > 0, 1.0507 * g, 1.0507 * 1.6732 * (np.exp(g) - 1))
    found = run_upgraded(old_model([gemm, selu], {"x": x.shape}, w=w, c=c), {"x": x})
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_young_model_is_left_alone():
    proto = old_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [2]}, opset=7)
    before = proto.SerializeToString()
    assert not upgrade_old_opset(proto)
    assert proto.SerializeToString() == before


@pytest.mark.parametrize("axis", [-(10**18), 10**18, -5, 5])
def test_an_absurd_axis_is_left_to_the_checker(axis):
    node = helper.make_node("Add", ["x", "b"], ["y"], axis=axis, broadcast=1)
    proto = old_model([node], {"x": [2, 3, 4]}, b=numbers(3))
    assert upgrade_old_opset(proto)
    assert len(proto.graph.node) == 1


def test_attributes_without_a_type_get_theirs():
    node = helper.make_node("Reshape", ["x"], ["y"], shape=[3, 2])
    node.attribute[0].type = AttributeProto.UNDEFINED
    leaky = helper.make_node("LeakyRelu", ["y"], ["z"], alpha=0.5)
    leaky.attribute[0].type = AttributeProto.UNDEFINED
    proto = old_model([node, leaky], {"x": [2, 3]}, opset=None, outputs=("z",))
    x = numbers(2, 3)
    expected = np.where(x > 0, x, x / 2).reshape(3, 2)
    np.testing.assert_allclose(run_upgraded(proto, {"x": x}), expected)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not on this machine")
@pytest.mark.parametrize("path", sorted(REAL.glob("*.onnx")), ids=lambda path: path.name)
def test_exports_of_cntk_of_every_age_give_the_published_answers(path):
    published = np.load(REAL / "mnist_expected.npz")
    model = ow.open_model(path)
    for x, y in zip(published["x"], published["y"], strict=True):
        np.testing.assert_allclose(ow.run(model, x[None])["Plus214_Output_0"][0], y, rtol=1e-4, atol=1e-2)
