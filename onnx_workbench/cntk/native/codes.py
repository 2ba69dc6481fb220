"""The primitives of CNTK and their numbers in its files (PrimitiveOpType, append-only)."""

from __future__ import annotations

OPERATORS = (
    "Negate",
    "Sigmoid",
    "Tanh",
    "ReLU",
    "Exp",
    "Log",
    "Sqrt",
    "Floor",
    "Abs",
    "Reciprocal",
    "Softmax",
    "Hardmax",
    "TransposeAxes",
    "Where",
    "Slice",
    "Dropout",
    "Reshape",
    "Pooling",
    "SumAll",
    "Plus",
    "Minus",
    "ElementTimes",
    "Equal",
    "NotEqual",
    "Less",
    "LessEqual",
    "Greater",
    "GreaterEqual",
    "PackedIndex",
    "GatherPacked",
    "ScatterPacked",
    "Times",
    "TransposeTimes",
    "Convolution",
    "SquaredError",
    "CrossEntropyWithSoftmax",
    "ClassificationError",
    "PastValue",
    "FutureValue",
    "ReduceElements",
    "BatchNormalization",
    "Clip",
    "Select",
    "Splice",
    "Combine",
    "RandomSample",
    "RandomSampleInclusionFrequency",
    "ROIPooling",
    "Logistic",
    "OptimizedRNNStack",
    "ReconcileDynamicAxis",
    "LogSoftmax",
    "LogPlus",
    "CosDistance",
    "Sin",
    "Cos",
    "Pass",
    "Block",
    "Unpooling",
    "LambdaRank",
    "NDCG",
    "EditDistanceError",
    "NoOp",
    "LabelsToGraph",
    "StopGradient",
    "ELU",
    "ForwardBackward",
    "CosDistanceWithNegativeSamples",
    "OneHot",
    "Pow",
    "ToSequence",
    "ToSequenceLike",
    "UnpackSequence",
    "Assign",
    "Gather",
    "StableSigmoid",
    "RandomDistribution",
    "Sinh",
    "Cosh",
    "UnpackBatch",
    "ToBatch",
    "Asin",
    "Acos",
    "Pad",
    "Crop",
    "Atanh",
    "Asinh",
    "TopK",
    "Squeeze",
    "ConstantOp",
    "LatticeSequenceWithSoftmax",
    "Cast",
    "EyeLikeOp",
    "CustomProxyOp",
    "StraightThrough",
    "Tan",
    "Atan",
    "ConvolutionSequenceShape",
)
"""Names of the primitives, in the order of their numbers."""

OPERATOR_CODES = {name: code for code, name in enumerate(OPERATORS)}


def operator_name(code: int) -> str:
    """Return what CNTK calls the primitive of a number."""
    return OPERATORS[code] if 0 <= code < len(OPERATORS) else f"operator {code}"


_FUNCTION_NAMES = {
    "OneHot": "OneHotOp",
    "ToSequence": "ToSequenceOp",
    "ToSequenceLike": "ToSequenceLikeOp",
    "UnpackSequence": "UnpackSequenceOp",
    "UnpackBatch": "UnpackBatchAxis",
    "ToBatch": "ToBatchAxis",
}
_PRIMITIVE_NAMES = {name: primitive for primitive, name in _FUNCTION_NAMES.items()}

SPECIAL_AXES = {
    2147483646: "AllStaticAxes",
    2147483645: "UnknownAxes",
    2147483644: "EndStaticAxis",
    2147483643: "AllAxes",
}
"""Numbers that stand for axes without an index; one more than the largest stands for a dynamic axis."""


def function_name(code: int) -> str:
    """Return the name that functions of a primitive have (`op_name`), and that their uids begin with."""
    name = operator_name(code)
    return _FUNCTION_NAMES.get(name, name)


def primitive_code(op_name: str) -> int | None:
    """Return the number of the primitive of a function, None if files know no such primitive."""
    return OPERATOR_CODES.get(_PRIMITIVE_NAMES.get(op_name, op_name))
