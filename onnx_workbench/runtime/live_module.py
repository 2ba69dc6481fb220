"""A live torch module as a backend: run by PyTorch itself, never converted."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import InputError, RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_parts import Value
from onnx_workbench.core.model import Model
from onnx_workbench.runtime.backends import Feeds

_MODULE = "torch.nn.modules.module.Module"


def is_live_module(source: object) -> bool:
    """Tell whether an object is a torch module, without importing torch."""
    return any(f"{cls.__module__}.{cls.__qualname__}" == _MODULE for cls in type(source).__mro__)


class TorchBackend:
    """PyTorch on a live module, in eval mode, without gradients and in full float32; the module's modes are restored.

    Inputs are named as in ``forward``; outputs are named output_0, output_1, ... in the order in which torch
    flattens whatever ``forward`` returns (the order of the exported outputs).
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        parameters = list(inspect.signature(module.forward).parameters.values())
        self.takes_any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)
        # Without names to go by, arrays are passed in the order in which they are given.
        self.takes_any = any(p.kind in {p.VAR_POSITIONAL, p.POSITIONAL_ONLY} for p in parameters)
        named = [
            p
            for p in parameters
            if p.kind is p.POSITIONAL_OR_KEYWORD
            or (p.kind is p.KEYWORD_ONLY and p.default is p.empty and not self.takes_any)
        ]
        self.inputs = tuple(Value(parameter.name) for parameter in named)
        self.required = [parameter.name for parameter in named if parameter.default is parameter.empty]
        self.output_names: tuple[str, ...] = ()
        self.weighed_bytes = sys.maxsize  # what a module computes is not known beforehand

    def takes(self, names: Collection[str]) -> bool:
        """Tell whether ``forward`` can be called with arguments of these names."""
        known = {value.name for value in self.inputs}
        fit = self.takes_any_name or all(name in known for name in names)
        return not self.takes_any and fit and all(name in names for name in self.required)

    def weigh(self, model: Model, feeds: Feeds) -> None:
        """Refuse nothing."""

    def run(self, output_names: Sequence[str], feeds: Feeds) -> list[Any]:
        """Return all outputs as numpy arrays; `output_names` is for backends that know their outputs beforehand."""
        import torch
        from torch.utils import _pytree as pytree

        del output_names
        self._check_names(feeds)
        modes = {module: module.training for module in self.module.modules()}
        device = next((parameter.device for parameter in self.module.parameters()), None)
        try:
            tensors = {name: as_tensor(array, device) for name, array in feeds.items()}
            with torch.no_grad(), full_float32():
                self.module.eval()
                result = self.module(*tensors.values()) if self.takes_any else self.module(**tensors)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            shapes = ", ".join(f"{name} {tuple(array.shape)}" for name, array in feeds.items())
            reason = clean_text(str(error), limit=600)
            raise RunError(
                f"{type(self.module).__name__} failed in PyTorch on inputs {shapes}: {reason}"
            ) from error
        finally:
            for module, training in modes.items():
                module.training = training
        flat, _ = pytree.tree_flatten(result)
        if not all(isinstance(item, torch.Tensor) for item in flat):
            raise RunError(
                f"{type(self.module).__name__} returns {type(result).__name__} with parts that are no tensors; "
                "wrap it in a module that returns tensors."
            )
        return [_as_numpy(item) for item in flat]

    def _check_names(self, feeds: Feeds) -> None:
        """Raise if a name is not an argument of ``forward``, or one that it needs is missing."""
        if self.takes_any:
            return
        names = [value.name for value in self.inputs]
        unknown = [name for name in feeds if name not in names and not self.takes_any_name]
        missing = [name for name in self.required if name not in feeds]
        if unknown or missing:
            what = f"has no argument {', '.join(map(repr, unknown))}" if unknown else "lacks an argument"
            lacking = f"; missing: {', '.join(map(repr, missing))}" if missing else ""
            raise InputError(
                f"forward of {type(self.module).__name__} {what}{lacking}. It takes {', '.join(map(repr, names))}."
            )


@contextmanager
def full_float32() -> Iterator[None]:
    """Have graphics cards compute float32 as such: PyTorch lets convolutions there round to 10 bits (TF32).

    Such an error, of one part in a thousand, is the card's and not the model's, and hides the errors that are.
    """
    import torch

    backends: Any = torch.backends
    places = (backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul)
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = "ieee"
        yield
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision


def as_tensor(array: Any, device: Any) -> Any:
    """Return a copy of an array as a tensor: sharing would not do for those that are read-only, such as mapped ones."""
    import torch

    if getattr(array, "dtype", None) == "bfloat16":  # of ml_dtypes, which torch does not know
        return torch.tensor(array.view(np.int16), device=device).view(torch.bfloat16)
    return torch.tensor(array, device=device)


def bfloat16_array(tensor: Any) -> NDArray[Any]:
    """Return a bfloat16 tensor as an array of ml_dtypes' dtype, which numpy itself lacks."""
    import ml_dtypes
    import torch

    words = tensor.detach().cpu().contiguous().view(torch.int16).numpy()
    return np.asarray(words.view(ml_dtypes.bfloat16))


def _as_numpy(tensor: Any) -> NDArray[Any]:
    """Return a tensor as an array; bfloat16, which numpy lacks, as float32."""
    import torch

    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    return np.asarray((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())
