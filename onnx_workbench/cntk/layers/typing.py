"""Types of inputs: `Tensor[3, 32, 32]`, `Sequence[Tensor[300]]`, and the decorator that uses them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.variables import Variable

__all__ = ["ParameterTensor", "Sequence", "SequenceOver", "Signature", "SparseTensor", "Tensor", "tensor"]

_DTYPES = (np.float16, np.float32, np.float64)


class _TensorType:
    """Makes types of inputs that are not sequences; a dtype may come before the shape."""

    def __init__(self, *, is_sparse: bool, dynamic_axes: list[Any]) -> None:
        self._options: dict[str, Any] = {"is_sparse": is_sparse, "dynamic_axes": dynamic_axes}

    def __getitem__(self, shape: Any) -> Any:
        parts = shape if isinstance(shape, tuple) else (shape,)
        options = dict(self._options)
        if parts and parts[0] in _DTYPES:
            options["dtype"], parts = parts[0], parts[1:]
        return Variable._Type(parts, **options)


class _SequenceType:
    """Makes types of sequences of something."""

    def __init__(self, axes: Any) -> None:
        self._axes = axes

    def __getitem__(self, item: Any) -> Any:
        item = Variable._Type._sanitize(item)
        axes = getattr(item, "dynamic_axes", None)
        if axes and list(axes) != [Axis.default_batch_axis()]:
            raise TypeError("sequences over sequences are currently not supported")
        return Variable._Type(**item.updated_with(dynamic_axes=self._axes))


class _SequenceOverType:
    """Makes types of sequences along an axis of their own."""

    def __getitem__(self, axis: Any) -> _SequenceType:
        return _SequenceType([Axis.default_batch_axis(), axis])


Tensor = _TensorType(is_sparse=False, dynamic_axes=[Axis.default_batch_axis()])
SparseTensor = _TensorType(is_sparse=True, dynamic_axes=[Axis.default_batch_axis()])
ParameterTensor = _TensorType(is_sparse=False, dynamic_axes=[])
Sequence = _SequenceType(Axis.default_input_variable_dynamic_axes())
SequenceOver = _SequenceOverType()
tensor = Tensor[-2]
"""A tensor whose shape is left open."""


def Signature(*types: Any, **named_types: Any) -> Callable[[Any], Any]:
    """Give a Python function types of arguments, to be used under ``@Function``.

    Raises
    ------
    TypeError
        If there are not as many types as arguments.
    ValueError
        If the function has annotations already.
    """

    def annotate(function: Any) -> Any:
        if getattr(function, "__annotations__", None):
            raise ValueError("@Signature cannot be applied to functions that already have annotations")
        names = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is inspect.Parameter.empty
        ]
        if len(types) + len(named_types) != len(names):
            raise TypeError(
                f"{len(types) + len(named_types)} annotations provided for function to be decorated, but function "
                f"has {len(names)} parameters"
            )
        for name in named_types:
            if name not in names:
                raise TypeError(f"got an unexpected keyword argument {name!r}")
        function.__annotations__ = {**dict(zip(names, types, strict=False)), **named_types}
        return function

    return annotate
