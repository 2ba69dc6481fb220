from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from onnx import helper
from PIL import Image
from tiny_models import convnet, model

from onnx_workbench.sources.open import open_model
from onnx_workbench.views.drawn_graph import draw_whole
from onnx_workbench.views.edge_curves import path_data, strokes
from onnx_workbench.views.figures import png, svg
from onnx_workbench.views.overlay import NO_NUMBER, NO_NUMBER_DARK, NOT_FINITE, RAMP, Overlay, paint
from onnx_workbench.views.picture import Picture

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</svg><script>alert(1)</script>",
    '" onload="alert(1)',
    "a\x1b[31mb\x07",
    "\u202etxt.exe",
    "n" * 10_000,
    "]]>",
    "&amp;<!--",
    "\ufffe\U0010ffff",
]


def hostile(name: str):
    """Return a model in which everything that may be a name is this one."""
    proto = model("g (float[N,2] x) => (float[N,2] y) { a = Relu(x) y = Neg(a) }")
    first, second = proto.graph.node
    proto.graph.name = first.name = second.domain = second.doc_string = name
    proto.opset_import.append(helper.make_opsetid(name, 1))
    second.op_type = first.output[0] = second.input[0] = name
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = name
    return open_model(proto)


def texts(document: str) -> list[str]:
    return ["".join(item.itertext()) for item in ET.fromstring(document).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_text_and_nothing_else(name):
    document = svg(Picture(draw_whole(hostile(name))))
    elements = {item.tag.removeprefix(SVG) for item in ET.fromstring(document).iter()}
    assert elements == {"svg", "title", "desc", "g", "path", "rect", "text"}
    assert not [key for item in ET.fromstring(document).iter() for key in item.attrib if key.startswith("on")]
    assert max(map(len, texts(document))) < 200
    assert not any(character in document for character in "\x1b\x07\u202e")


def test_every_box_is_drawn_with_its_texts():
    document = svg(Picture(draw_whole(open_model(convnet()))))
    root = ET.fromstring(document)
    assert len(list(root.iter(f"{SVG}rect"))) == 7
    assert {"Conv", "3×3 · 16", "Gemm", "16 → 4", "image", "float32 N×3×8×8", "N×16×8×8"} <= set(
        texts(document)
    )


def test_a_screen_reader_is_told_what_the_picture_shows():
    root = ET.fromstring(svg(Picture(draw_whole(open_model(convnet())))))
    assert root.get("role") == "img"
    assert "5 nodes" in root.findtext(f"{SVG}title")
    assert "Conv → Relu → GlobalAveragePool → Flatten → Gemm" in root.findtext(f"{SVG}desc")


def contrast(first: str, second: str) -> float:
    """WCAG 2.1, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_all_text_can_be_read_on_its_box_and_lines_on_white_and_on_dark():
    from onnx_workbench.views.operator_families import FAMILIES
    from onnx_workbench.views.picture import LINE_GREY, TEXT_GREY

    boxes = [colours for family in FAMILIES for colours in (family.light, family.dark)]
    for colours in (*boxes, *RAMP, NOT_FINITE, NO_NUMBER, NO_NUMBER_DARK):
        assert contrast(colours.fill, colours.ink) >= 4.5
    for family in FAMILIES:
        assert contrast(family.light.border, "#ffffff") >= 3
        assert contrast(family.dark.border, "#111111") >= 3
    for grey in (LINE_GREY, TEXT_GREY):
        assert min(contrast(grey, "#ffffff"), contrast(grey, "#111111")) >= 3


def test_the_png_shows_the_same_picture():
    picture = Picture(draw_whole(open_model(convnet())))
    image = Image.open(io.BytesIO(png(picture, scale=1)))
    image.load()
    assert image.size == pytest.approx(picture.size, abs=1.5)
    box = next(box for box in picture.boxes() if box.node.title == "Conv")
    inside = image.convert("RGB").getpixel((int(box.x + 5), int(box.y + box.height / 2)))
    assert "#{:02x}{:02x}{:02x}".format(*inside) == box.colours.fill
    assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


@pytest.mark.parametrize("name", ["$x^{2}$ and $", *HOSTILE[:2], HOSTILE[5]])
def test_a_png_is_drawn_whatever_the_names(name):
    assert Image.open(io.BytesIO(png(Picture(draw_whole(hostile(name))), scale=1))).format == "PNG"


def test_an_enormous_png_is_made_smaller():
    proto = model("g (float[1] x) => (float[1] y) { y = Relu(x) }")
    del proto.graph.node[:]
    names = ["x", *(f"v{i}" for i in range(600)), "y"]
    proto.graph.node.extend(helper.make_node("Relu", [a], [b]) for a, b in pairwise(names))
    image = Image.open(io.BytesIO(png(Picture(draw_whole(open_model(proto))), scale=2)))
    assert max(image.size) <= 30_001


def test_an_overlay_colours_boxes_by_their_numbers_and_says_what_they_mean():
    opened = open_model(convnet())
    graph = draw_whole(opened)
    overlay = Overlay({"c": 0.0, "r": 5.0, "p": 10.0, "f": float("nan")}, "added error")
    painted = paint(overlay, graph.nodes, opened)
    assert painted.shown.steps == (None, 0, 3, 6, -1, None, None)
    document = svg(Picture(graph, painted))
    assert {"added error", "0", "10", "NaN or infinite"} <= set(texts(document))
    assert document.count(f'fill="{RAMP[6].fill}"') == 2


def test_a_logarithmic_overlay_spreads_magnitudes_evenly():
    opened = open_model(convnet())
    numbers = {"c": 1e-6, "r": 1e-4, "p": 1e-2, "f": 1.0, "logits": 0.0}
    shades = paint(Overlay(numbers), draw_whole(opened).nodes, opened).shades
    linear, log = shades["linear"].steps, shades["log"].steps
    assert linear == (None, 0, 0, 0, 6, 0, None)
    assert log == (None, 0, 2, 4, 6, 0, None)


def test_a_route_becomes_lines_rounded_corners_and_curves():
    straight = [(0.0, 0.0), (0.0, 10.0)]
    assert path_data(straight) == "M0 0L0 10"
    lane = [(0.0, 0.0), (0.0, 20.0), (50.0, 20.0), (50.0, 60.0)]
    assert [command for command, _ in strokes(lane)] == ["M", "L", "Q", "L", "Q", "L"]
    slanted = [(0.0, 0.0), (0.0, 10.0), (50.0, 40.0)]
    assert [command for command, _ in strokes(slanted)] == ["M", "L", "C"]
    assert strokes(slanted)[-1][1][-1] == (50.0, 40.0)
