"""Faults in what reads what, in axes, dtypes and state."""

from __future__ import annotations

import numpy as np
from onnx import helper
from planting import fault


@fault("Add", "Mul", "Concat")
def residual_replaced(draft, node):
    for place in draft.rng.permutation(len(node.input)):
        shape, name = draft.shape(node.input[place]), node.input[place]
        if name in draft.initializers or name in draft.constants or not shape:
            continue
        others = [
            other
            for other in draft.earlier(node)
            if other not in node.input
            and draft.shape(other) == shape
            and draft.values[other].dtype == draft.values[name].dtype
            and not np.array_equal(draft.values[other], draft.values[name])
        ]
        if others:
            node.input[place] = draft.rng.choice(others)
            return True
    return False


@fault("Add")
def residual_dropped(draft, node):
    full = [name for name in node.input if draft.shape(name) == draft.shape(node.output[0])]
    if len(full) < 2:
        return False
    draft.become(node, "Identity", [full[draft.rng.integers(2)]])
    return True


@fault("Add")
def added_twice(draft, node):
    if draft.shape(node.input[0]) != draft.shape(node.output[0]):
        return False
    node.input[1] = node.input[0]
    return True


@fault("Sub", "Div", "MatMul", "Greater", "Pow", "Less")
def operands_swapped(draft, node):
    node.input[0], node.input[1] = node.input[1], node.input[0]
    if draft.weight(node, 0) is not None and node.op_type == "Div":
        return False
    return draft.shape(node.input[0]) == draft.shape(node.input[1]) or node.op_type in {"Sub", "Pow"}


@fault("Concat")
def parts_in_another_order(draft, node):
    node.input[0], node.input[-1] = node.input[-1], node.input[0]
    return draft.shape(node.input[0]) == draft.shape(node.input[-1])


@fault("Where")
def branches_of_where_swapped(draft, node):
    chosen = draft.values[node.input[0]]
    node.input[1], node.input[2] = node.input[2], node.input[1]
    return bool(chosen.size)


@fault("Split")
def last_two_parts_swapped(draft, node):
    """Leave the first output alone: who looks at first outputs only does not see it."""
    if len(node.output) < 3 or draft.shape(node.output[-1]) != draft.shape(node.output[-2]):
        return False
    node.output[-1], node.output[-2] = node.output[-2], node.output[-1]
    return True


@fault("Split", "Slice")
def parts_begin_one_later(draft, node):
    if node.op_type == "Slice":
        starts, ends = draft.weight(node, 1), draft.weight(node, 2)
        length = draft.shape(node.input[0])[
            int(np.ravel(draft.weight(node, 3))[0]) if len(node.input) > 3 else 0
        ]
        if starts is None or ends is None or starts[0] < 1 or not 0 < -ends[0] < length:
            return _begin_earlier(draft, node, starts, ends)
        draft.set_weight(node, 1, starts + 1)
        draft.set_weight(node, 2, ends + 1) if ends[0] < -1 else None
        return True
    x = node.input[0]
    axis = draft.attribute(node, "axis", 0)
    length = draft.shape(x)[axis]
    order = draft.add_weight(np.roll(np.arange(length, dtype=np.int64), 1))
    node.input[0] = f"{x}_rolled"
    draft.insert_before(node, helper.make_node("Gather", [x, order], [f"{x}_rolled"], axis=axis))
    return {node.output[0], f"{x}_rolled"}


def _begin_earlier(draft, node, starts, ends):
    """Move a slice that has room before it or after it."""
    if starts is None or ends is None or starts.size != 1:
        return False
    axes = draft.weight(node, 3)
    axis = int(axes[0]) if axes is not None else 0
    length = draft.shape(node.input[0])[axis]
    first, last = (int(v) + (length if v < 0 else 0) for v in (starts[0], min(int(ends[0]), length)))
    if first > 0:
        moved = first - 1, last - 1
    elif last < length:
        moved = first + 1, last + 1
    else:
        return False
    node.input[1] = draft.add_weight(np.array([moved[0]], np.int64))
    node.input[2] = draft.add_weight(np.array([moved[1]], np.int64))
    return True


@fault("Transpose")
def transposed_otherwise(draft, node):
    perm = list(draft.attribute(node, "perm", []))
    shape = draft.shape(node.input[0])
    for a in range(len(perm)):
        for b in range(a):
            if shape[perm[a]] == shape[perm[b]] > 1:
                perm[a], perm[b] = perm[b], perm[a]
                draft.set_attribute(node, "perm", perm)
                return True
    return False


@fault("Transpose")
def transposed_to_another_shape(draft, node):
    """Change the shape of the outcome, where what follows still runs or not."""
    perm = list(draft.attribute(node, "perm", []))
    if len(perm) < 2:
        return False
    perm[0], perm[1] = perm[1], perm[0]
    draft.set_attribute(node, "perm", perm)
    return True


@fault("ReduceMean", "ReduceSum", "ReduceMax", "ArgMax")
def reduced_over_another_axis(draft, node):
    rank = len(draft.shape(node.input[0]))
    if node.op_type == "ArgMax":
        draft.set_attribute(node, "axis", (draft.attribute(node, "axis", 0) - 1) % rank)
        return True
    axes = draft.weight(node, 1) if len(node.input) > 1 else np.array(draft.attribute(node, "axes", []))
    if axes is None or not axes.size:
        return False
    moved = np.array([(a % rank + rank - 1) % rank for a in np.ravel(axes)], np.int64)
    if len(node.input) > 1:
        draft.set_weight(node, 1, moved)
    else:
        draft.set_attribute(node, "axes", moved.tolist())
    return True


@fault("Gather")
def gathered_one_later(draft, node):
    indices = draft.weight(node, 1)
    if indices is None or draft.values[node.input[0]].dtype.kind != "f":
        return False
    length = draft.shape(node.input[0])[draft.attribute(node, "axis", 0)]
    draft.set_weight(node, 1, (indices + 1) % length)
    return True


@fault("Conv", "Add", "Mul", "MatMul", "LayerNormalization", "Relu")
def result_cast_through_half_and_back(draft, node):
    """What a mixed-precision conversion leaves behind."""
    name = node.output[0]
    kind = helper.np_dtype_to_tensor_dtype(draft.values[name].dtype)
    if kind != 1:
        return False
    node.output[0] = f"{name}_full"
    draft.insert_after(
        node,
        helper.make_node("Cast", [f"{name}_full"], [f"{name}_half"], to=10),
        helper.make_node("Cast", [f"{name}_half"], [name], to=kind),
    )
    return {f"{name}_half", name}


@fault("Gemm", "LogSoftmax", "Add", "Sigmoid", "Conv", "Mul", "ReduceSum", "Slice", "Clip")
def output_of_another_dtype(draft, node):
    name = node.output[0]
    if not draft.is_output(name) or draft.consumers(name):
        return False
    node.output[0] = f"{name}_before"
    draft.insert_after(node, helper.make_node("Cast", [f"{name}_before"], [name], to=11))
    next(v for v in draft.proto.graph.output if v.name == name).type.tensor_type.elem_type = 11
    return True


@fault("LSTM", "GRU")
def state_begins_with_ones(draft, node):
    if len(node.input) < 6 or not node.input[5]:
        return False
    state = draft.values[node.input[5]]
    node.input[5] = draft.add_weight(np.ones_like(state))
    return True


@fault("LSTM", "GRU")
def runs_backwards(draft, node):
    if draft.attribute(node, "direction", "forward") != "forward":
        return False
    draft.set_attribute(node, "direction", "reverse")
    return True
