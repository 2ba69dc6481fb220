"""The workbench's verbs in a terminal: ``onnx-workbench <verb> ...``.

Exit codes: 0 done; 1 the verb failed, with a sentence on the error stream; 2 wrong arguments; 130 stopped by
Ctrl-C. With ``--json`` the answer, or the error, is one JSON object on the output stream.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import ImageError, InputError, WorkbenchError
from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.formatting import clean_text, text_table
from onnx_workbench.core.model import Model
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.sources.open import open_model

GRAPH_SUFFIXES = (".svg", ".png", ".html", ".txt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    options = _parser().parse_args(arguments)
    verb: Callable[[argparse.Namespace], int | None] = options.verb
    try:
        return verb(options) or 0
    except BrokenPipeError:  # the reader of a pipe (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (WorkbenchError, OSError) as error:
        if options.json:
            print(json.dumps({"error": {"type": type(error).__name__, "message": str(error)}}))
        else:
            print(f"onnx-workbench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("onnx-workbench: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onnx-workbench", description="Open an ONNX model, see it, run it, trust it, ship it."
    )
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
    parser.add_argument("--labels", type=Path, help="file with a class name on each line")
    parser.add_argument(
        "--preprocessing", help="JSON object with the fields of Preprocessing, or a file of it"
    )


def _print(options: argparse.Namespace, text: str, facts: dict[str, Any]) -> None:
    print(json.dumps(facts, ensure_ascii=False, default=_plain) if options.json else text)


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)


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


def _labels(options: argparse.Namespace) -> list[str] | None:
    if options.labels is None:
        return None
    lines = options.labels.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _preprocessing(options: argparse.Namespace) -> Preprocessing | None:
    text: str | None = options.preprocessing
    if text is None:
        return None
    if not text.lstrip().startswith("{"):
        text = Path(text).read_text(encoding="utf-8")
    try:
        fields = json.loads(text)
    except ValueError as error:
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
    texts: list[str] = []
    predictions: list[dict[str, Any]] = []
    errors: dict[str, str] = {}
    for picture in options.pictures:
        try:
            found = classify(model, picture, top=options.top, labels=labels, preprocessing=preprocessing)
        except ImageError as error:  # one bad picture does not lose the others
            errors[picture] = str(error)
            continue
        texts.append(str(found))
        predictions += found.to_dict()["predictions"]
        errors |= found.errors
    if not predictions:
        raise ImageError("\n".join(errors.values()))
    _print(options, "\n".join(texts), {"predictions": predictions, "errors": errors})
    if not options.json:
        for name, reason in errors.items():
            print(f"onnx-workbench: {clean_text(name)}: {reason}", file=sys.stderr)
    return 1 if errors else 0


def _run(options: argparse.Namespace) -> None:
    from onnx_workbench.runtime.session import Session

    model = open_model(options.model)
    feeds = (
        _random_feeds(model, options)
        if options.random is not None
        else _feeds_from_files(model, options.input)
    )
    outputs = Session(model).run(feeds)
    if options.output is not None:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **cast(dict[str, Any], outputs))
        write_atomic(options.output, buffer.getvalue())
    rows = [_statistics(name, array) for name, array in outputs.items()]
    header = ("output", "dtype", "shape", "min", "max", "mean", "NaN")
    text = text_table([tuple(row.values()) for row in rows], header=header)
    _print(options, text, {"outputs": rows})


def _statistics(name: str, array: NDArray[Any]) -> dict[str, Any]:
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


def _feeds_from_files(model: Model, items: Sequence[str]) -> dict[str, NDArray[Any]]:
    names = ", ".join(str(value) for value in model.inputs)
    if not items:
        raise InputError(
            f"Give the inputs with --input NAME=FILE.npy, or --random SEED. The model takes {names}."
        )
    if len(items) == 1 and items[0].endswith(".npz"):
        with np.load(items[0].rsplit("=", 1)[-1], allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    if len(items) == 1 == len(model.inputs) and "=" not in items[0]:
        return {model.inputs[0].name: _load_array(items[0])}
    return {name: _load_array(path) for name, path in _pairs(items, "--input").items()}


def _load_array(path: str) -> NDArray[Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path!r} is no .npy file of numbers: {error}") from error
    if not isinstance(loaded, np.ndarray):
        raise InputError(f"{path!r} holds several arrays: give it alone, as --input {path}.")
    return loaded


def _random_feeds(model: Model, options: argparse.Namespace) -> dict[str, NDArray[Any]]:
    generator = np.random.default_rng(options.random)
    sizes = _dimensions(options)
    feeds: dict[str, NDArray[Any]] = {}
    for value in model.inputs:
        if value.shape is None or value.dtype is None or "(" in value.dtype or value.dtype == "string":
            raise InputError(f"No random input can be made for {value}; give it with --input.")
        shape = [d if isinstance(d, int) else sizes.get(str(d), 1) for d in value.shape]
        drawn = generator.normal(size=shape)
        feeds[value.name] = (
            drawn.astype(value.dtype) if value.dtype.startswith("float") else (drawn > 0).astype(value.dtype)
        )
    return feeds


def _view(options: argparse.Namespace) -> None:
    import tempfile
    import webbrowser

    from onnx_workbench.views.view import view

    drawing = view(options.model)
    if options.output is None and not options.browser:
        _print(options, str(drawing), {"text": drawing.text()})
        return
    target = options.output
    if target is None:
        target = Path(tempfile.mkdtemp(prefix="onnx-workbench-")) / f"{drawing.model.name}.html"
    drawing.save(_checked_suffix(target))
    if options.browser:
        webbrowser.open(target.absolute().as_uri())
    _print(options, f"Wrote {target}", {"written": str(target)})


def _checked_suffix(target: Path) -> Path:
    if target.suffix.lower() not in GRAPH_SUFFIXES:
        raise InputError(f"The graph can be written as {', '.join(GRAPH_SUFFIXES)}; got {target.name!r}.")
    return target


def _export_graph(options: argparse.Namespace) -> None:
    from onnx_workbench.views.view import view

    view(options.model).save(_checked_suffix(options.target))
    _print(options, f"Wrote {options.target}", {"written": str(options.target)})


def _convert(options: argparse.Namespace) -> None:
    model = open_model(options.source)
    labels, preprocessing = _labels(options), _preprocessing(options)
    if labels is not None or preprocessing is not None:
        model = model.with_metadata(labels=labels, preprocessing=preprocessing)
    written = model.save(options.target, external_data=options.external_data)
    _print(options, f"Wrote {written}\n{open_model(written)}", {"written": str(written)})


if __name__ == "__main__":
    sys.exit(main())
