"""Nodes where they do not belong, behind values that PyTorch has no name for: whoever adds the error is blamed."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, NodeProto, helper, numpy_helper
from tiny_models import model
from torch import nn

import onnx_workbench as ow
from onnx_workbench.core.errors import InputError

EXPORTERS = pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["float32", "float16"])


class Pair(nn.Module):
    """Two layers over three axes: ONNX has a product and a sum for each, PyTorch one value."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 5)

    def forward(self, x):
        y = torch.tanh(self.first(x))
        return self.last(torch.sigmoid(self.second(y)) + y)


class Gated(nn.Module):
    """A gate that the dynamo exporter writes as two nodes."""

    def __init__(self):
        super().__init__()
        self.before, self.after = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1)

    def forward(self, x):
        return self.after(nn.functional.silu(self.before(x)))


class Masked(nn.Module):
    """Attention whose masked scores are -10000: beside these numbers, all others are small."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))

    def forward(self, x):
        mask = torch.ones(x.shape[1], x.shape[1]).triu(1).to(x.dtype) * -10000.0
        scores = self.query(x) @ self.key(x).transpose(-1, -2) / 4.0 + mask
        return torch.softmax(scores, -1) @ self.value(x)


def exported(network: nn.Module, x: torch.Tensor, *, dynamo: bool) -> ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (x,), buffer, dynamo=dynamo, verbose=False)
    return onnx.load_from_string(buffer.getvalue())


def made(kind: type[nn.Module], *shape: int, dtype: torch.dtype) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(3)
    return kind().eval().to(dtype), torch.randn(*shape).to(dtype)


def nodes_of(proto: ModelProto, op_type: str) -> list[NodeProto]:
    return [node for node in proto.graph.node if node.op_type == op_type]


def put_behind(proto: ModelProto, node: NodeProto, *added: tuple[str, str]) -> str:
    """Put nodes behind one, each an operator and a constant that it reads; the last gets the old name."""
    place = [item.output[0] for item in proto.graph.node].index(node.output[0])
    name = node.output[0]
    node.output[0] = read = f"{name}_before"
    for number, (op_type, constant) in enumerate(added, 1):
        written = name if number == len(added) else f"{name}_{number}"
        inputs = [read, constant] if constant else [read]
        proto.graph.node.insert(place + number, helper.make_node(op_type, inputs, [written]))
        read = written
    return name


def constant(proto: ModelProto, name: str, value: float, dtype: torch.dtype) -> str:
    array = torch.tensor(value).to(dtype).numpy()
    proto.graph.initializer.append(numpy_helper.from_array(array, name))
    return name


@EXPORTERS
@PRECISIONS
def test_a_node_put_between_a_product_and_its_bias_is_blamed_itself(dynamo, dtype):
    network, x = made(Pair, 2, 6, 12, dtype=dtype)
    proto = exported(network, x, dynamo=dynamo)
    assert ow.compare(proto, network, x.numpy()).passed
    culprit = put_behind(proto, nodes_of(proto, "MatMul")[1], ("Mul", constant(proto, "scale", 1.25, dtype)))
    found = ow.compare(proto, network, x.numpy())
    assert [blame.key for blame in found.blamed] == [culprit], found
    assert found.blamed[0].region == (culprit,)


@EXPORTERS
@PRECISIONS
def test_a_product_that_reads_a_value_of_elsewhere_is_blamed_itself(dynamo, dtype):
    network, x = made(Pair, 2, 6, 12, dtype=dtype)
    proto = exported(network, x, dynamo=dynamo)
    product = nodes_of(proto, "MatMul")[1]
    product.input[0] = proto.graph.input[0].name
    found = ow.compare(proto, network, x.numpy())
    assert [blame.key for blame in found.blamed] == [product.output[0]], found


@EXPORTERS
@PRECISIONS
def test_an_activation_applied_twice_inside_one_operation_is_blamed_itself(dynamo, dtype):
    network, x = made(Gated, 2, 3, 8, 8, dtype=dtype)
    proto = exported(network, x, dynamo=dynamo)
    (gate,) = nodes_of(proto, "Sigmoid")
    culprit = put_behind(proto, gate, ("Sigmoid", ""))
    found = ow.compare(proto, network, x.numpy())
    assert [blame.key for blame in found.blamed] == [culprit], found


@EXPORTERS
def test_a_cast_through_half_precision_is_not_taken_for_a_node_that_leaves_its_input_as_it_is(dynamo):
    network, x = made(Pair, 2, 6, 12, dtype=torch.float32)
    proto = exported(network, x, dynamo=dynamo)
    node = nodes_of(proto, "Sigmoid")[0]
    culprit = put_behind(proto, node, ("Cast", ""), ("Cast", ""))
    for cast, kind in zip(
        nodes_of(proto, "Cast"), (onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT), strict=True
    ):
        cast.attribute.append(helper.make_attribute("to", kind))
    found = ow.compare(proto, network, x.numpy())
    assert {blame.key for blame in found.blamed} <= {culprit, f"{culprit}_1"}, found
    assert found.blamed


@EXPORTERS
def test_a_cast_is_blamed_though_another_value_of_the_module_is_the_same(dynamo):
    """With a bias of zeros the sum is the product once more: rounded, it must not be taken for that."""
    network, x = made(Pair, 2, 6, 12, dtype=torch.float32)
    nn.init.zeros_(network.second.bias)
    proto = exported(network, x, dynamo=dynamo)
    product = [node for node in nodes_of(proto, "MatMul") if reads_weight(proto, node)][1]
    culprit = put_behind(proto, product, ("Cast", ""), ("Cast", ""))
    for cast, kind in zip(
        nodes_of(proto, "Cast"), (onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT), strict=True
    ):
        cast.attribute.append(helper.make_attribute("to", kind))
    found = ow.compare(proto, network, x.numpy())
    assert [blame.key for blame in found.blamed] == [culprit], found


@EXPORTERS
def test_an_error_that_is_small_beside_masked_scores_is_found_where_it_begins(dynamo):
    """Half a percent of a key is a millionth of -10000."""
    network, x = made(Masked, 2, 7, 16, dtype=torch.float32)
    proto = exported(network, x, dynamo=dynamo)
    assert ow.compare(proto, network, x.numpy()).passed
    scores = next(node for node in nodes_of(proto, "MatMul") if not reads_weight(proto, node))
    places = [name for node in proto.graph.node for name in node.output]
    product = [node for node in nodes_of(proto, "MatMul") if reads_weight(proto, node)][1]
    assert places.index(product.output[0]) < places.index(scores.output[0])
    culprit = put_behind(proto, product, ("Mul", constant(proto, "scale", 1.005, torch.float32)))
    found = ow.compare(proto, network, x.numpy())
    assert [blame.key for blame in found.blamed] == [culprit], found


def reads_weight(proto: ModelProto, node: NodeProto) -> bool:
    weights = {item.name for item in proto.graph.initializer}
    return not weights.isdisjoint(node.input)


def test_two_backends_may_round_half_precision_each_in_its_own_way():
    """The reference evaluator sums in half precision what onnxruntime sums in single precision."""
    proto = model(
        "m (float16[N,4,8,8] x, float16[4] scale, float16[4] bias) => (float16[N,4,8,8] y) "
        "{ y = InstanceNormalization(x, scale, bias) }"
    )
    x = (np.random.default_rng(2).normal(size=(3, 4, 8, 8)) + 8).astype(np.float16)
    feeds = {"x": x, "scale": np.ones(4, np.float16), "bias": np.zeros(4, np.float16)}
    reference = ow.Session(proto, backend="reference")
    assert not np.array_equal(ow.run(proto, feeds)["y"], reference.run(feeds)["y"])
    assert ow.compare(proto, reference, feeds).passed
    assert ow.compare(reference, proto, feeds).passed


@EXPORTERS
def test_bfloat16_is_refused_with_what_to_do_instead_and_float32_is_compared(dynamo):
    network, x = made(Pair, 2, 6, 12, dtype=torch.bfloat16)
    proto = exported(network, x, dynamo=dynamo)
    for actual, expected in ((proto, network), (network, proto), (proto, proto)):
        for inputs in (x, None):
            with pytest.raises(InputError, match=r"computes in bfloat16.*\n.*network\.float\(\)"):
                ow.compare(actual, expected, inputs)
    network, x = network.float(), x.float()
    assert ow.compare(exported(network, x, dynamo=dynamo), network, x).passed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_live_modules_are_run_and_compared_with_each_other_operation_by_operation(dtype):
    network, x = made(Pair, 2, 6, 12, dtype=dtype)
    other, _ = made(Pair, 2, 6, 12, dtype=dtype)
    with torch.no_grad():
        np.testing.assert_array_equal(ow.run(network, x)["output_0"], network(x).float().numpy())
        assert ow.compare(other, network, x).passed
        other.second.weight[0, 0] += 1
    found = ow.compare(other, network, x)
    assert [(blame.op_type, blame.module_path) for blame in found.blamed] == [("linear", "second")]
