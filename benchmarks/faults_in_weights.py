"""Faults in weights, biases and other constants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import NodeProto, helper
from planting import Draft, fault

WEIGHTS = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1, "LSTM": 2, "GRU": 1, "Gather": 0}
BIASES = {"Conv": (2,), "ConvTranspose": (2,), "Gemm": (2,), "Add": (0, 1), "LayerNormalization": (2,)}


def _on_weight(draft: Draft, node: NodeProto, change: Callable[[np.ndarray], np.ndarray | None]) -> bool:
    """Change the floats that a node has for weights."""
    places = (1, 0) if node.op_type == "MatMul" else (WEIGHTS[node.op_type],)
    for place in places:
        array = draft.weight(node, place)
        if array is None or array.dtype.kind != "f" or array.ndim < 2:
            continue
        made = change(array.copy())
        if made is None or np.array_equal(made, array, equal_nan=True):
            return False
        draft.set_weight(node, place, np.ascontiguousarray(made.astype(array.dtype)))
        return True
    return False


def _with_one(array: np.ndarray, rng: np.random.Generator, value: float) -> np.ndarray:
    array.reshape(-1)[rng.integers(array.size)] = value
    return array


@fault(*WEIGHTS)
def weights_times_1_01(draft, node):
    return _on_weight(draft, node, lambda w: w * 1.01)


@fault("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU")
def one_NaN_weight(draft, node):  # noqa: N802
    return _on_weight(draft, node, lambda w: _with_one(w, draft.rng, np.nan))


@fault("Conv", "ConvTranspose", "Gemm", "MatMul")
def one_infinite_weight(draft, node):
    return _on_weight(draft, node, lambda w: _with_one(w, draft.rng, np.inf))


@fault("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU")
def one_weight_of_other_sign(draft, node):
    def change(w):
        place = np.argsort(np.abs(w), axis=None)[-1 - draft.rng.integers(max(1, w.size // 10))]
        w.reshape(-1)[place] *= -1
        return w

    return _on_weight(draft, node, change)


@fault(*WEIGHTS)
def weights_rounded_to_half(draft, node):
    return _on_weight(draft, node, lambda w: w.astype(np.float16))


@fault(*WEIGHTS)
def weights_rounded_to_bfloat16(draft, node):
    def change(w):
        return (w.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)

    return _on_weight(draft, node, change)


@fault("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU")
def weights_rounded_to_8_bits(draft, node):
    def change(w):
        step = np.abs(w).max() / 127
        return np.round(w / step) * step

    return _on_weight(draft, node, change)


@fault("Conv", "ConvTranspose")
def kernel_height_and_width_swapped(draft, node):
    square = len(draft.shape(node.input[1])) == 4 and len(set(draft.shape(node.input[1])[2:])) == 1
    return square and _on_weight(draft, node, lambda w: w.swapaxes(2, 3))


@fault("Conv", "ConvTranspose")
def kernel_flipped(draft, node):
    return _on_weight(draft, node, lambda w: w[:, :, ::-1, ::-1] if w.ndim == 4 else None)


@fault("Gemm", "MatMul")
def square_matrix_transposed(draft, node):
    return _on_weight(draft, node, lambda w: w.T if w.ndim == 2 and w.shape[0] == w.shape[1] else None)


@fault("Conv", "Gemm", "MatMul")
def two_output_channels_swapped(draft, node):
    def change(w):
        axis = 0 if node.op_type == "Conv" or draft.attribute(node, "transB", 0) else w.ndim - 1
        w = np.moveaxis(w, axis, 0)
        order = np.arange(len(w))
        order[:2] = order[1::-1]
        return np.moveaxis(w[order], 0, axis)

    return _on_weight(draft, node, change)


@fault("Conv")
def first_convolution_reads_BGR(draft, node):  # noqa: N802
    return _on_weight(draft, node, lambda w: w[:, ::-1] if w.shape[1] == 3 else None)


@fault("Conv", "Gemm", "MatMul")
def one_output_channel_zeroed(draft, node):
    def change(w):
        axis = 0 if node.op_type == "Conv" or draft.attribute(node, "transB", 0) else w.ndim - 1
        np.moveaxis(w, axis, 0)[draft.rng.integers(w.shape[axis])] = 0
        return w

    return _on_weight(draft, node, change)


@fault("Conv")
def groups_in_another_order(draft, node):
    groups = draft.attribute(node, "group", 1)
    return groups > 1 and _on_weight(draft, node, lambda w: np.roll(w, len(w) // groups, axis=0))


@fault("Conv", "Gemm", "MatMul")
def weights_of_another_node(draft, node):
    place = next((i for i in (1, 0) if draft.weight(node, i) is not None), None)
    if place is None:
        return False
    mine = draft.weight(node, place)
    for other in draft.rng.permutation(draft.nodes):
        theirs = draft.weight(other, place) if other.op_type == node.op_type else None
        if (
            theirs is not None
            and theirs.shape == mine.shape
            and mine.ndim >= 2
            and not np.array_equal(theirs, mine)
        ):
            node.input[place] = other.input[place]
            return True
    return False


@fault("LSTM", "GRU")
def gates_in_another_order(draft, node):
    def change(w):
        gates = {"LSTM": 4, "GRU": 3}[node.op_type]
        parts = np.split(w, gates, axis=1)
        return np.concatenate([parts[1], parts[0], *parts[2:]], axis=1)

    return _on_weight(draft, node, change)


@fault("GRU")
def reset_gate_before_the_product(draft, node):
    draft.set_attribute(node, "linear_before_reset", 1 - draft.attribute(node, "linear_before_reset", 0))
    return True


@fault("Gather")
def two_words_of_the_embedding_swapped(draft, node):
    table = draft.weight(node, 0)
    used = np.unique(draft.values[node.input[1]])
    if table is None or table.ndim != 2 or len(used) < 2:
        return False
    return _on_weight(draft, node, lambda w: _swapped_rows(w, used[0], used[1]))


def _swapped_rows(w, one, other):
    w[[one, other]] = w[[other, one]]
    return w


def _bias(draft: Draft, node: NodeProto) -> tuple[int, np.ndarray] | None:
    for place in BIASES[node.op_type]:
        array = draft.weight(node, place)
        if array is not None and array.dtype.kind == "f" and array.ndim and array.size > 1:
            return place, array
    return None


@fault(*BIASES)
def bias_plus_0_05(draft, node):
    if (found := _bias(draft, node)) is None:
        return False
    draft.set_weight(node, found[0], found[1] + found[1].dtype.type(0.05))
    return True


@fault("Conv", "ConvTranspose", "Gemm", "LayerNormalization")
def bias_dropped(draft, node):
    if _bias(draft, node) is None:
        return False
    del node.input[2]
    return True


@fault(*BIASES)
def bias_of_the_wrong_branch(draft, node):
    if (found := _bias(draft, node)) is None:
        return False
    place, mine = found
    for other in draft.rng.permutation(draft.nodes):
        theirs = _bias(draft, other) if other.op_type in BIASES else None
        if theirs and theirs[1].shape == mine.shape and not np.array_equal(theirs[1], mine):
            node.input[place] = other.input[theirs[0]]
            return True
    return False


@fault("Mul", "Div", "Add", "Sub", "Pow", "Max", "Min")
def scalar_constant_times_1_05(draft, node):
    for place in (0, 1):
        array = draft.weight(node, place)
        if array is not None and array.dtype.kind == "f" and array.size == 1:
            draft.set_weight(node, place, array * array.dtype.type(1.05))
            return True
    return False


@fault("Mul", "Div")
def scale_of_attention_dropped(draft, node):
    for place in (1, 0):
        array = draft.weight(node, place)
        if array is not None and array.size == 1 and not (place == 0 and node.op_type == "Div"):
            draft.become(node, "Identity", [node.input[1 - place]])
            return True
    return False


@fault("Clip")
def limits_of_clip_moved(draft, node):
    for place in (2, 1):
        array = draft.weight(node, place)
        if array is not None and array.size == 1 and array != 0:
            draft.set_weight(node, place, array * array.dtype.type(0.8))
            return True
    return False


@fault("LeakyRelu", "Elu", "HardSwish", "Celu")
def slope_changed(draft, node):
    if node.op_type == "HardSwish":
        x = node.input[0]
        draft.become(node, "Mul", [x, f"{x}_sigmoid"])
        draft.insert_before(node, helper.make_node("Sigmoid", [x], [f"{x}_sigmoid"]))
        return {node.output[0], f"{x}_sigmoid"}
    draft.set_attribute(node, "alpha", 0.8 * draft.attribute(node, "alpha", 1.0))
    return True


@fault("PRelu")
def slopes_of_another_channel(draft, node):
    slopes = draft.weight(node, 1)
    if slopes is None or slopes.size < 2:
        return False
    draft.set_weight(
        node, 1, slopes + np.linspace(0, 0.5, slopes.size, dtype=slopes.dtype).reshape(slopes.shape)
    )
    return True
