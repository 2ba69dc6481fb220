"""The widgets' style sheets and scripts. A script is written in parts, and sent as the one module that widgets are."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_STATIC = Path(__file__).with_name("static")
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=function|class|const)", re.MULTILINE)
_NOTHING = re.compile(r"^export \{\};\n", re.MULTILINE)
_COMMENT = re.compile(r"^ */\*\*(?:(?!\*/).)*\*/\n+", re.MULTILINE | re.DOTALL)


@cache
def style(name: str) -> str:
    """Return the style sheet of a widget."""
    return (_STATIC / f"{name}.css").read_text(encoding="utf-8")


@cache
def script(name: str, part: str = "widget") -> str:
    """Return the parts of a widget's script as one ES module, each behind those that it imports.

    `part` is the last of them, which imports the others.

    anywidget takes one module, and pages without a server cannot load parts. The parts keep to one form:
    ``import { a, b } from "./part.js";``, names that are told apart across parts, and exports where a name is
    declared; type checkers and editors read them as they are. Comments for readers stay at home: each widget
    that is saved in a notebook carries its script.
    """
    pieces: dict[str, str] = {}
    _collect(name, part, pieces)
    return "\n".join(pieces.values())


def _collect(folder: str, part: str, pieces: dict[str, str]) -> None:
    text = (_STATIC / folder / f"{part}.js").read_text(encoding="utf-8")
    for imported in _IMPORT.findall(text):
        if imported not in pieces:
            _collect(folder, imported, pieces)
    for unwanted in (_IMPORT, _EXPORT, _NOTHING, _COMMENT):
        text = unwanted.sub("", text)
    pieces[part] = text.strip() + "\n"
