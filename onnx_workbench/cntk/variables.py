"""Variables: inputs, outputs, parameters, constants and placeholders, with the operators they answer to."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.axis import UNKNOWN_AXES, Axis
from onnx_workbench.cntk.default_options import default_override_or, get_default_override
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.initializer import Initializer

INFERRED = -1
UNKNOWN_SHAPE = (-2,)
FREE = -3
_counter = itertools.count(1)
_DTYPES: dict[Any, type] = {
    "float": np.float32,
    "float32": np.float32,
    "double": np.float64,
    "float64": np.float64,
    "float16": np.float16,
    float: np.float64,
    np.float16: np.float16,
    np.float32: np.float32,
    np.float64: np.float64,
    np.int8: np.int8,
    np.int16: np.int16,
    "int8": np.int8,
    "int16": np.int16,
}


def new_uid(kind: str) -> str:
    """Return CNTK's kind of uid: the operator and a number that runs through the process."""
    return f"{kind}{next(_counter)}"


def dtype_of(dtype: Any) -> Any:
    """Return the NumPy type for what callers pass as a dtype.

    Raises
    ------
    CntkValueError
        For a dtype that CNTK does not have.
    """
    try:
        found = _DTYPES.get(dtype) or _DTYPES.get(np.dtype(dtype).type)
    except TypeError:
        found = None
    if found is None:
        raise CntkValueError(f'data type "{dtype}" is not supported; CNTK has float16, float32 and float64.')
    return found


def shape_of(shape: Any) -> tuple[int, ...]:
    """Return a shape as a tuple of ints; one number is a vector."""
    return (
        (int(shape),) if isinstance(shape, int | float | np.generic) else tuple(int(size) for size in shape)
    )


def is_known(shape: tuple[int, ...]) -> bool:
    """Tell whether a shape has a rank."""
    return shape != UNKNOWN_SHAPE


class Record(dict[str, Any]):
    """A dictionary whose entries are attributes too, and which does not change."""

    def __init__(self, **entries: Any) -> None:
        super().__init__(entries)

    def __getattr__(self, key: str) -> Any:
        if key not in self:
            raise AttributeError(f"record has no attribute '{key}'")
        return self[key]

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError("record is immutable")

    def updated_with(self, **entries: Any) -> Record:
        """Return a copy with some entries changed."""
        return Record(**{**self, **entries})


class _VariableType(Record):
    """What `Tensor[...]` and `Sequence[...]` make: the arguments of `input_variable`."""

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = None,
        needs_gradient: bool | None = None,
        is_sparse: bool | None = None,
        dynamic_axes: Any = None,
    ) -> None:
        given = {
            "shape": shape,
            "dtype": dtype,
            "needs_gradient": needs_gradient,
            "is_sparse": is_sparse,
            "dynamic_axes": dynamic_axes,
        }
        super().__init__(**{name: value for name, value in given.items() if value is not None})

    def __call__(self) -> None:
        raise CntkTypeError(
            f"abstract type {self} cannot be instantiated; use 'input_variable(**{self})' instead"
        )

    def __str__(self) -> str:
        shape, axes = self.get("shape", UNKNOWN_SHAPE), self.get("dynamic_axes", ())
        dtype = self.get("dtype")
        if self.get("is_sparse") and not axes:
            raise CntkTypeError("Type: cannot be sparse and not have an axis")
        if shape == UNKNOWN_SHAPE:
            text = "tensor"
        elif shape == ():
            text = f"np.{np.dtype(dtype).name}" if dtype is not None else "float"
        else:
            wide = f"np.{np.dtype(dtype).name}," if dtype in {np.float64, np.float16} else ""
            kind = "Sparse" if self.get("is_sparse") else "" if axes else "Parameter"
            text = f"{kind}Tensor[{wide}{','.join(str(size) for size in shape)}]"
        for axis in reversed(axes):
            if axis.name != "defaultBatchAxis":
                usual = axis.name in {"defaultDynamicAxis", "UnknownAxes"}
                text = f"{'Sequence' if usual else f'SequenceOver[{axis.name}]'}[{text}]"
        return text

    @property
    def shape_is_known(self) -> bool:
        """Whether there is a shape."""
        return self.get("shape") is not None and self["shape"] != UNKNOWN_SHAPE

    @staticmethod
    def _sanitize(given: Any) -> Any:
        """Return the type for `float` and NumPy's numbers, which stand for scalars."""
        if getattr(given, "__module__", "") == "typing" or getattr(given, "__origin__", None) is not None:
            raise CntkTypeError(
                "Python's typing.Sequence is not a valid CNTK type; use cntk.layers.typing.Sequence instead"
            )
        if isinstance(given, type) and given in {float, np.float16, np.float32, np.float64}:
            dtype = None if given is float else given
            axes = [Axis.default_batch_axis()]
            return _VariableType(shape=(), dtype=dtype, is_sparse=False, dynamic_axes=axes)
        return given


class TensorOperators:
    """The operators of Python that variables and functions share."""

    def __add__(self, other: Any) -> Any:
        return _ops().plus(self, other)

    def __radd__(self, other: Any) -> Any:
        return _ops().plus(other, self)

    def __sub__(self, other: Any) -> Any:
        return _ops().minus(self, other)

    def __rsub__(self, other: Any) -> Any:
        return _ops().minus(other, self)

    def __mul__(self, other: Any) -> Any:
        return _ops().element_times(self, other)

    def __rmul__(self, other: Any) -> Any:
        return _ops().element_times(other, self)

    def __truediv__(self, other: Any) -> Any:
        return _ops().element_divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _ops().element_divide(other, self)

    def __matmul__(self, other: Any) -> Any:
        return _ops().times(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _ops().times(other, self)

    def __abs__(self) -> Any:
        return _ops().abs(self)

    def __neg__(self) -> Any:
        return _ops().negate(self)

    def __getitem__(self, key: Any) -> Any:
        from onnx_workbench.cntk.ops.indexing import indexed

        return indexed(self, key)

    __array_priority__ = 1000
    __array_ufunc__ = None  # NumPy leaves `array + variable` to the variable


def _ops() -> Any:
    from onnx_workbench.cntk import ops

    return ops


class Variable(TensorOperators):
    """A place in a graph where data enters, passes or is kept.

    Shapes are without the dynamic axes; see `dynamic_axes`.
    """

    _Type = _VariableType

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

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self._shape

    @property
    def dtype(self) -> Any:
        """NumPy type of its numbers."""
        return self._dtype or np.float32

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
    def _type(self) -> _VariableType:
        return _VariableType(self.shape, self.dtype, self.needs_gradient, self.is_sparse, self.dynamic_axes)

    @property
    def type(self) -> _VariableType:
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
            if array.size != math.prod(self.shape):
                raise CntkValueError(
                    f"The value has shape {array.shape}; expected {self.shape}, the shape of {self}."
                )
            array = array.reshape(self.shape)
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
                raise CntkRuntimeError(
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
        value = 0 if value is None else value
        if np.isscalar(value):
            super().__init__("Constant", () if shape is None else shape, dtype, name, needs_gradient=False)
            self._init = Initializer("constant", float(value))  # type: ignore[arg-type]
            if INFERRED not in self._shape:
                self._keep(np.full(self._shape, value, self.dtype))
        else:
            array = _array_of(value, dtype, shape)
            super().__init__("Constant", array.shape, dtype, name, needs_gradient=False)
            self._keep(array)


def dtype_of_or_none(dtype: Any) -> Any:
    """Return the NumPy type for a dtype, or None where CNTK has none."""
    try:
        return dtype_of(dtype)
    except CntkValueError:
        return None


def _array_of(value: Any, dtype: Any, shape: Any) -> NDArray[Any]:
    value = value.asarray() if hasattr(value, "asarray") else value
    array = np.array(value, dtype=dtype_of(dtype))
    if shape is not None and shape_of(shape) != array.shape and INFERRED not in shape_of(shape):
        wanted = shape_of(shape)
        array = (
            array.reshape(wanted)
            if array.size == math.prod(wanted)
            else np.broadcast_to(array, wanted).copy()
        )
    return array


def as_float(value: Any, dtype: Any) -> NDArray[Any]:
    """Return data as an array of a dtype; integers and bools are cast with a warning, other kinds are refused."""
    array = np.asarray(value)
    if array.dtype == dtype:
        return array
    if array.dtype.kind in "ib" or array.dtype in {
        np.dtype(one) for one in (np.float16, np.float32, np.float64)
    }:
        if array.dtype != dtype and array.dtype.kind != "b":
            warnings.warn(
                f'your data is of type "{array.dtype}", but your input variable expects "{np.dtype(dtype)}"; '
                "please convert your data beforehand to speed up evaluation.",
                stacklevel=2,
            )
        return array.astype(dtype)
    raise CntkValueError(
        f"only integer, bool, float32, float64 and float16 are supported, you gave {array.dtype}"
    )
