"""Nodes of two models matched by what they compute: whatever their names, with exactly the planted changes told."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, version_converter
from tiny_models import model

from onnx_workbench.analysis.graph_matching import Side, _only_of_their_kind, match_nodes
from onnx_workbench.analysis.model_difference import model_difference
from onnx_workbench.sources.open import open_model


def branching(seed: int = 0, blocks: int = 6) -> onnx.ModelProto:
    """Return blocks of three branches of one shape (as attention has), residual additions and pooled ends."""
    rng = np.random.default_rng(seed)
    nodes, weights, last = [], [], "x"

    def weight(name: str) -> str:
        weights.append(numpy_helper.from_array(rng.normal(size=(4, 4)).astype(np.float32), name))
        return name

    for at in range(blocks):
        nodes += [
            *(helper.make_node("MatMul", [last, weight(f"w{one}{at}")], [f"{one}{at}"]) for one in "qkv"),
            helper.make_node("Transpose", [f"k{at}"], [f"t{at}"], perm=[1, 0]),
            helper.make_node("MatMul", [f"q{at}", f"t{at}"], [f"s{at}"]),
            helper.make_node("Softmax", [f"s{at}"], [f"p{at}"], axis=-1),
            helper.make_node("MatMul", [f"p{at}", f"v{at}"], [f"a{at}"]),
            helper.make_node("Add", [last, f"a{at}"], [f"r{at}"]),
            helper.make_node("Relu", [f"r{at}"], [f"o{at}"]),
        ]
        last = f"o{at}"
    nodes.append(helper.make_node("LeakyRelu", [last], ["y"], alpha=0.1))
    x, y = (helper.make_tensor_value_info(name, 1, [4, 4]) for name in "xy")
    graph = helper.make_graph(nodes, "branching", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def disguised(proto: onnx.ModelProto, seed: int) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Return a model with other names and another order of nodes, and the new name of each value."""
    chance, proto = random.Random(seed), copy.deepcopy(proto)
    fixed = {value.name for value in (*proto.graph.input, *proto.graph.output)} | {""}
    names: dict[str, str] = {}

    def renamed(name: str) -> str:
        return name if name in fixed else names.setdefault(name, f"z{chance.randrange(10**9)}")

    for tensor in proto.graph.initializer:
        tensor.name = renamed(tensor.name)
    waiting = []
    for node in proto.graph.node:
        names_before = list(node.output)
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
        names.update({name: name for name in names_before if name in fixed})
        waiting.append(node)
    known = fixed | {tensor.name for tensor in proto.graph.initializer}
    order = []
    while waiting:
        node = chance.choice([one for one in waiting if known.issuperset(one.input)])
        order.append(node)
        waiting.remove(node)
        known.update(node.output)
    del proto.graph.node[:]
    proto.graph.node.extend(copy.deepcopy(node) for node in order)
    return proto, names


def difference(one: onnx.ModelProto, other: onnx.ModelProto):
    return model_difference(open_model(one), open_model(other))


@pytest.mark.parametrize("seed", range(8))
def test_other_names_and_another_order_hide_no_counterpart(seed):
    proto = branching()
    other, names = disguised(proto, seed)
    found = difference(proto, other)
    assert found.same
    assert found.pairs == {node.output[0]: names[node.output[0]] for node in proto.graph.node}


@pytest.mark.parametrize("seed", range(8))
def test_a_node_left_out_and_a_node_put_in_are_the_only_ones_without_counterpart(seed):
    chance = random.Random(seed)
    proto = branching()
    at = chance.choice([i for i, node in enumerate(proto.graph.node) if node.op_type == "Relu"])
    gone = proto.graph.node[at]
    shorter = copy.deepcopy(proto)
    del shorter.graph.node[at]
    for node in shorter.graph.node:
        node.input[:] = [gone.input[0] if name == gone.output[0] else name for name in node.input]
    other, names = disguised(shorter, seed)
    found = difference(proto, other)
    assert found.only_left == (gone.output[0],)
    assert found.only_right == ()
    assert all(names[left] == right for left, right in found.pairs.items())
    assert difference(other, proto).only_right == (gone.output[0],)


def set_alpha(proto, chance):
    proto.graph.node[-1].attribute[0].f = 0.3
    return "y", {"alpha"}


def set_axis(proto, chance):
    node = chance.choice([node for node in proto.graph.node if node.op_type == "Softmax"])
    node.attribute[0].i = 0
    return node.output[0], {"axis"}


def change_operator(proto, chance):
    node = chance.choice([node for node in proto.graph.node if node.op_type == "Relu"])
    node.op_type = "Tanh"
    return node.output[0], {"operator"}


def change_weight(proto, chance):
    tensor = chance.choice(proto.graph.initializer)
    array = numpy_helper.to_array(tensor).copy()
    array[2, 1] += 1e-3
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    reader = next(node for node in proto.graph.node if tensor.name in node.input)
    return reader.output[0], {tensor.name}


@pytest.mark.parametrize("change", [set_alpha, set_axis, change_operator, change_weight])
@pytest.mark.parametrize("seed", range(4))
def test_exactly_the_node_that_was_changed_is_told_and_what_was_changed(change, seed):
    proto = branching()
    altered = copy.deepcopy(proto)
    key, what = change(altered, random.Random(seed))
    other, names = disguised(altered, seed)
    found = difference(proto, other)
    assert [(one.left, one.right, set(one.differences)) for one in found.changed] == [(key, names[key], what)]
    assert (found.only_left, found.only_right) == ((), ())


def test_how_much_a_weight_differs_is_told():
    proto = branching()
    altered = copy.deepcopy(proto)
    tensor = altered.graph.initializer[0]
    array = numpy_helper.to_array(tensor).copy()
    array[0, 0], array[3, 3] = array[0, 0] + 0.5, np.nan
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    told = difference(proto, altered).changed[0].differences["wq0"]
    before, after = numpy_helper.to_array(proto.graph.initializer[0])[0, 0], array[0, 0]
    assert told[0] == f"[0] = {before:.4g} (2 of 16 elements differ, by 0.5 at most)"
    assert told[1] == f"[0] = {after:.4g}"


def test_inputs_of_a_sum_may_be_swapped_and_defaults_left_out():
    one = model(
        "g (float[2,2] x) => (float[2,2] y) { r = Relu(x) s = Softmax <axis = -1> (r) y = Add(r, s) }"
    )
    other = model("g (float[2,2] x) => (float[2,2] y) { r = Relu(x) s = Softmax(r) y = Add(s, r) }")
    assert difference(one, other).same


def test_one_kernel_is_matched_with_the_last_node_it_stands_for_and_takes_in_the_others():
    weight = np.ones((3, 3, 1, 1), np.float32)
    plain = model("g (float[1,3,4,4] x) => (float[1,3,4,4] y) { c = Conv(x, w) y = Relu(c) }", w=weight)
    fused = copy.deepcopy(plain)
    del fused.graph.node[1]
    fused.graph.node[0].op_type, fused.graph.node[0].domain = "FusedConv", "com.microsoft"
    fused.graph.node[0].output[0] = "y"
    fused.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    found = difference(plain, fused)
    assert found.pairs == {"y": "y"}
    assert found.absorbed_left == {"y": ("c",)}
    assert (found.only_left, found.only_right) == ((), ())
    assert found.counterparts[0] == {"y": "y", "c": "y"}


def test_another_opset_leaves_every_node_its_counterpart():
    proto = branching()
    found = difference(proto, version_converter.convert_version(proto, 21))
    assert len(found.pairs) == len(proto.graph.node)
    assert not found.only_left


def test_no_node_has_two_counterparts_in_graphs_of_chance():
    for seed in range(60):
        chance = random.Random(seed)
        graphs = []
        for count in (chance.randrange(1, 30), chance.randrange(1, 30)):
            values, nodes = ["x"], []
            for at in range(count):
                operator = chance.choice(["Add", "Relu", "Neg", "MatMul", "Tanh"])
                reads = [chance.choice(values) for _ in range(2 if operator in {"Add", "MatMul"} else 1)]
                nodes.append(helper.make_node(operator, reads, [f"v{at}"]))
                values.append(f"v{at}")
            x, y = (helper.make_tensor_value_info(name, 1, [2, 2]) for name in ("x", values[-1]))
            graphs.append(open_model(helper.make_model(helper.make_graph(nodes, "chance", [x], [y]))))
        sides = [Side(graph) for graph in graphs]
        pairs, *absorbed = match_nodes(*sides)
        assert len(set(pairs.values())) == len(pairs)
        for known, taken in zip((set(pairs), set(pairs.values())), absorbed, strict=True):
            members = [index for group in taken.values() for index in group]
            assert len(members) == len(set(members))
            assert not known.intersection(members)


def test_files_that_are_gone_are_told_and_stop_nothing(tmp_path: Path):
    proto = branching()
    for tensor in proto.graph.initializer:
        tensor.raw_data *= 1
    large = np.ones((64, 64), np.float32)
    body = "g (float[64,64] x) => (float[64,64] y) { y = MatMul(x, w) }"
    path = open_model(model(body, w=large)).save(tmp_path / "a.onnx", external_data=True)
    first = open_model(path)
    next(one for one in tmp_path.iterdir() if one != path).unlink()
    told = model_difference(first, open_model(model(body, w=large))).changed[0].differences["w"]
    assert "a.onnx" in told[0] or "missing" in told[0] or "not there" in told[0]


@pytest.mark.parametrize("raw", [False, True])
def test_a_tensor_in_an_attribute_is_compared_however_it_is_stored(raw):
    def filled(number: float, *, raw: bool):
        content = np.float32([number])
        stored = content.tobytes() if raw else content
        tensor = helper.make_tensor("any", onnx.TensorProto.FLOAT, [1], stored, raw=raw)
        node = helper.make_node("ConstantOfShape", ["sizes"], ["y"], value=tensor)
        sizes = helper.make_tensor_value_info("sizes", onnx.TensorProto.INT64, [2])
        y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, None])
        return open_model(helper.make_model(helper.make_graph([node], "g", [sizes], [y])))

    (told,) = model_difference(filled(1, raw=raw), filled(2, raw=raw)).changed
    assert list(told.differences) == ["value"]
    assert model_difference(filled(1, raw=raw), filled(1, raw=not raw)).same


def test_the_inputs_of_a_very_wide_sum_are_looked_at_a_few_times_each():
    looks = 0

    class Looked:
        def __init__(self, label: str) -> None:
            self._label = label

        @property
        def label(self) -> str:
            nonlocal looks
            looks += 1
            return self._label

    wide = [[Looked(f"Op{at}") for at in order] for order in (range(500), reversed(range(500)))]
    pairs = list(_only_of_their_kind(*wide))
    assert [(one._label, other._label) for one, other in pairs] == [(f"Op{at}",) * 2 for at in range(500)]
    assert looks < 10 * 500
    assert not list(_only_of_their_kind([Looked("Relu"), Looked("Relu"), None], [Looked("Relu")]))


def test_texts_in_an_attribute_are_compared():
    def texts(word: str):
        tensor = helper.make_tensor("any", onnx.TensorProto.STRING, [1], [word.encode()])
        node = helper.make_node("Words", ["x"], ["y"], domain="own", value=tensor)
        x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        return open_model(helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=opsets))

    assert model_difference(texts("one"), texts("one")).same
    assert [list(told.differences) for told in model_difference(texts("one"), texts("two")).changed] == [
        ["value"]
    ]


def stored(folder: Path, number: float, *, external: bool, inside: bool = False):
    """Return a file whose one large tensor lies in an attribute, or in a subgraph there; in it, or in a second file."""
    folder.mkdir()
    content = np.full((32, 32), number, np.float32)
    tensor = helper.make_tensor("any", onnx.TensorProto.FLOAT, [32, 32], content.tobytes(), raw=True)
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [32, 32])
    c = helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [32, 32])
    if inside:
        result = helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [32, 32])
        branch = helper.make_graph([constant], "branch", [], [result])
        nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    else:
        nodes = [helper.make_node("Kept", ["x"], ["y"], domain="own", table=tensor)]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    proto = helper.make_model(helper.make_graph(nodes, "g", [c, x], [y]), opset_imports=opsets, ir_version=8)
    onnx.save(proto, folder / "m.onnx", save_as_external_data=external, convert_attribute=True)
    return open_model(folder / "m.onnx")


@pytest.mark.parametrize("inside", [False, True], ids=["attribute", "subgraph"])
@pytest.mark.parametrize("external", [(True, True), (True, False), (False, False)], ids=str)
def test_large_tensors_of_attributes_are_read_wherever_they_lie(tmp_path, inside, external):
    first = stored(tmp_path / "first", 1, external=external[0], inside=inside)
    same = stored(tmp_path / "same", 1, external=external[1], inside=inside)
    other = stored(tmp_path / "other", 2.5, external=external[1], inside=inside)
    assert model_difference(first, same).same
    (told,) = model_difference(first, other).changed
    where = {"then_branch", "else_branch"} if inside else {"table"}
    assert set(told.differences) == where
    for one, two in told.differences.values():
        assert one.endswith("[0] = 1 (1,024 of 1,024 elements differ, by 1.5 at most)")
        assert two.endswith("[0] = 2.5")


def test_constants_that_hold_a_plain_number_are_compared():
    body = "g (float[2] x) => (float[2] y) {{ c = Constant <value_float = {}> () y = Mul(x, c) }}"
    one, other, nan = (model(body.format(number)) for number in ("1.5", "2.5", "nan"))
    assert [list(told.differences) for told in difference(one, other).changed] == [["value_float"]]
    assert difference(one, one).same
    assert difference(nan, nan).same


BLOCKED = """
    g (float[1,16,12,12] x) => (float[1,24,1,1] y) {
        a = Conv <pads = [1,1,1,1]> (x, w1, b1)
        b = Relu(a)
        c = Conv <pads = [1,1,1,1]> (b, w2)
        d = BatchNormalization(c, scale, shift, mean, spread)
        e = Add(d, b)
        f = Relu(e)
        p = MaxPool <kernel_shape = [2,2], strides = [2,2]> (f)
        h = Conv <group = 16, pads = [1,1,1,1]> (p, w3)
        i = Clip(h, low, high)
        k = Conv(p, w4)
        l = HardSigmoid <alpha = 0.2, beta = 0.5> (k)
        m = Concat <axis = 1> (i, l)
        n = Conv(m, w5)
        o = Tanh(n)
        y = GlobalAveragePool(o)
    }
"""


def laid_out_in_blocks(folder: Path) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Return a network, and what onnxruntime alone makes of it for this processor."""
    import onnxruntime

    rng = np.random.default_rng(3)

    def weight(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32) / 4

    plain = model(
        BLOCKED,
        w1=weight(16, 16, 3, 3),
        b1=weight(16),
        w2=weight(16, 16, 3, 3),
        scale=weight(16),
        shift=weight(16),
        mean=weight(16),
        spread=weight(16) ** 2 + 1,
        w3=weight(16, 1, 3, 3),
        low=np.float32(0),
        high=np.float32(6),
        w4=weight(8, 16, 1, 1),
        w5=weight(24, 24, 1, 1),
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # that the graph is for this processor alone is meant
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    onnxruntime.InferenceSession(plain.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return plain, onnx.load(folder / "optimised.onnx")


def every_value(proto: onnx.ModelProto, channels: dict[str, int], x: np.ndarray) -> dict[str, np.ndarray]:
    """Return what onnxruntime computes for each node, values in blocks of channels laid out plainly."""
    import onnxruntime

    proto, shown = copy.deepcopy(proto), {}
    for node in list(proto.graph.node):
        name = node.output[0]
        shown[name] = name
        blocked = node.domain == "com.microsoft.nchwc" and not node.op_type.startswith("Reorder")
        if blocked or (node.op_type == "Concat" and any("token" in one for one in node.input)):
            shown[name] = f"plain {name}"
            reorder = helper.make_node(
                "ReorderOutput", [name], [shown[name]], domain="com.microsoft.nchwc", channels=channels[name]
            )
            proto.graph.node.append(reorder)
    known = {value.name for value in proto.graph.output}
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in shown.values() if name not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    arrays = dict(zip(shown.values(), session.run(list(shown.values()), {"x": x}), strict=True))
    return {name: arrays[other] for name, other in shown.items()}


def test_kernels_in_blocks_of_channels_stand_beside_the_nodes_whose_values_they_compute(tmp_path):
    plain, made = laid_out_in_blocks(tmp_path)
    layouts = [node for node in made.graph.node if node.domain == "com.microsoft.nchwc"]
    if not layouts:
        pytest.skip("onnxruntime has no layout in blocks of channels for this processor")
    found = difference(plain, made)
    x = np.random.default_rng(5).normal(size=(1, 16, 12, 12)).astype(np.float32)
    expected = every_value(plain, {}, x)
    to_left = {right: left for left, right in found.pairs.items()}
    kernels = {node.output[0] for node in made.graph.node if not node.op_type.startswith("Reorder")}
    assert kernels <= to_left.keys()
    actual = every_value(made, {right: expected[left].shape[1] for right, left in to_left.items()}, x)
    for right in kernels:
        np.testing.assert_allclose(actual[right], expected[to_left[right]], rtol=1e-4, atol=1e-5)
    placed = {*found.pairs, *(one for group in found.absorbed_left.values() for one in group)}
    assert placed == {node.output[0] for node in plain.graph.node}
    assert found.only_left == ()
    turned = difference(made, plain)
    assert {left: right for right, left in turned.pairs.items()} == found.pairs
    assert turned.only_right == ()
