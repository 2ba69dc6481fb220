"""The demo, on few pictures: what it finds is what is in its files."""

from __future__ import annotations

import json
import shlex
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from onnx_workbench import training
from onnx_workbench.cli.main import main
from onnx_workbench.core.errors import InputError
from onnx_workbench.demo import PICTURES, DemoReport, run_demo

VOID = {"meta", "img", "br", "hr", "link", "input", "col"}


class Page(HTMLParser):
    """A page read tag by tag: everything that is opened must be closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "srcset"}
        ]
        assert not any(name.startswith("on") for name, _ in attrs), "code in an attribute"
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def data() -> training.Dataset:
    return training.signs(320, 40, seed=6)


@pytest.fixture(scope="module")
def demo(data, tmp_path_factory) -> tuple[Path, DemoReport, str]:
    """The demo's folder, its report, and what it printed by the way."""
    folder = tmp_path_factory.mktemp("demos") / "my demo é" / "deep"
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("onnx_workbench.demo.signs", lambda: data)
        patch.setattr("onnx_workbench.demo._say", said.append)
        return folder, run_demo(folder, threads=1), "\n".join(said)


def test_it_writes_the_files_that_it_names_and_no_other(demo):
    folder, report, _ = demo
    assert sorted(path.name for path in folder.iterdir()) == sorted(name.rstrip("/") for name in report.files)
    assert len(list((folder / "pictures").iterdir())) == PICTURES
    assert (folder / "graph.svg").read_text(encoding="utf-8").startswith("<svg")


def test_its_accuracies_are_those_of_the_file_that_it_wrote(demo, data):
    folder, report, _ = demo
    session = onnxruntime.InferenceSession(
        (folder / "signs.onnx").read_bytes(), providers=["CPUExecutionProvider"]
    )

    def accuracy(pictures: np.ndarray) -> float:
        inputs = ((pictures / 255 - 0.5) / 0.5).astype(np.float32).transpose(0, 3, 1, 2)
        (logits,) = session.run(["logits"], {"image": inputs})
        return float((logits.argmax(axis=1) == data.test_labels).mean())

    facts = report.to_dict()
    assert facts["onnx_accuracy"] == accuracy(data.test_images) == facts["mistakes"]["right"]
    assert facts["mistakes"]["swap RGB and BGR"] == accuracy(data.test_images[..., ::-1])
    assert facts["mistakes"]["swap height and width"] == accuracy(data.test_images.transpose(0, 2, 1, 3))
    assert facts["pytorch_accuracy"] == facts["onnx_accuracy"] > 0.6
    assert 0 <= facts["parity"] < 1e-4
    assert json.loads(json.dumps(facts)) == facts


def test_the_model_is_one_sound_file_with_labels_and_preprocessing(demo, data):
    proto = onnx.load(demo[0] / "signs.onnx")
    onnx.checker.check_model(proto, full_check=True)
    entries = {entry.key: entry.value for entry in proto.metadata_props}
    assert tuple(json.loads(entries["onnx_workbench.labels"])) == data.labels
    assert json.loads(entries["onnx_workbench.preprocessing"])["size"] == [32, 32]


def test_the_pictures_are_the_test_pictures_named_by_their_labels(demo, data):
    for index, path in enumerate(sorted((demo[0] / "pictures").iterdir())):
        label = data.labels[data.test_labels[index]]
        assert path.name == f"{index:02d}_{label.replace(' ', '_')}.png"
        np.testing.assert_array_equal(np.asarray(Image.open(path)), data.test_images[index])


def test_the_report_is_a_whole_page_that_asks_nobody_for_anything(demo):
    folder, report, _ = demo
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in page.addresses)
    assert not page.tags & {"script", "iframe", "link", "object", "embed"}
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "url(" not in text.replace("url(#", "")
    assert "@import" not in text
    assert len(page.images) == PICTURES
    assert all(image["alt"] for image in page.images)
    words = " ".join(page.words)
    assert f"ONNX file {report.onnx_accuracy:.1%}" in " ".join(words.split())
    for title, accuracy in report.mistakes.items():
        assert title in words
        assert f"{accuracy:.1%}" in words


def test_the_closing_text_tells_the_figures_and_a_command_that_works(demo, capsys):
    folder, report, _ = demo
    text = report.closing()
    assert f"{report.pytorch_accuracy:.1%}" in text
    assert all(title in text for title in report.mistakes)
    assert f"Look at {folder / 'report.html'} first." in text
    command = shlex.split(text.splitlines()[-1].removeprefix("Try:  "))
    assert Path(command[0]).name == "onnx-workbench"
    assert main([*command[1:], "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["predictions"]) == PICTURES


def test_it_says_what_it_does(demo):
    told = demo[2].splitlines()
    assert [line.split()[0] for line in told if line.endswith("...")] == [
        "Drawing",
        "Training",
        "Exporting",
        "Reloading",
        "Drawing",
    ]
    assert set(demo[1].seconds) == {"draw", "train", "export", "classify", "draw the graph"}
    assert demo[1].peak_bytes > 100 << 20  # torch is in the process


def test_a_second_run_replaces_the_files_and_as_json_only_json_is_printed(demo, data, monkeypatch, capsys):
    folder = demo[0]
    (folder / "report.html").write_text("old")
    (folder / "signs.onnx").write_bytes(b"old")
    monkeypatch.setattr("onnx_workbench.demo.signs", lambda: data)
    assert main(["demo", "--output", str(folder), "--threads", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["mistakes"] == demo[1].mistakes  # same seeds, same result
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    onnx.checker.check_model(onnx.load(folder / "signs.onnx"))
    assert not [path for path in folder.rglob("*") if path.suffix == ".part"]


def test_a_file_in_the_folders_place_is_told(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match=r"'.*taken' is a file: the demo writes into a folder"):
        run_demo(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
