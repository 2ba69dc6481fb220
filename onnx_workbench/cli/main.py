"""The workbench's verbs in a terminal: ``onnx-workbench <verb> ...``.

Exit codes, as those of diff and grep: 0 done, and all is well; 1 the verb ran and found something wrong (`compare`,
`trace`, `preflight`, `doctor`), or not all pictures could be read (`classify`); 2 it could not be done, with a sentence
on the error stream; 130 stopped by Ctrl-C. With ``--json`` the answer, or the error, is one JSON object on the output
stream; what JSON has no number for (NaN, infinities) is null in it. Warnings and progress go to the error stream.
"""

from __future__ import annotations

import argparse
import difflib
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

_EPILOG = """\
A model is an .onnx file, or a native file of CNTK. "onnx-workbench VERB --help" tells what a verb takes.

exit codes:
  0    done, and all is well
  1    something is wrong: compare, trace, preflight and doctor found it, or classify could not read a picture
  2    it could not be done; the reason is on the error stream
  130  stopped by Ctrl-C
"""

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


def _fail(options: argparse.Namespace, kind: str, message: str, *, code: int = 2) -> int:
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


class _Parser(argparse.ArgumentParser):
    """A parser that answers a misspelt verb with the likeliest one, rather than with all of them."""

    def _check_value(self, action: argparse.Action, value: object) -> None:
        names = list(action.choices or ())
        if action.nargs == argparse.PARSER and value not in names:  # the verb, not a choice of an option
            close = difflib.get_close_matches(str(value), names, n=2)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {', '.join(names)}."
            raise argparse.ArgumentError(None, f"there is no verb {str(value)[:60]!r}. {hint}")
        super()._check_value(action, value)


class _Verbs:
    """The parser's list of verbs."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parsers = parser.add_subparsers(
            title="verbs", required=True, metavar="VERB", parser_class=argparse.ArgumentParser
        )

    def add(self, name: str, verb: Verb, help_text: str) -> argparse.ArgumentParser:
        """Return the parser of a new verb, for its arguments."""
        parser = self._parsers.add_parser(name, help=help_text, description=help_text)
        parser.add_argument("--json", action="store_true", help="answer with one JSON object")
        parser.set_defaults(verb=verb)
        return parser


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="onnx-workbench",
        description="Open an ONNX model, see it, run it, trust it, ship it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"onnx-workbench {version('onnx-workbench')}")
    verbs = _Verbs(parser)
    for module in _VERBS:
        module.add_to(verbs)
    return parser


if __name__ == "__main__":
    sys.exit(main())
