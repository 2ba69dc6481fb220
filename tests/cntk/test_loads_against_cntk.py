"""CNTK's own ONNX exports are shown as the real CNTK 2.7 shows them, but for the batch, which is an axis here."""

from __future__ import annotations

import json
import zipfile

import pytest
from cntk_recorded_models import FOLDER

import onnx_workbench.cntk as C  # noqa: N812

LOADS = json.loads((FOLDER / "loads.json").read_text())
SHOWN = sorted(name for name, found in LOADS.items() if "nodes" in found)
RECURRENT = {"GRU", "LSTM", "RNNStep"}
# A window over what has no batch axis is a block in CNTK 2.7, of a name that it got by mistake.
WINDOWS = {"Pooling", "BatchNormalization", "ReduceElements", "MeanVarianceNormalization"}
KINDS = {"CompositeFunctionOpName": WINDOWS, "ConvolutionTranspose": {"Convolution", "Slice"}}


@pytest.fixture(scope="module")
def exports():
    with zipfile.ZipFile(FOLDER / "models.zip") as models:
        yield {name: models.read(name) for name in SHOWN}


@pytest.mark.parametrize("name", SHOWN)
def test_arguments_and_outputs_have_the_names_and_order_of_cntk(name, exports):
    loaded, expected = C.Function.load(exports[name], format=C.ModelFormat.ONNX), LOADS[name]
    assert [one.name for one in loaded.arguments] == [one[0] for one in expected["arguments"]]
    assert [one.name for one in loaded.outputs] == [one[0] for one in expected["outputs"]]
    for variable, (_, shape, _, dynamic) in zip(loaded.outputs, expected["outputs"], strict=True):
        whole = [n for n in variable.shape if n >= 0]
        assert whole == [n for n in shape if n >= 0][-len(whole) :]
        assert dynamic == 0


@pytest.mark.parametrize(
    "name", [one for one in SHOWN if not RECURRENT & {op for op, _ in LOADS[one]["nodes"]}]
)
def test_nodes_are_found_under_the_names_and_as_the_operators_of_cntk(name, exports):
    loaded = C.Function.load(exports[name], format=C.ModelFormat.ONNX)
    for op_name, node in LOADS[name]["nodes"]:
        if not node or not op_name or node.endswith("_pad"):  # padding is part of the convolution here
            continue
        found = loaded.find_by_name(node)
        assert found is not None, node
        expected = KINDS.get(op_name, {op_name})
        assert found.op_name.removeprefix("ONNX::") in expected, node


@pytest.fixture
def as_cntk_2_7():
    C.set_global_option("onnx_batch_axis", False)
    yield
    C.set_global_option("onnx_batch_axis", True)


@pytest.mark.usefixtures("as_cntk_2_7")
@pytest.mark.parametrize("name", SHOWN)
def test_on_request_the_batch_is_a_static_axis_and_weights_are_constants(name, exports):
    loaded, expected = C.Function.load(exports[name], format=C.ModelFormat.ONNX), LOADS[name]
    shown = [[one.name, list(one.shape), len(one.dynamic_axes)] for one in loaded.arguments]
    assert shown == [[one[0], one[1], one[3]] for one in expected["arguments"]]
    assert expected["parameters"] == []
    assert loaded.parameters == ()
