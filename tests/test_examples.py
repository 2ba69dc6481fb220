"""Every example in a docstring runs, and gives what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import onnx_workbench as ow
from onnx_workbench import cntk, lessons, training

ROOT = Path(ow.__file__).parent
FINDER = doctest.DocTestFinder(exclude_empty=True)


def examples() -> list[doctest.DocTest]:
    """Return the docstrings that hold examples, each once."""
    names = [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for path in sorted(ROOT.rglob("*.py"))
        if path.name != "__init__.py"
    ]
    found = [test for name in names for test in FINDER.find(importlib.import_module(name), name)]
    return [test for test in found if test.examples]


@pytest.fixture(scope="module")
def data():
    return training.signs()


@pytest.fixture
def surroundings(tmp_path, monkeypatch, data) -> dict[str, object]:
    """Return the names, and make the files, that examples take for granted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    training.signs_model().save("signs.onnx")
    Image.fromarray(data.test_images[0]).save("picture.png")
    Image.new("RGB", (512, 600)).save("portrait.jpg")
    Image.new("RGB", (300, 200)).save("cat.jpg")
    return {
        "ow": ow,
        "C": cntk,
        "lessons": lessons,
        "training": training,
        "np": np,
        "data": data,
        "batch": data.test_inputs[:16],
        "model": ow.open_model("signs.onnx"),
        "network": training.small_convnet(data).eval(),
    }


@pytest.mark.parametrize("example", examples(), ids=lambda test: test.name)
def test_the_example_gives_what_it_says(example, surroundings, capsys):
    if example.name.endswith("fitting.fit"):
        surroundings["data"] = training.signs(80, 8)  # the same in little time
    example.globs |= surroundings
    result = doctest.DocTestRunner().run(example)
    assert result.failed == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "name", [name for name in ow.__all__ if callable(getattr(ow, name)) and not name[0].isupper()]
)
def test_every_public_function_has_an_example(name):
    assert ">>> " in getattr(ow, name).__doc__
