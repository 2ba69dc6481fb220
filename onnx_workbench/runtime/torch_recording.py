"""A run of a torch module, recorded operation by operation as PyTorch dispatches them: nothing is exported or traced.

Whatever runs can be recorded: control flow that depends on data, functions with gradients of their own, hooks, any
arguments and outputs. What is recorded holds for these inputs, and keeps operations and no values.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from onnx_workbench.runtime.live_module import full_float32
from onnx_workbench.runtime.torch_calls import Recording
from onnx_workbench.runtime.torch_recorder import Recorder, mode_class


def record(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Recording:
    """Run a module once and return what it did; its buffers are left as they were, whatever it does to them."""
    try:
        return _recorded(module, args, kwargs, whole=True)
    except RuntimeError:  # such as of a forward that asks for gradients: with them, operations come in pieces
        return _recorded(module, args, kwargs, whole=False)


def _recorded(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], *, whole: bool) -> Recording:
    import torch
    from torch.utils import _pytree as pytree

    # Below autograd, operations arrive as they were called; above, those made of others have come apart.
    below_autograd = torch._C._AutoDispatchBelowAutograd() if whole else nullcontext()  # noqa: SLF001  nothing public
    recorder = Recorder()
    args, kwargs = pytree.tree_map_only(torch.Tensor, torch.clone, (tuple(args), dict(kwargs)))
    recorder.recording.inputs = [
        recorder.number(tensor)
        for tensor in pytree.tree_leaves((args, kwargs))
        if isinstance(tensor, torch.Tensor)
    ]
    mode = mode_class()(recorder)
    try:
        with (
            torch.no_grad(),
            full_float32(),
            _uncompiled(),
            _paths(module, recorder.path),
            below_autograd,
            mode,
        ):
            result = module(*args, **kwargs)
    finally:
        recorder.restore()
    returned = [item for item in pytree.tree_leaves(result) if isinstance(item, torch.Tensor)]
    recorder.recording.outputs = [recorder.number_of_result(item) for item in returned]
    return recorder.recording


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Let compiled modules and layers of transformers run as several operations, rather than as one of their own."""
    import torch
    from torch.backends import mha

    before = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    # The compiler takes seconds to load; where something is compiled, it is loaded.
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    try:
        with eager:
            yield
    finally:
        mha.set_fastpath_enabled(before)


@contextmanager
def _paths(module: Any, path: list[str]) -> Iterator[None]:
    """Keep a list of the modules that are running, outermost first."""
    import torch

    handles: list[Any] = []
    try:
        for name, part in module.named_modules():
            if not isinstance(part, torch.jit.ScriptModule):  # those take no hooks of Python's
                handles += _follow(part, name, path)
        yield
    finally:
        for handle in handles:
            handle.remove()


def _follow(part: Any, name: str, path: list[str]) -> list[Any]:
    def enter(_part: Any, _args: Any) -> None:
        path.append(name)

    def leave(_part: Any, _args: Any, _result: Any) -> None:
        path.pop()

    return [
        part.register_forward_pre_hook(enter, prepend=True),
        part.register_forward_hook(leave, always_call=True),
    ]
