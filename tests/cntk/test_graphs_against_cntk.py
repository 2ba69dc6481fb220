"""Graphs are those of the real CNTK 2.7: arguments, outputs, parameters, names, order and texts, recorded from it."""

from __future__ import annotations

import numpy as np
import pytest
from cntk_recorded_models import cases, structures, variable, without_counters

import onnx_workbench.cntk as C  # noqa: N812

OWN_NODES = {"local_response_normalization"}
"""Cases that CNTK makes of other nodes than we do."""
NAMES = sorted(set(structures()) & set(cases.CASES))


@pytest.fixture(params=NAMES)
def built(request):
    return request.param, cases.model_of(cases.CASES[request.param], C, np.float32)


def test_arguments_have_the_names_shapes_dtypes_and_order(built):
    name, model = built
    assert [variable(one) for one in model.arguments] == structures()[name]["arguments"]
    assert [without_counters(one) for one in model.arguments] == structures()[name]["argument texts"]


def test_nodes_have_the_names_texts_and_order(built):
    name, model = built
    if name in OWN_NODES:
        pytest.skip("made of other nodes than CNTK's")
    wanted = structures()[name]
    assert [variable(one) for one in model.outputs] == wanted["outputs"]
    assert [variable(one) for one in model.parameters] == wanted["parameters"]
    assert [variable(one) for one in model.constants] == wanted["constants"]
    assert without_counters(model) == wanted["repr"]
    nodes = C.logging.graph.depth_first_search(model, lambda _: True)
    assert [without_counters(one) for one in nodes] == wanted["depth first"]
    if name != "mean_variance_normalization":  # the nodes in its block come in another order
        nodes = C.logging.graph.depth_first_search(model, lambda _: True, depth=-1)
        assert [without_counters(one) for one in nodes] == wanted["depth first, blocks too"]


def test_what_was_found_by_name_is_found(built):
    name, model = built
    for known in structures()[name]["found by name"]:
        if name not in OWN_NODES:
            assert C.logging.graph.find_by_name(model, known).name == known
