"""Stacks of recurrent layers in one array: against the real CNTK 2.7, and against PyTorch."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import onnx_workbench as ow
import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.native.file import read_file
from onnx_workbench.core.errors import ExportError

RECORDED = Path(__file__).parent / "recorded" / "rnn_stack_answers.npz"
DATA = [np.arange(6, dtype=np.float32).reshape(2, 3) / 5, np.ones((3, 3), np.float32)]
with np.load(RECORDED) as loaded:
    ANSWERS = dict(loaded)
NAMES = sorted(name for name in ANSWERS if "answer" not in name)


@pytest.fixture(params=NAMES)
def case(request, tmp_path):
    path = tmp_path / f"{request.param}.model"
    path.write_bytes(ANSWERS[request.param].tobytes())
    return request.param, path


def test_a_file_with_a_stack_is_evaluated_as_cntk_evaluates_its_layers(case):
    name, path = case
    model = C.load_model(path)
    kind, both, layers = name.split("_")
    width = 4 if both == "1" else 2
    assert repr(model) == (
        f"Composite(OptimizedRNNStack): Input('x', [#, *], [3]) -> Output('rnn', [#, *], [{width}])"
    )
    assert model.root_function.attributes == {
        "hiddenSize": 2, "numLayers": int(layers), "bidirectional": both == "1", "recurrentOp": kind,
    }  # fmt: skip
    found = model.eval({model.arguments[0]: DATA})
    for number, one in enumerate(found):
        if kind != "gru":
            np.testing.assert_allclose(one, ANSWERS[f"{name}_answer_{number}"], rtol=1e-4, atol=1e-5)
    opened = ow.open_model(path)
    assert set(ow.run(opened, np.stack([DATA[1]] * 2))) == {"rnn"}


def test_a_stack_is_written_as_cntk_writes_it(case, tmp_path):
    _, path = case
    C.load_model(path).save(tmp_path / "again.model")
    old, new = (read_file(one)["primitive_functions"][0] for one in (path, tmp_path / "again.model"))
    assert new == old
    assert {key: type(one) for key, one in new["attributes"].items()} == {
        key: type(one) for key, one in old["attributes"].items()
    }


def test_a_stack_is_exported_as_onnx_that_runs_for_any_lengths(case, tmp_path):
    _, path = case
    model = C.load_model(path)
    model.save(tmp_path / "m.onnx", format=C.ModelFormat.ONNX)
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    for data in (np.stack([DATA[1], DATA[1] / 2]), DATA[0][None]):
        found = session.run(None, {session.get_inputs()[0].name: data})[0]
        np.testing.assert_allclose(found, model.eval({model.arguments[0]: list(data)}), rtol=1e-5, atol=1e-6)


def test_a_stack_becomes_layers_that_cntk_computes_anywhere(case):
    name, path = case
    model = C.load_model(path)
    if name.startswith("gru"):
        with pytest.raises(CntkValueError, match=r'unsupported recurrent_op value "gru".*evaluated as it is'):
            C.misc.convert_optimized_rnnstack(model)
        return
    converted = C.misc.convert_optimized_rnnstack(model)
    assert not C.logging.depth_first_search(converted, lambda one: "Optimized" in one.uid, -1)
    for number, one in enumerate(converted.eval({converted.arguments[0]: DATA})):
        np.testing.assert_allclose(one, ANSWERS[f"{name}_answer_{number}"], rtol=1e-4, atol=1e-5)


def of_torch(kind, entries, hidden, layers, both):
    made = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(kind, torch.nn.RNN)
    more = {"rnnReLU": {"nonlinearity": "relu"}, "rnnTanh": {"nonlinearity": "tanh"}}.get(kind, {})
    return made(entries, hidden, layers, batch_first=True, bidirectional=both, dtype=torch.float64, **more)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnnReLU", "rnnTanh"])
@pytest.mark.parametrize("both", [False, True])
def test_values_and_gradients_are_those_of_torch(kind, both):
    # PyTorch has the gates and the biases of cuDNN in cuDNN's order, but one array for each.
    torch.manual_seed(3)
    network = of_torch(kind, 3, 2, 2, both)
    ends = [f"_l{layer}{back}" for layer in range(2) for back in (["", "_reverse"] if both else [""])]
    arrays = [getattr(network, f"weight_{of}{end}") for end in ends for of in ("ih", "hh")]
    arrays += [getattr(network, f"bias_{of}{end}") for end in ends for of in ("ih", "hh")]
    flat = np.concatenate([one.detach().numpy().reshape(-1) for one in arrays])
    weights = C.parameter(init=flat.reshape(-1, 2), dtype=np.float64)
    x = C.sequence.input_variable(3, dtype=np.float64, needs_gradient=True)
    model = C.optimized_rnnstack(x, weights, 2, 2, bidirectional=both, recurrent_op=kind)
    data = np.random.default_rng(1).normal(size=(2, 4, 3))
    inputs = torch.tensor(data, requires_grad=True)
    expected = network(inputs)[0]
    np.testing.assert_allclose(model.eval({x: data}), expected.detach().numpy(), atol=1e-12)
    (expected**2).sum().backward()
    gradients = C.reduce_sum(model * model).grad({x: data}, wrt=[x, weights])
    np.testing.assert_allclose(gradients[x], inputs.grad.numpy(), atol=1e-10)
    found = np.concatenate([one.grad.numpy().reshape(-1) for one in arrays])
    np.testing.assert_allclose(gradients[weights].reshape(-1), found, atol=1e-10)


def test_weights_get_their_shape_from_the_operand():
    # What the real CNTK 2.7 makes of these shapes, and of an operand that comes later.
    hole, weights = C.placeholder(), C.parameter((C.InferredDimension, 7))
    model = C.optimized_rnnstack(hole, weights, 4, 1)
    assert weights.shape == (C.InferredDimension, 7)
    model.replace_placeholders({hole: C.sequence.input_variable(3)})
    assert (weights.shape, model.shape) == ((36, 4), (4,))
    deep = C.parameter((C.InferredDimension, C.InferredDimension), init=C.glorot_uniform(seed=1))
    layers = C.layers.Sequential(
        [C.layers.Embedding(3), lambda y: C.optimized_rnnstack(y, deep, 4, 1, True), C.layers.Dense(2)]
    )
    y = C.sequence.input_variable(5)
    made = layers(y)
    assert deep.shape == (72, 4)
    assert [one.shape for one in made.eval({y: [np.eye(5, dtype=np.float32)]})] == [(5, 2)]


def test_stacks_that_share_weights_share_them_when_converted():
    weights = C.parameter((C.InferredDimension, 4), init=C.glorot_uniform(seed=1))
    x = C.sequence.input_variable(3)

    @C.BlockFunction("Twice", "twice")
    def twice(a):
        once = C.optimized_rnnstack(a, weights, 3, 1, recurrent_op="rnnTanh")
        return C.optimized_rnnstack(once, weights, 3, 1, recurrent_op="rnnTanh") + once

    model = twice(x)
    converted = C.misc.convert_optimized_rnnstack(model)
    assert len(converted.parameters) == 3
    assert [
        one.op_name for one in C.logging.depth_first_search(converted, lambda one: one.name == "twice")
    ] == ["Twice"]
    data = [DATA[1]]
    np.testing.assert_allclose(
        converted.eval({converted.arguments[0]: data}), model.eval({x: data}), atol=1e-6
    )


def test_what_is_no_stack_is_told():
    x = C.sequence.input_variable(3)
    with pytest.raises(
        CntkValueError, match=r'unsupported recurrent_op value "relu": it is one of .lstm., .gru.'
    ):
        C.optimized_rnnstack(x, C.parameter((36, 4)), 4, 1, recurrent_op="relu")
    with pytest.raises(CntkValueError, match=r"hidden_size is a whole number from 1; got 0"):
        C.optimized_rnnstack(x, C.parameter((36, 4)), 0, 1)
    with pytest.raises(CntkValueError, match=r"have 144 weights and biases; .* has 5"):
        C.optimized_rnnstack(x, C.parameter((5,)), 4, 1)
    with pytest.raises(CntkValueError, match=r"must have rank 1; actual input rank is 2"):
        C.optimized_rnnstack(C.sequence.input_variable((3, 2)), C.parameter((36, 4)), 4, 1)
    model = C.optimized_rnnstack(x, C.parameter((36, 4)) * 2, 4, 1)
    with pytest.raises((ExportError, CntkRuntimeError), match="its weights are computed"):
        model.eval({x: DATA})
    relu = C.relu(C.relu(x))
    with pytest.raises(CntkRuntimeError, match="adds what it converts"):
        C.misc.convert(
            relu, lambda one: getattr(one, "op_name", "") == "ReLU", lambda old: C.relu(C.relu(old.inputs[0]))
        )
    assert C.misc.convert(relu, lambda _: False, None) is relu
