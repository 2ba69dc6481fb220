"""Models come back from files as they were: native ones as the real CNTK reads them, ONNX of every age and maker."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from cntk_proto import PROTO
from cntk_recorded_models import FOLDER
from native_samples import DATA, real_files
from tiny_models import convnet, model, random_weights

import onnx_workbench as ow
from onnx_workbench.cntk import ops
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.logging import graph
from onnx_workbench.cntk.native.file import read_buffer
from onnx_workbench.cntk.native.functions import function_of
from onnx_workbench.cntk.native.saving import dictionary_of
from onnx_workbench.cntk.native.writing import serialize
from onnx_workbench.cntk.ops.choices import ModelFormat
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.core.errors import ModelFileError, WorkbenchWarning

MODELS = zipfile.ZipFile(FOLDER / "models.zip")
NAMES = sorted(name.removesuffix(".model") for name in MODELS.namelist() if name.endswith(".model"))
FED = {"Dense", "Convolution2D", "BatchNormalization"} & set(NAMES)


def native(name: str) -> bytes:
    return MODELS.read(f"{name}.model")


def plain(value):
    """A dictionary without running numbers of our own, arrays as bytes."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "values") or isinstance(value, np.ndarray):
        array = value if isinstance(value, np.ndarray) else value.values()
        return array.shape, array.dtype.str, array.tobytes()
    return type(value).__name__, value


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_has_the_variables_and_primitives_that_cntk_wrote(name):
    original = read_buffer(native(name))
    saved = dictionary_of(function_of(original))
    assert saved["root"] == original["root"]
    for key in ("inputs", "primitive_functions"):
        ours = {entry["uid"]: plain(entry) for entry in saved[key]}
        theirs = {entry["uid"]: plain(entry) for entry in original[key]}
        for entries in (ours, theirs):  # which outputs are named ahead depends on the order of the file
            for uid in [uid for uid in entries if "_Output_" in uid]:
                del entries[uid]
        assert ours.keys() == theirs.keys()
        for uid, entry in theirs.items():
            for field in ("op", "kind", "shape", "name", "value", "data_type", "block_function_op_name"):
                assert ours[uid].get(field) == entry.get(field), (uid, field)
            known = dict(entry.get("attributes") or {})
            mine = dict(ours[uid].get("attributes") or {})
            for attribute in known.keys() & mine.keys() - {
                "axisVec",
                "axis",
                "newShape",
                "beginAxis",
                "endAxis",
            }:
                assert mine[attribute][:1] == known[attribute][:1], (uid, attribute)
    assert PROTO["Dictionary"].FromString(b"".join(serialize(saved))).data


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_graph_is_loaded_as_the_same_graph(name, tmp_path):
    first = Function.load(native(name))
    first.save(tmp_path / "again.model")
    second = Function.load(tmp_path / "again.model")
    assert str(second) == str(first)
    assert [one.uid for one in second.inputs] == [one.uid for one in first.inputs]
    texts = [
        [str(node) for node in graph.depth_first_search(one, lambda _: True, depth=-1)]
        for one in (first, second)
    ]
    assert texts[0] == texts[1]


@pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not on this machine")
@pytest.mark.parametrize("path", real_files("v2"), ids=lambda path: path.name)
def test_real_files_evaluate_and_are_saved_in_both_formats(path, tmp_path):
    loaded = Function.load(str(path))
    rng = np.random.default_rng(0)
    feeds = {
        argument: [rng.random((3, *argument.shape), np.float32) for _ in range(2)]
        if len(argument.dynamic_axes) == 2
        else rng.random((2, *argument.shape), np.float32)
        for argument in loaded.arguments
    }
    first = loaded.outputs[0]
    expected = loaded.eval(feeds, outputs=[first])
    loaded.save(str(tmp_path / "m.model"))
    again = Function.load(str(tmp_path / "m.model"))
    by_uid = {argument.uid: value for argument, value in feeds.items()}
    found = again.eval({one: by_uid[one.uid] for one in again.arguments}, outputs=[again.outputs[0]])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    loaded.save(str(tmp_path / "m.onnx"), format=ModelFormat.ONNX)
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
    onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))


@pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not on this machine")
@pytest.mark.parametrize("path", real_files("onnx"), ids=lambda path: path.name)
def test_onnx_that_cntk_exported_is_evaluated_however_the_value_is_given(path):
    if path.suffix != ".onnx":
        pytest.skip("the expected values")
    published = np.load(DATA / "onnx" / "mnist_expected.npz")
    loaded = Function.load(str(path), format=ModelFormat.ONNX)
    (argument,) = loaded.arguments
    assert (argument.shape, len(argument.dynamic_axes), loaded.outputs[0].shape) == ((1, 28, 28), 1, (10,))
    x, y = published["x"], published["y"]
    for given in ([x[0]], x[0], x[:1]):
        np.testing.assert_allclose(np.squeeze(loaded.eval({argument: given})), y[0], rtol=1e-4, atol=1e-2)
    for given in (x, list(x)):
        np.testing.assert_allclose(loaded.eval({argument: given}), y, rtol=1e-4, atol=1e-2)
    assert {parameter.name for parameter in loaded.parameters} >= {"Parameter5", "Parameter193"}
    assert loaded.find_by_name("Plus30").shape == (8, 28, 28)
    probabilities = ops.softmax(loaded).eval({argument: x})
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def classifier(batch: str) -> onnx.ModelProto:
    """A network whose Reshape has the batch written into it, as exporters with a fixed batch do."""
    return model(
        f"""net (float[{batch},3,8,8] picture) => (float[{batch},5] logits) {{
            c = Conv<pads = [1,1,1,1]>(picture, w)
            n = BatchNormalization(c, one, zero, mean, variance)
            r = Relu(n)
            p = MaxPool<kernel_shape = [2,2], strides = [2,2]>(r)
            f = Reshape(p, to)
            logits = Gemm(f, d, bias)
        }}""",
        w=random_weights(4, 3, 3, 3),
        one=np.ones(4, np.float32),
        zero=np.zeros(4, np.float32),
        mean=random_weights(4),
        variance=np.ones(4, np.float32),
        to=np.array([1, 64]),
        d=random_weights(64, 5),
        bias=random_weights(5),
    )


def test_a_classifier_with_a_batch_of_one_takes_any_batch(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(classifier("1"), path)
    loaded = Function.load(str(path), format=ModelFormat.ONNX)
    pictures = random_weights(4, 3, 8, 8, seed=3)
    session = onnxruntime.InferenceSession(str(path))
    expected = np.concatenate([session.run(None, {"picture": one[None]})[0] for one in pictures])
    np.testing.assert_allclose(loaded.eval({"picture": pictures}), expected, rtol=1e-4, atol=1e-5)
    assert [one.name for one in loaded.constants] == ["mean", "variance", ""]
    assert [one.op_name for one in graph.depth_first_search(loaded, lambda one: isinstance(one, Function))][
        -1
    ]
    loaded.save(str(tmp_path / "again.onnx"), format=ModelFormat.ONNX)
    again = onnxruntime.InferenceSession(str(tmp_path / "again.onnx"))
    np.testing.assert_allclose(again.run(None, {"picture": pictures})[0], expected, rtol=1e-4, atol=1e-5)


def test_another_classifier_of_a_symbolic_batch_and_its_middle():
    loaded = Function.load(convnet().SerializeToString(), format=ModelFormat.ONNX)
    pictures = random_weights(3, 3, 8, 8)
    expected = ow.run(convnet(), pictures)["logits"]
    np.testing.assert_allclose(loaded.eval(pictures), expected, rtol=1e-4, atol=1e-5)
    middle = ops.combine([loaded.find_by_name("r").output]) if loaded.find_by_name("r") else None
    assert middle is not None
    assert middle.eval(pictures).shape[0] == 3


def test_weights_of_an_imported_model_can_be_changed():
    loaded = Function.load(classifier("N").SerializeToString().replace(b"", b""), format=ModelFormat.ONNX)
    bias = next(one for one in loaded.parameters if one.name == "bias")
    picture = random_weights(1, 3, 8, 8)
    before = loaded.eval(picture)
    bias.value = bias.value + 1
    np.testing.assert_allclose(loaded.eval(picture), before + 1, rtol=1e-4, atol=1e-5)


def test_the_content_says_what_a_file_is_and_a_wrong_format_is_a_warning(tmp_path):
    path = tmp_path / "m.bin"
    path.write_bytes(convnet().SerializeToString())
    with pytest.warns(
        WorkbenchWarning, match=r"'m\.bin' is in the format ONNX, not CNTKv2; .* format=ModelFormat\.ONNX"
    ):
        Function.load(str(path))
    with pytest.warns(WorkbenchWarning, match="in the format CNTKv2, not ONNX"):
        Function.load(native(NAMES[0]), format=ModelFormat.ONNX)


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("not there.model", CntkValueError, "There is no file 'not there.model'"),
        (b"", ModelFileError, "an empty file"),
        (b"B\0C\0N\0" + bytes(600), ModelFileError, "a CNTK v1 model"),
        (7, CntkValueError, "neither a file nor a byte buffer"),
        (native(NAMES[0])[:-30], ModelFileError, "these .* bytes as a native CNTK model"),
    ],
)
def test_what_cannot_be_loaded_is_told(source, error, says):
    with pytest.raises(error, match=says):
        Function.load(source)


def test_nodes_that_cntk_has_no_primitive_for_have_no_place_in_native_files(tmp_path):
    proto = model("""g (float[N,3] x) => (float[N,3] y) { e = Erf(x)  y = Relu(e) }""")
    loaded = Function.load(proto.SerializeToString(), format=ModelFormat.ONNX)
    with pytest.raises(
        CntkRuntimeError, match=r"Erf 'e' has no place in CNTK's native files.*Save .* as ONNX"
    ):
        loaded.save(str(tmp_path / "m.model"))
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.parametrize("pads", ["1,1,1,1", "2,0,1,3", "0,0,0,0"])
@pytest.mark.parametrize("strides", ["1,1", "2,3"])
def test_imported_networks_are_saved_natively_and_keep_their_names(pads, strides, tmp_path):
    proto = model(
        f"""net (float[N,3,8,9] picture) => (float[N,M] logits) {{
            c = Conv<pads = [{pads}], strides = [{strides}]>(picture, w, bias)
            n = BatchNormalization(c, one, zero, mean, variance)
            r = LeakyRelu<alpha = 0.2>(n)
            p = MaxPool<kernel_shape = [2,2], pads = [1,0,0,1]>(r)
            m = GlobalAveragePool(p)
            f = Flatten(m)
            g = Gemm<transB = 1>(f, d, e)
            logits = Softmax<axis = 1>(g)
        }}""",
        w=random_weights(4, 3, 3, 3),
        bias=random_weights(4),
        one=np.ones(4, np.float32),
        zero=np.zeros(4, np.float32),
        mean=random_weights(4),
        variance=np.ones(4, np.float32),
        d=random_weights(5, 4),
        e=random_weights(1, 5),
    )
    loaded = Function.load(proto.SerializeToString(), format=ModelFormat.ONNX)
    loaded.save(str(tmp_path / "m.model"))
    again = Function.load(str(tmp_path / "m.model"))
    pictures = random_weights(2, 3, 8, 9, seed=5)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    expected = session.run(None, {"picture": pictures})[0]
    np.testing.assert_allclose(again.eval({"picture": pictures}), expected, rtol=1e-4, atol=1e-5)
    assert again.outputs[0].name == "logits"
    assert again.find_by_name("r").shape == loaded.find_by_name("r").shape
    assert {one.name for one in again.parameters} >= {"w", "bias", "one", "zero", "d", "e"}


@pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not on this machine")
@pytest.mark.parametrize(
    "path", [p for p in real_files("onnx") if p.suffix == ".onnx"], ids=lambda path: path.name
)
def test_onnx_that_cntk_exported_is_saved_natively(path, tmp_path):
    published = np.load(DATA / "onnx" / "mnist_expected.npz")
    Function.load(str(path), format=ModelFormat.ONNX).save(str(tmp_path / "m.model"))
    again = Function.load(str(tmp_path / "m.model"))
    x = published["x"].reshape(-1, 1, 28, 28)
    np.testing.assert_allclose(again.eval(x).ravel(), published["y"].ravel(), rtol=1e-3, atol=1e-3)


def test_a_loss_is_left_out_of_an_export():
    x, y = ops.input_variable(3, name="x"), ops.input_variable(3, name="y")
    z = ops.times(x, ops.parameter((3, 3), init=1.0), name="z")
    whole = ops.combine([z, ops.minus(z, y, name="loss")])
    from onnx_workbench.cntk.files import export

    proto = export(whole)
    assert [value.name for value in proto.graph.output] == ["z"]
    assert [value.name for value in proto.graph.input] == ["x"]
