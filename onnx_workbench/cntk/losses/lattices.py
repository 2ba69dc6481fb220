"""Losses over lattices of speech recognition, which are not computed here."""

from __future__ import annotations

from typing import Any, NoReturn

from onnx_workbench.cntk.errors import UnsupportedOperatorError

__all__ = ["lattice_sequence_with_softmax"]


def lattice_sequence_with_softmax(*_: Any, **__: Any) -> NoReturn:
    """Refuse: lattices of speech recognition are not read."""
    raise UnsupportedOperatorError(
        "lattice_sequence_with_softmax is not supported: lattices of speech recognition are not read here. Train with "
        "cross_entropy_with_softmax, or with forward_backward for temporal classification."
    )
