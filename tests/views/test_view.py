from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from base64 import b64decode
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from graph_shapes import skip, transformer
from nbconvert import HTMLExporter
from onnx import TensorProto, helper
from PIL import Image
from tiny_models import convnet, dense, model

from onnx_workbench import compare, profile, trace
from onnx_workbench.core.errors import InputError, NameNotFoundError
from onnx_workbench.sources.open import open_model
from onnx_workbench.views.graph_view import LARGEST_SAVED_BYTES
from onnx_workbench.views.overlay import NOT_FINITE
from onnx_workbench.views.view import view


def network(shape, count: int, *, name: str = "node_{}"):
    boxes, edges = shape(count)
    reads: dict[int, list[str]] = {}
    for source, target in edges:
        reads.setdefault(target, []).append(f"v{source}")
    nodes = [
        helper.make_node("Sum", reads.get(i, ["x"]), [f"v{i}"], name=name.format(i)) for i in range(boxes)
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 16])
    y = helper.make_tensor_value_info(f"v{boxes - 1}", TensorProto.FLOAT, None)
    return open_model(helper.make_model(helper.make_graph(nodes, "large", [x], [y])))


def test_the_output_of_a_cell_holds_widget_picture_and_text():
    data, _ = view(convnet())._repr_mimebundle_()
    assert set(data) == {
        "application/vnd.jupyter.widget-view+json",
        "image/svg+xml",
        "image/png",
        "text/plain",
    }
    assert len(data["image/svg+xml"]) + len(data["image/png"]) <= LARGEST_SAVED_BYTES
    assert Image.open(io.BytesIO(b64decode(data["image/png"]))).format == "PNG"
    assert ET.fromstring(data["image/svg+xml"]).get("role") == "img"
    assert "Conv" in data["text/plain"]


def test_ipython_displays_all_of_it():
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(view(convnet()))
    assert set(data) >= {"application/vnd.jupyter.widget-view+json", "image/svg+xml", "text/plain"}


def test_a_notebook_without_widget_state_shows_the_picture_as_html():
    data, metadata = view(convnet())._repr_mimebundle_()
    output = nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=1)
    cell = nbformat.v4.new_code_cell("view(model)", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    kept = {data["application/vnd.jupyter.widget-view+json"]["model_id"]: {}}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": kept}}
    with_state, _ = HTMLExporter().from_notebook_node(notebook)
    assert "vnd.jupyter.widget-view" in with_state  # nbconvert's choice: view() says how to avoid it
    del notebook.metadata["widgets"]
    page, _ = HTMLExporter().from_notebook_node(notebook)
    picture = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert "GlobalAveragePool" in b64decode(picture[1]).decode()


def test_without_the_widget_packages_the_picture_is_still_shown():
    code = """
import sys
sys.modules["anywidget"] = sys.modules["matplotlib"] = None
from onnx import parser
from onnx_workbench.sources.open import open_model
from onnx_workbench.views.view import view
text = '<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { y = Relu(x) }'
data, metadata = view(open_model(parser.parse_model(text)))._repr_mimebundle_()
print(sorted(data), metadata)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['image/svg+xml', 'text/plain'] {}"


@pytest.mark.parametrize("shape", [skip, transformer])
@pytest.mark.parametrize("name", ["node_{}", "/a{}/b/c"])
def test_the_picture_of_five_thousand_nodes_stays_under_250_kilobytes(shape, name):
    shown = view(network(shape, 5000, name=name))
    picture = shown.svg()
    assert len(picture.encode()) <= LARGEST_SAVED_BYTES
    title = ET.fromstring(picture).findtext("{http://www.w3.org/2000/svg}title")
    assert title == f"Graph of large · {len(shown.model.nodes):,} nodes"
    assert len(shown.widget.graph["nodes"]["x"]) == len(shown.model.nodes) + 2


@pytest.mark.parametrize("name", ["graph.svg", "graph.png", "graph.html", "graph.txt", "GRAPH.SVG"])
def test_the_ending_of_a_file_chooses_its_form(tmp_path, name):
    opened = open_model(convnet())
    path = view(opened).save(tmp_path / name)
    assert path.name == name
    if name.lower().endswith("svg"):
        assert ET.fromstring(path.read_text(encoding="utf-8")).tag.endswith("svg")
    elif name.endswith("png"):
        with Image.open(path) as image:
            assert image.width < image.height
    elif name.endswith("txt"):
        assert path.read_text(encoding="utf-8") == opened.text()
    else:
        assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [item.name for item in tmp_path.iterdir()] == [name]


def test_another_ending_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(InputError, match=r"'graph.pdf'.*\.svg, \.png, \.html, \.txt"):
        view(convnet()).save(tmp_path / "graph.pdf")
    assert not list(tmp_path.iterdir())


def test_the_page_holds_the_graph_as_data_that_cannot_end_its_script(tmp_path):
    proto = model("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    proto.graph.node[0].name = "</script><script>alert(1)</script>"
    text = view(proto).save(tmp_path / "graph.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    state = re.search(r'<script type="application/json" id="state">(.*?)</script>', text, re.DOTALL)
    assert (
        json.loads(state[1])["graphs"][0]["drawings"][0]["graph"]["nodes"]["name"][1]
        == "</script><script>alert(1)</script>"
    )
    assert not re.search(r"""(src|href)\s*=|https?://(?!www\.w3\.org)""", text)


def test_a_click_is_answered_with_attributes_types_and_weights():
    opened = open_model(convnet())
    widget = view(opened).widget
    widget.selected = 1
    details = widget.details
    kernel = opened.weight("kernel")
    assert details["node"] == 1
    assert ["pads", "1, 1, 1, 1"] in details["attributes"]
    assert ["image", "float32 N×3×8×8"] in details["inputs"]
    assert ["c", "float32 N×16×8×8"] in details["outputs"]
    assert [weight["name"] for weight in details["weights"]] == ["kernel", "bias"]
    rows = dict(details["weights"][0]["rows"])
    assert rows["min … max"] == f"{kernel.min():.4g} … {kernel.max():.4g}"
    assert rows["mean ± std"] == f"{kernel.mean(dtype=np.float64):.4g} ± {kernel.std(dtype=np.float64):.4g}"
    counts = np.histogram(kernel.astype(np.float64), bins=32)[0]
    assert details["weights"][0]["histogram"]["counts"] == counts.tolist()


def test_the_answer_can_be_sent_as_json():
    widget = view(convnet()).widget
    for place in range(7):
        widget.selected = place
        assert json.loads(json.dumps(widget.details))["node"] == place


def test_a_selection_outside_the_graph_is_not_answered():
    widget = view(convnet()).widget
    widget.selected = 1000
    assert widget.details == {}


def test_a_value_is_selected_by_its_name():
    shown = view(convnet())
    shown.select("p")
    assert shown.widget.details["rows"][0] == ["operator", "GlobalAveragePool"]
    with pytest.raises(NameNotFoundError, match="'nonsense'"):
        shown.select("nonsense")


@pytest.mark.parametrize("name", ["nonsense", 3, "", "<b>\0</b>"])
def test_a_value_that_no_node_writes_cannot_be_selected(name):
    with pytest.raises(NameNotFoundError, match="No node of the graph writes"):
        view(convnet()).select(name)


def test_a_graph_whose_widget_was_closed_is_shown_again():
    shown = view(convnet(), overlay={"c": 1.0, "r": 2.0})
    first = shown.widget
    first.close()
    shown.overlay({"c": 5.0, "r": 2.0}, label="later")  # nobody looks at the closed one any more
    assert "later" in shown.svg()
    data, _ = shown._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == shown.widget.model_id
    assert shown.widget is not first
    assert shown.widget.overlays["items"][0]["label"] == "later"


def test_weights_that_cannot_be_read_any_more_say_why(tmp_path):
    path = open_model(dense()).save(tmp_path / "dense.onnx")
    widget = view(open_model(path)).widget
    path.write_bytes(b"something else")
    widget.selected = 1
    rows = dict(widget.details["weights"][0]["rows"])
    assert rows["content"].startswith("cannot be read: ")
    assert rows["type"] == "float32 16×64"


@pytest.mark.parametrize(
    ("weight", "row"),
    [
        (np.array([1.0, np.nan, np.inf, 3.0], np.float32), ["NaN or infinite", "2"]),
        (np.array([True, False, True, False]), ["zeros", "50.0%"]),
        (np.arange(4, dtype=np.int8), ["min … max", "0 … 3"]),
        (np.arange(4, dtype=np.float16), ["mean ± std", "1.5 ± 1.118"]),
    ],
)
def test_statistics_are_told_for_every_type_of_number(weight, row):
    widget = view(model("g (float[4] x) => (y) { c = Identity(w) y = Relu(x) }", w=weight)).widget
    names = widget.graph["nodes"]["title"]
    widget.selected = names.index("Identity")
    assert row in widget.details["weights"][0]["rows"]


def test_a_huge_weight_is_measured_in_pieces():
    weight = np.ones((2_000, 1_000), np.float32)
    widget = view(model("g (float[N,2000] x) => (y) { y = MatMul(x, w) }", w=weight)).widget
    widget.selected = 1
    rows = dict(widget.details["weights"][0]["rows"])
    assert rows["measured on"] == "1,000,000 of 2,000,000 elements"


def test_an_overlay_changes_colours_and_nothing_else():
    shown = view(convnet())
    before = shown.widget.graph
    assert shown.widget.overlays == {}
    shown.overlay({"c": 1.0, "r": 2.0}, label="ms")
    (item,) = shown.widget.overlays["items"]
    assert item["scales"]["linear"]["steps"] == [None, 0, 6, None, None, None, None]
    assert item["label"] == "ms"
    assert shown.widget.overlay_shown == 0
    assert shown.widget.graph is before
    shown.overlay(None)
    assert (shown.widget.overlays, shown.widget.overlay_shown) == ({}, -1)


def test_several_overlays_are_offered_by_their_labels_and_scales():
    shown = view(convnet(), overlay={"time in ms": {"c": 1.0, "r": 100.0}, "error": {"c": -1.0, "r": 0.0}})
    items = shown.widget.overlays["items"]
    assert [item["label"] for item in items] == ["time in ms", "error"]
    assert [sorted(item["scales"]) for item in items] == [["linear", "log"], ["linear"]]
    assert json.loads(json.dumps(shown.widget.overlays)) == shown.widget.overlays


@pytest.mark.parametrize(("chosen", "legend"), [(0, "time in ms"), (1, "error (log)"), (-1, None)])
def test_pictures_show_what_the_reader_of_the_widget_chose(chosen, legend):
    shown = view(convnet(), overlay={"time in ms": {"c": 1.0}, "error": {"r": 0.1, "p": 0.2}})
    shown.widget.overlay_shown = chosen
    shown.widget.overlay_scale = "log" if chosen == 1 else "linear"
    texts = [item.text for item in ET.fromstring(shown.svg()).iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text in {"time in ms", "error", "error (log)"}] == [legend] * (
        chosen >= 0
    )


def test_the_worst_nodes_are_listed_with_nan_before_all_and_without_zeros():
    errors = {"image": 5.0, "c": 0.0, "r": float("nan"), "p": 7.0, "logits": float("inf")}
    worst = view(convnet(), overlay=errors).widget.overlays["items"][0]["worst"]
    assert [(entry["title"], entry["text"]) for entry in worst] == [
        ("Relu", "nan"),
        ("Gemm", "inf"),
        ("GlobalAveragePool", "7"),
        ("image", "5"),
    ]
    assert [entry["place"] for entry in worst] == [2, 5, 3, 0]


def test_no_more_than_ten_are_the_worst():
    numbers = {f"v{i}": float(i % 37) for i in range(100)}
    worst = view(network(skip, 100), overlay=numbers).widget.overlays["items"][0]["worst"]
    assert [entry["text"] for entry in worst] == [
        "36",
        "36",
        *["35"] * 2,
        *["34"] * 2,
        *["33"] * 2,
        "32",
        "32",
    ]


def test_a_number_of_any_output_colours_its_node():
    proto = model("g (float[4] x) => (y) { a, b = Split<num_outputs=2>(x) y = Add(a, b) }")
    for name in ("a", "b"):
        item = view(proto, overlay={name: 3.0}).widget.overlays["items"][0]
        assert item["texts"] == [None, "3", None, None]


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({}, "names nothing"),
        ({"unknown": 1.0}, "'unknown'.*the graph has 'image'"),
        ({"c": "fast"}, "'c' a str; it must be a mapping"),
        ({"c": 10**400}, "'c' a int, larger than any float; it must be a mapping"),
        ([1.0, 2.0], "is a list; it must be a mapping"),
        ({"ms": {"c": 1.0}, "r": 2.0}, "mixes numbers and mappings: 'r'"),
        ({"ms": {"c": 1.0}, "error": {"nonsense": 2.0}}, "overlay 'error' has no number.*'nonsense'"),
        ({"ms": {"c": "fast"}}, "'c' a str; it must be a mapping"),
    ],
)
def test_an_overlay_that_does_not_fit_is_refused_at_once(overlay, message):
    with pytest.raises(InputError, match=message):
        view(convnet(), overlay=overlay)


@pytest.mark.parametrize(
    ("measure", "first", "shown"),
    [
        (trace, "NaN and infinities, elements", {"a": "0", "b": "1", "y": "1"}),  # the root of -1
        (lambda m, x: compare(m, m, x), "added error, share of scale", {"a": "0", "b": "0", "y": "0"}),
        (profile, "time in ms", None),
    ],
)
def test_a_result_is_an_overlay_as_it_is(measure, first, shown):
    proto = model("g (float[1,4] x) => (float[1,4] y) { a = Relu(x) b = Sqrt(x) y = Add(a, b) }")
    result = measure(proto, np.array([[-1, 2, 3, 4]], np.float32))
    items = view(proto, overlay=result).widget.overlays["items"]
    assert items[0]["label"] == first
    assert items == view(proto, overlay=result.overlays).widget.overlays["items"]
    texts = dict(zip(("x", "a", "b", "y"), items[0]["texts"], strict=False))
    assert {name for name, text in texts.items() if text is not None} == {"a", "b", "y"}
    assert shown is None or {name: texts[name] for name in shown} == shown


def test_what_a_result_could_not_measure_is_left_out_and_nothing_at_all_is_refused():
    some = SimpleNamespace(overlays={"time in ms": {}, "outputs in MB": {"c": 2.0}})
    assert [item["label"] for item in view(convnet(), overlay=some).widget.overlays["items"]] == [
        "outputs in MB"
    ]
    with pytest.raises(InputError, match="SimpleNamespace has no number for any value"):
        view(convnet(), overlay=SimpleNamespace(overlays={"time in ms": {}}))


def test_a_saved_picture_tells_a_failure_in_words_and_colour(tmp_path):
    numbers = {"c": 1.0, "r": float("nan"), "p": float("inf")}
    saved = view(convnet(), overlay={"error": numbers}).save(tmp_path / "graph.svg").read_text()
    drawing = ET.fromstring(saved)
    svg = "{http://www.w3.org/2000/svg}"
    assert {"error", "NaN or infinite"} <= {item.text for item in drawing.iter(f"{svg}text")}
    failed = [box for part in drawing.iter(f"{svg}g") if part.get("fill") == NOT_FINITE.fill for box in part]
    assert len(failed) == 2
    fields = [box for box in drawing.iter(f"{svg}rect") if box.get("fill") == NOT_FINITE.fill]
    assert len(fields) == 1, "the legend shows what the colour means"


def test_a_label_beside_labels_is_refused():
    with pytest.raises(InputError, match=r"overlay_label is 'ms'.*1 overlays that have their labels"):
        view(convnet(), overlay={"time": {"c": 1.0}}, overlay_label="ms")


def test_a_label_that_is_no_text_is_refused():
    with pytest.raises(InputError, match="label is 5; it is a text"):
        view(convnet(), overlay={"c": 1.0}, overlay_label=5)


def test_an_unknown_scale_is_refused():
    with pytest.raises(InputError, match="'cubic'; it can be 'linear' or 'log'"):
        view(convnet(), overlay={"c": 1}, overlay_scale="cubic")


@pytest.mark.parametrize("height", [0, 100_000, 600.5, "tall"])
def test_an_impossible_height_is_refused(height):
    with pytest.raises(InputError, match=f"height is {height!r}; it is a whole number"):
        view(convnet(), height=height)


def test_the_text_lists_nodes_with_what_they_read_and_write():
    lines = str(view(convnet())).splitlines()
    assert re.search(r"Conv +3×3 · 16 +image +c$", lines[4])
    assert len(str(view(network(skip, 400))).splitlines()) < 50


def test_two_models_make_two_graphs():
    first, second = view(convnet()), view(dense())
    assert first.widget.model_id != second.widget.model_id
    assert first.widget.graph["nodes"]["title"] != second.widget.graph["nodes"]["title"]


@pytest.mark.parametrize("nodes", [0, 1])
def test_a_graph_with_thousands_of_inputs_and_hardly_a_node_has_a_picture(nodes):
    names = [f"input_number_{place}" for place in range(3000)]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in names]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    joined = helper.make_graph([helper.make_node("Concat", names, ["y"], axis=0)], "wide", inputs, [output])
    alone = helper.make_graph([], "wide", inputs, inputs)
    text = view(helper.make_model(joined if nodes else alone)).svg()
    assert 100 < text.count("<rect") <= 600
    assert "The first 300 boxes of" in text


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_numbers_from_one_end_of_the_floats_to_the_other_are_spread_over_the_colours(scale):
    numbers = {"image": -1e308, "c": 1e-308, "r": 1.0, "p": 1e308}
    shown = view(convnet(), overlay=numbers, overlay_scale=scale)
    shades = shown.pane.painted()[0].shades[scale]
    steps = {node.values[0]: step for node, step in zip(shown.drawn.nodes, shades.steps, strict=True)}
    expected = {"linear": [0, 3, 3, 6], "log": [0, 0, 3, 6]}[scale]
    assert [steps[name] for name in numbers] == expected
    assert steps["f"] is None
