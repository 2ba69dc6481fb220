"""MACs against closed formulas, against a count by brute force, and against PyTorch's own counter."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from onnx import helper
from tiny_models import convnet, model
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import onnx_workbench as ow
from onnx_workbench.analysis.macs import RULES, WITHOUT_MACS


def zeros(*shape):
    return np.zeros(shape, np.float32)


def convolution_products(size, kernel, stride, pad) -> int:
    """Count the products of one axis by walking over it, those with padding included as everybody counts them."""
    return sum(1 for start in range(0, size + 2 * pad - kernel + 1, stride) for _ in range(kernel))


@pytest.mark.parametrize(
    ("size", "channels", "filters", "kernel", "stride", "pad", "group"),
    [(8, 3, 16, 3, 1, 1, 1), (9, 4, 6, 3, 2, 0, 2), (10, 8, 8, 5, 3, 2, 8), (7, 1, 1, 1, 1, 0, 1)],
)
def test_convolutions_by_brute_force(size, channels, filters, kernel, stride, pad, group):
    proto = model(
        f"""g (float[N,{channels},{size},{size + 1}] x) => (float[N,M,H,W] y) {{
            y = Conv<group={group}, strides=[{stride},{stride}], pads=[{pad},{pad},{pad},{pad}]>(x, w)
        }}""",
        w=zeros(filters, channels // group, kernel, kernel),
    )
    rows = convolution_products(size, kernel, stride, pad)
    columns = convolution_products(size + 1, kernel, stride, pad)
    per_batch = rows * columns * filters * channels // group
    assert ow.summarize(proto).macs == per_batch
    assert ow.summarize(proto, dimensions={"N": 7}).macs == 7 * per_batch


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ((2, 3), (3, 4), 2 * 3 * 4),
        ((5, 2, 3), (3, 4), 5 * 2 * 3 * 4),
        ((5, 1, 2, 3), (7, 3, 4), 5 * 7 * 2 * 3 * 4),
        ((3,), (3,), 3),
        ((2, 3), (3,), 6),
        ((3,), (3, 4), 12),
    ],
)
def test_matrix_products_by_brute_force(left, right, expected):
    a, b = np.ones(left), np.ones(right)
    assert expected == int(np.matmul(a, b).sum())  # of ones, each product adds one
    declared = [str(list(shape)).replace(" ", "") for shape in (left, right, np.matmul(a, b).shape)]
    output = declared[2] if declared[2] != "[]" else ""
    proto = model(
        f"g (float{declared[0]} a, float{declared[1]} b) => (float{output} y) {{ y = MatMul(a, b) }}"
    )
    assert ow.summarize(proto).macs == expected


@pytest.mark.parametrize(("trans_a", "trans_b"), [*itertools.product((0, 1), (0, 1))])
def test_gemm_with_either_side_transposed(trans_a, trans_b):
    a, b = ((4, 2) if trans_a else (2, 4)), ((3, 4) if trans_b else (4, 3))
    proto = model(
        f"g (float[{a[0]},{a[1]}] a) => (float[N,M] y) {{ y = Gemm<transA={trans_a}, transB={trans_b}>(a, b) }}",
        b=zeros(*b),
    )
    assert ow.summarize(proto).macs == 2 * 3 * 4


@pytest.mark.parametrize(
    ("operator", "gates", "attributes"),
    [("LSTM", 4, ""), ("GRU", 3, ", linear_before_reset=1"), ("RNN", 1, "")],
)
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_cells_by_their_formula(operator, gates, attributes, directions):
    length, batch, size, hidden = 5, 3, 7, 4
    direction = "bidirectional" if directions == 2 else "forward"
    proto = model(
        f"""g (float[{length},{batch},{size}] x) => (float[L,D,N,H] y) {{
            y = {operator}<hidden_size={hidden}, direction="{direction}"{attributes}>(x, w, r)
        }}""",
        w=zeros(directions, gates * hidden, size),
        r=zeros(directions, gates * hidden, hidden),
    )
    # Each step multiplies the input and the state by one matrix for each gate.
    assert ow.summarize(proto).macs == length * batch * directions * gates * hidden * (size + hidden)


@pytest.mark.parametrize("equation", ["ij,jk->ik", "bij,bjk->bik", "ij,ij->", "i,j->ij", "bhqd,bhkd->bhqk"])
def test_einsum_of_two_is_the_product_of_all_sizes(equation):
    sizes = {letter: index + 2 for index, letter in enumerate(sorted(set(equation) - set(",->")))}
    left, right = (
        ",".join(str(sizes[letter]) for letter in term) for term in equation.split("->")[0].split(",")
    )
    proto = model(
        f'g (float[{left}] a, float[{right}] b) => (float y) {{ y = Einsum<equation="{equation}">(a, b) }}'
    )
    assert ow.summarize(proto).macs == math.prod(sizes.values())


def test_quantised_operators_count_like_the_others():
    proto = model(
        """g (uint8[N,3,8,8] x) => (int32[N,M,H,W] y, int32[A,B] z) {
            y = ConvInteger(x, w)
            f = Flatten(x)
            z = MatMulInteger(f, m)
        }""",
        w=np.zeros((4, 3, 3, 3), np.uint8),
        m=np.zeros((192, 5), np.uint8),
    )
    assert ow.summarize(proto).macs == 6 * 6 * 4 * 27 + 192 * 5
    scale, zero = "s", "z"
    linear = model(
        f"""g (uint8[2,3,8,8] x) => (uint8[2,4,6,6] y) {{
            y = QLinearConv(x, {scale}, {zero}, w, {scale}, {zero}, {scale}, {zero})
        }}""",
        w=np.zeros((4, 3, 3, 3), np.uint8),
        s=np.float32(1),
        z=np.uint8(0),
    )
    assert ow.summarize(linear).macs == 2 * 6 * 6 * 4 * 27


def flops(module: nn.Module, x: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        module(x)
    return counter.get_total_flops()


def conv_text(name, module, dims) -> str:
    def listed(values):
        return "[" + ",".join(map(str, values)) + "]"

    options = f"group={module.groups}, strides={listed(module.stride)}, dilations={listed(module.dilation)}, "
    options += f"pads={listed(module.padding * 2)}"
    if name == "ConvTranspose":
        options += f", output_padding={listed(module.output_padding)}"
    free = listed("ABCDE"[: len(dims)])
    return f"g (float{listed(dims)} x) => (float{free} y) {{ y = {name}<{options}>(x, w) }}"


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Conv1d(4, 6, 3, padding=1), (2, 4, 20)),
        (nn.Conv2d(3, 16, 3, stride=2, padding=1), (2, 3, 17, 16)),
        (nn.Conv2d(8, 8, 5, groups=8, dilation=2), (1, 8, 20, 20)),
        (nn.Conv3d(2, 3, 3), (1, 2, 6, 7, 8)),
        (nn.ConvTranspose1d(4, 6, 3, stride=2), (2, 4, 9)),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, padding=1), (2, 4, 9, 8)),
        (nn.ConvTranspose2d(6, 4, 4, stride=2, groups=2, padding=1), (3, 6, 5, 5)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
)
def test_pytorchs_own_counter_agrees_on_convolutions(module, shape):
    module.bias = None
    name = "ConvTranspose" if "Transpose" in type(module).__name__ else "Conv"
    summary = ow.summarize(model(conv_text(name, module, shape), w=module.weight.detach().numpy()))
    assert 2 * summary.macs == flops(module, torch.zeros(shape))  # 1 MAC = 2 FLOPs
    assert summary.uncounted == {}


def test_pytorchs_own_counter_agrees_on_a_whole_network():
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4)
    )
    assert 2 * ow.summarize(convnet()).macs == flops(network, torch.zeros(1, 3, 8, 8))


def test_operators_without_a_rule_are_listed_never_zero():
    proto = model(
        """g (float[N,4] x) => (float[N,4] y) {
            a = Softmax(x)
            b = Einsum<equation = "ij,ij,ij->ij">(a, a, a)
            c = Einsum<equation = "...i,...i->...i">(b, b)
            y = Add(c, c)
        }"""
    )
    proto.graph.node.append(helper.make_node("FusedGemm", ["x"], ["z"], domain="com.microsoft"))
    summary = ow.summarize(proto)
    assert summary.uncounted == {"Einsum": 2, "com.microsoft.FusedGemm": 1}
    assert "uncounted: Einsum x2, com.microsoft.FusedGemm x1" in str(summary)


def test_unknown_shapes_are_listed_and_counted_once_they_are_given():
    proto = model("g (float[N,C] x, float[C,M] w) => (float[N,M] y) { y = MatMul(x, w) }")
    unknown = ow.summarize(proto)
    assert (unknown.macs, unknown.uncounted) == (0, {"MatMul": 1})
    known = ow.summarize(proto, dimensions={"C": 5, "M": 3, "N": 2})
    assert (known.macs, known.uncounted) == (30, {})


def test_loops_and_branches_are_uncounted_as_a_whole():
    proto = model(
        """g (bool c, float[4,4] x) => (float[4,4] y) {
            y = If (c) <
                then_branch = t () => (float[4,4] a) { a = MatMul(x, x) },
                else_branch = e () => (float[4,4] b) { b = Identity(x) }
            >
        }"""
    )
    assert ow.summarize(proto).uncounted == {"If": 1}


def test_no_operator_stands_in_both_lists_and_all_are_onnx_own():
    from onnx import defs

    known = {schema.name for schema in defs.get_all_schemas() if schema.domain == ""}
    assert not set(RULES) & WITHOUT_MACS
    assert set(RULES) <= known
    newer = {"Swish", "RMSNormalization"}  # of opsets that an older onnx does not know
    assert known | newer >= WITHOUT_MACS
