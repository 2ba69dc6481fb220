"""Sound models of every kind, and the ways to spoil them: bytes, fields of the proto, lies that parse."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper, parser
from tiny_models import convnet, dense, model

import onnx_workbench as ow

SIGNS = Path(ow.__file__).parent / "training" / "assets" / "signs.onnx"

_TEXTS = {
    "if": """g (float[N] x, bool flag) => (float[N] y) {
        y = If (flag) <then_branch = t () => (float[N] a) { a = Relu(x) },
                       else_branch = e () => (float[N] b) { b = Neg(x) }>
    }""",
    "loop": """g (int64 count, float[2] x) => (float[2] y, float[K,2] all) {
        go = Constant<value = bool {1}>()
        y, all = Loop (count, go, x) <body = b (int64 i, bool c, float[2] s) => (bool d, float[2] t, float[2] u) {
            d = Identity(c)
            t = Add(s, s)
            u = Identity(t)
        }>
    }""",
    "scan": """g (float[2] start, float[N,2] x) => (float[2] end, float[N,2] sums) {
        end, sums = Scan <num_scan_inputs = 1, body = b (float[2] s, float[2] e) => (float[2] t, float[2] u) {
            t = Add(s, e)
            u = Identity(t)
        }> (start, x)
    }""",
    "sequence": """g (float[4,N] x) => (float[M,N] y) {
        parts = SplitToSequence(x)
        y = ConcatFromSequence<axis = 0>(parts)
    }""",
    "shapes": """g (float[N,3,8] x) => (float[A,B] y, int64[3] s) {
        s = Shape(x)
        i = Constant<value = int64[1] {0}>()
        n = Gather(s, i)
        m = Constant<value = int64[1] {-1}>()
        to = Concat<axis = 0>(n, m)
        y = Reshape(x, to)
    }""",
    "strings": "g (string[N] x) => (string[N] y) { y = Identity(x) }",
}

_FUNCTION = """<ir_version: 10, opset_import: ["" : 20, "own" : 1]>
g (float[N] x) => (float[N] y) { y = own.twice <by = 2.0> (x) }
<opset_import: ["" : 20], domain: "own"> twice <by> (a) => (b) {
    c = Constant <value_float: float = @by> ()
    b = Mul(a, c)
}"""


def sound_models() -> dict[str, bytes]:
    """Return models that open, by name."""
    protos = {name: model(text) for name, text in _TEXTS.items()}
    protos |= {"dense": dense(), "convnet": convnet(), "function": parser.parse_model(_FUNCTION)}
    found = {name: proto.SerializeToString() for name, proto in protos.items()}
    return found | {"signs": SIGNS.read_bytes()}


def spoilt(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return (what was done, a model that it was done to)."""
    if chance.random() < 0.3:
        change = chance.choice(_BYTE_CHANGES)
        return change.__name__, change(content, chance)
    proto = ModelProto.FromString(content)
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        change = chance.choice(_PROTO_CHANGES)
        change(proto, chance)
        done.append(change.__name__)
    result = proto.SerializeToString()
    if chance.random() < 0.05:
        return "+".join([*done, "broken_text"]), broken_text(result, chance)
    return "+".join(done), result


def flipped_bytes(content: bytes, chance: random.Random) -> bytes:
    spoilt = bytearray(content)
    for _ in range(chance.choice((1, 2, 5, 20))):
        spoilt[chance.randrange(len(spoilt))] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    return bytes(spoilt)


def truncated(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def lost_stretch(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + content[start + chance.randrange(1, 100) :]


def doubled_stretch(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    end = start + chance.randrange(1, 1000)
    return content[:end] + content[start:end] * chance.choice((1, 50)) + content[end:]


def noise(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + chance.randbytes(chance.choice((1, 10, 100))) + content[start:]


def large_numbers(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + b"\xff" * chance.randrange(1, 12) + content[start + 10 :]


def broken_text(content: bytes, chance: random.Random) -> bytes:
    letters = [i for i, byte in enumerate(content) if 97 <= byte <= 122]
    spoilt = bytearray(content)
    for index in chance.sample(letters, min(3, len(letters))):
        spoilt[index] = 0xFF
    return bytes(spoilt)


def deeper_than_protobuf(content: bytes, chance: random.Random) -> bytes:
    """Nest graphs in graphs, deeper than a message can be made: ModelProto.graph.node.attribute.g.node ..."""
    inner = b""
    for _ in range(chance.choice((40, 400, 20_000))):
        for number in (6, 5, 1):
            inner = bytes([number << 3 | 2]) + _varint(len(inner)) + inner
    return content + b"\x3a" + _varint(len(inner)) + inner


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)


_BYTE_CHANGES = (
    deeper_than_protobuf,
    flipped_bytes,
    truncated,
    truncated,
    lost_stretch,
    doubled_stretch,
    noise,
    large_numbers,
    broken_text,
)

_NUMBERS = (-1, 0, 1, 2, 7, 99, 1000, 2**31 - 1, -(2**31))
_LONG_NUMBERS = (*_NUMBERS, 2**32, 2**40, 2**62, 2**63 - 1, -(2**63))


def _messages(message: Any) -> Iterator[Any]:
    """Yield a message and all within."""
    waiting = [message]
    while waiting:
        found = waiting.pop()
        yield found
        for descriptor, value in found.ListFields():
            if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
                waiting += value if _repeated(descriptor) else [value]


def _repeated(descriptor: Any) -> bool:
    return bool(descriptor.is_repeated)


def _names(proto: ModelProto) -> list[str]:
    graph = proto.graph
    names = [name for node in graph.node for name in (*node.input, *node.output)]
    return [*names, *(v.name for v in (*graph.input, *graph.output, *graph.initializer)), "", "nowhere"]


def _graphs(proto: ModelProto) -> list[GraphProto]:
    return [found for found in _messages(proto) if isinstance(found, GraphProto)]


def _some_node(proto: ModelProto, chance: random.Random) -> NodeProto:
    nodes = [found for found in _messages(proto) if isinstance(found, NodeProto)]
    return chance.choice(nodes) if nodes else proto.graph.node.add(op_type="Relu", input=["x"], output=["x"])


def some_field(proto: ModelProto, chance: random.Random) -> None:
    """Give one field of one message another value of its type, or take it away."""
    message = chance.choice(list(_messages(proto)))
    descriptor = chance.choice(list(message.DESCRIPTOR.fields))
    name = descriptor.name
    if chance.random() < 0.2:
        message.ClearField(name)
        return
    if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
        _some_message(proto, message, descriptor, chance)
        return
    value = _some_value(proto, descriptor, chance)
    if not _repeated(descriptor):
        setattr(message, name, value)
    elif chance.random() < 0.7 and len(getattr(message, name)):
        items = getattr(message, name)
        items[chance.randrange(len(items))] = value
    else:
        often = 3 if isinstance(value, (str, bytes)) and len(value) > 1000 else 5000
        getattr(message, name).extend([value] * chance.choice((1, 3, often)))


def _some_value(proto: ModelProto, descriptor: Any, chance: random.Random) -> Any:
    kind = FieldDescriptor
    if descriptor.type == kind.TYPE_STRING:
        own = chance.choice(_names(proto))
        return chance.choice(
            (own, own, "", "\0", "x" * 100_000, "../../etc/passwd", "<script>\u202e", "Loop", "If")
        )
    if descriptor.type == kind.TYPE_BYTES:
        return chance.choice((b"", b"\xff\xfe", bytes(7), chance.randbytes(2000)))
    if descriptor.type in {kind.TYPE_FLOAT, kind.TYPE_DOUBLE}:
        return chance.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
    if descriptor.type == kind.TYPE_ENUM:
        return chance.choice(list(descriptor.enum_type.values_by_number))
    if descriptor.type in {kind.TYPE_INT32, kind.TYPE_ENUM}:
        return chance.choice(_NUMBERS)
    if descriptor.type == kind.TYPE_UINT64:
        return abs(chance.choice(_LONG_NUMBERS))
    return chance.choice(_LONG_NUMBERS)


def _some_message(proto: ModelProto, message: Any, descriptor: Any, chance: random.Random) -> None:
    """Put a copy of another message of the same type into a field."""
    same = [found for found in _messages(proto) if found.DESCRIPTOR is descriptor.message_type]
    copy = type(same[0]).FromString(chance.choice(same).SerializeToString()) if same else None
    if _repeated(descriptor):
        items = getattr(message, descriptor.name)
        for _ in range(chance.choice((1, 1, 300))):
            items.add() if copy is None else items.add().CopyFrom(copy)
    elif copy is None:
        getattr(message, descriptor.name).SetInParent()
    else:
        getattr(message, descriptor.name).CopyFrom(copy)


def strange_shape(proto: ModelProto, chance: random.Random) -> None:
    infos = [*proto.graph.input, *proto.graph.output, *proto.graph.value_info]
    dims = chance.choice(infos).type.tensor_type.shape.dim if infos else []
    for dim in dims:
        if chance.random() < 0.5:
            dim.dim_value = chance.choice(_LONG_NUMBERS)
    if chance.random() < 0.2 and infos:
        for _ in range(chance.choice((1, 100, 10_000))):
            dims.add(dim_value=2)


def strange_weight(proto: ModelProto, chance: random.Random) -> None:
    """Change an initializer's shape or dtype and leave its content, or add one that claims much and holds nothing."""
    if proto.graph.initializer and chance.random() < 0.6:
        tensor = chance.choice(proto.graph.initializer)
        if chance.random() < 0.3:
            tensor.data_type = chance.choice((0, 1, 8, 16, 22, 23, 99))
        else:
            tensor.dims[:] = [chance.choice(_LONG_NUMBERS) for _ in range(chance.choice((0, 1, 2, 5)))]
    else:
        name = chance.choice(_names(proto)) or "w"
        proto.graph.initializer.add(name=name, data_type=1, dims=[chance.choice(_LONG_NUMBERS)])


def lying_external_data(proto: ModelProto, chance: random.Random) -> None:
    tensors = [found for found in _messages(proto) if isinstance(found, TensorProto)]
    tensor = (
        chance.choice(tensors) if tensors else proto.graph.initializer.add(name="w", data_type=1, dims=[4])
    )
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, values in (
        (
            "location",
            ("/etc/passwd", "../x", "", "weights.bin", "\0", ".", "in-memory", "*/_ORT_MEM_ADDR_/*"),
        ),
        ("offset", ("0", "-1", str(2**62), "x", "", "1e9")),
        ("length", ("0", "-5", str(2**62), "16", "")),
    ):
        if chance.random() < 0.8:
            tensor.external_data.add(key=key, value=chance.choice(values))


def wrong_reference(proto: ModelProto, chance: random.Random) -> None:
    node = _some_node(proto, chance)
    names = _names(proto)
    for items in (node.input, node.output):
        for index in range(len(items)):
            if chance.random() < 0.4:
                items[index] = chance.choice(names)


def cycle(proto: ModelProto, chance: random.Random) -> None:
    nodes = chance.choice(_graphs(proto)).node
    for _ in range(chance.choice((1, 2000))):
        first = nodes.add(op_type="Add", input=["p", "q"], output=["o"])
    if nodes:
        first = chance.choice(nodes)
        first.input.append(chance.choice(nodes).output[0] if chance.choice(nodes).output else "o")
        first.input.extend(first.output)


def deep_subgraphs(proto: ModelProto, chance: random.Random) -> None:
    """Nest graphs in graphs, as deep as protobuf allows."""
    graph = helper.make_graph([helper.make_node("Identity", ["c"], ["r"])], "deep", [], [])
    for _ in range(chance.choice((5, 20, 30))):
        outer = NodeProto(op_type="If", input=["c"], output=["r"])
        outer.attribute.add(name="then_branch", type=5).g.CopyFrom(graph)
        outer.attribute.add(name="else_branch", type=5).g.name = "none"
        graph = GraphProto(name="g", node=[outer])
    proto.graph.node.extend(graph.node)


def deep_type(proto: ModelProto, chance: random.Random) -> None:
    kind = TypeProto()
    for _ in range(chance.choice((1, 20, 45))):
        outer = TypeProto()
        getattr(outer, chance.choice(("sequence_type", "optional_type"))).elem_type.CopyFrom(kind)
        kind = outer
    proto.graph.input.add(name="deep").type.CopyFrom(kind)


def many_nodes(proto: ModelProto, chance: random.Random) -> None:
    count = chance.choice((2000, 5000))
    shape = chance.choice(("chain", "fan", "wide"))
    value = proto.graph.input[0].name if proto.graph.input else "x"
    if shape == "wide":
        proto.graph.node.add(op_type="Concat", input=[value] * count, output=["wide"]).attribute.add(
            name="axis", type=2, i=0
        )
        return
    for index in range(count):
        source = value if shape == "fan" or not index else f"many{index - 1}"
        proto.graph.node.add(op_type="Relu", input=[source], output=[f"many{index}"])


def functions_of_functions(proto: ModelProto, chance: random.Random) -> None:
    depth = chance.choice((2, 10, 18, 60))
    for index in range(depth):
        callee = "f0" if index == depth - 1 and chance.random() < 0.3 else f"f{index + 1}"
        function = proto.functions.add(name=f"f{index}", domain="grow", input=["a"], output=["b"])
        function.opset_import.add(domain="grow", version=1)
        function.node.add(op_type=callee, domain="grow", input=["a"], output=["c"])
        function.node.add(op_type=callee, domain="grow", input=["c"], output=["b"])
    value = proto.graph.input[0].name if proto.graph.input else "x"
    proto.graph.node.add(op_type="f0", domain="grow", input=[value], output=["grown"])
    proto.opset_import.add(domain="grow", version=1)


def strange_opset(proto: ModelProto, chance: random.Random) -> None:
    if chance.random() < 0.3:
        del proto.opset_import[:]
    else:
        domain = chance.choice(("", "ai.onnx", "com.microsoft", "nowhere"))
        proto.opset_import.add(domain=domain, version=chance.choice(_LONG_NUMBERS))


def strange_attribute(proto: ModelProto, chance: random.Random) -> None:
    node = _some_node(proto, chance)
    known = (
        "axis",
        "axes",
        "pads",
        "strides",
        "kernel_shape",
        "group",
        "to",
        "value",
        "body",
        "perm",
        "dilations",
    )
    attribute = (
        chance.choice(node.attribute) if node.attribute and chance.random() < 0.6 else node.attribute.add()
    )
    if not attribute.name:
        attribute.name = chance.choice(known)
    attribute.type = chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14))
    attribute.i = chance.choice(_LONG_NUMBERS)
    attribute.ints.extend([chance.choice(_LONG_NUMBERS)] * chance.choice((1, 2, 4, 9)))


def other_operator(proto: ModelProto, chance: random.Random) -> None:
    names = (
        "Conv",
        "Loop",
        "If",
        "Scan",
        "Reshape",
        "Resize",
        "Einsum",
        "Split",
        "Constant",
        "Gemm",
        "",
        "NoSuch",
    )
    node = _some_node(proto, chance)
    node.op_type = chance.choice(names)
    if chance.random() < 0.3:
        node.domain = chance.choice(("nowhere", "com.microsoft", "ai.onnx", "own"))


def greedy_node(proto: ModelProto, chance: random.Random) -> None:
    """Add a value that a run could not hold, or a loop that would not end."""
    size = numpy_helper.from_array(np.array([2**20, 2**20], np.int64), "greedy_size")
    proto.graph.initializer.append(size)
    proto.graph.node.append(helper.make_node("ConstantOfShape", ["greedy_size"], ["greedy"]))
    proto.graph.output.append(helper.make_tensor_value_info("greedy", 1, None))


def doubled_nodes(proto: ModelProto, chance: random.Random) -> None:
    graph = chance.choice(_graphs(proto))
    for node in list(graph.node)[:20]:
        graph.node.add().CopyFrom(node)


def shuffled_nodes(proto: ModelProto, chance: random.Random) -> None:
    graph = chance.choice(_graphs(proto))
    nodes = [NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    chance.shuffle(nodes)
    del graph.node[:]
    graph.node.extend(nodes[: chance.choice((len(nodes), max(1, len(nodes) // 2)))])


_PROTO_CHANGES: tuple[Callable[[ModelProto, random.Random], None], ...] = (
    *(some_field,) * 8,
    *(
        strange_shape,
        strange_weight,
        lying_external_data,
        wrong_reference,
        wrong_reference,
        cycle,
        deep_subgraphs,
    ),
    *(deep_type, many_nodes, functions_of_functions, strange_opset, strange_attribute, strange_attribute),
    *(other_operator, greedy_node, doubled_nodes, shuffled_nodes),
)
