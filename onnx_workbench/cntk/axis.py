"""Axes: static ones by index, the batch, and sequences by name."""

from __future__ import annotations

import itertools
import numbers
from typing import Any

from onnx_workbench.cntk.errors import CntkTypeError, CntkValueError

_BATCH, _DYNAMIC, _UNKNOWN = "defaultBatchAxis", "defaultDynamicAxis", "UnknownAxes"
_ALL_STATIC, _ALL, _NEW_LEADING = "AllStaticAxes", "AllAxes", "EndStaticAxis"
_unique = itertools.count()


class Axis:
    """An axis of a variable: `Axis(1)` is static and counts as in NumPy, `Axis("name")` is a sequence's."""

    __slots__ = ("_index", "_name", "_ordered")

    def __init__(self, which: Any = 0, ordered: bool = True, *_: Any) -> None:
        self._index: int | None = None
        self._name: str
        self._ordered = ordered
        if isinstance(which, Axis):
            self._index, self._name, self._ordered = which._index, which._name, which._ordered
        elif isinstance(which, str):
            self._name = which
        else:
            if not isinstance(which, numbers.Integral):
                raise CntkTypeError(
                    f"An axis is a whole number, a name or an Axis; got the {type(which).__name__} {which!r}."
                )
            self._index = int(which)
            self._name = f"staticAxisIdx={self._index}"

    @property
    def name(self) -> str:
        """The name, or what stands for an index."""
        return self._name

    @property
    def is_ordered(self) -> bool:
        """Whether the order along it matters; that of a batch does not."""
        return self._ordered

    @property
    def is_static_axis(self) -> bool:
        """Whether it belongs to the shape of a sample."""
        return self._index is not None or self._name == _NEW_LEADING

    @property
    def is_dynamic_axis(self) -> bool:
        """Whether it is the batch or a sequence."""
        return not self.is_static_axis and self._name not in {_ALL, _ALL_STATIC}

    @property
    def is_batch_axis(self) -> bool:
        """Whether it is the batch."""
        return self.is_dynamic_axis and not self._ordered

    @property
    def is_sequence_axis(self) -> bool:
        """Whether it is a sequence."""
        return self.is_dynamic_axis and self._ordered

    def static_axis_index(self, checked: bool = True) -> int:
        """Return the index of a static axis."""
        if self._index is None:
            if checked:
                raise CntkValueError(f"{self} is not a static axis and has no index.")
            return 2**31 - 1
        return self._index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Axis) and (self._index, self._name) == (other._index, other._name)

    def __hash__(self) -> int:
        return hash((self._index, self._name))

    def __repr__(self) -> str:
        return f"Axis('{self._name}')"

    @staticmethod
    def default_dynamic_axis() -> Axis:
        """Return the sequence axis of `sequence.input_variable`."""
        return Axis(_DYNAMIC)

    @staticmethod
    def default_batch_axis() -> Axis:
        """Return the batch axis."""
        return Axis(_BATCH, False)

    @staticmethod
    def all_static_axes() -> Axis:
        """Return what stands for all axes of a sample."""
        return Axis(_ALL_STATIC)

    @staticmethod
    def all_axes() -> Axis:
        """Return what stands for all axes, the batch included."""
        return Axis(_ALL)

    @staticmethod
    def default_input_variable_dynamic_axes() -> tuple[Axis, ...]:
        """Return the axes of a sequence input."""
        return (Axis.default_batch_axis(), Axis.default_dynamic_axis())

    @staticmethod
    def unknown_dynamic_axes() -> tuple[Axis, ...]:
        """Return what stands for axes that are not known yet."""
        return (Axis(_UNKNOWN),)

    @staticmethod
    def new_unique_dynamic_axis(name: str) -> Axis:
        """Return a sequence axis that no other equals."""
        number = next(_unique)
        return Axis(f"{name}{number or ''}")

    @staticmethod
    def end_static_axis() -> Axis:
        """Return what stands for the place behind the last axis in CNTK's files: the one before the first here."""
        return Axis(_NEW_LEADING)

    @staticmethod
    def new_leading_axis() -> Axis:
        """Return what stands for the place before the first axis."""
        return Axis(_NEW_LEADING)


UNKNOWN_AXES = Axis.unknown_dynamic_axes()
"""The dynamic axes of a placeholder."""


def axis_of(value: Any) -> Axis | None:
    """Return an axis for what callers pass: an Axis, a number or None."""
    if isinstance(value, str):
        raise CntkTypeError(f"An axis by name is Axis({value!r}); static ones are whole numbers. Got a str.")
    return value if value is None or isinstance(value, Axis) else Axis(value)
