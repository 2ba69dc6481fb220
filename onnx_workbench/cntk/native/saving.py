"""Graphs as dictionaries that the real CNTK 2.7 reads: the other direction of `functions`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from onnx_workbench.cntk.as_onnx.rule_parts import DYNAMIC_AXIS
from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis
from onnx_workbench.cntk.errors import CntkRuntimeError
from onnx_workbench.cntk.graph import functions_below
from onnx_workbench.cntk.native.codes import OPERATOR_CODES, primitive_code
from onnx_workbench.cntk.native.form import native_axis, native_call
from onnx_workbench.cntk.native.graph import CONSTANT, INPUT, PARAMETER, PLACEHOLDER
from onnx_workbench.cntk.native.values import (
    DATA_TYPE_CODES,
    Dictionary,
    NativeAxis,
    Shape,
    Single,
    SizeT,
    Value,
)
from onnx_workbench.cntk.ops.functions import Function, composite
from onnx_workbench.cntk.variables import Constant, Parameter, Variable
from onnx_workbench.core.formatting import clean_text

# Versions of the parts, as CNTK 2.7 writes them.
_COMPOSITE_VERSION, _FUNCTION_VERSION, _VARIABLE_VERSION = SizeT(3), SizeT(24), SizeT(1)

_KINDS = {"Input": INPUT, "Parameter": PARAMETER, "Constant": CONSTANT, "Placeholder": PLACEHOLDER}

_SIZES = frozenset(
    {
        "BlankTokenId",
        "blockSize",
        "depthRadius",
        "groups",
        "hiddenSize",
        "maxTempMemSizeInSamples",
        "newSequenceAxisLengthScalingFactor",
        "numClass",
        "numItems",
        "numLayers",
        "numSamples",
        "offset",
        "outputRank",
        "paddingFoot",
        "paddingHead",
        "paddingMode",
        "poolingType",
        "reductionRank",
        "rngOffset",
        "rngSeed",
        "TokensToIgnore",
    }
)
"""Attributes that the file has as size_t; other whole numbers are int."""

_SINGLES = frozenset(
    {("ImageScaler", "Scaler"), ("ImageScaler", "Biases"), ("HardSigmoid", "alpha"), ("HardSigmoid", "beta")}
    | {("EditDistanceError", f"{kind}Penalty") for kind in ("Substitution", "Deletion", "Insertion")}
)
"""Attributes that the file has as float; other broken numbers are double."""


def dictionary_of(function: Function) -> Dictionary:
    """Return a graph as the dictionary of a CNTKv2 file.

    Raises
    ------
    CntkRuntimeError
        If CNTK's files know no primitive for one of its operators, or a parameter has no value yet.
    """
    whole = function if function.is_composite else composite(function)
    root = whole.root_function
    saving = _Saving()
    functions: list[Value] = [saving.function(one) for one in _in_order(root)]
    found: Dictionary = {
        "version": _COMPOSITE_VERSION,
        "type": "CompositeFunction",
        "uid": whole.uid,
        "root": saving.uid(root),
        "inputs": list(saving.variables.values()),
        "primitive_functions": functions,
    }
    return found | ({"name": whole.name} if whole.name else {})


def _in_order(root: Function) -> Iterator[Function]:
    """Yield what a graph is made of: operands before users, the inside of a block before it."""
    work = [iter(functions_below([root]))]
    held: list[Function] = []
    while work:
        function = next(work[-1], None)
        if function is None:
            work.pop()
            if held:
                yield held.pop()
        elif function.is_block:
            held.append(function)
            work.append(iter(functions_below([function.block_root])))
        else:
            yield function


class _Saving:
    """The variables met so far, and the functions whose outputs are known."""

    def __init__(self) -> None:
        self.variables: dict[str, Value] = {}
        self.written: set[str] = set()
        self._keys: dict[str, str] = {}

    def uid(self, one: Function | Variable) -> str:
        """Return what a function or variable is called in this file: its uid, unless another one here has it."""
        if isinstance(one, Variable) and one.is_output:
            return f"{self.uid(one.owner)}{one.uid[len(one.owner.uid) :]}"
        uid = one.uid
        while self._keys.setdefault(uid, one.key) != one.key:
            uid = one.key if uid == one.uid else f"{uid}_"
        return uid

    def function(self, function: Function) -> Dictionary:
        """Return the entry of a primitive or block."""
        found: Dictionary = {
            "version": _FUNCTION_VERSION,
            "type": "PrimitiveFunction",
            "uid": self.uid(function),
            "op": SizeT(_code(function)),
        }
        if function.name:
            found["name"] = function.name
        if function.is_block:
            found |= self._block(function)
        else:
            found |= self._primitive(function)
        self.written.add(function.key)
        return found

    def _primitive(self, function: Function) -> Dictionary:
        operands = list(function.outputs if function.op_name == "Combine" else function.inputs)
        operator, attributes, keys = native_call(function, operands)
        by_key = {operand.key: operand for operand in operands}
        for key in keys:
            self._note(by_key[key])
        if operator == "Convolution" and attributes.get("sequential") is True:
            raise CntkRuntimeError(
                f"The convolution along a sequence {clean_text(function.name or function.uid)!r} cannot be saved in "
                "CNTK's native format, which takes it apart. Save the model as ONNX: save(filename, "
                "format=ModelFormat.ONNX)."
            )
        whole = _complete(operator, attributes, function)
        return {
            "inputs": [self.uid(by_key[key]) for key in keys],
            "attributes": {key: _typed(key, value, operator) for key, value in whole.items()},
        }

    def _block(self, function: Function) -> Dictionary:
        inner = function.block_composite
        pairs = function.block_arguments_mapping
        for placeholder, outer in pairs:
            self._note(placeholder)
            self._note(outer)
        for operand in function.inputs:
            self._note(operand)
        inside: Dictionary = {
            "version": _COMPOSITE_VERSION,
            "type": "CompositeFunction",
            "uid": inner.uid,
            "root": self.uid(inner.root_function),
        }
        rank = function.inputs[0].rank if function.inputs else 0
        return {
            "block_function_op_name": function.op_name,
            "block_function_composite": inside | ({"name": inner.name} if inner.name else {}),
            "block_function_composite_arguments_map_keys": [
                self.uid(placeholder) for placeholder, _ in pairs
            ],
            "block_function_composite_arguments_map_values": [self.uid(outer) for _, outer in pairs],
            "inputs": [self.uid(operand) for operand in function.inputs],
            "attributes": {
                key: _typed(key, _native(value, rank), function.op_name)
                for key, value in function.attributes.items()
            },
        }

    def _note(self, variable: Variable) -> None:
        """Add a leaf; or, for the output of a function that comes later, a placeholder with its uid."""
        uid = self.uid(variable)
        if uid in self.variables or (variable.is_output and variable.owner.key in self.written):
            return
        axes = [
            NativeAxis(DYNAMIC_AXIS, axis.name, axis.is_ordered) for axis in reversed(variable.dynamic_axes)
        ]
        if variable.dynamic_axes == UNKNOWN_AXES:
            axes = [NativeAxis(DYNAMIC_AXIS - 2, "UnknownAxes")]
        found: Dictionary = {
            "version": _VARIABLE_VERSION,
            "type": "Variable",
            "uid": uid,
            "kind": SizeT(_KINDS.get(variable.kind, PLACEHOLDER)),
            "data_type": SizeT(DATA_TYPE_CODES[np.dtype(variable.dtype)] if variable.dtype else 0),
            "dynamic_axis": list(axes),
            "is_sparse": variable.is_sparse,
            "needs_gradient": variable.needs_gradient,
            "shape": Shape(variable.shape),
        }
        if variable.name:
            found["name"] = variable.name
        if isinstance(variable, Parameter | Constant):
            found["value"] = variable._numbers()
            found["shape"] = Shape(variable.shape)
        self.variables[uid] = found


def _code(function: Function) -> int:
    if function.is_block:
        return OPERATOR_CODES["Block"]
    code = primitive_code(function.op_name)
    if code is None:
        raise CntkRuntimeError(
            f"{clean_text(function.op_name)} {clean_text(function.name or function.uid)!r} has no place in CNTK's "
            "native files. Save the model as ONNX: save(filename, format=ModelFormat.ONNX)."
        )
    return code


def _native(value: Any, rank: int) -> Value:
    """Return an attribute of a block as the file has it."""
    if isinstance(value, Axis):
        return native_axis(value, rank)
    if isinstance(value, tuple):
        return Shape(value)
    if isinstance(value, list):
        return [_native(item, rank) for item in value]
    if isinstance(value, np.generic):
        return cast(Value, value.item())
    return cast(Value, value)


def _typed(key: str, value: Value, operator: str) -> Value:
    """Return a number in the type that the file has it in."""
    if isinstance(value, list):
        return [_typed(key, item, operator) for item in value]
    if isinstance(value, bool) or value is None:
        return bool(value)
    if key in _SIZES and isinstance(value, int):
        return SizeT(value % 2**64)
    if (operator, key) in _SINGLES and isinstance(value, int | float):
        return Single(value)
    return value


_EVERY_AXIS = {
    "AllStaticAxes",
    "AllAxes",
}  # reductions over them leave no axis, whatever they were told to keep


def _complete(operator: str, attributes: Dictionary, function: Function) -> Dictionary:
    """Return attributes with those that CNTK asks for and our operators do without."""
    found: Dictionary = {key: value for key, value in attributes.items() if value is not None}
    batch = NativeAxis(DYNAMIC_AXIS, "defaultBatchAxis", ordered=False)
    if operator == "ToSequenceOp":
        return {"newDynamicAxes": [found["newDynamicAxis"], batch], "sequenceAxis": "toSequence_"}
    if operator == "ReduceElements":
        every = {axis.name for axis in cast("list[NativeAxis]", found.get("axisVec", []))} & _EVERY_AXIS
        return found | ({"reductionKeepDimensions": False} if every else {})
    if operator == "Where":
        new = found.get("newDynamicAxes")
        axes: list[Value] = new if isinstance(new, list) else [new] if isinstance(new, NativeAxis) else []
        return found | {"newDynamicAxes": [*(axis for axis in axes if axis != batch), batch]}
    if operator == "Convolution":
        return _complete_convolution(found, function)
    if operator in {"Pooling", "Unpooling"}:
        return _with_defaults(found, lowerPad=Shape((0,)), upperPad=Shape((0,)))
    if operator == "Slice" and len(cast("list[Value]", found.get("axisVec", []))) == 1:
        names = {
            "axisVec": "axis",
            "beginIndexVec": "beginIndex",
            "endIndexVec": "endIndex",
            "sliceStridesVec": "sliceStrides",
        }
        return {names[key]: cast("list[Value]", value)[0] for key, value in found.items() if key in names}
    if operator == "Dropout":
        return _with_defaults(found, rngSeed=0, rngOffset=0)
    if operator == "BatchNormalization":
        defaults: Dictionary = {
            "normalizationTimeConstant": 5000.0,
            "blendTimeConstant": 0.0,
            "epsilon": 1e-5,
            "useCuDNNEngine": False,
            "disableRegularization": False,
        }
        return defaults | found
    if operator == "Reshape":
        rank = function.inputs[0].rank
        return _with_defaults(found, beginAxis=NativeAxis(0), endAxis=NativeAxis(rank))
    return found


def _with_defaults(found: Dictionary, **defaults: Value) -> Dictionary:
    return defaults | found


def _complete_convolution(found: Dictionary, function: Function) -> Dictionary:
    weights = function.inputs[0]
    rank = weights.rank - 1
    zeros = Shape((0,) * rank)
    defaults: Dictionary = {
        "lowerPad": zeros,
        "upperPad": zeros,
        "outputShape": Shape((0,)),
        "sharing": [True] * rank,
        "kernelShape": Shape(weights.shape[1:]),
        "dilation": Shape((1,) * rank),
        "maxTempMemSizeInSamples": 0,
        "groups": 1,
        "sequential": False,
        "transpose": False,
    }
    return defaults | {key: value for key, value in found.items() if key != "reductionRank"}
