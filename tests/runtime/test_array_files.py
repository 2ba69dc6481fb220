"""Feeds from files and from chance, and outputs into files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.graph_parts import Value
from onnx_workbench.runtime.array_files import npz, random_feeds, read_feeds, statistics, without_sequences

X = Value("x", "float32", ("N", 4))
PARTS = (X, Value("x=y", "int64", ("N",)))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.eye(4))
    np.save("a=b.npy", np.ones(3))
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez("two.npz", a=np.zeros(2), b=np.ones(2))
    Path("junk.npy").write_bytes(b"junk")
    Path("junk.npz").write_bytes(b"PK\3\4junk")
    Path("misnamed.npz").write_bytes(Path("x.npy").read_bytes())
    return tmp_path


@pytest.mark.parametrize("items", [["x.npy"], ["x=x.npy"], ["./x.npy"]])
def test_the_only_input_needs_no_name(items):
    (found,) = read_feeds([X], items).items()
    assert found[0] == "x"
    np.testing.assert_array_equal(found[1], np.eye(4))


def test_names_and_paths_may_hold_an_equals_sign():
    assert read_feeds([X], ["a=b.npy"])["x"].tolist() == [1, 1, 1]
    assert read_feeds([X], ["x=a=b.npy"])["x"].tolist() == [1, 1, 1]
    found = read_feeds(PARTS, ["x=y=a=b.npy", "x=x.npy"])
    assert {name: array.shape for name, array in found.items()} == {"x=y": (3,), "x": (4, 4)}


def test_an_npz_gives_all_inputs_at_once():
    assert {name: array.tolist() for name, array in read_feeds(PARTS, ["two.npz"]).items()} == {
        "a": [0, 0],
        "b": [1, 1],
    }


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (["x=x.npy", "x=x.npy"], r"NAME=FILE\.npy, each name once; .*takes x: float32 \(N, 4\)"),
        (["x="], r"given as NAME=FILE\.npy"),
        (["nowhere.npy"], r"given as NAME=FILE\.npy"),
        (["x=nowhere.npy"], r"'nowhere\.npy' cannot be read: No such file"),
        (["x=."], "cannot be read: Is a directory"),
        (["x=junk.npy"], r"'junk\.npy' is no \.npy or \.npz file of numbers"),
        (["junk.npz"], r"'junk\.npz' is no \.npy or \.npz file of numbers"),
        (["x=objects.npy"], "of numbers: it holds Python objects"),
        (["x=two.npz", "y=x.npy"], r"holds the arrays a, b: give it alone"),
    ],
)
def test_files_that_are_no_inputs_are_told(items, message):
    with pytest.raises(InputError, match=message):
        read_feeds([X], items)


def test_random_inputs_have_the_declared_dtypes_and_shapes():
    inputs = [X, Value("ids", "int64", ("N", "T")), Value("mask", "bool", (3,)), Value("half", "float16", ())]
    feeds = random_feeds(inputs, seed=0, sizes={"T": 7})
    assert {name: (array.dtype.name, array.shape) for name, array in feeds.items()} == {
        "x": ("float32", (1, 4)),
        "ids": ("int64", (1, 7)),
        "mask": ("bool", (3,)),
        "half": ("float16", ()),
    }
    assert set(feeds["ids"].ravel().tolist()) <= {0, 1}  # indices that any table has
    np.testing.assert_array_equal(feeds["x"], random_feeds(inputs, seed=0, sizes={})["x"])
    assert not np.array_equal(feeds["x"], random_feeds(inputs, seed=1, sizes={})["x"])


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (X, {"seed": -3}, "a whole number from 0; got -3"),
        (X, {"sizes": {"Q": 2}}, r"No input has a dimension Q; symbolic are: N\."),
        (X, {"sizes": {"N": 10**11}}, r"x: float32 \(N, 4\) is too large for a random input"),
        (Value("x", "float32", (10**12, 4)), {}, "is too large"),
        (Value("x", "float32", (-1, 4)), {}, "is too large"),
        (
            Value("x", "string", ("N",)),
            {},
            r"No random input can be made for x: string \(N,\); give it in a file",
        ),
        (Value("x", "float32", None), {}, r"No random input can be made for x: float32 \(\?\)"),
        (Value("x", "sequence(float32)", None), {}, "No random input can be made"),
    ],
)
def test_what_cannot_be_drawn_is_told(value, options, message):
    with pytest.raises(InputError, match=message):
        random_feeds([value], **({"seed": 0, "sizes": {}} | options))


def test_outputs_are_written_whatever_their_names():
    arrays = {
        "file": np.arange(3),
        "allow_pickle": np.ones((2, 2)),
        "a/b": np.array(["ö", "word"], dtype=object),
    }
    with np.load(io.BytesIO(npz(arrays)), allow_pickle=False) as found:
        assert found.files == list(arrays)
        for name, array in arrays.items():
            assert found[name].tolist() == array.tolist()


def test_the_parts_of_a_sequence_become_outputs_of_their_own():
    found = without_sequences({"y": np.ones(2), "parts": [np.zeros(1), np.zeros(3)], "none": []})
    assert {name: array.shape for name, array in found.items()} == {
        "y": (2,),
        "parts[0]": (1,),
        "parts[1]": (3,),
    }


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([1.0, np.nan, 3.0, np.inf]), {"min": 1.0, "max": 3.0, "mean": 2.0, "nan": 1}),
        (np.array([np.nan]), {"min": None, "max": None, "mean": None, "nan": 1}),
        (np.array([True, False]), {"min": 0.0, "max": 1.0, "mean": 0.5, "nan": 0}),
        (np.array(["a"]), {"min": None, "max": None, "mean": None, "nan": None}),
        (np.zeros((0, 3)), {"min": None, "max": None, "mean": None, "nan": None}),
    ],
)
def test_statistics_are_of_what_is_finite(array, expected):
    found = statistics("y", array)
    assert {name: found[name] for name in expected} == expected
    assert found["shape"] == array.shape
