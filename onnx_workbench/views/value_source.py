"""Where the arrays come from that a click on a box shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model
from onnx_workbench.runtime.onnx_steps import OnnxSteps
from onnx_workbench.runtime.steps import run_for

if TYPE_CHECKING:
    from onnx_workbench.analysis.tracing import Trace


class ValueSource(Protocol):
    """Arrays by value name, computed when they are asked for."""

    def offers(self, name: str) -> bool:
        """Tell whether there is an array of this name, or can be."""

    def array(self, name: str) -> NDArray[Any] | None:
        """Return the array; None if the value is no array, such as a sequence."""


class GivenValues:
    """Arrays that the caller has already."""

    def __init__(self, model: Model, values: Mapping[str, Any] | Trace) -> None:
        kept = getattr(values, "arrays", None)  # what `trace` returns
        if isinstance(kept, Mapping):
            if not kept:
                raise InputError(
                    "The trace kept no arrays: name some,  trace(model, inputs, keep=['conv1'])."
                )
            values = kept
        if not isinstance(values, Mapping):
            raise InputError(
                f"values is a {type(values).__name__}; it must be a mapping from value name to array, such as "
                "{'conv1': array}."
            )
        self._arrays = {name: _as_array(str(name), value) for name, value in values.items()}
        if self._arrays.keys().isdisjoint(model.values):
            given = ", ".join(repr(clean_text(str(name), limit=40)) for name in list(values)[:3]) or "nothing"
            known = ", ".join(repr(clean_text(name, limit=40)) for name in list(model.values)[:3])
            raise InputError(
                f"values names no value of the graph: it names {given}; the graph has {known}, …"
            )

    def offers(self, name: str) -> bool:
        """Tell whether an array of this name was given."""
        return name in self._arrays

    def array(self, name: str) -> NDArray[Any] | None:
        """Return the array that was given."""
        return self._arrays.get(name)


class ComputedValues:
    """The values of a run on some inputs: each is computed when it is asked for, with what it needs and no more."""

    def __init__(self, model: Model, inputs: object) -> None:
        self._run = OnnxSteps(model)
        self._feeds = self._run.feeds(inputs)
        self._known = {name for step in self._run.steps for name in step.outputs} | {*self._feeds}
        self._last: tuple[str, NDArray[Any] | None] | None = None

    def offers(self, name: str) -> bool:
        """Tell whether the run has a value of this name."""
        return name in self._known

    def array(self, name: str) -> NDArray[Any] | None:
        """Return the value; the last one is kept, since its reader looks at it in several ways."""
        if self._last is None or self._last[0] != name:
            value = run_for(self._run, self._feeds, name)
            self._last = (name, None if value is None else self._run.array(value))
        return self._last[1]


def _as_array(name: str, value: Any) -> NDArray[Any]:
    if hasattr(value, "detach"):  # a torch tensor
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"values[{clean_text(name)!r}] is a {type(value).__name__} that cannot become an array: {error}"
        ) from error
