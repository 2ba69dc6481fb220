"""Graphs that hold nodes of ONNX models, with CNTK's own primitives in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from onnx_workbench.cntk.as_onnx.node import PREFIX
from onnx_workbench.cntk.as_primitives.node import Call, is_number
from onnx_workbench.cntk.as_primitives.rules import RULES
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.graph import Copier, complete, functions_below
from onnx_workbench.cntk.ops.functions import Function, composite, primitive
from onnx_workbench.cntk.value_types import FREE
from onnx_workbench.cntk.variables import Parameter, Variable


def has_onnx_nodes(function: Function) -> bool:
    """Tell whether nodes of ONNX models stand in a graph; they never do within blocks."""
    return any(one.op_name.startswith(PREFIX) for one in functions_below([function.root_function]))


def with_own_primitives(function: Function, *, whole: bool) -> Function:
    """Return a graph that computes the same, shares its parameters, and has CNTK's primitives where there are some.

    Parameters
    ----------
    function
        A graph.
    whole
        Refuse what CNTK has no primitives for. Otherwise such nodes stay nodes of ONNX, and so does all whose values
        would be of another dtype than they expect.

    Raises
    ------
    CntkRuntimeError
        If CNTK has no primitives for what a node does, and all were asked for: it is named.
    """
    if not whole:
        try:
            return with_own_primitives(function, whole=True)
        except CntkRuntimeError:
            pass
    root = function.root_function
    copier = Copier("share", {})
    order = functions_below([root])
    for leaf in (operand for one in order for operand in one.inputs if not operand.is_output):
        copier.replaced[leaf] = leaf
    copies: dict[int, Any] = {}
    for one in order:
        if not one.op_name.startswith(PREFIX):
            _begin(one, copier, copies)
    unknown: dict[Variable, CntkRuntimeError] = {}
    for one in order:
        if one.op_name.startswith(PREFIX) and _translated(one, copier, unknown, whole=whole):
            continue
        if whole:
            _raise_first(one.inputs, unknown)
        if id(one) not in copies:
            _begin(one, copier, copies)
        one.fill(copies[id(one)], copier)
    _raise_first(root.outputs, unknown)
    outputs = [copier.variable(output) for output in function.outputs]
    made = copies.get(id(root)) or (
        outputs[0].owner if len(outputs) == 1 and outputs[0].is_output else primitive("Combine", outputs)
    )
    complete([made])
    return composite(made)


def _begin(one: Function, copier: Copier, copies: dict[int, Any]) -> None:
    copies[id(one)] = one.shell()
    copier.replaced.update(zip(one._made, copies[id(one)]._made, strict=True))


def _raise_first(operands: Any, unknown: dict[Variable, CntkRuntimeError]) -> None:
    for operand in operands:
        if operand in unknown:
            raise unknown[operand]


def _translated(
    one: Function, copier: Copier, unknown: dict[Variable, CntkRuntimeError], *, whole: bool
) -> bool:
    """Put primitives in the place of a node, and tell whether that is settled.

    If there are none, and all were asked for, only what reads the node has to know: nothing may.
    """
    try:
        _raise_first(one.inputs, unknown)
        output = _own(_call(one, copier), one, whole=whole)
    except CntkRuntimeError as error:
        if whole:
            unknown.update(dict.fromkeys(one._made, error))
        return whole
    if not output.name and output.is_output:
        output._name = one._made[0].name
        output.owner._name = one._made[0].name
    copier.replaced[one._made[0]] = output
    return True


def _own(call: Call, one: Function, *, whole: bool) -> Variable:
    """Return the output of the primitives that do what a node does."""
    rule = RULES.get(call.op_type)
    if rule is None or len(one._made) > 1:
        call.refuse("CNTK has no primitive for it")
    for operand in call.operands:
        if operand is not None and FREE in operand.shape:
            call.refuse(f"the size of its operand {operand} is not fixed")
    try:
        found = rule(call)
    except (CntkTypeError, CntkValueError) as error:
        call.refuse(str(error).rstrip("."))
    output: Variable = found if isinstance(found, Variable) else found.output
    if FREE in output.shape:
        call.refuse(f"the size of {output} is not fixed")
    made = one._made[0]
    if len(output.dynamic_axes) != len(made.dynamic_axes) or (not whole and output.dtype != made.dtype):
        call.refuse(f"its value is {made}, and CNTK's would be {output}")
    return output


class _Known(Mapping[int, NDArray[Any]]):
    """The operands of a node that are numbers, by position; they are read when somebody asks."""

    def __init__(self, sources: dict[int, TensorProto | Variable]) -> None:
        self._sources = sources

    def __getitem__(self, index: int) -> NDArray[Any]:
        source = self._sources[index]
        if isinstance(source, TensorProto):
            return numpy_helper.to_array(source)
        numbers: NDArray[Any] = cast(Parameter, source).value
        return numbers

    def __iter__(self) -> Iterator[int]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


def _call(one: Function, copier: Copier) -> Call:
    attributes: dict[str, Any] = one.attributes
    node = NodeProto.FromString(attributes["onnx"])
    by_name = dict(zip(attributes["operands"], one.inputs, strict=True))
    held = {name: TensorProto.FromString(content) for name, content in attributes["constants"].items()}
    operands = tuple(copier.variable(by_name[name]) if name in by_name else None for name in node.input)
    constants = _Known(
        {
            index: held.get(name) or by_name[name]
            for index, name in enumerate(node.input)
            if name in held or is_number(by_name.get(name))
        }
    )
    kept = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return Call(node.op_type, node.output[0], operands, constants, kept, tuple(one._made))
