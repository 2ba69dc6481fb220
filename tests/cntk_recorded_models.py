"""The recorded models of `recorded/`, built by ours, and what the real CNTK 2.7 said of them."""

from __future__ import annotations

import importlib
import json
import re
import sys
from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "cntk" / "recorded"
sys.path.insert(0, str(FOLDER))
cases = importlib.import_module("cases")

_COUNTED = re.compile(r"(?<=[A-Za-z])\d+(?=\b|_)")


@cache
def structures() -> dict:
    """Names, shapes, order and texts, by case."""
    return json.loads((FOLDER / "structure.json").read_text())


@cache
def answers() -> dict[str, np.ndarray]:
    """What was computed: "case|dtype|output or gradient|number|sequence" -> array."""
    with np.load(FOLDER / "answers.npz") as file:
        return {name: file[name] for name in file.files}


def recorded(name: str, dtype: str, kind: str) -> list[list[np.ndarray]]:
    """Return the recorded outputs or gradients of a case, each as its sequences (or the one array)."""
    found: dict[int, dict[int, np.ndarray]] = {}
    for key, array in answers().items():
        case, of, what, number, piece = key.split("|")
        if (case, of, what) == (name, dtype, kind):
            found.setdefault(int(number), {})[int(piece)] = array
    return [[pieces[i] for i in sorted(pieces)] for _, pieces in sorted(found.items())]


def without_counters(text: object) -> str:
    """Take the running numbers out of uids."""
    return _COUNTED.sub("", str(text))


def variable(one) -> list:
    """Describe a variable as make_answers.py does."""
    return [one.name, list(one.shape), np.dtype(one.dtype).name, len(one.dynamic_axes)]
