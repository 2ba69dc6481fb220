"""What two nodes hold that differs: attributes, and the contents of weights and of tensors in attributes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, defs, helper

from onnx_workbench.core.errors import WorkbenchError
from onnx_workbench.core.formatting import clean_text, format_shape
from onnx_workbench.core.graph_parts import Node, Tensor, describe
from onnx_workbench.core.model import Model
from onnx_workbench.core.protos import tensors_of_attribute

LARGEST_COMPARED = 1 << 30
"""Bytes of weights that are read at most to find out which differ."""

_PIECE = 1 << 22
_Told = tuple[str, str]


def tensor_type(tensor: Tensor) -> str:
    """Return dtype and shape."""
    return f"{tensor.dtype} {format_shape(tensor.shape)}"


class Contents:
    """Compares tensors of two models, as long as they are not too many bytes.

    Attributes
    ----------
    complete
        Whether nothing was too much to be read.
    """

    def __init__(self, left: Model, right: Model) -> None:
        self.left, self.right = left, right
        self.complete = True
        self._read = 0
        self._known: dict[tuple[str, str], _Told | None] = {}

    def difference(self, one: Tensor | None, other: Tensor | None) -> _Told | None:
        """Return how two weights differ, in words; None if they do not."""
        if one is None and other is None:
            return None
        if one is None or other is None:
            first, second = (
                "computed or absent" if each is None else tensor_type(each) for each in (one, other)
            )
            return first, second
        if (one.dtype, one.shape) != (other.dtype, other.shape):
            return tensor_type(one), tensor_type(other)
        key = (one.name, other.name)
        if key not in self._known:
            self._known[key] = None
            if self._affords(one, other):
                try:
                    arrays = self.left.weight(one.name), self.right.weight(other.name)
                except (WorkbenchError, OSError) as error:
                    self._known[key] = clean_text(str(error), limit=80), ""
                else:
                    self._known[key] = _difference(*arrays)
        return self._known[key]

    def tensor_difference(self, one: TensorProto, other: TensorProto) -> _Told | None:
        """Return how two tensors differ that lie in attributes, however and wherever they are stored."""
        tensors = describe(one), describe(other)
        types = tensor_type(tensors[0]), tensor_type(tensors[1])
        if types[0] != types[1]:
            return types
        if one.data_type == TensorProto.STRING:
            return None if list(one.string_data) == list(other.string_data) else _OTHER
        if not self._affords(*tensors):
            return None
        try:
            arrays = self.left.payloads.array(one), self.right.payloads.array(other)
        except (WorkbenchError, OSError) as error:  # a file is gone, or no array can be made of it
            same = one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)
            missing = TensorProto.EXTERNAL in (one.data_location, other.data_location)
            return None if same and not missing else (clean_text(str(error), limit=80), "")
        return _difference(*arrays)

    def _affords(self, one: Tensor, other: Tensor) -> bool:
        self._read += one.size_bytes + other.size_bytes
        self.complete = self.complete and self._read <= LARGEST_COMPARED
        return self._read <= LARGEST_COMPARED


_OTHER: _Told = ("other contents", "other contents")


def _difference(one: NDArray[Any], other: NDArray[Any]) -> _Told | None:
    """Return how two arrays of one dtype and shape differ, in words; None if they do not."""
    a, b = one.reshape(-1), other.reshape(-1)
    equal_nan = a.dtype.kind in "fc"
    pieces = range(0, max(a.size, 1), _PIECE)
    if all(np.array_equal(a[i : i + _PIECE], b[i : i + _PIECE], equal_nan=equal_nan) for i in pieces):
        return None
    return _told_apart(a, b)


def _told_apart(a: NDArray[Any], b: NDArray[Any]) -> _Told:
    """Say of two arrays of one shape how they differ: the largest difference, and how many elements."""
    if a.dtype.kind not in "fiub":
        return _OTHER
    different = ~((a == b) | ((a != a) & (b != b)))
    at = int(np.argmax(different))
    with np.errstate(all="ignore"):
        gaps = np.abs(a[different].astype(np.float64) - b[different].astype(np.float64))
    finite = gaps[np.isfinite(gaps)]
    largest = f"by {finite.max():.3g} at most" if finite.size else "in what is not finite"
    number = int(different.sum())
    count = f"{number:,} of {a.size:,} elements differ{'s' * (number == 1)}, {largest}"
    same = math.isclose(float(a[at]), float(b[at]), rel_tol=1e-3)
    digits = ".9g" if same else ".4g"
    return f"[{at}] = {float(a[at]):{digits}} ({count})", f"[{at}] = {float(b[at]):{digits}}"


def attribute_differences(
    nodes: tuple[Node, Node], models: tuple[Model, Model], contents: Contents
) -> Iterator[tuple[str, _Told]]:
    """Yield the attributes of two nodes that differ: their names, and both values in words."""
    protos = [{attribute.name: attribute for attribute in node.proto.attribute} for node in nodes]
    defaults = [_defaults(node, model) for node, model in zip(nodes, models, strict=True)]
    for name in sorted({*protos[0], *protos[1]}):
        a, b = protos[0].get(name), protos[1].get(name)
        if a is not None and b is not None and _without_contents(a) == _without_contents(b):
            told = _first_difference(a, b, contents)
        else:
            one, other = (
                node.attributes.get(name, default.get(name))
                for node, default in zip(nodes, defaults, strict=True)
            )
            told = None if one == other else (_attribute_text(one), _attribute_text(other))
        if told is not None:
            yield clean_text(name, limit=40), told


def _attribute_text(value: object) -> str:
    if value is None:
        return "absent"
    return tensor_type(value) if isinstance(value, Tensor) else clean_text(str(value), limit=60)


def _without_contents(attribute: AttributeProto) -> bytes:
    """Return an attribute's bytes but for what its tensors contain, where that lies, and what the one is called."""
    copy = AttributeProto()
    copy.CopyFrom(attribute)
    if copy.HasField("t"):
        copy.t.name = ""
    for tensor in tensors_of_attribute(copy):
        bare = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        tensor.CopyFrom(bare)
    return bytes(copy.SerializeToString(deterministic=True))


def _first_difference(one: AttributeProto, other: AttributeProto, contents: Contents) -> _Told | None:
    """Return how the contents of two attributes differ that are the same in all else."""
    for a, b in zip(tensors_of_attribute(one), tensors_of_attribute(other), strict=True):
        if told := contents.tensor_difference(a, b):
            inside = "" if one.HasField("t") else f"{clean_text(a.name, limit=40)} "
            return f"{inside}{told[0]}", told[1]
    return None


def _defaults(node: Node, model: Model) -> dict[str, object]:
    """Return the values that attributes have when they are left out."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = model.opsets.get(domain) or model.opsets.get(domain or "ai.onnx") or 1
    try:
        schema = defs.get_schema(node.op_type, version, domain)
    except (defs.SchemaError, TypeError):
        return {}
    return {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value
        for name, attribute in schema.attributes.items()
        if attribute.default_value.type
        for value in [helper.get_attribute_value(attribute.default_value)]
    }
