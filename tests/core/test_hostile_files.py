"""Bytes that are damaged or made to harm: always a ModelFileError or a model, never anything else, and soon."""

from __future__ import annotations

import contextlib
import json
import os
import random
import warnings
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from processor_time import bounded_work
from tiny_models import convnet, dense, model, random_weights

import onnx_workbench as ow
from onnx_workbench.core.errors import ModelFileError, ModelNotFoundError
from onnx_workbench.core.wire import field_header


def with_everything() -> bytes:
    """A model with a subgraph, a function, a string attribute, a sparse tensor and metadata, in 2 KiB."""
    proto = dense()
    del proto.graph.initializer[:]
    proto.graph.initializer.append(numpy_helper.from_array(random_weights(16, 20), "w"))
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(np.arange(4), "k"))],
        "branch",
        [],
        [helper.make_tensor_value_info("k", TensorProto.INT64, [4])],
    )
    proto.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))
    proto.graph.node.append(
        helper.make_node("F", ["x"], ["f"], domain="own", words=["a", "b"], text="\u00e9")
    )
    proto.graph.sparse_initializer.append(
        helper.make_sparse_tensor(
            numpy_helper.from_array(np.ones(2, np.float32), "s"),
            numpy_helper.from_array(np.arange(2), "i"),
            [9],
        )
    )
    proto.functions.append(
        helper.make_function(
            "own", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], proto.opset_import
        )
    )
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.metadata_props.add(key="names", value="{0: 'cat', 1: 'dog'}")
    return proto.SerializeToString()


def use_all(content: bytes) -> None:
    """Open a model and ask for everything that may be asked; only the package's own errors may come."""
    try:
        opened = ow.open_model(content)
    except ModelFileError:
        return
    for question in (
        lambda: (str(opened), opened._repr_html_(), opened.labels, opened.preprocessing),
        lambda: json.dumps(ow.summarize(opened).to_dict()),
        lambda: (str(ow.summarize(opened)), ow.summarize(opened)._repr_html_()),
        lambda: [(node.attributes, node.label, node.key) for node in opened.nodes],
        opened.text,
        lambda: [opened.weight(name) for name in opened.initializers],
        opened.to_bytes,
    ):
        with contextlib.suppress(ow.WorkbenchError):
            question()


def test_a_file_cut_off_anywhere_is_refused_or_opened():
    content = with_everything()
    assert len(content) < 4000
    for length in range(len(content)):
        use_all(content[:length])


@pytest.mark.parametrize("where", ["external", "inside"])
def test_a_file_cut_off_within_its_weights_says_so(tmp_path, where):
    path = tmp_path / "cut.onnx"
    content = dense().SerializeToString()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelFileError, match=r"truncated or damaged: the field at byte \d+ claims"):
        ow.open_model(path if where == "external" else path.read_bytes())


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_are_refused_or_opened(seed):
    dice = random.Random(seed)
    originals = [with_everything(), convnet().SerializeToString()]
    for _ in range(60):
        content = bytearray(dice.choice(originals))
        for _ in range(dice.choice([1, 1, 2, 5])):
            at = dice.randrange(min(len(content), 1500))
            change = dice.choice(["byte", "bit", "cut", "insert", "number"])
            if change == "byte":
                content[at] = dice.randrange(256)
            elif change == "bit":
                content[at] ^= 1 << dice.randrange(8)
            elif change == "cut":
                del content[at : at + dice.randrange(1, 9)]
            elif change == "insert":
                content[at:at] = dice.randbytes(dice.randrange(1, 9))
            else:
                content[at : at + 1] = b"\xff" * dice.randrange(1, 11) + b"\x01"
        use_all(bytes(content))


def test_garbage_is_refused_or_opened():
    dice = random.Random(0)
    for length in (*range(40), 500, 5000, 200_000):
        use_all(dice.randbytes(length))


@pytest.mark.parametrize(
    "content",
    [
        b"\x3a" + b"\xff" * 9 + b"\x01",  # a length of 2^64 - 1
        b"\x3a" + b"\xff" * 10 + b"\x01",  # a number of eleven bytes
        b"\x3a\xff\xff\xff\xff\x0f",  # -1 as 32 bits
        b"\x08\x0a\x3a\x80\x80\x80\x80\x08" + b"x" * 2000,  # 2 GiB claimed
        b"\x08\x0a" + b"\x3b" * 3000,  # groups, one within the other
        b"\x00" + b"\x01" * 100,  # field number 0
        b"\x08\x0a\x3f" + b"\x01" * 100,  # wire type 7
        b"\x08" + b"\x80" * 30,  # a number that does not end
    ],
)
def test_lengths_that_lie_are_refused_at_once(content):
    with bounded_work(2), pytest.raises(ModelFileError, match=r"damaged|no graph|not ONNX"):
        ow.open_model(content)


def test_a_tensor_of_a_hundred_thousand_fields_is_read_in_bounded_time():
    encoded = (
        TensorProto(name="w", data_type=1, dims=[300_000]).SerializeToString() + b"\x25\0\0\0\0" * 300_000
    )
    proto = dense()
    proto.graph.ClearField("initializer")
    graph = proto.graph.SerializeToString() + field_header(5, len(encoded)) + encoded
    proto.ClearField("graph")
    with bounded_work(10):
        opened = ow.open_model(proto.SerializeToString() + field_header(7, len(graph)) + graph)
        assert opened.weight("w").shape == (300_000,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file"),
        (b"\0" * 3000, "a file of zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 102\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
        (b"\xef\xbb\xbf<html>", "an HTML page"),
        (b'{"nodes": [{"op": "null"}]}', "a JSON text"),
        (b"\x1f\x8b\x08\x00" + b"\1" * 90, "a gzip archive"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 90, "an HDF5 file"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 90, "TensorFlow Lite"),
        (b"\x08\0\0\0ORTM" + b"\0" * 90, r"\.ort format"),
        (b"\x93NUMPY\x01\x00", "a NumPy array"),
        (b"\x80\x02}q\x00.", "a Python pickle"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b'\x10\0\0\0\0\0\0\0{"a":{}}', "safetensors"),
        (b"B\0C\0N\0" + b"\1" * 20, "CNTK v1"),
        (b"Just a note to myself, no model.", "a text file"),
        (b"Not Found", "a text file"),
        (b"404: Not Found", "a text file"),
        (b"<!-- moved --><html><body>404</body></html>", "an HTML page"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html><html></html>", "an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML text.*an error"),
        (b"\xef\xbb\xbfversion https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("version https://git-lfs.github.com/spec/v1\n".encode("utf-16"), "UTF-16"),
        (b"/annex/objects/SHA256E-s102--4d7a.onnx\n", "git annex get"),
        (b"BZh91AY&SY" + b"\1" * 90, "a bzip2 archive"),
        (b"\xfd7zXZ\0" + b"\1" * 90, "an xz archive"),
        (b"\x28\xb5\x2f\xfd" + b"\1" * 90, "a Zstandard archive"),
        (b"7z\xbc\xaf\x27\x1c" + b"\1" * 90, "a 7z archive"),
        (b"\x80\x05\x95" + b"\1" * 90, "a Python pickle"),
        (b"\x89PNG\r\n\x1a\n", "classify"),
        (b"\xff\xd8\xff\xe0", "classify"),
    ],
)
@pytest.mark.parametrize("how", ["path", "bytes"])
def test_what_is_no_model_is_called_by_its_name(tmp_path, content, says, how):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=says):
        ow.open_model(path if how == "path" else content)


def test_a_model_of_few_bytes_is_not_taken_for_a_text():
    proto = onnx.ModelProto()  # no IR version and no opset: its bytes could nearly be typed
    proto.graph.node.add(op_type="Relu", input=["x"], output=["y"])
    for name, values in (("x", proto.graph.input), ("y", proto.graph.output)):
        values.add(name=name)
    assert ow.open_model(proto.SerializeToString()).nodes[0].op_type == "Relu"


def test_a_zip_archive_is_called_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.onnx", "w") as archive:
        archive.writestr("data.pkl", b"x")
    with pytest.raises(ModelFileError, match=r"a zip archive .*PyTorch"):
        ow.open_model(tmp_path / "model.onnx")


@pytest.mark.parametrize("producer", ["ORTModel", "TFL3 exporter"])
def test_a_producer_with_the_name_of_another_format_is_no_reason_to_refuse(producer):
    proto = model("g (float[N] x) => (float[N] y) { y = Relu(x) }")
    proto.producer_name = producer
    assert ow.open_model(proto).producer_name == producer


def test_missing_files_say_what_is_there_instead(tmp_path, monkeypatch):
    (tmp_path / "signs.onnx").write_bytes(dense().SerializeToString())
    with pytest.raises(ModelNotFoundError, match=r"its folder holds signs\.onnx"):
        ow.open_model(tmp_path / "sings.onnx")
    with pytest.raises(ModelFileError, match=r"is a folder, not a model file\. It holds signs\.onnx"):
        ow.open_model(tmp_path)
    with pytest.raises(ModelNotFoundError, match="nor a folder"):
        ow.open_model(tmp_path / "no" / "m.onnx")
    with pytest.raises(ModelNotFoundError, match="is an address"):
        ow.open_model("https://example.com/model.onnx")
    with pytest.raises(ModelNotFoundError, match="There is no file"):
        ow.open_model("a" * 5000)
    with pytest.raises(ModelNotFoundError, match="There is no file"):
        ow.open_model("nul\0byte.onnx")
    with pytest.raises(ModelNotFoundError, match=r"onnx\.parser\.parse_model"):
        ow.open_model("<ir_version: 8>\ng (float[N] x) => (float[N] y) { y = Relu(x) }")
    monkeypatch.chdir(tmp_path)
    assert ow.open_model("signs.onnx").name == "signs"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path / "pipe.onnx", "/dev/zero"):
        with pytest.raises(ModelFileError, match="a device or a pipe"):
            ow.open_model(path)


def test_a_file_name_that_is_not_utf8_asks_for_another(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.onnx")
    try:
        path.write_bytes(dense().SerializeToString())
    except OSError:
        pytest.skip("this file system wants UTF-8")
    with pytest.raises(ModelFileError, match="file name is not valid UTF-8"):
        ow.open_model(path)


def test_hostile_bytes_give_no_warnings_of_python_itself():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        use_all(with_everything())


def test_a_folder_name_that_is_not_utf8_is_no_hindrance(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system wants UTF-8")
    path = ow.open_model(dense()).save(folder / "m.onnx")
    assert ow.run(path, np.ones((1, 16), np.float32))["y"].shape == (1, 64)
    assert str(ow.summarize(path))


@pytest.mark.parametrize(
    "name", ["\u043c\u043e\u0434.onnx", "with space.onnx", "..onnx", "%20#.onnx", "*.onnx"]
)
def test_strange_file_names_are_no_hindrance(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(dense().SerializeToString())
    monkeypatch.chdir(tmp_path)
    opened = ow.open_model(name)
    monkeypatch.chdir("/")  # what is opened stays where it is
    assert ow.run(opened, np.ones((1, 16), np.float32))["y"].shape == (1, 64)
    assert opened.weight("w").shape == (16, 64)
