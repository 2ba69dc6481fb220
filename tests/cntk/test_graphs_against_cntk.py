"""Graphs are those of the real CNTK 2.7: arguments, outputs, parameters, names, order and texts, recorded from it."""

from __future__ import annotations

import types

import numpy as np
import pytest
from cntk_recorded_models import cases, structures, variable, without_counters

from onnx_workbench.cntk import axis, default_options, initializer, layers, ops
from onnx_workbench.cntk.logging import graph

FRONT = types.SimpleNamespace(
    **{name: getattr(ops, name) for name in dir(ops) if not name.startswith("_")},
    layers=layers,
    logging=graph,
    Axis=axis.Axis,
    initializer=initializer,
    default_options=default_options.default_options,
    default_override_or=default_options.default_override_or,
    get_default_override=default_options.get_default_override,
)
OWN_NODES = {"local_response_normalization"}
"""Cases that CNTK makes of other nodes than we do."""
NAMES = sorted(set(structures()) & set(cases.CASES))


@pytest.fixture(params=NAMES)
def built(request):
    return request.param, cases.model_of(cases.CASES[request.param], FRONT, np.float32)


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
    nodes = graph.depth_first_search(model, lambda _: True)
    assert [without_counters(one) for one in nodes] == wanted["depth first"]
    if name != "mean_variance_normalization":  # the nodes in its block come in another order
        nodes = graph.depth_first_search(model, lambda _: True, depth=-1)
        assert [without_counters(one) for one in nodes] == wanted["depth first, blocks too"]


def test_what_was_found_by_name_is_found(built):
    name, model = built
    for known in structures()[name]["found by name"]:
        if name not in OWN_NODES:
            assert graph.find_by_name(model, known).name == known
