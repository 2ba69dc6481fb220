"""Every error that this package raises, the check for optional packages, and the sentence for unknown names."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from onnx_workbench.core.formatting import clean_text

if TYPE_CHECKING:
    from types import ModuleType

_LONGEST_COMPARED_NAME = 500  # the time of a comparison grows with the product of the lengths


class WorkbenchError(Exception):
    """Parent of every error raised by onnx_workbench."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: the user's own frames and the message, and how to see all frames."""
        from onnx_workbench.core.short_traceback import render

        return render(self)


class WorkbenchWarning(UserWarning):
    """Something that was seen to, or left undone, and that the user should know."""


class ModelFileError(WorkbenchError, ValueError):
    """A file, bytes or proto that cannot be read as a model."""


class ModelNotFoundError(WorkbenchError, FileNotFoundError):
    """No file at the path given."""


class WriteError(WorkbenchError, OSError):
    """A file that cannot be written where it should be."""


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


class NotEnoughMemoryError(WorkbenchError, MemoryError):
    """Something that would need more memory than is left, and was therefore not begun."""

    def __init__(self, message: str, *, needed_bytes: int = 0, available_bytes: int = 0) -> None:
        super().__init__(message)
        self.needed_bytes, self.available_bytes = needed_bytes, available_bytes


class IsolationError(WorkbenchError, RuntimeError):
    """A child process that did not give an answer."""


class CrashError(IsolationError):
    """A child process that ended before it had an answer: crashed, or killed from outside."""


class TimeLimitError(IsolationError, TimeoutError):
    """A child process that was ended because it took longer than it was allowed to."""


class MemoryLimitError(IsolationError, MemoryError):
    """A child process that was ended because it took more memory than it was allowed to."""


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


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence for a name that is not there, with those that are most like it."""
    import difflib

    names = [candidate for candidate in dict.fromkeys(known) if candidate]
    short = [candidate for candidate in names[:5000] if len(candidate) <= _LONGEST_COMPARED_NAME]
    close = difflib.get_close_matches(str(name)[:_LONGEST_COMPARED_NAME], short, n=3, cutoff=0.5)
    listed = ", ".join(repr(clean_text(candidate, limit=60)) for candidate in close or names[:5])
    hint = (
        f"Did you mean {listed}?"
        if close
        else f"There are {len(names):,}: {listed}" + ", …" * (len(names) > 5)
    )
    return f"The model has no {kind} {clean_text(str(name))!r}. {hint if names else 'It has none at all.'}"
