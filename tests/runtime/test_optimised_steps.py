"""The kernels that onnxruntime really runs, one by one: they give what its session gives, under the file's names."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from tiny_models import convnet, model, random_weights

import onnx_workbench as ow
from onnx_workbench.core.errors import RunError
from onnx_workbench.runtime import optimised_steps
from onnx_workbench.runtime.isolation import Limits
from onnx_workbench.runtime.onnx_steps import OnnxSteps
from onnx_workbench.runtime.optimised_steps import OptimisedSteps
from onnx_workbench.runtime.pieces import PiecesHere
from onnx_workbench.runtime.steps import run_all

PICTURES = random_weights(2, 3, 8, 8, seed=5)


def folded() -> onnx.ModelProto:
    """Convolutions with batch normalisation, a residual sum and pooling: what is laid out in blocks of channels."""
    return model(
        """folded (float[N,3,8,8] image) => (float[N,5] logits) {
            c1 = Conv<pads=[1,1,1,1]>(image, k1)
            n1 = BatchNormalization(c1, scale, shift, mean, var)
            r1 = Relu(n1)
            p1 = MaxPool<kernel_shape=[2,2], strides=[2,2]>(r1)
            c2 = Conv<pads=[1,1,1,1]>(p1, k2)
            s2 = Add(c2, p1)
            r2 = Relu(s2)
            g = GlobalAveragePool(r2)
            f = Flatten(g)
            logits = MatMul(f, matrix)
        }""",
        k1=random_weights(16, 3, 3, 3),
        k2=random_weights(16, 16, 3, 3, seed=1),
        scale=random_weights(16, seed=2) + 2,
        shift=random_weights(16, seed=3),
        mean=random_weights(16, seed=4),
        var=random_weights(16, seed=5) ** 2 + 1,
        matrix=random_weights(16, 5, seed=6),
    )


def transformer() -> onnx.ModelProto:
    """Attention, normalisation and GELU from their parts: what is fused."""
    return model(
        """block (float[2,6,32] x) => (float[2,6,32] y) {
            q = MatMul(x, wq)
            k = MatMul(x, wk)
            t = Transpose<perm=[0,2,1]>(k)
            scores = MatMul(q, t)
            weights = Softmax(scores)
            mixed = MatMul(weights, x)
            added = Add(x, mixed)
            last = Constant<value_ints = [-1]>()
            mean = ReduceMean(added, last)
            centred = Sub(added, mean)
            two = Constant<value = float {2.0}>()
            squares = Pow(centred, two)
            variance = ReduceMean(squares, last)
            small = Constant<value = float {0.00001}>()
            safe = Add(variance, small)
            deviation = Sqrt(safe)
            scaled = Div(centred, deviation)
            gained = Mul(scaled, gain)
            normal = Add(gained, bias)
            h = MatMul(normal, w1)
            hb = Add(h, b1)
            root = Constant<value = float {1.4142135}>()
            z = Div(hb, root)
            e = Erf(z)
            one = Constant<value = float {1.0}>()
            e1 = Add(e, one)
            p = Mul(hb, e1)
            half = Constant<value = float {0.5}>()
            gelu = Mul(p, half)
            o = MatMul(gelu, w2)
            y = Add(o, added)
        }""",
        wq=random_weights(32, 32) / 6,
        wk=random_weights(32, 32, seed=1) / 6,
        w1=random_weights(32, 64, seed=2) / 6,
        w2=random_weights(64, 32, seed=3) / 8,
        b1=random_weights(64, seed=4),
        gain=random_weights(32, seed=5) + 2,
        bias=random_weights(32, seed=6),
    )


def quantised() -> onnx.ModelProto:
    """A convolution between quantisation steps, in the form that quantisers write."""
    kernel = np.clip(random_weights(8, 3, 3, 3) * 50, -127, 127).astype(np.int8)
    return model(
        """quantised (float[2,3,8,8] image) => (float[2,8,8,8] y) {
            qi = QuantizeLinear(image, s, z)
            di = DequantizeLinear(qi, s, z)
            dk = DequantizeLinear(kernel, sk, zk)
            c = Conv<pads=[1,1,1,1]>(di, dk)
            qc = QuantizeLinear(c, so, z)
            y = DequantizeLinear(qc, so, z)
        }""",
        kernel=kernel,
        s=np.float32(0.03),
        sk=np.float32(0.02),
        so=np.float32(0.1),
        z=np.uint8(128),
        zk=np.int8(0),
    )


SENTENCES = random_weights(2, 6, 32, seed=9)
CASES = {
    "folded": (folded, PICTURES),
    "transformer": (transformer, SENTENCES),
    "quantised": (quantised, PICTURES),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("level", ["all", "extended", "basic"])
def test_kernels_one_by_one_give_what_the_session_gives(name, level):
    make, array = CASES[name]
    run = OptimisedSteps(ow.open_model(make()), level=level)
    (given,) = run.input_names
    values = {}
    for _, written in run_all(run, {given: array}):
        values |= written
    session = onnxruntime.InferenceSession(make().SerializeToString(), providers=["CPUExecutionProvider"])
    for output in session.get_outputs():
        expected = session.run([output.name], {given: array})[0]
        np.testing.assert_allclose(values[output.name], expected, rtol=1e-4, atol=1e-5)
    assert level == "basic" or len(run.steps) < len(OnnxSteps(ow.open_model(make())).steps)


def test_values_in_blocks_of_channels_are_there_as_the_file_has_them():
    plain, optimised = (
        OnnxSteps(ow.open_model(folded())),
        OptimisedSteps(ow.open_model(folded()), level="all"),
    )
    values = {name: array for _, w in run_all(plain, {"image": PICTURES}) for name, array in w.items()}
    found = {name: array for _, w in run_all(optimised, {"image": PICTURES}) for name, array in w.items()}
    shared = found.keys() & values.keys()
    assert {"r1", "p1", "r2", "logits"} <= shared
    for name in shared:
        np.testing.assert_allclose(found[name], values[name], rtol=1e-3, atol=1e-4)
    # BatchNormalization and Relu have gone into the convolution, and the step says so
    kernel = next(step for step in optimised.steps if "r1" in step.outputs)
    assert all(word in kernel.operator for word in ("Conv", "BatchNormalization", "Relu"))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("level", ["all", "extended", "basic", "none"])
def test_what_is_optimised_well_raises_no_alarm(name, level):
    make, array = CASES[name]
    opened = ow.open_model(make())
    found = ow.compare(ow.Session(opened, optimisation=level), opened, array)
    assert found, str(found)
    assert any(value.twin == value.name for value in found.values)


@pytest.mark.parametrize(
    ("name", "weight_of", "blamed"), [("folded", "Conv", "r1"), ("transformer", "MatMul", "q")]
)
def test_a_kernel_that_the_optimiser_spoilt_is_blamed_alone(name, weight_of, blamed, monkeypatch):
    make, array = CASES[name]
    write = optimised_steps.write_optimised

    def spoilt(*arguments, **options):
        path = write(*arguments, **options)
        proto = onnx.load(path)
        candidates = [node for node in proto.graph.node if weight_of in node.op_type]
        reads = next((node for node in candidates if blamed in node.output), candidates[0]).input
        tensor = next(tensor for tensor in proto.graph.initializer if tensor.name in reads)
        tensor.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.02), tensor.name)
        )
        onnx.save(proto, path)
        return path

    monkeypatch.setattr(optimised_steps, "write_optimised", spoilt)
    opened = ow.open_model(make())
    found = ow.compare(ow.Session(opened), opened, array)
    assert [blame.key for blame in found.blamed] == [blamed], str(found)
    assert weight_of in found.blamed[0].op_type


def test_the_temporary_weights_go_with_the_steps(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = OptimisedSteps(ow.open_model(convnet()), level="all")
    assert list(tmp_path.glob("*/optimised.onnx"))
    del run
    assert not list(tmp_path.iterdir())


def test_a_session_knows_how_far_it_is_optimised_and_refuses_what_does_not_go_together():
    assert ow.Session(convnet()).optimisation == "all"
    assert ow.Session(convnet(), low_memory=True).optimisation == "none"
    assert ow.Session(convnet(), backend="reference").optimisation == "none"
    assert ow.Session(convnet(), optimisation="basic", isolated=True).optimisation == "basic"
    with pytest.raises(RunError, match="possible are 'none', 'basic', 'extended', 'all'"):
        ow.Session(convnet(), optimisation="O3")
    with pytest.raises(RunError, match="leave one out"):
        ow.Session(convnet(), optimisation="all", low_memory=True)


@pytest.mark.parametrize("level", ["all", "none"])
def test_an_isolated_session_is_compared_in_its_child(level, monkeypatch):
    opened = ow.open_model(folded())
    session = ow.Session(opened, optimisation=level, isolated=True)
    here = []
    compute = PiecesHere.run
    monkeypatch.setattr(PiecesHere, "run", lambda self, *a: here.append(a) or compute(self, *a))
    found = ow.compare(session, opened, PICTURES, carried=False)
    assert found, str(found)
    assert len(here) == len(opened.nodes)  # the other side alone


def test_a_kernel_that_takes_its_child_with_it_is_blamed_and_the_others_are_compared():
    slow = model(
        """slow (float[3] x) => (float[3] y, float[3] z) {
            y = Loop(many, yes, x) <body = body (int64 i, bool go, float[3] a) => (bool on, float[3] b) {
                on = Identity(go)
                b = Neg(a)
            }>
            z = Neg(x)
        }""",
        many=np.int64(9_000_000_000_000),
        yes=np.bool_(True),
    )
    quick = model("quick (float[3] x) => (float[3] y, float[3] z) { y = Neg(x)\nz = Neg(x) }")
    session = ow.Session(slow, optimisation="none", isolated=Limits(time_s=3))
    found = ow.compare(session, quick, np.ones(3, np.float32), carried=False)
    assert [blame.key for blame in found.blamed] == ["y"]
    assert "3 s" in found.blamed[0].why
    assert next(value for value in found.values if value.name == "z").own_error == 0
