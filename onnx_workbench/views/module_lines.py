"""What a box of a closed module says of it: its class, how many nodes it holds, and how many parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from onnx_workbench.analysis.summary import parameters_read
from onnx_workbench.core.formatting import clean_text, format_count
from onnx_workbench.core.graph_parts import Node
from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance import ModulePath, module_class

_MOST_OPERATORS = 12


def module_line(model: Model, path: ModulePath, nodes: Sequence[Node]) -> str:
    """Return the second line of a module's box; where no class is known, its commonest operators stand in."""
    kind = clean_text(module_class(nodes[0], len(path)), limit=24)
    operators = Counter(clean_text(node.op_type, limit=16) for node in nodes)
    common = ", ".join(name for name, _ in operators.most_common(2)) + " …" * (len(operators) > 2)
    parameters = parameters_read(model, nodes)
    parts = [
        kind,
        f"{len(nodes):,} nodes",
        "" if kind else common,
        f"{format_count(parameters)} parameters" if parameters else "",
    ]
    return " · ".join(filter(None, parts))


def module_facts(model: Model, path: ModulePath, nodes: Sequence[Node]) -> list[list[str]]:
    """Return what the panel tells of a module."""
    common = Counter(node.label for node in nodes).most_common()
    held = ", ".join(f"{count:,} {clean_text(label, limit=40)}" for label, count in common[:_MOST_OPERATORS])
    return [
        ["module", " / ".join(path)],
        ["class", module_class(nodes[0], len(path))],
        ["nodes", f"{len(nodes):,}: {held}" + ", …" * (len(common) > _MOST_OPERATORS)],
        ["parameters", f"{parameters_read(model, nodes):,}"],
    ]
