"""Shapes, dtypes and types of variables, in CNTK's words."""

from __future__ import annotations

import itertools
import warnings
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError

INFERRED = -1
UNKNOWN_SHAPE = (-2,)
FREE = -3
_counter = itertools.count()
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
    int: np.float32,
    # CNTK's own numbers of its types
    1: np.float32,
    2: np.float64,
    4: np.float16,
    5: np.int8,
    6: np.int16,
}


def new_uid(kind: str) -> str:
    """Return CNTK's kind of uid: the operator and a number that runs through the process."""
    return f"{kind}{next(_counter)}"


_holders: WeakValueDictionary[str, Any] = WeakValueDictionary()


def held_key(holder: Any, uid: str) -> str:
    """Return a uid for one thing alone in this process: those of files may have been given to others before."""
    key, number = uid, 1
    while _holders.setdefault(key, holder) is not holder:
        number += 1
        key = f"{uid}_{number}"
    return key


def dtype_of(dtype: Any) -> Any:
    """Return the NumPy type for what callers pass as a dtype.

    Raises
    ------
    CntkValueError
        For a dtype that CNTK does not have.
    """
    if isinstance(dtype, np.dtype) and dtype in {np.dtype(np.int32), np.dtype(np.int64)}:
        return np.float32  # as in CNTK, for what has the dtype of an array
    try:
        found = _DTYPES.get(dtype) or _DTYPES.get(np.dtype(dtype).type)
    except TypeError:
        found = None
    if found is None:
        raise CntkValueError(f'data type "{dtype}" is not supported; CNTK has float16, float32 and float64.')
    return found


def shape_of(shape: Any) -> tuple[int, ...]:
    """Return a shape as a tuple of ints; one number is a vector.

    Raises
    ------
    CntkTypeError
        For what is neither a number nor a list of numbers.
    """
    if isinstance(shape, int | float | np.generic):
        return (int(shape),)
    try:
        if not isinstance(shape, str | bytes):
            return tuple(size if type(size) is int else size.__int__() for size in shape)
    except (AttributeError, TypeError):
        pass
    raise CntkTypeError(f"A shape is a whole number or a tuple of them, such as (3, 32, 32); got {shape!r}.")


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


class VariableType(Record):
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
        """Refuse to be instantiated, as types of arguments are when they are called by mistake."""
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
            return VariableType(shape=(), dtype=dtype, is_sparse=False, dynamic_axes=axes)
        return given


def dtype_of_or_none(dtype: Any) -> Any:
    """Return the NumPy type for a dtype, or None where CNTK has none."""
    try:
        return dtype_of(dtype)
    except CntkValueError:
        return None


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
