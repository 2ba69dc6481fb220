"""Nodes and initializers of an ONNX graph while it is put together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from onnx_workbench.cntk.native.graph import Leaf, Primitive
from onnx_workbench.cntk.native.values import StoredArray
from onnx_workbench.core.errors import ExportError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.skim import LARGE_BYTES

_SHARED_BYTES = 1 << 20  # smaller ones are as well copied


@dataclass(frozen=True)
class Emitted:
    """A value in the ONNX graph.

    Parameters
    ----------
    name
        In the ONNX graph.
    shape
        Static shape, row-major, without dynamic axes.
    axes
        How many dynamic axes stand before it: 0, 1 (batch) or 2 (batch and sequence).
    leaf
        The parameter or constant that it is.
    """

    name: str
    shape: tuple[int, ...]
    axes: int
    dtype: np.dtype[Any]
    leaf: Leaf | None = None

    @property
    def rank(self) -> int:
        """Number of static dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries of one sample.

        Raises
        ------
        ExportError
            If a size is free.
        """
        if any(n < 0 for n in self.shape):
            raise ExportError(f"the size of {self.shape} is free (negative), and has to be known.")
        return math.prod(self.shape)


@dataclass
class Names:
    """Names that are taken in a graph and in those inside it."""

    taken: set[str] = field(default_factory=set)
    tried: int = 0

    def new(self, wish: str) -> str:
        """Return a name like the one wished for that nobody has."""
        name = wish
        while name in self.taken:
            self.tried += 1
            name = f"{wish}_{self.tried}"
        self.taken.add(name)
        return name


@dataclass
class Emitter:
    """One ONNX graph: the main one, or the body of a recurrence, which shares the main one's initializers.

    Where `shared` is a dictionary, large arrays are put there by name, and the graph only refers to them.
    """

    names: Names
    location: str
    initializers: list[TensorProto] = field(default_factory=list)
    nodes: list[NodeProto] = field(default_factory=list)
    shared: dict[str, NDArray[Any]] | None = None
    _known: dict[Any, str] = field(default_factory=dict)

    def body(self) -> Emitter:
        """Return the emitter of a graph inside this one."""
        return replace(self, nodes=[])

    def node(self, op_type: str, inputs: Iterable[Emitted | str], wish: str = "", **attributes: Any) -> str:
        """Add a node of one output; return that output's name."""
        given = [value.name if isinstance(value, Emitted) else value for value in inputs]
        output = self.names.new(wish or f"{op_type}_{len(self.names.taken)}")
        self.nodes.append(
            helper.make_node(op_type, given, [output], name=f"{output}.{op_type}", **attributes)
        )
        return output

    def array(self, values: NDArray[Any], wish: str = "constant") -> str:
        """Add a small constant; equal ones are added once."""
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._known:
            self._known[key] = self.names.new(wish)
            self.initializers.append(numpy_helper.from_array(values, self._known[key]))
        return self._known[key]

    def leaf_names(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return the uid and the shape of the parameter or constant behind each initializer that is one."""
        return {name: key for key, name in self._known.items() if len(key) == 2}

    def numbers(self, values: Sequence[int]) -> str:
        """Add a vector of int64."""
        return self.array(np.array(values, np.int64), "shape")

    def scalar(self, value: float, dtype: np.dtype[Any]) -> str:
        """Add one number."""
        return self.array(np.array(value, dtype), "number")

    def leaf(self, leaf: Leaf, name: str, shape: tuple[int, ...] | None = None) -> Emitted:
        """Return a parameter or constant, its content left in the file if it is large, in the shape asked for."""
        stored = leaf.value
        if stored is None:
            raise ExportError(f"{clean_text(leaf.uid)!r} has no value.")
        shape = tuple(stored.shape) if shape is None else shape
        key = (leaf.uid, shape)
        if key not in self._known:
            self._known[key] = self.names.new(name)
            self.initializers.append(self._tensor(stored, self._known[key], shape))
        return Emitted(self._known[key], shape, 0, leaf.dtype, leaf)

    def _tensor(self, stored: StoredArray | NDArray[Any], name: str, shape: tuple[int, ...]) -> TensorProto:
        if (
            isinstance(stored, np.ndarray)
            or stored.size_bytes < LARGE_BYTES
            or stored.dtype != stored.stored
            or len(stored.stretches) != 1
        ):
            values = stored if isinstance(stored, np.ndarray) else stored.values()
            array = np.ascontiguousarray(values).reshape(shape)
            if self.shared is None or array.nbytes < _SHARED_BYTES:
                return numpy_helper.from_array(array, name)
            self.shared[name] = array
            return _reference(name, array.dtype, shape, location=name, start=0, end=array.nbytes)
        start, end = stored.stretches[0]
        return _reference(name, stored.dtype, shape, location=self.location, start=start, end=end)

    def reshaped(self, value: Emitted, shape: Sequence[int], wish: str = "") -> Emitted:
        """Return a value with other static dimensions; dynamic axes stay."""
        target = tuple(shape)
        if any(n < 0 for n in (*value.shape, *target)):
            return self._of_free_size(value, target)
        if math.prod(target) != value.size:
            raise ExportError(
                f"{value.size:,} numbers of shape {value.shape} cannot take the shape {target}."
            )
        if target == value.shape and not wish:
            return value
        if value.leaf is not None and value.leaf.value is not None:
            return self.leaf(value.leaf, f"{value.name}_as_{'x'.join(map(str, target))}", target)
        name = self.node("Reshape", [value, self.numbers([0] * value.axes + list(target))], wish)
        return Emitted(name, target, value.axes, value.dtype)

    def _of_free_size(self, value: Emitted, target: tuple[int, ...]) -> Emitted:
        """Return a value that has free sizes in another shape: with more axes in front, or one size left open."""
        if target == value.shape:
            return value
        more = len(target) - value.rank
        if more > 0 and target == (1,) * more + value.shape:
            name = self.node("Unsqueeze", [value, self.numbers(range(value.axes, value.axes + more))])
            return replace(value, name=name, shape=target)
        fixed = [math.prod(n for n in shape if n >= 0) for shape in (value.shape, target)]
        if fixed[0] != fixed[1] or any(sum(n < 0 for n in shape) != 1 for shape in (value.shape, target)):
            raise ExportError(
                f"A value of the shape {value.shape}, of free size, cannot take the shape {target}."
            )
        sizes = [0] * value.axes + [max(n, -1) for n in target]
        return replace(
            value, name=self.node("Reshape", [value, self.numbers(sizes)]), shape=target, leaf=None
        )

    def aligned(self, values: Sequence[Emitted]) -> tuple[list[Emitted], tuple[int, ...], int]:
        """Return operands that ONNX broadcasts as CNTK does, and the static shape and dynamic axes of the result.

        CNTK aligns the last static dimensions; dynamic axes never take part.
        """
        rank, axes = max(value.rank for value in values), max(value.axes for value in values)
        found: list[Emitted] = []
        for value in values:
            if value.axes and value.rank < rank:
                value = self.reshaped(value, (1,) * (rank - value.rank) + value.shape)
            if value.axes == 1 and axes == 2:
                name = self.node("Unsqueeze", [value, self.numbers([1])])
                value = replace(value, name=name, axes=2)
            found.append(value)
        return found, broadcast_shapes([value.shape for value in found]), axes


def _reference(
    name: str, dtype: np.dtype[Any], shape: tuple[int, ...], *, location: str, start: int, end: int
) -> TensorProto:
    tensor = TensorProto(name=name, dims=shape, data_location=TensorProto.EXTERNAL)
    tensor.data_type = helper.np_dtype_to_tensor_dtype(dtype)
    for key, value in (("location", location), ("offset", str(start)), ("length", str(end - start))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def broadcast_shapes(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape of operands of which any axis of length 1 is repeated; free sizes give way to known ones.

    Raises
    ------
    ExportError
        If they do not go together.
    """
    found: list[int] = []
    for place in range(-max(map(len, shapes), default=0), 0):
        sizes = {shape[place] for shape in shapes if len(shape) >= -place} - {1}
        known = {size for size in sizes if size >= 0}
        if len(known) > 1:
            listed = ", ".join(map(str, shapes))
            raise ExportError(f"Operands of the shapes {listed} cannot be broadcast.")
        found.append(max(known or sizes or {1}))
    return tuple(found)


def refuse(primitive: Primitive, reason: str) -> ExportError:
    """Return the error for a primitive that cannot be written as ONNX."""
    named = f" {clean_text(primitive.name)!r}" if primitive.name else ""
    return ExportError(f"{primitive.operator}{named} ({clean_text(primitive.uid)}): {reason}")
