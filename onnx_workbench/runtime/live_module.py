"""A live torch module as a backend: run by PyTorch itself, never converted."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from onnx_workbench.core.errors import InputError, RunError
from onnx_workbench.core.model import Value
from onnx_workbench.runtime.backends import Feeds

_MODULE = "torch.nn.modules.module.Module"


def is_live_module(source: object) -> bool:
    """Tell whether an object is a torch module, without importing torch."""
    return any(f"{cls.__module__}.{cls.__qualname__}" == _MODULE for cls in type(source).__mro__)


class TorchBackend:
    """PyTorch on a live module, in eval mode and without gradients; the module's own modes are restored.

    Inputs are named as in ``forward``; outputs are named output_0, output_1, ... in the order in which torch
    flattens whatever ``forward`` returns (the order of the exported outputs).
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        parameters = inspect.signature(module.forward).parameters.values()
        self.takes_any = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        named = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
        self.inputs = tuple(Value(parameter.name) for parameter in named)
        self.required = [parameter.name for parameter in named if parameter.default is parameter.empty]
        self.output_names: tuple[str, ...] = ()

    def run(self, output_names: Sequence[str], feeds: Feeds) -> list[Any]:
        """Return all outputs as numpy arrays; `output_names` is for backends that know their outputs beforehand."""
        import torch
        from torch.utils import _pytree as pytree

        del output_names
        modes = {module: module.training for module in self.module.modules()}
        try:
            arguments = [torch.as_tensor(feeds[name]) for name in feeds]
            with torch.no_grad():
                result = self.module.eval()(*arguments)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            shapes = ", ".join(f"{name} {tuple(array.shape)}" for name, array in feeds.items())
            raise RunError(
                f"{type(self.module).__name__} failed in PyTorch on inputs {shapes}: {error}"
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
        return [item.detach().cpu().numpy() for item in flat]

    def check_names(self, feeds: Feeds) -> None:
        """Raise if a name is not an argument of ``forward``."""
        names = [value.name for value in self.inputs]
        if unknown := [name for name in feeds if name not in names and not self.takes_any]:
            raise InputError(
                f"forward has no argument {', '.join(map(repr, unknown))}; it takes {', '.join(names)}."
            )
