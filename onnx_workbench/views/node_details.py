"""What a click on a node is answered with: attributes, types, and what its weights look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx_workbench.core.errors import WorkbenchError
from onnx_workbench.core.formatting import clean_text, format_bytes
from onnx_workbench.core.graph_parts import Node, Tensor
from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance import class_name, module_path, source_line
from onnx_workbench.views.array_statistics import histogram_of, sample_of, statistics_of
from onnx_workbench.views.drawn_graph import DrawnNode, describe_type
from onnx_workbench.views.module_lines import module_facts
from onnx_workbench.views.node_lines import format_product
from onnx_workbench.views.value_details import values_entering, values_leaving
from onnx_workbench.views.value_look import look_at_weight
from onnx_workbench.views.widget_state import attribute_rows

_MOST_WEIGHTS = 8
_MOST_ROWS = 64


def node_details(model: Model, place: int, drawn: DrawnNode) -> dict[str, Any]:
    """Return everything the panel shows of a box, as texts; `place` is the box's number in the graph."""
    node = model.nodes[drawn.members[0]] if drawn.kind == "node" else None
    inputs, outputs = _values_of(model, drawn, node)
    return {
        "node": place,
        "rows": _facts(model, drawn, node),
        "attributes": attribute_rows(model, drawn, limit=400),
        "inputs": _value_rows(model, inputs),
        "outputs": _value_rows(model, outputs),
        "weights": _weights(model, node) if node else [],
        "doc": clean_text(node.doc, limit=2000) if node else "",
    }


def weight_summary(model: Model, tensor: Tensor) -> dict[str, Any]:
    """Return an initializer's facts, statistics, histogram and pictures; of a huge one, those of some pieces."""
    rows = [
        ["type", f"{tensor.dtype} {format_product(tensor.shape)}"],
        ["size", f"{tensor.count:,} elements, {format_bytes(tensor.size_bytes)}"],
    ]
    answer: dict[str, Any] = {
        "name": clean_text(tensor.name),
        "rows": rows,
        "histogram": None,
        "pictures": [],
    }
    try:
        array = model.weight(tensor.name)
        sample = sample_of(array)
    except (WorkbenchError, OSError) as error:
        rows.append(["content", f"cannot be read: {clean_text(str(error), limit=300)}"])
    else:
        if sample is not None:
            rows += statistics_of(sample, tensor.count)
            answer |= {"histogram": histogram_of(sample), "pictures": look_at_weight(array)}
    return answer


def _values_of(model: Model, drawn: DrawnNode, node: Node | None) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names of what a box reads and writes."""
    if node:
        return node.inputs, node.outputs
    if drawn.kind == "module":
        return values_entering(model, drawn), values_leaving(model, drawn)
    return (drawn.values, ()) if drawn.kind == "output" else ((), drawn.values)


def _facts(model: Model, drawn: DrawnNode, node: Node | None) -> list[list[str]]:
    if drawn.kind == "module":
        path = tuple(drawn.name.split("/"))
        facts = module_facts(model, path, [model.nodes[index] for index in drawn.members])
    elif node is None:
        facts = [[drawn.kind, drawn.name]]
    else:
        facts = [
            ["name", node.name],
            ["operator", node.label],
            ["module", " / ".join(module_path(node))],
            ["class", class_name(node)],
            ["source", source_line(node)],
            ["position", f"{node.index:,} in execution order"],
        ]
    return [[noun, clean_text(text, limit=300)] for noun, text in facts if text]


def _value_rows(model: Model, names: Sequence[str]) -> list[list[str]]:
    rows = [
        [clean_text(name), describe_type(model.values.get(name))] if name else ["(left out)", ""]
        for name in names[:_MOST_ROWS]
    ]
    if len(names) > _MOST_ROWS:
        rows.append(["…", f"{len(names) - _MOST_ROWS:,} more"])
    return rows


def _weights(model: Model, node: Node) -> list[dict[str, Any]]:
    names = [name for name in dict.fromkeys(node.inputs) if name in model.initializers]
    return [weight_summary(model, model.initializers[name]) for name in names[:_MOST_WEIGHTS]]
