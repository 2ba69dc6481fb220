"""Functions: graphs that are called, evaluated, cloned, saved; made of operators or of Python functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onnx_workbench.cntk.axis import UNKNOWN_AXES
from onnx_workbench.cntk.errors import (
    CntkTypeError,
    CntkValueError,
)
from onnx_workbench.cntk.graph import Copier, complete, leaves_of
from onnx_workbench.cntk.ops.choices import CloneMethod, ModelFormat
from onnx_workbench.cntk.ops.function_use import FunctionUse
from onnx_workbench.cntk.ops.replacing import check_dtypes, check_types, replace, substitutes
from onnx_workbench.cntk.value_types import new_uid, shape_of
from onnx_workbench.cntk.variables import Variable

__all__ = ["BlockFunction", "CloneMethod", "Function", "ModelFormat", "load_model"]


class Function(FunctionUse):
    """A graph with outputs: a composite of everything below its root, or one primitive or block.

    Called on variables it returns a new graph, called on arrays it computes. `Function(python_function)`, or the
    same as a decorator, makes one of a Python function by calling it once on placeholders.
    """

    def __new__(cls, *args: Any, **_: Any) -> Any:  # noqa: D102
        if args and callable(args[0]) and not isinstance(args[0], Function | str):
            from onnx_workbench.cntk.ops.python_functions import from_python

            return from_python(args[0])
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and callable(args[0]) and not isinstance(args[0], Function | str):
            return
        if len(args) < 2 and "operands" not in kwargs:
            given = type(args[0]).__name__ if args else "nothing"
            raise CntkTypeError(f"Function is made of a Python function; got {given}.")
        self._set_up(*args, **kwargs)

    def _set_up(
        self,
        op_name: str,
        operands: list[Variable],
        attributes: dict[str, Any] | None = None,
        name: str = "",
        *,
        outputs: int = 1,
        root: Any = None,
        block: Any = None,
        block_map: list[tuple[Variable, Variable]] | None = None,
        uid: str | None = None,
    ) -> None:
        self._op_name, self._name = op_name, name
        self._operands = operands
        self._attributes = attributes or {}
        self._root, self._block, self._block_map = root, block, block_map or []
        self.uid = uid or new_uid("CompositeFunction" if root else "Block" if block else op_name)
        self._cache: dict[Any, Any] = {}
        self._custom: dict[str, Any] = {}
        count = 0 if root or op_name == "Combine" else len(block.outputs) if block else outputs
        self._made = [
            Variable(
                None,
                None,
                dynamic_axes=UNKNOWN_AXES,
                name=name if number == 0 or block else f"{name}{_SECOND.get(op_name, '')}" if name else "",
                kind="Output",
                owner=self,
                uid=f"{self.uid}_Output_{number}",
            )
            for number in range(count)
        ]

    def infer(self, *, lenient: int) -> bool:
        """Work out shape, dtype and axes of the outputs of this primitive; tell whether they changed."""
        from onnx_workbench.cntk.inference.infer import infer

        return infer(self, lenient=lenient)

    # Copying

    def shell(self) -> Function:
        """Return a copy of this primitive that reads nothing yet."""
        copy: Function = object.__new__(Function)
        copy._set_up(
            self._op_name, [], dict(self._attributes), self._name, outputs=len(self._made), block=self._block
        )
        for old, new in zip(self._made, copy._made, strict=True):
            new._shape, new._axes, new._dtype, new._name = old._shape, old._axes, old._dtype, old._name
        return copy

    def fill(self, copy: Function, copier: Copier) -> None:
        """Give a copy its operands and, if it is a block, a graph of its own inside."""
        copy._operands = [copier.variable(operand) for operand in self._operands]
        if self._block is None:
            return
        inner = Copier(copier.method, {})
        for leaf in leaves_of(self._block.root_function):
            if not any(leaf is placeholder for placeholder, _ in self._block_map):
                inner.replaced[leaf] = copier.variable(leaf)
        copies = inner.functions([self._block.root_function])
        root = copies[id(self._block.root_function)]
        copy._block = composite(root)
        copy._block_map = [(inner.variable(ph), copier.variable(outer)) for ph, outer in self._block_map]

    def clone(self, method: Any, substitutions: Any = None) -> Function:
        """Return a copy.

        Parameters
        ----------
        method
            ``CloneMethod.share``, ``clone`` or ``freeze``, or the word: what becomes of parameters.
        substitutions
            Variables, or functions for their outputs, and what takes their place.
        """
        method = CloneMethod(method).value
        substitutions = {} if substitutions is None else substitutions
        if not isinstance(substitutions, dict):
            raise CntkTypeError("Variable substitution map must be a dictionary")
        for old, new in substitutions.items():
            if old is None or new is None:
                raise AttributeError(
                    f"Cannot replace node: {old} with node: {new}. Neither node can be None."
                )
        replaced = substitutes(substitutions)
        copier = Copier(method, replaced)
        root = self.root_function
        if len(root.outputs) == 1 and root.op_name != "Combine" and root.outputs[0] in replaced:
            new = replaced[root.outputs[0]]
            alone = new.is_output and len(new.owner.outputs) == 1
            return composite(new.owner if alone else primitive("Combine", [new]))
        if root.op_name != "Combine" and any(out in replaced for out in root.outputs):
            return composite(primitive("Combine", [copier.variable(out) for out in root.outputs]))
        if root.op_name == "Combine" and len(root.outputs) == 1 and root.outputs[0] in replaced:
            new = replaced[root.outputs[0]]
            if new.is_output and len(new.owner.outputs) == 1:  # CNTK leaves no trace of such a Combine
                return composite(new.owner)
        made = copier.functions([root])[id(root)]
        complete([made])
        check_dtypes([made])
        return composite(made)

    def replace_placeholders(self, substitutions: dict[Any, Any]) -> Function:
        """Put something in the place of placeholders, in this very graph."""
        if not isinstance(substitutions, dict):
            raise CntkTypeError("Variable substitution map must be a dictionary")
        replaced = substitutes(substitutions)
        holes = self.placeholders
        for old in replaced:
            if old not in holes:
                listed = ", ".join(f"'{one}'" for one in holes) or "none"
                raise CntkValueError(
                    f"Placeholder '{old}' specified for replacement not found in the Function '{self!r}'; its "
                    f"placeholders: {listed}. To replace inputs use clone(method, substitutions)."
                )
        return self.put(replaced)

    def put(self, replaced: dict[Variable, Variable]) -> Function:
        """Put variables in the place of others, in this very graph, of whatever kind they are."""
        replace([self.root_function], replaced)
        complete([self.root_function])
        check_dtypes([self.root_function])
        return self

    def replace_placeholder(self, substitution: Any) -> Function:
        """Put something in the place of the only placeholder."""
        if len(self.placeholders) != 1:
            raise CntkValueError(
                f"replace_placeholder: the Function has {len(self.placeholders)} placeholders; expected one. "
                "Use replace_placeholders({placeholder: replacement})."
            )
        return self.replace_placeholders({self.placeholders[0]: substitution})

    def update_signature(self, *types: Any, **named: Any) -> None:
        """Give arguments shapes or types; placeholders become inputs."""
        from onnx_workbench.cntk.ops.inputs import input_variable

        replaced = {}
        for argument, given in self.argument_map(*types, **named).items():
            if given is None:
                continue
            given = Variable._Type._sanitize(given)
            if isinstance(given, int | tuple):
                replaced[argument] = input_variable(shape_of(given), name=argument.name)
            elif isinstance(given, Variable._Type):
                replaced[argument] = input_variable(name=argument.name, **given)
            else:
                raise CntkTypeError(
                    "update_signature() expects arguments of type int, tuple of int, or Type.Variable; "
                    f"got {type(given).__name__}."
                )
        check_types(replaced)
        self.put(replaced)

    @staticmethod
    def with_signature(*types: Any, **named: Any) -> Callable[[Callable[..., Any]], Function]:
        """Decorate a Python function to make a Function of it whose arguments have types."""
        from onnx_workbench.cntk.layers.typing import Signature

        return lambda function: Function(Signature(*types, **named)(function))

    # Calling

    def argument_map(self, *args: Any, **kwargs: Any) -> dict[Variable, Any]:
        """Return which argument gets what, by position and by name."""
        wanted = self.signature
        if len(args) + len(kwargs) != len(wanted):
            raise CntkTypeError(
                f"CNTK Function expected {len(wanted)} arguments, got {len(args) + len(kwargs)}"
            )
        found = dict(zip(wanted, args, strict=False))
        by_name = {variable.name: variable for variable in wanted}
        for name, value in kwargs.items():
            if name not in by_name:
                raise CntkTypeError(f"got an unexpected keyword argument '{name}'")
            if by_name[name] in found:
                raise SyntaxError(f"got multiple values for argument '{name}'")
            found[by_name[name]] = value
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return a new graph for variables, values for arrays."""
        given = self.argument_map(*args, **kwargs)
        if any(isinstance(value, Function | Variable) for value in given.values()):
            for argument in self.arguments:
                given.setdefault(argument, argument)
            check_types(given)
            return self.clone(CloneMethod.share, given)
        values = self.forward(given, self.outputs)[1]
        found = tuple(values[output] for output in self.outputs)
        return found if len(found) > 1 else found[0]

    def __rshift__(self, other: Any) -> Any:
        from onnx_workbench.cntk.ops.composition import combine

        outputs = self.outputs
        if isinstance(other, tuple):
            return combine([f(outputs[i if len(outputs) > 1 else 0]) for i, f in enumerate(other)])
        return other(*outputs) if len(outputs) > 1 else other(self)

    def __lshift__(self, other: Any) -> Any:
        return self(other)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in {"outputs", "output", "this"}:
            raise AttributeError(f"neither Function nor its output variable has '{name}'")
        if not hasattr(Variable, name) and name not in _PLAIN_ATTRIBUTES:
            from onnx_workbench.cntk.logging.graph import find_by_name

            found = find_by_name(self.block_root if self.is_block else self, name, 1)
            if found is not None:
                return found
        outputs = self.outputs
        if len(outputs) != 1:
            raise AttributeError(
                f"Function does not have '{name}' and it cannot be looked up in its outputs because it does not have "
                "exactly one"
            )
        return getattr(outputs[0], name)

    @staticmethod
    def load(model: Any, device: Any = None, format: Any = ModelFormat.CNTKv2) -> Function:
        """Open a file or bytes: CNTK's native format, ONNX by CNTK of every age, other ONNX."""
        from onnx_workbench.cntk.files import load

        return load(model, format)

    def __str__(self) -> str:
        root = self.root_function
        kind = "Composite"
        if all(own is other for own, other in zip(self.inputs, root.inputs, strict=False)):
            kind = root.op_name
        arguments = ", ".join(f"{v.name}: {v.type}" if v.name else str(v.type) for v in self.signature)
        outputs = [str(v.type) for v in self.outputs]
        result = outputs[0] if len(outputs) == 1 else f"Tuple[{', '.join(outputs)}]"
        return f"{self.name + ': ' if self.name else ''}{kind}({arguments}) -> {result}"

    def __repr__(self) -> str:
        root = self.root_function
        kind = f"Composite({root.op_name})" if self.is_composite else root.op_name
        inputs = dict.fromkeys(one for one in self.inputs if not one.is_parameter and not one.is_constant)
        return f"{kind}: {', '.join(map(str, inputs))} -> {', '.join(map(str, self.outputs))}"


def __getattr__(name: str) -> Any:
    """Give `UserFunction` here too, where CNTK has it: it is made of what this module defines."""
    if name == "UserFunction":
        from onnx_workbench.cntk.ops.user_functions import UserFunction

        return UserFunction
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_SECOND = {"TopK": "_TopKIndexMask", "UnpackSequenceOp": "_UnpackSequenceMask"}
"""What CNTK appends to the name of a function for that of its second output."""

_PLAIN_ATTRIBUTES = {"needs_gradient", "is_sparse", "kind", "uid"}


def primitive(
    op_name: str,
    operands: list[Variable],
    attributes: dict[str, Any] | None = None,
    name: str = "",
    *,
    outputs: int = 1,
) -> Function:
    """Make one operator and work out its shape."""
    made = Function(op_name, operands, attributes, name, outputs=outputs)
    made.infer(lenient=False)
    return made


def composite(root: Function, name: str | None = None, uid: str | None = None) -> Function:
    """Return the whole graph below a primitive, as one Function, with the name of its root unless another is given."""
    return Function(
        "CompositeFunctionOpName", [], name=root._name if name is None else name, root=root, uid=uid
    )


def block(
    inner: Function, mapping: list[tuple[Variable, Variable]], op_name: str, name: str = ""
) -> Function:
    """Show a graph as one operator; the mapping says what its placeholders stand for."""
    made = Function(op_name, [], None, name, block=inner, block_map=mapping)
    made.infer(lenient=False)
    return composite(made)


def BlockFunction(op_name: str, name: str) -> Callable[[Callable[..., Any]], Function]:
    """Decorate a Python function to make a block of it."""
    from onnx_workbench.cntk.ops.python_functions import from_python

    return lambda function: from_python(function, make_block=True, op_name=op_name, name=name)


load_model = Function.load
