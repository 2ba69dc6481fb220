"""Exports of PyTorch modules: the oracle is PyTorch itself, run beside onnxruntime and the reference evaluator."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from onnx_workbench.core.errors import (
    ExportError,
    MissingPackageError,
    UnknownSourceError,
    WorkbenchWarning,
)
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.core.provenance import source_line
from onnx_workbench.sources.open import open_model
from onnx_workbench.sources.pytorch_metadata import METADATA_ATTRIBUTE


def arrays(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class Convnet(nn.Module):
    """Two convolutions with BatchNorm that read the same value; exporters have mixed such biases up."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.norm_left, self.norm_right = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(4, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        both = self.norm_left(self.left(image)) - self.norm_right(self.right(image)).relu()
        return self.head(self.drop(both).mean((2, 3)))


class Pair(nn.Module):
    def forward(self, image, mask=None):
        return image * 2 if mask is None else (image * mask, mask + 1)


@pytest.fixture(scope="module")
def convnet() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = Convnet()
        for _ in range(4):
            module(torch.randn(16, 3, 8, 8) * 2 + 1)  # BatchNorm's statistics move away from 0 and 1
    return module.eval()


@pytest.fixture(scope="module")
def exported(convnet):
    return open_model(convnet, example_inputs=arrays(1, 3, 8, 8))


def outputs(model, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Run the finished file's bytes by onnxruntime itself."""
    session = onnxruntime.InferenceSession(model.to_bytes(), providers=["CPUExecutionProvider"])
    return session.run(None, feed)


# What is written


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_any_batch_size_gives_what_pytorch_gives_although_the_example_had_one_item(exported, convnet, batch):
    image = arrays(batch, 3, 8, 8, seed=batch)
    with torch.no_grad():
        expected = convnet(torch.from_numpy(image)).numpy()
    (actual,) = outputs(exported, {"image": image})
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-5)


def test_the_reference_evaluator_agrees(exported, convnet):
    image = arrays(3, 3, 8, 8)
    with torch.no_grad():
        expected = convnet(torch.from_numpy(image)).numpy()
    (actual,) = onnx.reference.ReferenceEvaluator(exported.to_proto()).run(None, {"image": image})
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-5)


def test_inputs_are_named_after_forwards_arguments_and_the_batch_is_called_n(exported):
    assert [str(value) for value in exported.inputs] == ["image: float32 (N, 3, 8, 8)"]
    assert [str(value) for value in exported.outputs] == ["output: float32 (N, 5)"]
    assert exported.source == "PyTorch Convnet"


def test_the_saved_model_is_one_file_and_passes_onnxs_own_checker(exported, tmp_path):
    exported.save(tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"), full_check=True)


def test_the_temporary_file_goes_when_the_model_goes(convnet, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = open_model(convnet, example_inputs=arrays(2, 3, 8, 8))
    assert len(list(tmp_path.iterdir())) == 1
    del model
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_nodes_keep_their_module_and_source_line_without_paths_of_the_machine(exported):
    traces = [node.metadata["pkg.torch.onnx.stack_trace"] for node in exported.nodes if node.metadata]
    assert any("test_pytorch.py" in trace for trace in traces)
    assert any('File "torch/nn/modules' in trace for trace in traces)
    content = exported.to_bytes()
    for folder in (Path.cwd(), Path(torch.__file__).parents[1], Path.home()):
        assert f'File "{folder}'.encode() not in content
    assert any(
        "left" in node.metadata["pkg.torch.onnx.name_scopes"] for node in exported.nodes if node.metadata
    )


def test_the_line_of_a_node_is_that_of_the_program_and_not_of_torch(exported):
    lines = {source_line(node) for node in exported.nodes if node.metadata}
    assert lines
    assert all("test_pytorch.py:" in line for line in lines)


def test_labels_and_preprocessing_go_into_the_file(convnet, tmp_path):
    steps = Preprocessing(size=(8, 8), mean=0.5, std=0.5)
    model = open_model(
        convnet, example_inputs=arrays(2, 3, 8, 8), labels=["a", "b", "c", "d", "e"], preprocessing=steps
    )
    model.save(tmp_path / "model.onnx")
    reloaded = open_model(tmp_path / "model.onnx")
    assert reloaded.labels == ("a", "b", "c", "d", "e")
    assert reloaded.preprocessing == steps
    assert [value.name for value in reloaded.outputs] == ["logits"]


def test_what_is_noted_on_the_module_is_taken_and_arguments_win():
    module = nn.Linear(3, 2).eval()
    setattr(
        module, METADATA_ATTRIBUTE, {"labels": ("no", "yes"), "preprocessing": Preprocessing(size=(1, 1))}
    )
    model = open_model(module, example_inputs=arrays(2, 3), labels=["cat", "dog"])
    assert model.labels == ("cat", "dog")
    assert model.preprocessing == Preprocessing(size=(1, 1))


@pytest.mark.parametrize("opset", [18, 20])
def test_the_opset_asked_for_is_written(opset):
    module = nn.Linear(3, 2).eval()
    model = open_model(module, example_inputs=arrays(2, 3), opset=opset)
    assert next(entry.version for entry in model.to_proto().opset_import if not entry.domain) == opset


# Names, and forms of inputs and outputs


def test_names_can_be_chosen():
    model = open_model(
        Pair().eval(),
        example_inputs=(arrays(2, 3), arrays(2, 3)),
        input_names=["x", "m"],
        output_names=["product", "next"],
    )
    assert [value.name for value in (*model.inputs, *model.outputs)] == ["x", "m", "product", "next"]


@pytest.mark.parametrize(
    "names", [{"input_names": "image"}, {"input_names": ["a", "b"]}, {"output_names": ["a", "b"]}]
)
def test_a_wrong_number_of_names_is_refused(names):
    (option,) = names
    with pytest.raises(ExportError, match=rf"{option}=.*a list of 1 different name"):
        open_model(nn.Linear(3, 2).eval(), example_inputs=arrays(2, 3), **names)


def test_a_dict_goes_by_the_names_of_forwards_arguments():
    image, mask = arrays(2, 3), arrays(2, 3, seed=1)
    model = open_model(Pair().eval(), example_inputs={"mask": mask, "image": image})
    wide = {"image": arrays(5, 3, seed=2), "mask": arrays(5, 3, seed=3)}
    product, after = outputs(model, wide)
    np.testing.assert_allclose(product, wide["image"] * wide["mask"], rtol=1e-6)
    np.testing.assert_allclose(after, wide["mask"] + 1, rtol=1e-6)


class Scaled(nn.Module):
    def forward(self, x, factor):
        return {"times": x * factor, "total": x.sum()}


class Found(NamedTuple):
    boxes: torch.Tensor
    scores: torch.Tensor


class Boxes(nn.Module):
    def forward(self, x):
        return Found(x * 2, x + 1)


class Sum(nn.Module):
    def forward(self, *parts):
        return sum(parts)


class Same(nn.Module):
    def forward(self, output):
        return output * 2


class ListOfTwo(nn.Module):
    def forward(self, both):
        return both[0] + both[1]


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.memory = nn.Embedding(10, 4), nn.LSTM(4, 6, batch_first=True)

    def forward(self, tokens):
        return self.memory(self.table(tokens))[0]


two = (arrays(2, 3), arrays(2, 3, seed=1))


@pytest.mark.parametrize(
    ("module", "example", "inputs", "names"),
    [
        (Pair(), (two[0], None), ["image: float32 (N, 3)"], ["output"]),
        (Scaled(), (two[0], 2.5), ["x: float32 (N, 3)"], ["times", "total"]),
        (
            Scaled(),
            (two[0], torch.tensor(2.5)),
            ["x: float32 (N, 3)", "factor: float32 ()"],
            ["times", "total"],
        ),
        (Boxes(), torch.zeros(1, 3), ["x: float32 (N, 3)"], ["boxes", "scores"]),
        (Sum(), two, ["parts_0: float32 (N, 3)", "parts_1: float32 (N, 3)"], ["output"]),
        (Same(), two[0], ["output: float32 (N, 3)"], ["output_output"]),
        (ListOfTwo(), (list(two),), ["both_0: float32 (N, 3)", "both_1: float32 (N, 3)"], ["output"]),
        (Tokens(), np.array([[1, 2, 3]]), ["tokens: int64 (N, 3)"], ["output"]),
        (nn.Linear(3, 2).half(), torch.zeros(2, 3).half(), ["input: float16 (N, 3)"], ["output"]),
        (nn.DataParallel(nn.Linear(3, 2)), two[0], ["input: float32 (N, 3)"], ["output"]),
    ],
    ids=lambda item: type(item).__name__ if isinstance(item, nn.Module) else "",
)
def test_each_form_of_arguments_gives_readable_names_and_a_dynamic_batch(module, example, inputs, names):
    model = open_model(module.eval(), example_inputs=example)
    assert [str(value) for value in model.inputs] == inputs
    assert [value.name for value in model.outputs] == names


def test_a_compiled_module_is_exported_like_the_module_in_it():
    module = nn.Linear(3, 2).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.compile deprecates parts of itself
        compiled = torch.compile(module)
        model = open_model(compiled, example_inputs=two[0])
    assert [str(value) for value in model.inputs] == ["input: float32 (N, 3)"]


def test_an_exported_program_keeps_its_own_dynamic_shapes():
    module = nn.Linear(3, 2).eval()
    example = (torch.zeros(2, 3),)
    program = torch.export.export(module, example, dynamic_shapes=({0: torch.export.Dim("batch")},))
    model = open_model(program, output_names=["sum"])
    assert [str(value) for value in (*model.inputs, *model.outputs)] == [
        "input: float32 (N, 3)",
        "sum: float32 (N, 2)",
    ]
    static = open_model(torch.export.export(module, example))
    assert static.inputs[0].shape == (2, 3)


def test_a_fixed_batch_can_be_asked_for():
    model = open_model(nn.Linear(3, 2).eval(), example_inputs=two[0], dynamic_batch=False)
    assert model.inputs[0].shape == (2, 3)


# Modes, warnings, silence


def test_a_module_in_training_mode_is_exported_in_eval_mode_and_this_is_said(convnet):
    image = arrays(6, 3, 8, 8)
    with torch.no_grad():
        expected = convnet(torch.from_numpy(image)).numpy()
    convnet.train()
    convnet.norm_left.eval()  # a user may have frozen a part
    before = {name: part.training for name, part in convnet.named_modules()}
    statistics = convnet.norm_right.running_mean.clone()
    try:
        with pytest.warns(WorkbenchWarning, match="Convnet was in training mode") as told:
            model = open_model(convnet, example_inputs=image)
        assert {name: part.training for name, part in convnet.named_modules()} == before
    finally:
        convnet.eval()
    assert told[0].filename == __file__
    assert torch.equal(convnet.norm_right.running_mean, statistics)
    np.testing.assert_allclose(outputs(model, {"image": image})[0], expected, rtol=1e-3, atol=1e-5)


def test_modes_come_back_after_a_failed_export_too():
    module = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
    module[1].eval()
    with pytest.warns(WorkbenchWarning, match="training mode"), pytest.raises(ExportError):
        open_model(module, example_inputs=arrays(2, 4))
    assert [part.training for part in module.modules()] == [True, True, False]


def test_an_export_prints_and_warns_nothing_in_a_fresh_process():
    code = (
        "import torch, onnx_workbench as ow\n"
        "ow.open_model(torch.nn.Conv2d(3, 4, 3).eval(), example_inputs=torch.zeros(1, 3, 8, 8))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always::UserWarning", "-c", code], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


class Unrolled(nn.Module):
    def forward(self, x):
        return torch.stack([x[i] * i for i in range(x.shape[0])])


def test_a_batch_that_cannot_vary_is_fixed_and_this_is_said():
    x = arrays(3, 5)
    with pytest.warns(WorkbenchWarning, match=r"batch size of Unrolled is fixed at 3[\s\S]*flatten") as told:
        model = open_model(Unrolled().eval(), example_inputs=x)
    assert told[0].filename == __file__
    assert model.inputs[0].shape == (3, 5)
    np.testing.assert_allclose(outputs(model, {"x": x})[0], x * [[0], [1], [2]], rtol=1e-6)


# What goes wrong


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Eigenvalues(nn.Module):
    def forward(self, x):
        return torch.linalg.eigvals(x)


class Nothing(nn.Module):
    def forward(self, x):
        self.last = x


class Words(nn.Module):
    def forward(self, x):
        return {"what": f"{x.shape[0]} cats"}


@pytest.mark.parametrize(
    ("module", "example", "message"),
    [
        (nn.Linear(3, 2), None, r"needs example inputs:\nopen_model\(module, example_inputs=torch"),
        (nn.Linear(3, 2), (), r"do not fit Linear\.forward\(input.*missing a required argument: 'input'"),
        (nn.Linear(3, 2), {"y": two[0]}, r"do not fit Linear\.forward\(input"),
        (nn.Linear(3, 2), arrays(2, 4), r"Linear itself does not run on .*float32 \(2, 4\)"),
        (nn.Linear(3, 2), np.zeros((2, 3)), r"float64 by default: give  x\.astype\(np\.float32\)"),
        (nn.Conv2d(3, 4, 3), arrays(2, 8, 8, 3), r"seem to be NHWC.*np\.transpose\(x, \(0, 3, 1, 2\)\)"),
        (Branching(), two[0], r"forward decides by the values of a tensor.*torch\.where"),
        (Eigenvalues(), arrays(2, 3, 3), "ONNX has no such operator"),
        (Nothing(), two[0], "forward returns NoneType, and the outputs of an ONNX model are tensors"),
        (Words(), two[0], "forward returns str"),
    ],
)
def test_a_failed_export_says_why_in_a_few_lines(module, example, message):
    with pytest.raises(ExportError, match=message) as raised:
        open_model(module.eval(), example_inputs=example)
    assert len(str(raised.value).splitlines()) <= 3
    assert len(str(raised.value)) < 900


@pytest.mark.parametrize("make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.zeros(2, 3))])
def test_torchscript_is_refused_with_the_way_out(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        scripted = make(nn.Linear(3, 2).eval())
    with pytest.raises(ExportError, match="Give the original Python module"):
        open_model(scripted, example_inputs=two[0])


@pytest.mark.parametrize("opset", [3, 99])
def test_an_opset_that_torch_does_not_write_is_refused(opset):
    with pytest.raises(ExportError, match=f"cannot write opset {opset}: it wrote"):
        open_model(nn.Linear(3, 2).eval(), example_inputs=two[0], opset=opset)


def test_a_class_instead_of_a_module_is_told(convnet):
    with pytest.raises(
        UnknownSourceError, match=r"the class Convnet itself. Make an object of it first: Convnet\(\)"
    ):
        open_model(Convnet, example_inputs=arrays(2, 3, 8, 8))


def test_without_onnxscript_the_install_line_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'onnx-workbench\[torch\]'"):
        open_model(nn.Linear(3, 2).eval(), example_inputs=two[0])


def test_a_failed_export_leaves_no_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ExportError, match="values of a tensor"):
        open_model(Branching().eval(), example_inputs=two[0])
    assert list(tmp_path.iterdir()) == []


def test_opening_a_file_imports_no_torch(exported, tmp_path):
    exported.save(tmp_path / "model.onnx")
    code = (
        "import json, sys, onnx_workbench as ow; ow.open_model(sys.argv[1]);"
        " print(json.dumps('torch' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.onnx")], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) is False
