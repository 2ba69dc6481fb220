"""Provenance after tools: the oracle is the module tree of torch, whose names the weights in the file bear."""

from __future__ import annotations

import base64
import warnings
import zlib

import onnx
import onnxruntime
import pytest
import tiny_models
import torch
from onnx import GraphProto, version_converter
from processor_time import bounded_work
from torch import nn

from onnx_workbench.core.errors import ModelFileError, WorkbenchWarning
from onnx_workbench.core.provenance import class_name, module_path, qualified_name, source_line
from onnx_workbench.core.provenance_record import RECORD_KEY
from onnx_workbench.runtime.reattachment import with_provenance_of
from onnx_workbench.sources.open import open_model


class Branches(nn.Module):
    """Two like branches on the same value, and a residual sum: what order alone would mix up."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.tail = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 5))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.tail(torch.relu(self.left(image)) + torch.tanh(self.right(image)))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("provenance") / "branches.onnx"
    open_model(Branches().eval(), example_inputs=torch.zeros(1, 3, 8, 8)).save(path)
    return path


def bare(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Drop what nodes hold, as slimmers do."""
    for node in proto.graph.node:
        del node.metadata_props[:]
    return proto


def converted(path):
    return version_converter.convert_version(onnx.load(path), 18)


def optimised(path, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    target = path.with_name(f"{level.name}.onnx")
    options.optimized_model_filepath, options.log_severity_level = str(target), 4
    onnxruntime.InferenceSession(path, options)
    return onnx.load(target)


def renamed(path):
    proto = bare(onnx.load(path))
    names = {
        name: f"v{i}_{k}" for i, node in enumerate(proto.graph.node) for k, name in enumerate(node.output)
    }
    names |= {value.name: value.name for value in proto.graph.output}
    for i, node in enumerate(proto.graph.node):
        node.name = f"n{i}"
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    del proto.graph.value_info[:]
    return proto


LEVELS = onnxruntime.GraphOptimizationLevel
CHANGES = {
    "stripped": lambda path: bare(onnx.load(path)),
    "converted": converted,
    "renamed": renamed,
    "extended": lambda path: optimised(path, LEVELS.ORT_ENABLE_EXTENDED),
    "all": lambda path: optimised(path, LEVELS.ORT_ENABLE_ALL),
}


def module_of(node) -> str:
    return qualified_name(module_path(node))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_node_of_a_changed_file_says_its_module_class_and_line_when_it_is_opened(exported, change):
    model = open_model(change(exported))
    computing = [node for node in model.nodes if node.op_type not in {"ReorderInput", "ReorderOutput"}]
    modules = dict(Branches().named_modules())
    for node in computing:
        assert source_line(node), node.key
        kind = modules[module_of(node)]
        assert class_name(node) == f"{type(kind).__module__}.{type(kind).__qualname__}"
    convolutions = [module_of(node) for node in computing if "Conv" in node.op_type]
    assert sorted(convolutions) == ["left", "right", "tail.0"]
    for node in computing:
        owners = {name.rpartition(".")[0] for name in node.inputs if name.rpartition(".")[0] in modules} - {
            ""
        }
        assert not owners or module_of(node) in owners


def test_the_tools_alone_lose_it(exported):
    proto = converted(exported)
    assert not any(node.metadata_props for node in proto.graph.node)


def test_a_file_without_a_record_gets_it_from_the_original_and_keeps_it(exported, tmp_path):
    changed = converted(exported)
    del changed.metadata_props[:]
    assert not any(map(module_path, open_model(changed).nodes))
    path = with_provenance_of(changed, exported).save(tmp_path / "changed.onnx")
    again = open_model(bare(onnx.load(path)))
    assert {"left", "right", "tail.0", "tail.3"} <= {module_of(node) for node in again.nodes}


def test_names_of_the_older_exporter_are_provenance_too(tmp_path):
    path = tmp_path / "older.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Branches().eval(), (torch.zeros(1, 3, 8, 8),), path, dynamo=False)
    model = with_provenance_of(renamed(path), path)
    assert {"left", "right"} <= {module_of(node) for node in model.nodes if node.op_type == "Conv"}


def test_an_original_without_provenance_is_refused(exported):
    with pytest.raises(ModelFileError, match="has no provenance to give"):
        with_provenance_of(exported, tiny_models.convnet())


def test_what_a_file_still_has_is_not_touched(exported):
    proto = onnx.load(exported)
    for node in proto.graph.node[1:]:
        del node.metadata_props[:]
    proto.graph.node[0].metadata_props[0].value = "its own"
    assert open_model(proto).nodes[0].proto.metadata_props[0].value == "its own"


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


TWICE = GraphProto()
for _ in range(2):
    TWICE.node.add(op_type="Relu", input=["x"], output=["y"])


@pytest.mark.parametrize(
    "record",
    [
        *("", "é", "no base64!", "AAAA"),
        *map(packed, (b"\xff" * 100, b"\0" * (33 << 20), TWICE.SerializeToString())),
        packed(b"x")[:-8],
    ],
)
def test_a_damaged_record_is_passed_over_with_a_word(record):
    proto = tiny_models.convnet()
    proto.metadata_props.add(key=RECORD_KEY, value=record)
    with pytest.warns(WorkbenchWarning, match="record of provenance .* passed over"):
        model = open_model(proto)
    assert len(model.nodes) == len(proto.graph.node)


def test_a_record_of_another_model_gives_nothing_that_it_does_not_know(exported):
    proto = tiny_models.model("g (float[N,4] x) => (float[N,4] y) { a = Sin(x) y = Neg(a) }")
    record = next(e.value for e in onnx.load(exported).metadata_props if e.key == RECORD_KEY)
    proto.metadata_props.add(key=RECORD_KEY, value=record)
    assert not any(map(module_path, open_model(proto).nodes))


@pytest.mark.parametrize("nodes", [99, 500])
def test_a_record_made_to_take_long_does_not(nodes):
    record = GraphProto()
    count = 5000
    for index in range(count):
        record.node.add(name=f"n{index}", op_type="Relu", input=[f"h{index}"], output=[f"h{index + 1}"])
    for index in range(count):
        record.node.add(name=f"e{index}", op_type="Neg", input=[f"h{count}"], output=[f"y{index}"])
    record.node[0].metadata_props.add(key="namespace", value="a/b")
    body = " ".join(f"y{index} = Sin(x)" for index in range(nodes))
    proto = tiny_models.model(f"g (float[1] x) => (float[1] y0) {{ {body} }}")
    proto.metadata_props.add(key=RECORD_KEY, value=packed(record.SerializeToString()))
    with bounded_work(30), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        open_model(proto)
    assert ["too many to place" in str(item.message) for item in said] == [True] * (nodes > 99)


def test_the_record_is_small_beside_the_graph(exported):
    proto = onnx.load(exported)
    record = next(e.value for e in proto.metadata_props if e.key == RECORD_KEY)
    assert len(record) < proto.ByteSize() / 4
