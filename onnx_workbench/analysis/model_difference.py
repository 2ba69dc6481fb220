"""What differs between two models: nodes of one that the other lacks, and what is not the same in those of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any

from onnx_workbench.analysis.content_difference import Contents, attribute_differences
from onnx_workbench.analysis.graph_matching import COMMUTATIVE, Side, match_nodes
from onnx_workbench.core.formatting import clean_text, format_shape, text_table
from onnx_workbench.core.graph_parts import Node, Tensor
from onnx_workbench.core.model import Model

_MOST_SHOWN = 12


@dataclass(frozen=True)
class NodeDifference:
    """Two nodes in one place that are not the same.

    Attributes
    ----------
    left, right
        Their addresses: names of their first outputs.
    operator
        The left one's operator.
    differences
        What differs, in words, by what it is (``"pads"``, ``"weight"``): the left one's, then the right one's.
    """

    left: str
    right: str
    operator: str
    differences: Mapping[str, tuple[str, str]]

    def __str__(self) -> str:
        """Return one line."""
        parts = [f"{what}: {one} against {other}" for what, (one, other) in self.differences.items()]
        return f"{self.operator} {clean_text(self.left, limit=60)}: {'; '.join(parts)}"


@dataclass(frozen=True)
class ModelDifference:
    """Which node of one model is which of another, and what differs.

    Attributes
    ----------
    pairs
        Address of the right node by the left one's: nodes that stand for the same step.
    absorbed_left, absorbed_right
        Nodes of one side that one node of the other does as well, by the address of that side's node in the pair.
    only_left, only_right
        Addresses of nodes without a counterpart, in the order of execution.
    changed
        The pairs that are not the same.
    weights_compared
        Whether all weights were read; else those beyond a GiB were told apart by shape and dtype alone.
    """

    pairs: Mapping[str, str]
    absorbed_left: Mapping[str, tuple[str, ...]]
    absorbed_right: Mapping[str, tuple[str, ...]]
    only_left: tuple[str, ...]
    only_right: tuple[str, ...]
    changed: tuple[NodeDifference, ...]
    weights_compared: bool = True
    names: tuple[str, str] = field(default=("left", "right"))

    @property
    def same(self) -> bool:
        """Whether nothing differs but names."""
        return not (self.changed or self.only_left or self.only_right)

    @cached_property
    def counterparts(self) -> tuple[dict[str, str], dict[str, str]]:
        """The right node's address by the left one's, and the other way; absorbed nodes lead to their pair."""
        to_right, to_left = dict(self.pairs), {right: left for left, right in self.pairs.items()}
        for own, absorbed in self.absorbed_left.items():
            to_right.update(dict.fromkeys(absorbed, self.pairs[own]))
        for own, absorbed in self.absorbed_right.items():
            to_left.update(dict.fromkeys(absorbed, to_left[own]))
        return to_right, to_left

    @cached_property
    def changed_by_address(self) -> tuple[dict[str, NodeDifference], dict[str, NodeDifference]]:
        """The differences by the left address, and by the right one."""
        return {one.left: one for one in self.changed}, {one.right: one for one in self.changed}

    @property
    def headline(self) -> str:
        """One line: how many nodes match, differ, and stand on one side only."""
        parts = [f"{len(self.pairs):,} node{'s' * (len(self.pairs) != 1)} matched"]
        parts.append(
            f"{len(self.changed):,} of them differ{'s' * (len(self.changed) == 1)}"
            if self.changed
            else "none of them differs"
        )
        for count, name in zip((self.only_left, self.only_right), self.names, strict=True):
            if count:
                parts.append(f"{len(count):,} only in {clean_text(name, limit=40)}")
        return ", ".join(parts) + "."

    def __str__(self) -> str:
        """Return the headline and the first differences."""
        rows = [
            [one.operator, clean_text(one.left, limit=40), what, *sides]
            for one in self.changed[:_MOST_SHOWN]
            for what, sides in one.differences.items()
        ]
        text = self.headline
        if rows:
            text += "\n" + text_table(rows, header=("operator", "node", "what", *self.names))
        if len(self.changed) > _MOST_SHOWN:
            text += f"\n… and {len(self.changed) - _MOST_SHOWN:,} more"
        for name, only in zip(self.names, (self.only_left, self.only_right), strict=True):
            if only:
                shown = ", ".join(clean_text(one, limit=40) for one in only[:_MOST_SHOWN])
                text += f"\nonly in {clean_text(name, limit=40)}: {shown}{', …' * (len(only) > _MOST_SHOWN)}"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dictionaries and lists."""
        return {
            "matched": len(self.pairs),
            "changed": [
                {
                    "left": one.left,
                    "right": one.right,
                    "operator": one.operator,
                    "what": dict(one.differences),
                }
                for one in self.changed
            ],
            "only_left": list(self.only_left),
            "only_right": list(self.only_right),
            "weights_compared": self.weights_compared,
        }


def model_difference(left: Model, right: Model) -> ModelDifference:
    """Match the nodes of two models and tell what differs; nothing is run.

    Names need not agree: nodes are told by what flows into them and out of them. One kernel that stands for several
    nodes of the other side (a fused convolution) is matched with the last of them, and takes in the others.

    Parameters
    ----------
    left, right
        The models.
    """
    sides = Side(left), Side(right)
    pairs, absorbed_left, absorbed_right = match_nodes(*sides)
    weights = Contents(left, right)
    changed = []
    for one, other in sorted(pairs.items()):
        a, b = left.nodes[one], right.nodes[other]
        if found := _differences(a, b, sides, weights):
            changed.append(NodeDifference(a.key, b.key, clean_text(a.label, limit=40), found))
    taken = [
        {*known, *(index for group in absorbed.values() for index in group)}
        for known, absorbed in ((pairs, absorbed_left), (set(pairs.values()), absorbed_right))
    ]
    only_left, only_right = (
        tuple(node.key for node in side.nodes if node.index not in known)
        for side, known in zip(sides, taken, strict=True)
    )
    return ModelDifference(
        {left.nodes[one].key: right.nodes[other].key for one, other in pairs.items()},
        _by_address(left, absorbed_left),
        _by_address(right, absorbed_right),
        only_left,
        only_right,
        tuple(changed),
        weights.complete,
        (left.name, right.name) if left.name != right.name else ("the left one", "the right one"),
    )


def _by_address(model: Model, absorbed: Mapping[int, list[int]]) -> dict[str, tuple[str, ...]]:
    return {
        model.nodes[index].key: tuple(model.nodes[one].key for one in group)
        for index, group in absorbed.items()
    }


def _differences(a: Node, b: Node, sides: tuple[Side, Side], weights: Contents) -> dict[str, tuple[str, str]]:
    """Return what differs between two nodes, by what it is."""
    if a.label != b.label:
        return {"operator": (clean_text(a.label, limit=40), clean_text(b.label, limit=40))}
    found = dict(attribute_differences((a, b), (sides[0].model, sides[1].model), weights))
    tensors = [[side.tensor(name) for name in node.inputs] for side, node in zip(sides, (a, b), strict=True)]
    if a.label in COMMUTATIVE:
        for own in tensors:
            own.sort(key=lambda tensor: tensor is None)
    for slot, (one, other) in enumerate(zip_longest(*tensors)):
        told = weights.difference(one, other)
        if told:
            found[_input_name(one, other, slot)] = told
    given = [sum(bool(name) for name in node.inputs) for node in (a, b)]
    if given[0] != given[1] and not found:
        found["inputs"] = (str(given[0]), str(given[1]))
    types = [
        _type_of(side.model, node) if node.outputs else None for side, node in zip(sides, (a, b), strict=True)
    ]
    if types[0] and types[1] and types[0] != types[1]:
        found["output"] = (types[0], types[1])
    return found


def _type_of(model: Model, node: Node) -> str | None:
    """Return dtype and shape of a node's first output; None where the file leaves anything open."""
    value = model.values.get(node.key)
    if value is None or value.dtype is None or value.shape is None:
        return None
    if not all(isinstance(size, int) for size in value.shape):
        return None
    return f"{value.dtype} {format_shape(value.shape)}"


def _input_name(one: Tensor | None, other: Tensor | None, slot: int) -> str:
    known = one or other
    return clean_text(known.name, limit=60) if known else f"input {slot}"
