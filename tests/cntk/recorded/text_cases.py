"""Graphs and parts of graphs whose texts are compared, to be built with the real CNTK and with ours: C -> [objects].

Python 3.6 reads this too.
"""

# ruff: noqa: N806 - CNTK's name, and its users' names of layers and weights

import re

import numpy as np

COUNTED = re.compile(r"'([A-Za-z:]+?)\d+((?:_Output_\d+)?)'")


def without_counters(text):
    """Take the running numbers out of uids."""
    return COUNTED.sub(r"'\1#\2'", text)


def functions(C):
    """Return functions of every kind."""
    L = C.layers
    x, y = C.input_variable((3, 4), name="x"), C.input_variable((3, 4))
    s = C.sequence.input_variable(3, name="s")
    weight, bias = C.parameter((4, 5), init=1, name="W"), C.parameter((5,), init=0)
    z, n = C.times(x, weight) + bias, C.times(x, weight, name="tm")
    dense = L.Dense(5, activation=C.relu, name="d")(x)
    recurrence = L.Recurrence(L.LSTM(4))(s)
    return [
        z, z.root_function, n, dense, dense.root_function, recurrence, recurrence.root_function,
        C.placeholder(name="p") + 1, C.combine([z, n]), C.combine([z.output, n.output], name="cc"), C.top_k(x, 2),
        C.alias(z, "al"), C.square(x).root_function, C.splice(x, y, name="sp"), C.relu(x) + C.constant(2),
        L.Sequential([L.Dense(3), L.Dense(2)]), L.Sequential([L.Dense(3), L.Dense(2, name="k")])(x),
        C.as_composite(z.root_function), C.sequence.last(s), C.reduce_sum(x, 0), L.Dense(3), L.LSTM(3),
        C.cross_entropy_with_softmax(x, y), C.input_variable((), name="sc") + 1,
        C.input_variable(3, is_sparse=True, name="spx") * 2, C.input_variable((C.FreeDimension, 3), name="fr") * 2,
        C.input_variable(3, dtype=np.float64, name="dd") * 2.0,
        L.Convolution2D(3, 4, name="cv")(C.input_variable((2, 8, 8), name="im")),
    ]  # fmt: skip


def unfinished(C):
    """Return operators on something known and a placeholder: what can be told of their outputs already."""
    v, s, narrow = (
        C.input_variable(3, name="v"),
        C.sequence.input_variable(3, name="s"),
        C.input_variable((1,)),
    )
    weight, constant = C.parameter((3,), init=1), C.constant(np.ones(3))

    def gap():
        return C.placeholder(name="p")

    return [
        C.minus(gap(), v), C.less(v, gap()), C.pow(v, gap()), C.element_select(gap(), v, v), C.clip(v, gap(), 1.0),
        C.splice(v, gap()), gap() + weight, gap() * constant, gap() + gap(), C.element_max(v, gap()),
        C.times(v, gap()), C.element_divide(v, gap()), C.cross_entropy_with_softmax(v, gap()),
        C.squared_error(v, gap()), narrow + gap(), C.relu(v + gap()), C.input_variable((C.FreeDimension,)) + gap(),
        C.sequence.broadcast_as(v, gap()), C.reconcile_dynamic_axes(v, gap()), C.gather(gap(), v), (v + gap()) + s,
        C.cosine_distance(v, gap()), v + gap() + weight, C.layers.Dense(2)(v + gap()), C.plus(v, gap(), v),
    ]  # fmt: skip


def others(C):
    """Return variables, axes and devices."""
    x, s = C.input_variable((3, 4), name="x"), C.sequence.input_variable(3, name="s")
    typing = C.layers.typing
    return [
        x, C.input_variable((3, 4)), C.parameter((4, 5), init=1, name="W"), C.constant(2),
        C.constant(np.zeros((2, 3)), name="cst"), C.placeholder(name="p"), s, (x + 1).output,
        C.top_k(x, 2).outputs[1], C.Axis(1), C.Axis.default_batch_axis(), C.Axis.all_axes(), s.dynamic_axes,
        C.Parameter((2, C.InferredDimension), init=C.glorot_uniform()), C.device.cpu(), C.device.all_devices(),
        typing.Tensor[3], typing.Sequence[typing.Tensor[3]], typing.SequenceOver[C.Axis("a")][typing.Tensor[2]],
    ]  # fmt: skip


def texts(C):
    """Return what `repr` and `str` give."""
    found = functions(C) + unfinished(C) + others(C)
    return [[without_counters(repr(one)), without_counters(str(one))] for one in found]
