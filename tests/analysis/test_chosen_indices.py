"""Whom compare blames before a choice among equal numbers: either order is right, and excuses nothing."""

from __future__ import annotations

import io
import warnings

import onnx
import pytest
import torch
from torch import nn

import onnx_workbench as ow


class Chosen(nn.Module):
    """Sizes of the best places: many are equally good, as scores in half precision often are."""

    def __init__(self, *, alone: bool) -> None:
        super().__init__()
        self.alone = alone

    def forward(self, x):
        score = torch.round(torch.tanh(x[..., 0]))
        best = score.argmax(-1, keepdim=True) if self.alone else score.topk(6, -1)[1]
        sizes = torch.exp(x) * 8
        return torch.tanh(sizes.gather(1, best.unsqueeze(-1).expand(-1, -1, 4)) / 64)


def exported(module: nn.Module, x: torch.Tensor, *, dynamo: bool) -> onnx.ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x,), buffer, dynamo=dynamo, verbose=False)
    return onnx.load_from_string(buffer.getvalue())


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("alone", [True, False], ids=["ArgMax", "TopK"])
def test_a_fault_before_a_choice_among_equals_is_seen(dynamo, alone):
    module, x = Chosen(alone=alone).eval(), torch.randn(3, 40, 4, generator=torch.Generator().manual_seed(1))
    proto = exported(module, x, dynamo=dynamo)
    assert ow.compare(proto, module, x.numpy()).passed
    (node,) = [node for node in proto.graph.node if node.op_type == "Exp"]
    node.op_type = "Sigmoid"
    found = ow.compare(proto, module, x.numpy())
    assert [blame.key for blame in found.blamed] == [node.output[0]], found


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("alone", [True, False], ids=["ArgMax", "TopK"])
def test_choosing_the_smallest_instead_is_no_choice_among_equals(dynamo, alone):
    module, x = Chosen(alone=alone).eval(), torch.randn(3, 40, 4, generator=torch.Generator().manual_seed(1))
    proto = exported(module, x, dynamo=dynamo)
    (node,) = [node for node in proto.graph.node if node.op_type == ("ArgMax" if alone else "TopK")]
    if alone:
        node.op_type = "ArgMin"
    else:
        kept = [attribute for attribute in node.attribute if attribute.name != "largest"]
        del node.attribute[:]
        node.attribute.extend([*kept, onnx.helper.make_attribute("largest", 0)])
    found = ow.compare(proto, module, x.numpy())
    assert [blame.key for blame in found.blamed] == [node.output[0]], found


class Routed(nn.Module):
    """Of three branches, for each row the one with the largest weight: a hair decides which."""

    def __init__(self) -> None:
        super().__init__()
        self.router, self.norm = nn.Linear(12, 3), nn.LayerNorm(12)
        self.branches = nn.ModuleList(nn.Linear(12, 12) for _ in range(3))

    def forward(self, x):
        weights = torch.softmax(self.router(x), -1)
        largest = torch.where(weights >= weights.amax(-1, keepdim=True), weights, torch.zeros_like(weights))
        weights = largest / (largest.sum(-1, keepdim=True) + 1e-3)
        return self.norm(
            x + sum(weights[..., i : i + 1] * branch(x) for i, branch in enumerate(self.branches))
        )


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["float32", "float16"])
def test_a_fault_before_a_comparison_that_a_hair_decides_is_seen(dynamo, dtype):
    torch.manual_seed(3)
    module, x = Routed().eval().to(dtype), torch.randn(2, 5, 12).to(dtype)
    proto = exported(module, x, dynamo=dynamo)
    assert ow.compare(proto, module, x.numpy()).passed
    node = next(node for node in proto.graph.node if node.op_type == "Softmax")
    node.op_type = "LogSoftmax"
    found = ow.compare(proto, module, x.numpy())
    assert [blame.key for blame in found.blamed] == [node.output[0]], found
