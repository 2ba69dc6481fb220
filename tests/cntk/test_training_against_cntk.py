"""Training, its lines and its checkpoints, against what the real CNTK 2.7 did with the same data."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError

pytest.importorskip("torch")
RECORDED = Path(__file__).parent / "recorded"
spec = importlib.util.spec_from_file_location("cntk_training_cases", RECORDED / "training_cases.py")
CASES = importlib.util.module_from_spec(spec)
spec.loader.exec_module(CASES)
LOSS = re.compile(r"(?<=loss = )\d\.\d{6}")
ANSWERS = json.loads((RECORDED / "training_answers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("rate", ["minibatch", "sample", "of size"])
@pytest.mark.parametrize("freq", [0, 2, None])
@pytest.mark.parametrize("percent", [True, False])
def test_lines_are_those_that_cntk_writes(rate, freq, percent, tmp_path):
    found = CASES.lines(C, str(tmp_path / "log.txt"), rate, freq, percent)
    expected = ANSWERS["lines"][f"{rate} {freq} {percent}"]
    assert len(found) == len(expected)
    for line, wanted in zip(found, expected, strict=True):
        assert LOSS.sub("LOSS", line) == LOSS.sub(
            "LOSS", wanted
        )  # to the letter, but for the last digit of losses
        losses = [[float(one) for one in LOSS.findall(text)] for text in (line, wanted)]
        np.testing.assert_allclose(*losses, atol=2e-6)


@pytest.mark.parametrize("freq", [0, 1, 2])
def test_writers_are_called_as_by_cntk(freq):
    found, expected = CASES.calls(C, freq), ANSWERS["calls"][str(freq)]
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (name, values), (_, wanted) in zip(found, expected, strict=True):
        assert len(values) == len(wanted), name
        for value, other in zip(values, wanted, strict=True):
            np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-6, err_msg=name)


def test_training_from_a_file_is_cntks_over_the_ends_of_sweeps(tmp_path):
    rows, parameters = CASES.from_file(C, str(tmp_path / "data.txt"))
    np.testing.assert_allclose(rows, ANSWERS["file"][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parameters, ANSWERS["file"][1], rtol=1e-4, atol=1e-5)


LEARNERS = {
    "adam": lambda p: C.adam(
        p, C.learning_parameter_schedule([0.1, 0.01], epoch_size=10), C.momentum_schedule(0.9)
    ),
    "rmsprop": lambda p: C.rmsprop(p, 0.1, 0.9, 1.2, 0.5, 2.0, 0.1),
    "adadelta": lambda p: C.adadelta(p),
    "fsadagrad": lambda p: C.fsadagrad(p, 0.1, 0.9),
    "sgd": lambda p: C.sgd(p, 0.1, gaussian_noise_injection_std_dev=0.1),
    "universal": lambda p: C.universal(_adagrad, p),
}


def _adagrad(parameters, gradients):
    found = []
    for parameter, gradient in zip(parameters, gradients, strict=True):
        kept = C.constant(0, shape=parameter.shape)
        new = C.assign(kept, kept + gradient * gradient)
        found.append(C.assign(parameter, parameter - 0.1 * gradient / C.sqrt(new + 1e-6)))
    return C.combine(found)


def _trainer(make):
    x, y, w, z, criterion = CASES.network(C)
    return C.Trainer(z, criterion, [make([w])]), {x: CASES.X, y: CASES.Y}, w


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_restored_training_goes_on_as_if_nothing_had_been(name, tmp_path):
    first, data, w = _trainer(LEARNERS[name])
    for _ in range(3):
        first.train_minibatch(data)
    path = str(tmp_path / "checkpoint")
    external = {"pi": 3.25, "nested dict": {"a": "b"}, "list": [1, 2, 3], "none": {}, "array": np.arange(3.0)}
    first.save_checkpoint(path, external)
    for _ in range(3):
        first.train_minibatch(data)
    second, again, v = _trainer(LEARNERS[name])
    second.train_minibatch(again)
    returned = second.restore_from_checkpoint(path)
    assert returned.pop("array").tolist() == external.pop("array").tolist()
    assert returned == external
    assert second.total_number_of_samples_seen == 12
    for _ in range(3):
        second.train_minibatch(again)
    np.testing.assert_array_equal(v.value, w.value)
    first.restore_from_checkpoint(path)  # of the same trainer too
    for _ in range(3):
        first.train_minibatch(data)
    np.testing.assert_array_equal(v.value, w.value)


def test_the_network_of_a_checkpoint_is_a_file_of_cntks_native_format(tmp_path):
    trainer, data, w = _trainer(LEARNERS["adam"])
    trainer.train_minibatch(data)
    trainer.save_checkpoint(str(tmp_path / "c"))
    [parameter] = C.Function.load(str(tmp_path / "c")).parameters
    np.testing.assert_array_equal(parameter.value, w.value)


def test_checkpoints_that_do_not_fit_are_refused(tmp_path):
    trainer, data, w = _trainer(LEARNERS["adam"])
    trainer.train_minibatch(data)
    path = tmp_path / "c"
    trainer.save_checkpoint(str(path))
    before = w.value
    other, _, _ = _trainer(LEARNERS["sgd"])
    with pytest.raises(CntkRuntimeError, match="of a 'Adam' and not of a 'Learner'"):
        other.restore_from_checkpoint(str(path))
    state = (tmp_path / "c.ckp").read_bytes()
    (tmp_path / "c.ckp").write_bytes(state[:-20])
    with pytest.raises(CntkRuntimeError, match=r"Cannot restore from 'c\.ckp'"):
        trainer.restore_from_checkpoint(str(path))
    (tmp_path / "c.ckp").write_bytes(path.read_bytes())
    with pytest.raises(CntkRuntimeError, match="no checkpoint that was saved here"):
        trainer.restore_from_checkpoint(str(path))
    (tmp_path / "c.ckp").unlink()
    with pytest.raises(CntkRuntimeError, match="A checkpoint is two files"):
        trainer.restore_from_checkpoint(str(path))
    np.testing.assert_array_equal(w.value, before)


def test_sources_say_themselves_where_the_data_ends(tmp_path):
    (tmp_path / "f.txt").write_text("|x 1 2\n", encoding="utf-8")
    streams = C.io.StreamDefs(x=C.io.StreamDef("x", 2))
    source = C.io.MinibatchSource(C.io.CTFDeserializer(tmp_path / "f.txt", streams))
    x, w = C.input_variable(2), C.parameter(2, init=1)
    trainer = C.Trainer(None, C.reduce_sum(x * w), C.sgd([w], 0.1))
    data = source.next_minibatch(1, input_map={x: source.streams.x})
    with pytest.raises(CntkValueError, match="is_sweep_end is ignored"):
        trainer.train_minibatch(data, is_sweep_end=True)


@pytest.mark.parametrize("number", range(len(CASES.SESSIONS)))
def test_sessions_do_what_cntks_do_and_when(number, tmp_path):
    saved, told, samples, values = CASES.session(C, str(tmp_path), *CASES.SESSIONS[number])
    expected = ANSWERS["sessions"][number]
    assert (saved, samples) == (expected[0], expected[2])
    assert [one[0] for one in told] == [one[0] for one in expected[1]]
    for one, other in zip(told, expected[1], strict=True):
        np.testing.assert_allclose(one[1:], other[1:], rtol=1e-4, atol=1e-5, err_msg=one[0])
    np.testing.assert_allclose(values, expected[3], rtol=1e-4, atol=1e-5)


def test_a_session_goes_on_from_its_checkpoint(tmp_path):
    def run(most, folder):
        source = C.io.MinibatchSource(C.io.CTFDeserializer(tmp_path / "f.txt", streams))
        trainer, (x, y), w = _session_parts()
        config = C.CheckpointConfig(str(folder / "c"), frequency=8)
        C.training_session(
            trainer,
            source,
            4,
            {x: source.streams.x, y: source.streams.y},
            max_samples=most,
            checkpoint_config=config,
        ).train()
        return trainer.total_number_of_samples_seen, w.value

    def _session_parts():
        x, y, w, z, criterion = CASES.network(C)
        learner = C.adam([w], 0.1, 0.9)
        return C.Trainer(z, criterion, [learner]), (x, y), w

    text = "".join(f"|x {n} {n * n % 5} |y {n % 2} {1 - n % 2}\n" for n in range(10))
    (tmp_path / "f.txt").write_text(text, encoding="utf-8")
    streams = C.io.StreamDefs(x=C.io.StreamDef("x", 2), y=C.io.StreamDef("y", 2))
    for name in ("once", "twice"):
        (tmp_path / name).mkdir()
    count, straight = run(32, tmp_path / "once")
    run(16, tmp_path / "twice")
    again, resumed = run(32, tmp_path / "twice")
    assert (count, again) == (32, 32)
    np.testing.assert_array_equal(straight, resumed)


def test_sources_without_an_end_are_refused(tmp_path):
    (tmp_path / "f.txt").write_text("|x 1 2 |y 0 1\n", encoding="utf-8")
    streams = C.io.StreamDefs(x=C.io.StreamDef("x", 2), y=C.io.StreamDef("y", 2))
    endless = C.io.MinibatchSource(C.io.CTFDeserializer(tmp_path / "f.txt", streams))
    x, y, w, z, criterion = CASES.network(C)
    trainer = C.Trainer(z, criterion, [C.sgd([w], 0.1)])
    inputs = {x: endless.streams.x, y: endless.streams.y}
    with pytest.raises(CntkValueError, match="Train minibatch source must have a limited number"):
        C.training_session(trainer, endless, 4, inputs)
    with pytest.raises(CntkValueError, match="Test minibatch source must have a limited number"):
        C.training_session(trainer, endless, 4, inputs, max_samples=4, test_config=C.TestConfig(endless))
    with pytest.raises(CntkValueError, match="should not be empty"):
        C.training_session(trainer, endless, 4, {}, max_samples=4)


def test_functions_are_trained_and_tested_in_one_call_as_by_cntk():
    found, expected = CASES.by_function(C), ANSWERS["function"]
    assert len(found[0]) == len(expected[0])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    _x, _y, w, _z, criterion = CASES.network(C)
    with pytest.raises(CntkValueError, match="pass a tuple of 2"):
        criterion[0].train((CASES.X,), parameter_learners=[C.sgd([w], 0.1)])
    with pytest.raises(CntkValueError, match="mutually exclusive"):
        criterion[0].train((CASES.X, CASES.Y), max_epochs=1, max_samples=4)
