"""Whom compare blames where several values may be the twin: parts of one, choices far behind, files without names."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, helper, numpy_helper
from torch import nn

import onnx_workbench as ow


class Picked(nn.Module):
    """Queries, keys and values are picked out of one value."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(8, 24)

    def forward(self, x):
        parts = self.inner(x).reshape(2, 5, 3, 8).permute(2, 0, 1, 3)
        return torch.softmax(parts[0] @ parts[1].transpose(-1, -2), -1) @ parts[2]


class Routed(nn.Module):
    """What a choice makes of a score: a small bias changes the score, and seldom the choice."""

    def __init__(self):
        super().__init__()
        self.score = nn.Linear(12, 4)

    def forward(self, x):
        weight, chosen = self.score(x).softmax(-1).topk(2, -1)
        mask = nn.functional.one_hot(chosen, 4).to(x.dtype)
        weight = weight / weight.sum(-1, keepdim=True)
        return (mask * weight.unsqueeze(-1)).sum(-2)


def exported(module: nn.Module, x: torch.Tensor, *, dynamo: bool) -> ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x,), buffer, dynamo=dynamo, verbose=False)
    return onnx.load_from_string(buffer.getvalue())


def made(kind: type[nn.Module], *shape: int, dtype: torch.dtype) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(3)
    return kind().eval().to(dtype), torch.randn(*shape).to(dtype)


def without_names(proto: ModelProto) -> ModelProto:
    """Return the same graph with other names for what is inside, and nothing noted on its nodes."""
    kept = {value.name for value in [*proto.graph.input, *proto.graph.output]} | {""}
    new: dict[str, str] = {}
    for node in proto.graph.node:
        node.ClearField("name")
        del node.metadata_props[:]
        for names in (node.input, node.output):
            names[:] = [name if name in kept else new.setdefault(name, f"v{len(new)}") for name in names]
    for weight in proto.graph.initializer:
        weight.name = new.get(weight.name, weight.name)
    del proto.graph.value_info[:]
    return proto


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_a_part_picked_one_later_is_blamed_itself(dynamo):
    module, x = made(Picked, 2, 5, 8, dtype=torch.float32)
    proto = exported(module, x, dynamo=dynamo)
    assert ow.compare(proto, module, x.numpy()).passed
    picks = [node for node in proto.graph.node if node.op_type == "Gather"]
    picks[1].input[1] = "two"
    proto.graph.initializer.append(numpy_helper.from_array(np.array(2), "two"))
    found = ow.compare(proto, module, x.numpy())
    assert [blame.key for blame in found.blamed] == [picks[1].output[0]], found


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_a_choice_that_falls_out_alike_far_behind_tells_no_twin(dynamo):
    module, x = made(Routed, 2, 5, 12, dtype=torch.float16)
    proto = exported(module, x, dynamo=dynamo)
    (node,) = [node for node in proto.graph.node if node.op_type == "MatMul"]
    name, place = node.output[0], list(proto.graph.node).index(node)
    node.output[0] = "before"
    proto.graph.initializer.append(numpy_helper.from_array(np.array([3, 0, 1, 2]), "order"))
    proto.graph.node.insert(place + 1, helper.make_node("Gather", ["before", "order"], [name], axis=2))
    found = ow.compare(proto, module, x.numpy())
    assert [(blame.key, blame.region) for blame in found.blamed] == [(name, (name,))], found


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_a_file_without_names_is_compared_with_an_export_by_the_same_exporter(dynamo):
    module, x = made(Routed, 2, 5, 12, dtype=torch.float16)
    proto = without_names(exported(module, x, dynamo=dynamo))
    found = ow.compare(proto, module, x.numpy())
    assert found.passed, found


class Kept(nn.Module):
    """A score is compared with a limit that half precision has to round."""

    def forward(self, x):
        return (x * 1.0).abs() > 0.6


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_a_limit_may_be_rounded_and_no_more(dynamo):
    x = torch.linspace(-2, 2, 41).half().reshape(1, 41)
    proto = exported(Kept().eval(), x, dynamo=dynamo)
    assert ow.compare(proto, Kept().eval(), x.numpy()).passed
    (node,) = [node for node in proto.graph.node if node.op_type == "Greater"]
    node.op_type = "Less"
    found = ow.compare(proto, Kept().eval(), x.numpy())
    assert [blame.key for blame in found.blamed] == [node.output[0]], found


def test_kernels_that_skip_a_rounding_of_half_precision_are_not_blamed(tmp_path):
    """Most operators have no half-precision kernels here: onnxruntime leaves out the casts between two of them."""
    graph = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 20]>
        g (float16[8, 16] x) => (float[16, 8] turned)
        <float16[16] shift = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7}>
        {
            s = Softmax (x)
            y = Mul (s, s)
            z = Add (y, shift)
            wide = Cast <to = 1> (z)
            turned = Transpose <perm = [1, 0]> (wide)
        }
    """)
    path = tmp_path / "half.onnx"
    onnx.save(graph, path)
    x = np.random.default_rng(1).normal(size=(8, 16)).astype(np.float16)
    found = ow.compare(ow.Session(path), path, x)
    assert found.passed, found
    graph.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.arange(16).astype(np.float16), "shift"))
    found = ow.compare(ow.Session(graph), path, x)
    assert [blame.key for blame in found.blamed] == ["turned"], found


def test_a_name_that_went_over_to_a_value_of_another_shape_is_no_fault():
    """Tools that merge two nodes leave the name of one to what both compute."""
    both = """
        <ir_version: 10, opset_import: ["": 20]>
        g (float[6, 4] x) => (float[2, 4, 3] y)
        <int64[2] flat = {3, 8}, int64[3] deep = {3, 2, 4}, int64[3] last = {2, 4, 3}>
        {
            a = Tanh (x)
            CHANGE
            y = Exp (r)
        }
    """
    plain = "p = Reshape (a, flat) q = Transpose <perm = [1, 0]> (p) r = Reshape (q, last)"
    merged = "p = Reshape (a, deep) r = Transpose <perm = [1, 2, 0]> (p)"
    two, one = (onnx.parser.parse_model(both.replace("CHANGE", change)) for change in (plain, merged))
    x = np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32)
    found = ow.compare(one, two, x)
    assert found.passed, found
