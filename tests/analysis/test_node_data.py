"""Node data of Model Explorer: what is written is what its own builder writes; what it writes is read."""

from __future__ import annotations

import json
import math

import pytest
import tiny_models

import onnx_workbench as ow
from onnx_workbench.analysis.node_data import read_node_data, save_node_data
from onnx_workbench.core.errors import InputError

# Recorded from ai-edge-model-explorer 0.1.34: ModelNodeData({"convnet": GraphNodeData(results={"conv":
# NodeDataResult(value=1.5), "r": NodeDataResult(value=3, bgColor="red")}, gradient=[GradientItem(stop=0,
# bgColor="white"), GradientItem(stop=1, bgColor="green")])}).save_to_file(...)
RECORDED = """{
  "convnet": {
    "results": {"conv": {"value": 1.5}, "r": {"value": 3, "bgColor": "red"}},
    "thresholds": [],
    "gradient": [{"stop": 0, "bgColor": "white"}, {"stop": 1, "bgColor": "green"}],
    "hideInAggregatedStatsTable": false,
    "hideInChildrenStatsTable": false,
    "showExpandedSummaryOnGroupNode": false,
    "showLabelCountColumnsInChildrenStatsTable": false
  }
}"""


@pytest.fixture
def model():
    proto = tiny_models.convnet()
    proto.graph.node[0].name = "conv"
    return ow.open_model(proto)


def test_what_model_explorer_saves_is_read_by_node_names_and_by_output_names(tmp_path, model):
    path = tmp_path / "latency.json"
    path.write_text(RECORDED)
    assert read_node_data(path, model) == {"latency": {"c": 1.5, "r": 3.0}}


def test_what_is_written_has_the_form_that_model_explorer_reads(tmp_path, model):
    path = save_node_data(tmp_path / "x.json", {"c": 0.5, "r": 2, "nobody": 9}, model, label="time in ms")
    written = json.loads(path.read_text())
    assert written.keys() == {"convnet"}
    assert written["convnet"]["name"] == "time in ms"
    assert written["convnet"]["results"] == {"conv": {"value": 0.5}, "<node_1>": {"value": 2.0}}
    stops = [item["stop"] for item in written["convnet"]["gradient"]]
    assert (stops[0], stops[-1]) == (0, 1)


def test_a_profile_goes_there_and_back_to_the_view(tmp_path, model):
    overlays = ow.profile(model, repeat=1).overlays
    read = read_node_data(save_node_data(tmp_path / "x.json", overlays, model), model)
    assert read == {"time in ms": pytest.approx(overlays["time in ms"])}
    assert ow.view(model, overlay=read).widget.overlays["items"][0]["label"] == "time in ms"


def test_one_of_several_overlays_is_chosen_by_its_label(tmp_path, model):
    overlays = {"time": {"c": 1.0}, "error": {"r": 2.0}}
    path = save_node_data(tmp_path / "x.json", overlays, model, label="error")
    assert read_node_data(path, model) == {"error": {"r": 2.0}}
    with pytest.raises(InputError, match="There is no overlay 'memory'; there are 'time', 'error'"):
        save_node_data(tmp_path / "x.json", overlays, model, label="memory")


def test_nan_and_infinities_survive_in_sound_json(tmp_path, model):
    path = save_node_data(tmp_path / "x.json", {"c": math.nan, "r": math.inf, "p": -math.inf}, model)
    json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(word))
    (read,) = read_node_data(path, model).values()
    assert math.isnan(read["c"])
    assert (read["r"], read["p"]) == (math.inf, -math.inf)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("NaN", math.nan),
        ("-Infinity", -math.inf),
        ("-1.5e308", -1.5e308),
        ("-1" + "0" * 400, -math.inf),
        ("1" + "0" * 400, math.inf),
    ],
)
def test_numbers_beyond_and_at_the_end_of_the_floats_keep_their_sign(tmp_path, model, text, number):
    path = tmp_path / "x.json"
    path.write_text(f'{{"g": {{"name": "n", "results": {{"c": {{"value": {text}}}}}}}}}')
    assert str(read_node_data(path, model)["n"]["c"]) == str(number)


def test_data_of_one_graph_may_come_without_its_id(tmp_path, model):
    path = tmp_path / "x.json"
    path.write_text('{"name": "n", "results": {"conv": {"value": 1}, "c": {"value": "slow"}}}')
    assert read_node_data(path, model) == {"n": {"c": 1.0}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"g": {"results": {"c": {"value": 1' + "0" * 5000 + "}}}}", "is no JSON: Exceeds the limit"),
        ("[]", "no node data"),
        ("{}", "no node data"),
        ('{"convnet": []}', "no node data"),
        ('{"convnet": {"results": [1]}}', "no node data"),
        ('{"convnet": {"results": {"other": {"value": 1}}}}', "no number for a node"),
        ('{"convnet": {"results": {"conv": {"value": "slow"}, "r": {"value": true}, "p": 1}}}', "no number"),
    ],
)
def test_what_is_no_node_data_is_refused_with_the_reason(tmp_path, model, content, message):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_node_data(path, model)


def test_a_missing_file_is_named(tmp_path, model):
    with pytest.raises(InputError, match=r"none\.json.*No such file"):
        read_node_data(tmp_path / "none.json", model)


@pytest.mark.parametrize("overlay", [{}, {"nobody": 1.0}])
def test_an_overlay_without_numbers_for_the_model_is_refused(tmp_path, model, overlay):
    with pytest.raises(InputError, match=r"An overlay maps|names values"):
        save_node_data(tmp_path / "x.json", overlay, model)
    assert list(tmp_path.iterdir()) == []
