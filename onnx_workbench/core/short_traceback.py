"""Tracebacks in notebooks: the user's own lines and the message, not the twenty frames of this package between them."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from onnx_workbench.core.formatting import clean_text

_PACKAGE = str(Path(__file__).parents[1])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_FULL, _SHORTEST = "Verbose", "Minimal"


def render(error: BaseException) -> list[str]:
    """Return what IPython shows of an error of this package, in the mode that it is in.

    Left out are the frames inside this package, and what lies below them, unless it is the user's own again: a function
    handed in. Errors behind this one are told in a line each, unless the message has it. ``traceback.print_last()``
    shows everything, as does ``%tb`` after ``%xmode Verbose``; ``%debug`` stops at the innermost frame as always.
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return traceback.format_exception(error)
    formatter = shell.InteractiveTB
    kept, left_out = _own_frames(error.__traceback__)
    if formatter.mode == _FULL or not kept or not left_out:
        return list(formatter.structured_traceback(type(error), error, error.__traceback__))
    # IPython would show the errors behind this one with all of their frames.
    chain = (error.__cause__, error.__context__, error.__suppress_context__)
    try:
        error.__cause__ = error.__context__ = None
        shown = list(formatter.structured_traceback(type(error), error, _linked(kept), tb_offset=0))
    finally:
        error.__cause__, error.__context__, error.__suppress_context__ = chain
    return shown if formatter.mode == _SHORTEST else [*shown, "\n".join(_notes(error, left_out))]


def _notes(error: BaseException, left_out: int) -> Iterator[str]:
    """Yield what is left out, and how it can be seen."""
    for cause in _causes(error):
        line = next(iter(str(cause).splitlines()), "")
        if not line or line not in str(error):
            yield f"Behind it: {type(cause).__name__}: {clean_text(line, limit=300)}"
    frames = "frame" if left_out == 1 else "frames"
    yield f"({left_out} {frames} inside onnx_workbench left out: import traceback; traceback.print_last() shows all)"


def _own_frames(trace: TracebackType | None) -> tuple[list[TracebackType], int]:
    """Return the frames to show, and how many others there are; those of IPython itself do not count."""
    kept: list[TracebackType] = []
    left_out, inside = 0, False
    for entry in _entries(trace):
        path = entry.tb_frame.f_code.co_filename
        if not kept and not inside and _is_shell(path):
            continue
        here = _is_in(path, _PACKAGE)
        inside = inside or here
        if here or (inside and any(_is_in(path, folder) for folder in _LIBRARIES)):
            left_out += 1
        else:
            kept.append(entry)
    return kept, left_out


def _entries(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_in(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def _is_shell(path: str) -> bool:
    return bool({"IPython", "ipykernel"} & {*Path(path).parts})


def _linked(entries: list[TracebackType]) -> TracebackType | None:
    """Return frames as one traceback."""
    linked: TracebackType | None = None
    for entry in reversed(entries):
        linked = TracebackType(linked, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return linked


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors behind an error, as Python would show them."""
    seen = {id(error)}
    current: BaseException | None = error
    while current is not None:
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if current is None or id(current) in seen:
            return
        seen.add(id(current))
        yield current
