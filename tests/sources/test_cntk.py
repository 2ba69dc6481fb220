"""Native CNTK files through the workbench's own verbs: known truths of the models that people published."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import onnx_workbench as ow
from onnx_workbench.cli.main import main
from onnx_workbench.core.errors import ModelFileError

sys.path.insert(0, str(Path(__file__).parents[1] / "cntk"))
from native_samples import DATA
from test_native_onnx import content, feeds

real = pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not on this machine")


def ctf(name: str):
    """Sequences of a file in CNTK's text format: field -> texts, step by step."""
    sequences: dict[str, list[dict[str, list[str]]]] = {}
    key = ""
    for number, line in enumerate((DATA / "data" / name).read_text().splitlines()):
        identity, *parts = line.split("|")
        key = identity.strip() or (f"line {number}" if not identity else key)
        fields = [part.split() for part in parts if part.strip() and not part.startswith("#")]
        sequences.setdefault(key, []).append({field: values for field, *values in fields})
    return sequences.values()


@real
def test_the_digits_network_is_right_on_all_of_its_test_file():
    model = ow.open_model(DATA / "v2" / "MNISTConvolution.model")
    rows = [row for sequence in ctf("cntk_e2e_test_10class.ctf") for row in sequence]
    pictures = np.array([row["features"] for row in rows], np.float32).reshape(-1, 1, 28, 28)
    labels = np.array([row["labels"] for row in rows], np.float32).argmax(axis=1)
    assert len(rows) == 100
    assert (ow.run(model, pictures)["classifierOutput"].argmax(axis=1) == labels).all()


@real
def test_the_colour_picture_network_names_all_six_pictures():
    """Its file combines loss, metrics and logits: only the logits need no label."""
    model = ow.open_model(DATA / "v2" / "ConvNet_CIFAR10_DataAug_13.dnn")
    assert len(model.outputs) == len(model.inputs) == 1
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    model = model.with_metadata(
        labels=names,
        preprocessing=ow.Preprocessing(size=(32, 32), color="BGR", scale=1.0, mean=128.0, std=1.0),
    )
    paths = [DATA / "data" / f"cifar_0000{index}.png" for index in range(6)]
    found = ow.classify(model, paths)
    named = [found.labels[index] for index in found.probabilities.argmax(axis=1)]
    assert named == ["cat", "ship", "ship", "airplane", "frog", "frog"]


@real
def test_the_slot_tagger_has_the_error_rate_that_cntk_measured():
    session = ow.Session(ow.open_model(DATA / "v2" / "ATIS_model.cmf"))
    words = wrong = 0
    for sequence in ctf("atis.test.ctf"):
        steps = [step for step in sequence if "S0" in step and "S2" in step]
        x = np.zeros((1, len(steps), 943), np.float32)
        x[0, range(len(steps)), [int(step["S0"][0].split(":")[0]) for step in steps]] = 1
        slots = np.array([int(step["S2"][0].split(":")[0]) for step in steps])
        wrong += int((session.run(x)["out_projection"][0].argmax(axis=1) != slots).sum())
        words += len(steps)
    assert words == 10984
    assert 100 * wrong / words == pytest.approx(2.13, abs=0.1)


@real
@pytest.mark.parametrize("digit", [4, 9])
def test_the_digits_that_come_with_a_network_are_read(digit):
    model = ow.open_model(DATA / "v2" / "mnist_conv.cmf")
    picture = np.asarray(Image.open(DATA / "data" / f"sample_{digit}.bmp").convert("L"), np.float32)
    assert ow.run(model, picture[None, None])["output"].argmax() == digit


@real
def test_a_file_of_cntk_1_is_called_by_its_name():
    with pytest.raises(ModelFileError, match=r"a CNTK v1 model .*save it as a v2 model"):
        ow.open_model(DATA / "v1" / "LR_reg.dnn")


@real
def test_a_dictionary_that_is_no_model_is_told():
    for path in (DATA / "dict").iterdir():
        with pytest.raises(ModelFileError, match="of type '', and a model is a 'CompositeFunction'"):
            ow.open_model(path)


def test_the_terminal_converts_sees_and_summarizes_a_native_file(tmp_path, capsys):
    source, target = tmp_path / "old.model", tmp_path / "new.onnx"
    source.write_bytes(content("conv_45_s2_pad"))
    assert main(["convert", str(source), str(target)]) == 0
    given = feeds("conv_45_s2_pad")
    expected = next(iter(ow.run(ow.open_model(source), given).values()))
    np.testing.assert_array_equal(onnxruntime.InferenceSession(str(target)).run(None, given)[0], expected)
    assert main(["summary", str(source)]) == 0
    assert "Conv" in capsys.readouterr().out
    assert main(["view", str(source), "--output", str(tmp_path / "graph.svg")]) == 0
    assert "<svg" in (tmp_path / "graph.svg").read_text()


def test_options_and_labels_go_with_the_file(tmp_path):
    source = tmp_path / "old.model"
    source.write_bytes(content("two_outputs"))
    model = ow.open_model(source, outputs=["r"], labels=list("abcdef"))
    assert model.labels == tuple("abcdef")
    assert [value.name for value in model.outputs] == ["r"]
