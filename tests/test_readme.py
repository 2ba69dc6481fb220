"""The README tells the truth: code and commands work, answers are those given, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_models import convnet, with_input

import onnx_workbench as ow
from onnx_workbench import lessons, training
from onnx_workbench.cli.main import main

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def data():
    return training.signs(64, 16)


@pytest.fixture
def folder(tmp_path, monkeypatch, data):
    """A folder with the files that the README takes for granted, as the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "signs", lambda: data)  # the same, in little time
    training.signs_model().save("signs.onnx")
    training.signs_model().save("signs_of_last_week.onnx")
    (tmp_path / "pictures").mkdir()
    for path in ("picture.png", "pictures/first.png", "pictures/second.jpg"):
        Image.fromarray(data.test_images[0]).save(path)
    np.save("batch.npy", data.test_images)
    shutil.copy(lessons.old_cntk_model().native, "old.model")
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\nfour\n")
    ow.open_model(convnet()).save("model_with_external_data.onnx", external_data=True)
    ow.open_model(with_input(convnet(), "image", "N", 3, 224, 224)).save("resnet50.onnx")
    return tmp_path


def test_the_blocks_of_python_run_one_after_the_other(folder, data):
    names = {
        "batch": data.test_images.transpose(0, 3, 1, 2).astype(np.float32),
        "expected_labels": [data.labels[index] for index in data.test_labels],
        "names": ["one", "two", "three", "four"],
    }
    code = [block for block in blocks("python") if ">>>" not in block]
    assert len(code) == 4
    for block in code:
        # Netron needs a running Jupyter server, and has tests of its own.
        exec("\n".join(line for line in block.splitlines() if ".netron()" not in line), names)
    kept = ow.open_model(folder / "resnet50_complete.onnx")
    assert list(kept.labels) == names["names"]
    assert kept.preprocessing.crop_fraction == 0.875
    assert (folder / "graph.svg").stat().st_size > 1000
    assert len(ow.classify(kept, "picture.png")) == 1
    old = lessons.old_cntk_model()
    (answers,) = ow.run("new.onnx", old.images.transpose(0, 3, 1, 2).astype(np.float32)).values()
    np.testing.assert_allclose(answers, old.logits, rtol=1e-4, atol=1e-4)  # recorded from CNTK 2.7


def test_the_slip_is_answered_as_it_is_printed(folder):
    (block,) = (block for block in blocks("python") if ">>>" in block)
    call, printed = block.split("\n", 1)
    shape = tuple(map(int, re.search(r"# \((.*)\)", call)[1].split(",")))
    names = {"ow": ow, "model": ow.open_model("signs.onnx"), "pictures": np.zeros(shape, np.float32)}
    with pytest.raises(ow.WorkbenchError) as caught:
        exec(call.removeprefix(">>> "), names)
    told = f"{type(caught.value).__name__}: {caught.value}"
    assert told.split() == printed.split()


def commands(program: str) -> list[str]:
    lines = (line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines())
    return [line for line in lines if line.startswith(f"{program} ")]


@pytest.mark.parametrize("command", commands("onnx-workbench"))
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_commands_of_the_terminal_work(folder, command, form, capsys):
    finds_something = command.split()[1] == "doctor"  # its example is no picture at all
    assert main([*shlex.split(command)[1:], *form]) == int(finds_something), capsys.readouterr().err
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("command", [*commands("make"), "make lab"])
def test_make_knows_the_targets(command):
    done = subprocess.run(
        [*command.split(), "--dry-run"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_there_are_commands_to_test():
    assert len(commands("onnx-workbench")) >= 5
    assert {"make demo", "make test"} <= set(commands("make"))


def test_its_links_lead_somewhere():
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert len(targets) >= 5
    assert [target for target in targets if not (PROJECT / target).exists()] == []
