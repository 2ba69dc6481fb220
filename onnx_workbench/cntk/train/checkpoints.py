"""Checkpoints of training: the network in CNTK's native format, and beside it the state of learners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkRuntimeError
from onnx_workbench.cntk.files import restore as restore_parameters
from onnx_workbench.cntk.native.file import read_buffer
from onnx_workbench.cntk.native.values import StoredArray
from onnx_workbench.cntk.native.writing import serialize
from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.formatting import clean_text

_KIND = "onnx_workbench.cntk checkpoint"


def save(network: Any, state: dict[str, Any], filename: Any) -> None:
    """Write a network to a file, and a state of dictionaries, lists, arrays, numbers and texts to ``<file>.ckp``."""
    network.save(filename)
    pieces = serialize({"kind": _KIND, "state": state})
    write_atomic(f"{filename}.ckp", b"".join(bytes(piece) for piece in pieces))


def restored(network: Any, filename: Any) -> dict[str, Any]:
    """Give a network the parameters of a checkpoint, and return the state in it.

    Raises
    ------
    RuntimeError
        If the state is missing or damaged, or was written by CNTK itself, whose learners keep other things.
    """
    beside = Path(f"{filename}.ckp").expanduser()
    name = repr(clean_text(beside.name))
    try:
        kept = read_buffer(beside.read_bytes())
    except OSError as error:
        raise CntkRuntimeError(
            f"Cannot open file {name} for reading: {error.strerror}. A checkpoint is two files, that of the network "
            "and one whose name ends with .ckp."
        ) from error
    except ModelFileError as error:
        raise CntkRuntimeError(f"Cannot restore from {name}: {error}.") from error
    if kept.get("kind") != _KIND or not isinstance(kept.get("state"), dict):
        raise CntkRuntimeError(
            f"Cannot restore from {name}: it is no checkpoint that was saved here. Of one of CNTK itself, load "
            "the network alone: Function.load."
        )
    restore_parameters(network, filename)
    return _plain(kept["state"])  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, StoredArray):
        return np.array(value.values())
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
