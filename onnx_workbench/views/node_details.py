"""What a click on a node is answered with: attributes, types, and what its weights look like."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import WorkbenchError
from onnx_workbench.core.formatting import clean_text, format_bytes
from onnx_workbench.core.graph_parts import Node, Tensor
from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance import class_name, module_path, source_line
from onnx_workbench.views.drawn_graph import DrawnNode, describe_type
from onnx_workbench.views.node_lines import format_product
from onnx_workbench.views.widget_state import attribute_rows

BINS = 32
MOST_ELEMENTS = 1_000_000
_PIECES = 64
_MOST_WEIGHTS = 8
_MOST_ROWS = 64


def node_details(model: Model, place: int, drawn: DrawnNode) -> dict[str, Any]:
    """Return everything the panel shows of a box, as texts; `place` is the box's number in the graph."""
    node = model.nodes[drawn.members[0]] if drawn.kind == "node" else None
    inputs = node.inputs if node else drawn.values if drawn.kind == "output" else ()
    outputs = node.outputs if node else drawn.values if drawn.kind != "output" else ()
    return {
        "node": place,
        "rows": _facts(drawn, node),
        "attributes": attribute_rows(model, drawn, limit=400),
        "inputs": _value_rows(model, inputs),
        "outputs": _value_rows(model, outputs),
        "weights": _weights(model, node) if node else [],
        "doc": clean_text(node.doc, limit=2000) if node else "",
    }


def weight_summary(model: Model, tensor: Tensor) -> dict[str, Any]:
    """Return an initializer's facts, statistics and histogram; of a huge one, those of evenly spread pieces."""
    rows = [
        ["type", f"{tensor.dtype} {format_product(tensor.shape)}"],
        ["size", f"{tensor.count:,} elements, {format_bytes(tensor.size_bytes)}"],
    ]
    histogram = None
    try:
        sample = _sample(model.weight(tensor.name))
    except (WorkbenchError, OSError) as error:
        rows.append(["content", f"cannot be read: {clean_text(str(error), limit=300)}"])
    else:
        if sample is not None:
            rows += _statistics(sample, tensor.count)
            histogram = _histogram(sample)
    return {"name": clean_text(tensor.name), "rows": rows, "histogram": histogram}


def _facts(drawn: DrawnNode, node: Node | None) -> list[list[str]]:
    if node is None:
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


def _value_rows(model: Model, names: tuple[str, ...]) -> list[list[str]]:
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


def _sample(weight: NDArray[np.generic]) -> NDArray[np.float64] | None:
    """Return the elements as float64; of a large array, pieces of it. None for what has no order."""
    flat = weight.reshape(-1)
    if flat.size > MOST_ELEMENTS:
        length = MOST_ELEMENTS // _PIECES
        starts = np.linspace(0, flat.size - length, _PIECES).astype(np.int64)
        flat = np.concatenate([flat[start : start + length] for start in starts])
    if flat.dtype.kind in "OSUMmcV" and flat.dtype.names is None and not _is_small_float(flat.dtype):
        return None
    try:
        return flat.astype(np.float64)
    except (TypeError, ValueError):
        return None


def _is_small_float(dtype: np.dtype[Any]) -> bool:
    """Tell whether a dtype is one of ml_dtypes' (bfloat16, float8), which numpy calls void."""
    return dtype.kind == "V" and "float" in dtype.name


def _statistics(sample: NDArray[np.float64], count: int) -> list[list[str]]:
    finite = sample[np.isfinite(sample)]
    rows = []
    if finite.size:
        rows = [
            ["min … max", f"{finite.min():.4g} … {finite.max():.4g}"],
            ["mean ± std", f"{finite.mean():.4g} ± {finite.std():.4g}"],
            ["zeros", f"{np.mean(finite == 0):.1%}"],
        ]
    if finite.size < sample.size:
        rows.append(["NaN or infinite", f"{sample.size - finite.size:,}"])
    if sample.size < count:
        rows.append(["measured on", f"{sample.size:,} of {count:,} elements"])
    return rows


def _histogram(sample: NDArray[np.float64]) -> dict[str, Any] | None:
    finite = sample[np.isfinite(sample)]
    if finite.size < 2:
        return None
    lowest, highest = float(finite.min()), float(finite.max())
    if not np.isfinite(highest - lowest) or highest == lowest:
        return None
    counts, _ = np.histogram(finite, bins=BINS, range=(lowest, highest))
    return {"counts": counts.tolist(), "lowest": f"{lowest:.4g}", "highest": f"{highest:.4g}"}
