"""A second export of a module, by the exporter that wrote a file: the same nodes, with nothing done to them since."""

from __future__ import annotations

import io
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

from onnx_workbench.core.model import Model
from onnx_workbench.core.reading import read_path
from onnx_workbench.runtime.quiet_torch import quiet_torch

_OLDEST_OF_DYNAMO = 18


def export_again(module: Any, arrays: Sequence[Any], like: Model) -> Model | None:
    """Return a fresh export of a module that should have the nodes of `like`; None where torch cannot.

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
    opset = like.opsets.get("ai.onnx", 0)
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with (
            quiet_torch()
        ):  # with gradients: without, transformers take a way that the older exporter does not know
            if _is_from_torchscript(like):
                buffer: Any = io.BytesIO()
                torch.onnx.export(module, tensors, buffer, dynamo=False, opset_version=opset or None)
                return _opened(buffer.getvalue())
            program = torch.onnx.export(
                module,
                tensors,
                dynamo=True,
                verbose=False,
                opset_version=opset if opset >= _OLDEST_OF_DYNAMO else None,
            )
            if program is None:
                return None
            return _opened(program.model_proto.SerializeToString())
    except Exception:  # noqa: BLE001  whatever the exporters raise: there is no second export then
        return None
    finally:
        for part, training in modes.items():
            part.training = training


def _is_from_torchscript(model: Model) -> bool:
    """Tell torch's older exporter: it names nodes after modules, and notes nothing on them; tools keep the names."""
    if any(key.startswith("pkg.torch") for node in model.nodes for key in node.metadata):
        return False
    older = sum(node.name.startswith("/") for node in model.nodes)
    newer = sum(node.name.startswith("node_") for node in model.nodes)
    return older > newer or (older == newer and "torch" in model.producer_name)


def _opened(content: bytes) -> Model:
    folder = Path(tempfile.mkdtemp(prefix="onnx-workbench-"))
    path = folder / "again.onnx"
    path.write_bytes(content)
    opened = read_path(path)
    weakref.finalize(opened.payloads, rmtree, folder, ignore_errors=True)
    return opened
