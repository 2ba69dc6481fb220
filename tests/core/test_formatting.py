"""Numbers, sizes, shapes and tables in words."""

from __future__ import annotations

import html.parser
import re

import pytest

from onnx_workbench.core.errors import MissingPackageError, NameNotFoundError, require
from onnx_workbench.core.formatting import (
    clean_text,
    escape,
    format_bytes,
    format_count,
    format_duration,
    format_shape,
    html_table,
    text_table,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1234, "1,234"),
        (12345, "12.3 k"),
        (2.5e6, "2.5 M"),
        (4e9, "4 G"),
        (7e12, "7 T"),
    ],
)
def test_counts(count, text):
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536 << 20, "1.5 GiB"), (3 << 40, "3 TiB")],
)
def test_sizes(size, text):
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(2, "2 s"), (0.0032, "3.2 ms"), (4e-6, "4 µs"), (5e-9, "5 ns")]
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("shape", "text"),
    [(None, "(?)"), ((), "()"), ((3,), "(3,)"), (("N", 3, None), "(N, 3, ?)"), (("a\nb",), "(a\ufffdb,)")],
)
def test_shapes(shape, text):
    assert format_shape(shape) == text


@pytest.mark.parametrize("hostile", ["\x1b[2J", "a\nb", "\u202egnp.exe", "\x00", "\ud800", "\u200b", "\x85"])
def test_text_from_files_becomes_one_printable_line(hostile):
    cleaned = clean_text(hostile)
    assert cleaned.isprintable() or "\ufffd" in cleaned
    assert len(cleaned.splitlines()) == 1
    cleaned.encode()


def test_long_text_is_cut():
    assert clean_text("a" * 1000) == "a" * 199 + "…"
    assert clean_text("émile", limit=3) == "ém…"


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "' onload='x", '" onload="x', "&lt;b&gt;", "</td></table>"]
)
def test_markup_in_a_name_is_text_in_tables_and_attributes(name):
    reader = Reader()
    reader.feed(html_table([(name, 1)], header=(name, "n"), caption=name) + f"<p title='{escape(name)}'>")
    assert reader.texts.count(name) == 3
    assert reader.tags[-1] == ("p", {"title": name})
    assert {tag for tag, _ in reader.tags} == {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}


def test_in_tables_short_cells_stay_whole_and_long_ones_get_room():
    shape, text = "float32 (64, 16, 32, 32)", "adds 1.4 of the value's scale, where rounding explains 5e-06"
    table = html_table([(shape, 3, text)], header=("type", "NaN", "why"), right=" r")
    styles = {content: style for style, content in re.findall(r'<td style="([^"]*)">([^<]*)</td>', table)}
    assert "white-space:nowrap" in styles[shape]
    assert styles["3"].split(";") == ["text-align:right", "white-space:nowrap"]
    assert "min-width" in styles[html.escape(text)]
    assert "nowrap" not in styles[html.escape(text)]


def test_text_tables_are_aligned():
    text = text_table([("a", 1), ("bbb", 1000)], header=("x", "count"), right=" r")
    assert text.splitlines() == ["x    count", "---  -----", "a        1", "bbb   1000"]
    assert text_table([]) == ""


def test_a_missing_package_is_named_with_the_line_that_installs_it():
    with pytest.raises(MissingPackageError, match=r"'no_such_package' is needed to dance, .*\n.*\[torch\]"):
        require("no_such_package", purpose="to dance", extra="torch")
    assert require("json", purpose="", extra="").loads("1") == 1


def test_a_package_that_is_broken_inside_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import another_package_that_is_missing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="another_package_that_is_missing") as caught:
        require("broken_package", purpose="", extra="")
    assert not isinstance(caught.value, MissingPackageError)


def test_a_name_error_prints_its_sentence_and_not_its_repr():
    assert str(NameNotFoundError("no 'x'")) == "no 'x'"
