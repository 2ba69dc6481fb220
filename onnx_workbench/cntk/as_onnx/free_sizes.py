"""Graphs of pictures of any size, or of steps made a static axis: which rules hold where a size is not known."""

from __future__ import annotations

from onnx_workbench.cntk.as_onnx.node import PREFIX
from onnx_workbench.cntk.native.graph import Leaf, NativeGraph, Primitive
from onnx_workbench.core.errors import ExportError
from onnx_workbench.core.formatting import clean_text

_INDIFFERENT = {
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BatchNormalization", "Cast", "Ceil", "Clip",
    "Combine", "ConstantOp", "Convolution", "Cos", "Cosh", "Dropout", "ELU", "ElementTimes", "Equal", "Exp",
    "Floor", "FutureValue", "Greater", "GreaterEqual", "Less", "LessEqual", "Log", "LogPlus", "LogSoftmax",
    "Minus", "Negate", "NoOp", "Not", "NotEqual", "Pass", "PastValue", "Plus", "Pooling", "Pow", "ReLU",
    "Reciprocal", "ReconcileDynamicAxis", "ReduceElements", "Reshape", "Select", "Sigmoid", "Sin", "Sinh",
    "Slice", "SoftSign", "Softmax", "Splice", "Sqrt", "Squeeze", "StableSigmoid", "StopGradient", "Tan",
    "Tanh", "Times", "ToBatchAxis", "ToSequenceLikeOp", "ToSequenceOp", "TransposeAxes", "UnpackBatchAxis",
    "UnpackSequenceOp",
}  # fmt: skip
"""Operators whose rules work with sizes that are not known, or refuse them; others might take them for numbers."""


_UNPACKING = {"UnpackSequenceOp", "UnpackBatchAxis"}


def names_of_steps(inputs: list[Leaf], name: str) -> dict[str, str]:
    """Return names of dimensions for the sequence axes, one for each: equal names promise equal lengths."""
    found = list(dict.fromkeys(leaf.steps for leaf in inputs if leaf.dynamic_axes > 1))
    return {steps: f"{name}_{place}" if len(found) > 1 else name for place, steps in enumerate(found)}


def check_free_sizes(graph: NativeGraph) -> None:
    """Refuse free sizes, of inputs or of steps made a static axis, where an operator behind them needs the size.

    Raises
    ------
    ExportError
        It names the operator.
    """
    sources = {
        leaf.uid: leaf.name or leaf.uid for leaf in graph.leaves.values() if min(leaf.shape, default=0) < 0
    }
    for primitive in graph.primitives.values():
        if primitive.operator in _UNPACKING and not primitive.attributes.get("size"):
            sources.update(dict.fromkeys(primitive.all_outputs, primitive.name or primitive.uid))
    for uid, name in sources.items():
        blocked = _first_blocked(graph, uid)
        if blocked is not None:
            raise ExportError(
                f"{clean_text(name)!r} has axes of any size, and {clean_text(blocked.operator)} "
                f"{clean_text(blocked.name or blocked.uid)!r} behind it cannot be written as ONNX for that: put an "
                "input of fixed size in its place, clone('share', {input: input_variable(shape)})."
            )


def _first_blocked(graph: NativeGraph, source: str) -> Primitive | None:
    """Return the first primitive behind a value of free size that needs the size."""
    readers: dict[str, list[Primitive]] = {}
    for primitive in graph.primitives.values():
        for uid in primitive.inputs:
            readers.setdefault(uid, []).append(primitive)
    reached, waiting = {source}, [source]
    while waiting:
        for primitive in readers.get(waiting.pop(), ()):
            if primitive.operator not in _INDIFFERENT and not primitive.operator.startswith(PREFIX):
                return primitive
            fresh = [one for one in primitive.all_outputs if one not in reached]
            reached.update(fresh)
            waiting += fresh
    return None
