"""Random inputs that a model can take: token ids within the tables that they are looked up in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.graph_parts import Node, Value
from onnx_workbench.core.model import Model
from onnx_workbench.runtime.array_files import random_feeds

_SAME_NUMBERS = frozenset(
    {"Cast", "Concat", "Expand", "Flatten", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Tile"}
    | {"Transpose", "Unsqueeze"}
)
_LOOKUPS = frozenset({"Gather", "GatherElements"})


def plausible_feeds(
    model: Model, *, seed: int, sizes: Mapping[str, int], inputs: Sequence[Value] | None = None
) -> dict[str, NDArray[Any]]:
    """Return random inputs as `random_feeds` does, whole numbers drawn from the entries of the table they choose from.

    Parameters
    ----------
    model
        The model.
    seed, sizes
        As for `random_feeds`.
    inputs
        The model's inputs, with other shapes; None for those that it declares.
    """
    taken = model.inputs if inputs is None else inputs
    feeds = dict(random_feeds(taken, seed=seed, sizes=sizes))
    generator = np.random.default_rng(seed)
    for name, array in feeds.items():
        if array.dtype.kind in "iu" and (entries := table_entries(model, name)) is not None:
            most = min(entries, int(np.iinfo(array.dtype).max))
            feeds[name] = generator.integers(0, max(1, most), array.shape).astype(array.dtype)
    return feeds


def table_entries(model: Model, name: str) -> int | None:
    """Return how many entries the smallest table has that an input's numbers choose from; None if there is none."""
    found: list[int] = []
    seen = {name}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        for node in model.consumers(current):
            if node.label in _LOOKUPS and len(node.inputs) > 1 and node.inputs[1] == current:
                found += _entries(model, node)
            elif node.label in _SAME_NUMBERS and node.inputs and current in _numbers_of(node):
                waiting += [written for written in node.outputs if written and written not in seen]
                seen.update(node.outputs)
    return min(found, default=None)


def _numbers_of(node: Node) -> Sequence[str]:
    """Return the inputs of which a node hands on the numbers: others are shapes, axes and the like."""
    return node.inputs if node.op_type == "Concat" else node.inputs[:1]


def _entries(model: Model, node: Node) -> list[int]:
    """Return the size of the axis that a lookup chooses from, if it is known."""
    value = model.values.get(node.inputs[0])
    shape = value.shape if value is not None else None
    axis = node.attributes.get("axis", 0)
    if not shape or not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
        return []
    size = shape[axis]
    return [size] if isinstance(size, int) and size > 0 else []
