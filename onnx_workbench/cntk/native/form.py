"""Graphs of functions in the form of native files: blocks opened, operands in C++ order, attributes column-major."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.inference import reshaping as reshaping_rules
from onnx_workbench.cntk.native.graph import (
    CONSTANT,
    INPUT,
    PARAMETER,
    PLACEHOLDER,
    Leaf,
    NativeGraph,
    Primitive,
)
from onnx_workbench.cntk.native.values import DATA_TYPE_CODES, Dictionary, NativeAxis, Shape, Value
from onnx_workbench.cntk.value_types import UNKNOWN_SHAPE
from onnx_workbench.cntk.variables import Constant, Parameter, Variable

_KINDS = {"Input": INPUT, "Parameter": PARAMETER, "Constant": CONSTANT, "Placeholder": PLACEHOLDER}
_DYNAMIC = 2147483647
_SPECIAL = {"AllStaticAxes": _DYNAMIC - 1, "AllAxes": _DYNAMIC - 4, "EndStaticAxis": _DYNAMIC - 3}

SIZED = {"UnpackSequenceOp": "steps", "UnpackBatchAxis": "samples"}
"""Operators whose output is as large as the batch or the longest sequence: that must be known beforehand."""


class Opened:
    """What variables stand for once blocks are opened: leaves, or outputs of primitives."""

    def __init__(self) -> None:
        self._bound: dict[Variable, Variable] = {}
        self.names: dict[str, str] = {}

    def resolve(self, variable: Variable) -> Variable:
        """Return the leaf, or the output of a primitive, that a variable stands for."""
        name = ""
        while True:
            if variable in self._bound:
                variable = self._bound[variable]
                continue
            if not variable.is_output or not variable.owner.is_block:
                break
            name = name or _name_of(variable)
            block = variable.owner
            self._bound.update(block.block_arguments_mapping)
            at = next(i for i, one in enumerate(block.outputs) if one is variable)
            variable = block.block_composite.outputs[at]
        if variable.is_output:
            name = name or _name_of(variable)
            if name:
                self.names.setdefault(variable.key, name)
        return variable


def _name_of(output: Variable) -> str:
    """Return the name of an output, or of its function, which may have been named afterwards."""
    return output.name or (output.owner.name if len(output.owner.outputs) == 1 else "")


class Given(tuple[Variable, ...]):  # noqa: SLOT001 - tuples can have no named slots
    """Outputs of functions that are fed like inputs; and the blocks that were open where they were found."""

    opened: Opened

    def and_also(self, variables: Iterable[Variable]) -> Given:
        """Return more of them, in the same graph."""
        return given_in(self.opened, (*self, *variables))


def given_in(opened: Opened, variables: Iterable[Variable] = ()) -> Given:
    """Return outputs that are fed, in a graph whose blocks are open."""
    made = Given(variables)
    made.opened = opened
    return made


def native_graph(
    outputs: Iterable[Variable],
    sizes: Mapping[str, tuple[int, ...]] | None = None,
    given: tuple[Variable, ...] = (),
    functions: dict[str, tuple[Any, tuple[Variable, ...]]] | None = None,
) -> tuple[NativeGraph, dict[str, Variable]]:
    """Return what some variables stand on in native form, and its leaves by key.

    Parameters
    ----------
    outputs
        The variables.
    sizes
        Shapes, by key, of inputs whose own have free dimensions.
    given
        Outputs of functions that are fed like inputs: what they stand on is left out. A `Given` tells too what
        placeholders of blocks stand for, where the outputs are inside of one.
    functions
        Filled with the functions behind the primitives and their operands, blocks opened, by key.
    """
    fed = frozenset(given)
    opened = given.opened if isinstance(given, Given) else Opened()
    leaves: dict[str, Variable] = {}
    found: dict[str, Primitive] = {}
    hints: dict[str, Shape] = {}
    roots = [opened.resolve(output) for output in outputs]
    waiting = list(reversed(roots))
    while waiting:
        variable = waiting.pop()
        if not variable.is_output or variable in fed:
            leaves[variable.key] = variable
            continue
        function = variable.owner
        if function.key in found:
            continue
        operands = [opened.resolve(one) for one in function.inputs]
        operator, attributes, ordered = native_call(function, operands)
        if sizes and operator in SIZED:
            attributes["size"] = sizes[SIZED[operator]][0]
        found[function.key] = Primitive(function.key, operator, function.name, attributes, tuple(ordered))
        if functions is not None:
            functions[function.key] = (function, tuple(operands))
        for one in function.outputs:
            if one.shape != UNKNOWN_SHAPE:
                hints[one.key] = Shape(one.shape)
        waiting += reversed(operands)
    producers = {uid: p for p in found.values() for uid in p.all_outputs}
    graph = NativeGraph(
        {uid: _leaf(variable, (sizes or {}).get(uid)) for uid, variable in leaves.items()},
        found,
        tuple(root.key for root in roots),
        opened.names,
        hints,
        producers,
    )
    return graph, leaves


def _leaf(variable: Variable, size: tuple[int, ...] | None) -> Leaf:
    value = variable._numbers() if isinstance(variable, Parameter | Constant) else None
    shape = Shape(size or (variable.shape if value is None else value.shape))
    dynamic = min(len(variable.dynamic_axes), 2)
    return Leaf(
        variable.key,
        variable.name,
        _KINDS.get(variable.kind, INPUT),
        shape,
        np.dtype(variable.dtype or np.float32),
        dynamic,
        value,
        next((axis.name for axis in variable.dynamic_axes if axis.is_ordered), ""),
    )


def native_call(function: Any, operands: list[Variable]) -> tuple[str, Dictionary, list[str]]:
    """Return the operator, attributes and keys of operands of a primitive as a native file has them."""
    keys = [one.key for one in operands]
    form = _FORMS.get(function.op_name)
    if form is None:
        operator = function.native_operator or function.op_name
        return operator, {key: _plain(value) for key, value in function.attributes.items()}, keys
    operator, attributes = form(function)
    if function.op_name in _SWAPPED:
        keys.reverse()
    return operator, attributes, keys


def _plain(value: Any) -> Value:
    if isinstance(value, Axis):
        return native_axis(value, 0)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()  # type: ignore[no-any-return]
    return value  # type: ignore[no-any-return]


def native_axis(axis: Axis | None, rank: int) -> NativeAxis:
    """Return an axis as a file has it: static ones counted from the last."""
    name = "AllStaticAxes" if axis is None else axis.name
    if axis is None or name in _SPECIAL:
        return NativeAxis(_SPECIAL[name], name, ordered=False)
    if not axis.is_static_axis:
        return NativeAxis(_DYNAMIC, axis.name, axis.is_ordered)
    index = axis.static_axis_index()
    return NativeAxis(rank - 1 - (index + rank if index < 0 else index))


def _static(index: int, rank: int) -> NativeAxis:
    return NativeAxis(rank - 1 - index)


Form = Callable[[Any], tuple[str, Dictionary]]


def _times(function: Any) -> tuple[str, Dictionary]:
    return function.op_name, dict(function.attributes)


def _reduce(function: Any) -> tuple[str, Dictionary]:
    rank, attributes = function.inputs[0].rank, dict(function.attributes)
    attributes["axisVec"] = [native_axis(axis, rank) for axis in attributes["axisVec"]]
    return "ReduceElements", attributes


def _top_k(function: Any) -> tuple[str, Dictionary]:
    axis = native_axis(function.attributes["axis"], function.inputs[0].rank)
    return "TopK", {"axis": axis, "numItems": function.attributes["numItems"]}


def _reshape(function: Any) -> tuple[str, Dictionary]:
    begin, end = reshaping_rules.reshaped_axes(function)
    rank = function.inputs[0].rank
    new = Shape(function.attributes["newShape"])
    return "Reshape", {
        "newShape": new,
        "beginAxis": NativeAxis(rank - end),
        "endAxis": NativeAxis(rank - begin),
    }


def _into_output_shape(function: Any) -> tuple[str, Dictionary]:
    return "Reshape", {"newShape": Shape(function.output.shape)}


def _transpose(function: Any) -> tuple[str, Dictionary]:
    order = reshaping_rules.permutation(function)
    return "TransposeAxes", {"axisVec": [_static(index, len(order)) for index in reversed(order)]}


def _splice(function: Any) -> tuple[str, Dictionary]:
    at, rank = reshaping_rules.spliced_axis(function), len(function.output.shape)
    return "Splice", {"axis": _static(max(at, 0), rank)}


def _slice(function: Any) -> tuple[str, Dictionary]:
    attributes, rank = function.attributes, function.inputs[0].rank
    return "Slice", {
        "axisVec": [native_axis(axis, rank) for axis in attributes["axisVec"]],
        "beginIndexVec": list(attributes["beginIndexVec"]),
        "endIndexVec": list(attributes["endIndexVec"]),
        "sliceStridesVec": list(attributes["sliceStridesVec"]),
    }


def _pad(function: Any) -> tuple[str, Dictionary]:
    attributes = dict(function.attributes)
    for key in ("paddingHead", "paddingFoot"):
        attributes[key] = list(reversed(attributes[key]))
    return "Pad", attributes


def _one_hot(function: Any) -> tuple[str, Dictionary]:
    rank = function.inputs[0].rank + 1
    return "OneHotOp", {
        "numClass": function.attributes["numClass"],
        "oneHotOutputSparse": bool(function.attributes["oneHotOutputSparse"]),
        "onehotAxis": _static(reshaping_rules.one_hot_axis(function), rank),
    }


def _gather(function: Any) -> tuple[str, Dictionary]:
    axis, rank = function.attributes["axis"], function.inputs[0].rank
    return "Gather", {} if axis is None else {"axis": native_axis(axis, rank)}


def _windows(function: Any) -> tuple[str, Dictionary]:
    attributes: Dictionary = {}
    for key, value in function.attributes.items():
        if key in {"autoPadding", "sharing"}:
            attributes[key] = list(reversed(value))
        else:
            attributes[key] = Shape(value) if isinstance(value, tuple | list) else value
    return function.op_name, attributes


def _unpooling(function: Any) -> tuple[str, Dictionary]:
    operator, attributes = _windows(function)
    attributes["unpoolingWindowShape"] = attributes.pop("poolingWindowShape")
    attributes["poolingType"] = attributes.pop("unpoolingType", attributes.get("poolingType", 0))
    return operator, attributes


def _cast(function: Any) -> tuple[str, Dictionary]:
    dtype = np.dtype(function.attributes["newDataType"])
    if dtype not in DATA_TYPE_CODES:
        raise CntkValueError(f"Cast: {dtype} has no place in a file.")
    return "Cast", {"newDataType": DATA_TYPE_CODES[dtype]}


def _random(function: Any) -> tuple[str, Dictionary]:
    found = {key: _plain(value) for key, value in function.attributes.items()}
    if not function.inputs:
        found["newShape"] = Shape(function.attributes["newShape"])
        found["newDataType"] = DATA_TYPE_CODES[np.dtype(function.attributes["newDataType"])]
    return "RandomDistribution", found


def _squeeze(function: Any) -> tuple[str, Dictionary]:
    if function.attributes["axisVec"] is None:
        return "Squeeze", {}
    return "Squeeze", {"axisVec": _reduce(function)[1]["axisVec"]}


_SWAPPED = {"Times", "TransposeTimes", "Gather"}
_FORMS: dict[str, Form] = {
    "Times": _times,
    "TransposeTimes": _times,
    "ReduceElements": _reduce,
    "TopK": _top_k,
    "Reshape": _reshape,
    "ExpandDims": _into_output_shape,
    "Flatten": _into_output_shape,
    "TransposeAxes": _transpose,
    "Splice": _splice,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Pad": _pad,
    "OneHotOp": _one_hot,
    "Gather": _gather,
    "Convolution": _windows,
    "Pooling": _windows,
    "Unpooling": _unpooling,
    "ROIPooling": _windows,
    "Cast": _cast,
    "RandomDistribution": _random,
}
