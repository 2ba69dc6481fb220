"""Walking, copying and completing graphs of functions; no recursion, since models may be deep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onnx_workbench.cntk.axis import UNKNOWN_AXES
from onnx_workbench.cntk.errors import CntkRuntimeError
from onnx_workbench.cntk.value_types import is_known
from onnx_workbench.cntk.variables import Constant, Parameter, Variable

_MOST_ROUNDS = 50


class _Edits:
    """Counts changes to graphs in place, after which nothing made of a graph before may be used."""

    count = 0


edits = _Edits()


def functions_below(roots: list[Any], stop: frozenset[Variable] | set[Variable] = frozenset()) -> list[Any]:
    """Return the primitives that some functions stand on, operands before users where there is no cycle."""
    found: list[Any] = []
    seen: set[int] = set()
    for root in roots:
        if id(root) in seen:
            continue
        seen.add(id(root))
        stack: list[tuple[Any, Iterator[Variable]]] = [(root, iter(root.inputs))]
        while stack:
            function, operands = stack[-1]
            for operand in operands:
                if operand.is_output and operand not in stop and id(operand.owner) not in seen:
                    seen.add(id(operand.owner))
                    stack.append((operand.owner, iter(operand.owner.inputs)))
                    break
            else:
                found.append(function)
                stack.pop()
    return found


def file_order(function: Any) -> tuple[Variable, ...]:
    """Return the operands as CNTK's native files have them: products have their weights first."""
    operands: tuple[Variable, ...] = function.inputs
    return operands[::-1] if function.op_name in {"Times", "TransposeTimes"} else operands


def leaves_of(root: Any, *, inside_block: bool = False) -> list[Variable]:
    """Return inputs, parameters, constants and placeholders in the order in which CNTK meets them."""
    leaves: dict[Variable, None] = {}
    seen = {id(root)}
    operands_of = file_order if inside_block else lambda function: function.inputs
    stack: list[Iterator[Variable]] = [iter(operands_of(root))]
    while stack:
        for operand in stack[-1]:
            if not operand.is_output:
                leaves.setdefault(operand)
            elif id(operand.owner) not in seen:
                seen.add(id(operand.owner))
                stack.append(iter(operands_of(operand.owner)))
                break
        else:
            stack.pop()
    return list(leaves)


def complete(roots: list[Any]) -> None:
    """Work out shapes and axes again until nothing changes, as after placeholders have been replaced."""
    order = functions_below(roots)
    for lenient in (0, 1, 2):
        for _ in range(_MOST_ROUNDS):
            changed = [function.infer(lenient=lenient) for function in order]
            if not any(changed):
                break
        else:
            raise CntkRuntimeError(
                "The shapes of this graph do not settle: a recurrence changes its own shape."
            )
        open_ends = any(leaf.is_placeholder for root in roots for leaf in leaves_of(root))
        unknown = any(
            not is_known(out.shape) or out.dynamic_axes == UNKNOWN_AXES for f in order for out in f.outputs
        )
        if open_ends or not unknown:
            return


class Copier:
    """Copies graphs: every function anew, leaves as the method says, some variables replaced."""

    def __init__(self, method: str, substitutions: dict[Variable, Variable]) -> None:
        self.method = method
        self.replaced: dict[Variable, Variable] = dict(substitutions)
        self.stop = set(substitutions)

    def variable(self, original: Variable) -> Variable:
        """Return what takes a variable's place in the copy."""
        if original not in self.replaced:
            self.replaced[original] = self._leaf(original)
        return self.replaced[original]

    def _leaf(self, original: Variable) -> Variable:
        if isinstance(original, Parameter | Constant):
            if self.method == "share":
                return original
            if isinstance(original, Parameter) and self.method == "clone":
                return original.copied()
            return Constant(original.value, dtype=original.dtype, name=original.name)
        return Variable(
            original.shape,
            original.dtype,
            original.needs_gradient,
            original.is_sparse,
            original.dynamic_axes,
            original.name,
            kind=original.kind,
        )

    def functions(self, roots: list[Any]) -> dict[int, Any]:
        """Copy what some primitives stand on; return the copies by the identity of the original."""
        originals = functions_below(roots, self.stop)
        copies = {}
        for function in originals:
            copy = copies[id(function)] = function.shell()
            if function.op_name != "Combine":
                for old, new in zip(function.outputs, copy.outputs, strict=True):
                    self.replaced.setdefault(old, new)
        for function in originals:
            function.fill(copies[id(function)], self)
        return copies
