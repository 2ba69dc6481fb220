"""Every slip that learners make: the error names it, and the line that it suggests mends it."""

from __future__ import annotations

import re
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from tiny_models import convnet, model

import onnx_workbench as ow
from onnx_workbench.core.errors import (
    InputError,
    ModelFileError,
    NameNotFoundError,
    RunError,
    WorkbenchWarning,
)
from onnx_workbench.runtime.runtime_errors import essence

RIGHT = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
NHWC = np.ascontiguousarray(RIGHT.transpose(0, 2, 3, 1))


@pytest.fixture(scope="module")
def session():
    return ow.Session(convnet())


@pytest.fixture(scope="module")
def answer(session):
    return session.run(RIGHT)["logits"]


def mended(error: pytest.ExceptionInfo[BaseException], x: object) -> np.ndarray:
    """Return what the lines of the error that begin with "Give" make of x, one after the other."""
    lines = re.findall(r"Give  (.+?)(?:  |\.$|\.\n|$)", str(error.value), re.MULTILINE)
    assert lines, error.value
    for line in lines:
        x = eval(line, {"np": np, "x": x, "Preprocessing": ow.Preprocessing})
    return x


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            NHWC,
            r"takes shape \(N, 3, 8, 8\); got \(2, 8, 8, 3\): it is NHWC \(channels last\), .* takes NCHW",
        ),
        (RIGHT.astype(np.float64), "takes float32; got float64. numpy makes float64 by default"),
        (RIGHT[np.newaxis], "one axis too many"),
        (NHWC.astype(np.float64), r"(?s)NHWC.*\nAnd: .*float64"),
        (RIGHT.astype(np.float16), "takes float32; got float16"),
    ],
)
def test_the_suggested_line_mends_the_input(session, answer, wrong, says):
    with pytest.raises(InputError, match=says) as caught:
        session.run(wrong)
    np.testing.assert_allclose(session.run(mended(caught, wrong))["logits"], answer, atol=1e-2)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (RIGHT[0], r"got \(3, 8, 8\): the batch axis is missing"),
        (NHWC[0], r"got \(8, 8, 3\): it is one HWC picture \(channels last, no batch axis\)"),
    ],
)
def test_a_missing_batch_axis_is_mended(session, answer, wrong, says):
    with pytest.raises(InputError, match=says) as caught:
        session.run({"image": wrong})
    np.testing.assert_allclose(session.run(mended(caught, wrong))["logits"], answer[:1], rtol=1e-4)


def test_bytes_ask_for_scaling_as_well(session, answer):
    pixels = np.rint(RIGHT * 255).astype(np.uint8)
    with pytest.raises(
        InputError, match=r"(?s)takes float32; got uint8.*after scaling: bytes are 0\.\.255"
    ) as caught:
        session.run(pixels)
    scaled = re.search(r"\((x\.astype\(np\.float32\) / 255)", str(caught.value))[1]
    np.testing.assert_allclose(
        session.run(eval(scaled, {"x": pixels, "np": np}))["logits"], answer, atol=0.05
    )


def test_grey_pictures_are_repeated(session):
    grey = RIGHT[:, :1]
    with pytest.raises(InputError, match=r"the model takes 3 channel\(s\)") as caught:
        session.run(grey)
    assert session.run(mended(caught, grey))["logits"].shape == (2, 4)


def test_pictures_of_another_size_are_sent_to_preprocessing(session):
    with pytest.raises(
        InputError, match=r"pictures of another size\.\nResize them:  Preprocessing\(size=\(8, 8\)\)"
    ):
        session.run(np.zeros((1, 3, 16, 16), np.float32))


WIDE = np.random.default_rng(1).integers(1, 256, (5, 6, 10, 4)).astype(np.float32)  # NHWC, with alpha


def takes(*shape: int | str, dtype: str = "float") -> ow.Session:
    """Return a session of a model that gives its input back."""
    axes = ",".join(map(str, shape))
    return ow.Session(model(f"g ({dtype}[{axes}] x) => ({dtype}[{axes}] y) {{ y = Identity(x) }}"))


def given_as(axes: str, channels: int) -> np.ndarray:
    """Return the pictures (or the first of them) with their axes in some order, and some missing."""
    named = dict(zip("NHWC", range(4), strict=True))
    x = WIDE[..., :channels]
    for axis in "NC":
        if axis not in axes:
            x = x.take([0], axis=named[axis])
    moved = x.transpose([named[axis] for axis in (*(a for a in "NC" if a not in axes), *axes)])
    return moved.reshape(moved.shape[4 - len(axes) :])


@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    "axes", ["NCHW", "NHWC", "NCWH", "NWHC", "CHW", "HWC", "CWH", "WHC", "NHW", "HW", "WH"]
)
def test_several_slips_at_once_are_mended_by_one_line(axes, channels, layout, batch):
    if "C" not in axes and channels > 1:
        pytest.skip("grey pictures have one channel")
    if (axes, channels, layout) == ("CHW", 4, "NHWC"):
        pytest.skip("four grey pictures have this shape as well")
    expects = {"NCHW": (batch, 3, 6, 10), "NHWC": (batch, 6, 10, 3)}[layout]
    right = np.repeat(WIDE[..., :1], 3, axis=3) if channels == 1 else WIDE[..., :3]
    right = right if "N" in axes else right[:1]
    right = right.transpose(0, 3, 1, 2) if layout == "NCHW" else right
    session, wrong = takes(*expects), given_as(axes, channels)
    if batch == "N" and axes == layout and channels == 3:
        np.testing.assert_array_equal(session.run(wrong)["y"], right)
        return
    with pytest.raises(InputError) as caught:
        session.run(wrong)
    if "N" in axes and batch == 1:
        assert re.search("fixed at 1|of 1 at a time", str(caught.value))
        if axes == layout and channels == 3:
            return  # nothing else is wrong
    x = mended(caught, wrong)
    np.testing.assert_array_equal(x, right)
    assert len(session.run(x[:1])["y"]) == 1


@pytest.mark.parametrize(
    "shape", [(2, 9, 12, 3), (9, 12, 3), (3, 9, 12), (9, 12), (2, 9, 12, 4), (2, 9, 12, 1), (1, 4, 9, 12)]
)
@pytest.mark.parametrize(
    ("expects", "dtype"),
    [
        (("N", 3, 6, 10), "float"),
        ((1, 6, 10, 3), "float"),
        (("N", 1, 6, 10), "float"),
        (("N", 6, 10, 3), "uint8"),
    ],
)
def test_other_sizes_in_any_layout_are_sent_to_a_preprocessing_that_fits(shape, expects, dtype):
    session = takes(*expects, dtype=dtype)
    with pytest.raises(InputError, match="pictures of another size") as caught:
        session.run(np.zeros(shape, np.float32))
    call = re.search(r"  (Preprocessing\(.*?\))(?:\(pictures\))?  does", str(caught.value))[1]
    prepared = eval(call, {"Preprocessing": ow.Preprocessing})(np.zeros((1, 9, 12, 3), np.uint8))
    assert session.run(prepared)["y"].shape == prepared.shape


def test_tables_are_not_taken_for_pictures():
    with pytest.raises(InputError, match="2 axes where 4 are expected") as caught:
        takes("N", 1, "S", "S").run(np.zeros((2, 77), np.float32))
    assert "picture" not in str(caught.value)


def test_fractions_are_not_cut_to_bytes_of_zero():
    fractions = np.linspace(0, 1, 18, dtype=np.float32).reshape(1, 2, 3, 3)
    session = takes("N", 2, 3, 3, dtype="uint8")
    with pytest.raises(InputError, match=r"takes uint8; got float32. Its values lie in 0..1") as caught:
        session.run(fractions)
    assert session.run(mended(caught, fractions))["y"].tolist() == np.rint(fractions * 255).tolist()


def test_one_flat_picture_is_asked_for_as_one_item():
    with pytest.raises(InputError, match=r"the elements of one item: x\.reshape\(1, 16\)"):
        takes("N", 16).run(np.zeros((4, 4), np.float32))


def test_batches_that_do_not_agree_are_named():
    session = ow.Session(model("g (float[N,4] a, float[N,4] b) => (float[N,4] y) { y = Add(a, b) }"))
    with pytest.raises(InputError, match=r"'N' is 2 in input 'a' and 3 in 'b'.*\nGive arrays that agree"):
        session.run([np.zeros((2, 4), np.float32), np.zeros((3, 4), np.float32)])


def test_height_and_width_swapped_are_told_where_they_can_be_seen():
    wide = ow.Session(model("g (float[N,3,4,6] x) => (float[N,3,4,6] y) { y = Relu(x) }"))
    with pytest.raises(InputError, match="of swapped height and width") as caught:
        wide.run(np.zeros((1, 3, 6, 4), np.float32))
    assert wide.run(mended(caught, np.zeros((1, 3, 6, 4), np.float32)))["y"].shape == (1, 3, 4, 6)


@pytest.mark.parametrize("shape", [("N", "C", "H", "W"), ("N", None, None, None)])
def test_channels_last_is_seen_even_where_the_shape_is_symbolic(shape):
    proto = convnet()
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", 1, shape))
    with pytest.raises(InputError, match="it is NHWC"):
        ow.run(proto, NHWC)


def test_the_other_way_round_too():
    keras = ow.Session(model("g (float[N,4,6,3] x) => (float[N,4,6,3] y) { y = Relu(x) }"))
    first = np.zeros((2, 3, 4, 6), np.float32)
    with pytest.raises(InputError, match=r"NCHW \(channels first\), and the model takes NHWC") as caught:
        keras.run(first)
    assert keras.run(mended(caught, first))["y"].shape == (2, 4, 6, 3)


def test_a_wrong_input_name_lists_the_real_ones(session):
    with pytest.raises(
        InputError, match=r"no input 'img'; its inputs are: 'image'\.\nGive  \{'image': \.\.\.\}"
    ):
        session.run({"img": RIGHT})
    with pytest.raises(InputError, match="Input 'image' is missing"):
        session.run({})
    with pytest.raises(InputError, match="no input 'mask'"):
        session.run({"image": RIGHT, "mask": RIGHT})


def test_a_wrong_output_name_lists_the_real_ones(session):
    with pytest.raises(NameNotFoundError, match=r"no output 'logit'\. Did you mean 'logits'\?"):
        session.run(RIGHT, ["logit"])
    assert list(session.run(RIGHT, "logits")) == ["logits"]


def test_the_order_of_onnxruntimes_own_sessions_is_recognised(session):
    for outputs in (None, ["logits"]):
        with pytest.raises(InputError, match=r"The inputs come first here.*run\(inputs, outputs\)"):
            session.run(outputs, {"image": RIGHT})


def test_a_list_instead_of_a_dict_is_taken_in_order(session, answer):
    np.testing.assert_array_equal(session.run([RIGHT])["logits"], answer)
    np.testing.assert_array_equal(session.run((RIGHT,))["logits"], answer)
    with pytest.raises(InputError, match=r"has 1 input\(s\): 'image'; got 2 array\(s\)\. Give a dict"):
        session.run([RIGHT, RIGHT])


@pytest.mark.parametrize("gradient", [False, True])
def test_a_torch_tensor_is_taken(session, answer, gradient):
    tensor = torch.tensor(RIGHT, requires_grad=gradient)
    np.testing.assert_array_equal(session.run(tensor)["logits"], answer)
    np.testing.assert_array_equal(session.run({"image": tensor})["logits"], answer)


@pytest.mark.parametrize("wrong", [None, "picture.png", {"a": 1}, object()])
def test_what_is_no_array_is_named(session, wrong):
    with pytest.raises(
        InputError, match=r"takes an array of numbers \(float32\); got \w+\.\nA picture or its path"
    ):
        session.run({"image": wrong})


def test_a_ragged_list_is_named(session):
    with pytest.raises(InputError, match="this list cannot become one"):
        session.run([[1.0, 2.0], [3.0]])


def test_a_fixed_batch_is_explained():
    fixed = ow.Session(convnet(batch="1"))
    with pytest.raises(
        InputError, match=r"batch size is fixed at 1\.\nGive that many items .* export the model with"
    ):
        fixed.run(RIGHT)


def test_flattened_items_are_asked_for_by_their_number():
    flat = ow.Session(model("g (float[N,192] x) => (float[N,192] y) { y = Relu(x) }"))
    assert flat.run(RIGHT.reshape(2, 192))["y"].shape == (2, 192)
    with pytest.raises(InputError, match=r"x\.reshape\(len\(x\), 192\)"):
        flat.run(RIGHT)


def test_the_reference_evaluator_says_the_same():
    reference = ow.Session(convnet(), backend="reference")
    with pytest.raises(InputError, match="it is NHWC"):
        reference.run(NHWC)
    with pytest.raises(InputError, match="no input 'img'"):
        reference.run({"img": RIGHT})


def test_a_gpu_that_is_not_there_is_no_silent_cpu():
    with pytest.raises(
        RunError, match=r"'CUDAExecutionProvider' is not in .*available: .*CPU.*\n.*onnxruntime-gpu"
    ):
        ow.Session(convnet(), providers=["CUDAExecutionProvider", "CPUExecutionProvider"])


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_gpu_that_does_not_start_is_no_silent_cpu(monkeypatch):
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    with pytest.raises(RunError, match=r"CUDA.* is installed and could not be started; .*CPU"):
        ow.Session(convnet(), providers=["CUDAExecutionProvider"])


@pytest.mark.filterwarnings("ignore:The model is written in")  # said when it is opened
def test_an_ir_version_too_new_has_two_remedies():
    proto = convnet()
    proto.ir_version = 99
    with pytest.raises(
        RunError, match=r"IR version 99, and .* reads up to \d+\.\nEither upgrade .* or export"
    ):
        ow.Session(proto)


@pytest.mark.filterwarnings("ignore:The model is written in")  # said when it is opened
def test_an_opset_too_new_has_two_remedies():
    proto = convnet()
    proto.opset_import[0].version = 99
    with pytest.raises(
        RunError, match=r"opset ai\.onnx 99, newer than .* knows\.\nEither upgrade .* or export"
    ):
        ow.Session(proto)


def test_an_opset_too_old_has_a_remedy():
    old = model("""g (bool c, float[N] x) => (float[N] y) {
        y = If (c) <then_branch = t () => (float[N] a) { a = Relu(x) },
                   else_branch = e () => (float[N] b) { b = Neg(x) }>
    }""")
    old.ir_version, old.opset_import[0].version = 3, 5
    with pytest.raises(
        RunError, match=r"no kernel for .*\nIts opset 5 is older .*\(7\).*convert_version\(proto, 17\)"
    ):
        ow.Session(old)


def test_an_operator_that_nobody_knows_is_named():
    proto = convnet()
    proto.graph.node[1].op_type = "Relux"
    with pytest.raises(RunError, match="does not know the operator Relux"):
        ow.Session(proto)
    proto.graph.node[1].domain = "com.example"
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(
        RunError, match=r"operator Relux of the domain 'com\.example': it belongs to a custom library"
    ):
        ow.Session(proto)


def test_a_model_moved_without_its_data_says_that_it_is_two_files(tmp_path):
    (tmp_path / "new").mkdir()
    path = ow.open_model(convnet()).save(tmp_path / "m.onnx", external_data=True)
    moved = shutil.move(path, tmp_path / "new" / "m.onnx")
    with pytest.warns(WorkbenchWarning, match=r"are in m\.onnx\.data, which is not beside it"):
        opened = ow.open_model(moved)
    with pytest.raises(
        ModelFileError, match=r"in a second file, 'm\.onnx\.data'.*\nPut it beside .* as one file"
    ):
        ow.run(opened, RIGHT)


def test_a_truncated_file_and_an_lfs_pointer_are_told_apart(tmp_path):
    path = tmp_path / "m.onnx"
    content = convnet().SerializeToString()
    path.write_bytes(content[:-100])
    with pytest.raises(ModelFileError, match="truncated or damaged"):
        ow.run(path, RIGHT)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(ModelFileError, match=r"a Git LFS pointer.*git lfs pull"):
        ow.run(path, RIGHT)


def broken_models():
    def changed(change):
        proto = convnet()
        change(proto)
        return proto

    yield "wrong weight", changed(lambda p: p.graph.initializer[0].dims.__setitem__(slice(0, 2), [8, 6]))
    yield "dangling output", changed(lambda p: setattr(p.graph.output[0], "name", "gone"))
    yield "dangling input", changed(lambda p: p.graph.node[1].input.__setitem__(0, "gone"))
    yield "attribute", changed(lambda p: setattr(p.graph.node[0].attribute[0], "name", "padz"))
    yield "no opset", changed(lambda p: setattr(p.graph.node[0], "domain", "com.example"))
    yield "type", changed(lambda p: setattr(p.graph.input[0].type.tensor_type, "elem_type", 7))
    yield "oldest", changed(lambda p: setattr(p.opset_import[0], "version", 0))
    body = "g (float[N,4] x) => (float[A,B] y) {{ y = {} }}"
    yield "reshape", model(body.format("Reshape(x, s)"), s=np.array([3, 3]))
    yield "gather", model(body.format("Gather(x, s)"), s=np.array([99]))
    yield "concat", model(body.format("Concat<axis=0>(x, s)"), s=np.ones((1, 5), np.float32))


@pytest.mark.parametrize("proto", [pytest.param(proto, id=name) for name, proto in broken_models()])
@pytest.mark.parametrize("low_memory", [False, True])
def test_what_onnxruntime_says_comes_without_the_machine_room(proto, low_memory):
    x = np.ones((2, 4), np.float32) if len(proto.graph.node) == 1 else RIGHT
    with pytest.raises((RunError, InputError)) as caught:
        ow.Session(proto, low_memory=low_memory).run(x)
    text = str(caught.value)
    assert len(text) > 60
    assert not re.search(r"\.(cc|h|cpp):\d+|onnxruntime::|/onnxruntime|C:\\|ONNXRuntimeError", text)
    assert len(text) < 1000


@pytest.mark.filterwarnings("ignore:The model is written in")  # said when it is opened
def test_the_original_error_is_kept_as_cause():
    proto = onnx.ModelProto()
    proto.CopyFrom(convnet())
    proto.ir_version = 99
    with pytest.raises(RunError, match="IR version") as caught:
        ow.Session(proto)
    assert "IR version: 99" in str(caught.value.__cause__)


RAW = (
    "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: /onnxruntime_src/onnxruntime/core/providers/cpu/"
    "text/string_normalizer.cc:235 onnxruntime::StringNormalizer::Locale::Locale(const std::string&)::<lambda()> "
    "Failed to construct locale",
    "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Deserialize tensor w failed.env.cc:538 OpenRandomAccessFile "
    "Failed to construct locale",
    r"[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : D:\a\_work\1\s\onnxruntime\core\framework\op.h:12 "
    r"onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, bool) Failed to construct locale",
)


@pytest.mark.parametrize("raw", RAW)
def test_paths_and_signatures_of_the_runtimes_source_are_taken_out(raw):
    text = essence(RuntimeError(raw))
    assert text.endswith("Failed to construct locale")
    assert not re.search(r"[\\/]|::|\.(cc|h)\b", text)
