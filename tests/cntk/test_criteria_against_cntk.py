"""Losses that look at whole minibatches or sequences, against what the real CNTK 2.7 gave."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError

RECORDED = Path(__file__).parent / "recorded"
spec = importlib.util.spec_from_file_location("cntk_criteria_cases", RECORDED / "criteria_cases.py")
CASES = importlib.util.module_from_spec(spec)
spec.loader.exec_module(CASES)
ANSWERS = np.load(RECORDED / "criteria_answers.npz")


@pytest.mark.parametrize("name", sorted(CASES.CASES))
def test_a_loss_gives_what_cntk_gave(name):
    pytest.importorskip("torch")
    found = {f"{name}/{part}": np.asarray(value) for part, value in CASES.CASES[name](C).items()}
    expected = {key: ANSWERS[key] for key in ANSWERS.files if key.startswith(f"{name}/")}
    assert sorted(found) == sorted(expected)
    for key, value in expected.items():
        assert found[key].shape == value.shape, key
        assert found[key].dtype == value.dtype, key
        np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-5, err_msg=key)


def test_temporal_classification_is_what_pytorch_computes():
    torch = pytest.importorskip("torch")
    random = np.random.RandomState(3)
    outputs = [random.randn(length, 6).astype(np.float32) for length in (9, 4)]
    tokens = [[1, 1, 4], [0, 2]]
    goals = []
    for one, row in zip(tokens, outputs, strict=True):
        goal = np.zeros_like(row)
        goal[: len(one), :][np.arange(len(one)), one] = 2
        goal[len(one) :, one[-1]] = 1
        goals.append(goal)
    x, t = C.sequence.input_variable(6, needs_gradient=True), C.sequence.input_variable(6)
    loss = C.forward_backward(C.labels_to_graph(t), x, 5)
    given = [torch.tensor(one, requires_grad=True) for one in outputs]
    expected = sum(
        torch.nn.functional.ctc_loss(
            torch.log_softmax(one, 1), torch.tensor([goal]), (len(one),), (len(goal),), 5, "sum"
        )
        for one, goal in zip(given, tokens, strict=True)
    )
    expected.backward()
    np.testing.assert_allclose(loss.eval({x: outputs, t: goals}), expected.item(), rtol=1e-4)
    for found, one in zip(loss.grad({x: outputs, t: goals}, [x]), given, strict=True):
        np.testing.assert_allclose(found, one.grad.numpy(), atol=1e-4)


@pytest.mark.parametrize("sequences", [False, True])
def test_cosines_with_negative_samples_are_exported(sequences, tmp_path):
    import onnxruntime

    kind = C.sequence.input_variable if sequences else C.input_variable
    x, y = kind(4, name="x"), kind(4, name="y")
    model = C.cosine_distance_with_negative_samples(x, y, 1, 2)
    data = [np.stack(CASES.vectors((3, 3) if sequences else (4, 4), 4, seed)) for seed in (2, 3)]
    data = data if sequences else [one.reshape(-1, 4) for one in data]
    model.save(str(tmp_path / "m.onnx"), format=C.ModelFormat.ONNX)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"x": data[0], "y": data[1]})
    if not sequences:
        cosines = (
            data[0] @ data[1].T / np.outer(np.linalg.norm(data[0], axis=1), np.linalg.norm(data[1], axis=1))
        )
        places = np.arange(8)
        expected = np.stack([cosines[places, (places + later) % 8] for later in (0, 1, 2)], axis=1)
    else:
        name = "cosines_with_negative_samples/(3, 3) %d"
        expected = np.stack([ANSWERS[name % number] for number in (0, 1)])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(CASES.saved(C)))
def test_native_files_of_losses_are_read_ours_and_cntks(name, tmp_path):
    model, values = CASES.saved(C)[name]
    model.save(str(tmp_path / "ours"))
    ANSWERS[f"file/{name}"].tofile(tmp_path / "theirs")
    for file in ("ours", "theirs"):
        found = CASES.evaluated(C.load_model(str(tmp_path / file)), values)
        np.testing.assert_allclose(found, ANSWERS[f"saved/{name}"], rtol=1e-4, atol=1e-5)


def test_what_a_loss_cannot_take_is_refused():
    x, t = C.sequence.input_variable(4), C.sequence.input_variable(4)
    given = {x: CASES.vectors((2,), 4, 2), t: CASES.labels([(0, 2), (0, 1)])}
    with pytest.raises(CntkValueError, match="the blank token 4 is none of the 4 classes, 0 to 3"):
        C.forward_backward(C.labels_to_graph(t), x, 4).eval(given)
    with pytest.raises(CntkRuntimeError, match=r"has 4 numbers and .* has 3"):
        C.cosine_distance_with_negative_samples(C.input_variable(4), C.input_variable(3), 1, 2)
    with pytest.raises(CntkValueError, match="shift must be a whole number, 0 or more; got -1"):
        C.cosine_distance_with_negative_samples(x, t, -1, 2)
    w, b, noise = C.parameter((5, 4)), C.parameter((5, 1)), np.ones(5, np.float32)
    x, y = C.input_variable(4), C.input_variable(5)
    with pytest.raises(CntkValueError, match="noiseWeights must be a vector"):
        C.nce_loss(w, b, x, y, noise[None])
    with pytest.raises(CntkValueError, match=r"length 5 but it is expected to be .* noiseWeights 4"):
        C.nce_loss(w, b, x, y, noise[:4])
