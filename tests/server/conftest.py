"""A Jupyter server with the extension, and models registered with it as a kernel would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from jupyter_process import Server, running_jupyter

from onnx_workbench.core.reading import read_path
from onnx_workbench.views import netron_registration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from onnx_workbench.core.model import Model


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_jupyter("jupyter_server", tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(autouse=True)
def runtime_folder(jupyter: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process look for registrations where the server looks."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(jupyter.home / "runtime"))


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A model whose weights lie in two other files of its folder, one of them in a folder below."""
    proto = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 21]>'
        "sums (float[N, 512] x) => (float[N, 512] y) { a = Add(x, first)  y = Add(a, second) }"
    )
    (tmp_path / "weights").mkdir()
    for name, location in {"first": "first.bin", "second": "weights/second #2.bin"}.items():
        tensor = onnx.numpy_helper.from_array(np.full(512, len(location), np.float32), name)
        (tmp_path / location).write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        proto.graph.initializer.append(tensor)
    (tmp_path / "secret.txt").write_text("not yours")
    onnx.save(proto, tmp_path / "sums.onnx")
    return read_path(tmp_path / "sums.onnx")


@pytest.fixture
def address(model: Model, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the registered model; its weights are left in their files."""
    monkeypatch.setattr(netron_registration, "_INLINE_LIMIT_BYTES", 0)
    return f"onnx-workbench/netron/{netron_registration.register(model).id}/"
