"""A second export of a module, by the exporter that wrote a file: the same nodes, with nothing done to them since."""

from __future__ import annotations

import io
import tempfile
import weakref
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

from onnx_workbench.core.model import Model
from onnx_workbench.core.reading import read_path
from onnx_workbench.runtime.quiet_torch import quiet_torch

_OLDEST_OF_DYNAMO = 18
_FORMAT_OF_DYNAMO = 10


def export_again(module: Any, arrays: Sequence[Any], like: Model) -> Model | None:
    """Return a fresh export of a module that should have the nodes of `like`; None where torch cannot.

    The last one is kept: several files are often compared with one module.

    Parameters
    ----------
    module
        In eval mode or not; it gets its own modes back.
    arrays
        Inputs in the order of ``forward``.
    like
        A model that one of torch's exporters wrote.
    """
    import torch

    device = next((parameter.device for parameter in module.parameters()), None)
    tensors = tuple(torch.as_tensor(array).to(device) for array in arrays)
    opset, older = like.opsets.get("ai.onnx", 0), _is_from_torchscript(like)
    key = (id(module), older, opset, _state_of(module), tuple((t.shape, t.dtype) for t in tensors))
    if key not in _LAST:
        with _all_in_eval_mode(module):
            made = _exported(module, tensors, opset, older=older)
        _LAST.clear()
        _LAST[key] = made
        weakref.finalize(module, _LAST.pop, key, None)
    return _LAST[key]


_LAST: dict[Any, Model | None] = {}


def _state_of(module: Any) -> tuple[str, int]:
    """Return what an export depends on: the layers' settings, and a checksum of all weights."""
    import torch

    checksum = 0
    for name, tensor in sorted({**dict(module.named_parameters()), **dict(module.named_buffers())}.items()):
        checksum = zlib.crc32(name.encode(), checksum)
        if tensor.numel():
            raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            checksum = zlib.crc32(raw.numpy(), checksum)
    return repr(module), checksum


@contextmanager
def _all_in_eval_mode(module: Any) -> Iterator[None]:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def _exported(module: Any, tensors: tuple[Any, ...], opset: int, *, older: bool) -> Model | None:
    import torch

    # With gradients: without, transformers take a way that the older exporter does not know.
    try:
        with quiet_torch():
            if older:
                buffer: Any = io.BytesIO()
                torch.onnx.export(module, tensors, buffer, dynamo=False, opset_version=opset or None)
                return _opened(buffer.getvalue())
            wanted = opset if opset >= _OLDEST_OF_DYNAMO else None
            program = torch.onnx.export(module, tensors, dynamo=True, verbose=False, opset_version=wanted)
            return None if program is None else _opened(program.model_proto.SerializeToString())
    except Exception:  # noqa: BLE001  whatever the exporters raise: there is no second export then
        return None


def _is_from_torchscript(model: Model) -> bool:
    """Tell torch's older exporter: it names nodes after modules, and notes nothing on them; tools keep the names."""
    if any(key.startswith("pkg.torch") for node in model.nodes for key in node.metadata):
        return False
    older = sum(node.name.startswith("/") for node in model.nodes)
    newer = sum(node.name.startswith("node_") for node in model.nodes)
    if older != newer:
        return older > newer
    # Tools may drop all names. The newer one writes no Constant nodes, and never an older version of the format.
    constants = any(node.op_type == "Constant" for node in model.nodes)
    return constants or model.ir_version < _FORMAT_OF_DYNAMO


def _opened(content: bytes) -> Model:
    folder = Path(tempfile.mkdtemp(prefix="onnx-workbench-"))
    path = folder / "again.onnx"
    path.write_bytes(content)
    opened = read_path(path)
    weakref.finalize(opened.payloads, rmtree, folder, ignore_errors=True)
    return opened
