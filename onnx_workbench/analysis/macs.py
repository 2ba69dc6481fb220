"""Multiply-accumulate operations (MACs) of a node, from its shapes: one small function for each operator.

Counted are the products of convolutions, matrix products and recurrent cells, as papers do; 1 MAC = 2 FLOPs.
Element-wise arithmetic, activations, pooling and moves of data have no MACs by that convention (`WITHOUT_MACS`).
What stands in neither list is reported as uncounted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from onnx_workbench.core.graph_parts import Node

Shape = Sequence[int]
Rule = Callable[[Node, Sequence[Shape | None], Sequence[Shape | None]], int]


class UnknownShapeError(Exception):
    """A shape that a rule needs is not known; internal."""


def _known(shapes: Sequence[Shape | None], index: int) -> Shape:
    shape = shapes[index] if index < len(shapes) else None
    if shape is None:
        raise UnknownShapeError
    return shape


def _conv(weight_index: int) -> Rule:
    def rule(_node: Node, inputs: Sequence[Shape | None], outputs: Sequence[Shape | None]) -> int:
        # Each output element takes C_in / group * kernel products: all dimensions of the weight but the first.
        return math.prod(_known(outputs, 0)) * math.prod(_known(inputs, weight_index)[1:])

    return rule


def _conv_transpose(_node: Node, inputs: Sequence[Shape | None], _outputs: Sequence[Shape | None]) -> int:
    # Each input element is spread over C_out / group * kernel elements.
    return math.prod(_known(inputs, 0)) * math.prod(_known(inputs, 1)[1:])


def _matmul(left: int) -> Rule:
    def rule(_node: Node, inputs: Sequence[Shape | None], outputs: Sequence[Shape | None]) -> int:
        return math.prod(_known(outputs, 0)) * _known(inputs, left)[-1]

    return rule


def _gemm(node: Node, inputs: Sequence[Shape | None], outputs: Sequence[Shape | None]) -> int:
    left = _known(inputs, 0)
    return math.prod(_known(outputs, 0)) * left[0 if node.attributes.get("transA") else 1]


def _recurrent(gates: int) -> Rule:
    def rule(_node: Node, inputs: Sequence[Shape | None], _outputs: Sequence[Shape | None]) -> int:
        length, batch = _known(inputs, 0)[:2]  # layout=1 swaps the two; their product is the same
        directions, rows, size = _known(inputs, 1)
        hidden = rows // gates
        return length * batch * directions * gates * hidden * (size + hidden)

    return rule


def _einsum(node: Node, inputs: Sequence[Shape | None], _outputs: Sequence[Shape | None]) -> int:
    equation = str(node.attributes.get("equation", "")).replace(" ", "")
    terms = equation.split("->")[0].split(",")
    if "." in equation or len(terms) != 2:
        raise UnknownShapeError
    sizes: dict[str, int] = {}
    for index, term in enumerate(terms):
        sizes.update(zip(term, _known(inputs, index), strict=False))
    return math.prod(sizes.values())


RULES: dict[str, Rule] = {
    "Conv": _conv(1),
    "ConvInteger": _conv(1),
    "QLinearConv": _conv(3),
    "ConvTranspose": _conv_transpose,
    "MatMul": _matmul(0),
    "MatMulInteger": _matmul(0),
    "QLinearMatMul": _matmul(0),
    "Gemm": _gemm,
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "RNN": _recurrent(1),
    "Einsum": _einsum,
}
"""A rule for each operator that multiplies and accumulates; a new one is one small function here."""

WITHOUT_MACS = frozenset(
    {
        "Abs",
        "Acos",
        "Acosh",
        "Add",
        "And",
        "ArgMax",
        "ArgMin",
        "Asin",
        "Asinh",
        "Atan",
        "Atanh",
        "AveragePool",
        "BatchNormalization",
        "BitShift",
        "BitwiseAnd",
        "BitwiseNot",
        "BitwiseOr",
        "BitwiseXor",
        "Cast",
        "CastLike",
        "Ceil",
        "Celu",
        "CenterCropPad",
        "Clip",
        "Col2Im",
        "Compress",
        "Concat",
        "ConcatFromSequence",
        "Constant",
        "ConstantOfShape",
        "Cos",
        "Cosh",
        "CumSum",
        "DepthToSpace",
        "DequantizeLinear",
        "Div",
        "Dropout",
        "DynamicQuantizeLinear",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Expand",
        "EyeLike",
        "Flatten",
        "Floor",
        "Gather",
        "GatherElements",
        "GatherND",
        "Gelu",
        "GlobalAveragePool",
        "GlobalLpPool",
        "GlobalMaxPool",
        "Greater",
        "GreaterOrEqual",
        "GridSample",
        "GroupNormalization",
        "HardSigmoid",
        "HardSwish",
        "Hardmax",
        "Identity",
        "InstanceNormalization",
        "IsInf",
        "IsNaN",
        "LRN",
        "LayerNormalization",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "Log",
        "LogSoftmax",
        "LpNormalization",
        "LpPool",
        "Max",
        "MaxPool",
        "MaxUnpool",
        "Mean",
        "MeanVarianceNormalization",
        "Min",
        "Mish",
        "Mod",
        "Mul",
        "Multinomial",
        "Neg",
        "NonMaxSuppression",
        "NonZero",
        "Not",
        "OneHot",
        "Or",
        "PRelu",
        "Pad",
        "Pow",
        "QuantizeLinear",
        "RMSNormalization",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Range",
        "Reciprocal",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "Relu",
        "Reshape",
        "Resize",
        "ReverseSequence",
        "RoiAlign",
        "Round",
        "ScatterElements",
        "ScatterND",
        "Selu",
        "SequenceAt",
        "SequenceConstruct",
        "SequenceEmpty",
        "SequenceErase",
        "SequenceInsert",
        "SequenceLength",
        "Shape",
        "Shrink",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sinh",
        "Size",
        "Slice",
        "Softmax",
        "Softplus",
        "Softsign",
        "SpaceToDepth",
        "Split",
        "SplitToSequence",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Sum",
        "Swish",
        "Tan",
        "Tanh",
        "ThresholdedRelu",
        "Tile",
        "TopK",
        "Transpose",
        "Trilu",
        "Unique",
        "Unsqueeze",
        "Upsample",
        "Where",
        "Xor",
    }
)
"""Operators of ONNX's own domain without products to accumulate."""


def macs_of(node: Node, inputs: Sequence[Shape | None], outputs: Sequence[Shape | None]) -> int | None:
    """Return the MACs of a node, or None if no rule tells, or a shape that the rule needs is unknown."""
    if node.domain not in {"", "ai.onnx"}:
        return None
    if node.op_type in WITHOUT_MACS:
        return 0
    rule = RULES.get(node.op_type)
    if rule is None:
        return None
    try:
        return rule(node, inputs, outputs)
    except (UnknownShapeError, IndexError, ValueError, ZeroDivisionError):
        return None
