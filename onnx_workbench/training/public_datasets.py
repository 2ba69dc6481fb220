"""Data sets of others: digits from scikit-learn; CIFAR-10 and Fashion-MNIST when online."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import DownloadError, require
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.training.dataset import Dataset
from onnx_workbench.training.downloads import fetch

_CIFAR = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_CIFAR_MD5, _CIFAR_BYTES = "c32a1d4ab5d03f1284b67883e8d87530", 170052171
_CIFAR_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR_RECORD = 1 + 3 * 32 * 32

_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_FASHION_LABELS = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
_FASHION_FILES = {
    "train-images-idx3-ubyte.gz": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26421880),
    "train-labels-idx1-ubyte.gz": ("25c81989df183df01b3e8a0aad5dffbe", 29515),
    "t10k-images-idx3-ubyte.gz": ("bef4ecab320f06d8554ea6380940ec79", 4422102),
    "t10k-labels-idx1-ubyte.gz": ("bb300cfdad3c16e7a12a480ee83cd310", 5148),
}


def digits(*, seed: int = 0) -> Dataset:
    """Return scikit-learn's handwritten digits: 1,797 grey pictures of 8 x 8, a quarter of them to test with.

    Parameters
    ----------
    seed
        Seed of the split.

    Raises
    ------
    MissingPackageError
        If scikit-learn is not installed.

    References
    ----------
    https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits
    """
    require("sklearn", purpose="for its handwritten digits", extra="digits")
    from sklearn.datasets import load_digits

    found = load_digits()
    grey = np.rint(np.asarray(found.images) * (255 / 16)).astype(np.uint8)
    images = np.repeat(grey[..., np.newaxis], 3, axis=3)
    labels = np.asarray(found.target, np.int64)
    order = np.random.default_rng(seed).permutation(len(images))
    test, train = order[: len(order) // 4], order[len(order) // 4 :]
    preprocessing = Preprocessing(size=(8, 8), color="GRAY")
    names = tuple(str(digit) for digit in range(10))
    return Dataset("digits", images[train], labels[train], images[test], labels[test], names, preprocessing)


def cifar10() -> Dataset:
    """Return CIFAR-10: 60,000 colour pictures of 32 x 32 in 10 classes; downloads 170 MB once.

    Raises
    ------
    DownloadError
        If it is not in the cache and cannot be fetched.

    References
    ----------
    https://www.cs.toronto.edu/~kriz/cifar.html
    """
    path = fetch(_CIFAR, md5=_CIFAR_MD5, size_bytes=_CIFAR_BYTES)
    train = [f"data_batch_{number}.bin" for number in range(1, 6)]
    parts = read_cifar(path, [*train, "test_batch.bin"])
    train_images = np.concatenate([parts[name][0] for name in train])
    train_labels = np.concatenate([parts[name][1] for name in train])
    preprocessing = Preprocessing(size=(32, 32), mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))
    return Dataset(
        "CIFAR-10", train_images, train_labels, *parts["test_batch.bin"], _CIFAR_LABELS, preprocessing
    )


def read_cifar(path: Path, names: list[str]) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Return (pictures HWC, labels) of each file in CIFAR-10's binary archive: records of 1 + 3 * 32 * 32 bytes."""
    found = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for name in names:
                file = archive.extractfile(f"cifar-10-batches-bin/{name}")
                content = b"" if file is None else file.read(_CIFAR_RECORD * 20_000)
                if not content or len(content) % _CIFAR_RECORD:
                    raise DownloadError(
                        f"{path.name}: {name} is cut off. Delete the file, and it is fetched again."
                    )
                records = np.frombuffer(content, np.uint8).reshape(-1, _CIFAR_RECORD)
                pictures = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
                found[name] = np.ascontiguousarray(pictures), records[:, 0].astype(np.int64)
    except (tarfile.TarError, KeyError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DownloadError(f"{path} is damaged: {error}. Delete it, and it is fetched again.") from error
    return found


def fashion_mnist() -> Dataset:
    """Return Fashion-MNIST: 70,000 grey pictures of clothes, 28 x 28, in 10 classes; downloads 30 MB once.

    Raises
    ------
    DownloadError
        If it is not in the cache and cannot be fetched.

    References
    ----------
    https://github.com/zalandoresearch/fashion-mnist
    """
    arrays = [
        read_idx(fetch(f"{_FASHION}/{name}", md5=md5, size_bytes=size))
        for name, (md5, size) in _FASHION_FILES.items()
    ]
    images = [np.repeat(array[..., np.newaxis], 3, axis=3) for array in (arrays[0], arrays[2])]
    labels = [array.astype(np.int64) for array in (arrays[1], arrays[3])]
    preprocessing = Preprocessing(size=(28, 28), color="GRAY")
    return Dataset(
        "Fashion-MNIST", images[0], labels[0], images[1], labels[1], _FASHION_LABELS, preprocessing
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array in a gzipped IDX file of bytes (http://yann.lecun.com/exdb/mnist, "file format")."""
    try:
        with gzip.open(path) as file:
            content = file.read(1 << 28)
        stream = io.BytesIO(content)
        zero, kind, rank = struct.unpack(">HBB", stream.read(4))
        shape = struct.unpack(f">{rank}I", stream.read(4 * rank))
        body = np.frombuffer(content, np.uint8, offset=4 + 4 * rank)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise DownloadError(f"{path} is damaged: {error}. Delete it, and it is fetched again.") from error
    if zero != 0 or kind != 8 or len(body) != int(np.prod(shape, dtype=object)):
        raise DownloadError(f"{path} is no IDX file of bytes. Delete it, and it is fetched again.")
    return body.reshape(shape)
