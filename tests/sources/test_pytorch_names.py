"""Names in an exported model: chosen, or found, and never one for two values."""

from __future__ import annotations

import re

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from onnx_workbench.analysis.parity import check_parity
from onnx_workbench.core.errors import ExportError, WorkbenchWarning
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.sources.open import open_model
from onnx_workbench.sources.pytorch_metadata import METADATA_ATTRIBUTE

X = np.arange(6, dtype=np.float32).reshape(2, 3)


class Scale(nn.Module):
    """An argument and a weight of one name."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, scale: torch.Tensor) -> torch.Tensor:
        return scale * self.scale


class Difference(nn.Module):
    def forward(self, pair: dict[str, torch.Tensor]) -> torch.Tensor:
        return pair["left"] - 2 * pair["right"]


class Echo(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"x": x * 2, "image": x * 3}


class Weighted(nn.Module):
    def forward(self, x: torch.Tensor, *, weight: torch.Tensor) -> torch.Tensor:
        return x - weight


def names(model) -> tuple[list[str], list[str]]:
    return [value.name for value in model.inputs], [value.name for value in model.outputs]


def test_an_argument_that_is_called_like_a_weight_gets_a_name_of_its_own():
    model = open_model(Scale().eval(), example_inputs=X)
    assert names(model) == (["scale_input"], ["output"])
    assert check_parity(model, Scale().eval(), X)


def test_an_output_that_is_called_like_an_input_gets_a_name_of_its_own():
    assert names(open_model(Echo().eval(), example_inputs=X)) == (["x"], ["x_output", "image"])
    pictures = open_model(Echo().eval(), example_inputs=X, preprocessing=Preprocessing(size=(1, 1)))
    assert names(pictures) == (["image"], ["x", "image_output"])


def test_a_dict_as_the_last_argument_stays_an_argument():
    """torch's exporter takes such a dict for keywords."""
    example = {"left": X, "right": X + 1}
    model = open_model(Difference().eval(), example_inputs=(example,))
    assert names(model) == (["pair_0", "pair_1"], ["output"])
    session = onnxruntime.InferenceSession(model.to_bytes(), providers=["CPUExecutionProvider"])
    left, right = np.ones((5, 3), np.float32), np.full((5, 3), 4, np.float32)
    np.testing.assert_array_equal(session.run(None, {"pair_0": left, "pair_1": right})[0], left - 2 * right)


def test_an_argument_that_must_be_named_is_an_input_like_the_others():
    example = {"x": X, "weight": X + 1}
    model = open_model(Weighted().eval(), example_inputs=example)
    assert names(model) == (["x", "weight"], ["output"])
    assert check_parity(model, Weighted().eval(), example)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_names": ["weight"]}, "'weight' is the name of a weight or of an input already"),
        ({"output_names": ["bias"]}, "'bias' is the name of a weight or of an input already"),
        ({"input_names": ["a"], "output_names": ["a"]}, r"output_names=\['a'\]: 'a' is the name of"),
        ({"input_names": [""]}, r"a list of 1 different name\(s\) is needed"),
        ({"input_names": [3]}, r"Without it they are called \['input'\]"),
        ({"output_names": []}, r"output_names=\[\]: a list of 1 different"),
    ],
)
def test_names_that_would_spoil_the_graph_are_refused(options, message):
    with pytest.raises(ExportError, match=message):
        open_model(nn.Linear(3, 2).eval(), example_inputs=X, **options)


def test_what_is_known_of_the_meaning_gives_the_names():
    module = nn.Linear(3, 2).eval()
    steps = Preprocessing(size=(1, 1))
    assert names(open_model(module, example_inputs=X, labels=["no", "yes"])) == (["input"], ["logits"])
    assert names(open_model(module, example_inputs=X, preprocessing=steps)) == (["image"], ["output"])
    chosen = open_model(module, example_inputs=X, preprocessing=steps, input_names=["photo"])
    assert names(chosen) == (["photo"], ["output"])


def test_an_example_noted_on_the_module_is_taken_and_a_given_one_wins():
    module = nn.Linear(3, 2).eval()
    setattr(module, METADATA_ATTRIBUTE, {"example_inputs": X})
    assert open_model(module).inputs[0].shape == ("N", 3)
    assert open_model(module, example_inputs=X[:, np.newaxis]).inputs[0].shape == ("N", 1, 3)


@pytest.mark.parametrize(
    ("module", "example"),
    [
        (nn.LSTM(3, 4, batch_first=True), torch.zeros(1, 5, 3)),
        (nn.GRU(3, 4, batch_first=True, bidirectional=True), torch.zeros(1, 5, 3)),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.zeros(2, 5, 8)),
        (nn.Sequential(nn.Embedding(9, 4), nn.LayerNorm(4)), torch.tensor([[1, 2]])),
    ],
    ids=lambda item: type(item).__name__ if isinstance(item, nn.Module) else "",
)
def test_networks_of_many_kinds_agree_with_pytorch_at_other_batch_sizes(module, example):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = torch.nn.utils.parameters_to_vector(module.parameters())
        torch.nn.utils.vector_to_parameters(torch.randn_like(drawn) * 0.3, module.parameters())
    module.eval()
    model = open_model(module, example_inputs=example)
    generator = np.random.default_rng(1)
    feeds = [
        generator.integers(0, 9, (3, *value.shape[1:]))
        if value.dtype == "int64"
        else generator.normal(size=(3, *value.shape[1:])).astype(value.dtype)
        for value in model.inputs
    ]
    parity = check_parity(model, module, feeds)
    assert sorted({output.batch_size for output in parity.outputs}) == [1, 3, 4]
    assert all(re.fullmatch(r"output(_\d)?", output.output) for output in parity.outputs)


def test_bfloat16_is_exported_although_few_runtimes_take_it():
    with pytest.warns(WorkbenchWarning, match="no kernel for Gemm"):
        model = open_model(nn.Linear(3, 2).bfloat16().eval(), example_inputs=torch.zeros(2, 3).bfloat16())
    assert [value.dtype for value in (*model.inputs, *model.outputs)] == ["bfloat16", "bfloat16"]
