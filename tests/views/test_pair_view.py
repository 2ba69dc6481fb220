"""Two models side by side: the selection follows counterparts, differences are marked and told."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from tiny_models import model

from onnx_workbench.cli.main import main
from onnx_workbench.core.errors import InputError, UnknownSourceError
from onnx_workbench.sources.open import open_model
from onnx_workbench.views.pair_view import PairView
from onnx_workbench.views.view import view

LEFT = "g (float[2,2] x) => (float[2,2] y) { a = Relu(x) b = Softmax <axis = 0> (a) c = Neg(b) y = Tanh(c) }"
RIGHT = "g (float[2,2] x) => (float[2,2] y) { k = Relu(x) l = Softmax <axis = 1> (k) y = Tanh(l) }"


@pytest.fixture
def pair() -> PairView:
    return view(model(LEFT), beside=model(RIGHT))


def select(side, value: str) -> None:
    side.select(value)


def selected(side) -> str:
    return side.drawn.nodes[side.widget.selected].key if side.widget.selected >= 0 else ""


def test_a_selection_is_followed_by_the_counterpart_either_way(pair):
    assert pair.widget is not None
    select(pair.left, "a")
    assert selected(pair.right) == "k"
    select(pair.right, "l")
    assert selected(pair.left) == "b"
    select(pair.left, "c")  # has no counterpart: the other side keeps what it shows
    assert selected(pair.right) == "l"
    pair.left.widget.selected = 0
    assert selected(pair.right) == "x"


def test_what_differs_and_what_has_no_counterpart_is_marked_and_told_in_the_panel(pair):
    widget = pair.left.widget
    titles = widget.graph["nodes"]["title"]
    assert dict(zip(titles, widget.graph["marks"], strict=True)) == {
        "x": "",
        "Relu": "",
        "Softmax": "differs",
        "Neg": "only",
        "Tanh": "",
        "y": "",
    }
    widget.selected = titles.index("Softmax")
    assert ["≠ axis", "here: 0; in the right one: 1"] in widget.details["rows"]
    widget.selected = titles.index("Neg")
    assert ["counterpart", "none in the right one"] in widget.details["rows"]
    assert (
        str(pair.difference).splitlines()[0] == "3 nodes matched, 1 of them differs, 1 only in the left one."
    )


def test_the_same_model_twice_has_no_marks():
    pair = view(model(LEFT), beside=model(LEFT))
    assert pair.difference.same
    assert set(pair.left.widget.graph["marks"]) == {""}


def test_numbers_colour_both_sides_by_counterpart():
    pair = view(
        model(LEFT), beside=model(RIGHT), overlay={"a": 1.0, "b": 3.0, "c": 9.0}, overlay_label="error"
    )
    texts = [side.widget.overlays["items"][0]["texts"] for side in (pair.left, pair.right)]
    assert texts[0][1:4] == ["1", "3", "9"]
    assert texts[1][1:3] == ["1", "3"]


def test_a_click_shows_values_on_both_sides_if_both_take_the_inputs():
    inputs = np.array([[-1, 2], [3, 4]], np.float32)
    pair = view(model(LEFT), beside=model(RIGHT), inputs=inputs)
    select(pair.left, "a")
    select(pair.right, "k")
    tables = [dict(side.widget.details["value"]["rows"]) for side in (pair.left, pair.right)]
    assert [table["min … max"] for table in tables] == ["0 … 4"] * 2
    other = model("g (float[7] x) => (float[7] y) { y = Relu(x) }")
    assert view(model(LEFT), beside=other, inputs=inputs).right.pane.source is None


def test_the_bundle_holds_the_widget_and_what_differs_as_text(pair):
    bundle, _ = pair._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "1 of them differs" in bundle["text/plain"]


@pytest.mark.parametrize("closed", ["both", "left"])
def test_graphs_whose_widget_was_closed_are_shown_again_and_follow_each_other(pair, closed):
    (pair if closed == "both" else pair.left).widget.close()
    bundle, _ = pair._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == pair.widget.model_id
    select(pair.left, "a")
    assert selected(pair.right) == "k"
    select(pair.right, "l")
    assert selected(pair.left) == "b"


def test_names_of_files_tell_the_sides(tmp_path):
    paths = [
        open_model(model(body)).save(tmp_path / f"{name}.onnx")
        for name, body in (("old", LEFT), ("new", RIGHT))
    ]
    assert "1 only in old" in str(view(paths[0], beside=paths[1]))


def test_the_terminal_tells_the_differences_as_text_and_as_json(tmp_path, capsys):
    paths = [
        str(open_model(model(body)).save(tmp_path / f"{name}.onnx"))
        for name, body in (("old", LEFT), ("new", RIGHT))
    ]
    assert main(["view", paths[0], "--beside", paths[1]]) == 0
    assert "axis" in capsys.readouterr().out
    assert main(["view", paths[0], "--beside", paths[1], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["only_left"] == ["c"]
    assert told["changed"][0]["what"] == {"axis": ["0", "1"]}
    assert main(["view", paths[0], "--beside", paths[1], "--output", str(tmp_path / "a.svg")]) == 2
    assert "side by side are written as .html; got 'a.svg'" in capsys.readouterr().err
    assert main(["view", paths[0], "--beside", paths[1], "--output", str(tmp_path / "a.html")]) == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("a.")] == ["a.html"]


def test_a_page_holds_both_graphs_and_which_nodes_match(pair, tmp_path):
    text = pair.save(tmp_path / "pair.html").read_text()
    held = re.search(r'<script type="application/json" id="state">(.*?)</script>', text, re.DOTALL)
    state = json.loads(held[1])
    assert [graph["drawings"][0]["graph"]["marks"] for graph in state["graphs"]] == [
        ["", "", "differs", "only", "", ""],
        ["", "", "differs", "", ""],
    ]
    assert state["counterparts"] == [{"0": 0, "1": 1, "3": 2}, {"0": 0, "1": 1, "2": 3}]
    with pytest.raises(InputError, match=r"saved as \.html; got 'pair\.svg'.*pair\.left\.save"):
        pair.save(tmp_path / "pair.svg")


def test_something_that_is_no_model_beside_is_an_error():
    with pytest.raises(UnknownSourceError, match=r"this is a builtins\.int"):
        view(model(LEFT), beside=3)
