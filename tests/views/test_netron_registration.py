"""Registrations: private, exact about which files may be read, and gone when their kernel is."""

from __future__ import annotations

import gc
import json
import os
import platform
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest

from onnx_workbench.core.errors import ModelFileError, RunError
from onnx_workbench.core.reading import read_path, read_proto
from onnx_workbench.views import netron_registration
from onnx_workbench.views.netron_registration import (
    find_registration,
    register,
    registrations_folder,
    remove_stale,
    unregister_with,
)


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


@pytest.fixture
def proto():
    proto = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 21]>'
        "add (float[N, 512] x) => (float[N, 512] y) { y = Add(x, offset) }"
    )
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.arange(512, dtype=np.float32), "offset"))
    return proto


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(netron_registration, "_INLINE_LIMIT_BYTES", 0)


class View:
    """Stands for the widget."""


def test_what_is_registered_is_found_again(proto):
    registration = register(read_proto(proto))
    assert find_registration(registration.id) == registration
    assert registration.owner_pid == os.getpid()


def test_a_small_model_is_written_whole_and_names_no_other_file(proto):
    registration = register(read_proto(proto))
    assert onnx.load(registration.model_path) == proto
    assert registration.external == {}


def test_a_large_model_on_disk_is_not_copied(proto, small_limit, tmp_path):
    onnx.save(proto, tmp_path / "add.onnx")
    registration = register(read_path(tmp_path / "add.onnx"))
    assert list(registration.external) == ["add.onnx"]
    assert registration.external["add.onnx"].path == str((tmp_path / "add.onnx").resolve())
    assert registration.model_path.stat().st_size < 500 < 512 * 4
    whole = onnx.load(registration.model_path, load_external_data=False)
    onnx.load_external_data_for_model(whole, str(tmp_path))
    assert np.array_equal(onnx.numpy_helper.to_array(whole.graph.initializer[0]), np.arange(512))


def test_a_large_model_in_memory_is_written_beside_its_registration(proto, small_limit):
    registration = register(read_proto(proto))
    (file,) = registration.external.values()
    assert file.path.startswith(str(registration.folder.resolve()))
    whole = onnx.load(registration.model_path)
    assert np.array_equal(onnx.numpy_helper.to_array(whole.graph.initializer[0]), np.arange(512))


def test_a_model_whose_weights_are_missing_still_shows_its_graph(proto, tmp_path):
    onnx.save(proto, tmp_path / "add.onnx", save_as_external_data=True, location="add.data", size_threshold=0)
    (tmp_path / "add.data").unlink()
    with pytest.warns(match="add.data"):
        model = read_path(tmp_path / "add.onnx")
    registration = register(model)
    assert registration.external == {}
    assert len(onnx.load(registration.model_path, load_external_data=False).graph.node) == 1


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link"])
def test_a_file_outside_the_models_folder_is_never_named(proto, tmp_path, location, small_limit):
    (tmp_path / "secret").write_bytes(b"x" * 4096)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    onnx.save(proto, folder / "add.onnx")
    model = read_path(folder / "add.onnx")
    model.proto.graph.initializer[0].external_data[0].value = location
    assert register(model).external == {}


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_only_the_user_can_look_into_a_registration(proto):
    registration = register(read_proto(proto))
    assert registration.folder.stat().st_mode & 0o077 == 0
    assert registrations_folder().stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_folder_that_others_can_write_to_is_not_trusted(proto):
    registration = register(read_proto(proto))
    registrations_folder().chmod(0o777)
    assert find_registration(registration.id) is None
    with pytest.raises(RunError, match="JUPYTER_RUNTIME_DIR"):
        register(read_proto(proto))


def test_an_id_is_128_random_bits(proto):
    ids = {register(read_proto(proto)).id for _ in range(3)}
    assert len(ids) == 3
    assert all(len(bytes.fromhex(registration_id)) == 16 for registration_id in ids)


@pytest.mark.parametrize("odd", ["", "..", "../runtime", "0" * 31, "g" * 32, "A" * 32, "0" * 32 + "\n"])
def test_what_is_no_id_is_not_looked_for(odd):
    assert find_registration(odd) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"id": 1}', "\xff", '{"external": {"a": 3}}'])
def test_a_damaged_registration_is_none(proto, content):
    registration = register(read_proto(proto))
    (registration.folder / "registration.json").write_text(content)
    assert find_registration(registration.id) is None


def test_it_ends_with_its_view(proto):
    view = View()
    registration = register(read_proto(proto))
    unregister_with(view, registration)
    gc.collect()
    assert find_registration(registration.id) is not None
    del view
    gc.collect()
    assert not registration.folder.exists()


def test_a_forked_child_does_not_end_it(proto):
    registration = register(read_proto(proto))
    netron_registration._remove(registration.folder, os.getpid() + 1)
    assert registration.folder.exists()


REGISTER = """
import onnx, os, signal, sys
from onnx_workbench.core.reading import read_proto
from onnx_workbench.views.netron_registration import register, unregister_with
class View: pass
view = View()
registration = register(read_proto(onnx.parser.parse_model(
    '<ir_version: 10, opset_import: ["" : 21]> m (float[N] x) => (float[N] y) {{ y = Relu(x) }}')))
unregister_with(view, registration)
print(registration.id, flush=True)
{end}
"""


def registered_by_a_process_that(end):
    done = subprocess.run(
        [sys.executable, "-c", REGISTER.format(end=end)], stdout=subprocess.PIPE, text=True, check=False
    )
    registration_id = done.stdout.strip()
    assert len(registration_id) == 32
    return registration_id


def test_it_ends_with_its_process():
    registration_id = registered_by_a_process_that("sys.exit(1)")
    assert not (registrations_folder() / registration_id).exists()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_after_a_killed_process_it_is_not_served_and_soon_removed():
    registration_id = registered_by_a_process_that("os.kill(os.getpid(), signal.SIGKILL)")
    assert (registrations_folder() / registration_id).exists()
    assert find_registration(registration_id) is None
    remove_stale()
    assert not (registrations_folder() / registration_id).exists()


def test_cleaning_leaves_what_lives_what_is_being_written_and_what_is_not_ours(proto):
    alive = register(read_proto(proto))
    being_written = registrations_folder() / ("1" * 32)
    stranger = registrations_folder() / "notes"
    for folder in (being_written, stranger):
        folder.mkdir()
    remove_stale()
    assert alive.folder.exists()
    assert being_written.exists()
    assert stranger.exists()
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(being_written, (long_ago, long_ago))
    remove_stale()
    assert not being_written.exists()


def test_a_process_of_another_machine_is_not_judged_by_its_number(proto, monkeypatch):
    registration = register(read_proto(proto))
    path = registration.folder / "registration.json"
    content = json.loads(path.read_text()) | {"owner_pid": 2**22 + 1}
    path.write_text(json.dumps(content))
    assert find_registration(registration.id) is None
    path.write_text(json.dumps(content | {"owner_host": f"not-{platform.node()}"}))
    assert find_registration(registration.id) is not None


def test_a_registration_that_fails_leaves_nothing_behind(proto, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    model = read_proto(proto)
    monkeypatch.setattr(netron_registration, "write_atomic", fail)
    with pytest.raises(OSError, match="disk full"):
        register(model)
    assert list(registrations_folder().iterdir()) == []


def test_weights_in_memory_that_cannot_be_written_are_an_error(proto, monkeypatch, small_limit):
    model = read_proto(proto)

    def refuse(*args, **kwargs):
        raise ModelFileError("too large")

    monkeypatch.setattr(model, "save", refuse)
    with pytest.raises(ModelFileError, match="too large"):
        register(model)
