"""An export leaves nothing behind: not when it is stopped, and not when Python ends."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest
import torch
from torch import nn

from onnx_workbench.core.errors import WorkbenchWarning
from onnx_workbench.sources.open import open_model


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_ctrl_c_while_torch_exports_leaves_no_file_and_every_mode_as_it_was(temporary, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        assert len(list(temporary.iterdir())) == 1  # where the file would have gone
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.onnx, "export", interrupted)
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))
    module[0].eval()
    with pytest.warns(WorkbenchWarning, match="training mode"), pytest.raises(KeyboardInterrupt):
        open_model(module, example_inputs=torch.zeros(2, 3))
    assert [part.training for part in module.modules()] == [True, False, True]
    assert list(temporary.iterdir()) == []


def test_models_that_live_to_the_end_of_python_take_their_files_with_them(tmp_path):
    code = (
        "import torch, tempfile, pathlib, onnx_workbench as ow\n"
        "model = ow.open_model(torch.nn.Linear(64, 64).eval(), example_inputs=torch.zeros(2, 64))\n"
        "ow.run(model, torch.zeros(2, 64))\n"
        "print(len(list(pathlib.Path(tempfile.gettempdir()).glob('onnx-workbench-*'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert done.stdout == "1\n"
    assert list(tmp_path.glob("onnx-workbench-*")) == []
