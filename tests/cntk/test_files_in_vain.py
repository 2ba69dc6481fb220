"""Saving and loading where it cannot be done: what is there stays, and the error is of the class that CNTK raises."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.core.errors import ModelFileError, WriteError

FORMATS = [C.ModelFormat.CNTKv2, C.ModelFormat.ONNX]


def network(start: float = 1.0):
    x = C.input_variable(3, name="x")
    return C.layers.Dense(2, init=C.glorot_uniform(seed=1), init_bias=start, name="d")(x)


@pytest.mark.parametrize("file_format", FORMATS)
def test_folders_on_the_way_are_made_as_cntk_makes_them(file_format, tmp_path):
    path = tmp_path / "not" / "there" / "m.model"
    model = network()
    model.save(str(path), format=file_format)
    loaded = C.Function.load(str(path), format=file_format)
    values = np.ones((1, 3), np.float32)
    np.testing.assert_allclose(loaded.eval(values), model.eval(values), rtol=1e-6)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("wrong", ["folder", "under a file"])
def test_what_is_no_place_for_a_file_is_a_runtime_error(wrong, file_format, tmp_path):
    (tmp_path / "file").write_text("a text")
    place = tmp_path if wrong == "folder" else tmp_path / "file" / "m.model"
    with pytest.raises(RuntimeError, match=r"folder|Cannot write") as caught:
        network().save(place, format=file_format)
    assert isinstance(caught.value, WriteError)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_names_and_formats_that_are_none_are_named():
    with pytest.raises(TypeError, match="named by a text or a path; got a int"):
        network().save(3)
    with pytest.raises(ValueError, match="no name of a file"):
        network().save("a\0b")
    with pytest.raises(ValueError, match="neither a file nor a byte buffer"):
        C.load_model(None)
    with pytest.raises(ValueError, match="neither ModelFormat"):
        C.load_model(b"", format="onnx")


@pytest.mark.parametrize("file_format", ["CNTKv2", "ONNX"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(file_format, tmp_path):
    path = tmp_path / "m.model"
    path.write_bytes(b"the old model")
    script = (
        "import resource, numpy as np, onnx_workbench.cntk as C\n"
        "x = C.input_variable(300)\n"
        "z = C.times(x, C.parameter((300, 300), init=np.ones((300, 300), np.float32)))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n"
        f"    z.save({str(path)!r}, format=C.ModelFormat.{file_format})\n"
        "except RuntimeError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("CntkWriteError")
    assert "m.model" in done.stdout
    assert path.read_bytes() == b"the old model"
    assert [one.name for one in tmp_path.iterdir()] == ["m.model"]


@pytest.mark.parametrize("content", [b"", b"abc", b"hello world, this is no model"])
def test_what_cannot_be_read_is_a_runtime_error_and_a_model_file_error(content, tmp_path):
    path = tmp_path / "m.model"
    path.write_bytes(content)
    for source in (path, tmp_path):
        with pytest.raises(RuntimeError, match=r".+") as caught:
            C.load_model(source)
        assert isinstance(caught.value, ModelFileError)


def test_a_network_built_again_takes_its_numbers_from_a_file(tmp_path):
    trained, again = network(5.0), network(0.0)
    trained.W.value = np.full((3, 2), 7, np.float32)
    trained.save(tmp_path / "m.model")
    values, parameter = np.ones((1, 3), np.float32), again.W
    again.restore(tmp_path / "m.model")
    assert again.W is parameter
    np.testing.assert_array_equal(again.eval(values), [[26, 26]])
    with pytest.raises(ValueError, match="not equivalent"):
        C.layers.Dense(3)(C.input_variable(3)).restore(tmp_path / "m.model")
    with pytest.raises(ValueError, match="not equivalent"):
        C.relu(network()).restore(tmp_path / "m.model")
    with pytest.raises(RuntimeError, match="no file"):
        again.restore(tmp_path / "none.model")
