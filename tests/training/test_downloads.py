"""Downloads, from a server of our own on the loopback interface: whole and right, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import numpy as np
import pytest

from onnx_workbench import training
from onnx_workbench.core.errors import DownloadError
from onnx_workbench.training import downloads, public_datasets

CONTENT = bytes(range(256)) * 4096  # 1 MiB: four pieces
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server:
    """Files by name, the requests that came, and how to misbehave."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {"file.bin": CONTENT}
        self.requests: list[str] = []
        self.sent_bytes: int | None = None
        self.status = 200

    def fetch(self, name: str = "file.bin", md5: str = MD5, size_bytes: int = len(CONTENT)):
        return downloads.fetch(f"{self.address}/{name}", md5=md5, size_bytes=size_bytes)


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("ONNX_WORKBENCH_CACHE", str(tmp_path / "cache"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            offered.requests.append(name)
            content = offered.files[name]
            self.send_response(offered.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: offered.sent_bytes])

        def log_message(self, *_: object) -> None:
            """Say nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        offered = Server(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield offered
        http.shutdown()
        thread.join()


def cached(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").glob("**/*"))


def test_a_file_is_fetched_once_and_then_comes_from_the_cache(server, tmp_path):
    assert server.fetch().read_bytes() == CONTENT
    assert server.fetch().read_bytes() == CONTENT
    assert server.requests == ["file.bin"]
    assert cached(tmp_path) == ["file.bin"]


def test_a_file_put_into_the_cache_by_hand_needs_no_network(server, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "file.bin").write_bytes(CONTENT)
    server.fetch()
    assert server.requests == []


def test_a_file_damaged_in_the_cache_is_fetched_again(server):
    path = server.fetch()
    path.write_bytes(b"x" + CONTENT[1:])  # as long as before
    assert server.fetch().read_bytes() == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("misbehave", "message"),
    [
        ({"files": {"file.bin": b"x" + CONTENT[1:]}}, "expected.*the file is another one"),
        ({"sent_bytes": 300_000}, "300,000 bytes|IncompleteRead"),
        ({"files": {"file.bin": CONTENT * 4}}, "1,048,576 bytes .* were expected"),
        ({"status": 404}, "could not be fetched from .*Not Found"),
    ],
    ids=["other content", "cut off", "larger than stated", "not found"],
)
def test_what_is_not_the_file_is_refused_and_nothing_of_it_stays(server, tmp_path, misbehave, message):
    for name, value in misbehave.items():
        setattr(server, name, value)
    with pytest.raises(DownloadError, match=message):
        server.fetch()
    assert cached(tmp_path) == []


def test_a_file_larger_than_stated_is_not_fetched_to_its_end(server, monkeypatch):
    done = []
    monkeypatch.setattr(downloads, "_progress", lambda *_: _Counting(done))
    server.files["file.bin"] = CONTENT * 16
    with pytest.raises(DownloadError, match="were expected"):
        server.fetch()
    assert sum(done) <= len(CONTENT) + (1 << 18)


class _Counting:
    """A progress bar that keeps what it is told, and may be interrupted at the second piece."""

    def __init__(self, done: list[int], *, interrupt: bool = False) -> None:
        self.done, self.interrupt = done, interrupt

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing."""

    def update(self, count: int) -> None:
        self.done.append(count)
        if self.interrupt and len(self.done) == 2:
            raise KeyboardInterrupt


def test_ctrl_c_in_the_middle_leaves_nothing(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_progress", lambda *_: _Counting([], interrupt=True))
    with pytest.raises(KeyboardInterrupt):
        server.fetch()
    assert cached(tmp_path) == []


def test_without_a_network_the_ways_out_are_named(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # closed again below: nobody listens there
    with pytest.raises(
        DownloadError, match=r"(?s)nobody\.bin \(9 B\).*refused.*put the file into .*training\.signs"
    ):
        downloads.fetch(f"http://127.0.0.1:{port}/nobody.bin", md5=MD5, size_bytes=9)
    assert cached(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_told(server, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("a file, not a folder")
    monkeypatch.setenv("ONNX_WORKBENCH_CACHE", str(tmp_path / "taken"))
    with pytest.raises(DownloadError, match=r"file\.bin .*could not be fetched"):
        server.fetch()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ONNX_WORKBENCH_CACHE": "~/here"}, "HOME/here"),
        ({"XDG_CACHE_HOME": "/x/cache"}, "/x/cache/onnx-workbench"),
        ({}, "HOME/.cache/onnx-workbench"),
    ],
)
def test_the_cache_lies_where_the_variables_say(monkeypatch, variables, expected):
    monkeypatch.setenv("HOME", "/home/her")
    for name in ("ONNX_WORKBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert downloads.cache_folder().as_posix() == expected.replace("HOME", "/home/her")


# CIFAR-10


def cifar_archive(**changes: bytes) -> bytes:
    """Return an archive with two records a file: label, then a red, a green and a blue plane."""
    records = [
        bytes([label]) + bytes([10 + label]) * 1024 + bytes([20]) * 1024 + bytes([30]) * 1024
        for label in (3, 9)
    ]
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in names:
            content = changes.get(name.removesuffix(".bin"), b"".join(records))
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def serve_cifar(server: Server, monkeypatch, content: bytes) -> None:
    server.files["cifar.tar.gz"] = content
    monkeypatch.setattr(public_datasets, "_CIFAR", f"{server.address}/cifar.tar.gz")
    monkeypatch.setattr(public_datasets, "_CIFAR_MD5", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(public_datasets, "_CIFAR_BYTES", len(content))


def test_cifar10_becomes_pictures_with_channels_last(server, monkeypatch):
    serve_cifar(server, monkeypatch, cifar_archive())
    data = training.cifar10()
    assert data.train_images.shape == (10, 32, 32, 3)
    assert data.test_images.shape == (2, 32, 32, 3)
    assert data.test_labels.tolist() == [3, 9]
    assert data.test_images[0, 5, 7].tolist() == [13, 20, 30]
    assert [data.labels[label] for label in data.test_labels] == ["cat", "truck"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "is damaged"),
        (cifar_archive()[:200], "is damaged"),
        (cifar_archive(data_batch_3=b"\1" * 3072), r"data_batch_3\.bin is cut off"),
        (cifar_archive(test_batch=b""), r"test_batch\.bin is cut off"),
        (gzip.compress(b"\0" * 2048), "is damaged.*not found"),
    ],
    ids=["no archive", "cut archive", "cut file", "empty file", "nothing in it"],
)
def test_a_damaged_cifar_archive_is_told(server, monkeypatch, content, message):
    serve_cifar(server, monkeypatch, content)
    with pytest.raises(DownloadError, match=message):
        training.cifar10()


# Fashion-MNIST


def idx(array: np.ndarray) -> bytes:
    """Return an array as a gzipped IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(b"\0\0\x08" + bytes([array.ndim]) + sizes + array.tobytes())


def test_fashion_mnist_becomes_grey_rgb_pictures(server, monkeypatch):
    pictures = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
    contents = [
        idx(pictures),
        idx(np.array([0, 9, 2], np.uint8)),
        idx(pictures[:1]),
        idx(np.array([8], np.uint8)),
    ]
    files = dict(zip(public_datasets._FASHION_FILES, contents, strict=True))
    server.files |= files
    monkeypatch.setattr(public_datasets, "_FASHION", server.address)
    monkeypatch.setattr(
        public_datasets,
        "_FASHION_FILES",
        {name: (hashlib.md5(content).hexdigest(), len(content)) for name, content in files.items()},
    )
    data = training.fashion_mnist()
    assert data.labels[data.test_labels[0]] == "bag"
    assert data.train_labels.tolist() == [0, 9, 2]
    for channel in range(3):
        np.testing.assert_array_equal(data.train_images[..., channel], pictures)
    assert data.example.shape == (1, 1, 28, 28)
    assert sorted(server.requests) == sorted(files)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plain", "is damaged"),
        (idx(np.zeros((2, 2), np.uint8))[:-9], "is damaged"),
        (gzip.compress(b"\0\0"), "is damaged"),
        (gzip.compress(b"\0\0\x08\x02\0\0\0\x02"), "is damaged"),
        (gzip.compress(b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0"), "is no IDX file of bytes"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x05abc"), "is no IDX file of bytes"),
    ],
    ids=["no gzip", "cut gzip", "cut header", "cut sizes", "floats", "too short"],
)
def test_a_damaged_idx_file_is_told(tmp_path, content, message):
    path = tmp_path / "some-idx.gz"
    path.write_bytes(content)
    with pytest.raises(DownloadError, match=message):
        public_datasets.read_idx(path)
