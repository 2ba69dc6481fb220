"""A live torch module, run operation by operation by PyTorch itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.runtime.live_module import TorchBackend, as_tensor, full_float32
from onnx_workbench.runtime.session import Session
from onnx_workbench.runtime.steps import Step
from onnx_workbench.runtime.torch_calls import Call, Recording, Ref
from onnx_workbench.runtime.torch_names import names_of
from onnx_workbench.runtime.torch_recording import record

_FAILURES = (
    RuntimeError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
)


class TorchSteps:
    """The operations of a module as steps, as PyTorch dispatches them in one run.

    They are those that PyTorch's exporter would write, under the names that it would give them.

    Parameters
    ----------
    module
        A live ``torch.nn.Module``; it is run in eval mode, and its own modes are restored.
    inputs
        The inputs that the steps are found with: arrays as for ``Session.run``.
    products
        Whether linear layers are also computed without their biases, as ONNX may have them.
    """

    kernels = "torch"

    def __init__(self, module: Any, inputs: object, *, products: bool = True) -> None:
        self._products = products
        self._module = module
        tensors = self._tensors_of(inputs)
        positional = TorchBackend(module).takes_any
        try:
            with _evaluating(module):
                recording = record(
                    module, tuple(tensors.values()) if positional else (), {} if positional else tensors
                )
        except _FAILURES as error:
            shapes = ", ".join(f"{clean_text(name)} {tuple(t.shape)}" for name, t in tensors.items())
            reason = clean_text(str(error), limit=600)
            raise RunError(
                f"{type(module).__name__} failed in PyTorch on inputs {shapes}: {reason}"
            ) from error
        self.input_names = tuple(clean_text(name) for name in tensors)
        self._read(recording)

    def _tensors_of(self, inputs: object) -> dict[str, Any]:
        named = _feeds(self._module, inputs)
        device = next((parameter.device for parameter in self._module.parameters()), None)
        return {name: as_tensor(array, device) for name, array in named.items()}

    def _read(self, recording: Recording) -> None:
        self._names, of_calls = names_of(recording, self.input_names)
        self._kinds = {self._names[number]: dtype for number, (dtype, _) in recording.kinds.items()}
        self.steps: list[Step] = []
        self._calls: list[Call | int] = []
        live = _live(recording)
        for call, name in zip(recording.calls, of_calls, strict=True):
            if live.isdisjoint(call.writes):
                continue
            # A view that was made once more has the name of the last time.
            whole = name if call.is_sequence else self._names[next(n for n in call.writes if n is not None)]
            self._add(call, whole, recording)
            for place, number in enumerate(call.writes):
                if call.is_sequence and number in live:
                    self._add_step(call, place, (whole,), self._names[number], "getitem")
        self.output_names = tuple(self._names[number] for number in recording.outputs)

    def _add(self, call: Call, name: str, recording: Recording) -> None:
        """Add a step for a call; a linear layer is preceded by itself without its bias.

        Exporters write a MatMul and an Add where there are more than two dimensions.
        """
        read = tuple(self._names[number] for number in call.reads)
        if self._products and call.label == "linear" and len(call.args) > 2 and call.args[2] is not None:
            first = call.args[0]
            if isinstance(first, Ref) and recording.kinds[first.number][1] != 2:
                product = f"{name}_without_bias"
                self._add_step(replace(call, args=call.args[:2]), None, read, product, call.label)
                read = (*read, product)
        self._add_step(call, None, read, name, call.label)

    def _add_step(self, call: Call, place: int | None, read: tuple[str, ...], name: str, label: str) -> None:
        self._calls.append(call if place is None else place)
        self.steps.append(
            Step(len(self.steps), read, (name,), clean_text(label), call.module_path, call.source_line)
        )

    @staticmethod
    def summed_terms(step: Step) -> float:
        """Return 1: what a torch operation sums is not known."""
        del step
        return 1.0

    def feeds(self, inputs: object) -> dict[str, Any]:
        """Return the inputs by the names that the steps use."""
        tensors = self._tensors_of(inputs)
        if len(tensors) != len(self.input_names):
            raise RunError(f"The module takes {len(self.input_names)} inputs; got {len(tensors)}.")
        return dict(zip(self.input_names, tensors.values(), strict=True))

    @staticmethod
    def array(value: Any) -> NDArray[Any] | None:
        """Return a value as an array; None for a tuple of tensors."""
        return _as_array(value)

    def compute(self, step: Step, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the operation gives: a tensor, or a tuple of them."""
        import torch

        call = self._calls[step.index]
        (name,) = step.outputs
        if isinstance(call, int):
            return {name: values[step.inputs[0]][call]}
        if call.kept is not None:
            return {name: call.kept}
        args, kwargs = self._given(call.args, values), self._given(dict(call.kwargs), values)
        try:
            with torch.no_grad(), full_float32():
                return {name: call.function(*args, **kwargs)}
        except _FAILURES as error:
            raise RunError(f"{step.operator} {name!r} failed in PyTorch: {clean_text(str(error))}") from error

    def _given(self, item: Any, values: Mapping[str, Any]) -> Any:
        """Return arguments with the values put in."""
        if isinstance(item, Ref):
            name = self._names[item.number]
            return _as_tensor(values[name], self._kinds[name])
        if isinstance(item, dict):
            return {name: self._given(part, values) for name, part in item.items()}
        if isinstance(item, (list, tuple)):
            parts = [self._given(part, values) for part in item]
            return parts if isinstance(item, list) else tuple(parts)
        return item


def _live(recording: Recording) -> set[int]:
    """Return the values that the outputs come from."""
    live = set(recording.outputs)
    for call in reversed(recording.calls):
        if not live.isdisjoint(call.writes):
            live |= set(call.reads)
    return live


def _feeds(module: Any, inputs: object) -> dict[str, Any]:
    """Return arrays by the names of forward's arguments, in forward's order."""
    session = Session(module)
    feeds = session.named_arrays(inputs)
    order = [value.name for value in session.inputs if value.name in feeds]
    return {name: feeds[name] for name in [*order, *(n for n in feeds if n not in order)]}


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def _as_tensor(value: Any, dtype: Any) -> Any:
    """Return an array as a tensor; a tensor stays as it is."""
    import torch

    return torch.from_numpy(np.array(value)).to(dtype) if isinstance(value, np.ndarray) else value


def _as_array(tensor: Any) -> NDArray[Any] | None:
    """Return a tensor as an array that shares its memory; what numpy lacks, bfloat16 and sparse ones, otherwise."""
    import torch

    if not isinstance(tensor, torch.Tensor):
        return np.asarray(tensor) if isinstance(tensor, (bool, int, float)) else None
    tensor = tensor if tensor.layout is torch.strided else tensor.to_dense()
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    return np.asarray((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())
