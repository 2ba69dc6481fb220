"""What a click on a box answers with of the values of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onnx_workbench.core.errors import WorkbenchError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_order import captured
from onnx_workbench.core.model import Model
from onnx_workbench.views.drawn_graph import DrawnNode
from onnx_workbench.views.value_look import Look, look_at
from onnx_workbench.views.value_source import ValueSource

_MOST_NAMES = 24


def value_details(model: Model, box: DrawnNode, source: ValueSource, asked: dict[str, Any]) -> dict[str, Any]:
    """Return one value of a box as the panel shows it, and the names of the others.

    `asked` comes from the browser: ``value`` is the number of a name, the rest is a `Look`.
    """
    names = [name for name in value_names(model, box) if source.offers(name)]
    if not names:
        return {"names": [], "chosen": 0, "note": "No array was given for the values of this box."}
    chosen = asked.get("value")
    chosen = chosen if type(chosen) is int and 0 <= chosen < len(names) else 0
    answer = {"names": [clean_text(name, limit=80) for name in names], "chosen": chosen, "note": ""}
    try:
        array = source.array(names[chosen])
    except WorkbenchError as error:
        return answer | {"note": clean_text(str(error), limit=600)}
    if array is None:
        return answer | {"note": "This value is no array (a sequence, an optional or a map)."}
    return answer | look_at(array, Look.of(asked), model.labels)


def value_names(model: Model, box: DrawnNode) -> list[str]:
    """Return the values that a box writes and others read, then those that it reads; weights are told elsewhere."""
    if box.kind in {"input", "output"}:
        return list(box.values)
    written = values_leaving(model, box)
    return list(dict.fromkeys((*written[:_MOST_NAMES], *values_entering(model, box))))[:_MOST_NAMES]


def values_leaving(model: Model, box: DrawnNode) -> list[str]:
    """Return the values that a box writes, of a module those that are read outside of it."""
    members = set(box.members)
    return [name for name in box.values if box.kind == "node" or _leaves(model, name, members)]


def values_entering(model: Model, box: DrawnNode) -> list[str]:
    """Return the values that a box reads from others; weights are none."""
    own = {*model.initializers, *model.constants, *box.values}
    return list(dict.fromkeys(name for name in _read(model, box) if name not in own))


def _leaves(model: Model, name: str, members: set[int]) -> bool:
    """Tell whether a value is read outside of a module, or by nobody but the caller."""
    readers = model.consumers(name)
    return not readers or any(node.index not in members for node in readers)


def _read(model: Model, box: DrawnNode) -> Iterator[str]:
    for index in box.members:
        node = model.nodes[index]
        yield from (name for name in (*node.inputs, *captured(node.proto)) if name)
