"""compare: the node that adds an error is blamed, alone; sound models of either exporter and precision are not."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, helper, numpy_helper
from tiny_models import convnet, model, random_weights
from torch import nn

import onnx_workbench as ow
from onnx_workbench.analysis import comparison
from onnx_workbench.analysis.expected_values import ExpectedValues
from onnx_workbench.core.errors import InputError, NameNotFoundError
from onnx_workbench.runtime.onnx_steps import OnnxSteps


class Residual(nn.Module):
    """Convolutions, a residual sum, and a head: small, and with everything that a fault can hide behind."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)

    def forward(self, image):
        x = self.stem(image)
        x = x + self.body(x)
        return self.head(self.norm(x.mean((2, 3)))).softmax(1)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    made = Residual().train()
    with torch.no_grad():
        for _ in range(4):
            made(torch.randn(8, 3, 8, 8))
    return made.eval()


PICTURES = random_weights(2, 3, 8, 8, seed=9)


def exported(network, path, *, dynamo: bool, half: bool) -> ModelProto:
    module, picture = (
        (network.half(), torch.from_numpy(PICTURES).half()) if half else (network, torch.from_numpy(PICTURES))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            torch.onnx.export(module, (picture,), dynamo=True, verbose=False).save(path)
        else:
            torch.onnx.export(module, (picture,), path, dynamo=False)
    return onnx.load(path)


CASES = ["dynamo", "torchscript", "dynamo-half", "torchscript-half"]


@pytest.fixture(scope="module", params=CASES)
def case(request, network, tmp_path_factory):
    """(file, network, inputs) of an exporter and a precision."""
    import copy

    exporter, _, half = request.param.partition("-")
    own = copy.deepcopy(network)
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    proto = exported(own, path, dynamo=exporter == "dynamo", half=bool(half))
    return proto, own, PICTURES.astype(np.float16) if half else PICTURES


def changed(proto: ModelProto, op_type: str, index: int, change) -> tuple[ModelProto, str]:
    copy = ModelProto()
    copy.CopyFrom(proto)
    node = [node for node in copy.graph.node if node.op_type == op_type][index]
    change(copy, node)
    return copy, node.output[0]


def weight_of(proto: ModelProto, node):
    return next(tensor for tensor in proto.graph.initializer if tensor.name == node.input[1])


def new_weight(function):
    def change(proto, node):
        tensor = weight_of(proto, node)
        array = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(function(array.copy()).astype(array.dtype), tensor.name))

    return change


def spoil_one(array):
    array.flat[3] = np.nan
    return array


def shift_padding(_, node):
    next(a for a in node.attribute if a.name == "pads").ints[:] = [2, 2, 0, 0]


def leak(_, node):
    node.op_type = "LeakyRelu"
    node.attribute.append(helper.make_attribute("alpha", 0.05))


def other_axis(_, node):
    next(a for a in node.attribute if a.name == "axis").i = 0


FAULTS = {
    "one hundredth more": ("Conv", 1, new_weight(lambda w: w * 1.01)),
    "a NaN": ("Conv", 0, new_weight(spoil_one)),
    "height and width swapped": ("Conv", 1, new_weight(lambda w: np.swapaxes(w, 2, 3))),
    "shifted padding": ("Conv", 0, shift_padding),
    "leaky": ("Relu", 1, leak),
    "softmax of another axis": ("Softmax", 0, other_axis),
    "head scaled": ("Gemm", 0, new_weight(lambda w: w * 0.98)),
}


def test_a_sound_export_raises_no_alarm(case):
    proto, network, inputs = case
    found = ow.compare(proto, network, inputs)
    assert found.passed, found
    assert found
    assert found.complete
    outputs = [value for value in found.values if value.name == proto.graph.output[0].name]
    assert outputs[0].twin is not None
    assert outputs[0].carried_error < 5e-3


@pytest.mark.parametrize(
    ("case", "fault"),
    [("dynamo", fault) for fault in FAULTS]
    + [(other, fault) for other in CASES[1:] for fault in ("one hundredth more", "a NaN", "leaky")],
    indirect=["case"],
)
def test_the_culprit_is_blamed_and_nobody_else(case, fault):
    proto, network, inputs = case
    broken, culprit = changed(proto, *FAULTS[fault])
    found = ow.compare(broken, network, inputs)
    assert [blame.key for blame in found.blamed] == [culprit], found
    assert not found.passed


def test_weights_rounded_to_half_are_seen_in_single_precision(network, tmp_path):
    proto = exported(network, tmp_path / "m.onnx", dynamo=True, half=False)
    broken, culprit = changed(proto, "Conv", 1, new_weight(lambda w: w.astype(np.float16)))
    found = ow.compare(broken, network, PICTURES)
    assert [blame.key for blame in found.blamed] == [culprit]
    assert found.blamed[0].threshold < found.blamed[0].own_error < 2e-3
    assert found.blamed[0].module_path == "body.1"
    assert "test_comparison.py:" in found.blamed[0].source_line
    assert "test_comparison.py:" in str(found)


def test_errors_are_those_that_numpy_finds():
    """Own and carried error, against runs of the two models' pieces by hand."""
    right = model(
        "m (float[4] x) => (float[4] z) { a = Mul(x, two) b = Exp(a) z = Sqrt(b) }",
        two=np.float32([2, 2, 2, 2]),
    )
    wrong = model(
        "m (float[4] x) => (float[4] z) { a = Mul(x, two) b = Exp(a) z = Sqrt(b) }",
        two=np.float32([2, 2, 2, 2.5]),
    )
    x = np.float32([0.1, 0.2, 0.3, 0.4])
    found = {value.name: value for value in ow.compare(wrong, right, x).values}
    a, b = 2 * x, np.exp(2 * x)
    assert found["a"].own_error == pytest.approx(0.5 * 0.4 / a.max(), rel=1e-5)
    assert found["a"].carried_error == pytest.approx(found["a"].own_error)
    assert found["b"].own_error <= found["b"].threshold < 1e-5
    assert found["b"].carried_error == pytest.approx((np.exp(2.5 * 0.4) - b[3]) / b.max(), rel=1e-5)
    assert found["z"].carried_error == pytest.approx((np.exp(0.5) - np.exp(0.4)) / np.exp(0.4), rel=1e-5)


def test_a_file_with_other_names_inside_is_matched_by_contents(network, tmp_path):
    proto = exported(network, tmp_path / "m.onnx", dynamo=True, half=False)
    names = {name: f"t{i}" for i, node in enumerate(proto.graph.node) for name in node.output}
    names |= {value.name: value.name for value in proto.graph.output}
    for node in proto.graph.node:
        node.output[:] = [names[name] for name in node.output]
        node.input[:] = [names.get(name, name) for name in node.input]
        del node.metadata_props[:]
        node.name = ""
    del proto.graph.value_info[:]
    assert ow.compare(proto, network, PICTURES).passed
    broken, culprit = changed(proto, "Conv", 1, new_weight(lambda w: w * 1.02))
    assert [blame.key for blame in ow.compare(broken, network, PICTURES).blamed] == [culprit]


def test_two_files_are_compared_and_several_faults_found_at_once():
    broken, first = changed(convnet(), "Conv", 0, new_weight(lambda w: w * 1.01))
    broken, second = changed(broken, "Gemm", 0, new_weight(lambda w: w + 0.01))
    found = ow.compare(broken, convnet(), PICTURES)
    assert [blame.key for blame in found.blamed] == [first, second]
    assert ow.compare(convnet(), convnet(), PICTURES).passed


def test_nan_wrong_shape_and_what_cannot_run_are_failures_and_never_comparisons():
    right = model("m (float[3] x) => (float[3] z) { a = Abs(x) b = Sqrt(a) z = Neg(b) }")
    nan = model("m (float[3] x) => (float[3] z) { a = Abs(x) b = Sqrt(x) z = Neg(b) }")
    x = np.float32([-1, 2, 3])
    found = ow.compare(nan, right, x)
    assert [blame.key for blame in found.blamed] == ["b"]
    assert "holds NaN (1 of 3) where numbers were expected" in str(found)
    assert math.isinf(next(value for value in found.values if value.name == "b").own_error)
    shape = model("m (float[3] x) => (float[K] z) { a = Abs(x) b = Concat<axis=0>(a, a) z = Neg(b) }")
    found = ow.compare(shape, right, x)
    assert [blame.key for blame in found.blamed] == ["b"]
    assert "has the shape (6,), and (3,) was expected" in str(found)
    unable = model(
        "m (float[3] x) => (float[3] z) { a = Abs(x) b = Reshape(a, s) z = Neg(b) }", s=np.array([7])
    )
    found = ow.compare(unable, right, x)
    assert [blame.key for blame in found.blamed] == ["b"]
    assert "cannot be run on the expected values" in str(found)


def test_nan_at_the_same_places_on_both_sides_is_no_fault():
    proto = model("m (float[3] x) => (float[3] z) { a = Log(x) z = Neg(a) }")
    assert ow.compare(proto, proto, np.float32([-1, 0, 2])).passed


def test_whole_numbers_and_truth_values_are_compared_exactly():
    right = model(
        "m (float[3] x) => (int64[3] n) { b = Greater(x, t) n = Cast<to=7>(b) }", t=np.float32([0, 0, 0])
    )
    wrong = model(
        "m (float[3] x) => (int64[3] n) { b = Less(x, t) n = Cast<to=7>(b) }", t=np.float32([0, 0, 0])
    )
    x = np.float32([-1, 2, 3])
    assert [blame.key for blame in ow.compare(wrong, right, x).blamed] == ["b"]
    assert ow.compare(right, right, x).passed


def test_a_module_with_several_inputs_and_outputs_and_a_file_given_second(tmp_path):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(4, 6), nn.Linear(3, 6)

        def forward(self, a, b):
            joined = torch.tanh(self.left(a)) * self.right(b)
            return joined.sum(1), joined > 0, joined

    torch.manual_seed(0)
    two = Two().eval()
    arrays = (random_weights(5, 4), random_weights(5, 3, seed=1))
    opened = ow.open_model(two, example_inputs=arrays)
    assert ow.compare(opened, two, arrays).passed
    reverse = ow.compare(two, opened, arrays)
    assert reverse.passed
    assert "judged by the live module" in str(reverse)


def test_inputs_go_to_the_module_by_name_where_it_takes_their_names():
    class Named(nn.Module):
        def forward(self, a, **others):
            return (a - 2 * others["b"]).tanh()

    proto = model(
        "m (float[N,3] b, float[N,3] a) => (float[N,3] y) { d = Mul(b, two) c = Sub(a, d) y = Tanh(c) }",
        two=np.float32(2),
    )
    feeds = {"a": random_weights(4, 3), "b": random_weights(4, 3, seed=1)}
    assert ow.compare(proto, Named(), feeds).passed
    swapped = {"a": feeds["b"], "b": feeds["a"]}
    with torch.no_grad():
        expected = Named()(torch.tensor(swapped["a"]), b=torch.tensor(swapped["b"])).numpy()
    np.testing.assert_allclose(ow.run(proto, swapped)["y"], expected, rtol=1e-5)


def test_the_network_is_left_in_its_own_mode(network, tmp_path):
    proto = exported(network, tmp_path / "m.onnx", dynamo=True, half=False)
    network.train()
    try:
        assert ow.compare(proto, network, PICTURES).passed
        assert all(module.training for module in network.modules())
    finally:
        network.eval()


def test_the_replay_shows_the_fault_with_nothing_but_numpy_and_onnxruntime(tmp_path):
    broken, culprit = changed(convnet(), "Conv", 0, new_weight(lambda w: w * 2))
    found = ow.compare(broken, convnet(), PICTURES)
    program = found.replay(tmp_path / "replay")
    assert sorted(path.name for path in program.parent.iterdir()) == [
        "expected.npz",
        "inputs.npz",
        "piece.onnx",
        "replay.py",
    ]
    piece = onnx.load(program.parent / "piece.onnx")
    onnx.checker.check_model(piece)
    assert [node.output[0] for node in piece.graph.node] == [culprit]
    said = subprocess.run(
        [sys.executable, program],
        cwd=program.parents[1],  # from anywhere
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    expected = ow.run(onnx_with_output(convnet(), "c"), PICTURES)["c"]
    actual = ow.run(onnx_with_output(broken, "c"), PICTURES)["c"]
    assert f"largest difference {np.abs(actual - expected).max():.3g}" in said
    with pytest.raises(NameNotFoundError, match="nothing to replay"):
        ow.compare(convnet(), convnet(), PICTURES).replay(tmp_path / "none")
    with pytest.raises(NameNotFoundError, match="blamed value 'r'"):
        found.replay(tmp_path / "other", "r")


def onnx_with_output(proto: ModelProto, name: str) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(proto)
    copy.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return copy


def test_ctrl_c_keeps_what_was_compared(monkeypatch):
    compute = OnnxSteps.compute
    calls = []

    def interrupted(self, step, values):
        calls.append(step.index)
        if calls.count(3) == 2:  # the side that is right comes there first
            raise KeyboardInterrupt
        return compute(self, step, values)

    monkeypatch.setattr(OnnxSteps, "compute", interrupted)
    broken, culprit = changed(convnet(), "Conv", 0, new_weight(lambda w: w * 2))
    found = ow.compare(broken, convnet(), PICTURES)
    assert not found.complete
    assert not found.passed
    assert [blame.key for blame in found.blamed] == [culprit]
    assert "then stopped" in str(found)


def test_ctrl_c_in_the_closer_look_keeps_what_the_walk_found(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "looked_into", interrupted)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
    proto = ow.open_model(network, example_inputs=PICTURES).to_proto()
    broken, culprit = changed(proto, "Conv", 0, new_weight(lambda w: w * 2))
    found = ow.compare(broken, network, PICTURES)
    assert [blame.key for blame in found.blamed] == [culprit]
    assert not found.complete
    assert "without a fresh export" in str(found)


def test_models_of_another_task_and_missing_inputs_are_refused():
    other = model(
        "m (float[N,3,8,8] image) => (float[N,3,8,8] a, float[N,3,8,8] b) { a = Neg(image) b = Abs(image) }"
    )
    with pytest.raises(InputError, match=r"actual has 2 output\(s\), expected has 1"):
        ow.compare(other, convnet(), PICTURES)
    with pytest.raises(InputError, match="it is NHWC"):
        ow.compare(convnet(), convnet(), PICTURES.transpose(0, 2, 3, 1).copy())
    assert "with seed 0" in str(ow.compare(convnet(), convnet()))


def test_results_are_escaped_and_can_be_json_and_shown_on_the_graph():
    broken, culprit = changed(convnet(), "Conv", 0, new_weight(spoil_one))
    broken.graph.node[0].output[0] = broken.graph.node[1].input[0] = "<img src=x>"
    found = ow.compare(broken, convnet(), PICTURES)
    assert [blame.key for blame in found.blamed] == ["<img src=x>"]
    assert "<img" not in found._repr_html_()
    facts = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert facts["passed"] is False
    assert facts["blamed"][0]["key"] == "<img src=x>"
    added, carried = found.overlays.values()
    assert math.isinf(max(added.values()))
    assert set(carried) >= {"r", "logits"}
    assert culprit == "c"


class Attention(nn.Module):
    """One operation of PyTorch, which ONNX writes as several nodes."""

    def __init__(self):
        super().__init__()
        self.inner = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x):
        return self.inner(x, x, x, need_weights=False)[0]


def test_a_fault_inside_one_operation_of_pytorch_is_told_by_a_fresh_export_and_else_its_region(
    tmp_path, monkeypatch
):
    from onnx_workbench.sources import pytorch_again

    torch.manual_seed(1)
    network = Attention().eval()
    x = random_weights(2, 5, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.from_numpy(x),), dynamo=True, verbose=False).save(
            tmp_path / "m.onnx"
        )
    proto = onnx.load(tmp_path / "m.onnx")
    assert ow.compare(proto, network, x).passed
    broken, culprit = changed(proto, "Softmax", 0, other_axis)
    assert [blame.key for blame in ow.compare(broken, network, x).blamed] == [culprit]
    monkeypatch.setattr(pytorch_again, "export_again", lambda *_: None)
    (blame,) = ow.compare(broken, network, x).blamed
    assert culprit in blame.region
    assert 1 < len(blame.region) < 10


def read_by_all(count: int) -> ModelProto:
    """Return a chain in which every node reads the input, too."""
    calls = "\n".join(f"v{i + 1} = {'Sub' if i % 2 else 'Max'}(v{i}, x)" for i in range(count - 1))
    return model(f"g (float[2,4] x) => (float[2,4] y) {{ v0 = Neg(x)\n{calls}\ny = Identity(v{count - 1}) }}")


def test_a_value_that_all_nodes_read_is_not_looked_at_by_all_of_them_again_and_again(monkeypatch):
    class Counted(set):
        asked = 0

        def __contains__(self, name):
            Counted.asked += 1
            return super().__contains__(name)

    begin = ExpectedValues.__init__

    def counting(self, run, feeds):
        begin(self, run, feeds)
        self.done = Counted(self.done)

    monkeypatch.setattr(ExpectedValues, "__init__", counting)
    asked = []
    for count in (60, 120):
        Counted.asked = 0
        assert ow.compare(read_by_all(count), read_by_all(count), np.ones((2, 4), np.float32), carried=False)
        asked.append(Counted.asked)
    assert asked[0] > 0
    assert asked[1] < 3 * asked[0]


def test_a_kernel_that_onnxruntime_lacks_is_asked_for_once_and_computed_by_the_reference(monkeypatch):
    import onnxruntime

    # onnxruntime has no Det for double precision
    many = model(
        "g (double[2,2] x) => (double y) { a = Det(x)\nb = Det(x)\nc = Det(x)\nd = Add(a, b)\ny = Add(c, d) }"
    )
    begin, made = onnxruntime.InferenceSession, []
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *a, **k: made.append(a) or begin(*a, **k))
    run = OnnxSteps(ow.open_model(many))
    numbers = {"x": np.array([[1.0, 2.0], [3.0, 5.0]])}
    for step in run.steps[:3]:
        numbers |= run.compute(step, numbers)
    assert [float(numbers[name]) for name in "abc"] == pytest.approx([-1.0] * 3)
    assert len(made) == 1
