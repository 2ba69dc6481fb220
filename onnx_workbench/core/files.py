"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from onnx_workbench.core.errors import InputError, WriteError
from onnx_workbench.core.formatting import clean_text, format_bytes


def read_bounded(path: str | os.PathLike[str], *, most_bytes: int) -> bytes:
    """Return the content of a file; devices and pipes, which may never end, and folders are no files.

    Raises
    ------
    InputError
        If there is none, it cannot be read, or has more than `most_bytes`.
    """
    check_regular(path)
    name = clean_text(str(path))
    try:
        with Path(path).expanduser().open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise InputError(f"{name!r} cannot be read: {error.strerror or error}.") from error
    if len(content) > most_bytes:
        raise InputError(
            f"{name!r} has more than {format_bytes(most_bytes)}, which is as much as is read of it."
        )
    return content


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raise InputError for what is no file: devices and pipes, which may never end, folders, and what is not there."""
    name, file_path = clean_text(str(path)), Path(path).expanduser()
    if not file_path.exists():
        raise InputError(f"{name!r} cannot be read: No such file or directory.")
    if not file_path.is_file():
        raise InputError(
            f"{name!r} is {'a folder' if file_path.is_dir() else 'a device or a pipe'}: give a file."
        )


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
        If the target is a folder, its own folder does not exist or takes no files, or the disk is full.
    """
    target = Path(path)
    if "\0" in str(target):
        raise WriteError(f"Cannot write {clean_text(str(target))!r}: a name cannot hold the character NUL.")
    with _explained(target):
        is_folder = target.is_dir()
    if is_folder:
        raise WriteError(f"{str(target)!r} is a folder: give the name of a file in it.")
    if not target.parent.is_dir():
        raise WriteError(
            f"Cannot write {target.name!r}: the folder {str(target.parent)!r} does not exist. Create it first."
        )
    if isinstance(data, str):
        data = data.encode()
    pieces: Iterable[bytes] = (data,) if isinstance(data, bytes) else data
    with _explained(target):
        handle, temporary = tempfile.mkstemp(
            prefix=f".{target.name[:32]}.", suffix=".part", dir=target.parent
        )
    try:
        with os.fdopen(handle, "wb", buffering=0) as file:  # a buffer would fail once more when it is closed
            for piece in pieces:  # making them may fail as well, in ways of its own
                with _explained(target):
                    rest = memoryview(piece).cast("B")
                    while rest:
                        rest = rest[file.write(rest) :]
        with _explained(target):
            _copy_permissions(target, temporary)
            Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def made_folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder, made with all around it where there is none.

    Raises
    ------
    WriteError
        If it cannot be made: a file has its name, or the system refuses.
    """
    folder = Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "there is a file of this name" if folder.is_file() else error.strerror or str(error)
        raise WriteError(
            f"Cannot make the folder {clean_text(str(folder))!r}: {reason}. Name another."
        ) from error
    return folder


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Name the file that is meant, not the temporary one, when the system refuses to write."""
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"Cannot write {clean_text(target.name)!r} into {str(target.parent)!r}: {error.strerror or error}."
        ) from error


def _copy_permissions(target: Path, temporary: str) -> None:
    """Give the new file the mode of the one it replaces, or what the umask would have given."""
    if target.exists():
        mode = target.stat().st_mode & 0o777
    else:
        umask = os.umask(0)
        os.umask(umask)
        mode = 0o666 & ~umask
    Path(temporary).chmod(mode)
