"""Modules opened and closed: which boxes are drawn, which frames stand around them, what a widget is told."""

from __future__ import annotations

import itertools
import json
import random
import re
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as ET

import graph_shapes
import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from PIL import Image

from onnx_workbench.core.errors import NameNotFoundError
from onnx_workbench.core.formatting import format_count
from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance import module_class
from onnx_workbench.sources.open import open_model
from onnx_workbench.views import figures
from onnx_workbench.views.module_frames import module_frames
from onnx_workbench.views.modules import Folding
from onnx_workbench.views.view import view

BLOCKS, STEPS = 40, 12


def blocks(count: int = BLOCKS) -> object:
    """Return a chain of blocks of two halves, all within one module, then one node of none."""
    nodes, last = [], "x"
    for place in range(count * STEPS):
        block, step = divmod(place, STEPS)
        name = f"/all/block{block}/{'first' if step < STEPS // 2 else 'second'}/node"
        nodes.append(helper.make_node("Relu", [last], [last := f"b{block}s{step}"], name=name))
    nodes.append(helper.make_node("Neg", [last], ["y"], name="end"))
    x, y = (helper.make_tensor_value_info(name, 1, ["N", 4]) for name in ("x", "y"))
    return open_model(helper.make_model(helper.make_graph(nodes, "blocks", [x], [y])))


def titles(graph) -> list[str]:
    return [node.title for node in graph.drawn.nodes]


def test_a_module_is_one_box_until_it_and_all_around_it_are_open():
    folding = Folding(
        {0: ("a", "b"), 1: ("a", "b"), 2: ("a",), 3: (), 4: ("c",), 5: ("c", "d"), 6: ("c", "d")}
    )
    assert folding.groups() == {0: ("a",), 1: ("a",), 2: ("a",), 4: ("c",), 5: ("c",), 6: ("c",)}
    folding.opened = {("a", "b")}
    assert folding.groups()[0] == ("a",)
    folding.open(("a",))
    assert folding.groups() == {4: ("c",), 5: ("c",), 6: ("c",)}
    folding.close(("a",))
    assert folding.groups()[0] == ("a",)
    folding.reveal(5)
    assert 5 not in folding.groups()
    assert folding.around(5) == [("c",), ("c", "d")]


def test_a_module_that_holds_nothing_but_another_opens_and_closes_with_it():
    folding = Folding({0: ("a", "b", "c"), 1: ("a", "b", "d"), 2: ("e",)})
    folding.open(("a",))
    assert folding.groups() == {}
    assert folding.around(0) == [("a",)]
    assert folding.title(("a",)) == "b"
    folding.close(("a", "b"))
    assert folding.groups() == {0: ("a",), 1: ("a",)}


def test_every_node_is_drawn_once_whatever_is_open():
    chance = random.Random(3)
    paths = {
        node: tuple(chance.choice("abc") + str(level) for level in range(chance.randrange(5)))
        for node in range(300)
    }
    folding = Folding(paths)
    for _ in range(200):
        choice = chance.choice(folding.modules)
        (folding.open if chance.random() < 0.6 else folding.close)(choice)
        groups = folding.groups()
        for node, path in paths.items():
            prefixes = [path[:depth] for depth in range(1, len(path) + 1)]
            closed = [prefix for prefix in prefixes if prefix not in folding.opened]
            alone = closed and sum(other[: len(closed[0])] == closed[0] for other in paths.values()) == 1
            assert groups.get(node) == (closed[0] if closed and not alone else None)


def test_large_graphs_begin_closed_and_small_ones_open():
    assert titles(view(blocks())) == ["x", *[f"block{i}" for i in range(BLOCKS)], "Neg", "y"]
    assert len(titles(view(blocks(3)))) == 3 * STEPS + 3
    assert titles(view(blocks(3), collapsed=True)) == ["x", *["first", "second"] * 3, "Neg", "y"]
    assert len(titles(view(blocks(), collapsed=False))) == BLOCKS * STEPS + 3


def test_modules_open_and_close_by_name():
    graph = view(blocks())
    graph.expand("block3")
    assert titles(graph)[3:7] == ["block2", "first", "second", "block4"]
    graph.expand("all/block3/second")
    assert titles(graph)[4:12] == ["first", *["Relu"] * 6, "block4"]
    graph.collapse("block3")
    assert titles(graph)[3:6] == ["block2", "block3", "block4"]
    graph.expand()
    assert len(titles(graph)) == BLOCKS * STEPS + 3
    graph.collapse("block0")
    assert titles(graph)[:3] == ["x", "block0", "Relu"]
    graph.collapse()
    assert len(titles(graph)) == BLOCKS + 3


@pytest.mark.parametrize(
    ("name", "told"),
    [("first", "'all/block0/first', 'all/block1/first'"), ("block77", "'all', 'all/block0'")],
)
def test_a_name_that_fits_no_module_or_several_is_an_error_that_tells_names(name, told):
    with pytest.raises(NameNotFoundError, match=told):
        view(blocks()).expand(name)


def test_a_file_without_modules_is_drawn_whole():
    nodes = [helper.make_node("Relu", [f"v{i}" if i else "x"], [f"v{i + 1}"]) for i in range(400)]
    x, y = (helper.make_tensor_value_info(name, 1, [4]) for name in ("x", "v400"))
    graph = view(open_model(helper.make_model(helper.make_graph(nodes, "plain", [x], [y]))))
    assert len(titles(graph)) == 402
    assert graph.widget.graph["foldable"] is False


def test_frames_stand_around_the_boxes_of_their_module_and_no_others():
    graph = view(blocks())
    graph.expand("block3")
    graph.expand("all/block3/second")
    frames, innermost = module_frames(graph.drawn, graph.pane.folding)
    assert [frame.title for frame in frames] == ["all", "block3", "second"]
    assert [frame.parent for frame in frames] == [-1, 0, 1]
    assert innermost[3:6] == [0, 1, 2]
    centres = graph.drawn.layout.centres
    for number, frame in enumerate(frames):
        inside = {number} | {at for at, other in enumerate(frames) if other.parent >= number}
        left, top = frame.corner
        right, bottom = left + frame.size[0], top + frame.size[1]
        for (x, y), node, within in zip(centres, graph.drawn.nodes, innermost, strict=True):
            half = node.size[0] / 2
            assert (left <= x - half and x + half <= right and top <= y <= bottom) == (within in inside)


def strewn_modules(count: int, seed: int) -> object:
    """Return a graph of modules one after the other, of which some nodes stand elsewhere."""
    chance, reads = random.Random(seed), {}
    for source, target in graph_shapes.chain(count)[1]:
        reads.setdefault(target, []).append(f"v{source}")
    places = [place if chance.random() < 0.95 else chance.randrange(count) for place in range(count)]
    nodes = [
        helper.make_node(
            "Sum", reads.get(place, ["x"]), [f"v{place}"], name=f"/{home // 20}/{home // 5}/node"
        )
        for place, home in enumerate(places)
    ]
    x, y = (helper.make_tensor_value_info(name, 1, [4]) for name in ("x", f"v{count - 1}"))
    return open_model(helper.make_model(helper.make_graph(nodes, "strewn", [x], [y])))


@pytest.mark.parametrize("seed", range(4))
def test_a_module_has_a_frame_if_and_only_if_no_other_box_would_stand_in_it(seed):
    graph = view(strewn_modules(100, seed))
    graph.collapse("0")
    graph.expand("0")
    frames, innermost = module_frames(graph.drawn, graph.pane.folding)
    sides = [
        (x - node.size[0] / 2, y - node.size[1] / 2, x + node.size[0] / 2, y + node.size[1] / 2)
        for (x, y), node in zip(graph.drawn.layout.centres, graph.drawn.nodes, strict=True)
    ]
    for number, frame in enumerate(frames):
        within = {number, *(at for at, other in enumerate(frames) if other.parent == number)}
        own = [side for side, inner in zip(sides, innermost, strict=True) if inner in within]
        left, top = min(side[0] for side in own), min(side[1] for side in own)
        right, bottom = max(side[2] for side in own), max(side[3] for side in own)
        strangers = [
            side
            for side, inner in zip(sides, innermost, strict=True)
            if inner not in within
            and side[0] < right
            and side[2] > left
            and side[1] < bottom
            and side[3] > top
        ]
        assert (frame.corner is None) == bool(strangers)
    assert {frame.corner is None for frame in frames} == {True, False}


def test_tabs_of_frames_that_begin_together_do_not_cover_each_other():
    graph = view(blocks())
    graph.expand("block0")
    graph.expand("all/block0/first")
    frames, _ = module_frames(graph.drawn, graph.pane.folding)
    assert len(frames) == 3
    tabs = sorted(frame.tab for frame in frames)
    assert all(left + width <= after for (left, width), (after, _) in itertools.pairwise(tabs))


def test_the_overlay_of_a_closed_module_is_the_worst_of_its_nodes():
    graph = view(blocks(), overlay={"b5s1": 2.0, "b5s9": 7.0, "b6s0": float("nan")})
    texts = graph.widget.overlays["items"][0]["texts"]
    assert (texts[6], texts[7], texts[8]) == ("7", "nan", None)
    graph.expand("block5")
    assert graph.widget.overlays["items"][0]["texts"][6:8] == ["2", "7"]


def test_a_colour_means_the_same_number_whichever_modules_are_open():
    graph = view(blocks(), overlay={"b5s1": 2.0, "b5s9": 8.0, "b6s0": 4.0})
    seen = []
    for opened in ([], ["all/block5"], ["all/block5/first"], ["all/block6"]):
        if opened:
            graph.expand(*opened)
        scales = graph.widget.overlays["items"][0]["scales"]
        seen.append([(scale, scales[scale]["lowest"], scales[scale]["highest"]) for scale in sorted(scales)])
        steps = dict(zip(titles(graph), scales["linear"]["steps"], strict=True))
        if "block6" in steps:
            assert steps["block6"] == 7 * (4 - 2) // (8 - 2)  # the ramp has seven colours
    assert seen[0] == [("linear", "2", "8"), ("log", "2", "8")]
    assert all(scales == seen[0] for scales in seen)


def test_selecting_a_value_opens_what_hides_its_node_and_the_selection_follows_its_box():
    graph = view(blocks())
    graph.select("b9s2")
    widget = graph.widget
    assert widget.graph["nodes"]["outputs"][widget.selected] == ["b9s2"]
    assert widget.details["node"] == widget.selected
    graph.expand("block1")
    assert widget.graph["nodes"]["outputs"][widget.selected] == ["b9s2"]
    graph.collapse("block9")
    assert widget.graph["nodes"]["title"][widget.selected] == "block9"


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "open", "which": 10**9, "anchor": 0},
        {"kind": "close", "which": -4, "anchor": "x", "selected": 10**9},
        {"kind": "reveal", "which": None},
        {"kind": "reveal", "which": 10**9},
        {"kind": "open", "which": [1]},
        ["open"],
    ],
)
def test_wishes_for_what_is_not_there_change_nothing(message):
    graph = view(blocks())
    before = titles(graph)
    graph.widget._on_message(graph.widget, message, [])
    assert titles(graph) == before


def test_what_closed_modules_hide_can_be_searched():
    state = view(blocks()).widget.graph
    place = state["hidden"]["text"].index("Relu\n/all/block2/first/node\nb2s3")
    assert state["nodes"]["title"][state["hidden"]["place"][place]] == "block2"


def drawings_of(page: Path) -> list[dict]:
    """Return what a saved page can show, in this order."""
    held = re.search(
        r'<script type="application/json" id="state">(.*?)</script>', page.read_text(), re.DOTALL
    )
    return json.loads(held[1])["graphs"][0]["drawings"]


def test_a_saved_page_begins_as_the_cell_is_and_holds_every_node(tmp_path):
    graph = view(blocks())
    graph.expand("block2")
    saved, whole = drawings_of(graph.save(tmp_path / "graph.html"))
    assert saved["graph"]["nodes"]["title"] == titles(graph)
    assert "first" in titles(graph)
    assert saved["graph"]["frames"]["title"] == graph.widget.graph["frames"]["title"]
    assert saved["graph"]["foldable"] is whole["graph"]["foldable"] is True
    assert (
        sorted(itertools.chain(*whole["members"]))
        == sorted(itertools.chain(*saved["members"]))
        == list(range(BLOCKS * STEPS + 1))
    )
    assert all(len(members) <= 1 for members in whole["members"])
    assert {"block39", "first", "second"} <= set(whole["graph"]["frames"]["title"])


def test_a_saved_page_keeps_numbers_and_marks_in_both_drawings(tmp_path):
    graph = view(blocks(), overlay={"b2s3": 5.0, "b7s1": 9.0}, overlay_label="ms")
    other = view(blocks(), beside=onnx_changed(), collapsed=True).left
    for drawing in drawings_of(graph.save(tmp_path / "graph.html")):
        (item,) = drawing["overlays"]["items"]
        worst = item["worst"][0]
        assert worst["text"] == "9"
        assert worst["node"] in drawing["members"][worst["place"]]
        assert item["texts"][worst["place"]] == "9"
    for drawing in drawings_of(other.save(tmp_path / "other.html")):
        marked = [m for m, mark in zip(drawing["members"], drawing["graph"]["marks"], strict=True) if mark]
        assert len(marked) == 1
        assert 7 in marked[0]


def onnx_changed() -> Model:
    """Return the blocks with another operator at node 7."""
    proto = onnx.ModelProto()
    proto.CopyFrom(blocks().proto)
    proto.graph.node[7].op_type = "Tanh"
    return open_model(proto)


def test_pictures_show_closed_modules_as_boxes_and_open_ones_in_frames_with_their_names(tmp_path):
    graph = view(blocks())
    svg = ET.parse(graph.save(tmp_path / "graph.svg"))
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "480 nodes are in closed modules." in texts
    assert texts.count("block2") == 1
    graph.expand("block2")
    svg = ET.parse(graph.save(tmp_path / "graph.svg"))
    frames = [g for g in svg.iter("{http://www.w3.org/2000/svg}g") if g.get("stroke-dasharray")]
    assert [len(group) for group in frames] == [len(graph.widget.graph["frames"]["title"])]
    rect = next(iter(frames[0]))
    x, y, width, height = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
    inside = {
        text.text
        for text in svg.iter("{http://www.w3.org/2000/svg}text")
        if x < float(text.get("x")) < x + width and y < float(text.get("y")) < y + height
    }
    assert {"first", "second"} <= inside
    assert "block2" in {text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert graph.svg(whole=True).count("Relu") >= BLOCKS * STEPS


def test_frames_stand_in_the_png_too():
    graph = view(blocks(), collapsed=True)
    graph.expand("block2")
    picture = graph._small_picture(300)
    grey = np.asarray(Image.open(BytesIO(figures.png(picture, scale=1.0))).convert("L"))
    frames = list(picture.module_frames())
    assert len(frames) == 2
    for (x, y, width, height), _, _ in frames:
        for side in (
            x,
            x + width,
        ):  # dashed: more than half of such a line is drawn, and nothing else is there
            line = grey[int(y) + 1 : int(y + height), round(side) - 2 : round(side) + 3]
            assert 0.4 < (line.min(axis=1) < 200).mean() < 0.95
    assert (grey[int(frames[0][0][1]) + 20, :25] == 255).all()


def test_a_closed_module_tells_its_class_its_nodes_and_its_parameters_as_pytorch_counts_them():
    class Block(torch.nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.wide, self.narrow = torch.nn.Linear(width, 3 * width), torch.nn.Linear(3 * width, width)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.narrow(torch.relu(self.wide(x)))

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = Block(40), torch.nn.Sequential(Block(40), Block(40))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x))

    network = Network().eval()
    graph = view(open_model(network, example_inputs=(torch.zeros(2, 40),)), collapsed=True)
    boxes = {node.title: node for node in graph.drawn.nodes if node.kind == "module"}
    assert set(boxes) == {"first", "second"}
    for name, box in boxes.items():
        module = network.get_submodule(name)
        count = format_count(sum(parameter.numel() for parameter in module.parameters()))
        assert box.line == f"{type(module).__name__} · {len(box.members)} nodes · {count} parameters"
    graph.widget.selected = graph.drawn.nodes.index(boxes["first"])
    rows = dict(graph.widget.details["rows"])
    assert rows["class"].endswith("Block")
    assert rows["parameters"] == "9,760"  # 40 * 120 + 120 and 120 * 40 + 40
    assert [name for name, _ in graph.widget.details["inputs"]] == [graph.model.inputs[0].name]
    assert [name for name, _ in graph.widget.details["outputs"]] == [boxes["first"].values[-1]]
    assert str(graph).count(boxes["first"].values[0]) == 0


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (
            {
                "pkg.torch.onnx.name_scopes": "['', 'body', 'body.0', 'conv2d']",
                "pkg.torch.onnx.class_hierarchy": "['my.Net', 'torch.nn.Sequential', 'my.Block', 'aten.conv2d']",
            },
            ["Sequential", "Block", ""],
        ),
        (
            {"namespace": ": my.Net/body: Sequential/body.0: my.Block/conv2d: aten"},
            ["Sequential", "Block", ""],
        ),
        ({"pkg.torch.onnx.name_scopes": "['', 'body', 'conv2d']"}, ["", "", ""]),
        ({"namespace": "no colons/at all"}, ["", "", ""]),
        ({}, ["", "", ""]),
    ],
)
def test_the_class_of_each_module_around_a_node_is_what_the_exporter_noted(metadata, expected):
    node = helper.make_node("Relu", ["x"], ["y"])
    for key, value in metadata.items():
        node.metadata_props.add(key=key, value=value)
    x, y = (helper.make_tensor_value_info(name, 1, [4]) for name in ("x", "y"))
    model = open_model(helper.make_model(helper.make_graph([node], "one", [x], [y])))
    assert [module_class(model.nodes[0], depth) for depth in (1, 2, 3)] == expected


def test_names_with_dots_tell_the_modules_where_nothing_else_does():
    nodes, last = [], "x"
    for place in range(400):
        name = f"layer{place // 100}.{place // 10 % 10}.relu{place % 10}"
        nodes.append(helper.make_node("Relu", [last], [last := f"v{place}"], name=name))
    x, y = (helper.make_tensor_value_info(name, 1, [4]) for name in ("x", "v399"))
    proto = helper.make_model(helper.make_graph(nodes, "dots", [x], [y]))
    assert titles(view(open_model(proto))) == ["x", *[f"{i}" for _ in range(4) for i in range(10)], "v399"]
    proto.graph.node[7].name = "/told/relu"
    assert len(titles(view(open_model(proto)))) == 402


def test_a_saved_page_of_a_graph_that_is_open_offers_no_buttons_that_only_python_can_answer(tmp_path):
    graph = view(blocks(), collapsed=False)
    assert graph.widget.graph["foldable"] is True
    (drawing,) = drawings_of(graph.save(tmp_path / "graph.html"))
    assert drawing["graph"]["foldable"] is False
