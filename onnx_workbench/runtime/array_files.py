"""Arrays of a run in files, or drawn at random: what a terminal has instead of variables."""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.graph_parts import Value

_PICKLED = re.compile("allow_pickle|Object arrays")
_LARGEST_RANDOM = 1 << 28  # elements: a file may declare any shape


def without_sequences(outputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return outputs with the parts of a sequence as ``name[0]``, ``name[1]``, ..."""
    flat: dict[str, NDArray[Any]] = {}
    for name, output in outputs.items():
        if isinstance(output, list):
            flat |= {f"{name}[{index}]": np.asarray(part) for index, part in enumerate(output)}
        else:
            flat[name] = np.asarray(output)
    return flat


def npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as numpy's .npz; np.savez itself cannot have one called ``file``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                plain = array.astype(str) if array.dtype.kind == "O" else array
                np.lib.format.write_array(file, plain, allow_pickle=False)
    return buffer.getvalue()


def statistics(name: str, array: NDArray[Any]) -> dict[str, Any]:
    """Return an array's description and the range of its finite elements."""
    numeric = array.dtype.kind in "fiub" and array.size > 0
    finite = array[np.isfinite(array)] if numeric else array[:0]
    known = numeric and finite.size > 0
    return {
        "output": name,
        "dtype": str(array.dtype),
        "shape": tuple(array.shape),
        "min": float(f"{finite.min():.6g}") if known else None,
        "max": float(f"{finite.max():.6g}") if known else None,
        "mean": float(f"{finite.mean(dtype=np.float64):.6g}") if known else None,
        "nan": int(np.isnan(array).sum()) if numeric else None,
    }


def read_feeds(inputs: Sequence[Value], items: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return a model's feeds from files.

    Parameters
    ----------
    inputs
        What the model takes.
    items
        ``NAME=FILE.npy`` for each input; or one ``FILE.npz`` for all; or one ``FILE.npy`` for the only input.

    Raises
    ------
    InputError
        If a file cannot be read, or an item has none of these forms.
    """
    if len(items) == 1 and items[0].endswith(".npz"):
        return _load(items[0])
    if len(items) == 1 == len(inputs) and Path(items[0]).is_file():
        return {inputs[0].name: read_array(items[0])}
    return {name: read_array(path) for name, path in _named_files(inputs, items).items()}


def _named_files(inputs: Sequence[Value], items: Sequence[str]) -> dict[str, str]:
    """Return the file of each input; names and paths may both hold an equals sign, so that the model's names count."""
    found: dict[str, str] = {}
    for item in items:
        names = [value.name for value in inputs if item.startswith(f"{value.name}=")]
        name = max(names, key=len) if names else item.partition("=")[0]
        path = item.removeprefix(name).removeprefix("=")
        if not path or name in found:
            raise InputError(
                f"Inputs are given as NAME=FILE.npy, each name once; got {', '.join(items)}. The model takes "
                f"{', '.join(str(value) for value in inputs)}."
            )
        found[name] = path
    return found


def _load(path: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name; the one of a .npy file has none."""
    try:
        with Path(path).open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except OSError as error:
        raise InputError(f"The input {path!r} cannot be read: {error.strerror or error}.") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        why = "it holds Python objects, or is of another kind" if _PICKLED.search(str(error)) else error
        raise InputError(f"The input {path!r} is no .npy or .npz file of numbers: {why}.") from error


def read_array(path: str) -> NDArray[Any]:
    """Return the one array of a .npy or .npz file."""
    arrays = _load(path)
    if len(arrays) != 1:
        raise InputError(f"{path!r} holds the arrays {', '.join(arrays)}: give it alone, for all inputs.")
    return next(iter(arrays.values()))


def random_feeds(inputs: Sequence[Value], *, seed: int, sizes: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Return normal random numbers for each input; 0 and 1 where whole numbers or booleans are taken.

    Parameters
    ----------
    inputs
        What the model takes.
    seed
        Same seed, same numbers.
    sizes
        Sizes of symbolic dimensions; those without one get 1.

    Raises
    ------
    InputError
        If an input has no shape or dtype to go by or is too large, or no input has a dimension of such a name.
    """
    if seed < 0:
        raise InputError(f"The seed of random inputs is a whole number from 0; got {seed}.")
    generator = np.random.default_rng(seed)
    known = {str(d) for value in inputs for d in value.shape or () if not isinstance(d, int)}
    if unknown := sorted(sizes.keys() - known):
        listed = ", ".join(sorted(known)) or "none"
        raise InputError(f"No input has a dimension {', '.join(unknown)}; symbolic are: {listed}.")
    feeds: dict[str, NDArray[Any]] = {}
    for value in inputs:
        if value.shape is None or value.dtype is None or "(" in value.dtype or value.dtype == "string":
            raise InputError(f"No random input can be made for {value}; give it in a file.")
        shape = [d if isinstance(d, int) else sizes.get(str(d), 1) for d in value.shape]
        if math.prod(shape) > _LARGEST_RANDOM or min(shape, default=0) < 0:
            raise InputError(
                f"{value} is too large for a random input; choose sizes for its dimensions, or give it in a file."
            )
        drawn = generator.normal(size=shape)
        feeds[value.name] = (
            drawn.astype(value.dtype) if value.dtype.startswith("float") else (drawn > 0).astype(value.dtype)
        )
    return feeds
