"""`import cntk` answered by this front, for scripts that are to run unchanged."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

from onnx_workbench.core.errors import WorkbenchWarning

_OURS, _THEIRS = "onnx_workbench.cntk", "cntk"
_BINDINGS = {"_cntk_py": f"{_OURS}.cntk_py", "cntk._cntk_py": f"{_OURS}.cntk_py"}
"""Names under which scripts import CNTK's C++ bindings directly."""


def _ours(fullname: str) -> str | None:
    """Return what answers for a name of CNTK's; None for other names."""
    if fullname in _BINDINGS:
        return _BINDINGS[fullname]
    if fullname == _THEIRS or fullname.startswith(f"{_THEIRS}."):
        return _OURS + fullname.removeprefix(_THEIRS)
    return None


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers for `cntk`, what is below it and `_cntk_py` with the module of the same place here."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        name = _ours(fullname)
        if name is None:
            return None
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            return None
        if found is None:
            return None
        return importlib.machinery.ModuleSpec(
            fullname, self, is_package=found.submodule_search_locations is not None
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return our module itself, so that classes are the same under both names."""
        module = importlib.import_module(_ours(spec.name) or spec.name)
        self._kept = getattr(self, "_kept", {})
        self._kept[spec.name] = (module.__spec__, module.__loader__)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module back its own description: it has been executed."""
        name = module.__spec__.name if module.__spec__ is not None else ""
        if name in self._kept:
            module.__spec__, module.__loader__ = self._kept.pop(name)


def install() -> None:
    """Let `import cntk`, and that of its submodules, find this front.

    A CNTK that has been imported already stays, with a warning. Calling it twice does no harm.

    Examples
    --------
    >>> import onnx_workbench.cntk
    >>> onnx_workbench.cntk.install()
    >>> import cntk as C
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    known = sys.modules.get(_THEIRS)
    if known is not None and known is not sys.modules.get(_OURS):
        warnings.warn(
            f"another module named cntk is imported already ({getattr(known, '__file__', 'no file')}) and is kept; "
            "call install() before it is imported.",
            WorkbenchWarning,
            stacklevel=2,
        )
        return
    sys.meta_path.insert(0, _Finder())
