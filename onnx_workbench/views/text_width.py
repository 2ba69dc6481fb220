"""How wide a text will be, near enough to size a box without a browser or a font file."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# Advance widths in thousandths of the font size: the widest of the usual sans-serif faces (Segoe UI, Helvetica,
# Roboto, DejaVu Sans), so that text fits whichever the reader's machine has.
_NARROW, _DIGIT, _LOWER, _UPPER, _WIDE, _FULL = 360, 636, 612, 700, 950, 1000
_WIDTHS = {
    **dict.fromkeys("ijl.,:;'|!()[] ·", _NARROW),
    **dict.fromkeys("ftr/-", 415),
    **dict.fromkeys("0123456789?", _DIGIT),
    **dict.fromkeys("mwMW@%…→×", _WIDE),
}
_BOLD = 1.08


@lru_cache(maxsize=20_000)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text in pixels at a font size in pixels."""
    units = sum(_WIDTHS.get(character) or _other(character) for character in text)
    return round(units * size / 1000 * (_BOLD if bold else 1.0), 1)


def _other(character: str) -> int:
    if unicodedata.east_asian_width(character) in "WF":
        return _FULL
    if unicodedata.combining(character):
        return 0
    return _UPPER if character.isupper() else _LOWER
