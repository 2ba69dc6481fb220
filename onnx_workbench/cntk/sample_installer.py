"""CNTK's installer of its samples, of which the server is gone."""

from __future__ import annotations

from typing import Any, NoReturn

from onnx_workbench.cntk.errors import UnsupportedOperatorError

__all__ = ["install_samples"]


def install_samples(url: str | None = None, directory: Any = None, quiet: bool = False) -> NoReturn:
    """Refuse: CNTK's server of samples is gone.

    Parameters
    ----------
    url, directory, quiet
        Not used.
    """
    raise UnsupportedOperatorError(
        "install_samples is not supported: the server that had CNTK's samples is gone. They are in the folders "
        "Examples and Tutorials of the archived repository Microsoft/CNTK on GitHub."
    )
