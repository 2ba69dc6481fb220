"""Summary: what it counts, what it shows, and that it never reads a weight."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import TensorProto, helper
from tiny_models import convnet, dense, model

import onnx_workbench as ow
from onnx_workbench.core.errors import InputError
from onnx_workbench.core.payloads import Payloads

GOLDEN = """\
convnet
file            ModelProto
input           image: float32 (N, 3, 8, 8)
output          logits: float32 (N, 4)
nodes           5
parameters      512
MACs            27.7 k at N=1
weights         2 KiB
values at peak  8 KiB
memory to run   about 8.01 MiB: 8.01 MiB to load, 5.69 KiB to run once
memory as proto  about 4.48 KiB
opset           ai.onnx 20; IR version 10
written by      (not said)
labels          (not in the file)
preprocessing   (not in the file)

operator           nodes
-----------------  -----
Conv                   1
Relu                   1
GlobalAveragePool      1
Flatten                1
Gemm                   1

All nodes
operator           first output  shape          parameters    MACs
-----------------  ------------  -------------  ----------  ------
Conv               c             (1, 16, 8, 8)         448  27.6 k
Relu               r             (1, 16, 8, 8)
GlobalAveragePool  p             (1, 16, 1, 1)
Flatten            f             (1, 16)
Gemm               logits        (1, 4)                 64      64

Largest tensors
tensor  kind    dtype    shape             size
------  ------  -------  -------------  --------
c       value   float32  (1, 16, 8, 8)    4 KiB
r       value   float32  (1, 16, 8, 8)    4 KiB
kernel  weight  float32  (16, 3, 3, 3)  1.69 KiB
image   value   float32  (1, 3, 8, 8)     768 B
matrix  weight  float32  (16, 4)          256 B
bias    weight  float32  (16,)             64 B
p       value   float32  (1, 16, 1, 1)     64 B
f       value   float32  (1, 16)           64 B
"""


def test_the_text_is_as_it_was_agreed():
    ours = [line.split() for line in str(ow.summarize(convnet())).splitlines()]
    assert ours == [line.split() for line in GOLDEN.splitlines()]


def test_columns_are_aligned():
    lines = str(ow.summarize(convnet())).splitlines()
    table = lines[lines.index("All nodes") + 1 :][:7]
    assert len({line.index("(") for line in table[2:]}) == 1


@pytest.mark.parametrize("proto", [convnet(), dense()], ids=["convnet", "dense"])
def test_the_sums_are_the_sums_of_the_parts(proto):
    summary = ow.summarize(proto)
    assert summary.macs == sum(node.macs or 0 for node in summary.nodes)
    assert summary.parameters == sum(node.parameters for node in summary.nodes)  # none is used twice here
    assert summary.weights_bytes == sum(t.size_bytes for t in summary.tensors if t.kind == "weight")
    assert sum(summary.operators.values()) == len(summary.nodes)
    assert summary.peak_bytes <= sum(t.size_bytes for t in summary.tensors if t.kind == "value")


def test_no_weight_is_read(tmp_path, monkeypatch):
    path = ow.open_model(convnet()).save(tmp_path / "m.onnx", external_data=True)

    def forbidden(*_arguments):
        raise AssertionError("a weight was read")

    expected = ow.summarize(convnet())
    opened = ow.open_model(path)
    for name in ("content", "array", "pieces", "fill"):
        monkeypatch.setattr(Payloads, name, forbidden)
    summary = ow.summarize(opened)
    assert (summary.parameters, summary.macs) == (expected.parameters, expected.macs)
    assert str(summary)
    assert summary._repr_html_()


@pytest.mark.parametrize("given", [None, {}, {"N": 1}])
def test_a_symbolic_batch_is_one_unless_given(given):
    assert ow.summarize(convnet(), dimensions=given).dimensions == {"N": 1}


def test_dimensions_scale_the_values_and_leave_the_weights():
    one, four = ow.summarize(convnet()), ow.summarize(convnet(), dimensions={"N": np.int64(4)})
    assert four.macs == 4 * one.macs
    assert four.peak_bytes == 4 * one.peak_bytes
    assert four.weights_bytes == one.weights_bytes
    assert "at N=4" in str(four)


@pytest.mark.parametrize(
    ("dimensions", "says"),
    [
        ({"M": 3}, r"No input has a dimension M; symbolic are: N\."),
        ({7: 3}, "No input has a dimension 7"),
        ({"N": 0}, "takes a whole number from 1; got 0"),
        ({"N": -2}, "takes a whole number from 1; got -2"),
        ({"N": 10**20}, "takes a whole number from 1; got 10{20}"),
        ({"N": 2.5}, r"takes a whole number from 1; got 2\.5"),
        ({"N": "4"}, "takes a whole number from 1; got '4'"),
        ({"N": True}, "takes a whole number from 1; got True"),
    ],
)
def test_dimensions_that_cannot_be_are_refused(dimensions, says):
    with pytest.raises(InputError, match=says):
        ow.summarize(convnet(), dimensions=dimensions)


def test_shapes_that_are_not_known_are_told_with_the_remedy():
    proto = model("g (float[N,3,H,W] x) => (float[N,3,H,W] y) { y = Relu(x) }")
    summary = ow.summarize(proto)
    assert summary.unknown_shapes == 2
    assert "2 values of unknown shape left out; give dimensions={'H': ..., 'W': ...}" in str(summary)
    assert ow.summarize(proto, dimensions={"H": 4, "W": 5}).peak_bytes == 2 * 3 * 4 * 5 * 4


def test_the_peak_frees_what_nobody_reads_again():
    chain = model("g (float[100] x) => (float[100] y) { a = Neg(x)  b = Neg(a)  c = Neg(b)  y = Neg(c) }")
    assert ow.summarize(chain).peak_bytes == 2 * 400
    kept = model("g (float[100] x) => (float[100] y) { a = Neg(x)  b = Neg(a)  c = Neg(b)  y = Add(c, a) }")
    assert ow.summarize(kept).peak_bytes == 3 * 400


def test_the_peak_keeps_outputs_to_the_end():
    early = model(
        "g (float[100] x) => (float[100] a, float[100] y) { a = Neg(x)  b = Neg(x)  c = Neg(b)  y = Neg(c) }"
    )
    assert ow.summarize(early).peak_bytes == 3 * 400


def test_shapes_and_indices_are_no_parameters():
    proto = model(
        "g (float[N,4] x) => (float[A,B] y) { r = Reshape(x, s)  y = Add(r, b) }",
        s=np.array([-1, 2], np.int64),
        b=np.ones(2, np.float32),
    )
    assert ow.summarize(proto).parameters == 2
    assert ", 2 parameters, " in str(ow.open_model(proto))


def test_weights_in_constant_nodes_count():
    proto = model(
        """g (float[N,2] x) => (float[N,3] y) {
            w = Constant<value = float[2,3] {1, 2, 3, 4, 5, 6}>()
            y = MatMul(x, w)
        }"""
    )
    summary = ow.summarize(proto)
    assert (summary.parameters, summary.macs, summary.weights_bytes) == (6, 6, 24)


@pytest.mark.parametrize(
    "dtype", ["INT4", "UINT4", "FLOAT8E4M3FN", "BFLOAT16", "FLOAT4E2M1", "STRING", "COMPLEX64"]
)
def test_every_dtype_can_be_summed_up(dtype):
    proto = convnet()
    data_type = getattr(TensorProto, dtype)
    words = [b"w"] * 5 if dtype == "STRING" else [1] * 5
    proto.graph.initializer.append(helper.make_tensor("extra", data_type, [5], words))
    proto.graph.value_info.append(helper.make_tensor_value_info("r", data_type, [1, 5]))
    summary = ow.summarize(proto)
    assert "extra" in {tensor.name for tensor in summary.tensors}
    json.dumps(summary.to_dict())


def test_sequences_maps_and_optionals_are_values_of_unknown_size():
    proto = model(
        "g (seq(float[N]) x, optional(float[N]) o) => (float[M] y) { y = ConcatFromSequence<axis=0>(x) }"
    )
    output = proto.graph.output.add(name="m")
    output.type.map_type.key_type = TensorProto.INT64
    output.type.map_type.value_type.tensor_type.elem_type = TensorProto.FLOAT
    summary = ow.summarize(proto)
    assert [value.dtype for value in summary.inputs] == ["sequence(float32)", "optional(float32)"]
    assert summary.outputs[1].dtype == "map(int64, float32)"
    assert summary.unknown_shapes >= 3


def test_a_dictionary_for_programs(tmp_path):
    path = ow.open_model(convnet()).with_metadata(labels=list("abcd")).save(tmp_path / "m.onnx")
    found = json.loads(json.dumps(ow.summarize(path).to_dict()))
    assert found["macs"] == 16 * 27 * 64 + 64
    assert found["labels"] == list("abcd")
    assert found["inputs"] == [{"name": "image", "dtype": "float32", "shape": ["N", 3, 8, 8]}]
    assert found["source"] == "ONNX file m.onnx"


def test_large_graphs_show_their_heaviest_nodes_in_order():
    body = "  ".join(f"v{i + 1} = Neg(v{i})" for i in range(40))
    proto = model(
        f"g (float[16] v0) => (float[8] y) {{ {body}  y = MatMul(v40, w) }}", w=np.ones((16, 8), np.float32)
    )
    text = str(ow.summarize(proto))
    assert "The 12 heaviest of 41 nodes, in order" in text
    assert "128" in text
    assert len(text.splitlines()) < 60


def test_a_model_of_no_nodes_and_one_of_no_inputs_are_summed_up():
    empty = model("g (float[N] x) => (float[N] x) { }")
    assert ow.summarize(empty).macs == 0
    assert str(ow.summarize(empty))
    assert str(ow.summarize(model("g () => (float[1] y) { y = Constant<value = float[1] {1}>() }")))


def test_an_input_that_is_an_output_keeps_its_shape():
    summary = ow.summarize(model("g (float[N,3] x) => (float[N,3] x) { }"))
    assert (summary.unknown_shapes, [t.shape for t in summary.tensors]) == (0, [(1, 3)])


def test_every_step_of_the_preprocessing_is_shown_in_a_line_of_its_own():
    steps = ow.Preprocessing(size=(8, 8), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    summary = ow.summarize(ow.open_model(convnet()).with_metadata(preprocessing=steps))
    shown = str(summary).splitlines()
    first = next(index for index, line in enumerate(shown) if line.startswith("preprocessing"))
    assert [line.strip() for line in shown[first + 1 : first + 6]] == [*steps.steps[2:7]]
    assert "\u2026" not in str(summary)


def test_labels_that_cannot_be_understood_are_said_and_hide_nothing_else():
    proto = convnet()
    proto.metadata_props.add(key="onnx_workbench.labels", value="{stop")
    summary = ow.summarize(proto)
    assert summary.labels is None
    assert "(not understood: The model's metadata entry 'onnx_workbench.labels'" in str(summary)
    assert summary.parameters == 512
