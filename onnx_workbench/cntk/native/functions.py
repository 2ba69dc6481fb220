"""Functions from the dictionary of a native file: the graph as CNTK shows it, blocks and all."""

from __future__ import annotations

from typing import cast

import numpy as np

from onnx_workbench.cntk.axis import UNKNOWN_AXES
from onnx_workbench.cntk.graph import complete
from onnx_workbench.cntk.native.attributes import attributes_of, axis_of
from onnx_workbench.cntk.native.block_sizes import check_opened_size
from onnx_workbench.cntk.native.codes import function_name
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
_SWAPPED = {"Times", "TransposeTimes", "Gather"}  # C++ has their operands in the other order than Python
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
            function._attributes = attributes_of(_BLOCK, attributes)
            return
        operands = [self._variable(uid) for uid in texts_of(entry, "inputs")]
        if function.op_name in _SWAPPED:
            operands.reverse()
        if function.op_name == "BatchNormalization" and len(operands) == 5:
            # Before version 4 of the primitives, files had no count of the samples seen.
            operands.append(Constant(0.0, (), dtype=operands[1].dtype))
        function._operands = operands
        try:
            function._attributes = attributes_of(function.op_name, attributes)
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
            [axis_of(one) for one in axes if isinstance(one, NativeAxis)] if isinstance(axes, list) else []
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
