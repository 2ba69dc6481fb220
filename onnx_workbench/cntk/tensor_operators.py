"""The operators of Python that variables and functions share."""

from __future__ import annotations

from typing import Any


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
