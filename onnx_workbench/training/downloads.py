"""Files from the internet, fetched once, checked against a known hash, and kept in a cache."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onnx_workbench.core.errors import DownloadError
from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.formatting import format_bytes

_TIMEOUT_S = 20
_PIECE_BYTES = 1 << 18


def cache_folder() -> Path:
    """Return the folder for downloads: ONNX_WORKBENCH_CACHE, or onnx-workbench in the user's cache folder."""
    chosen = os.environ.get("ONNX_WORKBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "onnx-workbench"


def fetch(address: str, *, md5: str, size_bytes: int) -> Path:
    """Return a file from the cache, after fetching it if it is not there.

    Parameters
    ----------
    address
        Where it is.
    md5
        The MD5 that its publisher states, in hexadecimal; it guards against damage, not against its publisher.
    size_bytes
        Its size; nothing larger is fetched.

    Raises
    ------
    DownloadError
        If it cannot be reached, or is not the file expected. Nothing of it is kept then.
    """
    target = cache_folder() / address.rsplit("/", 1)[-1]
    if target.is_file() and target.stat().st_size == size_bytes and _md5_of(target) == md5:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return write_atomic(target, _pieces(address, md5, size_bytes))
    except DownloadError:
        raise
    except (OSError, http.client.HTTPException) as error:  # no network, a broken answer, a full disk
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"{target.name} ({format_bytes(size_bytes)}) could not be fetched from {address}: {reason}.\n"
            f"Without internet, put the file into {target.parent} yourself, or use training.signs(), which needs none."
        ) from error


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _pieces(address: str, md5: str, size_bytes: int) -> Iterator[bytes]:
    """Yield the content, and raise at its end, before it is kept, if it is not the file expected."""
    digest = hashlib.md5(usedforsecurity=False)
    done = 0
    with (
        urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer,
        _progress(address, size_bytes) as progress,
    ):
        while piece := answer.read(_PIECE_BYTES):
            done += len(piece)
            digest.update(piece)
            progress.update(len(piece))
            if done > size_bytes:
                break
            yield piece
    if done != size_bytes or digest.hexdigest() != md5:
        raise DownloadError(
            f"{address} gave {done:,} bytes with MD5 {digest.hexdigest()}, and {size_bytes:,} bytes with MD5 {md5} "
            "were expected: the download was cut off, or the file is another one. Nothing was kept; try again."
        )


def _progress(address: str, size_bytes: int) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=size_bytes, desc=address.rsplit("/", 1)[-1], unit="B", unit_scale=True, leave=False)
