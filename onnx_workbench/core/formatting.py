"""Numbers, sizes, shapes and tables as text and as escaped HTML."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence

Shape = tuple[int | str | None, ...]


_SHORT_CELL, _LONG_CELL = 26, 40
_LARGEST_SHOWN = 10**30  # a damaged file may declare any number, also one too large for a float


def format_count(count: float) -> str:
    """Return a count with a unit prefix, such as ``25.6 M``."""
    count = min(count, _LARGEST_SHOWN)
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if count >= factor:
            scale = 1e3 if unit == "k" else factor
            return f"{count / scale:.3g} {unit}"
    return f"{count:,.0f}"


def format_bytes(size_bytes: float) -> str:
    """Return a size in binary units, such as ``1.5 GiB``."""
    size = float(min(size_bytes, _LARGEST_SHOWN))
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"


def format_duration(seconds: float) -> str:
    """Return a duration in the unit that reads best, such as ``3.2 ms``."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def format_shape(shape: Sequence[int | str | None] | None) -> str:
    """Return a shape as ``(N, 3, 32, 32)``; ``?`` stands for an unknown dimension or shape."""
    if shape is None:
        return "(?)"
    inner = ", ".join("?" if dimension is None else clean_text(str(dimension)) for dimension in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def clean_text(text: str, *, limit: int = 200) -> str:
    """Return a name from an untrusted file on one printable line of at most `limit` characters.

    Control and formatting characters (terminal escapes, right-to-left overrides) become U+FFFD.
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join("\ufffd" if unicodedata.category(c).startswith("C") else c for c in cut)


def escape(value: object, *, limit: int = 200) -> str:
    """Return a value as text that is safe inside HTML and SVG, in content and in quoted attributes."""
    return html.escape(clean_text(str(value), limit=limit), quote=True)


def text_table(rows: Sequence[Sequence[object]], *, header: Sequence[str] = (), right: str = "") -> str:
    """Return rows as aligned columns; `right` has an ``r`` at each column that is right-aligned."""
    cells = [[clean_text(str(cell)) for cell in row] for row in ([header, *rows] if header else rows)]
    if not cells:
        return ""
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    aligns = right.ljust(len(widths))
    lines = [
        "  ".join(
            cell.rjust(width) if align == "r" else cell.ljust(width)
            for cell, width, align in zip(row, widths, aligns, strict=True)
        ).rstrip()
        for row in cells
    ]
    if header:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def html_table(
    rows: Sequence[Sequence[object]], *, header: Sequence[str] = (), right: str = "", caption: str = ""
) -> str:
    """Return rows as an HTML table with every cell escaped."""

    def style(cell: object, align: str) -> str:
        # Where there is little room a table is scrolled: shapes and numbers stay whole, and a long text does not become
        # a column of single words.
        length = len(str(cell))
        width = (
            ";white-space:nowrap"
            if length <= _SHORT_CELL
            else ";min-width:14em"
            if length > _LONG_CELL
            else ""
        )
        return f"text-align:{'right' if align == 'r' else 'left'}{width}"

    def line(row: Sequence[object], tag: str) -> str:
        cells = (
            f'<{tag} style="{style(cell, align)}">{escape(cell)}</{tag}>'
            for cell, align in zip(row, right.ljust(len(row)), strict=False)
        )
        return f"<tr>{''.join(cells)}</tr>"

    head = f"<thead>{line(header, 'th')}</thead>" if header else ""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}{head}<tbody>{''.join(line(row, 'td') for row in rows)}</tbody></table>"
