"""The doctor in a terminal: pictures and arrays, with and without labels, as text and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from onnx_workbench import training
from onnx_workbench.cli.main import main
from onnx_workbench.training.shipped_model import SIGNS_MODEL

SIGNS = str(SIGNS_MODEL)


@pytest.fixture
def names(tmp_path, monkeypatch) -> list[str]:
    """Give files to examine, and return what their pictures show."""
    monkeypatch.chdir(tmp_path)
    data = training.signs(8, 8)
    right = data.preprocessing(data.test_images)
    np.save("right.npy", right)
    np.save("bgr.npy", right[:, ::-1])
    np.save("one.npy", right[0, ::-1])
    np.save("other.npy", right[1, ::-1])
    Image.fromarray(data.test_images[0]).save("sign.png")
    return [data.labels[index] for index in data.test_labels]


def labelled(names: list[str]) -> list[str]:
    return [word for name in names for word in ("--label", name)]


def test_a_sound_batch_is_one_line(names, capsys):
    assert main(["doctor", SIGNS, "right.npy", *labelled(names)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("All is well: ")
    assert printed.count("\n") == 1


def test_a_slip_is_named_with_the_line_that_mends_it_and_the_exit_code_says_so(names, capsys):
    assert main(["doctor", SIGNS, "bgr.npy", *labelled(names)]) == 1
    assert "    x = x[:, ::-1]\n" in capsys.readouterr().out


def test_json_holds_verdict_code_and_everything_tried(names, capsys):
    main(["doctor", "--json", SIGNS, "bgr.npy", *labelled(names)])
    facts = json.loads(capsys.readouterr().out)
    assert (facts["verdict"], facts["slips"], facts["code"]) == ("likely", ["bgr"], "x[:, ::-1]")
    assert "x" in [item["code"] for item in facts["suggestions"]]


def test_several_files_are_judged_together(names, capsys):
    main(["doctor", "--json", SIGNS, "one.npy", "other.npy", *labelled(names[:2])])
    assert json.loads(capsys.readouterr().out)["code"].startswith("np.stack(x)")


def test_a_label_may_be_the_index_of_its_class(names, capsys):
    index = training.signs_model().labels.index(names[0])
    assert main(["doctor", "--json", SIGNS, "sign.png", "--label", str(index)]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "well"


def test_a_preprocessing_given_takes_the_place_of_that_in_the_file(names, capsys):
    main(["doctor", "--json", SIGNS, "sign.png", "--preprocessing", '{"size": [32, 32], "color": "BGR"}'])
    assert "color='BGR'" in json.loads(capsys.readouterr().out)["code"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sign.png", "right.npy"], "either pictures or arrays"),
        (["sign.png", "--label", "no such sign"], "no label 'no such sign'; it has 'stop'"),
        (["missing.png"], "does not exist"),
        (["missing.npy"], "cannot be read"),
    ],
)
def test_what_cannot_be_examined_is_answered_with_a_sentence(names, capsys, words, sentence):
    assert main(["doctor", SIGNS, *words]) == 2
    assert sentence in capsys.readouterr().err
