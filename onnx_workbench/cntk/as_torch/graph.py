"""Lowered graphs run by torch, so that gradients flow back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from onnx_workbench.cntk.as_torch.operators import Tensor
from onnx_workbench.cntk.as_torch.windows import WINDOW_OPERATORS, max_pool_with_places
from onnx_workbench.cntk.errors import UnsupportedOperatorError
from onnx_workbench.core.formatting import clean_text

Environment = dict[str, Tensor]


def run_model(model: ModelProto, feeds: Environment, weights: Environment) -> Environment:
    """Return all values of a model; `weights` take the place of initializers of the same names."""
    values = dict(feeds)
    for initializer in model.graph.initializer:
        name = initializer.name
        values[name] = weights[name] if name in weights else _constant(initializer)
    _run_nodes(model.graph.node, values)
    return values


def _constant(initializer: Any) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(initializer).copy())


def _run_nodes(nodes: Iterable[NodeProto], values: Environment) -> None:
    for node in nodes:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        attributes = {
            key: value.decode() if isinstance(value, bytes) else value for key, value in attributes.items()
        }
        found = _run_node(node, attributes, values)
        for name, value in zip(node.output, found, strict=False):
            values[name] = value


def _run_node(node: NodeProto, attributes: dict[str, Any], values: Environment) -> tuple[Tensor, ...]:
    if node.op_type == "Scan":
        return _scan(node, attributes, values)
    inputs = [values[name] for name in node.input if name]
    if node.op_type == "MaxPool" and len(node.output) > 1:
        return max_pool_with_places(inputs[0], attributes)
    if node.doc_string == "Limit":
        inputs = [inputs[0], inputs[1].detach()]
    operator = WINDOW_OPERATORS.get(node.op_type)
    if operator is None:
        raise UnsupportedOperatorError(
            f"Gradients do not go through {node.op_type} ({clean_text(node.name)}); evaluate the part before it."
        )
    found = operator(inputs, attributes)
    if node.doc_string == "StopGradient":
        found = found.detach()
    elif node.doc_string == "StraightThrough":
        source = inputs[0]
        found = source + (found - source).detach()
    return found if isinstance(found, tuple) else (found,)


def _scan(node: NodeProto, attributes: dict[str, Any], values: Environment) -> tuple[Tensor, ...]:
    """Run a body for each step, states first among its inputs and outputs."""
    body: GraphProto = attributes["body"]
    count = attributes["num_scan_inputs"]
    states = [values[name] for name in node.input[: len(node.input) - count]]
    sequences = [values[name] for name in node.input[len(node.input) - count :]]
    axes = attributes.get("scan_input_axes", [0] * count)
    backwards = attributes.get("scan_input_directions", [0] * count)
    length = sequences[0].shape[axes[0]]
    results: list[list[Tensor]] = [[] for _ in body.output[len(states) :]]
    names = [one.name for one in body.input]
    for step in range(length):
        inner = dict(values)
        inner.update(zip(names, states, strict=False))
        for name, sequence, axis, back in zip(names[len(states) :], sequences, axes, backwards, strict=True):
            inner[name] = sequence.select(axis, length - 1 - step if back else step)
        _run_nodes(body.node, inner)
        found = [inner[one.name] for one in body.output]
        states = found[: len(states)]
        for kept, value in zip(results, found[len(states) :], strict=True):
            kept.append(value)
    out_axes = attributes.get("scan_output_axes", [0] * len(results))
    out_backwards = attributes.get("scan_output_directions", [0] * len(results))
    whole = [
        torch.stack(kept[::-1] if back else kept, dim=axis)
        for kept, axis, back in zip(results, out_axes, out_backwards, strict=True)
    ]
    return (*states, *whole)
