"""The graph in a native CNTK file: plain primitives with resolved inputs, blocks opened.

In the file, an input may be the uid of a variable, of a function's output, of a placeholder that a block binds, or of
a placeholder that *is* a function's output (a recurrence, or a node with two consumers). Here every input is either
a leaf or an output of a primitive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.native.codes import function_name
from onnx_workbench.cntk.native.values import DATA_TYPES, Dictionary, NativeAxis, Shape, StoredArray, Value
from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.formatting import clean_text

INPUT, OUTPUT, PARAMETER, CONSTANT, PLACEHOLDER = range(5)

_COMBINE, _BLOCK = 44, 57

_T = TypeVar("_T")


@dataclass(frozen=True)
class Leaf:
    """An input, parameter, constant, or a placeholder that nothing binds.

    Parameters
    ----------
    uid, name
        As the file has them; the name may be empty.
    kind
        INPUT, PARAMETER, CONSTANT or PLACEHOLDER.
    shape
        Row-major, without dynamic axes.
    dynamic_axes
        0 (none), 1 (batch) or 2 (batch and sequence).
    value
        Of parameters and constants.
    steps
        The name of the sequence axis: two of different names are of different lengths.
    """

    uid: str
    name: str
    kind: int
    shape: Shape
    dtype: np.dtype[Any]
    dynamic_axes: int
    value: StoredArray | NDArray[Any] | None = field(default=None, repr=False)
    steps: str = ""


@dataclass(frozen=True)
class Primitive:
    """One call of an operator; `inputs` are uids of leaves or of outputs of primitives."""

    uid: str
    operator: str
    name: str
    attributes: Dictionary
    inputs: tuple[str, ...]

    @property
    def all_outputs(self) -> list[str]:
        """Uids of its outputs; of two where the file does not tell how many."""
        shapes = self.attributes.get("outputShapes")
        return [self.output(index) for index in range(len(shapes) if isinstance(shapes, list) else 2)]

    def output(self, index: int = 0) -> str:
        """Return the uid of one of its outputs."""
        return f"{self.uid}_Output_{index}"


@dataclass(frozen=True)
class NativeGraph:
    """What a native file computes.

    Parameters
    ----------
    leaves
        By uid.
    primitives
        By uid; those that the outputs need, blocks and combinations opened.
    outputs
        Uids of values, in order.
    names
        Names by uid of value: of its primitive, or of the outermost block that gives it.
    hints
        Shapes that the file gives for outputs within recurrences.
    """

    leaves: dict[str, Leaf]
    primitives: dict[str, Primitive]
    outputs: tuple[str, ...]
    names: dict[str, str]
    hints: dict[str, Shape]
    producers: dict[str, Primitive]


def field_of(dictionary: Dictionary, key: str, kind: type[_T]) -> _T:
    """Return a value of a dictionary that must be there and of a type."""
    value = dictionary.get(key)
    if not isinstance(value, kind):
        given = "missing" if value is None else f"a {type(value).__name__}"
        raise ModelFileError(f"its {key!r} should be a {kind.__name__}, and is {given}")
    return value


def text_of(dictionary: Dictionary, key: str) -> str:
    """Return a text of a dictionary, empty if it is not there."""
    value = dictionary.get(key, "")
    return value if isinstance(value, str) else ""


def texts_of(dictionary: Dictionary, key: str) -> list[str]:
    """Return a list of names of a dictionary, empty if it is not there."""
    found = field_of(dictionary, key, list) if key in dictionary else []
    if not all(isinstance(item, str) for item in found):
        raise ModelFileError(f"its {key!r} should hold names")
    return found


def has_second_output(entry: Dictionary) -> bool:
    """Tell whether a primitive has two outputs: the places of the greatest numbers, the steps that there are."""
    code, attributes = entry.get("op"), entry.get("attributes")
    operator = function_name(code) if isinstance(code, int) else ""
    if operator == "UnpackSequenceOp":
        return not (isinstance(attributes, dict) and attributes.get("sequenceUnpackSuppressMaskOutput"))
    return operator == "TopK"


def read_graph(dictionary: Dictionary) -> NativeGraph:
    """Return the graph in the dictionary of a CNTKv2 file.

    Raises
    ------
    ModelFileError
        If it is not the dictionary of a model, or refers to what is not there, or its names go in circles.
    """
    kind = text_of(dictionary, "type")
    if kind != "CompositeFunction":
        raise ModelFileError(
            f"it holds a dictionary of type {clean_text(kind)!r}, and a model is a 'CompositeFunction'"
            + (
                "; the model of a checkpoint lies beside the .ckp file"
                if "learners" in str(list(dictionary))
                else ""
            )
        )
    leaves = {leaf.uid: leaf for leaf in map(_leaf, _dictionaries(dictionary, "inputs"))}
    functions = {
        field_of(entry, "uid", str): entry for entry in _dictionaries(dictionary, "primitive_functions")
    }
    aliases = _Aliases(leaves, functions)
    root = field_of(dictionary, "root", str)
    outputs = tuple(dict.fromkeys(aliases.outputs_of(root)))
    primitives = _needed(aliases, outputs)
    producers = {uid: primitive for primitive in primitives.values() for uid in primitive.all_outputs}
    hints = {
        aliases.resolve(uid): leaf.shape
        for uid, leaf in leaves.items()
        if leaf.kind == PLACEHOLDER and "_Output_" in uid and min(leaf.shape, default=0) > 0
    }
    used = {uid for primitive in primitives.values() for uid in primitive.inputs} | set(outputs)
    return NativeGraph(
        {uid: leaf for uid, leaf in leaves.items() if uid in used and uid not in producers},
        primitives,
        outputs,
        aliases.names(set(producers)),
        hints,
        producers,
    )


def _dictionaries(dictionary: Dictionary, key: str) -> list[Dictionary]:
    found = field_of(dictionary, key, list)
    if not all(isinstance(item, dict) for item in found):
        raise ModelFileError(f"its {key!r} should hold dictionaries")
    return cast("list[Dictionary]", found)


def _leaf(entry: Dictionary) -> Leaf:
    value = entry.get("value")
    code = int(field_of(entry, "data_type", int))
    uid = field_of(entry, "uid", str)
    kind = int(field_of(entry, "kind", int))
    if kind == PLACEHOLDER and code == 0:
        code = 1  # not yet known when it was saved
    if code not in DATA_TYPES:
        raise ModelFileError(f"variable {clean_text(uid)!r} has data type {code}, which is not known")
    if kind in {PARAMETER, CONSTANT} and not isinstance(value, StoredArray):
        raise ModelFileError(f"{clean_text(uid)!r} is a parameter or constant, and has no value")
    shape = value.shape if isinstance(value, StoredArray) else field_of(entry, "shape", Shape)
    return Leaf(
        uid,
        text_of(entry, "name"),
        kind,
        shape,
        DATA_TYPES[code][0],
        min(len(_axes(entry)), 2),
        value if isinstance(value, StoredArray) else None,
        _name_of_steps(entry),
    )


def _name_of_steps(entry: Dictionary) -> str:
    """Return the name of the sequence axis of a variable; the batch axis has a name of its own."""
    axes = [axis for axis in _axes(entry) if isinstance(axis, NativeAxis) and axis.ordered]
    return axes[0].name if axes else ""


def _axes(entry: Dictionary) -> list[Value]:
    axes = entry.get("dynamic_axis")
    return [axis for axis in axes if isinstance(axis, NativeAxis)] if isinstance(axes, list) else []


class _Aliases:
    """What the names in a file stand for."""

    def __init__(self, leaves: dict[str, Leaf], functions: dict[str, Dictionary]) -> None:
        self.leaves, self.functions = leaves, functions
        self.bound: dict[str, str] = {}
        self._resolved: dict[str, str] = {}
        for entry in functions.values():
            keys = texts_of(entry, "block_function_composite_arguments_map_keys")
            values = texts_of(entry, "block_function_composite_arguments_map_values")
            if len(keys) != len(values):
                raise ModelFileError(
                    f"block {clean_text(text_of(entry, 'uid'))!r} binds {len(keys):,} placeholders to "
                    f"{len(values):,} values"
                )
            self.bound.update(zip(keys, values, strict=True))

    def resolve(self, uid: str) -> str:
        """Return the leaf or the output of a primitive that a name stands for."""
        path: list[str] = []
        seen: set[str] = set()
        while uid not in self._resolved:
            if uid in seen:
                raise ModelFileError(f"the name {clean_text(uid)!r} stands for itself")
            seen.add(uid)
            path.append(uid)
            following = self._next(uid)
            if following is None:
                self._resolved[uid] = uid
                break
            uid = following
        found = self._resolved[uid]
        self._resolved.update(dict.fromkeys(path, found))
        return found

    def _next(self, uid: str) -> str | None:
        """Return what a name stands for directly; None if for itself."""
        if uid in self.bound:
            return self.bound[uid]
        function, mark, index = uid.rpartition("_Output_")
        if mark and function in self.functions and index.isdecimal() and len(index) < 10:
            entry = self.functions[function]
            inner = self._inner_outputs(entry)
            if inner is None and int(index) < len(self.outputs_by_name(function)):
                return None
            inner = inner or []
            if int(index) >= len(inner):
                raise ModelFileError(
                    f"{clean_text(uid)!r} is asked for, and there are {len(inner):,} outputs"
                )
            return inner[int(index)]
        if uid in self.leaves:
            return None
        raise ModelFileError(f"{clean_text(uid)!r} is used and is not there")

    def _inner_outputs(self, entry: Dictionary) -> list[str] | None:
        """Return what the outputs of a block or combination stand for; None for primitives."""
        code = entry.get("op")
        if code == _COMBINE:
            return texts_of(entry, "inputs")
        if code != _BLOCK:
            return None
        root = field_of(field_of(entry, "block_function_composite", dict), "root", str)
        inner = self.functions.get(root)
        if inner is None:
            raise ModelFileError(f"the block's root {clean_text(root)!r} is not there")
        return self.outputs_by_name(root)

    def outputs_by_name(self, uid: str) -> list[str]:
        """Return the uids of a function's outputs, as the file calls them."""
        entry = self.functions[uid]
        count = len(texts_of(entry, "inputs")) if entry.get("op") == _COMBINE else 1
        if entry.get("op") == _BLOCK:
            root = field_of(field_of(entry, "block_function_composite", dict), "root", str)
            inner = self.functions.get(root)
            count = len(texts_of(inner, "inputs")) if inner and inner.get("op") == _COMBINE else 1
        if has_second_output(entry):
            count = 2
        return [f"{uid}_Output_{index}" for index in range(count)]

    def outputs_of(self, root: str) -> list[str]:
        """Return the resolved outputs of the root."""
        if root not in self.functions:
            raise ModelFileError(f"its root {clean_text(root)!r} is not there")
        return [self.resolve(uid) for uid in self.outputs_by_name(root)]

    def names(self, wanted: set[str]) -> dict[str, str]:
        """Return names of values: those of blocks, the outermost last in the file, before those inside."""
        found: dict[str, str] = {}
        for uid, entry in self.functions.items():
            if (name := text_of(entry, "name")) and entry.get("op") != _COMBINE:
                for output in self.outputs_by_name(uid):
                    if (value := self.resolve(output)) in wanted:
                        found[value] = name
        return found


def _needed(aliases: _Aliases, outputs: tuple[str, ...]) -> dict[str, Primitive]:
    """Return the primitives that the outputs depend on."""
    found: dict[str, Primitive] = {}
    waiting = list(outputs)
    while waiting:
        function, mark, _ = waiting.pop().rpartition("_Output_")
        if not mark or function in found or function not in aliases.functions:
            continue
        entry = aliases.functions[function]
        if "op" not in entry:
            raise ModelFileError(
                f"function {clean_text(function)!r} is of type {clean_text(text_of(entry, 'type'))!r}: "
                "it was written in Python or C++ by the user, and its code is not in the file"
            )
        attributes = entry.get("attributes")
        primitive = Primitive(
            function,
            function_name(int(field_of(entry, "op", int))),
            text_of(entry, "name"),
            attributes if isinstance(attributes, dict) else {},
            tuple(aliases.resolve(uid) for uid in texts_of(entry, "inputs")),
        )
        found[function] = primitive
        waiting += primitive.inputs
    return found
