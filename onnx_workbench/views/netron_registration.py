"""The list of models that a kernel has opened in Netron, as private files that the Jupyter server reads.

Kernel and server are two processes. A kernel that shows a model writes a folder, readable by its user only,
whose name is 128 random bits; the server serves what such a folder names and nothing else on the disk.

A folder holds ``model.onnx`` (the graph, with the weights where they are small) and ``registration.json``,
written last: who made it, and which other files may be read for the model's external data, each with the
size and the time of change that it had. It is removed when the view is closed, when its kernel ends, or,
after a crash, by the next kernel or server that looks.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import secrets
import shutil
import stat
import time
import weakref
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from onnx_workbench.core.errors import ModelFileError, RunError
from onnx_workbench.core.files import write_atomic

if TYPE_CHECKING:
    from onnx_workbench.core.model import Model

MODEL_FILE = "model.onnx"
_REGISTRATION_FILE = "registration.json"
_ID = re.compile(r"[0-9a-f]{32}")
_INLINE_LIMIT_BYTES = 64 << 20  # above it, the browser gets the graph first and weights when it asks
_ABANDONED_AFTER_S = 24 * 3600


@dataclass(frozen=True)
class ServedFile:
    """A file that the server may read, as it was when the model was opened."""

    path: str
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path) -> ServedFile:
        """Return the description of a file as it is now."""
        status = path.stat()
        return cls(str(path), status.st_size, status.st_mtime_ns)

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is still the one that was opened, and no link was put in its place."""
        path = Path(self.path)
        try:
            return path.resolve() == path and ServedFile.of(path) == self
        except OSError:
            return False


@dataclass(frozen=True)
class Registration:
    """A model that the server may serve."""

    id: str
    name: str
    owner_pid: int
    owner_host: str
    external: dict[str, ServedFile] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The private folder of this registration."""
        return registrations_folder() / self.id

    @property
    def model_path(self) -> Path:
        """The file with the graph."""
        return self.folder / MODEL_FILE

    @property
    def is_owner_alive(self) -> bool:
        """Whether the kernel that registered the model still runs, as far as can be told from here."""
        if self.owner_host != platform.node() or os.name != "posix":
            return True
        try:
            os.kill(self.owner_pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def registrations_folder() -> Path:
    """Return the folder of all registrations of this user; kernels and servers find it alike."""
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir()) / "onnx_workbench"


def register(model: Model) -> Registration:
    """Let the Jupyter server serve a model to Netron; `unregister` ends that, and so does the kernel's end.

    Raises
    ------
    ModelFileError
        If weights in memory cannot be written.
    RunError
        If the folder for it lies open to other users.
    """
    parent = registrations_folder()
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_private(parent):
        raise RunError(
            f"The folder {str(parent)!r} belongs to another user, or others may write to it: they could see or "
            "swap the model.\nRemove that folder, or set JUPYTER_RUNTIME_DIR to a folder of your own."
        )
    remove_stale()
    registration_id = secrets.token_hex(16)
    folder = parent / registration_id
    folder.mkdir(mode=0o700)
    try:
        external = _write_model(model, folder)
        registration = Registration(registration_id, model.name, os.getpid(), platform.node(), external)
        write_atomic(folder / _REGISTRATION_FILE, json.dumps(asdict(registration)))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return registration


def _is_private(folder: Path) -> bool:
    """Tell whether only this user can write to a folder; other systems than POSIX are trusted to see to it."""
    if os.name != "posix":
        return True
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


def unregister_with(view: object, registration: Registration) -> weakref.finalize[[Path, int], object]:
    """Remove the registration when the view is called off, is collected, or the kernel ends."""
    return weakref.finalize(view, _remove, registration.folder, os.getpid())


def _remove(folder: Path, owner_pid: int) -> None:
    """Remove a folder, unless this is a forked child of the kernel that owns it."""
    if os.getpid() == owner_pid:
        shutil.rmtree(folder, ignore_errors=True)


def _write_model(model: Model, folder: Path) -> dict[str, ServedFile]:
    """Write what the browser asks for first; return the files that it may ask for afterwards."""
    target = folder / MODEL_FILE
    weights_bytes = sum(tensor.size_bytes for tensor in model.initializers.values())
    home = model.payloads.folder
    if weights_bytes <= _INLINE_LIMIT_BYTES:
        # Weights that are missing or were changed do not keep anybody from looking at the graph.
        with contextlib.suppress(ModelFileError):
            model.save(target)
            return {}
    if home is None:
        model.save(target, external_data=True)
        home, locations = folder, {f"{MODEL_FILE}.data"}
    else:
        write_atomic(target, model.proto.SerializeToString())
        locations = _external_locations(model)
    return dict(_served_files(home.resolve(), locations))


def _external_locations(model: Model) -> set[str]:
    from onnx_workbench.core.payloads import is_external, reference_of
    from onnx_workbench.core.protos import tensors_of_model

    return {reference_of(tensor).location for tensor in tensors_of_model(model.proto) if is_external(tensor)}


def _served_files(folder: Path, locations: set[str]) -> Iterator[tuple[str, ServedFile]]:
    """Yield those locations that are files inside the folder, links resolved."""
    for location in sorted(locations):
        path = (folder / location).resolve()
        if path.is_relative_to(folder) and path.is_file():
            yield location, ServedFile.of(path)


def find_registration(registration_id: str) -> Registration | None:
    """Return the registration with this id; None if there is none (any more)."""
    if not _ID.fullmatch(registration_id):
        return None
    try:
        if not _is_private(registrations_folder()):
            return None
        content = json.loads((registrations_folder() / registration_id / _REGISTRATION_FILE).read_bytes())
        content["external"] = {name: ServedFile(**file) for name, file in content["external"].items()}
        registration = Registration(**content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return registration if registration.id == registration_id and registration.is_owner_alive else None


def remove_stale() -> None:
    """Remove what kernels left behind that were killed."""
    with contextlib.suppress(FileNotFoundError):
        for folder in list(registrations_folder().iterdir()):
            if (
                _ID.fullmatch(folder.name)
                and find_registration(folder.name) is None
                and _is_abandoned(folder)
            ):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Tell a folder of a dead kernel from one that is being written at this moment."""
    try:
        if (folder / _REGISTRATION_FILE).exists():
            return True
        return time.time() - folder.stat().st_mtime > _ABANDONED_AFTER_S
    except OSError:
        return False
