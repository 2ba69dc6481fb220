"""Dictionaries of every kind of value, as CNTK files hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from onnx_workbench.cntk.native.values import (
    DATA_TYPE_CODES,
    Dictionary,
    NativeAxis,
    Shape,
    Single,
    SizeT,
    StoredArray,
)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "cntk"
"""Real files, on the machines that have them."""


def real_files(folder: str) -> list[Path]:
    return sorted((DATA / folder).glob("*")) if DATA.is_dir() else []


def every_kind(rng: np.random.Generator) -> Dictionary:
    return {
        "version": SizeT(3),
        "none": None,
        "yes": True,
        "no": False,
        "int": -5,
        "zero": 0,
        "largest": SizeT(2**64 - 1),
        "single": Single(0.1015625),
        "double": -1.0e300,
        "text": "Größe λ",
        "empty": "",
        "shape": Shape((2, 3, -1, -3)),
        "scalar_shape": Shape(),
        "axis": NativeAxis(2147483647, "defaultBatchAxis", ordered=False),
        "static_axis": NativeAxis(-4, "", ordered=False),
        "list": [SizeT(1), "two", [Single(3.0)], {}],
        "nested": {"a": {"b": {"c": [None, {"d": 1.5}]}}},
        "float32": rng.normal(size=(3, 5)).astype(np.float32),
        "float64": rng.normal(size=(2, 1, 4)),
        "int8": rng.integers(-128, 127, size=(7,)).astype(np.int8),
        "no_numbers": np.zeros((0, 3), np.float32),
        "one_number": np.array(2.5, np.float32),
    }


def as_proto_has_it(value: Any) -> Any:
    """Return a value of the reader as `cntk_proto.plain` gives the same one of protobuf's parser."""
    if value is None:
        return None
    if isinstance(value, (StoredArray, np.ndarray)):
        numbers = value.values() if isinstance(value, StoredArray) else value
        content = numbers.tobytes() if numbers.dtype == np.int8 else numbers.ravel().tolist()
        return 11, (DATA_TYPE_CODES[value.dtype], list(reversed(value.shape)), content)
    if isinstance(value, dict):
        return 10, {key: as_proto_has_it(item) for key, item in value.items()}
    if isinstance(value, list):
        return 9, [as_proto_has_it(item) for item in value]
    if isinstance(value, NativeAxis):
        return 8, (value.index, value.name, value.ordered)
    if isinstance(value, Shape):
        return 7, [dimension % 2**64 for dimension in reversed(value)]
    kinds = {bool: 1, int: 2, SizeT: 3, Single: 4, float: 5, str: 6}
    return kinds[type(value)], value
