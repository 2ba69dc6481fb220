"""Names that old scripts import or call, and what they give."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk import cntk_py, program
from onnx_workbench.cntk.errors import (
    CntkRuntimeError,
    CntkTypeError,
    CntkValueError,
    UnsupportedOperatorError,
)
from onnx_workbench.cntk.io.source_config import MinibatchSourceConfig, to_dictionary
from onnx_workbench.core.errors import WorkbenchWarning

SCRIPT = """
import onnx_workbench.cntk
onnx_workbench.cntk.install()
from _cntk_py import InferredDimension, constant_initializer, set_fixed_random_seed
import cntk, cntk._cntk_py, cntk.cntk_py, cntk.misc, cntk.tensor, cntk.io.transforms
from cntk.debugging.profiler import start_profiler
from cntk.eval.evaluator import Evaluator
from cntk.internal.swig_helper import map_if_possible, typemap
from cntk.logging import TraceLevel, TensorBoardProgressWriter, log_number_of_parameters, set_trace_level
from cntk.logging.progress_print import ProgressPrinter
from cntk.misc.converter import convert
from cntk.train.distributed import Communicator, data_parallel_distributed_learner
from cntk.train.training_session import training_session
from cntk.device import DeviceDescriptor
assert cntk._cntk_py is cntk.cntk_py is onnx_workbench.cntk.cntk_py
set_fixed_random_seed(1)
DeviceDescriptor.try_set_default_device(DeviceDescriptor.cpu_device())
print(cntk.parameter((InferredDimension, 2), constant_initializer(0.5)).shape)
"""


def test_old_imports_find_this_front():
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert found.stdout.strip() == "(-1, 2)", found.stderr


@pytest.mark.parametrize(
    ("of_bindings", "arguments", "of_python"),
    [
        ("uniform_initializer", (0.3, 7), lambda: C.initializer.uniform(0.3, 7)),
        ("normal_initializer", (0.3, 1, 0, 7), lambda: C.initializer.normal(0.3, 1, 0, 7)),
        ("glorot_uniform_initializer", (1, 1, 0, 7), lambda: C.initializer.glorot_uniform(1, 1, 0, 7)),
        ("he_normal_initializer", (1, 1, 0, 7), lambda: C.initializer.he_normal(1, 1, 0, 7)),
    ],
)
def test_initialisers_of_the_bindings_are_those_of_python(of_bindings, arguments, of_python):
    given, expected = (
        C.parameter((3, 4), init=init).value
        for init in (getattr(cntk_py, of_bindings)(*arguments), of_python())
    )
    np.testing.assert_array_equal(given, expected)
    np.testing.assert_array_equal(
        C.parameter(2, cntk_py.constant_initializer(0.1)).value, np.float32([0.1, 0.1])
    )


def test_switches_of_the_bindings_are_taken_and_the_rest_is_told():
    for name in ("set_checked_mode", "enable_cpueval_optimization", "set_math_lib_trace_level"):
        assert getattr(cntk_py, name)(True) is None
    assert (cntk_py.number_of_workers(), cntk_py.worker_global_rank()) == (1, 0)
    assert cntk_py.DataType_Float == C.internal.sanitize_dtype_cntk("float32")
    with pytest.raises(AttributeError, match=r"cntk_py has no 'times': .* Operators are in cntk\.ops"):
        cntk_py.times(1, 2)


def test_threads_are_as_many_as_a_script_says(monkeypatch):
    from onnx_workbench.cntk import threads

    monkeypatch.setattr(threads._Most, "said", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert cntk_py.get_max_num_cputhreads() == program.threads_of_sessions() == 3
    cntk_py.set_max_num_cputhreads(2)
    assert cntk_py.get_max_num_cputhreads() == program.threads_of_sessions() == 2
    with pytest.raises(CntkValueError, match="a whole number from 1; got 0"):
        cntk_py.set_max_num_cputhreads(0)


def test_dtypes_are_those_that_cntk_takes():
    # What the real CNTK 2.7 makes of them.
    for given in (int, 1, np.dtype("int64"), "float", np.float32):
        assert C.input_variable(2, dtype=given).dtype is np.float32
    for given in (float, 2, "double"):
        assert C.parameter(2, dtype=given).dtype is np.float64
    for given in (np.int64, bool, 3, complex):
        with pytest.raises(CntkValueError, match="is not supported; CNTK has"):
            C.input_variable(2, dtype=given)


def test_views_of_arrays_are_copied_and_shared():
    view = C.NDArrayView.from_dense(np.arange(6, dtype=np.float32).reshape(2, 3))
    copy, same = view.deep_clone(read_only=True), view.alias()
    other = C.NDArrayView((2, 3), np.float32)
    other.copy_from(view)
    view.asarray()[0, 0] = 9
    assert (copy.asarray()[0, 0], same.asarray()[0, 0], other.asarray()[0, 0]) == (0, 9, 0)
    with pytest.raises(CntkRuntimeError, match="can only be read"):
        copy.copy_from(view)
    with pytest.raises(CntkValueError, match=r"the shape \(2, 3\); expected \(3, 2\)"):
        C.NDArrayView((3, 2), np.float32).copy_from(view)


def test_a_mask_tells_which_sequences_go_on():
    value = C.Value.create(C.sequence.input_variable(()), [[5.0, 6.0, 7.0], [8.0]], [True, False])
    np.testing.assert_array_equal(value.mask, [[2, 1, 1], [1, 0, 0]])


def test_devices_are_asked_by_their_class_too():
    device = C.DeviceDescriptor
    assert device.cpu_device() == device.use_default_device() == device.all_devices()[0]
    assert device.try_set_default_device(device.cpu_device())
    assert not device.try_set_default_device(device.gpu_device(0))
    assert not device.cpu_device().is_locked()
    assert device.set_excluded_devices([]) is None


def test_what_a_reader_is_told_is_a_dictionary(tmp_path):
    transforms = C.io.transforms
    steps = [
        transforms.crop(crop_type="randomside", side_ratio=(0.2, 0.5), jitter_type="uniratio"),
        transforms.scale(width=100, height=200, channels=3),
        transforms.mean("mean.xml"),
        transforms.color(0.1),
    ]
    streams = C.io.StreamDefs(
        f=C.io.StreamDef(field="image", transforms=steps), l=C.io.StreamDef(field="label", shape=7)
    )
    config = MinibatchSourceConfig([C.io.ImageDeserializer("map.txt", streams)], randomize=False)
    told = to_dictionary(config)
    (reader,) = told.pop("deserializers")
    assert told == {
        "multiThreadedDeserialization": True,
        "frameMode": False,
        "traceLevel": 1,
        "randomize": False,
    }
    assert reader["input"]["l"] == {"labelDim": 7}
    crop, scale, mean, color, _ = reader["input"]["f"]["transforms"]
    assert (crop["cropSize"], crop["sideRatio"], crop["aspectRatio"]) == ("0:0", "0.2:0.5", "1:1")
    assert (scale["width"], scale["interpolations"], mean["meanFile"]) == (100, "linear", "mean.xml")
    assert color["brightnessRadius"] == 0.1
    (tmp_path / "t.txt").write_text("|S 1 2\n")
    text = C.io.CTFDeserializer(tmp_path / "t.txt", C.io.StreamDefs(s=C.io.StreamDef("S", shape=2)))
    config = MinibatchSourceConfig().add_deserializer(text)
    config.is_multithreaded.set(True)
    config.truncation_length, config.trace_level = 5, C.logging.TraceLevel.Info
    told = to_dictionary(config)
    assert told["deserializers"][0]["input"]["s"]["dim"] == 2
    assert (told["randomizationWindow"], told["truncationLength"], told["traceLevel"]) == (128, 5, 2)
    config.is_frame_mode_enabled = True
    with pytest.raises(CntkRuntimeError, match="truncation and frame mode are mutually exclusive"):
        to_dictionary(config)
    with pytest.raises(CntkTypeError, match="takes a MinibatchSourceConfig; got a list"):
        to_dictionary([])


# Recorded from the real CNTK 2.7: the dimension, the groups, the probabilities of three labels, of the groups and of
# the labels of the second group for the first sample; parameters run from -1 to 1.
SOFTMAXES = [
    (10, 3, [0.0122608, 0.0333483, 0.1585581], [0.0700862, 0.222643, 0.7072709],
     [0.038949, 0.0484506, 0.0602702, 0.0749732]),
    (10, None, [0.014364, 0.0338337, 0.1572535], [0.0544591, 0.1189143, 0.2596555, 0.566971],
     [0.0313645, 0.0390159, 0.0485339]),
    (7, 3, [0.0168198, 0.0339083, 0.1487201], [0.0700862, 0.222643, 0.7072709], [0.0534315, 0.0720514, 0.0971601]),
]  # fmt: skip


@pytest.mark.parametrize(("size", "groups", "labels", "of_groups", "of_second"), SOFTMAXES)
def test_a_hierarchical_softmax_gives_the_probabilities_that_cntk_gives(
    size, groups, labels, of_groups, of_second
):
    x, index = C.input_variable(4), C.input_variable(1)
    label, group, within = C.hierarchical_softmax_layer(x, index, size, groups)
    for one in label.parameters:
        one.value = np.linspace(-1, 1, one.value.size).reshape(one.shape).astype(np.float32)
    data = {
        x: np.arange(12, dtype=np.float32).reshape(3, 4) / 7,
        index: np.float32([[0], [size // 2], [size - 1]]),
    }
    np.testing.assert_allclose(label.eval(data).reshape(-1), labels, atol=1e-6)
    np.testing.assert_allclose(group.eval({x: data[x]})[0], of_groups, atol=1e-6)
    np.testing.assert_allclose(within[1].eval({x: data[x]})[0], of_second, atol=1e-6)
    assert [one.name for one in label.parameters] == [
        f"hsoftmax_{name}" for name in ("b2s", "w2s", "b1", "w1")
    ]  # as the real one
    with pytest.raises(CntkValueError, match="takes a vector and how many labels there are"):
        C.hierarchical_softmax_layer(C.input_variable((2, 2)), index, size)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda x: C.crop_automatic(x, x), "crop_automatic is not supported: .*crop_manual"),
        (
            lambda x: C.crop_automatic_with_ancestors(x, x, x, x),
            "crop_automatic_with_ancestors .*crop_manual",
        ),
        (
            lambda x: C.custom_proxy_op("times", (1,), np.float32, x),
            r"custom_proxy_op\('times'\) .*UserFunction",
        ),
        (lambda x: C.ops.native_user_function("op", [x]), r"native_user_function\('op'\) .*UserFunction"),
        (lambda _: C.ops.register_native_user_function("op", "lib", "make"), "such as those of 'lib'"),
        (lambda x: C.losses.lattice_sequence_with_softmax(x, x, x, x, "", "", "", ""), "forward_backward"),
        (lambda _: C.sample_installer.install_samples(), "the server that had CNTK's samples is gone"),
    ],
)
def test_what_is_not_here_says_what_to_do(call, told):
    with pytest.raises(UnsupportedOperatorError, match=told):
        call(C.input_variable(2))


def test_the_profiler_says_where_the_real_one_is():
    from onnx_workbench.cntk.debugging import profiler

    with pytest.warns(WorkbenchWarning, match=r"nothing is written to 'logs'.*onnx_workbench.profile"):
        profiler.start_profiler("logs")
    for switch in (profiler.enable_profiler, profiler.disable_profiler, profiler.stop_profiler):
        assert switch() is None
    assert C.debugging.set_node_timing(True) is None
