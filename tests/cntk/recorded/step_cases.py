"""Layers and operators on the steps of sequences, to be run with the real CNTK 2.7 and with ours: C -> {name: array}.

Python 3.6 reads this too.
"""

import numpy as np

CASES = {}
LENGTHS = (4, 2, 1)


def case(function):
    """Register a program."""
    CASES[function.__name__] = function
    return function


def sequences(size, lengths=LENGTHS):
    """Return sequences of vectors."""
    random = np.random.RandomState(size)
    return [random.rand(length, *np.atleast_1d(size)).astype(np.float32) for length in lengths]


def parts(name, values):
    """Return pieces by name: one for each sequence, or the whole array."""
    if isinstance(values, list):
        return {"%s %d" % (name, number): np.asarray(one) for number, one in enumerate(values)}
    return {name: np.asarray(values)}


def uniform(C, seed):
    """Return what draws the same numbers everywhere."""
    return C.initializer.uniform(0.5, seed=seed)


@case
def unfolding(C):
    """Unfold from a state: as long as another sequence, longer, shorter, until something holds, with other output."""
    found = {}
    x, s = C.sequence.input_variable(1), C.input_variable(2)
    given = {x: sequences(1, (3, 5, 1)), s: np.float32([[1, 2], [3, 4], [0.5, 0.25]])}

    def above(bound):
        return lambda w: C.greater(w[0], bound)

    def pair(h):
        doubled = h * 2
        return C.reduce_sum(doubled), doubled

    weights = C.parameter((2, 2), init=uniform(C, 3))
    for name, generate, more in (
        ("plain", lambda h: h * 2, {}),
        ("until", lambda h: h * 2, {"until_predicate": above(6)}),
        ("never", lambda h: h * 0, {"until_predicate": above(6)}),
        ("at once", lambda h: h * 2, {"until_predicate": above(-6)}),
        ("twice", lambda h: h + 1, {"length_increase": 2}),
        ("half more", lambda h: h + 1, {"length_increase": 1.5}),
        ("both", lambda h: h + 1, {"until_predicate": above(4), "length_increase": 2}),
        ("pair", C.Function(pair), {}),
        ("network", lambda h: C.tanh(C.times(h, weights)), {}),
    ):
        model = C.layers.UnfoldFrom(generate, **more)(s, x)
        found.update(parts(name, model.eval(given)))
    found.update(parts("gradient", C.sequence.reduce_sum(model).grad(given, wrt=[weights])))
    fixed = C.layers.UnfoldFrom(lambda h: h * 2)(C.constant([1.0, 3.0]), x)
    found.update(parts("constant", fixed.eval({x: given[x]})))
    return found


@case
def convolution_along_steps(C):
    """Convolve along the steps: windows, strides, padding, pictures, single numbers."""
    found = {}
    x, pictures, single = (C.sequence.input_variable(shape) for shape in (2, (3, 5), ()))
    layer = C.layers.SequentialConvolution
    for pad in (False, True):
        for window in (1, 2, 3):
            for stride in (1, 2, 3):
                name = "%d %d %d" % (pad, window, stride)
                options = {"num_filters": 2, "pad": pad, "init": uniform(C, 2)}
                model = layer((window,), strides=stride, **options)(x)
                given = sequences(2, (4, 4) if not pad else (4, 2, 1, 5))
                found.update(parts("vectors " + name, model.eval({x: given})))
                model = layer((window, 3), strides=(stride, 2), **options)(pictures)
                given = [np.linspace(0, 1, 15 * n).reshape(n, 3, 5).astype(np.float32) for n in (7, 7)]
                found.update(parts("pictures " + name, model.eval({pictures: given})))
    model = layer((3,), num_filters=2, pad=True, init=uniform(C, 2), reduction_rank=0)(single)
    found.update(
        parts("single", model.eval({single: [np.arange(5, dtype=np.float32), np.ones(7, np.float32)]}))
    )
    model = layer((3,), pad=True, init=uniform(C, 2), reduction_rank=0, bias=False)(single)
    found.update(parts("no filters", model.eval({single: [np.arange(5, dtype=np.float32)]})))
    model = layer((3,), num_filters=2, pad=True, init=uniform(C, 2), activation=C.tanh)(x)
    given = {x: sequences(2)}
    found.update(parts("activation", model.eval(given)))
    total = C.sequence.reduce_sum(C.reduce_sum(model * model))
    weights = [one for one in model.parameters if one.name == "W"]
    found.update(parts("gradient", total.grad(given, wrt=weights)))
    return found


@case
def recurrences_from_states(C):
    """Begin recurrences at states that are given, forwards and backwards; windows of the past."""
    found = {}
    x, s = C.sequence.input_variable(2), C.input_variable(3)
    given = {x: sequences(2), s: np.arange(9, dtype=np.float32).reshape(3, 3) / 9}
    layers, init = C.layers, uniform(C, 1)
    found.update(parts("step", layers.RecurrenceFrom(layers.RNNStep(3, init=init))(s, x).eval(given)))
    back = layers.RecurrenceFrom(layers.GRU(3, init=init), go_backwards=True)(s, x)
    found.update(parts("back", back.eval(given)))
    both = layers.RecurrenceFrom(layers.LSTM(3, init=init), return_full_state=True)(s, s * 2, x)
    values = both.eval(given)
    for number, output in enumerate(both.outputs):
        found.update(parts("state %d" % number, values[output]))
    for name, options in (("past", {}), ("future", {"go_backwards": True})):
        window = layers.PastValueWindow(3, axis=-2, **options)(x)
        values = window.eval({x: given[x]})
        for number, output in enumerate(window.outputs):
            found.update(parts("%s %d" % (name, number), values[output]))
    return found


@case
def states_that_are_sequences(C):
    """Begin delays and recurrences with the steps of another sequence."""
    found = {}
    x = C.sequence.input_variable(2, needs_gradient=True)
    start = C.sequence.input_variable(2, needs_gradient=True, sequence_axis=C.Axis("start"))
    for offset, lengths in ((1, (1, 3)), (-1, (2, 1)), (2, (2, 3)), (-2, (3, 2)), (3, (1, 1))):
        model = C.sequence.delay(x * 1, start, offset)
        given = {x: sequences(2, (4, 3)), start: sequences(2, lengths)}
        name = "%d %s" % (offset, lengths)
        found.update(parts(name, model.eval(given)))
        gradients = C.sequence.reduce_sum(C.reduce_sum(model * model)).grad(given, wrt=[x, start])
        found.update(parts(name + " x", gradients[x]))
        found.update(parts(name + " start", gradients[start]))
    for back in (False, True):
        step = C.layers.RNNStep(2, init=uniform(C, 1))
        model = C.layers.RecurrenceFrom(step, go_backwards=back)(start, x)
        given = {x: sequences(2, (4, 3)), start: sequences(2, (2, 3))}
        found.update(parts("recurrence %d" % back, model.eval(given)))
    return found


@case
def sequences_of_axes(C):
    """Make sequences of static axes, and other layers that nothing else asks about."""
    found = {}
    w, like = C.input_variable((C.FreeDimension, 2)), C.sequence.input_variable(1)
    data = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    found.update(parts("like", C.to_sequence_like(w, like).eval({w: data, like: sequences(1)})))
    fixed = C.input_variable((4, 2))
    found.update(parts("whole", C.to_sequence(fixed).eval({fixed: data})))
    volume = C.input_variable((2, 3, 3, 3))
    voxels = np.linspace(-1, 1, 54).reshape(1, 2, 3, 3, 3).astype(np.float32)
    for name, options in (("plain", {}), ("padded", {"strides": 2, "pad": True})):
        layer = C.layers.ConvolutionTranspose3D((3, 3, 3), 2, init=uniform(C, 2), **options)
        found.update(parts("volume " + name, layer(volume).eval({volume: voxels})))
    s = C.input_variable(3)
    scaled = C.per_dim_mean_variance_normalize(s, np.float32([1, 2, 3]), np.float32([0.5, 2, 1]))
    found.update(parts("normalized", scaled.eval({s: np.float32([[1, 2, 3], [4, 5, 6]])})))
    with C.default_options_for(C.layers.Dense, activation=C.tanh, init=uniform(C, 4)):
        model = C.layers.Sequential([C.layers.Dense(2), C.layers.Dense(3, activation=None)])(s)
    found.update(parts("options", model.eval({s: np.float32([[1, 2, 3], [4, 5, 6]])})))
    return found


def saved(C):
    """Return models whose native files are kept, with what they are given."""
    x, y, s = C.sequence.input_variable(2), C.sequence.input_variable(1), C.input_variable(2)
    along = C.layers.SequentialConvolution((3,), num_filters=2, pad=True, strides=2, init=uniform(C, 2))(x)
    unfolded = C.layers.UnfoldFrom(lambda h: h + 1, lambda w: C.greater(w[0], 4), length_increase=2)(s, y)
    return {
        "along": (along, [sequences(2)]),
        "unfolded": (unfolded, [np.float32([[1, 2], [0.5, 2]]), sequences(1, (3, 5))]),
    }


def evaluated(model, values):
    """Evaluate a model on values in the order of its arguments: states before sequences."""
    order = sorted(model.arguments, key=lambda one: len(one.dynamic_axes))
    return model.eval({one: values[place] for place, one in enumerate(order)})
