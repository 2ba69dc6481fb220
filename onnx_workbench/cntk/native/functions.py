"""Functions from the dictionary of a native file: the graph as CNTK shows it, blocks and all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis
from onnx_workbench.cntk.graph import complete
from onnx_workbench.cntk.native.block_sizes import check_opened_size
from onnx_workbench.cntk.native.codes import SPECIAL_AXES, function_name
from onnx_workbench.cntk.native.graph import (
    CONSTANT,
    INPUT,
    PARAMETER,
    field_of,
    has_second_output,
    read_graph,
    text_of,
    texts_of,
)
from onnx_workbench.cntk.native.values import DATA_TYPES, Dictionary, NativeAxis, Shape, StoredArray
from onnx_workbench.cntk.ops.functions import Function, composite
from onnx_workbench.cntk.value_types import is_known
from onnx_workbench.cntk.variables import Constant, Parameter, Variable
from onnx_workbench.core.errors import ModelFileError, WorkbenchError
from onnx_workbench.core.formatting import clean_text

_BLOCK = "Block"
_DEEPEST_BLOCKS = 50


def function_of(dictionary: Dictionary) -> Function:
    """Return the graph in the dictionary of a CNTKv2 file.

    Raises
    ------
    ModelFileError
        If it is not the dictionary of a model, or refers to what is not there.
    """
    read_graph(dictionary)  # whatever names and references are wrong, it says
    try:
        return _Building(dictionary).whole()
    except _NONSENSE as error:
        if isinstance(error, WorkbenchError):
            raise
        reason = clean_text(f"{type(error).__name__}: {error}")
        raise ModelFileError(
            f"its operators, attributes and operands do not go together ({reason}), as CNTK never writes it"
        ) from error


_NONSENSE = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What the rules of shapes run into where a file's operands and attributes are not those of its operators."""


class _Building:
    """One file on its way to a graph."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.root = field_of(dictionary, "root", str)
        self.uid, self.name = text_of(dictionary, "uid"), text_of(dictionary, "name")
        entries = cast("list[Dictionary]", dictionary["primitive_functions"])
        self.entries = {field_of(entry, "uid", str): entry for entry in entries}
        self.functions = {uid: self._shell(uid, entry) for uid, entry in self.entries.items()}
        leaves = cast("list[Dictionary]", dictionary["inputs"])
        self.leaves = {field_of(entry, "uid", str): entry for entry in leaves}
        self.variables: dict[str, Variable] = {}
        # Some programs saved models whose inputs had not been put in place of placeholders.
        self.open = all(entry.get("kind") != INPUT for entry in leaves)
        self.bound = {
            key for entry in entries for key in texts_of(entry, "block_function_composite_arguments_map_keys")
        }

    def whole(self) -> Function:
        """Return the composite of the root."""
        self._check_nesting()
        check_opened_size(
            {uid: _read_by(entry) for uid, entry in self.entries.items()}, self._inside, self.root
        )
        for uid, function in self.functions.items():
            self._fill(self.entries[uid], function)
        self._take_hints()
        root = self.functions[self.root]
        try:
            complete([root])
        except RecursionError as error:  # in a file that has blocks before what is inside them
            raise ModelFileError("its blocks are nested too deep") from error
        return composite(root, self.name, self.uid or None)

    def _check_nesting(self) -> None:
        """Refuse blocks in blocks in blocks, deeper than any model has them: graphs are walked block by block."""
        levels: dict[str, int] = {}
        for uid, entry in self.entries.items():
            level = max((levels.get(one, 0) for one in _read_by(entry)), default=0)
            if self._operator(entry) == _BLOCK:
                level = max(level, 1 + levels.get(_block_root(entry), 0))
            if level > _DEEPEST_BLOCKS:
                raise ModelFileError(f"its blocks are nested more than {_DEEPEST_BLOCKS} deep")
            levels[uid] = level

    def _inside(self, uid: str) -> str | None:
        """Return the root of what is inside a block; None for what is no block."""
        entry = self.entries.get(uid)
        return _block_root(entry) if entry is not None and self._operator(entry) == _BLOCK else None

    def _take_hints(self) -> None:
        """Begin with the shapes that the file gives of outputs: those in loops follow from nothing else."""
        for uid, entry in self.leaves.items():
            shape = entry.get("shape")
            if "_Output_" in uid and isinstance(shape, Shape) and shape and min(shape) > 0:
                variable = self._variable(uid)
                if variable.is_output:
                    variable._axes = self._leaf(uid).dynamic_axes
                    variable._shape = tuple(shape)

    def _operator(self, entry: Dictionary) -> str:
        return function_name(int(field_of(entry, "op", int)))

    def _shell(self, uid: str, entry: Dictionary) -> Function:
        """Return a function that reads nothing yet; operands may come later in the file than their readers."""
        if "op" not in entry:
            raise ModelFileError(
                f"function {clean_text(uid)!r} was written in Python or C++ by the user, and its code is not "
                "in the file"
            )
        operator = self._operator(entry)
        if operator == _BLOCK:
            operator = text_of(entry, "block_function_op_name") or _BLOCK
        count = 2 if has_second_output(entry) else self._block_outputs(entry)
        name = text_of(entry, "name")
        function: Function = object.__new__(Function)
        function._set_up(operator, [], {}, name, outputs=count, uid=uid)
        return function

    def _block_outputs(self, entry: Dictionary) -> int:
        if self._operator(entry) != _BLOCK:
            return 1
        root = self.entries[_block_root(entry)]
        return len(texts_of(root, "inputs")) if self._operator(root) == "Combine" else 1

    def _fill(self, entry: Dictionary, function: Function) -> None:
        attributes = entry.get("attributes")
        attributes = attributes if isinstance(attributes, dict) else {}
        if self._operator(entry) == _BLOCK:
            keys = texts_of(entry, "block_function_composite_arguments_map_keys")
            values = texts_of(entry, "block_function_composite_arguments_map_values")
            inside = field_of(entry, "block_function_composite", dict)
            function._block = composite(
                self.functions[_block_root(entry)], text_of(inside, "name"), text_of(inside, "uid") or None
            )
            function._block_map = [
                (self._leaf(key), self._variable(value)) for key, value in zip(keys, values, strict=True)
            ]
            function._attributes = {key: _plain(value) for key, value in attributes.items()}
            return
        operands = [self._variable(uid) for uid in texts_of(entry, "inputs")]
        if function.op_name in _SWAPPED:
            operands.reverse()
        if function.op_name == "BatchNormalization" and len(operands) == 5:
            # Before version 4 of the primitives, files had no count of the samples seen.
            operands.append(Constant(0.0, (), dtype=operands[1].dtype))
        function._operands = operands
        read = _READERS.get(function.op_name)
        try:
            function._attributes = read(attributes) if read else _plain_all(attributes)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"the attributes of {clean_text(function.uid)!r} are not those of {function.op_name} ({error})"
            ) from error

    def _variable(self, uid: str) -> Variable:
        """Return what an operand's uid stands for."""
        for _ in range(len(self.functions) + 1):
            owner, mark, index = uid.rpartition("_Output_")
            function = self.functions.get(owner) if mark else None
            if function is None:
                return self._leaf(uid)
            if function.op_name != "Combine":
                return function._made[int(index)]
            uid = texts_of(self.entries[owner], "inputs")[int(index)]
        raise ModelFileError(f"{clean_text(uid)!r} stands for itself")

    def _leaf(self, uid: str) -> Variable:
        if uid not in self.variables:
            if uid not in self.leaves:
                raise ModelFileError(f"{clean_text(uid)!r} is used and is not there")
            self.variables[uid] = _leaf(self.leaves[uid], free=self.open and uid not in self.bound)
        return self.variables[uid]


def _read_by(entry: Dictionary) -> list[str]:
    """Return the uids of the functions (and leaves) that a function reads."""
    values = [*texts_of(entry, "inputs"), *texts_of(entry, "block_function_composite_arguments_map_values")]
    return [value.rpartition("_Output_")[0] for value in values]


def _block_root(entry: Dictionary) -> str:
    return field_of(field_of(entry, "block_function_composite", dict), "root", str)


def _leaf(entry: Dictionary, *, free: bool) -> Variable:
    """Return an input, parameter, constant or placeholder; a placeholder that nothing binds is an input, if `free`."""
    kind, name, stored = entry["kind"], text_of(entry, "name"), entry.get("value")
    code = int(field_of(entry, "data_type", int))
    dtype = DATA_TYPES[code][0].type if code in DATA_TYPES else None
    variable: Variable
    if kind in {PARAMETER, CONSTANT} and isinstance(stored, StoredArray):
        made = (Parameter if kind == PARAMETER else Constant)((), dtype=dtype, name=name)
        made._keep(stored.values())
        made.needs_gradient = bool(entry.get("needs_gradient", kind == PARAMETER))
        variable = made
    else:
        axes = entry.get("dynamic_axis")
        dynamic = (
            [_axis(one) for one in axes if isinstance(one, NativeAxis)] if isinstance(axes, list) else []
        )
        variable = Variable(
            tuple(field_of(entry, "shape", Shape)),
            dtype,
            bool(entry.get("needs_gradient", False)),
            bool(entry.get("is_sparse", False)),
            reversed(dynamic),  # the file has the sequence before the batch, Python after it
            name,
            kind="Input" if kind == INPUT else "Placeholder",
        )
        if free and is_known(variable.shape) and variable.dynamic_axes != UNKNOWN_AXES:
            variable.kind, variable._dtype = "Input", variable.dtype or np.float32
    variable.uid = field_of(entry, "uid", str)
    return variable


def _axis(axis: object) -> Axis:
    """Return an axis of the file, which counts static ones from the last, as Python's."""
    if not isinstance(axis, NativeAxis):
        raise TypeError("an axis is expected")
    if axis.index in SPECIAL_AXES:
        return Axis(SPECIAL_AXES[axis.index])
    if axis.index == max(SPECIAL_AXES) + 1:
        return Axis(axis.name, axis.ordered)
    return Axis(-1 - axis.index)


def _plain(value: Any) -> Any:
    if isinstance(value, NativeAxis):
        return _axis(value)
    if isinstance(value, Shape):
        return tuple(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return _plain_all(value)
    if isinstance(value, StoredArray):
        return value.values()
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return int(value) if isinstance(value, int) else float(value)


def _plain_all(attributes: Dictionary) -> dict[str, Any]:
    return {key: _plain(value) for key, value in attributes.items()}


def _axes(attributes: Dictionary) -> list[Axis]:
    several = attributes.get("axisVec")
    return [_axis(one) for one in (several if isinstance(several, list) else [attributes["axis"]])]


def _times(attributes: Dictionary) -> dict[str, Any]:
    return {"outputRank": 1, "inferInputRankToMap": -1} | _plain_all(attributes)


def _reduce(attributes: Dictionary) -> dict[str, Any]:
    return {
        "reductionOpName": attributes["reductionOpName"],
        "axisVec": _axes(attributes),
        "reductionKeepDimensions": bool(attributes.get("reductionKeepDimensions", True)),
    }


def _transpose(attributes: Dictionary) -> dict[str, Any]:
    several = attributes.get("axisVec")
    if not isinstance(several, list):
        return {"axis1": _axis(attributes["axis1"]), "axis2": _axis(attributes["axis2"])}
    return {"axisVec": [_axis(one).static_axis_index() % len(several) for one in reversed(several)]}


def _slice(attributes: Dictionary) -> dict[str, Any]:
    if "axisVec" in attributes:
        plain = _plain_all(attributes)
        return {"sliceStridesVec": [1] * len(plain["axisVec"])} | plain
    return {
        "axisVec": [_axis(attributes["axis"])],
        "beginIndexVec": [_plain(attributes["beginIndex"])],
        "endIndexVec": [_plain(attributes["endIndex"])],
        "sliceStridesVec": [_plain(attributes.get("sliceStrides", 1))],
    }


def _reshape(attributes: Dictionary) -> dict[str, Any]:
    """Turn borders between column-major axes into those between row-major ones."""
    return {
        "newShape": tuple(cast(Shape, attributes["newShape"])),
        "beginAxis": _border(attributes.get("endAxis"), Axis.new_leading_axis()),  # behind the last
        "endAxis": _border(attributes.get("beginAxis"), None),
    }


def _border(axis: object, of_zero: Axis | None) -> Axis | None:
    if not isinstance(axis, NativeAxis) or axis.index in SPECIAL_AXES:
        return None
    return Axis(-axis.index) if axis.index else of_zero


def _where(attributes: Dictionary) -> dict[str, Any]:
    plain = _plain_all(attributes)
    new = [axis for axis in plain.get("newDynamicAxes", ()) if axis.is_sequence_axis]
    return plain | {"newDynamicAxes": new[0] if new else None}


def _to_sequence(attributes: Dictionary) -> dict[str, Any]:
    """Return the new axis, which the file has together with the batch, and with the beginning of its name."""
    (new,) = (axis for axis in _plain_all(attributes)["newDynamicAxes"] if axis.is_sequence_axis)
    return {"newDynamicAxis": new}


def _one_hot(attributes: Dictionary) -> dict[str, Any]:
    plain = _plain_all(attributes)
    return {
        "numClass": plain["numClass"],
        "oneHotOutputSparse": plain.get("oneHotOutputSparse", False),
        "oneHotAxis": _axis(attributes.get("onehotAxis", attributes.get("oneHotAxis"))),
    }


def _pad(attributes: Dictionary) -> dict[str, Any]:
    plain = _plain_all(attributes)
    return plain | {key: plain[key][::-1] for key in ("paddingHead", "paddingFoot")}


def _windows(attributes: Dictionary) -> dict[str, Any]:
    plain = _plain_all(attributes)
    for key in ("autoPadding", "sharing"):
        if key in plain:
            plain[key] = plain[key][::-1]
    return plain


def _convolution(attributes: Dictionary) -> dict[str, Any]:
    defaults = {
        "strides": (1,),
        "dilation": (1,),
        "groups": 1,
        "sequential": False,
        "transpose": False,
        "outputShape": (0,),
        "reductionRank": 1,
    }
    return defaults | _windows(attributes)


def _pooling(attributes: Dictionary) -> dict[str, Any]:
    return {"ceilOutDim": False, "includePad": False, "lowerPad": (0,), "upperPad": (0,)} | _windows(
        attributes
    )


def _unpooling(attributes: Dictionary) -> dict[str, Any]:
    plain = {"lowerPad": (0,), "upperPad": (0,)} | _windows(attributes)
    return {("poolingWindowShape" if key == "unpoolingWindowShape" else key): v for key, v in plain.items()}


def _batch_normalization(attributes: Dictionary) -> dict[str, Any]:
    return {"disableRegularization": False} | _plain_all(attributes)


def _cast(attributes: Dictionary) -> dict[str, Any]:
    return {"newDataType": np.dtype(DATA_TYPES[int(cast(int, attributes["newDataType"]))][0]).name}


def _gather(attributes: Dictionary) -> dict[str, Any]:
    return {"axis": _axis(attributes["axis"]) if "axis" in attributes else None}


def _squeeze(attributes: Dictionary) -> dict[str, Any]:
    return {"axisVec": _axes(attributes) if "axisVec" in attributes or "axis" in attributes else None}


# Operands that C++ has in the other order than Python.
_SWAPPED = {"Times", "TransposeTimes", "Gather"}

_READERS: dict[str, Callable[[Dictionary], dict[str, Any]]] = {
    "Times": _times,
    "TransposeTimes": _times,
    "ReduceElements": _reduce,
    "TransposeAxes": _transpose,
    "Slice": _slice,
    "Reshape": _reshape,
    "OneHotOp": _one_hot,
    "Pad": _pad,
    "Convolution": _convolution,
    "Pooling": _pooling,
    "Unpooling": _unpooling,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Where": _where,
    "ToSequenceOp": _to_sequence,
    "Gather": _gather,
    "Squeeze": _squeeze,
}
