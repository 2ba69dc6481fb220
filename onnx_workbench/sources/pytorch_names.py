"""Names for the inputs and outputs of an exported PyTorch module."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onnx_workbench.core.errors import ExportError


@dataclass(frozen=True)
class Names:
    """Names of the inputs and outputs, as far as the user chose them, and what is known of their meaning."""

    inputs: Sequence[str] | None
    outputs: Sequence[str] | None
    takes_pictures: bool
    is_classifier: bool

    def options(
        self, found_inputs: list[str], found_outputs: list[str], *, weights: Sequence[str]
    ) -> dict[str, Any]:
        """Return the exporter's options: names chosen, else those found; none twice, and none of a weight."""
        if self.takes_pictures and len(found_inputs) == 1:
            found_inputs = ["image"]
        inputs = _chosen("input", self.inputs, found_inputs, taken=weights)
        outputs = _chosen("output", self.outputs, found_outputs, taken=[*weights, *inputs])
        return {"input_names": inputs, "output_names": outputs}


def _chosen(kind: str, chosen: Sequence[Any] | None, found: list[str], *, taken: Sequence[str]) -> list[str]:
    """Return the chosen names, or raise; without a choice those found, of which taken ones get an ending."""
    if chosen is None:
        return [f"{name}_{kind}" if name in taken else name for name in found]
    names = [] if isinstance(chosen, str) else [name for name in chosen if isinstance(name, str) and name]
    if len(names) != len(found) or len(set(names)) != len(found):
        # torch itself would drop a name too many without a word.
        raise ExportError(
            f"{kind}_names={chosen!r}: a list of {len(found)} different name(s) is needed, one for each {kind} "
            f"tensor. Without it they are called {found}."
        )
    if both := [name for name in names if name in taken]:
        raise ExportError(
            f"{kind}_names={chosen!r}: {', '.join(map(repr, both))} is the name of a weight or of an input already, "
            "and each name of a graph stands for one value. Choose another."
        )
    return names


def names_of_inputs(arguments: inspect.BoundArguments) -> list[str]:
    """Return a name for each tensor among the inputs, from forward's arguments."""
    import torch
    from torch.utils import _pytree as pytree

    found: list[str] = []
    for name, item in arguments.arguments.items():
        leaves = [leaf for leaf in pytree.tree_leaves(item) if isinstance(leaf, torch.Tensor)]
        found += [name] if isinstance(item, torch.Tensor) else [f"{name}_{i}" for i in range(len(leaves))]
    return found


def names_of_outputs(module: object, result: object, *, is_classifier: bool) -> list[str]:
    """Return a name for each tensor in what the module gave."""
    import torch
    from torch.utils import _pytree as pytree

    leaves = pytree.tree_leaves(result)
    if not leaves or not all(isinstance(item, torch.Tensor) for item in leaves):
        kinds = ", ".join(sorted({type(item).__name__ for item in leaves})) or type(result).__name__
        raise ExportError(
            f"{type(module).__name__}.forward returns {kinds}, and the outputs of an ONNX model are tensors."
        )
    if isinstance(result, torch.Tensor):
        return ["logits" if is_classifier and result.ndim == 2 else "output"]
    if isinstance(result, Mapping) and len(leaves) == len(result):
        return [str(key) for key in result]
    if isinstance(result, tuple) and hasattr(result, "_fields") and len(leaves) == len(result):
        return [str(field) for field in result._fields]
    return [f"output_{i}" for i, _ in enumerate(leaves)]
