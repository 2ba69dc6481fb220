"""Losses that look at whole minibatches or sequences, to be run with the real CNTK 2.7 and with ours: C -> {name: array}.

Python 3.6 reads this too.
"""

import numpy as np

CASES = {}
LENGTHS = ((2, 1, 3), (2, 2, 3), (3, 3), (1, 1, 1))


def case(function):
    """Register a program."""
    CASES[function.__name__] = function
    return function


def vectors(lengths, size, seed):
    """Return sequences of vectors."""
    random = np.random.RandomState(seed)
    return [random.randn(length, size).astype(np.float32) for length in lengths]


def parts(name, values):
    """Return pieces by name: one for each sequence, or the whole array."""
    if isinstance(values, list):
        return {"%s %d" % (name, number): one for number, one in enumerate(values)}
    return {name: values}


@case
def cosines_with_negative_samples(C):
    """Compare vectors with those of later samples: batches, ragged sequences, sequences of one length."""
    found = {}
    for shift, count in ((1, 2), (2, 3), (1, 1), (0, 2), (4, 9)):
        x, y = C.input_variable(4, needs_gradient=True), C.input_variable(4, needs_gradient=True)
        model = C.cosine_distance_with_negative_samples(x * 2, y, shift, count)
        given = {x: vectors([6], 4, 0)[0], y: vectors([6], 4, 1)[0]}
        gradients = model.grad(given, [x, y])
        name = "batch %d %d" % (shift, count)
        found[name], found[name + " x"], found[name + " y"] = model.eval(given), gradients[x], gradients[y]
    for lengths in LENGTHS:
        x, y = (C.sequence.input_variable(4, needs_gradient=True) for _ in range(2))
        model = C.cosine_distance_with_negative_samples(x, y, 1, 2)
        given = {x: vectors(lengths, 4, 2), y: vectors(lengths, 4, 3)}
        gradients = model.grad(given, [x, y])
        found.update(parts("%s" % (lengths,), model.eval(given)))
        found.update(parts("%s x" % (lengths,), gradients[x]))
        found.update(parts("%s y" % (lengths,), gradients[y]))
    return found


def labels(*sequences):
    """Return labels from (class, mark) for each frame."""
    found = []
    for sequence in sequences:
        rows = np.zeros((len(sequence), 4), np.float32)
        for frame, (token, mark) in enumerate(sequence):
            rows[frame, token] = mark
        found.append(rows)
    return found


@case
def temporal_classification(C):
    """Spell labels from outputs, the same label twice, with any delay and with little."""
    goals = labels(
        [(0, 2), (1, 2), (1, 1), (0, 2), (0, 1)],
        [(2, 2), (2, 1), (2, 1)],
        [(1, 2), (1, 2), (1, 1), (1, 1)],
        [(0, 1), (2, 2), (1, 1), (1, 2), (1, 1), (0, 2), (0, 1)],
    )
    outputs = vectors([5, 3, 4, 7], 4, 5)
    found = {}
    # With a delay CNTK reads beyond its list for the longest labels of a batch: those are asked for one by one.
    together, alone = [slice(0, 4)], [slice(number, number + 1) for number in range(4)]
    for blank, delay, chosen in (
        (3, -1, together),
        (3, 0, together),
        (0, -1, together),
        (0, 0, together),
        (3, 1, alone),
        (3, 2, alone),
        (3, 4, alone),
    ):
        x, t = C.sequence.input_variable(4, needs_gradient=True), C.sequence.input_variable(4)
        loss = C.forward_backward(C.labels_to_graph(t), x * 2, blank, delay) * 0.5
        for some in chosen:
            given = {x: outputs[some], t: goals[some]}
            name = "blank %d, delay %d, from %d" % (blank, delay, some.start)
            found[name] = loss.eval(given)
            found.update(parts(name + " x", loss.grad(given, [x])))
    return found


@case
def temporal_classification_of_few_frames(C):
    """Spell what cannot be spelt, and no label at all."""
    found = {}
    x, t = C.sequence.input_variable(4, needs_gradient=True), C.sequence.input_variable(4)
    loss = C.forward_backward(C.labels_to_graph(t), x, 3)
    for name, goals in (("two", [(0, 2), (0, 2)]), ("none", [(0, 1), (0, 1)])):
        given = {x: vectors([2], 4, 6), t: labels(goals)}
        found[name] = loss.eval(given)
        found.update(parts(name + " x", loss.grad(given, [x])))
    return found


@case
def noise_contrastive_estimation(C):
    """Tell labels from classes drawn at random, with gradients of everything."""
    found = {}
    random = np.random.RandomState(0)
    weights, biases = random.randn(7, 3).astype(np.float32), random.randn(7, 1).astype(np.float32)
    noise = np.array([1, 2, 3, 4, 2, 1, 0.5], np.float32)
    for repeated in (True, False):
        x, y = C.input_variable(3, needs_gradient=True), C.input_variable(7)
        w, b = C.parameter((7, C.InferredDimension), init=0.1), C.parameter(init=biases)
        loss, again = (
            C.nce_loss(w, b, x, y, noise, num_samples=4, allow_duplicates=repeated, seed=11, name="nce")
            for _ in range(2)
        )
        w.value = weights
        given = {x: vectors([5], 3, 7)[0], y: np.eye(7, dtype=np.float32)[[1, 3, 0, 6, 3]]}
        name = "repeated" if repeated else "different"
        found[name], found[name + " again"] = loss.eval(given), loss.eval(given)
        gradients = again.grad(given, [x, w, b])
        for part, one in (("x", x), ("w", w), ("b", b)):
            found["%s: gradient of %s" % (name, part)] = gradients[one]
    return found


def saved(C):
    """Return models whose files are read elsewhere, and values of their arguments by name: name -> (model, values)."""
    steps = {"x": vectors((3, 2), 4, 2), "t": labels([(0, 2), (1, 2), (1, 1)], [(2, 2), (2, 1)])}
    rows = {"x": vectors([5], 4, 7)[0], "t": np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 1]]}
    x, t = (C.sequence.input_variable(4, name=name) for name in "xt")
    a, b = (C.input_variable(4, name=name) for name in "xt")
    w, c = C.parameter((4, 4), init=0.3), C.parameter((4, 1), init=0.1)
    noise = np.array([1, 2, 3, 4], np.float32)
    return {
        "temporal": (C.forward_backward(C.labels_to_graph(t), x, 3, 0), steps),
        "cosines": (C.cosine_distance_with_negative_samples(x, t, 1, 2), steps),
        "noise": (C.nce_loss(w, c, a, b, noise, num_samples=3, seed=5), rows),
    }


def evaluated(model, values):
    """Return all numbers that a model gives."""
    found = model.eval({one: values[one.name] for one in model.arguments})
    return np.concatenate([np.ravel(one) for one in (found if isinstance(found, list) else [found])])
