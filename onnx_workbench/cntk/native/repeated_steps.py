"""Sequences made longer or shorter by a constant factor, as `UnfoldFrom` makes them to have room for more steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onnx_workbench.cntk.native.graph import NativeGraph, Primitive
from onnx_workbench.cntk.native.rnn_stacks import opened_stacks
from onnx_workbench.cntk.native.values import StoredArray

REPEATED = "WhereOften"
"""A `Where` whose operand is the same number, neither 0 nor 1, in each step: each counts so many times."""


def taken_apart(graph: NativeGraph) -> NativeGraph:
    """Return a graph in which what ONNX has other words for is told in those."""
    return with_repeated_steps(opened_stacks(graph))


def with_repeated_steps(graph: NativeGraph) -> NativeGraph:
    """Return a graph whose choices of steps by a constant number are told from choices by flags."""
    found = {
        uid: changed
        for uid, one in graph.primitives.items()
        if one.operator == "Where" and (changed := _repeated(graph, one)) is not None
    }
    if not found:
        return graph
    primitives = {uid: found.get(uid, one) for uid, one in graph.primitives.items()}
    producers = {uid: primitives.get(one.uid, one) for uid, one in graph.producers.items()}
    return replace(graph, primitives=primitives, producers=producers)


def _repeated(graph: NativeGraph, primitive: Primitive) -> Primitive | None:
    spread = graph.producers.get(primitive.inputs[0])
    if spread is None or spread.operator != "ReconcileDynamicAxis":
        return None
    leaf = graph.leaves.get(spread.inputs[0])
    if leaf is None or leaf.value is None or int(np.prod(leaf.shape, dtype=np.int64)) != 1:
        return None
    stored = leaf.value
    values = stored.values() if isinstance(stored, StoredArray) else stored
    factor = float(np.asarray(values).reshape(-1)[0])
    if factor in {0.0, 1.0} or not np.isfinite(factor) or factor < 0:
        return None
    attributes = {**primitive.attributes, "factor": factor}
    return replace(primitive, operator=REPEATED, attributes=attributes, inputs=(spread.inputs[1],))
