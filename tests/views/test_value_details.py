from __future__ import annotations

import io
import json
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image
from tiny_models import convnet, model, random_weights

from onnx_workbench.analysis.tracing import trace
from onnx_workbench.core.errors import InputError
from onnx_workbench.runtime.session import run
from onnx_workbench.sources.open import open_model
from onnx_workbench.views.value_look import Look, look_at, look_at_weight
from onnx_workbench.views.view import view


def picture(entry) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(b64decode(entry["source"].split(",")[1]))).convert("RGB"))


def photo() -> np.ndarray:
    """Return an uneven 24 x 30 picture as HWC."""
    rows, columns = np.mgrid[0:24, 0:30]
    return np.stack([rows * 8, columns * 7, (rows - 12) ** 2], axis=-1).astype(np.float32)


def colour(array: np.ndarray, layout: str) -> np.ndarray:
    answer = look_at(array, Look(layout=layout))
    assert answer["pictures"][0]["caption"] == "as red, green and blue"
    return picture(answer["pictures"][0])


def test_the_channels_last_view_of_an_input_is_its_picture():
    right = colour(photo().transpose(2, 0, 1)[None], "CHW")
    np.testing.assert_array_equal(colour(photo()[None], "HWC"), right)
    assert look_at(photo()[None], Look())["controls"]["layout"] == "HWC"


def test_an_input_that_was_reshaped_instead_of_transposed_is_seen_at_once():
    right = colour(photo().transpose(2, 0, 1)[None], "CHW")
    wrong = photo().reshape(1, 3, 24, 30)
    np.testing.assert_array_equal(colour(wrong, "filled"), right)
    assert not np.array_equal(colour(wrong, "CHW"), right)
    back = photo().transpose(2, 0, 1).reshape(1, 24, 30, 3)
    np.testing.assert_array_equal(colour(back, "filled"), right)


def test_a_click_shows_the_channels_of_the_sample_that_is_asked_for():
    values = {"r": np.stack([np.zeros((16, 8, 8)), np.arange(16 * 64.0).reshape(16, 8, 8)])}
    widget = view(convnet(), values=values).widget
    widget.selected = 2
    value = widget.details["value"]
    assert value["names"] == ["r"]
    assert value["controls"] | {"layouts": []} == {
        "samples": 2,
        "sample": 0,
        "layouts": [],
        "layout": "CHW",
        "channels": 16,
        "first": 0,
        "page": 64,
        "channel": -1,
        "alike": True,
    }
    assert "channels 0 to 15 of 16" in value["pictures"][0]["alt"]
    assert len(np.unique(picture(value["pictures"][0]).reshape(-1, 3), axis=0)) == 2, (
        "one colour, and the gaps"
    )
    widget._on_message(widget, {"kind": "look", "sample": 1}, [])
    assert len(np.unique(picture(widget.details["value"]["pictures"][0]).reshape(-1, 3), axis=0)) > 100
    widget._on_message(widget, {"kind": "look", "sample": 1, "channel": 15}, [])
    assert widget.details["value"]["pictures"][0]["caption"] == "channel 15 of 16, each 8 × 8"
    assert widget.details["value"]["pictures"][0]["scale"]["highest"] == "1.02e+03"


def test_the_sample_stays_when_another_node_is_clicked():
    values = {name: np.zeros((3, 16, 8, 8)) for name in ("c", "r")}
    widget = view(convnet(), values=values).widget
    widget.selected = 1
    widget._on_message(widget, {"kind": "look", "sample": 2, "channel": 4}, [])
    widget.selected = 2
    controls = widget.details["value"]["controls"]
    assert (controls["sample"], controls["channel"]) == (2, -1)


def test_a_node_offers_what_it_writes_and_then_what_it_reads():
    opened = open_model(convnet())
    values = run(opened, {"image": random_weights(2, 3, 8, 8)}) | {"image": random_weights(2, 3, 8, 8)}
    widget = view(opened, values=values | {"c": np.ones(3), "r": np.ones(3), "kernel": np.ones(3)}).widget
    names, notes = [], []
    for place in range(7):
        widget.selected = place
        names.append(widget.details["value"]["names"])
        notes.append(widget.details["value"]["note"])
    assert names == [["image"], ["c", "image"], ["r", "c"], ["r"], [], ["logits"], ["logits"]]
    assert [bool(note) for note in notes] == [not offered for offered in names]


def test_all_values_of_a_node_can_be_chosen():
    proto = model("g (float[4] x) => (y) { a, b = Split<num_outputs=2>(x) y = Add(a, b) }")
    widget = view(proto, values={"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}).widget
    widget.selected = 1
    assert widget.details["value"]["bars"]["texts"] == ["1", "2"]
    widget._on_message(widget, {"kind": "look", "value": 1}, [])
    assert widget.details["value"]["chosen"] == 1
    assert widget.details["value"]["bars"]["texts"] == ["3", "4"]


@pytest.mark.parametrize(
    "asked",
    [
        {"sample": 10**30, "channel": -5, "first": "x", "layout": "<b>", "alike": "yes", "value": 99},
        {"sample": -1, "channel": 2**31, "first": 10**9, "layout": ["CHW"], "value": None},
        {"sample": True, "channel": 1.5, "first": None, "layout": None, "value": {}},
    ],
)
def test_an_unsound_wish_is_answered_soundly(asked):
    widget = view(convnet(), values={"r": random_weights(2, 16, 8, 8)}).widget
    widget.selected = 2
    widget._on_message(widget, {"kind": "look", **asked}, [])
    value = widget.details["value"]
    assert value["chosen"] == 0
    assert value["controls"]["channel"] == -1
    assert value["pictures"][0]["caption"].startswith("channels 0 to 15")


@pytest.mark.parametrize("message", [None, "look", {"kind": "other"}, {"kind": ["open"]}, {}, [1]])
def test_other_messages_are_passed_over(message):
    widget = view(convnet(), values={"r": random_weights(2, 16, 8, 8)}).widget
    widget.selected = 2
    before = widget.details
    widget._on_message(widget, message, [])
    assert widget.details == before


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.float32(3), "nothing"),
        (np.zeros((0, 3), np.float32), "nothing"),
        (np.array(["cat", "<b>dog</b>"]), "nothing"),
        (np.arange(8.0), "bars"),
        (np.arange(8.0).reshape(1, 8), "bars"),
        (np.arange(8).reshape(2, 4, 1, 1), "bars"),
        (np.arange(24.0).reshape(4, 6), "both"),
        (np.arange(2000.0).reshape(2, 1000), "picture"),
        (np.arange(1000.0), "picture"),
        (np.arange(60.0).reshape(3, 4, 5), "picture"),
        (np.arange(120).reshape(2, 3, 4, 5) > 7, "picture"),
        (np.arange(720.0).reshape(2, 3, 4, 5, 6), "picture"),
        (np.array([1 + 2j]), "nothing"),
        (np.zeros(3, [("real", np.float32)]), "nothing"),
        (np.array([np.nan, 1.0, -np.inf]), "bars"),
    ],
)
def test_arrays_of_every_kind_are_shown_as_json_holds_it(array, kind):
    answer = look_at(np.asarray(array), Look())
    shown = (bool(answer["bars"]), bool(answer["pictures"]))
    assert shown == {"nothing": (0, 0), "bars": (1, 0), "picture": (0, 1), "both": (1, 1)}[kind]
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_bars_carry_labels_signs_and_what_is_not_finite():
    bars = look_at(np.array([2.0, -1.0, np.nan]), Look(), ("cat", "dog", "<i>"))["bars"]
    assert bars == {
        "names": ["cat", "dog", "<i>"],
        "texts": ["2", "-1", "nan"],
        "shares": [1.0, -0.5, None],
        "signed": True,
    }


def test_the_greatest_places_of_a_long_vector_are_named():
    vector = np.zeros(1000)
    vector[[7, 900]] = 3.0, 5.0
    rows = look_at(vector, Look(), [f"class {i}" for i in range(1000)])["rows"]
    assert ["greatest 1", "class 900: 5"] in rows
    assert ["greatest 2", "class 7: 3"] in rows


def test_a_single_nan_in_millions_is_counted():
    array = np.zeros((5, 100, 100, 101), np.float32)
    array[4, 99, 99, 99] = np.nan
    assert ["NaN or infinite", "1"] in look_at(array, Look())["rows"]


def test_statistics_are_those_of_numpy():
    array = random_weights(3, 4, 5, 6)
    rows = dict(look_at(array, Look())["rows"])
    assert rows["mean ± std"] == f"{array.mean(dtype=np.float64):.4g} ± {array.std(dtype=np.float64):.4g}"
    assert rows["array"] == "float32 3×4×5×6"


def test_statistics_of_the_largest_numbers_are_finite_and_told_without_a_warning():
    rows = dict(look_at(np.array([1.5e308, -1.5e308, 1.5e308, -1.5e308]), Look())["rows"])
    assert rows["mean ± std"] == "0 ± 1.5e+308"


@pytest.mark.parametrize(
    ("shape", "caption"),
    [
        ((16, 3, 3, 3), "16 of 16 kernels, each 3 × 3, with their channels as red, green and blue"),
        ((100, 3, 7, 7), "64 of 100 kernels, each 7 × 7, with their channels as red, green and blue"),
        ((8, 16, 3, 3), "64 of 128 kernels, each 3 × 3"),
        ((8, 1, 5, 5), "8 of 8 kernels, each 5 × 5"),
        ((8, 16, 1, 1), "8 rows, 16 columns"),
        ((8, 16), "8 rows, 16 columns"),
        ((5000, 8000), "5,000 rows, 8,000 columns, thinned out"),
        ((4, 2, 3, 3, 3), "24 of 24 kernels, each 3 × 3 × 3"),
        ((16,), None),
        ((1, 1), None),
    ],
)
def test_weights_have_pictures_by_their_shape(shape, caption):
    pictures = look_at_weight(np.broadcast_to(np.float32(0.5), shape))
    assert [entry["caption"] for entry in pictures] == [caption] * (caption is not None)


def test_the_pictures_of_weights_come_with_a_click():
    widget = view(convnet()).widget
    widget.selected = 1
    kernel, bias = widget.details["weights"]
    assert kernel["pictures"][0]["alt"].startswith("16 of 16 kernels")
    assert bias["pictures"] == []
    assert widget.details["value"] is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 2], "values is a list; it must be a mapping"),
        ({}, "names no value of the graph: it names nothing"),
        ({"nonsense": np.ones(3)}, "it names 'nonsense'; the graph has"),
        ({"c": [[1, 2], [3]]}, "'c'.*cannot become an array"),
    ],
)
def test_values_that_do_not_fit_are_refused_at_once(values, message):
    with pytest.raises(InputError, match=message):
        view(convnet(), values=values)


def test_tensors_of_torch_are_taken_as_they_are():
    torch = pytest.importorskip("torch")
    widget = view(convnet(), values={"f": torch.ones(1, 4, requires_grad=True)}).widget
    widget.selected = 4
    assert widget.details["value"]["bars"]["texts"] == ["1"] * 4


def test_values_are_computed_at_the_click_and_only_what_they_need(monkeypatch):
    from onnx_workbench.runtime.onnx_steps import OnnxSteps

    pictures = random_weights(2, 3, 8, 8)
    shown = view(convnet(), inputs=pictures)
    source = shown.pane.source
    computed = []
    compute = OnnxSteps.compute
    monkeypatch.setattr(
        OnnxSteps,
        "compute",
        lambda self, step, values: computed.append(step.outputs[0]) or compute(self, step, values),
    )
    expected = trace(convnet(), pictures, keep=["r", "logits"]).arrays
    computed.clear()
    np.testing.assert_array_equal(source.array("r"), expected["r"])
    assert computed == ["c", "r"]
    source.array("r")
    assert computed == ["c", "r"]
    np.testing.assert_array_equal(source.array("logits"), expected["logits"])
    np.testing.assert_array_equal(source.array("image"), pictures)
    assert not source.offers("kernel")


def test_inputs_that_do_not_fit_are_told_by_view_itself():
    with pytest.raises(InputError, match="it is NHWC"):
        view(convnet(), inputs=np.zeros((2, 8, 8, 3), np.float32))
    with pytest.raises(InputError, match="not both"):
        view(convnet(), inputs=np.zeros((2, 3, 8, 8), np.float32), values={"r": np.zeros(3)})


def test_a_value_that_cannot_be_computed_is_told_in_the_panel():
    proto = model(
        "m (float[N] x) => (float[M] z) { a = Neg(x) b = Reshape(a, s) z = Neg(b) }", s=np.array([7])
    )
    shown = view(proto, inputs=np.ones(4, np.float32))
    place = shown.pane.place_of("b")
    assert "Reshape 'b' cannot be run" in shown.pane.details(place, {})["value"]["note"]


def test_a_trace_is_taken_for_the_arrays_that_it_kept():
    pictures = random_weights(1, 3, 8, 8)
    proto = convnet()
    kept = trace(proto, pictures, keep=["r"])
    assert view(proto, values=kept).pane.source.array("r") is kept.arrays["r"]
    with pytest.raises(InputError, match=r"kept no arrays: name some,  trace\(model, inputs, keep="):
        view(proto, values=trace(proto, pictures))
