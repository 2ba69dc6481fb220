"""The workbench's verbs in a terminal: ``onnx-workbench <verb> ...``.

Exit codes: 0 done; 1 the verb failed, with a sentence on the error stream; 2 wrong arguments; 130 stopped by
Ctrl-C. With ``--json`` the answer, or the error, is one JSON object on the output stream; what JSON has no number
for (NaN, infinities) is null in it. Warnings and progress go to the error stream.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from onnx_workbench.core.errors import (
    ImageError,
    InputError,
    PreprocessingError,
    WorkbenchError,
    WorkbenchWarning,
)
from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.formatting import clean_text, text_table
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.runtime import array_files
from onnx_workbench.sources.open import open_model

GRAPH_SUFFIXES = (".svg", ".png", ".html", ".txt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Unicode gets "?", not a traceback
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("always", WorkbenchWarning)
        warnings.showwarning = _show_warning
        try:
            return _run_verb(options)
        except BrokenPipeError:  # the reader of a pipe (head, less) has seen enough
            with suppress(OSError):  # Python flushes once more at its end: into nothing
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except (WorkbenchError, OSError) as error:
            return _fail(options, type(error).__name__, str(error))
        except MemoryError:
            return _fail(options, "MemoryError", "There is not enough memory for this.")
        except KeyboardInterrupt:
            return _fail(options, "KeyboardInterrupt", "stopped.", code=130)


def _run_verb(options: argparse.Namespace) -> int:
    verb: Callable[[argparse.Namespace], int | None] = options.verb
    code = verb(options) or 0
    sys.stdout.flush()  # so that a closed pipe is noticed here
    return code


def _fail(options: argparse.Namespace, kind: str, message: str, *, code: int = 1) -> int:
    if options.json:
        print(json.dumps({"error": {"type": kind, "message": message}}))
    else:
        print(f"onnx-workbench: {message}", file=sys.stderr)
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    """Print our own warnings as sentences; where in our code they come from says nothing to a reader."""
    del file
    if issubclass(category, WorkbenchWarning):
        text = f"onnx-workbench: {message}"
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line).rstrip()
    print(text, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onnx-workbench", description="Open an ONNX model, see it, run it, trust it, ship it."
    )
    parser.add_argument("--version", action="version", version=f"onnx-workbench {version('onnx-workbench')}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def add(
        name: str, verb: Callable[[argparse.Namespace], int | None], help_text: str
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=help_text, description=help_text)
        sub.add_argument("--json", action="store_true", help="answer with one JSON object")
        sub.set_defaults(verb=verb)
        return sub

    demo = add("demo", _demo, "Train, export, check, reload and classify, on road signs drawn here.")
    demo.add_argument("--output", type=Path, default=Path("demo_output"), help="folder for what it writes")
    demo.add_argument("--threads", type=int, help="threads for training and running (default: all cores)")

    summary = add("summary", _summary, "Operators, parameters, MACs, shapes, memory and versions.")
    summary.add_argument("model")
    _add_dimension(summary)

    classify = add("classify", _classify, "Classify pictures, or folders of pictures.")
    classify.add_argument("model")
    classify.add_argument("pictures", nargs="+")
    classify.add_argument("--top", type=int, default=5, help="classes shown for each picture (default 5)")
    _add_description(classify)

    run = add("run", _run, "Run once on arrays from files, or on random ones, and print the outputs.")
    run.add_argument("model")
    run.add_argument(
        "--input", action="append", default=[], metavar="NAME=FILE.npy", help="an input; or FILE.npz for all"
    )
    run.add_argument("--random", type=int, metavar="SEED", help="normal random inputs instead")
    run.add_argument("--output", type=Path, metavar="FILE.npz", help="write the outputs")
    _add_dimension(run)

    doctor = add("doctor", _doctor, "Say what is wrong with an input, and the line of Python that mends it.")
    doctor.add_argument("model")
    doctor.add_argument("inputs", nargs="+", metavar="PICTURE_OR_ARRAY", help="pictures, or .npy files")
    doctor.add_argument(
        "--label", action="append", metavar="NAME", help="what the input shows: one for all, or one for each"
    )
    _add_description(doctor)

    view = add("view", _view, "Print the graph as text, or write it as a page to look at in a browser.")
    view.add_argument("model")
    view.add_argument("--browser", action="store_true", help="show it as a page in the browser")
    view.add_argument("--output", type=Path, help="write to this file instead: .svg, .png, .html or .txt")

    convert = add(
        "convert", _convert, "Write a model as one sound ONNX file, with labels and preprocessing if given."
    )
    convert.add_argument("source")
    convert.add_argument("target", type=Path)
    convert.add_argument(
        "--external-data", action="store_true", help="weights in a second file (above 2 GiB)"
    )
    _add_description(convert)

    export = add("export-graph", _export_graph, f"Write the graph's picture: {', '.join(GRAPH_SUFFIXES)}.")
    export.add_argument("model")
    export.add_argument("target", type=Path)
    return parser


def _add_dimension(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dimension", action="append", default=[], metavar="NAME=SIZE", help="size of a symbolic dimension"
    )


def _add_description(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--labels", metavar="FILE", help="file with a class name on each line")
    parser.add_argument(
        "--preprocessing",
        metavar="JSON",
        help="JSON object with the fields of Preprocessing, or a file of it",
    )


def _print(options: argparse.Namespace, text: str, facts: dict[str, Any]) -> None:
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


def _dimensions(options: argparse.Namespace) -> dict[str, int]:
    pairs = _pairs(options.dimension, "--dimension")
    if wrong := [value for value in pairs.values() if not value.isdigit() or int(value) < 1]:
        raise InputError(f"--dimension takes whole numbers above 0; got {', '.join(wrong)}.")
    return {name: int(size) for name, size in pairs.items()}


def _read_text(path: str, option: str) -> str:
    """Return the content of a small text file."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{option}: {path!r} is no text in UTF-8.") from error
    except OSError as error:
        raise InputError(f"{option}: {path!r} cannot be read: {error.strerror}.") from error


def _target(path: Path) -> Path:
    """Return where to write, before anything is computed for it."""
    target = path.expanduser()
    if target.is_dir():
        raise InputError(f"{str(path)!r} is a folder: give the name of a file in it.")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {str(target.parent)!r} to write {target.name!r} into.")
    return target


def _labels(options: argparse.Namespace) -> list[str] | None:
    if options.labels is None:
        return None
    lines = _read_text(options.labels, "--labels").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _preprocessing(options: argparse.Namespace) -> Preprocessing | None:
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


def _demo(options: argparse.Namespace) -> None:
    from onnx_workbench.demo import run_demo

    report = run_demo(options.output, threads=options.threads, quiet=options.json)
    _print(options, report.closing(), report.to_dict())


def _summary(options: argparse.Namespace) -> None:
    from onnx_workbench.analysis.summary import summarize

    found = summarize(options.model, dimensions=_dimensions(options))
    _print(options, str(found), found.to_dict())


def _classify(options: argparse.Namespace) -> int:
    from onnx_workbench.analysis.classification import classify

    model = open_model(options.model)
    labels, preprocessing = _labels(options), _preprocessing(options)
    if preprocessing is None and model.preprocessing is None:
        inputs = "; ".join(map(str, model.inputs))
        raise PreprocessingError(
            f"The model does not say how a picture becomes its input ({inputs}).\n"
            """Give what it was trained with, such as  --preprocessing '{"size": [224, 224], "mean": [0.485, 0.456, """
            """0.406], "std": [0.229, 0.224, 0.225]}'\n"""
            "To keep it in the file:  onnx-workbench convert MODEL TARGET --preprocessing ... --labels names.txt"
        )
    texts: list[str] = []
    predictions: list[dict[str, Any]] = []
    errors: dict[str, str] = {}
    for picture in options.pictures:
        try:
            found = classify(model, picture, top=options.top, labels=labels, preprocessing=preprocessing)
        except ImageError as error:  # one bad picture does not lose the others
            errors[picture] = str(error)
            continue
        texts.append(str(replace(found, errors={})))  # they are told below, on the error stream
        predictions += found.to_dict()["predictions"]
        errors |= found.errors
    if not predictions:
        raise ImageError("\n".join(errors.values()))
    _print(options, "\n".join(texts), {"predictions": predictions, "errors": errors})
    if not options.json:
        for name, reason in errors.items():
            print(f"onnx-workbench: {clean_text(name)}: {reason}", file=sys.stderr)
    return 1 if errors else 0


def _doctor(options: argparse.Namespace) -> None:
    """Print the diagnosis; the exit code says that there is one, its verdict whether anything is wrong."""
    from onnx_workbench.analysis.doctor import doctor

    is_array = [path.lower().endswith((".npy", ".npz")) for path in options.inputs]
    if any(is_array) and not all(is_array):
        raise InputError("Give either pictures or arrays (.npy, .npz), not both at once.")
    given = [array_files.read_array(path) for path in options.inputs] if any(is_array) else options.inputs
    model, labels = open_model(options.model), _labels(options)
    known = labels or model.labels or ()
    expected = [
        int(label) if label.isdecimal() and label not in known else label for label in options.label or ()
    ]
    found = doctor(
        model,
        given[0] if len(given) == 1 else given,
        expected or None,
        preprocessing=_preprocessing(options),
        labels=labels,
    )
    _print(options, str(found), found.to_dict())


def _run(options: argparse.Namespace) -> None:
    from onnx_workbench.runtime.session import Session

    target = None if options.output is None else _target(options.output)
    model = open_model(options.model)
    if options.random is None and not options.input:
        inputs = ", ".join(map(str, model.inputs))
        raise InputError(
            f"Give the inputs with --input NAME=FILE.npy, or --random SEED. The model takes {inputs}."
        )
    feeds = (
        array_files.read_feeds(model.inputs, options.input)
        if options.random is None
        else array_files.random_feeds(model.inputs, seed=options.random, sizes=_dimensions(options))
    )
    outputs = array_files.without_sequences(Session(model).run(feeds))
    if target is not None:
        write_atomic(target, array_files.npz(outputs))
    rows = [array_files.statistics(name, array) for name, array in outputs.items()]
    header = ("output", "dtype", "shape", "min", "max", "mean", "NaN")
    text = text_table([tuple(row.values()) for row in rows], header=header)
    _print(options, text, {"outputs": rows})


def _view(options: argparse.Namespace) -> None:
    import tempfile
    import webbrowser

    target = None if options.output is None else _target(_checked_suffix(options.output))
    from onnx_workbench.views.view import view

    drawing = view(options.model)
    if options.output is None and not options.browser:
        _print(options, str(drawing), {"text": drawing.text()})
        return
    if target is None:
        target = Path(tempfile.mkdtemp(prefix="onnx-workbench-")) / f"{drawing.model.name}.html"
    drawing.save(target)
    if options.browser:
        webbrowser.open(target.absolute().as_uri())
    _print(options, f"Wrote {target}", {"written": str(target)})


def _checked_suffix(target: Path) -> Path:
    if target.suffix.lower() not in GRAPH_SUFFIXES:
        raise InputError(f"The graph can be written as {', '.join(GRAPH_SUFFIXES)}; got {target.name!r}.")
    return target


def _export_graph(options: argparse.Namespace) -> None:
    from onnx_workbench.views.view import view

    target = _target(_checked_suffix(options.target))
    view(options.model).save(target)
    _print(options, f"Wrote {target}", {"written": str(target)})


def _convert(options: argparse.Namespace) -> None:
    target = _target(options.target)
    model = open_model(options.source)
    labels, preprocessing = _labels(options), _preprocessing(options)
    if labels is not None or preprocessing is not None:
        model = model.with_metadata(labels=labels, preprocessing=preprocessing)
    written = model.save(target, external_data=options.external_data)
    _print(options, f"Wrote {written}\n{open_model(written)}", {"written": str(written)})


if __name__ == "__main__":
    sys.exit(main())
