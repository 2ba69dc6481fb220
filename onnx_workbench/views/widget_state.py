"""What the browser is told: the drawn graph, its positions and colours, as plain lists that JSON can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_parts import Subgraph, Tensor
from onnx_workbench.core.model import Model
from onnx_workbench.views.drawn_graph import DrawnGraph, DrawnNode, describe_type
from onnx_workbench.views.edge_curves import path_data
from onnx_workbench.views.module_frames import ModuleFrame
from onnx_workbench.views.node_lines import format_product
from onnx_workbench.views.operator_families import FAMILIES, FAMILY_NUMBERS
from onnx_workbench.views.overlay import NO_NUMBER, NO_NUMBER_DARK, NOT_FINITE, RAMP, PaintedOverlay
from onnx_workbench.views.picture import Picture

MOST_ATTRIBUTES_IN_STATE = 2000
_MOST_VALUES = 32


def graph_state(graph: DrawnGraph, model: Model) -> dict[str, Any]:
    """Return the graph for the widget. It suffices to draw and search without a kernel."""
    layout = graph.layout
    return {
        "name": graph.name,
        "notice": graph.notice,
        "width": layout.width,
        "height": layout.height,
        "families": [
            {"name": family.name, "light": asdict(family.light), "dark": asdict(family.dark)}
            for family in FAMILIES
        ],
        "nodes": _node_columns(graph, model),
        "edges": {
            "source": [edge.source for edge in graph.edges],
            "target": [edge.target for edge in graph.edges],
            "path": [path_data(route) for route in layout.routes],
        },
        "labels": _labels(graph),
        "values": _value_types(graph, model),
    }


def modules_state(
    graph: DrawnGraph, model: Model, frames: Sequence[ModuleFrame], innermost: Sequence[int]
) -> dict[str, Any]:
    """Return what the widget knows of modules: the frames of open ones, and what closed ones hide."""
    drawn = [frame for frame in frames if frame.corner]
    places = {id(frame): at for at, frame in enumerate(drawn)}
    hidden = [
        (place, index)
        for place, box in enumerate(graph.nodes)
        if box.kind == "module"
        for index in box.members
    ]
    return {
        "frames": {
            "title": [frame.title for frame in drawn],
            "x": [frame.corner[0] for frame in drawn if frame.corner],
            "y": [frame.corner[1] for frame in drawn if frame.corner],
            "width": [frame.size[0] for frame in drawn],
            "height": [frame.size[1] for frame in drawn],
            "tab": [frame.tab[0] for frame in drawn],
            "tabWidth": [frame.tab[1] for frame in drawn],
            "module": [at for at, frame in enumerate(frames) if id(frame) in places],
        },
        "modules": {
            "title": [frame.title for frame in frames],
            "around": [frame.parent for frame in frames],
        },
        "inModule": list(innermost),
        "hidden": {
            "place": [place for place, _ in hidden],
            "node": [index for _, index in hidden],
            "text": [_search_text(model, index) for _, index in hidden],
        },
    }


def _search_text(model: Model, index: int) -> str:
    node = model.nodes[index]
    texts = (node.op_type, node.name, *_names(name for name in node.outputs if name))
    return "\n".join(clean_text(text, limit=120) for text in texts)


def overlay_state(painted: Sequence[PaintedOverlay]) -> dict[str, Any]:
    """Return the overlays for the widget, in all scales, so that it changes them by itself; empty for none."""
    if not painted:
        return {}
    return {
        "ramp": [asdict(colours) for colours in RAMP],
        "notFinite": asdict(NOT_FINITE),
        "none": {"light": asdict(NO_NUMBER), "dark": asdict(NO_NUMBER_DARK)},
        "items": [_overlay_item(overlay) for overlay in painted],
    }


def _overlay_item(overlay: PaintedOverlay) -> dict[str, Any]:
    return {
        "label": overlay.label,
        "note": overlay.note,
        "texts": [None if number is None else f"{number:.4g}" for number in overlay.numbers],
        "scales": {
            scale: {
                "steps": list(shades.steps),
                "lowest": f"{shades.lowest:.3g}",
                "highest": f"{shades.highest:.3g}",
            }
            for scale, shades in overlay.shades.items()
        },
        "worst": [
            {
                "place": entry.place,
                "node": entry.node,
                "title": entry.title,
                "name": entry.name,
                "text": f"{entry.number:.4g}",
            }
            for entry in overlay.worst
        ],
    }


def attribute_rows(model: Model, node: DrawnNode, *, limit: int) -> list[list[str]]:
    """Return name and value of each attribute of a node as text."""
    if node.kind != "node":
        return []
    attributes = model.nodes[node.members[0]].attributes
    return [[clean_text(name), attribute_text(value, limit=limit)] for name, value in attributes.items()]


def attribute_text(value: object, *, limit: int) -> str:
    """Return an attribute's value as one line."""
    if isinstance(value, Tensor):
        return f"tensor {value.dtype} {format_product(value.shape)}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Subgraph):
        return clean_text(str(value), limit=limit)
    if isinstance(value, tuple):
        shown = ", ".join(attribute_text(item, limit=limit) for item in value[:_MOST_VALUES])
        return clean_text(shown + f", … ({len(value):,})" * (len(value) > _MOST_VALUES), limit=limit)
    return clean_text(str(value), limit=limit)


def _node_columns(graph: DrawnGraph, model: Model) -> dict[str, list[Any]]:
    nodes, centres = graph.nodes, graph.layout.centres
    brief = len(nodes) > MOST_ATTRIBUTES_IN_STATE
    return {
        "x": [x for x, _ in centres],
        "y": [y for _, y in centres],
        "width": [node.size[0] for node in nodes],
        "height": [node.size[1] for node in nodes],
        "title": [node.title for node in nodes],
        "line": [node.line for node in nodes],
        "family": [FAMILY_NUMBERS[node.family] for node in nodes],
        "kind": [node.kind for node in nodes],
        "operator": [_operator(node, model) for node in nodes],
        "name": [clean_text(node.name, limit=120) for node in nodes],
        "inputs": [_inputs(node, model) for node in nodes],
        "outputs": [_names(node.values) if node.kind != "output" else [] for node in nodes],
        "attributes": [[] if brief else attribute_rows(model, node, limit=120) for node in nodes],
    }


def _operator(node: DrawnNode, model: Model) -> str:
    return clean_text(model.nodes[node.members[0]].label, limit=80) if node.kind == "node" else ""


def _inputs(node: DrawnNode, model: Model) -> list[str]:
    if node.kind == "node":
        return _names(name for name in model.nodes[node.members[0]].inputs if name)
    return _names(node.values) if node.kind == "output" else []


def _names(names: Any) -> list[str]:
    return [clean_text(name, limit=120) for name, _ in zip(names, range(_MOST_VALUES), strict=False)]


def _labels(graph: DrawnGraph) -> dict[str, list[Any]]:
    picture = Picture(graph)
    placed = [((x - picture.left, y - picture.top), text) for (x, y), text in picture.labels()]
    return {
        "x": [round(x, 1) for (x, _), _ in placed],
        "y": [round(y, 1) for (_, y), _ in placed],
        "text": [text for _, text in placed],
    }


def _value_types(graph: DrawnGraph, model: Model) -> dict[str, str]:
    """Return dtype and shape of the values that boxes name."""
    if len(graph.nodes) > MOST_ATTRIBUTES_IN_STATE:
        return {}
    return {clean_text(name, limit=120): describe_type(value) for name, value in model.values.items()}
