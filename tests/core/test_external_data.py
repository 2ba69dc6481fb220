"""Weights in a second file: found, missing, out of bounds, changed meanwhile; never outside the model's folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_models import dense, model, random_weights

import onnx_workbench as ow
from onnx_workbench.core.errors import ModelFileError, WorkbenchWarning

WEIGHTS = random_weights(16, 64)
X = np.ones((2, 16), np.float32)


def write(folder: Path, **reference: object) -> Path:
    """Write dense() of which the weights are a reference with these entries."""
    proto = dense()
    weight = proto.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in reference.items():
        weight.external_data.add(key=key, value=str(value))
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "models"
    inner.mkdir()
    (inner / "weights.bin").write_bytes(b"\0" * 64 + WEIGHTS.tobytes())
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    return inner


@pytest.mark.parametrize(
    "reference",
    [
        {"location": "weights.bin", "offset": 64, "length": 4096},
        {"location": "weights.bin", "offset": 64},
        {"location": "./weights.bin", "offset": 64},
        {"location": "sub/../weights.bin", "offset": 64},
        {"location": "linked.bin", "offset": 64},
    ],
)
def test_weights_in_the_folder_are_mapped_run_and_saved(folder, reference):
    (folder / "sub").mkdir()
    (folder / "linked.bin").symlink_to("weights.bin")
    opened = ow.open_model(write(folder, **reference))
    np.testing.assert_array_equal(opened.weight("w"), WEIGHTS)
    np.testing.assert_allclose(ow.run(opened, X)["y"], X @ WEIGHTS, rtol=1e-4, atol=1e-5)
    saved = onnx.load(opened.save(folder / "one.onnx"))
    np.testing.assert_array_equal(numpy_helper.to_array(saved.graph.initializer[0]), WEIGHTS)


def test_a_model_saved_by_onnx_with_external_data_is_opened(tmp_path):
    onnx.save(dense(), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    opened = ow.open_model(tmp_path / "m.onnx")
    np.testing.assert_array_equal(opened.weight("w"), WEIGHTS)
    np.testing.assert_allclose(ow.run(opened, X)["y"], X @ WEIGHTS, rtol=1e-4, atol=1e-5)


def test_small_external_contents_are_seen_by_shape_inference(tmp_path):
    proto = model(
        "g (float[N,16] x) => (float[A,B,C] y) { y = Reshape(x, s) }", s=np.array([-1, 4, 4], np.int64)
    )
    onnx.save(proto, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    opened = ow.open_model(tmp_path / "m.onnx")
    assert ow.summarize(opened, dimensions={"N": 5}).unknown_shapes == 0
    assert ow.run(opened, np.ones((5, 16), np.float32))["y"].shape == (5, 4, 4)


@pytest.mark.parametrize("location", ["gone.bin", "sub", "a" * 300, "~/weights.bin"])
def test_a_missing_file_is_warned_of_and_the_graph_can_be_looked_at(folder, location):
    (folder / "sub").mkdir()
    path = write(folder, location=location)
    with pytest.warns(WorkbenchWarning, match=r"which is not beside it\. The graph can be looked at"):
        opened = ow.open_model(path)
    assert ow.summarize(opened).parameters == 16 * 64
    for ask in (
        lambda: opened.weight("w"),
        lambda: ow.run(opened, X),
        lambda: ow.Session(opened, backend="reference"),
        lambda: opened.save(folder / "copy.onnx"),
        lambda: opened.save(folder / "copy.onnx", external_data=True),
        opened.to_bytes,
        opened.to_proto,
    ):
        with pytest.raises(ModelFileError, match=r"in a second file, .*\nPut it beside the model"):
            ask()
    assert {item.name for item in folder.iterdir()} == {"model.onnx", "weights.bin", "sub"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_as_second_file_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe.bin")
    with pytest.warns(WorkbenchWarning, match="not beside it"):
        opened = ow.open_model(write(folder, location="pipe.bin"))
    with pytest.raises(ModelFileError, match="in a second file"):
        ow.run(opened, X)


@pytest.mark.parametrize(
    "location",
    [
        "../secret.bin",
        "../../etc/passwd",
        "/etc/passwd",
        "sub/../../secret.bin",
        "out.bin",
        "up/secret.bin",
        "nul\0byte",
        ".",
        "..",
        "*/_ORT_MEM_ADDR_/*",
    ],
)
@pytest.mark.parametrize("where", ["initializer", "constant", "sparse", "function", "training"])
def test_a_reference_that_leaves_the_folder_is_refused(folder, location, where):
    (folder / "out.bin").symlink_to(folder.parent / "secret.bin")
    (folder / "up").symlink_to(folder.parent)
    weight = TensorProto(name="w", data_type=1, dims=[16, 64], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    proto = dense()
    if where == "initializer":
        proto.graph.initializer[0].CopyFrom(weight)
    elif where == "constant":
        proto.graph.node.append(helper.make_node("Constant", [], ["k"], value=weight))
    elif where == "sparse":
        proto.graph.sparse_initializer.add().values.CopyFrom(weight)
    elif where == "function":
        proto.functions.add(name="F").attribute_proto.append(helper.make_attribute("v", weight))
    else:
        proto.training_info.add().initialization.initializer.append(weight)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ModelFileError, match=r"outside its own folder\. That is refused"):
        ow.open_model(folder / "model.onnx")


def test_a_circle_of_links_is_refused(folder):
    (folder / "loop.bin").symlink_to("loop.bin")
    path = write(folder, location="loop.bin")
    # pathlib raises on such a circle before Python 3.13, and leaves it as it is from then on.
    raises = pytest.raises(ModelFileError, match="leads nowhere")
    with raises if sys.version_info < (3, 13) else pytest.warns(WorkbenchWarning, match="not beside it"):
        ow.open_model(path)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ({"offset": 10**9}, "should lie at bytes 1,000,000,000 to .*which has only 4,160"),
        ({"offset": 10**30, "length": 4096}, "has only 4,160: the file is truncated"),
        ({"offset": 65, "length": 4096}, "has only 4,160: the file is truncated"),
        ({"offset": 100}, "and 4,060 bytes are there"),
        ({"offset": -1}, "negative offset"),
        ({"length": -4096}, "negative offset or length"),
        ({"length": 10}, "and 10 bytes are there"),
        ({"offset": "x"}, "not a number"),
        ({"location": ""}, "has no location"),
    ],
)
def test_a_reference_beyond_the_file_is_refused(folder, reference, says):
    path = write(folder, **{"location": "weights.bin", **reference})
    with pytest.raises(ModelFileError, match=says):
        ow.open_model(path)


def test_bytes_and_protos_have_no_folder(folder):
    path = write(folder, location="weights.bin")
    for source in (path.read_bytes(), onnx.load(path, load_external_data=False)):
        with pytest.raises(ModelFileError, match="Open the model by its path instead"):
            ow.open_model(source)


def test_a_model_behind_a_link_finds_its_weights_in_either_folder(folder, tmp_path):
    """Caches of model hubs hold links to files elsewhere."""
    path = write(folder, location="weights.bin", offset=64)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "model.onnx").symlink_to(path)
    (tmp_path / "links" / "weights.bin").symlink_to(folder / "weights.bin")
    opened = ow.open_model(tmp_path / "links" / "model.onnx")
    np.testing.assert_allclose(ow.run(opened, X)["y"], X @ WEIGHTS, rtol=1e-4, atol=1e-5)


def change(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "shortened":
        os.truncate(path, 100)
    elif how == "replaced":
        path.rename(path.with_suffix(".old"))
        path.write_bytes(content)
    elif how == "overwritten":
        path.write_bytes(content)
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["shortened", "replaced", "overwritten", "removed"])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("files", [1, 2])
def test_a_file_changed_after_opening_is_never_read_as_if_it_were_the_same(folder, how, mapped, files):
    path = write(folder, location="weights.bin", offset=64)
    if files == 1:
        path = ow.open_model(path).save(folder / "one.onnx")
    opened = ow.open_model(path)
    if mapped:
        assert float(opened.weight("w")[0, 0]) == WEIGHTS[0, 0]
    change(path if files == 1 else folder / "weights.bin", how)
    for ask in (
        lambda: opened.weight("w"),
        lambda: ow.Session(opened),
        lambda: opened.save(folder / "copy.onnx"),
        opened.to_proto,
    ):
        with pytest.raises(
            ModelFileError, match=r"changed after the model was opened|Put it beside the model"
        ):
            ask()
    assert not (folder / "copy.onnx").exists()


def test_a_session_made_before_the_change_still_runs(folder):
    path = ow.open_model(write(folder, location="weights.bin", offset=64)).save(folder / "one.onnx")
    session = ow.Session(path)
    change(path, "replaced")
    np.testing.assert_allclose(session.run(X)["y"], X @ WEIGHTS, rtol=1e-4, atol=1e-5)
