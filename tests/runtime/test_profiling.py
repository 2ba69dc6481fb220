"""profile: the time of onnxruntime's kernels on the nodes of the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny_models
import torch
from torch import nn

import onnx_workbench as ow
from onnx_workbench.core.errors import InputError, RunError
from onnx_workbench.runtime import profiling

CONTROL_FLOW = """g (float[1,3,8,8] x, bool c, int64 n) => (float[1,3,8,8] z, float[1,4,8,8] q) {
    y = If(c) <then_branch = t () => (float[1,3,8,8] a) { a0 = Relu(x) a = Sin(a0) },
               else_branch = e () => (float[1,3,8,8] b) { b = Neg(x) }>
    k = Constant<value = bool {1}>()
    z = Loop(n, k, y) <body = l (int64 i, bool ci, float[1,3,8,8] w) => (bool co, float[1,3,8,8] w2) {
        co = Identity(ci) w1 = Conv(w, inner) w2 = Relu(w1) }>
    q0 = Conv(z, outer)
    q1 = Add(q0, q0)
    q = Relu(q1)
}"""

EXPLAINED_BY = {
    "Gemm": {"MatMul", "Gemm"},
    "BiasGelu": {"Gelu", "Erf"},
    "QuickGelu": {"Sigmoid"},
    "SkipLayerNormalization": {"LayerNormalization", "ReduceMean"},
    "LayerNormalization": {"LayerNormalization", "ReduceMean"},
    "FusedMatMul": {"MatMul"},
    "FusedConv": {"Conv"},
    "Upsample": {"Resize"},
    "Split": {"Split", "Gather"},
    "Squeeze": {"Squeeze", "Gather"},
    "Gelu": {"Gelu", "Erf"},
}
"""By onnxruntime's list of graph optimisations: an operator that a kernel must have absorbed."""
MOVES_DATA = {"ReorderInput", "ReorderOutput", "Transpose", "Cast", "Reshape"}


def control_flow() -> onnx.ModelProto:
    return tiny_models.model(
        CONTROL_FLOW,
        inner=tiny_models.random_weights(3, 3, 1, 1),
        outer=tiny_models.random_weights(4, 3, 1, 1),
    )


def control_flow_inputs(*, trips: int = 7, condition: bool = True) -> dict[str, np.ndarray]:
    return {
        "x": np.ones((1, 3, 8, 8), np.float32),
        "c": np.array(condition),
        "n": np.array(trips, np.int64),
    }


class Residual(nn.Module):
    """A convolution with BatchNorm, a sum and activations, pooled: what NCHWc kernels swallow."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16))
        self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 3, groups=16), nn.ReLU6(), nn.MaxPool2d(2))
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.first(x)
        x = torch.relu(self.second(x) + x)
        return self.head(self.depthwise(x).mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation="gelu")
        self.embedding = nn.Embedding(50, 32)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        return self.encoder(self.embedding(x))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(8, 16, 2, batch_first=True), nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0])


NETWORKS = {
    "residual": (Residual, lambda: torch.randn(1, 3, 16, 16)),
    "transformer": (Transformer, lambda: torch.randint(0, 50, (2, 12))),
    "recurrent": (Recurrent, lambda: torch.randn(2, 9, 8)),
}


@pytest.fixture(scope="module", params=[(n, d) for n in NETWORKS for d in (True, False)], ids=str)
def exported(request, tmp_path_factory):
    """A network in the files of both of torch's exporters, with an input."""
    name, dynamo = request.param
    make, example = NETWORKS[name]
    torch.manual_seed(0)
    module, inputs = make().eval(), example()
    path = tmp_path_factory.mktemp(name) / "model.onnx"
    torch.onnx.export(module, (inputs,), path, dynamo=dynamo, verbose=False, external_data=False)
    return path, inputs.numpy()


def raw_trace(proto: bytes | str, feeds: dict, folder: Path, *, optimise: bool = True) -> Path:
    """A file of events made with onnxruntime alone."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "trace")
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
    for _ in range(3):
        session.run(None, feeds)
    return Path(session.end_profiling())


def test_every_kernel_is_placed_on_nodes_whose_operators_explain_it(exported):
    path, inputs = exported
    found = ow.profile(path, [inputs], repeat=2, threads=1)
    operators = {node.key: node.operator for node in found.nodes}
    assert found.placed_share >= 0.95
    for kernel in found.kernels:
        absorbed = {operators[key] for key in kernel.nodes}
        expected = EXPLAINED_BY.get(kernel.operator, {kernel.operator})
        assert kernel.operator in MOVES_DATA or absorbed & expected, (kernel.operator, kernel.name, absorbed)


def test_without_optimisation_each_node_has_the_kernel_of_its_own_name(exported, tmp_path):
    """There the oracle is onnxruntime itself: its events name the nodes of the file."""
    path, inputs = exported
    proto = onnx.load(path)
    trace = raw_trace(str(path), {proto.graph.input[0].name: inputs}, tmp_path, optimise=False)
    found = ow.profile(path, from_trace=trace)
    names = {node.output[0]: node.name for node in proto.graph.node}
    ran = {node.key: node.kernels for node in found.nodes if node.kernels}
    assert found.placed_share == 1
    assert all(kernels == (names[key],) for key, kernels in ran.items())
    events = json.loads(trace.read_text())
    assert {event["args"]["op_name"] for event in events if event["cat"] == "Node"} == {
        kernel.operator for kernel in found.kernels
    }


def test_an_optimised_and_a_plain_run_put_the_nodes_that_work_in_the_same_places(exported, tmp_path):
    path, inputs = exported
    proto = onnx.load(path)
    trace = raw_trace(str(path), {proto.graph.input[0].name: inputs}, tmp_path, optimise=False)
    plain, optimised = ow.profile(path, from_trace=trace), ow.profile(path, [inputs], repeat=2)
    working = {"Conv", "MatMul", "Gemm", "LSTM", "Softmax", "MaxPool", "LayerNormalization"}
    ran = [{n.key for n in p.nodes if n.kernels and n.operator in working} for p in (plain, optimised)]
    assert ran[0] == ran[1]


def test_a_trace_made_elsewhere_is_placed_as_our_own(exported, tmp_path):
    path, inputs = exported
    trace = raw_trace(str(path), {onnx.load(path).graph.input[0].name: inputs}, tmp_path)
    read, measured = ow.profile(path, from_trace=trace), ow.profile(path, [inputs], repeat=1)
    assert read.placed_share == 1
    assert {k.name: k.nodes for k in read.kernels} == {k.name: k.nodes for k in measured.kernels}


def test_a_kernel_writes_as_many_bytes_as_the_last_of_its_nodes(exported, tmp_path):
    """onnxruntime measures what its kernels write; ONNX's shape inference knows what nodes write."""
    path, inputs = exported
    trace = raw_trace(str(path), {onnx.load(path).graph.input[0].name: inputs}, tmp_path)
    events = [event for event in json.loads(trace.read_text()) if event["cat"] == "Node"]
    measured = {e["name"].removesuffix("_kernel_time"): int(e["args"]["output_size"]) for e in events}
    found = ow.profile(path, [inputs], from_trace=trace)
    nodes = {node.key: node for node in found.nodes}
    checked = [
        (kernel.name, measured[kernel.name], nodes[kernel.nodes[-1]].output_bytes)
        for kernel in found.kernels
        if kernel.operator in {"Conv", "MatMul", "Gemm", "MaxPool", "Softmax", "BiasGelu", "QuickGelu"}
    ]
    assert checked
    assert [name for name, wrote, inferred in checked if wrote != inferred] == []


def test_parts_of_fused_kernels_sum_up_to_the_kernels(exported):
    path, inputs = exported
    found = ow.profile(path, [inputs], repeat=3)
    assert sum(node.time_ms for node in found.nodes) == pytest.approx(
        sum(kernel.time_ms for kernel in found.kernels if kernel.nodes)
    )
    assert sum(found.overlays["share of time in %"].values()) == pytest.approx(100)
    assert sum(found.by_operator.values()) == pytest.approx(found.time_ms)


def test_a_fused_convolution_names_the_sum_and_the_activation_that_it_absorbed():
    proto = tiny_models.model(
        "g (float[1,16,16,16] x) => (float[1,16,16,16] z) { a = Conv<pads=[1,1,1,1]>(x, w) b = Relu(a) "
        "c = Conv<pads=[1,1,1,1]>(b, v) d = Add(c, b) e = Relu(d) f = Conv<pads=[1,1,1,1]>(e, w) z = Relu(f) }",
        w=tiny_models.random_weights(16, 16, 3, 3),
        v=tiny_models.random_weights(16, 16, 3, 3, seed=1),
    )
    nodes = {node.key: node for node in ow.profile(proto, repeat=2).nodes}
    assert nodes["a"].together_with == ("b",)
    assert set(nodes["c"].together_with) == {"d", "e"}
    assert nodes["c"].time_ms > 0 == nodes["d"].time_ms == nodes["e"].time_ms


def test_the_slowest_node_is_the_one_with_most_work():
    """Closed formula: the product in the middle has 256 times the multiplications of the others."""
    proto = tiny_models.model(
        "g (float[512,32] x) => (float[512,32] z) "
        "{ a = MatMul(x, p) b = Tanh(a) c = MatMul(b, q) d = Tanh(c) z = MatMul(d, r) }",
        p=tiny_models.random_weights(32, 512),
        q=tiny_models.random_weights(512, 512),
        r=tiny_models.random_weights(512, 32),
    )
    found = ow.profile(proto, repeat=5, threads=1)
    products = [node for node in found.worst if node.operator == "MatMul"]
    assert products[0].key == "c"
    assert found.overlays["time in ms"].keys() == {"a", "b", "c", "d", "z"}


def test_nodes_of_subgraphs_are_told_by_their_path_and_count_for_the_node_around():
    found = ow.profile(control_flow(), control_flow_inputs(), repeat=3)
    nodes = {node.key: node for node in found.nodes}
    assert nodes["y/then_branch/a"].outer == "y"
    assert nodes["z/body/w1"].together_with == ("z/body/w2",)
    assert nodes["y/else_branch/b"].kernels == ()
    inner = sum(node.time_ms for node in found.nodes if node.outer == "z")
    assert found.overlays["time in ms"]["z"] == pytest.approx(inner + nodes["z"].time_ms)
    assert found.placed_share == 1


@pytest.mark.parametrize("trips", [1, 11])
def test_the_kernels_of_a_loop_are_called_once_a_trip(trips):
    found = ow.profile(control_flow(), control_flow_inputs(trips=trips), repeat=2)
    calls = {kernel.nodes: kernel.calls for kernel in found.kernels}
    assert calls[("z/body/w1", "z/body/w2")] == trips


def test_the_time_of_a_loop_does_not_count_its_body_twice():
    found = ow.profile(control_flow(), control_flow_inputs(trips=300), repeat=3)
    assert found.time_ms <= min(found.runs_ms) * 1.5


def test_fewer_runs_are_measured_where_their_events_would_not_fit(monkeypatch):
    monkeypatch.setattr(profiling, "_MOST_EVENTS", 1000)
    found = ow.profile(control_flow(), control_flow_inputs(trips=100), repeat=10, warmup=3)
    assert 1 <= len(found.runs_ms) <= 3
    assert "instead of 10: a run has 20" in str(found)  # 2 kernels a trip, and those of the graph
    assert {k.nodes: k.calls for k in found.kernels}[("z/body/w1", "z/body/w2")] == 100
    assert len(ow.profile(control_flow(), control_flow_inputs(trips=1), repeat=10).runs_ms) == 10


def test_the_branch_that_ran_has_the_time():
    nodes = {n.key: n for n in ow.profile(control_flow(), control_flow_inputs(condition=False)).nodes}
    assert nodes["y/else_branch/b"].time_ms > 0 == nodes["y/then_branch/a"].time_ms


def test_what_a_function_of_the_model_does_counts_for_its_call():
    proto = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 20, "my" : 1]>
        g (float[4,8] x) => (float[4,8] z) { a = my.f(x) b = my.f(a) z = my.f(b) }
        <domain: "my", opset_import: ["" : 20]> f (u) => (w) { s = Cos(u) v = Mul(u, s) w = Softplus(v) }"""
    )
    found = ow.profile(proto, repeat=2)
    assert found.placed_share == 1
    assert {node.key: len(node.kernels) for node in found.nodes} == {"a": 3, "b": 3, "z": 3}
    assert {node.operator for node in found.nodes} == {"my.f"}


def test_half_precision_is_placed_through_the_casts_that_the_runtime_puts_in():
    proto = tiny_models.model(
        "g (float16[1,8,16,16] x) => (float16[1,8,16,16] z) "
        "{ a = Conv<pads=[1,1,1,1]>(x, w) b = HardSwish(a) c = Sigmoid(b) z = Mul(b, c) }",
        w=tiny_models.random_weights(8, 8, 3, 3).astype(np.float16),
    )
    found = ow.profile(proto, repeat=2)
    nodes = {node.key: node for node in found.nodes}
    assert found.placed_share == 1
    assert nodes["a"].time_ms > 0
    assert all(node.kernels for node in found.nodes)


def test_functions_of_onnx_that_the_runtime_expands_count_for_their_own_node():
    """In half precision there is no kernel for Softmax: onnxruntime runs ONNX's own definition, without names."""
    proto = tiny_models.model(
        "g (float16[4,8] x) => (float16[4,8] z) "
        "{ a = Softmax(x) b = Softmax<axis=0>(a) c = Add(b, x) z = Softmax(c) }"
    )
    found = ow.profile(proto, repeat=2)
    nodes = {node.key: node for node in found.nodes}
    assert found.placed_share == 1
    definition = {"ReduceMax", "Sub", "Exp", "ReduceSum", "Div"}  # onnx/defs/math/defs.cc
    last = {kernel.name: kernel.operator for kernel in found.kernels if kernel.nodes == ("z",)}
    assert set(last.values()) - {"Cast"} == definition
    assert not set(last) & {*nodes["a"].kernels, *nodes["b"].kernels}
    assert sum(n.time_ms for n in found.nodes) == pytest.approx(found.time_ms)


def test_quantised_convolutions_are_placed_with_the_quantisation_around_them():
    proto = tiny_models.model(
        """g (float[1,4,8,8] x) => (float[1,4,8,8] z) {
            q = QuantizeLinear(x, s, zero) d = DequantizeLinear(q, s, zero) k = DequantizeLinear(w, s, zero)
            c = Conv<pads=[1,1,1,1]>(d, k) cq = QuantizeLinear(c, s, zero) cd = DequantizeLinear(cq, s, zero)
            e = Conv<pads=[1,1,1,1]>(cd, k) eq = QuantizeLinear(e, s, zero) z = DequantizeLinear(eq, s, zero) }""",
        s=np.array(0.1, np.float32),
        zero=np.array(0, np.uint8),
        w=np.ones((4, 4, 3, 3), np.uint8),
    )
    found = ow.profile(proto, repeat=2)
    nodes = {node.key: node for node in found.nodes}
    assert found.placed_share == 1
    assert "QLinearConv" in {kernel.operator for kernel in found.kernels}
    assert nodes["c"].kernels != nodes["e"].kernels
    assert min(nodes["c"].time_ms, nodes["e"].time_ms) > 0
    assert all(node.kernels for node in found.nodes if node.key != "k")


def test_names_that_are_missing_repeated_or_odd_are_told_apart():
    proto = tiny_models.model(
        "g (float[4] x) => (float[4] z) { a = Cos(x) b = Sin(a) c = Cos(b) d = Sin(c) z = Cos(d) }"
    )
    for node, name in zip(proto.graph.node, ("", "same", "same", 'o"d\\d\n\u202e', ""), strict=True):
        node.name = name
    found = ow.profile(proto, repeat=2)
    assert found.placed_share == 1
    assert all(len(node.kernels) == 1 for node in found.nodes)
    assert "\u202e" not in str(found) + found._repr_html_()


def test_a_trace_of_a_model_without_node_names_is_placed(tmp_path):
    proto = tiny_models.model(
        "g (float[4,16] x) => (float[4,4] z) "
        "{ s = Constant<value = float {2.0}>() a = Mul(x, s) b = Tanh(a) c = MatMul(b, w) z = Softmax(c) }",
        w=tiny_models.random_weights(16, 4),
    )
    feeds = {"x": np.ones((4, 16), np.float32)}
    found = ow.profile(proto, from_trace=raw_trace(proto.SerializeToString(), feeds, tmp_path))
    assert found.placed_share == 1
    assert {node.key for node in found.nodes if node.kernels} == {"a", "b", "c", "z"}
    assert found.load_ms is None


def test_memory_is_what_shapes_say():
    found = ow.profile(tiny_models.dense(), np.zeros((5, 16), np.float32), repeat=1)
    assert found.nodes[0].output_bytes == 5 * 64 * 4
    assert found.nodes[0].weights_bytes == found.weights_bytes == 16 * 64 * 4
    assert found.peak_bytes >= 5 * 64 * 4
    assert found.overlays["weights in MB"] == {"y": pytest.approx(0.004096)}


def test_the_first_run_and_the_loading_are_told_apart_from_the_measured_runs():
    found = ow.profile(tiny_models.convnet(), repeat=4, warmup=0)
    assert len(found.runs_ms) == 4
    assert found.load_ms > 0 < found.first_run_ms


def test_a_saved_profile_is_a_chrome_trace_that_reads_back(tmp_path):
    found = ow.profile(control_flow(), control_flow_inputs(), repeat=1)
    path = found.save(tmp_path / "saved.json")
    events = json.loads(path.read_text())
    assert all(event["ph"] == "X" and event["dur"] >= 0 <= event["ts"] for event in events)
    again = ow.profile(control_flow(), from_trace=path)
    assert {k.name: k.time_ms for k in again.kernels} == pytest.approx(
        {k.name: k.time_ms for k in found.kernels}
    )


def test_a_model_that_computes_nothing_has_an_empty_profile():
    proto = tiny_models.model("g () => (float[1] y) { y = Constant<value = float[1] {2.0}>() }")
    found = ow.profile(proto, {}, repeat=2)
    assert (found.kernels, found.time_ms, found.placed_share, len(found.runs_ms)) == ((), 0, 1, 2)
    assert "0 nodes" not in str(found) + found._repr_html_()


def test_a_change_of_layout_counts_for_the_node_that_has_the_time_of_the_value():
    proto = tiny_models.model(
        "g (float[1,16,16,16] x) => (float[1,16,16,16] z) { a = Conv<pads=[1,1,1,1]>(x, w) z = Relu(a) }",
        w=tiny_models.random_weights(16, 16, 3, 3),
    )
    found = ow.profile(proto, repeat=2)
    nodes = {node.key: node for node in found.nodes}
    if any(kernel.layout for kernel in found.kernels):  # not on processors without such kernels
        assert nodes["a"].time_ms == pytest.approx(found.time_ms)
    assert nodes["z"].time_ms == 0


def test_a_profile_shows_itself_and_is_json():
    found = ow.profile(tiny_models.convnet(), repeat=2)
    assert "100.0 % of that time" in str(found)
    assert "<table>" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict()))["worst"]


def test_a_profile_colours_the_graph():
    model = ow.open_model(tiny_models.convnet())
    shown = ow.view(model, overlay=ow.profile(model, repeat=1).overlays)
    assert [item["label"] for item in shown.widget.overlays["items"]] == [
        "time in ms",
        "share of time in %",
        "outputs in MB",
        "weights in MB",
    ]


def test_what_was_measured_before_ctrl_c_is_kept(monkeypatch):
    runs = []
    plain = profiling._ProfilingSession.run

    def stopped(self, inputs, outputs=None):
        if len(runs) == 5:
            raise KeyboardInterrupt
        runs.append(1)
        return plain(self, inputs, outputs)

    monkeypatch.setattr(profiling._ProfilingSession, "run", stopped)
    found = ow.profile(tiny_models.dense(), repeat=10, warmup=1)
    assert found.interrupted
    assert len(found.runs_ms) == 3
    assert "stopped early" in str(found)


def test_ctrl_c_before_anything_was_measured_stops(monkeypatch):
    def stopped(self, inputs, outputs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(profiling._ProfilingSession, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        ow.profile(tiny_models.dense())


def test_inputs_that_do_not_fit_get_the_advice_of_run():
    with pytest.raises(InputError, match="takes shape"):
        ow.profile(tiny_models.dense(), np.zeros((5, 17), np.float32))


@pytest.mark.parametrize("options", [{"repeat": 0}, {"repeat": 2.5}, {"warmup": -1}, {"repeat": True}])
def test_counts_that_are_none_are_refused(options):
    with pytest.raises(InputError, match="whole number from"):
        ow.profile(tiny_models.dense(), **options)


def test_a_model_that_cannot_run_says_so():
    proto = tiny_models.model("g (float[4] x) => (float[4] y) { y = Unheard(x) }")
    with pytest.raises(RunError):
        ow.profile(proto)


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ow.profile(tiny_models.convnet(), repeat=1)
    with pytest.raises(InputError):
        ow.profile(tiny_models.dense(), np.zeros((5, 17), np.float32))
    assert list(tmp_path.iterdir()) == []
    assert Path("/dev/null").is_char_device()
