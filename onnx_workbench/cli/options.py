"""What verbs share: arguments that several take, and how an answer is printed."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.runtime import array_files
from onnx_workbench.runtime.plausible_inputs import plausible_feeds
from onnx_workbench.runtime.session import Session

Verb = Callable[[argparse.Namespace], int | None]
"""What a verb does; it returns the exit code, None for 0."""

_MOST_DIGITS = 18  # ONNX keeps sizes in 64 bits
GRAPH_SUFFIXES = (".svg", ".png", ".html", ".txt")


class Verbs(Protocol):
    """Where a module of this folder puts its verb."""

    def add(self, name: str, verb: Verb, help_text: str) -> argparse.ArgumentParser:
        """Return the parser of a new verb, for its arguments; ``--json`` is there already."""


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model that a verb is about."""
    parser.add_argument("model", metavar="MODEL", help="an .onnx file, or a native file of CNTK")


def add_dimension(parser: argparse.ArgumentParser) -> None:
    """Add the argument that `dimensions` reads."""
    parser.add_argument(
        "--dimension", action="append", default=[], metavar="NAME=SIZE", help="size of a symbolic dimension"
    )


def add_feeds(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for a run's inputs; `feeds_of` reads them."""
    parser.add_argument(
        "--input", action="append", default=[], metavar="NAME=FILE.npy", help="an input; or FILE.npz for all"
    )
    parser.add_argument(
        "--random",
        type=int,
        metavar="SEED",
        help="random inputs instead: normal, and token ids within their table",
    )
    add_dimension(parser)


def feeds_of(options: argparse.Namespace, model: Model) -> dict[str, NDArray[Any]]:
    """Return the arrays for a model's inputs, from files or drawn at random."""
    if options.random is not None:
        return plausible_feeds(model, seed=options.random, sizes=dimensions(options))
    if not options.input:
        listed = ", ".join(map(str, model.inputs))
        raise InputError(
            f"Give the inputs with --input NAME=FILE.npy, or --random SEED. The model takes {listed}."
        )
    return array_files.read_feeds(model.inputs, options.input)


def given_feeds(options: argparse.Namespace, model: Model) -> dict[str, NDArray[Any]] | None:
    """Return the inputs that were asked for; None if nothing was said of them."""
    if options.input or options.random is not None:
        return feeds_of(options, model)
    if not options.dimension:
        return None
    return plausible_feeds(model, seed=0, sizes=dimensions(options))


def add_description(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `labels_of` and `preprocessing_of` read."""
    parser.add_argument("--labels", metavar="FILE", help="file with a class name on each line")
    parser.add_argument(
        "--preprocessing",
        metavar="JSON",
        help="JSON object with the fields of Preprocessing, or a file of it",
    )


def add_isolated(parser: argparse.ArgumentParser) -> None:
    """Add the argument that `isolated_or_here` reads."""
    parser.add_argument("--isolated", action="store_true", help="in a process of its own, which may crash")


def isolated_or_here(
    options: argparse.Namespace, model: Model, *, optimisation: str | None = None
) -> Model | Session:
    """Return the model, or if it was asked for a session of it in a process of its own."""
    if not options.isolated:
        return model
    return Session(model, isolated=True, optimisation=optimisation)


def emit(options: argparse.Namespace, text: str, facts: dict[str, Any]) -> None:
    """Print a verb's answer: its text, or with ``--json`` its facts."""
    print(json.dumps(_plain(facts), allow_nan=False) if options.json else text)


def _plain(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _pairs(items: Sequence[str], what: str) -> dict[str, str]:
    pairs = dict(item.rsplit("=", 1) for item in items if "=" in item)
    if len(pairs) != len(items):
        raise InputError(f"{what} is given as NAME=VALUE, each name once; got {', '.join(items)}.")
    return pairs


def dimensions(options: argparse.Namespace) -> dict[str, int]:
    """Return the sizes given for symbolic dimensions."""
    pairs = _pairs(options.dimension, "--dimension")
    if wrong := [value for value in pairs.values() if not _is_size(value)]:
        raise InputError(
            f"--dimension takes whole numbers above 0, of {_MOST_DIGITS} digits at most; got {', '.join(wrong)}."
        )
    return {name: int(size) for name, size in pairs.items()}


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) > 0


def _read_text(path: str, option: str) -> str:
    """Return the content of a small text file."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{option}: {path!r} is no text in UTF-8.") from error
    except OSError as error:
        raise InputError(f"{option}: {path!r} cannot be read: {error.strerror}.") from error


def target_path(path: Path) -> Path:
    """Return where to write, before anything is computed for it."""
    target = path.expanduser()
    try:
        is_folder = target.is_dir()
    except OSError as error:  # a name longer than the disk takes
        raise InputError(f"{clean_text(str(path))!r} cannot be written: {error.strerror}.") from error
    if is_folder:
        raise InputError(f"{str(path)!r} is a folder: give the name of a file in it.")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {str(target.parent)!r} to write {target.name!r} into.")
    return target


def labels_of(options: argparse.Namespace) -> list[str] | None:
    """Return the names of the classes, if a file of them was given."""
    if options.labels is None:
        return None
    lines = _read_text(options.labels, "--labels").splitlines()
    return [line.strip() for line in lines if line.strip()]


def preprocessing_of(options: argparse.Namespace) -> Preprocessing | None:
    """Return how pictures are prepared, if that was given."""
    text: str | None = options.preprocessing
    if text is None:
        return None
    if not text.lstrip().startswith(("{", "[")):
        text = _read_text(text, "--preprocessing")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f'--preprocessing is a JSON object such as {{"size": [224, 224]}}, or a file of it: {error}'
        ) from error
    if not isinstance(fields, dict):
        raise InputError("--preprocessing is a JSON object, with the fields of Preprocessing.")
    return Preprocessing.from_dict(fields)


def graph_path(path: Path) -> Path:
    """Return where to write a graph, before it is drawn."""
    if path.suffix.lower() not in GRAPH_SUFFIXES:
        raise InputError(f"The graph can be written as {', '.join(GRAPH_SUFFIXES)}; got {path.name!r}.")
    return target_path(path)
