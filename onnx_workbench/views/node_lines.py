"""The second line in a node's box: what one most wants to know of the operator, such as ``3×3 · stride 2 · 64``.

Attributes come from untrusted files and may have any type: what is not as the standard says is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from onnx_workbench.core.formatting import Shape, clean_text
from onnx_workbench.core.graph_parts import Node, Subgraph

WeightShape = Callable[[str], tuple[int, ...] | None]


def format_product(shape: Shape | None) -> str:
    """Return a shape as ``N×16×32×32``; empty if unknown, ``scalar`` if it has no dimensions."""
    if shape is None:
        return ""
    names = ("?" if dimension is None else clean_text(str(dimension), limit=12) for dimension in shape)
    return "×".join(names) if shape else "scalar"


def salient_line(node: Node, weight_shape: WeightShape) -> str:
    """Return a node's second line; may be empty. `weight_shape` gives the shape of a value that is an initializer."""
    if any(isinstance(value, Subgraph) for value in node.attributes.values()):
        return _subgraphs(node)
    describe = _LINES.get(node.op_type)
    own_domain = "" if node.domain in {"", "ai.onnx"} else clean_text(node.domain, limit=24)
    return describe(node, weight_shape) if describe and not own_domain else own_domain


def _subgraphs(node: Node) -> str:
    graphs = [value for value in node.attributes.values() if isinstance(value, Subgraph)]
    count = sum(len(graph.proto.node) for graph in graphs)
    noun = "subgraph" if len(graphs) == 1 else "subgraphs"
    return f"⧉ {len(graphs)} {noun} · {count:,} node{'s' * (count != 1)}"


def _convolution(node: Node, weight_shape: WeightShape) -> str:
    weight = weight_shape(node.inputs[1]) if len(node.inputs) > 1 else None
    kernel = _integers(node.attributes, "kernel_shape") or (weight[2:] if weight else ())
    group = _integer(node.attributes, "group", 1)
    pieces = [_product(kernel), _uniform("stride", _integers(node.attributes, "strides"))]
    pieces.append(_uniform("dilation", _integers(node.attributes, "dilations")))
    if weight and len(weight) > 1:
        transposed = node.op_type == "ConvTranspose"
        channels = weight[1] * group if transposed else weight[0]
        pieces.append(f"{channels:,}")
        if group > 1:
            pieces.append("depthwise" if group == channels else f"{group} groups")
    return _joined(pieces)


def _pooling(node: Node, _: WeightShape) -> str:
    kernel = _product(_integers(node.attributes, "kernel_shape"))
    return _joined([kernel, _uniform("stride", _integers(node.attributes, "strides"))])


def _matrix(node: Node, weight_shape: WeightShape) -> str:
    for name in reversed(node.inputs[:2]):
        weight = weight_shape(name)
        if weight is not None and len(weight) > 1:
            rows, columns = weight[-2:]
            transposed = node.op_type == "Gemm" and _integer(node.attributes, "transB", 0)
            return f"{columns:,} → {rows:,}" if transposed else f"{rows:,} → {columns:,}"
    return ""


def _channels(node: Node, weight_shape: WeightShape) -> str:
    weight = weight_shape(node.inputs[1]) if len(node.inputs) > 1 else None
    return _product(weight or ())


def _axes(node: Node, _: WeightShape) -> str:
    axes = _integers(node.attributes, "axes") or _integers(node.attributes, "axis")
    noun = "axis" if len(axes) == 1 else "axes"
    return f"{noun} {', '.join(map(str, axes[:6]))}" if axes else ""


def _permutation(node: Node, _: WeightShape) -> str:
    return " ".join(map(str, _integers(node.attributes, "perm")[:8]))


def _looked_up(node: Node, weight_shape: WeightShape) -> str:
    table = weight_shape(node.inputs[0]) if node.inputs else None
    return f"table {_product(table)}" if table and len(table) > 1 else _axes(node, weight_shape)


def _hidden_size(node: Node, _: WeightShape) -> str:
    size = _integer(node.attributes, "hidden_size", 0)
    direction = node.attributes.get("direction")
    both = "both directions" if direction == "bidirectional" else ""
    return _joined([f"{size:,}" if size else "", both])


def _mode(node: Node, _: WeightShape) -> str:
    mode = node.attributes.get("mode")
    return clean_text(mode, limit=16) if isinstance(mode, str) else ""


def _integers(attributes: Mapping[str, object], name: str) -> tuple[int, ...]:
    value = attributes.get(name, ())
    items = value if isinstance(value, tuple) else (value,)
    return tuple(item for item in items if isinstance(item, int))


def _integer(attributes: Mapping[str, object], name: str, default: int) -> int:
    value = attributes.get(name, default)
    return value if isinstance(value, int) else default


def _product(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes[:6]))


def _uniform(noun: str, sizes: Sequence[int]) -> str:
    """Return ``stride 2``, or ``stride 2×1``; nothing for the usual 1."""
    if not sizes or set(sizes) == {1}:
        return ""
    return f"{noun} {sizes[0] if len(set(sizes)) == 1 else _product(sizes)}"


def _joined(pieces: Sequence[str]) -> str:
    return " · ".join(piece for piece in pieces if piece)


_LINES: dict[str, Callable[[Node, WeightShape], str]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger"), _convolution),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pooling),
    **dict.fromkeys(("Gemm", "MatMul"), _matrix),
    **dict.fromkeys(
        ("BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization"), _channels
    ),
    **dict.fromkeys(
        (
            "Softmax", "LogSoftmax", "Concat", "Split", "Flatten", "Squeeze", "Unsqueeze", "GatherElements",
            "ArgMax", "ArgMin", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "TopK",
        ),
        _axes,
    ),
    "Transpose": _permutation,
    "Gather": _looked_up,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _hidden_size),
    **dict.fromkeys(("Resize", "Pad"), _mode),
}  # fmt: skip
