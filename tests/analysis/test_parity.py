"""Parity: what passes, what does not, and that the error names the first value that differs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from onnx import ModelProto, numpy_helper
from tiny_models import convnet, model
from torch import nn

import onnx_workbench as ow
from onnx_workbench.core.errors import InputError, ParityError

X = np.random.default_rng(0).random((3, 3, 8, 8), np.float32)


class Twin(nn.Module):
    """The convnet of tiny_models, in PyTorch."""

    def __init__(self):
        super().__init__()
        weights = {
            tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in convnet().graph.initializer
        }
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.conv.weight.data, self.conv.bias.data = weights["kernel"], weights["bias"]
        self.linear = nn.Linear(16, 4, bias=False)
        self.linear.weight.data = weights["matrix"].T
        self.dropout = nn.Dropout(0.5)

    def forward(self, image):
        return self.linear(self.dropout(self.conv(image).relu().mean((2, 3))))


def shifted(amount: float, at: int = 3) -> ModelProto:
    """Return convnet with one number of its last weight changed."""
    proto = convnet()
    matrix = numpy_helper.to_array(proto.graph.initializer[2]).copy()
    matrix[:, at] += amount
    proto.graph.initializer[2].CopyFrom(numpy_helper.from_array(matrix, "matrix"))
    return proto


@pytest.mark.parametrize("training", [True, False])
def test_a_model_agrees_with_its_live_twin_at_three_batch_sizes(training):
    twin = Twin().train(training)
    parity = ow.check_parity(convnet(), twin, X)
    assert parity
    assert [output.batch_size for output in parity.outputs] == [3, 1, 4]
    assert parity.largest_difference < 1e-4
    assert all(part.training == training for part in twin.modules())
    assert "Outputs agree at batch sizes 1, 3, 4 (rtol 0.001, atol 1e-05)." in str(parity)


def test_the_order_of_the_sides_does_not_matter_for_agreement():
    assert ow.check_parity(Twin(), convnet(), X)
    assert ow.check_parity(ow.Session(convnet(), backend="reference"), ow.Session(convnet()), X)


def test_a_difference_is_named_with_its_place_and_the_tolerance_that_would_pass():
    with pytest.raises(
        ParityError,
        match=r"Output 'logits' at batch size 3: the first value that differs is at \(0, 3\): actual .*, expected .*"
        r"3 of 12 differ; the largest difference is .* at \(\d, 3\)\. It would pass with atol=",
    ) as caught:
        ow.check_parity(shifted(0.5), convnet(), X)
    needed = float(str(caught.value).rsplit("atol=", 1)[1].rstrip("."))
    assert ow.check_parity(shifted(0.5), convnet(), X[:3], atol=needed * 1.1, batch_sizes=[3])
    assert isinstance(caught.value, AssertionError)


@pytest.mark.parametrize(("rtol", "atol"), [(1e-3, 1e-5), (0, 1e-3), (1e-2, 0), (0.5, 0)])
@pytest.mark.parametrize("amount", [0, 1e-5, 1e-3, 1e-1])
def test_the_verdict_is_numpys(rtol, atol, amount):
    actual, expected = (ow.run(proto, X)["logits"] for proto in (shifted(amount), convnet()))
    verdict = np.allclose(actual, expected, rtol=rtol, atol=atol)
    if verdict:
        assert ow.check_parity(shifted(amount), convnet(), X, rtol=rtol, atol=atol, batch_sizes=[3])
    else:
        with pytest.raises(ParityError, match="the first value that differs"):
            ow.check_parity(shifted(amount), convnet(), X, rtol=rtol, atol=atol, batch_sizes=[3])


def adding(value: float):
    return model("g (float[N,2] x) => (float[N,2] y) { y = Add(x, k) }", k=np.float32(value))


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("side", ["actual", "expected", "both"])
def test_nan_and_infinity_never_agree(value, side):
    bad, good = adding(float(value)), adding(0)
    x = np.ones((2, 2), np.float32)
    actual, expected = (bad if side in {"actual", "both"} else good), (bad if side != "actual" else good)
    named = "expected" if side == "expected" else "actual"
    with pytest.raises(
        ParityError, match=rf"{named} holds {value} at \(0, 0\); 4 of 4 elements are not finite"
    ):
        ow.check_parity(actual, expected, x)


@pytest.mark.parametrize(
    ("actual", "expected", "says"),
    [
        ("y = Flatten<axis=0>(x)", "y = Identity(x)", r"its shape is \(1, 4\), and \(2, 2\) was expected"),
        ("y = Cast<to=11>(x)", "y = Identity(x)", "its dtype is float64, and float32 was expected"),
    ],
)
def test_shape_and_dtype_must_be_the_same(actual, expected, says):
    sides = [model(f"g (float[2,2] x) => (y) {{ {text} }}") for text in (actual, expected)]
    for side in sides:
        side.graph.output[0].ClearField("type")
    sides[0].graph.output[0].type.tensor_type.elem_type = 11 if "Cast" in actual else 1
    sides[1].graph.output[0].type.tensor_type.elem_type = 1
    with pytest.raises(ParityError, match=says):
        ow.check_parity(*sides, np.ones((2, 2), np.float32))


def test_different_numbers_of_outputs_cannot_be_paired():
    two = model("g (float[N] x) => (float[N] y, float[N] z) { y = Neg(x)  z = Abs(x) }")
    one = model("g (float[N] x) => (float[N] y) { y = Neg(x) }")
    with pytest.raises(ParityError, match=r"actual has 2 output\(s\) \(y, z\), expected has 1 \(y\)"):
        ow.check_parity(two, one, np.ones(2, np.float32))


def test_outputs_are_paired_by_name_or_else_by_order():
    first = model("g (float[N] x) => (float[N] a, float[N] b) { a = Neg(x)  b = Exp(x) }")
    turned = model("g (float[N] x) => (float[N] b, float[N] a) { a = Neg(x)  b = Exp(x) }")
    renamed = model("g (float[N] x) => (float[N] p, float[N] q) { p = Neg(x)  q = Exp(x) }")
    x = np.ones(2, np.float32)
    assert ow.check_parity(first, turned, x)
    assert ow.check_parity(first, renamed, x)
    with pytest.raises(ParityError, match="Output 'b'"):
        ow.check_parity(turned, renamed, x)


def test_several_inputs_in_order_or_by_name():
    minus = model("g (float[N,2] a, float[N,2] b) => (float[N,2] y) { y = Sub(a, b) }")

    class Minus(nn.Module):
        def forward(self, a, b):
            return a - b

    a, b = np.float32([[1, 2]]), np.float32([[5, 7]])
    for inputs in ([a, b], (a, b), {"a": a, "b": b}, {"b": b, "a": a}, [torch.tensor(a), b]):
        assert ow.check_parity(minus, Minus(), inputs)
    with pytest.raises(
        InputError, match=r"inputs has \['a', 'c'\], and the inputs of `actual` are \['a', 'b'\]"
    ):
        ow.check_parity(minus, Minus(), {"a": a, "c": b})


def test_a_module_that_takes_any_number_of_inputs():
    class Total(nn.Module):
        def forward(self, *parts):
            return sum(parts)

    plus = model("g (float[N] a, float[N] b) => (float[N] y) { y = Add(a, b) }")
    assert ow.check_parity(plus, Total(), [np.ones(3, np.float32)] * 2)


def test_batch_sizes_can_be_chosen():
    parity = ow.check_parity(convnet(), Twin(), X, batch_sizes=[2, 7])
    assert [(output.batch_size, output.shape) for output in parity.outputs] == [(2, (2, 4)), (7, (7, 4))]
    with pytest.raises(InputError, match="no items to repeat"):
        ow.check_parity(convnet(), Twin(), X[:0], batch_sizes=[2])


def test_a_fixed_batch_is_noted():
    parity = ow.check_parity(convnet(batch="3"), convnet(), X)
    assert [output.batch_size for output in parity.outputs] == [3]
    assert "does not say that its batch size can change, so that no other was tried" in str(parity)


def test_a_batch_without_a_name_is_tried_at_other_sizes_where_one_input_has_one():
    nameless = model("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }")
    nameless.graph.input[0].type.tensor_type.shape.dim[0].Clear()
    parity = ow.check_parity(nameless, nameless, np.ones((2, 4), np.float32))
    assert [output.batch_size for output in parity.outputs] == [2, 1, 3]
    unsaid = model("g (float[N,4] x) => (float[N,4] y) { y = Relu(x) }")
    unsaid.graph.input[0].type.tensor_type.ClearField("shape")
    parity = ow.check_parity(unsaid, unsaid, np.ones((2, 4), np.float32))
    assert [output.batch_size for output in parity.outputs] == [2]
    assert "does not say that its batch size can change" in str(parity)


def test_sequences_go_in_as_they_are():
    joined = model("g (seq(float[M]) s) => (float[N] y) { y = ConcatFromSequence<axis=0>(s) }")
    parts = [np.ones(2, np.float32), np.zeros(1, np.float32)]
    for inputs in ({"s": parts}, [parts]):
        parity = ow.check_parity(joined, ow.Session(joined, backend="reference"), inputs)
        assert [output.shape for output in parity.outputs] == [(3,)]


def test_a_batch_that_is_dynamic_by_name_only_is_found_out():
    """Exporters that leave the example's size in a Reshape give files that run with that size alone."""
    frozen = model("g (float[N,4] x) => (float[N,2,2] y) { y = Reshape(x, s) }", s=np.array([3, 2, 2]))
    free = model("g (float[N,4] x) => (float[N,2,2] y) { y = Reshape(x, s) }", s=np.array([-1, 2, 2]))
    x = np.ones((3, 4), np.float32)
    with pytest.raises(ParityError, match=r"(?s)actual fails at batch size 1\..*dynamic by name only"):
        ow.check_parity(frozen, free, x)
    assert ow.check_parity(frozen, free, x, batch_sizes=[3])


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint8", "float16", "double"])
def test_every_dtype_is_compared(dtype):
    cast = f"g (float[N] x) => ({dtype}[N] y) {{{{ z = {{}}(x, one)  y = Cast<to={_number(dtype)}>(z) }}}}"
    yes, no = (model(cast.format(operator), one=np.float32(1)) for operator in ("Mul", "Sub"))
    x = np.ones(3, np.float32)
    assert ow.check_parity(yes, yes, x)
    with pytest.raises(ParityError, match=r"differs is at \(0,\): actual 1, expected 0"):
        ow.check_parity(yes, no, x)


def _number(dtype: str) -> int:
    return {"bool": 9, "int64": 7, "uint8": 2, "float16": 10, "double": 11}[dtype]


def test_strings_sequences_and_complex_numbers_are_compared():
    strings = model("g (string[N] x) => (string[N] y) { y = Identity(x) }")
    doubled = model("g (string[N] x) => (string[N] y) { y = StringConcat(x, x) }")
    assert ow.check_parity(strings, strings, np.array(["a"]))
    with pytest.raises(ParityError, match="its contents differ"):
        ow.check_parity(strings, doubled, np.array(["a"]))
    split = model("g (float[2] x) => (seq(float[M]) y) { y = SplitToSequence<axis=0>(x) }")
    parity = ow.check_parity(split, split, np.ones(2, np.float32))
    assert [output.output for output in parity.outputs] == ["y[0]", "y[1]"]

    class Spectrum(nn.Module):
        def __init__(self, error):
            super().__init__()
            self.error = error

        def forward(self, x):
            return torch.fft.fft(x) + self.error

    x = np.ones(4, np.float32)
    assert ow.check_parity(Spectrum(0), Spectrum(1e-7j), x)
    with pytest.raises(ParityError, match="the first value that differs"):
        ow.check_parity(Spectrum(0), Spectrum(1j), x)


def test_the_result_goes_to_text_html_and_json():
    evil = convnet()
    evil.graph.output[0].name = evil.graph.node[4].output[0] = "<img src=x>"
    parity = ow.check_parity(evil, convnet(), X)
    assert "<img" not in parity._repr_html_()
    assert "&lt;img" in parity._repr_html_()
    assert json.loads(json.dumps(parity.to_dict()))["passed"] is True


def test_a_model_without_inputs_is_compared_without_any():
    constant = model("g () => (float[2] y) { y = Constant<value = float[2] {1, 2}>() }")
    assert ow.check_parity(constant, constant, {})
    with pytest.raises(InputError, match=r"has 0 input\(s\): none; got 1 array"):
        ow.check_parity(constant, constant, np.ones((2, 3), np.float32))
