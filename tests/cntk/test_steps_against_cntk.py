"""Layers on the steps of sequences against what the real CNTK 2.7 gave."""

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import CntkRuntimeError

RECORDED = Path(__file__).parent / "recorded"
spec = importlib.util.spec_from_file_location("cntk_step_cases", RECORDED / "step_cases.py")
CASES = importlib.util.module_from_spec(spec)
spec.loader.exec_module(CASES)
with np.load(RECORDED / "step_answers.npz") as loaded:
    ANSWERS = dict(loaded)


@pytest.mark.parametrize("name", sorted(CASES.CASES))
def test_a_program_gives_what_it_gave_in_cntk(name):
    found = CASES.CASES[name](C)
    expected = {key.split("/", 1)[1]: value for key, value in ANSWERS.items() if key.split("/")[0] == name}
    assert set(found) == set(expected)
    for part, value in expected.items():
        np.testing.assert_allclose(found[part], value, rtol=1e-4, atol=1e-5, err_msg=part)


@pytest.mark.parametrize("name", sorted(CASES.saved(C)))
def test_native_files_are_evaluated_as_cntk_evaluates_them(name, tmp_path):
    (tmp_path / "m.model").write_bytes(ANSWERS[f"file/{name}"].tobytes())
    found = CASES.parts("x", CASES.evaluated(C.load_model(tmp_path / "m.model"), CASES.saved(C)[name][1]))
    for part, value in found.items():
        np.testing.assert_allclose(value, ANSWERS[part.replace("x", f"saved/{name}")], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(CASES.saved(C)))
def test_they_are_exported_as_onnx_that_runs(name, tmp_path):
    model, values = CASES.saved(C)[name]
    model.save(tmp_path / "m.onnx", format=C.ModelFormat.ONNX)
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    expected = CASES.evaluated(model, values)
    for number, wanted in enumerate(expected):
        given = sorted((one[number][None] for one in values), key=np.ndim)
        names = [one.name for one in sorted(session.get_inputs(), key=lambda one: len(one.shape))]
        found = session.run(None, dict(zip(names, given, strict=True)))[0]
        np.testing.assert_allclose(found[0], wanted, rtol=1e-4, atol=1e-5)


def test_what_was_exported_comes_back_and_what_unfolds_is_saved_natively(tmp_path):
    for name, suffix in (("along", "onnx"), ("unfolded", "model")):
        model, values = CASES.saved(C)[name]
        kind = C.ModelFormat.ONNX if suffix == "onnx" else C.ModelFormat.CNTKv2
        model.save(tmp_path / f"m.{suffix}", format=kind)
        again = C.load_model(tmp_path / f"m.{suffix}", format=kind)
        for one, other in zip(CASES.evaluated(again, values), CASES.evaluated(model, values), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_convolution_along_steps_has_no_place_in_native_files(tmp_path):
    with pytest.raises(CntkRuntimeError, match=r"along a sequence .* Save the model as ONNX"):
        CASES.saved(C)["along"][0].save(tmp_path / "m.model")
    assert not (tmp_path / "m.model").exists()


def test_a_convolution_along_steps_refuses_other_channels():
    x = C.sequence.input_variable(2)
    with pytest.raises(CntkRuntimeError, match=r"has 2 channels; the weights .* expect 3"):
        C.convolution(C.parameter((2, 3, 3)), x, sequential=True)


def test_numbers_in_a_row_are_steps_of_vectors_with_one_entry():
    # As the real CNTK 2.7 takes them, in lists.
    x = C.sequence.input_variable(1)
    found = C.sequence.reduce_sum(x).eval({x: [np.ones(7, np.float32), np.ones(3, np.float32)]})
    np.testing.assert_array_equal(found, [[7], [3]])


def test_what_is_chosen_by_one_condition_goes_together():
    a, b = C.sequence.input_variable(1), C.sequence.input_variable(1)
    flags = C.sequence.is_last(a)
    model = C.sequence.gather(a, flags) + C.sequence.gather(b, flags)
    data = np.float32([[[1], [2]]])
    np.testing.assert_array_equal(model.eval({a: data, b: 10 * data}), [[[22]]])


def test_a_sequence_is_not_made_of_a_sequence():
    with pytest.raises(ValueError, match=r"ToSequenceOp: the operand .* has a sequence axis already"):
        C.to_sequence(C.sequence.input_variable((3, 2)))


def test_a_loop_is_closed_by_a_function_too():
    # The example that CNTK's documentation has for it: how long a sequence is.
    x = C.sequence.input_variable(2)
    ones = C.sequence.broadcast_as(1, x)
    declared = C.layers.ForwardDeclaration()
    count = C.sequence.past_value(declared, initial_state=0) + ones
    declared.resolve_to(count)
    found = C.sequence.last(count).eval({x: [np.zeros((3, 2), np.float32), np.zeros((5, 2), np.float32)]})
    np.testing.assert_array_equal(np.reshape(found, -1), [3, 5])


def test_all_of_the_layers_library_brings_what_scripts_use_of_it():
    names = {}
    exec("from onnx_workbench.cntk.layers import *", names)
    assert {
        "Axis",
        "Dense",
        "LSTM",
        "Sequence",
        "glorot_uniform",
        "sigmoid",
        "splice",
        "tanh",
        "times",
    } <= set(names)
