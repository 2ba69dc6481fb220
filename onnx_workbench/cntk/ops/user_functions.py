"""Operators that users write in Python, by deriving from `UserFunction`."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError
from onnx_workbench.cntk.graph import Copier
from onnx_workbench.cntk.ops.functions import Function, composite
from onnx_workbench.cntk.ops.operands import operand
from onnx_workbench.cntk.variables import Variable

__all__ = ["UserFunction", "user_function"]


class UserFunction(Function):
    """Base of operators written in Python: `infer_outputs`, `forward` and `backward` are the user's.

    They are called between the pieces of the graph before and after, so they cannot stand in a recurrence, and
    have no place in ONNX.

    Parameters
    ----------
    inputs
        What it reads.
    as_numpy
        Whether `forward` and `backward` get arrays, and lists of arrays for sequences; else Values.
    attributes
        Kept in `.attributes`.
    name
        Name of the result.

    Examples
    --------
    >>> class Doubled(C.UserFunction):
    ...     def __init__(self, x, name="doubled"):
    ...         super().__init__([x], name=name)
    ...     def infer_outputs(self):
    ...         x = self.inputs[0]
    ...         return [C.output_variable(x.shape, x.dtype, x.dynamic_axes)]
    ...     def forward(self, argument, device=None, outputs_to_retain=None):
    ...         return None, 2 * argument
    ...     def backward(self, state, root_gradients):
    ...         return 2 * root_gradients
    >>> x = C.input_variable(3)
    >>> C.user_function(Doubled(x)).eval({x: [[1, 2, 3]]})
    array([[2., 4., 6.]], dtype=float32)
    """

    native_operator = "UserFunction"

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return object.__new__(cls)

    def __init__(
        self, inputs: Any, as_numpy: bool = True, attributes: dict[str, Any] | None = None, name: str = ""
    ) -> None:
        self.as_numpy = as_numpy
        self._inferred: list[Variable] | None = None
        self._set_up(
            "UserFunction", [operand(one) for one in inputs], dict(attributes or {}), name, outputs=0
        )

    @property
    def op_name(self) -> str:
        """The name that its kind is known by: module and class, unless overridden."""
        return self._op_name_of_class()

    @classmethod
    def _op_name_of_class(cls) -> str:
        return f"{cls.__module__}.{cls.__name__}"

    # Outputs are asked for when they are first needed: constructors may still be at work when ours is called.

    @property
    def _made(self) -> list[Variable]:
        if self._inferred is None:
            self._inferred = []
            found = self._asked()
            self._inferred = [
                Variable(
                    one._shape,
                    one._dtype,
                    self._has_gradient(one),
                    one.is_sparse,
                    one._axes,
                    one.name or (self._name if len(found) == 1 else ""),
                    kind="Output",
                    owner=self,
                    uid=f"{self.uid}_Output_{number}",
                )
                for number, one in enumerate(found)
            ]
        return self._inferred

    @_made.setter
    def _made(self, variables: list[Variable]) -> None:
        """Keep what is asked for later."""

    def _has_gradient(self, output: Variable) -> bool:
        return output.needs_gradient and any(one.needs_gradient for one in self._operands)

    def _asked(self) -> list[Variable]:
        try:
            return list(self.infer_outputs())
        except AttributeError as error:  # would be taken for a missing attribute of this object
            self._inferred = None
            raise CntkRuntimeError(f"{type(self).__name__}.infer_outputs failed: {error}") from error

    def infer(self, *, lenient: int) -> bool:
        """Ask for the outputs again; tell whether they changed."""
        changed = False
        for own, one in zip(self._made, self._asked(), strict=True):
            before = (own._shape, own._axes, own._dtype)
            own._shape, own._axes, own._dtype = one._shape, one._axes, one._dtype
            own.needs_gradient = self._has_gradient(one)
            changed |= before != (own._shape, own._axes, own._dtype)
        return changed

    # What users write

    def infer_outputs(self) -> list[Variable]:
        """Return an `output_variable` for each output."""
        raise NotImplementedError(f"{type(self).__name__}: infer_outputs has to be overwritten")

    def forward(self, *_: Any, **__: Any) -> Any:
        """Return what `backward` needs, and the value."""
        raise NotImplementedError(f"{type(self).__name__}: forward has to be overwritten")

    def backward(self, *_: Any, **__: Any) -> Any:
        """Return the gradient of the only input, or set those of several in the dictionary given."""
        raise NotImplementedError(f"{type(self).__name__}: backward has to be overwritten")

    def clone(self, cloned_inputs: Any, *_: Any) -> Any:
        """Return another of its kind on other inputs: override it where the constructor takes something else."""
        make: Any = type(self)
        return make(*cloned_inputs, name=self._name)

    def serialize(self) -> Any:
        """Return what is kept in a file beside inputs and name."""
        return {}

    # Copying

    def shell(self) -> Function:
        """Return an object that becomes a copy once its inputs are there."""
        copy: UserFunction = object.__new__(type(self))
        copy.as_numpy, copy._inferred = self.as_numpy, []
        copy._set_up("UserFunction", [], dict(self._attributes), self._name, outputs=0)
        copy._inferred = [
            Variable(
                one._shape,
                one._dtype,
                one.needs_gradient,
                one.is_sparse,
                one._axes,
                one._name,
                kind="Output",
                owner=copy,
                uid=f"{copy.uid}_Output_{number}",
            )
            for number, one in enumerate(self._made)
        ]
        return copy

    def fill(self, copy: Function, copier: Copier) -> None:
        """Make the copy what the user's own `clone` returns for its inputs."""
        made = self.clone([copier.variable(one) for one in self._operands])
        if not isinstance(made, UserFunction):
            raise CntkTypeError(
                f"{type(self).__name__}.clone must return a UserFunction; got a {type(made).__name__}."
            )
        kept = {key: copy.__dict__[key] for key in ("uid", "_inferred")}
        copy.__dict__.update(made.__dict__ | kept)


def user_function(user_func: Any) -> Function:
    """Return the graph of an operator written in Python, to be used like any other."""
    if not isinstance(user_func, Function):
        raise CntkTypeError(f"user_function expects a UserFunction; got a {type(user_func).__name__}.")
    if user_func.is_composite:
        return user_func
    user_func.outputs  # noqa: B018 - wrong declarations are told of here
    return composite(user_func)
