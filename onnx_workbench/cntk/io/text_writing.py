"""Sequences in CNTK's text format."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkValueError


def sequence_to_cntk_text_format(seq_idx: int, alias_tensor_map: dict[str, Any]) -> str:
    r"""Return the lines of a sequence.

    Parameters
    ----------
    seq_idx
        Its number.
    alias_tensor_map
        Names in the file, and for each an array or nested lists, the steps first, or a list of a dictionary for
        each step, from index to number.

    Raises
    ------
    ValueError
        For values of another kind.

    Examples
    --------
    >>> sequence_to_cntk_text_format(0, {"W": np.array([[1, 0], [5, 6]]), "L": np.array([[2]])})
    '0\t|L 2 |W 1 0\n0\t|W 5 6'
    """
    steps = max(len(one) for one in alias_tensor_map.values())
    lines = []
    for step in range(steps):
        pieces = [
            f"{alias} {_text(tensor, step)}"
            for alias, tensor in sorted(alias_tensor_map.items())
            if step < len(tensor)
        ]
        lines.append(f"{seq_idx:d}\t|{' |'.join(pieces)}")
    return "\n".join(lines)


def _text(tensor: Any, step: int) -> str:
    if _is_tensor(tensor):
        return " ".join(np.asarray(tensor)[step].ravel().astype(str))
    if isinstance(tensor, list) and isinstance(tensor[0], dict):
        return " ".join(f"{index}:{value}" for index, value in sorted(tensor[step].items()))
    raise CntkValueError(f'expected a tensor (dense) or list of dicts (sparse), but got "{type(tensor)}"')


def _is_tensor(data: Any) -> bool:
    """Tell whether something is an array, or lists of lists of numbers."""
    if isinstance(data, np.ndarray):
        return True
    while isinstance(data, list) and data:
        data = data[0]
        if isinstance(data, np.ndarray | dict):
            return False
    return isinstance(data, numbers.Number | list)
