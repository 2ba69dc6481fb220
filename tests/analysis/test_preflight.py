"""preflight: each broken model is broken on purpose, and onnxruntime or PyTorch alone shows that it is."""

from __future__ import annotations

import json
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

import onnx_workbench as ow
from onnx_workbench.analysis import sample_runs
from onnx_workbench.analysis.preflight import preflight
from onnx_workbench.cli.main import main
from onnx_workbench.core.errors import InputError, WorkbenchWarning
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.runtime import pieces, runtime_errors
from onnx_workbench.runtime.compatibility import version_problems
from onnx_workbench.runtime.plausible_inputs import plausible_feeds, table_entries
from onnx_workbench.runtime.runtime_errors import onnxruntime_errors
from onnx_workbench.sources.open import open_model
from tests import tiny_models


def direct(proto, **feeds):
    """Run by onnxruntime itself."""
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def checks(found):
    return [finding.check for finding in found.findings]


@pytest.mark.parametrize("proto", [tiny_models.convnet(), tiny_models.dense()], ids=["convnet", "dense"])
def test_a_sound_model_gets_one_line(proto):
    found = preflight(proto)
    assert found
    assert str(found) == (
        "sound: opset 20 and IR 10 run here; batch 2, 1 and 3; optimised = plain; outputs finite"
    )
    assert found.to_dict()["sound"] is True
    assert "✓" in found._repr_html_()


def test_a_fixed_batch_is_said_and_is_no_fault():
    found = preflight(tiny_models.convnet(batch="5"))
    assert found
    assert "batch fixed at 5" in str(found)


def fixed_reshape(first: int) -> onnx.ModelProto:
    return tiny_models.model(
        "g (float[N,4] x) => (float[N,4] y) { r = Relu(x)  y = Reshape(r, shape) }",
        shape=np.array([first, 4], np.int64),
    )


def test_a_batch_that_is_fixed_inside_is_found_with_its_reshape():
    proto = fixed_reshape(1)
    with pytest.raises(Exception, match="Reshape"):
        direct(proto, x=np.ones((2, 4), np.float32))
    found = preflight(proto)
    assert checks(found) == ["batch"]
    assert "batch size 2" in str(found)
    assert "Reshape 'y'" in str(found)


def test_a_batch_fixed_at_what_is_tried_first_is_found_too():
    found = preflight(fixed_reshape(2))
    assert checks(found) == ["batch"]
    assert "batch size 1 and 3" in str(found)


def test_items_that_are_mixed_without_an_error_are_found():
    proto = tiny_models.model(
        "g (float[N,4] x) => (float[N,K] y) { y = Reshape(x, shape) }", shape=np.array([1, -1], np.int64)
    )
    assert direct(proto, x=np.ones((2, 4), np.float32))[0].shape == (1, 8)
    found = preflight(proto)
    assert checks(found) == ["batch"]
    assert "(1, 8) at batch size 2" in str(found)


def test_an_ir_version_that_is_too_new_is_found_when_opened_and_when_checked():
    proto = tiny_models.dense()
    proto.ir_version = 99
    with pytest.raises(Exception, match="IR version"):
        direct(proto, x=np.ones((1, 16), np.float32))
    with pytest.warns(WorkbenchWarning, match="IR version 99"):
        model = open_model(proto)
    found = preflight(model)
    assert checks(found) == ["versions"]
    assert "pip install -U onnxruntime" in str(found)


def is_refused_for_its_age(proto):
    try:
        direct(proto, x=np.ones(1, np.float32))
    except onnxruntime_errors() as error:
        return "IR version" in str(error) or "under development" in str(error)
    return False


def test_what_the_table_says_of_the_installed_onnxruntime_is_what_it_does():
    """The oracle is onnxruntime, asked to load a small model of each version."""
    for ir_version in range(10, 18):
        for opset in range(20, 32, 2):
            proto = tiny_models.model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
            proto.ir_version, proto.opset_import[0].version = ir_version, opset
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", WorkbenchWarning)
                model = open_model(proto)
            refused = is_refused_for_its_age(proto)
            assert bool(version_problems(model)) == refused, (ir_version, opset)


def test_operators_that_nobody_knows_are_all_named():
    proto = tiny_models.model("g (float[N] x) => (float[N] y) { a = Gloop(x)  b = Relu(a)  y = Gleep(b) }")
    with pytest.raises(Exception, match="Gloop"):
        direct(proto, x=np.ones(1, np.float32))
    found = preflight(proto)
    assert "operators" in checks(found)
    assert "Gloop" in str(found)
    assert "Gleep" in str(found)
    assert "Relu" not in str(found).split("\n")[1]


def test_an_optimiser_that_changes_the_answer_is_found(monkeypatch):
    true = sample_runs.plain_outputs

    def other(model, feeds):
        return {name: array * 1.01 for name, array in true(model, feeds).items()}

    monkeypatch.setattr(sample_runs, "plain_outputs", other)
    found = preflight(tiny_models.convnet())
    assert checks(found) == ["optimiser"]
    assert "'logits'" in str(found)


def test_outputs_that_are_not_finite_are_found():
    weights = tiny_models.random_weights(16, 64)
    weights[3, 5] = np.nan
    proto = tiny_models.model("g (float[N,16] x) => (float[N,64] y) { y = MatMul(x, w) }", w=weights)
    assert np.isnan(direct(proto, x=np.ones((2, 16), np.float32))[0]).sum() == 2
    found = preflight(proto)
    assert checks(found) == ["finite"]
    assert "2 of 128" in str(found)


def test_a_real_sample_is_taken_and_one_that_does_not_fit_is_refused():
    proto = tiny_models.model("g (float[N] x) => (float[N] y) { y = Log(x) }")
    assert checks(preflight(proto)) == ["finite"]
    assert preflight(proto, np.array([1, 2], np.float32))
    with pytest.raises(InputError, match="float64"):
        preflight(proto, np.array([1.0, 2.0]))


def test_what_the_checker_forbids_is_found_even_if_it_runs():
    proto = tiny_models.model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    proto.graph.name = ""
    with pytest.raises(onnx.checker.ValidationError, match="name"):
        onnx.checker.check_model(proto)
    assert direct(proto, x=np.ones(1, np.float32))[0] == 1
    assert checks(preflight(proto)) == ["validity"]


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.norm(x))


def training_proto() -> onnx.ModelProto:
    """Return what exporters write for Normed in training mode."""
    body = """g (float[N,4] x) => (float[N,4] y) {
        n, m, v = BatchNormalization<training_mode=1>(x, one, zero, zero, one)
        y = Dropout(n, ratio, training)
    }"""
    return tiny_models.model(
        body,
        one=np.ones(4, np.float32),
        zero=np.zeros(4, np.float32),
        ratio=np.array(0.5, np.float32),
        training=np.array(True),
    )


def test_train_mode_is_found_in_the_graph():
    x = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    y = direct(training_proto(), x=x)[0]
    with torch.no_grad():
        evaluated = Normed().eval()(torch.from_numpy(x)).numpy()
    assert not np.allclose(y, evaluated, atol=0.1)
    found = preflight(training_proto())
    assert "mode" in checks(found)
    assert "BatchNormalization" in str(found)
    assert "Dropout" in str(found)


def test_statistics_over_the_batch_are_found_by_what_they_do():
    """The same normalisation in plain operators, which no attribute betrays."""
    body = """g (float[N,4] x) => (float[N,4] y) {
        m = ReduceMean<keepdims=1>(x, axes)
        y = Sub(x, m)
    }"""
    found = preflight(tiny_models.model(body, axes=np.array([0], np.int64)))
    assert checks(found) == ["batch"]
    assert "depends on the others" in str(found)


def test_a_live_module_in_training_mode_is_found():
    network = Normed().eval()
    model = open_model(network, example_inputs=torch.ones(2, 4))
    assert model.preflight
    assert preflight(model, module=network)
    network.drop.train()
    found = preflight(model, module=network)
    assert checks(found) == ["mode"]
    assert ": drop." in str(found)


class NotANumber(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        with torch.no_grad():
            self.linear.weight[1, 2] = torch.nan

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


class Ratio(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / x.abs().sum(1, keepdim=True)


def test_an_export_with_a_fault_warns_and_keeps_what_was_found():
    with pytest.warns(WorkbenchWarning, match="NaN or infinity"):
        model = open_model(NotANumber().eval(), example_inputs=torch.ones(2, 4))
    assert checks(model.preflight) == ["finite"]


def test_an_example_of_zeros_is_no_fault_of_the_export():
    model = open_model(Ratio().eval(), example_inputs=torch.zeros(2, 4))
    assert model.preflight


def test_half_precision_and_whole_numbers_raise_no_false_alarm():
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(64, 64)).astype(np.float16)
    half = "g (float16[N,64] x) => (float16[N,64] y) { a = MatMul(x, w)  b = Relu(a)  y = MatMul(b, w) }"
    assert preflight(tiny_models.model(half, w=weight))
    table = rng.normal(size=(8, 4)).astype(np.float32)
    tokens = "g (int64[batch,seq] ids) => (float[batch,seq,4] y) { y = Gather(table, ids) }"
    found = preflight(tiny_models.model(tokens, table=table))
    assert found
    assert "batch 2, 1 and 3" in str(found)


def test_what_draws_at_random_is_not_compared_and_no_fault():
    found = preflight(
        tiny_models.model("g (float[N,4] x) => (float[N,4] y) { r = RandomNormalLike(x)  y = Add(x, r) }")
    )
    assert found
    assert "not compared" in str(found)


def test_a_model_that_takes_strings_says_what_is_missing():
    proto = tiny_models.model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", onnx.TensorProto.STRING, ["N"]))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", onnx.TensorProto.STRING, ["N"]))
    proto.graph.node[0].op_type = "Identity"
    found = preflight(proto)
    assert checks(found) == ["sample"]
    assert "inputs=" in str(found)


def test_names_of_hostile_models_are_escaped():
    proto = fixed_reshape(1)
    proto.graph.node[1].output[0] = proto.graph.output[0].name = "<script>\x1b[31m"
    page = preflight(proto)._repr_html_()
    assert "<script>" not in page
    assert "\x1b" not in str(preflight(proto))


def test_large_weights_stay_in_their_file_for_the_checker(tmp_path):
    proto = tiny_models.dense()
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(tiny_models.random_weights(16, 64), "w"))
    path = tmp_path / "dense.onnx"
    open_model(proto).save(path, external_data=True)
    assert preflight(path)


def test_the_terminal_answers_with_one_line_or_with_findings_and_1(tmp_path, capsys):
    good, bad = tmp_path / "good.onnx", tmp_path / "bad.onnx"
    onnx.save(tiny_models.convnet(), good)
    onnx.save(fixed_reshape(1), bad)
    assert main(["preflight", str(good)]) == 0
    assert capsys.readouterr().out.startswith("sound: ")
    assert main(["preflight", str(bad), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["sound"] is False
    assert [finding["check"] for finding in answer["findings"]] == ["batch"]
    sample = tmp_path / "x.npy"
    np.save(sample, np.ones((1, 4), np.float32))
    assert main(["preflight", str(bad), "--input", f"x={sample}"]) == 1


def test_pictures_are_prepared_as_the_file_says_and_a_saying_that_does_not_fit_is_found():
    plain = open_model(tiny_models.convnet())
    fitting = plain.with_metadata(preprocessing=Preprocessing(size=(8, 8)))
    assert "takes pictures prepared as the file says" in str(preflight(fitting))
    wrong = preflight(plain.with_metadata(preprocessing=Preprocessing(size=(9, 9))))
    assert [finding.check for finding in wrong.findings] == ["preprocessing"]
    with pytest.raises(onnxruntime_errors(), match=r"Expected: 8"):
        direct(tiny_models.convnet(), image=Preprocessing(size=(9, 9))(np.zeros((2, 20, 20, 3), np.uint8)))


def test_the_pictures_of_a_fixed_batch_are_as_many_as_it_takes():
    fixed = open_model(tiny_models.convnet(batch="5")).with_metadata(preprocessing=Preprocessing(size=(8, 8)))
    found = preflight(fixed)
    assert found
    assert "batch fixed at 5" in str(found)


@pytest.mark.parametrize(
    ("body", "weights", "named"),
    [
        ("g (double[N,4] x) => (double[N,2] y) { y = MatMul(x, w) }", {"w": np.ones((4, 2))}, "x: float64"),
        (
            "g (float[N,2] x) => (float[N,2] y) { c = Cast<to=1>(w) y = MatMul(x, c) }",
            {"w": np.ones((2, 2))},
            "in w",
        ),
        ("g (int64[N,3,8,8] x) => (float[N,3,8,8] y) { y = Cast<to=1>(x) }", {}, "shape of pictures"),
    ],
)
def test_numbers_of_eight_bytes_are_found(body, weights, named):
    found = preflight(tiny_models.model(body, **weights))
    assert [finding.check for finding in found.findings] == ["dtypes"]
    assert named in str(found)


def test_token_numbers_and_scalars_of_eight_bytes_are_no_fault():
    proto = tiny_models.model(
        "g (int64[N,4] ids) => (float[N,4,2] y) { g = Gather(table, ids) y = CastLike(d, g) z = Add(g, y) }",
        table=np.ones((8, 2), np.float32),
        d=np.float64(2),
    )
    proto.graph.output[0].name = "z"
    assert preflight(proto)


def test_what_preflight_found_stays_with_a_model_that_gets_labels():
    model = open_model(tiny_models.convnet())
    model.preflight = preflight(model)
    assert model.with_metadata(labels=list("abcd")).preflight is model.preflight


def test_token_ids_are_drawn_from_the_table_they_choose_from():
    table = np.arange(3, dtype=np.float32).reshape(3, 1).repeat(2, axis=1)
    tokens = tiny_models.model(
        """tokens (int64[N,4] ids, int32[N,4] kinds) => (float[N,4,2] y) {
            flat = Reshape(ids, shape)
            words = Gather(table, flat)
            wide = Cast<to=7>(kinds)
            sorts = Gather<axis=0>(one, wide)
            back = Reshape(words, whole)
            y = Add(back, sorts)
        }""",
        table=table,
        one=np.zeros((1, 2), np.float32),
        shape=np.array([-1]),
        whole=np.array([-1, 4, 2]),
    )
    opened = open_model(tokens)
    assert table_entries(opened, "ids") == 3
    assert table_entries(opened, "kinds") == 1  # 0 and 1, the usual random numbers, would not do
    drawn = plausible_feeds(opened, seed=0, sizes={"N": 50})
    assert set(np.unique(drawn["ids"])) == {0, 1, 2}
    assert preflight(opened), str(preflight(opened))
    assert ow.compare(opened, opened)


def test_a_model_that_refuses_random_values_is_said_to_be_not_run_and_not_to_be_wrong():
    picky = tiny_models.model(
        "picky (int64[2] ids) => (float[2,2] y) { far = Add(ids, many)\ny = Gather(table, far) }",
        many=np.array([7]),
        table=np.ones((3, 2), np.float32),
    )
    found = preflight(picky)
    assert found, str(found)
    assert any("not run" in fact for fact in found.facts)
    given = preflight(picky, {"ids": np.array([0, 0])})
    assert [finding.check for finding in given.findings] == ["sample"]  # those were meant


def test_numbers_that_a_node_minds_are_found_by_trial_and_not_by_the_words_of_the_runtime(monkeypatch):
    shapes = tiny_models.model(
        "shapes (float[4,3] x, int64[2] shape) => (float[a,b] y) { wide = Add(shape, five) y = Reshape(x, wide) }",
        five=np.array([5, -2]),
    )
    for module in (pieces, runtime_errors):
        monkeypatch.setattr(module, "essence", lambda _: "computer says no")
    found = preflight(shapes)
    assert found, str(found)
    assert "not run: random numbers are none that Reshape ('y') takes" in found.facts


def test_a_lookup_at_a_place_that_the_table_never_has_is_a_fault_whatever_is_put_in():
    broken = tiny_models.model(
        "broken (float[2,3] x) => (float[2,1] y) { y = Gather<axis=1>(x, nine) }", nine=np.array([9])
    )
    found = preflight(broken)
    assert [finding.check for finding in found.findings] == ["sample"]
    assert "Gather" in str(found) or "indices" in str(found)
