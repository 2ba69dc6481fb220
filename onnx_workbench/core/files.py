"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from onnx_workbench.core.errors import WriteError


def write_atomic(path: str | os.PathLike[str], data: bytes | str | Iterable[bytes]) -> Path:
    """Write a file under a temporary name beside its target, then rename it.

    Whatever goes wrong on the way (an error, Ctrl-C, a full disk), the target keeps its former content and
    no half-written file stays.

    Parameters
    ----------
    path
        The file to write; its folder must exist.
    data
        Its content: bytes, text (written as UTF-8), or pieces of bytes in order.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    WriteError
        If the target is a folder, or its own folder does not exist.
    """
    target = Path(path)
    if target.is_dir():
        raise WriteError(f"{str(target)!r} is a folder: give the name of a file in it.")
    if not target.parent.is_dir():
        raise WriteError(
            f"Cannot write {target.name!r}: the folder {str(target.parent)!r} does not exist. Create it first."
        )
    if isinstance(data, str):
        data = data.encode()
    pieces: Iterable[bytes] = (data,) if isinstance(data, bytes) else data
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:32]}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
        _copy_permissions(target, temporary)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def _copy_permissions(target: Path, temporary: str) -> None:
    """Give the new file the mode of the one it replaces, or what the umask would have given."""
    if target.exists():
        mode = target.stat().st_mode & 0o777
    else:
        umask = os.umask(0)
        os.umask(umask)
        mode = 0o666 & ~umask
    Path(temporary).chmod(mode)
