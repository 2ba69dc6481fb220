"""Saving: whole or not at all, over the very file that was opened too."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tiny_models import convnet, dense, random_weights

import onnx_workbench as ow
from onnx_workbench.core.errors import ModelFileError, WriteError
from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.metadata import LABELS_KEY
from onnx_workbench.core.serialization import single_file

WEIGHTS = random_weights(16, 64)
X = np.ones((2, 16), np.float32)


def failing(error: BaseException):
    yield b"half of it"
    raise error


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(28, "No space left on device"), ValueError("x")]
)
@pytest.mark.parametrize("before", [None, b"the old content"])
def test_whatever_goes_wrong_the_old_file_stays_and_no_other(tmp_path, error, before):
    target = tmp_path / "file.bin"
    if before is not None:
        target.write_bytes(before)
    with pytest.raises(type(error)):
        write_atomic(target, failing(error))
    assert (target.read_bytes() if target.exists() else None) == before
    assert len(list(tmp_path.iterdir())) == (before is not None)


def test_text_bytes_and_pieces_are_written(tmp_path):
    assert write_atomic(tmp_path / "a", "\u00e9").read_bytes() == b"\xc3\xa9"
    assert write_atomic(tmp_path / "a", b"new").read_bytes() == b"new"
    assert write_atomic(str(tmp_path / "a"), iter([b"1", b"2"])).read_bytes() == b"12"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(WriteError, match=r"Cannot write 'x\.onnx': the folder .* does not exist"):
        write_atomic(tmp_path / "no" / "x.onnx", b"")


def test_a_file_keeps_its_mode_and_a_new_one_gets_the_usual(tmp_path):
    old = tmp_path / "old"
    old.write_bytes(b"")
    old.chmod(0o640)
    assert stat.S_IMODE(write_atomic(old, b"x").stat().st_mode) == 0o640
    usual = tmp_path / "usual"
    usual.touch()
    assert write_atomic(tmp_path / "new", b"x").stat().st_mode == usual.stat().st_mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_left_alone(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            ow.open_model(dense()).save(tmp_path / "m.onnx")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["\U0001f6d1" * 60, "a" * 250, "with space.onnx", "-.onnx"])
def test_long_and_strange_names_can_be_saved_to(tmp_path, name):
    assert ow.open_model(ow.open_model(dense()).save(tmp_path / name)).outputs[0].name == "y"


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("source", ["file", "bytes", "proto", "external"])
def test_onnx_reads_what_is_saved(tmp_path, source, external):
    path = tmp_path / "m.onnx"
    onnx.save(
        convnet(), path, save_as_external_data=source == "external", location="m.data", size_threshold=0
    )
    sources = {"bytes": path.read_bytes, "proto": lambda: onnx.load(path)}
    opened = ow.open_model(sources[source]() if source in sources else path)
    saved = opened.save(tmp_path / "saved.onnx", external_data=external)
    onnx.checker.check_model(saved, full_check=True)
    read, original = onnx.load(saved).graph, convnet().graph
    assert list(read.node) == list(original.node)
    for ours, theirs in zip(read.initializer, original.initializer, strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(ours), numpy_helper.to_array(theirs))
    assert (tmp_path / "saved.onnx.data").exists() == external


def test_external_weights_are_aligned_to_pages(tmp_path):
    saved = ow.open_model(convnet()).save(tmp_path / "m.onnx", external_data=True)
    proto = onnx.load(saved, load_external_data=False)
    offsets = [
        int(entry.value)
        for tensor in proto.graph.initializer
        for entry in tensor.external_data
        if entry.key == "offset"
    ]
    assert offsets
    assert all(offset % 4096 == 0 for offset in offsets)


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_a_model_can_be_saved_over_its_own_file(tmp_path, external, before):
    path = ow.open_model(dense()).save(tmp_path / "m.onnx", external_data=before)
    opened = ow.open_model(path)
    old_weight = opened.weight("w")
    opened.with_metadata(labels=["a", "b"]).save(path, external_data=external)
    again = ow.open_model(path)
    assert again.labels == ("a", "b")
    np.testing.assert_array_equal(again.weight("w"), WEIGHTS)
    np.testing.assert_allclose(ow.run(again, X)["y"], X @ WEIGHTS, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(old_weight, WEIGHTS)  # still mapped from the file that was
    if before == external:
        with pytest.raises(ModelFileError, match=r"was changed after the model was opened\. Open it again"):
            opened.weight("w")


def test_ctrl_c_while_saving_over_the_own_file_loses_nothing(tmp_path, monkeypatch):
    path = ow.open_model(dense()).save(tmp_path / "m.onnx")
    content = path.read_bytes()
    opened = ow.open_model(path)

    def interrupted(*_arguments):
        yield b"a piece"
        raise KeyboardInterrupt

    monkeypatch.setattr(type(opened.payloads), "pieces", interrupted)
    with pytest.raises(KeyboardInterrupt):
        opened.save(path)
    assert path.read_bytes() == content
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]


def test_metadata_is_added_replaced_and_kept(tmp_path):
    opened = ow.open_model(dense()).with_metadata(author="me", labels=["\u00e9", "<b>"])
    changed = opened.with_metadata(author="you")
    saved = ow.open_model(changed.save(tmp_path / "m.onnx"))
    assert saved.metadata["author"] == "you"
    assert saved.labels == ("\u00e9", "<b>")
    assert opened.metadata["author"] == "me"
    assert "\u00e9" in saved.metadata[LABELS_KEY]  # readable JSON


def test_metadata_that_is_no_text_is_refused():
    opened = ow.open_model(dense())
    with pytest.raises(ow.WorkbenchError, match="labels must be a list of strings"):
        opened.with_metadata(labels="cat")
    with pytest.raises(ow.WorkbenchError, match="labels must be a list of strings"):
        opened.with_metadata(labels=[1, 2])
    with pytest.raises(ow.WorkbenchError, match="labels must be a list of strings"):
        opened.with_metadata(labels=2)
    with pytest.raises(
        ow.WorkbenchError, match=r"preprocessing is a Preprocessing; got dict\. Give Preprocessing\("
    ):
        opened.with_metadata(preprocessing={"size": (8, 8)})
    with pytest.raises(ow.WorkbenchError, match=r"author='\\udcff': metadata is text in UTF-8"):
        opened.with_metadata(author="\udcff")
    with pytest.raises(ow.WorkbenchError, match=r"version=3: metadata is text.*str\(3\)"):
        opened.with_metadata(version=3)


def test_saving_to_a_folder_leaves_it_and_says_so(tmp_path):
    with pytest.raises(OSError, match=r"' is a folder: give the name of a file in it") as caught:
        ow.open_model(dense()).save(tmp_path)
    assert isinstance(caught.value, WriteError)
    assert list(tmp_path.iterdir()) == []
    assert not list(tmp_path.parent.glob(".*.part"))


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    ow.open_model(dense()).save("~/m.onnx")
    assert ow.open_model(Path("~/m.onnx")).path == tmp_path / "m.onnx"
    assert numpy_helper.to_array(onnx.load(tmp_path / "m.onnx").graph.initializer[0]).shape == (16, 64)


def test_a_writer_finds_out_that_the_weights_are_gone_before_its_first_byte(tmp_path):
    path = ow.open_model(convnet()).save(tmp_path / "m.onnx")
    opened = ow.open_model(path)
    path.unlink()
    with pytest.raises(ModelFileError, match="in a second file"):
        next(iter(single_file(opened.proto, opened.payloads)))
