"""Types and shapes of graphs of plain layers, by the rules of their operators.

ONNX's own inference registers every operator of every version before its first answer: 12 to 20 ms, more than all the
rest of looking at a large file. Chains of the layers below need none of that. Whatever is not plain (other operators,
unknown or computed shapes, declarations that may contradict) is left to ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TypeAlias

from onnx import GraphProto, ModelProto, NodeProto, TypeProto, ValueInfoProto, helper

_Sizes: TypeAlias = tuple[int | str, ...]
_Typed: TypeAlias = tuple[int, _Sizes]
_OLDEST_OPSET = (
    14  # from here on, operators broadcast as numpy does, and BatchNormalization has a training_mode
)
_LARGEST = 1 << 62
_MOST_NODES = 500  # in larger graphs ONNX is faster, in spite of all
_SAME = frozenset(
    {"Abs", "BatchNormalization", "Ceil", "Clip", "Dropout", "Elu", "Erf", "Exp", "Floor", "HardSigmoid"}
    | {"Identity", "LRN", "LeakyRelu", "Log", "LogSoftmax", "Neg", "PRelu", "Reciprocal", "Relu", "Selu"}
    | {"Sigmoid", "Softmax", "Softplus", "Softsign", "Sqrt", "Tanh"}
)
_ELEMENTWISE = frozenset({"Add", "Div", "Mul", "Sub"})


class _NotPlainError(Exception):
    """Something that is left to ONNX."""


def plain_graph(proto: ModelProto) -> GraphProto | None:
    """Return the graph with the types of all its values; None if it is not made of plain layers alone."""
    graph = proto.graph
    opsets = {item.domain or "ai.onnx": item.version for item in proto.opset_import}
    if graph.sparse_initializer or proto.functions or opsets.get("ai.onnx", 0) < _OLDEST_OPSET:
        return None
    if len(graph.node) > _MOST_NODES or any(node.op_type not in _RULES for node in graph.node):
        return None
    known: dict[str, _Typed] = {t.name: (t.data_type, tuple(t.dims)) for t in graph.initializer}
    if any(size < 1 for _, sizes in known.values() for size in sizes if isinstance(size, int)):
        return None
    try:
        known |= {info.name: _declared(info) for info in graph.input if info.name not in known}
        for node in graph.node:
            _apply(node, known)
        outputs = [_output(info, known) for info in graph.output]
        ends = {info.name for info in outputs}
        written = [name for node in graph.node for name in node.output if name not in ends]
        declared = {info.name: info for info in graph.value_info if info.name not in ends}
        values = [_output(declared.pop(name, ValueInfoProto(name=name)), known) for name in written]
        values += [_output(info, known) for info in declared.values()]
    except _NotPlainError:
        return None
    found = GraphProto()
    found.CopyFrom(graph)
    del found.output[:], found.value_info[:]
    found.output.extend(outputs)
    found.value_info.extend(values)
    return found


def _declared(info: ValueInfoProto) -> _Typed:
    """Return the type and shape that an input declares."""
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not kind.elem_type or not kind.HasField("shape"):
        raise _NotPlainError
    sizes: list[int | str] = []
    for dim in kind.shape.dim:
        size = dim.dim_value if dim.HasField("dim_value") else dim.dim_param
        if size == "" or (isinstance(size, int) and size < 1):
            raise _NotPlainError
        sizes.append(size)
    return kind.elem_type, tuple(sizes)


def _apply(node: NodeProto, known: dict[str, _Typed]) -> None:
    """Note the type of what a node writes."""
    if node.domain not in {"", "ai.onnx"} or len(node.output) != 1 or node.output[0] in known:
        raise _NotPlainError
    rule = _RULES.get(node.op_type)
    names = list(node.input)
    while names and not names[-1]:
        names.pop()
    if rule is None or not node.output[0] or not names or any(name and name not in known for name in names):
        raise _NotPlainError
    try:
        attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    except ValueError as error:  # a reference, or of a type that ONNX does not have
        raise _NotPlainError from error
    known[node.output[0]] = rule([known[name] for name in names if name], attributes)


def _output(info: ValueInfoProto, known: Mapping[str, _Typed]) -> ValueInfoProto:
    """Return an output, or a value inside, as it is found, unless it was declared otherwise."""
    if info.name not in known:
        raise _NotPlainError
    kind, sizes = known[info.name]
    declared = info.type.tensor_type
    if declared.elem_type not in {0, kind}:
        raise _NotPlainError
    named: list[int | str] = list(sizes)
    if declared.HasField("shape"):
        if len(declared.shape.dim) != len(sizes):
            raise _NotPlainError
        for axis, dim in enumerate(declared.shape.dim):
            if dim.HasField("dim_value") and dim.dim_value != sizes[axis]:
                raise _NotPlainError
            if dim.dim_param and isinstance(sizes[axis], str):
                named[axis] = dim.dim_param
    return _info(info.name, (kind, tuple(named)))


def _info(name: str, typed: _Typed) -> ValueInfoProto:
    if any(isinstance(size, int) and size > _LARGEST for size in typed[1]):
        raise _NotPlainError
    kind: TypeProto = helper.make_tensor_type_proto(*typed)
    return ValueInfoProto(name=name, type=kind)


def _same(inputs: Sequence[_Typed], attributes: Mapping[str, Any]) -> _Typed:
    if _whole(attributes, "training_mode"):
        raise _NotPlainError
    return inputs[0]


def _whole(attributes: Mapping[str, Any], name: str, default: int = 0) -> int:
    """Return an attribute that is a whole number."""
    value = attributes.get(name, default)
    if not isinstance(value, int):
        raise _NotPlainError
    return value


def _row(attributes: Mapping[str, Any], name: str, default: Sequence[int]) -> list[int]:
    """Return an attribute that is a list of whole numbers; `default` where it is missing or empty."""
    value = attributes.get(name) or list(default)
    if (
        not isinstance(value, list)
        or len(value) != len(default)
        or not all(isinstance(n, int) for n in value)
    ):
        raise _NotPlainError
    return value


def _elementwise(inputs: Sequence[_Typed], _: Mapping[str, Any]) -> _Typed:
    if len(inputs) != 2:
        raise _NotPlainError
    return _one_kind(inputs), _broadcast(inputs[0][1], inputs[1][1])


def _one_kind(inputs: Sequence[_Typed]) -> int:
    kinds = {kind for kind, _ in inputs}
    if len(kinds) != 1:
        raise _NotPlainError
    return kinds.pop()


def _broadcast(one: _Sizes, other: _Sizes) -> _Sizes:
    """Return the shape of what two shapes make together, as numpy does it."""
    found: list[int | str] = []
    for a, b in zip_longest(reversed(one), reversed(other), fillvalue=1):
        if a != b and 1 not in {a, b}:
            raise _NotPlainError
        found.append(b if a == 1 else a)
    return tuple(reversed(found))


def _matmul(inputs: Sequence[_Typed], _: Mapping[str, Any]) -> _Typed:
    if len(inputs) != 2:
        raise _NotPlainError
    a, b = inputs[0][1], inputs[1][1]
    if min(len(a), len(b)) < 2 or a[-1] != b[-2]:
        raise _NotPlainError
    return _one_kind(inputs), (*_broadcast(a[:-2], b[:-2]), a[-2], b[-1])


def _gemm(inputs: Sequence[_Typed], attributes: Mapping[str, Any]) -> _Typed:
    if len(inputs) < 2:
        raise _NotPlainError
    a, b = inputs[0][1], inputs[1][1]
    if len(a) != 2 or len(b) != 2:
        raise _NotPlainError
    a, b = (a[::-1] if _whole(attributes, "transA") else a), (b[::-1] if _whole(attributes, "transB") else b)
    if a[1] != b[0]:
        raise _NotPlainError
    return _one_kind(inputs), (a[0], b[1])


def _conv(inputs: Sequence[_Typed], attributes: Mapping[str, Any]) -> _Typed:
    if len(inputs) < 2:
        raise _NotPlainError
    sizes, kernel = inputs[0][1], inputs[1][1]
    if len(kernel) < 3 or len(sizes) != len(kernel):
        raise _NotPlainError
    channels, read = sizes[1], kernel[1]
    if not isinstance(read, int) or channels != read * _whole(attributes, "group", 1):
        raise _NotPlainError
    window = [size for size in kernel[2:] if isinstance(size, int)]
    if _row(attributes, "kernel_shape", window) != window:
        raise _NotPlainError
    return _one_kind(inputs), (sizes[0], kernel[0], *_slid(sizes[2:], window, attributes))


def _pool(inputs: Sequence[_Typed], attributes: Mapping[str, Any]) -> _Typed:
    kind, sizes = inputs[0]
    if _whole(attributes, "ceil_mode") or len(sizes) < 3 or "kernel_shape" not in attributes:
        raise _NotPlainError
    window = _row(attributes, "kernel_shape", [1] * (len(sizes) - 2))
    return kind, (*sizes[:2], *_slid(sizes[2:], window, attributes))


def _slid(sizes: _Sizes, window: Sequence[int], attributes: Mapping[str, Any]) -> list[int]:
    """Return how many places a window has on each axis."""
    axes = len(sizes)
    strides, dilations = (_row(attributes, name, [1] * axes) for name in ("strides", "dilations"))
    pads = _row(attributes, "pads", [0] * (2 * axes))
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or len(window) != axes:
        raise _NotPlainError
    if min(*strides, *dilations) < 1 or min(pads) < 0:
        raise _NotPlainError
    found = []
    for axis, size in enumerate(sizes):
        if not isinstance(size, int):
            raise _NotPlainError
        room = size + pads[axis] + pads[axes + axis] - dilations[axis] * (window[axis] - 1) - 1
        if room < 0:
            raise _NotPlainError
        found.append(room // strides[axis] + 1)
    return found


def _pooled_whole(inputs: Sequence[_Typed], _: Mapping[str, Any]) -> _Typed:
    kind, sizes = inputs[0]
    if len(sizes) < 3:
        raise _NotPlainError
    return kind, (*sizes[:2], *(1 for _ in sizes[2:]))


def _flatten(inputs: Sequence[_Typed], attributes: Mapping[str, Any]) -> _Typed:
    kind, sizes = inputs[0]
    rest = 1
    if _whole(attributes, "axis", 1) != 1 or len(sizes) < 2:
        raise _NotPlainError
    for size in sizes[1:]:
        if not isinstance(size, int):
            raise _NotPlainError
        rest *= size
    return kind, (sizes[0], rest)


_RULES: dict[str, Callable[[Sequence[_Typed], Mapping[str, Any]], _Typed]] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Conv": _conv,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _pooled_whole,
    "GlobalMaxPool": _pooled_whole,
    "Flatten": _flatten,
}
