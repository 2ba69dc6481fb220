"""Whom compare blames where rounding and faults are hard to tell apart: half precision, casts, normalizations."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

import onnx_workbench as ow


class Centred(nn.Module):
    """A convolution whose large mean a folded normalization takes away: most digits of half precision go with it."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        with torch.no_grad():
            self.conv.bias += 6.0
            self.norm.running_mean += 6.0

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


class Grouped(nn.Module):
    """A normalization over groups hides what is added to all channels before it."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        return self.head(functional.silu(self.norm(self.conv(x))))


class Perceptron(nn.Module):
    """Two layers and GELU between them, over three dimensions."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(12, 48), nn.Linear(48, 12)

    def forward(self, x):
        return self.down(functional.gelu(self.up(x)))


class Summed(nn.Module):
    """A sum of half precision, which PyTorch's newer exporter writes in single precision."""

    def forward(self, x):
        return x.abs().sum(-1)


def drawn(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5)).to(dtype)


def exported(network: nn.Module, x: torch.Tensor, *, dynamo: bool) -> ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (x,), buffer, dynamo=dynamo, verbose=False)
    return onnx.load_from_string(buffer.getvalue())


def made(kind: type[nn.Module], dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(7)
    return kind().eval().to(dtype)


def only(proto: ModelProto, op_type: str) -> onnx.NodeProto:
    (node,) = [node for node in proto.graph.node if node.op_type == op_type]
    return node


BOTH = pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])


@BOTH
@pytest.mark.parametrize("kind", [Centred, Grouped])
def test_what_pytorch_rounds_between_folded_layers_is_no_fault(kind, dynamo):
    network, x = made(kind, torch.float16), drawn(2, 3, 9, 9, dtype=torch.float16)
    found = ow.compare(exported(network, x, dynamo=dynamo), network, x.numpy())
    assert found.passed, found


@BOTH
def test_a_bias_that_a_normalization_hides_is_seen_where_it_is_added(dynamo):
    network, x = made(Grouped, torch.float32), drawn(2, 3, 9, 9, dtype=torch.float32)
    proto = exported(network, x, dynamo=dynamo)
    node = next(node for node in proto.graph.node if node.op_type == "Conv")
    bias = next(item for item in proto.graph.initializer if item.name == node.input[2])
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.5), bias.name))
    with torch.no_grad():  # the fault cannot be seen in the output
        sound = network(x).numpy()
    (spoilt,) = ow.run(proto, x.numpy()).values()
    assert np.abs(spoilt - sound).max() < 1e-5
    assert [blame.key for blame in ow.compare(proto, network, x.numpy()).blamed] == [node.output[0]]


@BOTH
def test_errors_below_half_precision_are_told_from_rounding_by_a_fresh_export(dynamo, tmp_path):
    network, x = made(Perceptron, torch.float16), drawn(4, 5, 12, dtype=torch.float16)
    proto = exported(network, x, dynamo=dynamo)
    assert ow.compare(proto, network, x.numpy()).passed
    gelu = [node for node in proto.graph.node if node.op_type == "Gelu"]
    if not gelu:
        pytest.skip("this exporter writes GELU in parts")
    del gelu[0].attribute[:]
    gelu[0].attribute.append(helper.make_attribute("approximate", "tanh"))
    found = ow.compare(proto, network, x.numpy())
    (blame,) = found.blamed
    assert blame.key == gelu[0].output[0]
    assert found.replay(tmp_path).is_file()
    assert blame.own_error < 2e-3  # two units in the last place, of the largest number
    assert "fresh export" in blame.why


@BOTH
def test_a_cast_through_half_precision_is_blamed_itself(dynamo):
    network, x = made(Perceptron, torch.float32), drawn(4, 5, 12, dtype=torch.float32)
    proto = exported(network, x, dynamo=dynamo)
    node = next(node for node in proto.graph.node if node.op_type == "Add")
    name = node.output[0]
    node.output[0] = "exact"
    index = list(proto.graph.node).index(node)
    casts = [
        helper.make_node("Cast", ["exact"], ["rounded"], to=onnx.TensorProto.FLOAT16),
        helper.make_node("Cast", ["rounded"], [name], to=onnx.TensorProto.FLOAT),
    ]
    for cast in reversed(casts):
        proto.graph.node.insert(index + 1, cast)
    found = ow.compare(proto, network, x.numpy())
    assert [blame.key for blame in found.blamed] == [name], found


def test_a_precision_that_the_exporter_itself_chose_is_noted_and_blames_nobody():
    network, x = Summed().eval(), drawn(3, 4, 5, dtype=torch.float16)
    proto = exported(network, x, dynamo=True)
    found = ow.compare(proto, network, x.numpy())
    assert found.passed, found
    wide = only(proto, "ReduceSum").output[0]
    is_wide = proto.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert any(wide in note for note in found.notes) == is_wide
    if not is_wide:
        return
    narrow = ModelProto()  # a file that keeps the module's precision has nothing to note
    narrow.CopyFrom(proto)
    narrow.graph.node.append(helper.make_node("Cast", [wide], ["narrow"], to=onnx.TensorProto.FLOAT16))
    narrow.graph.output[0].CopyFrom(helper.make_tensor_value_info("narrow", onnx.TensorProto.FLOAT16, [3, 4]))
    again = ow.compare(narrow, network, x.numpy())
    assert again.passed, again
    assert not again.notes


def test_a_fault_of_the_precision_alone_is_blamed():
    network, x = made(Perceptron, torch.float32), drawn(4, 5, 12, dtype=torch.float32)
    proto = exported(network, x, dynamo=True)
    name = proto.graph.output[0].name
    proto.graph.node.append(helper.make_node("Cast", [name], ["narrow"], to=onnx.TensorProto.FLOAT16))
    proto.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("narrow", onnx.TensorProto.FLOAT16, [4, 5, 12])
    )
    assert [blame.key for blame in ow.compare(proto, network, x.numpy()).blamed] == ["narrow"]


@BOTH
@pytest.mark.parametrize("op_type", ["Add", "Gelu"])
def test_a_node_that_was_put_in_behind_another_is_blamed_itself(dynamo, op_type):
    """As dropout does that was left in: the old name goes to the new node."""
    network, x = made(Perceptron, torch.float32), drawn(4, 5, 12, dtype=torch.float32)
    proto = exported(network, x, dynamo=dynamo)
    index = next(index for index, node in enumerate(proto.graph.node) if node.op_type == op_type)
    name = proto.graph.node[index].output[0]
    proto.graph.node[index].output[0] = "kept"
    mask = np.where(drawn(4, 5, 48, dtype=torch.float32).numpy() > -1, 1.25, 0).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(mask, "mask"))
    proto.graph.node.insert(index + 1, helper.make_node("Mul", ["kept", "mask"], [name]))
    found = ow.compare(proto, network, x.numpy())
    assert [blame.key for blame in found.blamed] == [name], found


def test_a_module_that_has_changed_since_is_exported_anew():
    """Weights may be changed behind the back of torch's own counters."""
    from onnx_workbench.core.model import as_model
    from onnx_workbench.sources.pytorch_again import export_again

    network, x = made(Perceptron, torch.float32), drawn(4, 5, 12, dtype=torch.float32)
    model = as_model(exported(network, x, dynamo=False))
    first = export_again(network, [x.numpy()], model)
    assert export_again(network, [x.numpy()], model) is first
    network.down.bias.data.add_(1.0)
    second = export_again(network, [x.numpy()], model)
    assert second is not first
    with torch.no_grad():
        expected = network(x).numpy()
    (output,) = ow.run(second, x.numpy()).values()
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-5)
    network.train()
    assert export_again(network, [x.numpy()[:2]], model) is not second  # inputs of another shape
    assert network.training


class Masked(nn.Module):
    """Two layers of attention whose masked scores are -10000: beside that, all scores are alike."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(12, 36) for _ in range(2))

    def forward(self, x):
        hidden = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        for layer in self.layers:
            q, k, v = layer(x).chunk(3, -1)
            scores = (q @ k.transpose(-1, -2) / 3.0).masked_fill(hidden, -10000.0)
            x = x + torch.softmax(scores, -1) @ v
        return x


@BOTH
def test_masked_scores_are_not_taken_for_those_of_another_layer(dynamo, tmp_path):
    import onnxruntime

    network, x = made(Masked, torch.float16), drawn(2, 6, 12, dtype=torch.float16)
    proto = exported(network, x, dynamo=dynamo)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(tmp_path / "optimised.onnx")
    for actual, expected in ((proto, network), (optimised, network), (optimised, proto)):
        found = ow.compare(actual, expected, x.numpy())
        assert found.passed, found


class Parts(nn.Module):
    """Two equal layers whose value is split into equal parts, each with a use of its own."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(12, 36) for _ in range(2))

    def forward(self, x):
        for layer in self.layers:
            q, k, v = layer(x).split(12, -1)
            x = x + torch.softmax(q @ k.transpose(-1, -2) / 3.0, -1) @ v
        return x


@BOTH
@pytest.mark.parametrize("fault", ["swapped", "rolled"])
def test_parts_that_changed_places_are_the_fault_of_who_splits(dynamo, fault):
    network, x = made(Parts, torch.float32), drawn(2, 6, 12, dtype=torch.float32)
    proto = exported(network, x, dynamo=dynamo)
    index, node = next((i, node) for i, node in enumerate(proto.graph.node) if node.op_type == "Split")
    culprits = {node.output[0]}
    if fault == "swapped":
        node.output[1], node.output[2] = node.output[2], node.output[1]
    else:
        order = numpy_helper.from_array(np.roll(np.arange(36), 1), "order")
        proto.graph.initializer.append(order)
        proto.graph.node.insert(
            index, helper.make_node("Gather", [node.input[0], "order"], ["turned"], axis=-1)
        )
        proto.graph.node[index + 1].input[0] = "turned"
        culprits.add("turned")
    found = ow.compare(proto, network, x.numpy())
    assert len(found.blamed) == 1, found
    assert {blame.key for blame in found.blamed} <= culprits, found


class Gated(nn.Module):
    """Words through an LSTM in both directions and a GRU: exports with a free batch compute shapes on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(40, 24)
        self.lstm = nn.LSTM(24, 24, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(48, 24, batch_first=True)
        self.head = nn.Linear(24, 6)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x, _ = self.lstm(self.words(tokens))
        x, last = self.gru(x)
        return self.head(x[:, -1] + last[0])


@pytest.mark.parametrize("fault", [False, True])
def test_numbers_of_unnamed_values_are_not_taken_for_names(fault):
    torch.manual_seed(4)
    module, tokens = Gated().eval(), torch.randint(40, (2, 9))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto = ow.open_model(module, example_inputs=tokens).to_proto()
    if fault:
        recurrent = next(node for node in proto.graph.node if node.op_type == "GRU")
        weight = next(one for one in proto.graph.initializer if one.name == recurrent.input[1])
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.1), weight.name))
    found = ow.compare(proto, module, tokens)
    assert len(found.blamed) == int(fault)
    assert not fault or found.blamed[0].key == recurrent.output[0]
