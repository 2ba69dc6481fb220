"""Variables: inputs, outputs, parameters, constants and placeholders, with the operators they answer to."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis
from onnx_workbench.cntk.default_options import default_override_or, get_default_override
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.initializer import Initializer
from onnx_workbench.cntk.tensor_operators import TensorOperators
from onnx_workbench.cntk.value_types import (
    FREE,
    INFERRED,
    UNKNOWN_SHAPE,
    Record,
    VariableType,
    dtype_of,
    dtype_of_or_none,
    held_key,
    is_known,
    new_uid,
    shape_of,
)

__all__ = ["Constant", "Parameter", "Record", "Variable"]


class Variable(TensorOperators):
    """A place in a graph where data enters, passes or is kept.

    Shapes are without the dynamic axes; see `dynamic_axes`.
    """

    _Type = VariableType

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = None,
        needs_gradient: bool = False,
        is_sparse: bool = False,
        dynamic_axes: Any = (),
        name: str = "",
        *,
        kind: str = "Input",
        owner: Any = None,
        uid: str | None = None,
    ) -> None:
        self._shape = shape_of(UNKNOWN_SHAPE if shape is None else shape)
        self._dtype = (
            None if dtype is None and kind in {"Placeholder", "Output"} else dtype_of(dtype or np.float32)
        )
        self.needs_gradient = needs_gradient
        self.is_sparse = is_sparse
        self._axes = tuple(dynamic_axes)
        self._name = name
        self.kind = kind
        self._owner = owner
        self.uid = uid or new_uid(kind)

    @cached_property
    def key(self) -> str:
        """Its uid, or where something else has the same, as files read twice give, one like it."""
        owner = self._owner
        if owner is not None and self.uid.startswith(owner.uid):
            return f"{owner.key}{self.uid[len(owner.uid) :]}"
        return held_key(self, self.uid)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self._shape

    @property
    def dtype(self) -> Any:
        """NumPy type of its numbers; None where a placeholder has left it open."""
        return self._dtype

    @property
    def dynamic_axes(self) -> tuple[Axis, ...]:
        """Batch and sequence axes."""
        return self._axes

    @property
    def name(self) -> str:
        """The name given, or nothing."""
        return self._name

    @property
    def rank(self) -> int:
        """Number of static axes."""
        return len(self._shape)

    @property
    def is_input(self) -> bool:
        """Whether data is fed here."""
        return self.kind == "Input"

    @property
    def is_output(self) -> bool:
        """Whether a function computes it."""
        return self.kind == "Output"

    @property
    def is_parameter(self) -> bool:
        """Whether it is learnt."""
        return self.kind == "Parameter"

    @property
    def is_constant(self) -> bool:
        """Whether it stays."""
        return self.kind == "Constant"

    @property
    def is_placeholder(self) -> bool:
        """Whether it waits for something to take its place."""
        return self.kind == "Placeholder"

    def resolve(self, shape: tuple[int, ...]) -> None:
        """Fill in lengths left open, as of a placeholder that stands for weights."""
        if self.is_placeholder:
            self._shape = shape

    @property
    def owner(self) -> Any:
        """The function of which this is an output."""
        if not self.is_output:
            raise CntkRuntimeError("called owner() on a variable that is not an output variable")
        return self._owner

    @property
    def root_function(self) -> Any:
        """The function that computes it."""
        if not self.is_output:
            raise AttributeError(f"{self} has no root_function: no function computes it")
        return self._owner

    @property
    def _type(self) -> VariableType:
        return VariableType(self.shape, self.dtype, self.needs_gradient, self.is_sparse, self.dynamic_axes)

    @property
    def type(self) -> VariableType:
        """Shape, dtype and axes together."""
        return self._type

    def has_batch_axis(self) -> bool:
        """Tell whether it has a batch."""
        return any(axis.is_batch_axis for axis in self._axes)

    def has_sequence_axis(self) -> bool:
        """Tell whether it is a sequence."""
        return self._axes != UNKNOWN_AXES and any(axis.is_sequence_axis for axis in self._axes)

    def as_parameter(self) -> Any:
        """Return the parameter that this is."""
        if not self.is_parameter:
            raise CntkTypeError("cannot be converted into a Parameter")
        return self

    def as_constant(self) -> Any:
        """Return the constant that this is."""
        if not self.is_constant:
            raise CntkTypeError("cannot be converted into a Constant")
        return self

    def __str__(self) -> str:
        if self._axes == UNKNOWN_AXES:
            axes = "???"
        else:
            names = (
                "#" if a.is_batch_axis else "*" if a.name == "defaultDynamicAxis" else a.name
                for a in self._axes
            )
            axes = ", ".join(names)
        sizes = "???" if not is_known(self.shape) else " x ".join(_SIZES.get(s, str(s)) for s in self.shape)
        return f"{self.kind}('{self.name or self.uid}', [{axes}], [{sizes}])"

    __repr__ = __str__


_SIZES = {INFERRED: "?", FREE: "*"}


class _Kept(Variable):
    """A variable with a value: drawn from its initialiser once the shape is known."""

    def __init__(self, kind: str, shape: Any, dtype: Any, name: str, *, needs_gradient: bool) -> None:
        super().__init__(shape, dtype, needs_gradient, False, (), name, kind=kind)
        self._array: NDArray[Any] | None = None
        self._init: Any = None
        self.version = 0

    def _keep(self, array: NDArray[Any]) -> None:
        self._array = array
        self._shape = array.shape
        self.version += 1

    @property
    def value(self) -> NDArray[Any]:
        """The numbers; set them to change them."""
        return self._numbers().copy()

    @value.setter
    def value(self, new: Any) -> None:
        if hasattr(new, "asarray"):
            new = new.asarray()
        if not isinstance(new, np.ndarray | np.generic):
            raise CntkTypeError(f"Unsupported value type: {type(new).__name__}; give a NumPy array.")
        array = np.array(new, dtype=self.dtype)
        if INFERRED not in self.shape and array.shape != self.shape:
            raise CntkRuntimeError(
                f"The value has shape {array.shape}; expected {self.shape}, the shape of {self}."
            )
        self._keep(array)

    def set_value(self, new: Any) -> None:
        """Set the numbers."""
        self.value = new

    def asarray(self) -> NDArray[Any]:
        """Return the numbers."""
        return self.value

    def _numbers(self) -> NDArray[Any]:
        if self._array is None:
            if INFERRED in self.shape or not is_known(self.shape):
                raise CntkValueError(
                    f"{self}: Value of a parameter with unknown shape is asked for; it is known once the parameter "
                    "is used on something whose shape is known."
                )
            self._keep(self._init.values(self.shape, self.dtype))
        return self._array  # type: ignore[return-value]

    def resolve(self, shape: tuple[int, ...]) -> None:
        """Fill in the axes whose length was left open."""
        if self._array is None:
            self._shape = shape


class Parameter(_Kept):
    """Numbers that are learnt."""

    def __init__(
        self,
        shape: Any = None,
        init: Any = None,
        dtype: Any = default_override_or(np.float32),
        device: Any = None,
        name: str = "",
    ) -> None:
        if get_default_override(None, pure=default_override_or(False)):
            raise CntkTypeError("parameters cannot be created inside a @Function def")
        init = 0 if init is None else init
        if isinstance(init, str):
            raise CntkTypeError(
                f"init is a number, an array or an initialiser such as glorot_uniform(); got the text {init!r}."
            )
        dtype = get_default_override(Parameter, dtype=dtype)
        if dtype is None:
            dtype = init.dtype if isinstance(init, np.ndarray) else np.float32
        shape = () if shape is None and np.isscalar(init) else shape
        given = None if isinstance(init, Initializer) or np.isscalar(init) else _array_of(init, dtype, shape)
        super().__init__(
            "Parameter", shape if given is None else given.shape, dtype, name, needs_gradient=True
        )
        if given is not None:
            self._keep(given)
        self._init = Initializer("constant", float(init)) if np.isscalar(init) else init  # type: ignore[arg-type]
        if isinstance(init, Initializer):
            self._init = init.seeded()
        if given is None and INFERRED not in self._shape and is_known(self._shape):
            self._numbers()

    @property
    def dtype(self) -> Any:
        """NumPy type of its numbers."""
        return self._dtype

    def copied(self) -> Parameter:
        """Return another parameter with the same numbers, or the same way to draw them."""
        if self._array is None:
            return Parameter(self._shape, self._init, self.dtype, name=self.name)
        return Parameter(init=self._array.copy(), dtype=self.dtype, name=self.name)


class Constant(_Kept):
    """Numbers that stay."""

    def __init__(
        self,
        value: Any = None,
        shape: Any = None,
        dtype: Any = default_override_or(np.float32),
        device: Any = None,
        name: str = "",
    ) -> None:
        dtype = get_default_override(Constant, dtype=dtype)
        if dtype is None:
            dtype = value.dtype if isinstance(value, np.ndarray | np.floating) else np.float32
        if isinstance(value, np.ndarray) and value.dtype.kind in "iub" and dtype_of_or_none(dtype) is None:
            dtype = np.float32
        if value is None and shape is None:
            raise CntkValueError("you need to specify at least shape or value of a constant")
        value = 0 if value is None else value
        if isinstance(value, str):
            raise CntkTypeError(f"A constant is a number or an array of numbers; got the text {value!r}.")
        if np.isscalar(value):
            super().__init__("Constant", () if shape is None else shape, dtype, name, needs_gradient=False)
            self._init = Initializer("constant", float(value))  # type: ignore[arg-type]
            if INFERRED not in self._shape:
                self._keep(np.full(self._shape, value, self.dtype))
        else:
            array = _array_of(value, dtype, shape)
            super().__init__("Constant", array.shape, dtype, name, needs_gradient=False)
            self._keep(array)


def _array_of(value: Any, dtype: Any, shape: Any) -> NDArray[Any]:
    value = value.asarray() if hasattr(value, "asarray") else value
    try:
        array = np.array(value, dtype=dtype_of(dtype))
    except (TypeError, ValueError) as error:
        raise CntkValueError(
            f"No array of numbers can be made of {type(value).__name__} {str(value)[:80]}: {error}. Rows must be of "
            "one length, and hold numbers alone."
        ) from error
    if isinstance(value, np.ndarray) and array.ndim:
        return array  # as in CNTK, the shape of an array counts
    if shape is not None and shape_of(shape) != array.shape and INFERRED not in shape_of(shape):
        wanted = shape_of(shape)
        array = (
            array.reshape(wanted)
            if array.size == math.prod(wanted)
            else np.broadcast_to(array, wanted).copy()
        )
    return array
