"""Files are written whole or not at all, and what stands in the way is told."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from onnx_workbench.core.errors import InputError, WriteError
from onnx_workbench.core.files import made_folder, read_bounded, write_atomic


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a folder that nobody may write to, root included")
def test_a_folder_that_takes_no_files_is_told_by_its_name():
    with pytest.raises(WriteError, match=r"Cannot write 'graph\.svg' into '/proc': ") as caught:
        write_atomic("/proc/graph.svg", "x")
    assert ".part" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "reason"), [("a" * 300, "File name too long"), ("a\0b", "cannot hold the character NUL")]
)
def test_a_name_that_no_file_can_have_is_told(tmp_path, name, reason):
    with pytest.raises(WriteError, match=rf"Cannot write .*{reason}\."):
        write_atomic(tmp_path / name, "x")


def test_a_folder_that_cannot_be_made_is_told_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"Cannot make the folder '.*file': there is a file of this name\."):
        made_folder(tmp_path / "file")
    with pytest.raises(WriteError, match=r"Cannot make the folder '.*file/below': Not a directory\."):
        made_folder(tmp_path / "file" / "below")
    assert made_folder(tmp_path / "a" / "b").is_dir()
    assert made_folder(tmp_path / "a" / "b").is_dir()  # it may be there


def test_a_disk_that_is_full_loses_nothing(tmp_path):
    resource = pytest.importorskip("resource", reason="limits of file sizes are a matter of Unix")
    target = tmp_path / "model.onnx"
    target.write_bytes(b"former")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        for content in (b"x" * 20_000, iter([b"x" * 6_000] * 4)):
            with pytest.raises(WriteError, match=r"Cannot write 'model\.onnx' into .*: File too large"):
                write_atomic(target, content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert target.read_bytes() == b"former"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_an_error_of_the_content_stays_what_it_is(tmp_path):
    def content():
        yield b"half"
        raise ConnectionResetError("the other end is gone")

    with pytest.raises(ConnectionResetError, match="the other end is gone"):
        write_atomic(tmp_path / "download", content())
    assert list(tmp_path.iterdir()) == []


def test_pieces_may_be_empty(tmp_path):
    pieces = [b"", memoryview(b""), b"a", memoryview(bytearray(b"bc"))]
    assert write_atomic(tmp_path / "x", pieces).read_bytes() == b"abc"
    assert write_atomic(tmp_path / "x", b"").read_bytes() == b""


@pytest.mark.parametrize(
    ("path", "message"),
    [("/dev/zero", "a device or a pipe"), ("/", "a folder"), ("/nowhere", "No such file")],
)
def test_what_may_never_end_is_not_read(path, message):
    with pytest.raises(InputError, match=message):
        read_bounded(path, most_bytes=100)


def test_a_file_is_read_up_to_its_bound(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_bounded(path, most_bytes=100) == b"x" * 100
    with pytest.raises(InputError, match="more than 99 B"):
        read_bounded(path, most_bytes=99)
