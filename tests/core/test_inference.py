"""Shape inference of hostile sizes in bounded memory, and of sound ones as ONNX does it."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from model_mutations import sound_models
from tiny_models import model

import onnx_workbench as ow
from onnx_workbench.core.inference import inferred_graph
from onnx_workbench.core.memory import private_bytes
from onnx_workbench.core.value_sizes import sized_values

HUGE = "1099511627776"
BOMBS = {
    "declared output": f"""g (float[N,3,8] x) => (float[A,B] y, int64[{HUGE}] s) {{
        s = Shape(x) i = Constant<value = int64[1] {{0}}>() n = Gather(s, i)
        m = Constant<value = int64[1] {{-1}}>() to = Concat<axis = 0>(n, m) y = Reshape(x, to)
    }}""",
    "input as a shape": f"g (int64[{HUGE}] x) => (float[A,B] y) {{ y = ConstantOfShape(x) }}",
    "a few gigabytes only": "g (int64[90000000] x) => (float[A,B] y) { y = ConstantOfShape(x) }",
    "within a branch": f"""g (bool flag) => (float[A,B] y) {{
        y = If (flag) <then_branch = t () => (float[A] a) {{ s = Cast<to = 7>(z) a = ConstantOfShape(s) }},
                       else_branch = e () => (float[B] b) <int64[{HUGE}] s> {{ b = ConstantOfShape(s) }}>
    }}""",
    "reshaped": """g (float[30000,3000] x) => (int64[K] y) {
        m = Constant<value = int64[1] {-1}>() v = Reshape(x, m) w = Cast<to = 7>(v) y = Add(w, w)
    }""",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_vector_is_not_taken_for_a_shape_of_that_many_dimensions(name):
    opened = ow.open_model(model(BOMBS[name]))
    before = private_bytes(os.getpid())
    str(ow.summarize(opened))
    ow.view(opened).svg()
    assert private_bytes(os.getpid()) - before < 100 << 20


def test_a_weight_that_claims_to_be_huge_is_no_shape_either():
    proto = model("g (float[N,3] x) => (float[A,B] y) { y = Expand(x, i) z = Add(i, i) }")
    proto.graph.initializer.add(name="i", data_type=7, dims=[int(HUGE)])
    str(ow.summarize(proto))


def test_long_vectors_keep_their_sizes():
    opened = ow.open_model(model("g (float[N] x) => (float[N] c) { a = Relu(x) b = Exp(a) c = Add(a, b) }"))
    before = private_bytes(os.getpid())
    values = sized_values(opened, {"x": (10_000_000,)})
    assert [values[name].shape for name in "xabc"] == [(10_000_000,)] * 4
    assert private_bytes(os.getpid()) - before < 100 << 20


def test_long_weights_keep_their_sizes():
    weights = np.ones(100_000, np.float32)
    opened = ow.open_model(model("g (float[N,100000] x) => (float[N,100000] y) { y = Add(x, w) }", w=weights))
    assert opened.values["y"].shape == ("N", 100_000)
    assert opened.values["w"].shape == (100_000,)


@pytest.mark.parametrize("name", sound_models())
def test_sound_models_are_inferred_as_onnx_does_it(name):
    proto = onnx.load_from_string(sound_models()[name])
    expected = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    assert inferred_graph(proto) == expected
