"""Families of operators and their colours, for light and for dark surroundings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Colours:
    """Fill and border of a box; the ink that reads well on the fill."""

    fill: str
    border: str
    ink: str


@dataclass(frozen=True)
class Family:
    """Operators that do the same kind of thing. Colour is never the only sign: every box names its operator."""

    name: str
    light: Colours
    dark: Colours
    operators: frozenset[str] = frozenset()


def _family(name: str, light: tuple[str, str], dark: tuple[str, str], operators: str = "") -> Family:
    return Family(name, Colours(*light, "#1b2230"), Colours(*dark, "#eef2f8"), frozenset(operators.split()))


FAMILIES = (
    _family(
        "convolution",
        ("#dbe9fb", "#3b76c4"),
        ("#1f3a5f", "#6aa5ee"),
        "Conv ConvTranspose ConvInteger QLinearConv DeformConv FusedConv NhwcConv",
    ),
    _family(
        "matrix product",
        ("#e7e1fa", "#7356c8"),
        ("#362b63", "#a48df0"),
        "Gemm MatMul Einsum MatMulInteger QLinearMatMul FusedMatMul FusedGemm MatMulNBits",
    ),
    _family(
        "activation",
        ("#fde6d4", "#c9641b"),
        ("#573015", "#f0995a"),
        "Relu LeakyRelu PRelu Elu Selu Celu Sigmoid HardSigmoid Tanh Softmax LogSoftmax Hardmax Softplus Softsign Gelu "
        "HardSwish Swish Mish ThresholdedRelu Clip Shrink QuickGelu FastGelu BiasGelu",
    ),
    _family(
        "normalization",
        ("#d3efec", "#16857c"),
        ("#11443f", "#4cc2b6"),
        "BatchNormalization LayerNormalization InstanceNormalization GroupNormalization RMSNormalization LRN "
        "LpNormalization MeanVarianceNormalization SimplifiedLayerNormalization SkipLayerNormalization Dropout",
    ),
    _family(
        "pooling and reduction",
        ("#dcf0d5", "#4a8a33"),
        ("#264a1a", "#84c46b"),
        "MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool MaxRoiPool RoiAlign MaxUnpool "
        "ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp "
        "ReduceSumSquare ArgMax ArgMin TopK CumSum NonMaxSuppression",
    ),
    _family(
        "attention and recurrence",
        ("#fadcea", "#bd3f7d"),
        ("#571e3b", "#ec84b4"),
        "LSTM GRU RNN Attention MultiHeadAttention GroupQueryAttention RotaryEmbedding",
    ),
    _family(
        "shape and selection",
        ("#f6eed0", "#94771a"),
        ("#453a12", "#d3b54f"),
        "Reshape Transpose Flatten Squeeze Unsqueeze Concat Split Slice Gather GatherElements GatherND Scatter "
        "ScatterElements ScatterND Expand Tile Pad Resize Upsample Shape Size DepthToSpace SpaceToDepth Identity "
        "ConstantOfShape Range OneHot NonZero Compress ReverseSequence EyeLike Trilu Where CenterCropPad "
        "GridSample AffineGrid Col2Im",
    ),
    _family(
        "quantization and types",
        ("#e9ecc8", "#6d7518"),
        ("#3a3f12", "#b6c04c"),
        "QuantizeLinear DequantizeLinear DynamicQuantizeLinear Cast CastLike BitCast",
    ),
    _family("control flow", ("#fbdcdb", "#c03a36"), ("#5a1d1b", "#f0827e"), "If Loop Scan SequenceMap"),
    _family(
        "arithmetic",
        ("#e3e8ef", "#5d6b80"),
        ("#303947", "#9aa9bf"),
        "Add Sub Mul Div Pow Sqrt Exp Log Neg Abs Reciprocal Max Min Mean Sum Mod Floor Ceil Round Sign Erf Sin Cos "
        "Tan Asin Acos Atan Sinh Cosh Equal Greater Less GreaterOrEqual LessOrEqual And Or Not Xor IsNaN IsInf Det",
    ),
    _family("other", ("#f0f0f2", "#74747e"), ("#36363c", "#a9a9b3")),
    _family("input or output", ("#ffffff", "#39465c"), ("#1c2230", "#c3cfe2")),
    _family("module", ("#eef3fa", "#39465c"), ("#232c3b", "#b4c2d8")),
)

FAMILY_NUMBERS = {family.name: number for number, family in enumerate(FAMILIES)}
_OPERATORS = {operator: family.name for family in FAMILIES for operator in family.operators}


def family_of(op_type: str) -> str:
    """Return the name of an operator's family, ``"other"`` for operators that belong to none."""
    return _OPERATORS.get(op_type, "other")
