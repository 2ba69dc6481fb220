"""open_model: one door, and for what does not fit through it, the way round."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from tiny_models import convnet, dense

import onnx_workbench as ow
from onnx_workbench.core.errors import ModelNotFoundError, UnknownSourceError
from onnx_workbench.core.model import as_model


def test_every_form_of_a_model_opens_to_the_same_graph(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(convnet(), path)
    content = path.read_bytes()

    class Program:
        model_proto = convnet()

    for source in (path, str(path), content, bytearray(content), memoryview(content), convnet(), Program()):
        opened = ow.open_model(source)
        assert [node.key for node in opened.nodes] == ["c", "r", "p", "f", "logits"]
        assert opened.to_proto().graph == convnet().graph
    assert ow.open_model(path).source == "ONNX file m.onnx"
    assert ow.open_model(path).path == path
    assert ow.open_model(content).path is None


def test_a_model_is_returned_unchanged():
    opened = ow.open_model(dense())
    assert ow.open_model(opened) is opened
    assert as_model(opened) is opened


def test_the_proto_given_is_not_touched():
    proto = dense()
    before = proto.SerializeToString()
    opened = ow.open_model(proto)
    ow.run(opened, np.ones((1, 16), np.float32))
    assert proto.SerializeToString() == before
    proto.graph.node[0].op_type = "Changed"
    assert opened.nodes[0].op_type == "MatMul"


def test_bytes_that_change_afterwards_do_not_change_the_model():
    content = bytearray(dense().SerializeToString())
    opened = ow.open_model(content)
    expected = opened.weight("w").copy()
    content[:] = bytes(len(content))
    np.testing.assert_array_equal(opened.weight("w"), expected)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "this is None"),
        (dict, r"the class dict itself\. Make an object of it first: dict\(\)"),
        ({"layer.weight": 1}, "a state_dict has weights and no graph|this is a dict"),
        (3, r"this is a builtins\.int"),
        (io.BytesIO(b""), r"this is an open file\. Give its path .*source\.read\(\)"),
        (np.zeros(3), r"this is a numpy\.ndarray"),
        (onnxruntime.InferenceSession(dense().SerializeToString()), "does not give its model back"),
    ],
)
def test_what_cannot_be_opened_says_what_could(source, says):
    with pytest.raises(UnknownSourceError, match=says) as caught:
        ow.open_model(source)
    assert "onnx.ModelProto" in str(caught.value)
    assert isinstance(caught.value, TypeError)


def test_options_of_an_export_do_not_go_with_a_file():
    with pytest.raises(UnknownSourceError, match=r"example_inputs: such options go with .*leave them out"):
        ow.open_model(dense(), example_inputs=1)


def test_every_public_function_takes_what_open_model_takes(tmp_path):
    path = ow.open_model(convnet()).save(tmp_path / "m.onnx")
    x = np.zeros((1, 3, 8, 8), np.float32)
    for source in (path, path.read_bytes(), convnet(), ow.open_model(path)):
        assert ow.summarize(source).parameters == 512
        assert ow.run(source, x)["logits"].shape == (1, 4)
        assert ow.check_parity(source, path, x)
        assert len(ow.classify(source, x)) == 1
        assert ow.Session(source).inputs[0].name == "image"


def test_a_graph_alone_is_pointed_to_its_model():
    with pytest.raises(UnknownSourceError, match=r"onnx\.helper\.make_model"):
        ow.open_model(dense().graph)


def test_an_address_is_shown_as_it_was_given():
    with pytest.raises(
        ModelNotFoundError, match=r"^'https://models\.example/a\.onnx' is an address\. Download"
    ):
        ow.open_model("https://models.example/a.onnx")


PROGRAM = """
import sys
import onnx_workbench as ow
ow.open_model(sys.argv[1])
print([name for name in sys.modules if name.startswith("onnx_workbench.cntk")])
"""


def test_an_onnx_file_is_opened_without_loading_anything_of_cntk(tmp_path):
    onnx.save(convnet(), tmp_path / "m.onnx")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "m.onnx")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
