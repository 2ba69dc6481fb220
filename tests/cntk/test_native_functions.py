"""Graphs of native files are those that the real CNTK 2.7 shows of the same models."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from cntk_recorded_models import FOLDER, structures, variable, without_counters
from native_samples import DATA, real_files

from onnx_workbench.cntk.logging import graph
from onnx_workbench.cntk.native.file import read_buffer, read_file
from onnx_workbench.cntk.native.functions import function_of
from onnx_workbench.cntk.native.values import Shape
from onnx_workbench.core.errors import ModelFileError

MODELS = zipfile.ZipFile(FOLDER / "models.zip")
NAMES = sorted(name.removesuffix(".model") for name in MODELS.namelist() if name.endswith(".model"))


@pytest.fixture(params=NAMES)
def loaded(request):
    return request.param, function_of(read_buffer(MODELS.read(f"{request.param}.model")))


def test_a_loaded_graph_has_cntks_arguments_nodes_names_and_texts(loaded):
    name, model = loaded
    wanted = structures()[name]
    for key in ("arguments", "outputs", "parameters", "constants"):
        assert [variable(one) for one in getattr(model, key)] == wanted[key], key
    assert [without_counters(one) for one in model.arguments] == wanted["argument texts"]
    assert without_counters(model) == wanted["repr"]
    for depth, key in ((0, "depth first"), (-1, "depth first, blocks too")):
        nodes = graph.depth_first_search(model, lambda _: True, depth=depth)
        assert [without_counters(one) for one in nodes] == wanted[key]
    for known in wanted["found by name"]:
        assert graph.find_by_name(model, known).name == known


@pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not on this machine")
@pytest.mark.parametrize("path", real_files("v2"), ids=lambda path: path.name)
def test_real_files_become_graphs_whose_shapes_are_all_known(path):
    model = function_of(read_file(path))
    for node in graph.depth_first_search(model, lambda _: True, depth=-1):
        for output in getattr(node, "outputs", ()):
            assert -2 not in output.shape, f"{output} in {path.name}"
    assert all(parameter.value.shape == parameter.shape for parameter in model.parameters)


def test_uids_survive_and_weights_are_maps_until_they_are_changed():
    content = (
        MODELS.read("Dense.model") if "Dense.model" in MODELS.namelist() else MODELS.read(f"{NAMES[0]}.model")
    )
    dictionary = read_buffer(content)
    model = function_of(dictionary)
    assert {one.uid for one in model.inputs} <= {entry["uid"] for entry in dictionary["inputs"]}
    assert model.root_function.uid == dictionary["root"]
    for parameter in model.parameters:
        before = parameter.value
        parameter.value = before + 1
        np.testing.assert_allclose(parameter.value, before + 1)


def test_attributes_of_another_kind_are_refused():
    dictionary = read_buffer(
        MODELS.read("transpose.model" if "transpose.model" in MODELS.namelist() else "slice.model")
    )
    for function in dictionary["primitive_functions"]:
        function["attributes"] = {}
    with pytest.raises(ModelFileError, match=r"the attributes of '\w+' are not those of"):
        function_of(dictionary)


@pytest.mark.parametrize("reverse", [False, True])
def test_absurdly_nested_blocks_are_refused(reverse):
    """Each block's inside is a graph of one node: the block before it."""
    relu = {"version": 24, "type": "PrimitiveFunction", "uid": "ReLU1", "op": 3, "inputs": ["Placeholder1"]}
    functions = [relu]
    leaf = {"kind": 4, "data_type": 1, "shape": Shape((2,)), "dynamic_axis": []}
    inputs = [{**leaf, "uid": "Placeholder1"}, {**leaf, "uid": "Input1", "kind": 0}]
    for number in range(2000):
        inputs.append({**leaf, "uid": f"Placeholder{number + 2}"})
        outer = "Input1" if number == 1999 else f"Placeholder{number + 2}"
        functions.append(
            {
                "uid": f"Block{number}",
                "op": 57,
                "block_function_op_name": "Deep",
                "block_function_composite": {"root": functions[-1]["uid"]},
                "block_function_composite_arguments_map_keys": [f"Placeholder{number + 1}"],
                "block_function_composite_arguments_map_values": [outer],
                "inputs": [outer],
            }
        )
    whole = {
        "type": "CompositeFunction",
        "root": "Block1999",
        "inputs": inputs,
        "primitive_functions": functions[::-1] if reverse else functions,
    }
    with pytest.raises(ModelFileError, match=r"blocks are nested (more than \d+|too) deep"):
        function_of(whole)
