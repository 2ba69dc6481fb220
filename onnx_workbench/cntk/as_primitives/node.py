"""A node of an ONNX model, as the rules that make CNTK's primitives of it see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkRuntimeError
from onnx_workbench.cntk.ops.reshaping import reshape
from onnx_workbench.cntk.value_types import FREE
from onnx_workbench.cntk.variables import Constant, Parameter, Variable
from onnx_workbench.core.formatting import clean_text


@dataclass(frozen=True)
class Call:
    """One node: its operands, the numbers among them that are constants, attributes, and what it gives.

    Parameters
    ----------
    op_type, name
        The operator, and the name of its first output.
    operands
        By position; None where an optional one is left out, or where it is a constant of whole numbers.
    constants
        Arrays of the operands that are known, by position.
    attributes
        As ONNX has them.
    outputs
        Of the function that stood for the node: their shapes and axes are known.
    """

    op_type: str
    name: str
    operands: tuple[Variable | None, ...]
    constants: Mapping[int, NDArray[Any]]
    attributes: dict[str, Any]
    outputs: tuple[Variable, ...]

    def refuse(self, reason: str) -> NoReturn:
        """Raise the error for a node that CNTK has no primitives for."""
        raise CntkRuntimeError(
            f"{clean_text(self.op_type)} {clean_text(self.name)!r} has no place in CNTK's native files: {reason}. "
            "Save the model as ONNX: save(filename, format=ModelFormat.ONNX)."
        )

    def operand(self, index: int = 0) -> Variable:
        """Return an operand that must be there."""
        found = self.operands[index] if index < len(self.operands) else None
        if found is None:
            self.refuse(f"its operand number {index} is missing, or made of whole numbers")
        return found

    def numbers(self, index: int, attribute: str = "") -> list[int] | None:
        """Return whole numbers that an operand, or in older opsets an attribute, holds; None if neither is there."""
        if attribute and attribute in self.attributes:
            return [int(one) for one in self.attributes[attribute]]
        if index in self.constants:
            return [int(one) for one in self.constants[index].ravel()]
        if index < len(self.operands) and self.operands[index] is not None:
            self.refuse(f"its operand number {index} is computed, and must be known beforehand")
        return None

    def static_axis(self, axis: int, x: Variable) -> int:
        """Return an axis of ONNX as one of a sample; the batch is refused."""
        led = len(x.dynamic_axes)
        whole = axis + x.rank + led if axis < 0 else axis
        if not led <= whole < x.rank + led:
            self.refuse(f"it works along axis {axis}, the batch or the steps")
        return whole - led

    def shape(self, index: int = 0) -> tuple[int, ...]:
        """Return the shape of a sample of an output, which must be known."""
        found = self.outputs[index].shape
        if FREE in found:
            self.refuse(f"the shape {found} of its output is not fixed (negative)")
        return found

    def aligned(self) -> list[Variable]:
        """Return operands that CNTK broadcasts as ONNX does: there, the batch is an axis like others."""
        given = [self.operand(index) for index in range(len(self.operands))]
        whole = max(one.rank + len(one.dynamic_axes) for one in given)
        led = max(len(one.dynamic_axes) for one in given)
        found = []
        for one in given:
            spare = one.rank - (whole - led)
            if one.dynamic_axes and (one.rank + len(one.dynamic_axes) < whole or len(one.dynamic_axes) < led):
                self.refuse("its operands have the batch in different places")
            if spare > 0 and any(n != 1 for n in one.shape[:spare]):
                self.refuse("an operand without a batch has an axis in its place")
            found.append(
                reshape(one, one.shape[spare:]).output if spare > 0 and not one.dynamic_axes else one
            )
        return found


def is_number(variable: Variable | None) -> bool:
    """Tell whether a variable is a parameter or constant."""
    return isinstance(variable, Parameter | Constant)
