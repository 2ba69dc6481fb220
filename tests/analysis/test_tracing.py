"""trace: every value as onnxruntime computes it in one run, measured as numpy would, in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from onnx.reference import ReferenceEvaluator
from tiny_models import convnet, model, random_weights
from torch import nn

import onnx_workbench as ow
from onnx_workbench.analysis import value_statistics
from onnx_workbench.core.errors import InputError, NameNotFoundError
from onnx_workbench.runtime import onnx_steps
from onnx_workbench.runtime.onnx_steps import OnnxSteps
from onnx_workbench.runtime.steps import run_all

PICTURES = random_weights(2, 3, 8, 8, seed=5)


def all_values(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every value of one run by ONNX's reference evaluator."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    names = [name for node in proto.graph.node for name in node.output if name]
    del copy.graph.output[:]
    copy.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return dict(zip(names, ReferenceEvaluator(copy).run(None, feeds), strict=True))


def test_every_value_is_that_of_the_reference_evaluator_and_measured_as_numpy_does():
    expected = all_values(convnet(), {"image": PICTURES})
    found = ow.trace(convnet(), PICTURES, keep=expected)
    assert [value.name for value in found.values] == list(expected)
    assert found.complete
    for value in found.values:
        array = expected[value.name]
        np.testing.assert_allclose(found.arrays[value.name], array, rtol=1e-4, atol=1e-5)
        assert (value.shape, value.dtype, value.count) == (array.shape, "float32", array.size)
        kept = found.arrays[value.name].astype(np.float64)
        assert value.smallest == kept.min()
        assert value.largest == kept.max()
        assert value.mean == pytest.approx(kept.mean(), abs=1e-12)
        assert value.std == pytest.approx(kept.std(), rel=1e-9)
        assert sum(value.histogram) == array.size
        assert list(value.histogram) == np.histogram(kept, 32)[0].tolist()


def test_statistics_over_several_chunks_are_those_of_the_whole(monkeypatch):
    monkeypatch.setattr(value_statistics, "_CHUNK", 7)
    array = 1e6 + random_weights(100)
    array[[3, 50]], array[60], array[61] = np.nan, np.inf, -np.inf
    found = value_statistics.measure(array)
    finite = array[np.isfinite(array)].astype(np.float64)
    assert (found["nan_count"], found["inf_count"]) == (2, 2)
    assert (found["smallest"], found["largest"]) == (finite.min(), finite.max())
    assert found["mean"] == pytest.approx(finite.mean(), rel=1e-15)
    assert found["std"] == pytest.approx(finite.std(), rel=1e-9)


def test_the_first_value_that_is_not_finite_is_named_and_may_end_the_run():
    proto = model("m (float[3] x) => (float[3] z) { a = Neg(x) b = Log(a) c = Exp(b) z = Add(c, x) }")
    found = ow.trace(proto, np.array([-1, 0, 1], np.float32))
    assert found.first_not_finite == "b"
    assert (found["b"].nan_count, found["b"].inf_count) == (1, 1)
    assert "The first that is not finite is 'b' (Log): 1 NaN, 1 infinite of 3; 2 more after it." in str(found)
    stopped = ow.trace(proto, np.array([-1, 0, 1], np.float32), stop_at_not_finite=True)
    assert [value.name for value in stopped.values] == ["a", "b"]
    assert not stopped.complete
    assert found.overlays["NaN and infinities, elements"] == {"a": 0, "b": 2, "c": 1, "z": 1}


def test_only_what_is_asked_for_is_kept_and_the_run_ends_after_it():
    found = ow.trace(convnet(), PICTURES, keep=["r"], stop_after="r")
    assert list(found.arrays) == ["r"]
    assert [value.name for value in found.values] == ["c", "r"]
    assert ow.trace(convnet(), PICTURES, keep="image").arrays["image"].tobytes() == PICTURES.tobytes()


def test_values_are_let_go_when_their_last_reader_has_run():
    proto = model("m (float[1000] x) => (float[1000] z) { a = Neg(x) b = Neg(a) c = Neg(b) z = Add(c, x) }")
    steps = OnnxSteps(ow.open_model(proto))
    alive = []
    compute = steps.compute

    def watch(step, values):
        alive.append(sorted(values))
        return compute(step, values)

    steps.compute = watch
    for _ in run_all(steps, {"x": np.ones(1000, np.float32)}):
        pass
    assert alive == [["x"], ["a", "x"], ["b", "x"], ["c", "x"]]


def resident_kib(path) -> int:
    """What this process holds of a mapped file, as the kernel counts it."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    heads = [index for index, line in enumerate(lines) if line.endswith(str(path))]
    return sum(
        int(line.split()[1]) for head in heads for line in lines[head : head + 8] if line.startswith("Rss:")
    )


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the kernel does not tell")
def test_weights_are_let_go_when_their_node_has_run(tmp_path):
    layers = "".join(f"a{i + 1} = MatMul(a{i}, w{i}) " for i in range(12))
    weights = {f"w{i}": random_weights(1024, 1024, seed=i) / 32 for i in range(12)}
    proto = model(f"m (float[1,1024] a0) => (float[1,1024] a12) {{ {layers} }}", **weights)
    onnx.save(proto, tmp_path / "m.onnx")
    x = random_weights(1, 1024)
    opened = ow.open_model(tmp_path / "m.onnx")
    found = ow.trace(opened, x, keep=["a12"])
    assert resident_kib(tmp_path / "m.onnx") < 24 << 10  # of 48 MiB
    for weight in weights.values():
        x = x @ weight
    np.testing.assert_allclose(found.arrays["a12"], x, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(opened.weight("w3"), weights["w3"])  # it comes from the file again


def test_nodes_that_differ_by_their_weights_alone_share_a_session():
    proto = model(
        "m (float[4,4] x) => (float[4,4] y) { a = MatMul(x, u) b = Relu(a) c = MatMul(b, w) y = Relu(c) }",
        u=random_weights(64, 64)[:4, :4].copy(),
        w=random_weights(4, 4),
    )
    large = model(
        "m (float[4,64] x) => (float[4,64] y) { a = MatMul(x, u) b = Relu(a) c = MatMul(b, w) y = Relu(c) }",
        u=random_weights(64, 64),
        w=random_weights(64, 64, seed=1),
    )
    steps = OnnxSteps(ow.open_model(large))
    for _ in run_all(steps, {"x": np.ones((4, 64), np.float32)}):
        pass
    assert len(steps.runner.sessions) == 2
    assert ow.trace(proto, np.ones((4, 4), np.float32)).complete


def test_conditions_loops_functions_and_sequences_run_in_pieces():
    proto = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 20, "own" : 1]>
        m (float[3] x, bool flag) => (float[3] y, int64 n) {
            two = Constant <value_float = 2.0> ()
            scaled = own.scale(x, two)
            parts = SequenceConstruct(x, scaled)
            n = SequenceLength(parts)
            first = Constant <value_int = 1> ()
            second = SequenceAt(parts, first)
            y = If (flag) <
                then_branch = yes () => (float[3] p) { p = Add(second, two) },
                else_branch = no () => (float[3] q) { q = Neg(second) }
            >
        }
        <domain: "own", opset_import: ["" : 20]> scale (a, b) => (c) { c = Mul(a, b) }"""
    )
    for flag, expected in ((True, [4, 6, 8]), (False, [-2, -4, -6])):
        feeds = {"x": np.array([1, 2, 3], np.float32), "flag": np.array(flag)}
        found = ow.trace(proto, feeds, keep=["y", "n", "scaled"])
        assert found.complete, found
        assert found.arrays["y"].tolist() == expected
        assert found.arrays["n"] == 2
        assert found["parts"].dtype == "sequence"
        assert found["parts"].shape == (2,)


def test_a_live_module_is_traced_operation_by_operation_with_module_and_line():
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).train()
    batch = random_weights(3, 4)
    found = ow.trace(network, batch, keep=["tanh"])
    with torch.no_grad():
        expected = torch.tanh(network[0](torch.from_numpy(batch))).numpy()
    np.testing.assert_allclose(found.arrays["tanh"], expected, rtol=1e-6)
    assert [value.module_path for value in found.values] == ["0", "1", "2"]
    assert network.training
    assert found["tanh"].shape == (3, 8)


def test_ctrl_c_keeps_what_was_traced(monkeypatch):
    compute = OnnxSteps.compute

    def interrupted(self, step, values):
        if step.index == 2:
            raise KeyboardInterrupt
        return compute(self, step, values)

    monkeypatch.setattr(OnnxSteps, "compute", interrupted)
    found = ow.trace(convnet(), PICTURES)
    assert [value.name for value in found.values] == ["c", "r"]
    assert not found.complete
    assert "Stopped by Ctrl-C." in str(found)


def test_ctrl_c_in_the_first_run_of_a_live_module_is_told_and_leaves_the_module_as_it_was():
    class Interrupted(nn.Module):
        def forward(self, x):
            if not self.training:
                raise KeyboardInterrupt
            return x

    network = nn.Sequential(nn.Linear(2, 2), Interrupted()).train()
    found = ow.trace(network, np.ones((1, 2), np.float32))
    assert found.values == ()
    assert not found.complete
    assert "Stopped by Ctrl-C while the run's steps were found" in str(found)
    assert network.training
    assert not network[0]._forward_hooks
    assert not network[0]._forward_pre_hooks


def test_a_node_that_fails_ends_the_trace_and_what_came_before_is_kept():
    proto = model(
        "m (float[N] x) => (float[M] z) { a = Neg(x) b = Reshape(a, s) z = Neg(b) }", s=np.array([7])
    )
    found = ow.trace(proto, np.ones(4, np.float32))
    assert [value.name for value in found.values] == ["a"]
    assert "Stopped by an error: Reshape 'b' cannot be run" in str(found)


def test_without_inputs_random_ones_are_made_and_it_is_said():
    found = ow.trace(convnet())
    assert found["logits"].shape == (2, 4)
    assert found.notes == ("No inputs were given: random ones were made, with seed 0 (image (2, 3, 8, 8)).",)
    with pytest.raises(InputError, match="A live module does not say what inputs it takes"):
        ow.trace(torch.nn.Linear(2, 2))


def test_inputs_that_do_not_fit_are_answered_as_by_run():
    with pytest.raises(InputError, match=r"it is NHWC"):
        ow.trace(convnet(), PICTURES.transpose(0, 2, 3, 1).copy())
    with pytest.raises(NameNotFoundError, match="conv9"):
        ow.trace(convnet(), PICTURES, keep=["conv9"])


def test_results_are_escaped_and_can_be_json():
    proto = model("m (float[2] x) => (float[2] y) { y = Log(x) }")
    proto.graph.node[0].output[0] = proto.graph.output[0].name = "<img src=x>"
    found = ow.trace(proto, np.array([-1, 1], np.float32))
    assert "<img" not in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["first_not_finite"] == "<img src=x>"


def test_an_operator_without_a_kernel_is_computed_by_the_reference_evaluator(monkeypatch):
    class NoKernelError(RuntimeError):
        pass

    class Refuses:
        def __init__(self, *_, **__):
            raise NoKernelError("NOT_IMPLEMENTED : Could not find an implementation for Relu(14)")

    import onnxruntime

    monkeypatch.setattr(onnxruntime, "InferenceSession", Refuses)
    assert onnx_steps.OnnxSteps(ow.open_model(convnet())).steps
    found = ow.trace(convnet(), PICTURES, keep=["logits"])
    monkeypatch.undo()
    np.testing.assert_allclose(
        found.arrays["logits"], ow.run(convnet(), PICTURES)["logits"], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("values", [[2**63 - 1] * 3, [1e300, np.nextafter(1e300, 2e300)]])
def test_numbers_too_close_to_be_put_into_bins_fall_into_one(values):
    found = value_statistics.measure(np.asarray(values))
    assert found["histogram"][16] == len(values) == sum(found["histogram"])
