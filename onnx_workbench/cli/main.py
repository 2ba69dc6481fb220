"""The workbench's verbs in a terminal: ``onnx-workbench <verb> ...``.

Exit codes: 0 done; 1 the verb failed, with a sentence on the error stream; 2 wrong arguments; 130 stopped by
Ctrl-C. With ``--json`` the answer, or the error, is one JSON object on the output stream; what JSON has no number
for (NaN, infinities) is null in it. Warnings and progress go to the error stream.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version

from onnx_workbench.cli import (
    classify,
    compare,
    convert,
    demo,
    doctor,
    export_graph,
    preflight,
    profile,
    run,
    summary,
    trace,
    view,
)
from onnx_workbench.cli.options import Verb
from onnx_workbench.core.errors import WorkbenchError, WorkbenchWarning

_VERBS = (
    demo,
    summary,
    classify,
    run,
    preflight,
    trace,
    compare,
    profile,
    doctor,
    view,
    convert,
    export_graph,
)


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
    verb: Verb = options.verb
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


class _Verbs:
    """The parser's list of verbs."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parsers = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def add(self, name: str, verb: Verb, help_text: str) -> argparse.ArgumentParser:
        """Return the parser of a new verb, for its arguments."""
        parser = self._parsers.add_parser(name, help=help_text, description=help_text)
        parser.add_argument("--json", action="store_true", help="answer with one JSON object")
        parser.set_defaults(verb=verb)
        return parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onnx-workbench", description="Open an ONNX model, see it, run it, trust it, ship it."
    )
    parser.add_argument("--version", action="version", version=f"onnx-workbench {version('onnx-workbench')}")
    verbs = _Verbs(parser)
    for module in _VERBS:
        module.add_to(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
