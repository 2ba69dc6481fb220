"""Native files as ONNX, against what the real CNTK 2.7 answered (recorded/native/make_primitives.py)."""

from __future__ import annotations

import io
import random
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from onnx import checker

import onnx_workbench as ow
from onnx_workbench.cntk.native import file as native_file
from onnx_workbench.cntk.native.as_onnx import supported_operators
from onnx_workbench.cntk.native.codes import OPERATOR_CODES
from onnx_workbench.cntk.native.graph import read_graph
from onnx_workbench.cntk.native.writing import serialize
from onnx_workbench.core.errors import ExportError, ModelFileError, NameNotFoundError

RECORDED = zipfile.ZipFile(Path(__file__).parent / "recorded" / "native" / "primitives.zip")
ANSWERS = np.load(io.BytesIO(RECORDED.read("answers.npz")))
CASES = sorted({key.split("/")[0] for key in ANSWERS.files})


def content(case: str) -> bytes:
    return RECORDED.read(f"{case}.model")


def feeds(case: str) -> dict[str, np.ndarray]:
    prefix = f"{case}/in/"
    return {key.removeprefix(prefix): ANSWERS[key] for key in ANSWERS.files if key.startswith(prefix)}


@pytest.mark.parametrize("case", CASES)
def test_a_model_answers_as_it_did_in_cntk(case):
    model = ow.open_model(content(case))
    checker.check_model(model.to_proto(), full_check=True)
    found = ow.run(model, feeds(case))
    for index, output in enumerate(model.outputs):
        expected = ANSWERS[f"{case}/output{index}"]
        np.testing.assert_allclose(found[output.name], expected, rtol=1e-4, atol=1e-5)
        assert found[output.name].shape == expected.shape


@pytest.mark.parametrize("case", ["dense", "conv_45_s2_pad", "layer_norm", "two_outputs"])
def test_the_reference_evaluator_agrees_with_onnxruntime(case):
    model = ow.open_model(content(case))
    for name, value in ow.run(model, feeds(case)).items():
        reference = ow.Session(model, backend="reference").run(feeds(case))[name]
        np.testing.assert_allclose(value, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", ["dense", "conv_23_s1_pad", "recurrence_gru", "bidirectional"])
@pytest.mark.parametrize("batch", [1, 5])
def test_the_batch_is_free(case, batch):
    model = ow.open_model(content(case))
    whole = {name: np.concatenate([value] * 3)[:batch] for name, value in feeds(case).items()}
    name = model.outputs[0].name
    one = {key: value[:1] for key, value in whole.items()}
    np.testing.assert_allclose(ow.run(model, whole)[name][:1], ow.run(model, one)[name], rtol=1e-5, atol=1e-6)
    assert len(ow.run(model, whole)[name]) == batch


def test_a_recurrence_takes_sequences_of_any_length_and_ends_where_a_shorter_one_does():
    model = ow.open_model(content("recurrence_lstm"))
    x, name = feeds("recurrence_lstm")["x"], model.outputs[0].name
    whole = ow.run(model, x)[name]
    for length in (1, 3):
        np.testing.assert_allclose(
            ow.run(model, x[:, :length])[name], whole[:, :length], rtol=1e-5, atol=1e-6
        )


def test_names_of_inputs_blocks_and_outputs_are_kept():
    model = ow.open_model(content("dense_picture"))
    assert [value.name for value in model.inputs] == ["x"]
    assert [value.name for value in model.outputs] == ["d"]
    assert model.inputs[0].shape == ("N", 2, 3, 4)
    assert [value.name for value in ow.open_model(content("two_outputs")).outputs] == ["r", "n"]


def test_large_weights_stay_in_the_file_and_are_written_into_the_copy(tmp_path):
    rng = np.random.default_rng(0)
    graph = native_file.read_buffer(content("dense"))
    from onnx_workbench.cntk.native.values import Shape, StoredArray
    from onnx_workbench.cntk.native.writing import serialize

    weights = rng.normal(size=(4, 500)).astype(np.float32)
    for variable in graph["inputs"]:
        if isinstance(variable.get("value"), StoredArray):
            matrix = len(variable["shape"]) == 2
            variable["value"] = weights if matrix else weights[0]
            variable["shape"] = Shape(variable["value"].shape)
    path = tmp_path / "large.model"
    path.write_bytes(b"".join(serialize(graph)))
    model = ow.open_model(path)
    assert model.proto.ByteSize() < weights.nbytes / 2
    x = rng.normal(size=(3, 4)).astype(np.float32)
    expected = x @ weights + weights[0]
    np.testing.assert_allclose(next(iter(ow.run(model, x).values())), expected, rtol=1e-5, atol=1e-5)
    copy = ow.open_model(model.save(tmp_path / "copy.onnx"))
    path.unlink()
    np.testing.assert_allclose(next(iter(ow.run(copy, x).values())), expected, rtol=1e-5, atol=1e-5)


def with_foreign_primitives() -> bytes:
    """A recorded model whose unpacking of sequences is an operator that ONNX does not have."""
    whole = native_file.read_buffer(content("sequence_softmax"))
    for entry in whole["primitive_functions"]:
        if entry["op"] == OPERATOR_CODES["UnpackSequence"]:
            entry["op"] = OPERATOR_CODES["NDCG"]
    return b"".join(bytes(piece) for piece in serialize(whole))


def test_a_primitive_that_onnx_does_not_have_is_named_and_the_graph_can_be_looked_at():
    foreign = with_foreign_primitives()
    with pytest.raises(ExportError, match=r"NDCG \(\w+\): .* not written.*Such nodes: 2 of 10: NDCG \(2\)"):
        ow.open_model(foreign)
    model = ow.open_model(foreign, as_is=True)
    assert "NDCG" in [node.op_type for node in model.nodes]
    assert "cntk.NDCG" in ow.summarize(model).operators
    with pytest.raises(ow.WorkbenchError, match=r"NDCG|domain 'cntk'"):
        ow.run(model, feeds("sequence_softmax"))


def test_every_recorded_graph_can_be_looked_at_as_it_is():
    for case in CASES:
        model = ow.open_model(content(case), as_is=True)
        assert {node.domain for node in model.nodes} <= {"cntk"}
        assert len(model.nodes) == len(read_graph(native_file.read_buffer(content(case))).primitives)


def test_a_part_is_had_by_the_names_of_its_values():
    model = ow.open_model(content("two_outputs"), outputs=["n"])
    assert [value.name for value in model.outputs] == ["n"]
    with pytest.raises(NameNotFoundError, match=r"no value 'nn'\. Did you mean 'n'"):
        ow.open_model(content("two_outputs"), outputs=["nn"])


def test_the_operators_said_to_be_supported_are_recorded():
    seen = {
        primitive.operator
        for case in CASES
        for primitive in read_graph(native_file.read_buffer(content(case))).primitives.values()
    }
    assert not seen - supported_operators()
    # These are built by name and evaluated in test_evaluation_against_cntk.py, read and evaluated in
    # test_criteria_against_cntk.py and test_steps_against_cntk.py, or written by neither file.
    assert supported_operators() - seen <= {
        "Assign", "Ceil", "ClassificationError", "ConstantOp", "ConvolutionSequenceShape",
        "CosDistanceWithNegativeSamples", "Crop", "DepthToSpace", "EyeLikeOp", "Gather", "LabelsToGraph", "Logistic",
        "Not", "RandomDistribution", "ROIPooling", "ScatterPacked", "SoftSign", "SpaceToDepth", "StraightThrough",
        "ToBatchAxis", "ToSequenceLikeOp", "ToSequenceOp", "UnpackBatchAxis", "UnpackSequenceOp", "WhereOften",
    }  # fmt: skip


def changed(case: str, change) -> bytes:
    from onnx_workbench.cntk.native.writing import serialize

    dictionary = native_file.read_buffer(content(case))
    change(dictionary)
    return b"".join(serialize(dictionary))


def set_inputs(index: int, *uids: str):
    return lambda d: d["primitive_functions"][index].update(inputs=list(uids))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda d: d.update(type="Learner"), ModelFileError, "of type 'Learner', and a model is"),
        (lambda d: d.update(root="Gone1"), ModelFileError, "root 'Gone1' is not there"),
        (lambda d: d.pop("inputs"), ModelFileError, "'inputs' should be a list, and is missing"),
        (set_inputs(0, "Gone2"), ModelFileError, "'Gone2' is used and is not there"),
        (lambda d: d["inputs"][0].update(data_type=99), ModelFileError, "has data type 99"),
        (lambda d: d["primitive_functions"][0].pop("op"), ModelFileError, "its code is not in the file"),
        (lambda d: d["primitive_functions"][0].update(op=9999), ExportError, "operator 9999 .* not written"),
        (lambda d: d["primitive_functions"][0].update(inputs=[]), ExportError, "no inputs"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(change, error, says):
    with pytest.raises(error, match=says):
        ow.open_model(changed("relu", change))


def test_a_graph_that_goes_in_a_circle_is_refused():
    def circle(dictionary):
        (function,) = dictionary["primitive_functions"]
        function["inputs"] = [f"{function['uid']}_Output_0"]

    with pytest.raises(ModelFileError, match=r"'ReLU\d+' depends on itself in the same step"):
        ow.open_model(changed("relu", circle))


def test_a_truncated_file_says_what_it_should_have(tmp_path):
    path = tmp_path / "cut.model"
    path.write_bytes(content("dense")[:-20])
    with pytest.raises(ModelFileError, match=r"cut\.model' as a native CNTK model\. The file is truncated"):
        ow.open_model(path)


def test_loops_of_names_are_refused():
    def loop(dictionary):
        for function in dictionary["primitive_functions"]:
            if function["op"] == 57:
                function["block_function_composite_arguments_map_values"] = list(
                    function["block_function_composite_arguments_map_keys"]
                )

    with pytest.raises(ModelFileError, match="stands for itself"):
        ow.open_model(changed("dense_picture", loop))


@pytest.mark.parametrize("case", ["dense_picture", "conv_23_s2_pad", "recurrence_lstm", "top_k"])
def test_spoilt_files_are_opened_or_refused_and_never_crash(case):
    chance = random.Random(case)
    whole = content(case)
    for _ in range(150):
        spoilt = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            spoilt[chance.randrange(len(spoilt))] = chance.choice(
                (0, 1, 2, 0x7F, 0xFF, chance.randrange(256))
            )
        with suppress(ow.WorkbenchError):
            ow.open_model(bytes(spoilt))
