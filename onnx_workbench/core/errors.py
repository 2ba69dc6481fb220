"""Every error that this package raises, and the check for optional packages."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


class WorkbenchError(Exception):
    """Parent of every error raised by onnx_workbench."""


class WorkbenchWarning(UserWarning):
    """Something that was seen to, or left undone, and that the user should know."""


class ModelFileError(WorkbenchError, ValueError):
    """A file, bytes or proto that cannot be read as a model."""


class ModelNotFoundError(WorkbenchError, FileNotFoundError):
    """No file at the path given."""


class UnknownSourceError(WorkbenchError, TypeError):
    """An object of which no source can make a model."""


class NameNotFoundError(WorkbenchError, KeyError):
    """A name that the model does not have."""

    def __str__(self) -> str:
        """Return the message itself: KeyError would print its repr."""
        return str(self.args[0]) if self.args else ""


class InputError(WorkbenchError, ValueError):
    """Inputs that do not fit the model: wrong name, dtype, shape, layout or type."""


class RunError(WorkbenchError, RuntimeError):
    """The backend could not load or run the model."""


class ImageError(WorkbenchError, ValueError):
    """A picture that cannot be read, or that is too large to be read safely."""


class PreprocessingError(WorkbenchError, ValueError):
    """Preprocessing that is contradictory, missing, or does not fit the picture."""


class ExportError(WorkbenchError, RuntimeError):
    """A framework could not write its model as ONNX."""


class TrainingError(WorkbenchError, RuntimeError):
    """A training that cannot go on."""


class ParityError(WorkbenchError, AssertionError):
    """Outputs that should agree and do not."""


class DownloadError(WorkbenchError, OSError):
    """A data set that could not be fetched, or whose content is not the expected one."""


class MissingPackageError(WorkbenchError, ImportError):
    """An optional package that is not installed."""


def require(package: str, *, purpose: str, extra: str) -> ModuleType:
    """Import an optional package, or say what it is for and how to install it.

    Parameters
    ----------
    package
        Name to import, such as ``"torch"``.
    purpose
        What needs it, as the end of the sentence "... is needed".
    extra
        The extra of this package that installs it.

    Raises
    ------
    MissingPackageError
        If the package is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise
        raise MissingPackageError(
            f"The package {package!r} is needed {purpose}, and is not installed.\n"
            f"Install it with:  pip install 'onnx-workbench[{extra}]'",
            name=package,
        ) from error
