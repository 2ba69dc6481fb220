"""Small programs whose operators ONNX has no words for, to be run with the real CNTK and with ours: C -> {name: array}.

Python 3.6 reads this too.
"""

# ruff: noqa: ARG002, B905, N806 - CNTK calls these methods by position, and Python 3.6 reads them
import numpy as np

CASES = {}
SIX = [1.0, 3.0, 5.0, 1.0, 0.5, 2.0]


def case(function):
    """Register a program."""
    CASES[function.__name__] = function
    return function


def rows(*lengths, **more):
    """Return sequences of pairs of numbers."""
    random = np.random.RandomState(more.get("seed", 0))
    return [random.rand(length, 2).astype(np.float32) for length in lengths]


def tokens(*sequences):
    """Return sequences of one-hot rows over five tokens."""
    return [np.eye(5, dtype=np.float32)[list(sequence)] for sequence in sequences]


@case
def numbers_of_a_given_shape(C):
    """Draw twice from each distribution, the second time where the first ended."""
    found = {}
    for dtype in (np.float32, np.float64):
        for kind, arguments in (
            ("uniform", (-1, 2)),
            ("normal", (1, 2)),
            ("gumbel", (1, 2)),
            ("bernoulli", (0.3,)),
        ):
            drawn = getattr(C.random, kind)((3, 5), dtype, *arguments, seed=98052)
            for turn in "ab":
                found["%s %s %s" % (kind, np.dtype(dtype).name, turn)] = drawn.eval()
    return found


@case
def many_normal_numbers(C):
    """Meet the tail, one number in four thousand."""
    return {"all": C.random.normal((40, 200), np.float64, seed=5).eval()}


@case
def numbers_like_others(C):
    """Draw for a batch, for ragged sequences, for a parameter."""
    x, s = C.input_variable(3), C.sequence.input_variable(2)
    found = {}
    for kind in ("uniform_like", "normal_like", "gumbel_like", "bernoulli_like"):
        draw = getattr(C.random, kind)
        found[kind + " batch"] = draw(x, seed=7).eval({x: np.zeros((4, 3), np.float32)})
        found[kind + " parameter"] = draw(C.parameter((2, 3)), seed=7).eval()
        for number, one in enumerate(draw(s, seed=7).eval({s: rows(2, 3, 1, 1, 2)})):
            found["%s sequence %d" % (kind, number)] = one
    return found


@case
def initial_values(C):
    """Draw initial values with seeds."""
    found = {}
    for kind in ("uniform", "normal", "truncated_normal"):
        found[kind] = C.parameter((7, 3), init=getattr(C, kind)(0.5, seed=3)).value
    for kind in ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "xavier"):
        found[kind] = C.parameter((4, 3), init=getattr(C, kind)(seed=11)).value
        weights = C.layers.Convolution2D((3, 3), 4, init=getattr(C, kind)(seed=12))(
            C.input_variable((2, 8, 8))
        ).W
        found[kind + " of a convolution"] = weights.value
    return found


@case
def seeds_that_nobody_names(C):
    """Count seeds up, begin again, fix one for all."""
    found = {}
    C.cntk_py.reset_random_seed(7)
    for number in range(3):
        found["counted %d" % number] = C.parameter((2, 2), init=C.normal(1)).value
    found["drawn"] = C.random.uniform((4,)).eval()
    C.cntk_py.set_fixed_random_seed(42)
    for number in range(2):
        found["fixed %d" % number] = C.parameter((2, 2), init=C.glorot_uniform()).value
    C.cntk_py.reset_random_seed(0)
    return found


@case
def dropout_in_training(C):
    """Drop in forward with gradients, keep in evaluation."""
    x = C.input_variable((3, 2), needs_gradient=True)
    dropped = C.dropout(x * 2, 0.3, seed=5)
    data = np.arange(24, dtype=np.float32).reshape(4, 3, 2) + 1
    found = {"evaluated": dropped.eval({x: data})}
    for turn in "ab":
        state, values = dropped.forward({x: data}, [dropped.output], {dropped.output})
        found["forward " + turn] = values[dropped.output]
        gradients = dropped.backward(state, {dropped.output: np.ones_like(data)}, {x})
        found["gradient " + turn] = gradients[x]
    return found


@case
def samples_of_classes(C):
    """Draw classes with and without repeating any."""
    weights, one = np.array(SIX, np.float32), C.constant(np.eye(6, dtype=np.float32))
    found = {}
    for repeated in (True, False):
        drawn = C.times(C.random_sample(weights, 4, repeated, seed=1), one)
        for turn in "ab":
            found["samples %s %s" % (repeated, turn)] = drawn.eval()
        frequency = C.random_sample_inclusion_frequency(weights, 4, repeated, seed=1)
        found["frequency %s" % repeated] = frequency.eval()
    return found


@case
def edit_distances(C):
    """Compare ragged sequences of tokens."""
    a, b = C.sequence.input_variable(5), C.sequence.input_variable(5)
    first, second = ([0, 1, 1, 3, 3, 3], [1, 2], [4]), ([0, 2, 0, 3, 2, 0], [3, 2], [4])
    found = {}
    for number, options in enumerate(
        [
            {},
            {"squashInputs": True},
            {"tokensToIgnore": [3]},
            {"subPen": 3, "insPen": 1, "delPen": 2},
            {"subPen": 0.5, "insPen": 2, "delPen": 1, "squashInputs": True, "tokensToIgnore": [0, 2]},
        ]
    ):
        error = C.edit_distance_error(a, b, **options)
        found[str(number)] = error.eval({a: tokens(*first), b: tokens(*second)})
    return found


@case
def ranks(C):
    """Measure ranks, with gains falling in each group."""
    s, n, g = C.input_variable(1, needs_gradient=True), C.input_variable(1), C.input_variable(1)
    found = {}
    for number, (scores, gains, groups) in enumerate(
        [
            ([1, 2], [7, 1], [1, 1]),
            ([3, 2, 1], [5, 3, 1], [1, 1, 1]),
            ([1, 2, 3, 4, 0.5, 0.1], [4, 3, 1, 1, 2, 1], [1, 1, 1, 1, 2, 2]),
            ([1, 3, 2, 4], [2, 1, 0, 0], [1, 1, 1, 1]),
        ]
    ):
        given = {
            one: np.array(v, np.float32).reshape(-1, 1) for one, v in ((s, scores), (n, gains), (g, groups))
        }
        found["ndcg %d" % number] = C.metrics.ndcg_at_1(s, n, g).eval(given)
        loss = C.losses.lambda_rank(s, n, g)
        found["gradient %d" % number], found["loss %d" % number] = loss.grad(given, [s], [loss.output])
    return found


@case
def assignments(C):
    """Set parameters after everything has been computed."""
    value, dest = C.parameter(init=np.array([[1, 2], [3, 4]], np.float32)), C.parameter((2, 2))
    kept = C.assign(dest, value * 2)
    before = dest + value
    results = C.combine([before, kept]).eval()
    found = {"before": results[before.output], "assigned": results[kept.output], "kept": dest.value}
    found["after"] = before.eval()
    count = C.constant(np.zeros(1, np.float32))
    counted = C.assign(count, count + 1)
    for number in range(3):
        found["count %d" % number] = counted.eval()
    found["constant"] = count.value
    return found


def classes_of_user_functions(C):
    """Return a function of one operand, one of two, and one with two outputs."""

    class Cubed(C.ops.functions.UserFunction):
        def __init__(self, x, name="cubed"):
            super(Cubed, self).__init__([x], name=name)

        def infer_outputs(self):
            return [
                C.output_variable(self.inputs[0].shape, self.inputs[0].dtype, self.inputs[0].dynamic_axes)
            ]

        def forward(self, argument, device=None, outputs_to_retain=None):
            if isinstance(argument, list):
                return argument, [one**3 for one in argument]
            return argument, argument**3

        def backward(self, state, root_gradients):
            if isinstance(state, list):
                return [3 * one**2 * g for one, g in zip(state, root_gradients)]
            return 3 * state**2 * root_gradients

    class Product(C.ops.functions.UserFunction):
        def __init__(self, x, y, name="product"):
            super(Product, self).__init__([x, y], name=name)

        def infer_outputs(self):
            return [
                C.output_variable(self.inputs[0].shape, self.inputs[0].dtype, self.inputs[0].dynamic_axes)
            ]

        def forward(self, arguments, device=None, outputs_to_retain=None):
            return arguments, arguments[0] * arguments[1]

        def backward(self, state, root_gradients, variables):
            for number in (0, 1):
                if self.inputs[number] in variables:
                    variables[self.inputs[number]] = state[1 - number] * root_gradients

    class Both(C.ops.functions.UserFunction):
        def __init__(self, x, y, name="both"):
            super(Both, self).__init__([x, y], name=name)

        def infer_outputs(self):
            x = self.inputs[0]
            return [C.output_variable(x.shape, x.dtype, x.dynamic_axes) for _ in range(2)]

        def forward(self, arguments, outputs, device=None, outputs_to_retain=None):
            outputs[self.outputs[0]] = arguments[0] + 2 * arguments[1]
            outputs[self.outputs[1]] = 3 * arguments[0] - arguments[1]

        def backward(self, state, root_gradients, variables):
            first, second = (root_gradients[one] for one in self.outputs)
            variables[self.inputs[0]] = first + 3 * second
            variables[self.inputs[1]] = 2 * first - second

    return Cubed, Product, Both


@case
def user_functions(C):
    """Compute with operators in Python, one after another, and follow gradients back through them."""
    Cubed, Product, Both = classes_of_user_functions(C)
    x, y = C.input_variable(3, needs_gradient=True), C.input_variable(3, needs_gradient=True)
    w = C.parameter((3, 2), init=np.array([[1, -1], [0.5, 2], [0, 1]], np.float32))
    given = {
        x: np.array([[1, 2, 3], [-1, 0, 2]], np.float32),
        y: np.array([[2, 0, 1], [1, 1, -1]], np.float32),
    }
    inner = C.user_function(Cubed(x + y)) * x
    both = C.user_function(Both(inner, C.user_function(Product(x, C.tanh(y)))))
    loss = C.times(both.outputs[0] * both.outputs[1] + y, w)
    found = {"value": loss.eval(given)}
    gradients = loss.grad(given, wrt=[x, y, w])
    for name, one in (("x", x), ("y", y), ("w", w)):
        found["gradient of " + name] = gradients[one]
    copy = loss.clone("share")
    found["copy"] = copy.eval(dict(zip(copy.arguments, (given[one] for one in loss.arguments))))
    p = C.placeholder()
    later = C.user_function(Cubed(p)) + 1
    later.replace_placeholder(x)
    found["placeholder"] = later.eval({x: given[x]})
    return found


@case
def user_functions_of_sequences(C):
    """Give ragged sequences to an operator in Python."""
    Cubed = classes_of_user_functions(C)[0]
    x = C.sequence.input_variable(2, needs_gradient=True)
    cubed = C.user_function(Cubed(x * 2))
    last = C.sequence.last(cubed)
    data = rows(3, 1, 2)
    found = {"last": last.eval({x: data})}
    for number, (value, gradient) in enumerate(zip(cubed.eval({x: data}), cubed.grad({x: data}, wrt=[x]))):
        found["value %d" % number], found["gradient %d" % number] = value, gradient
    return found


def learners(C):
    """Return learners by name, to be made for some parameters."""
    rate, by, ignore = C.learning_parameter_schedule, C.momentum_schedule, C.learners.IGNORE
    return {
        "mean": lambda p: C.sgd(p, rate(0.1)),
        "for two": lambda p: C.sgd(p, rate(0.1, minibatch_size=2)),
        "for each": lambda p: C.sgd(p, C.learning_rate_schedule(0.05, C.UnitType.sample)),
        "learner for two": lambda p: C.sgd(p, 0.1, minibatch_size=2),
        "compatible": lambda p: C.sgd(p, rate(0.1), minibatch_size=ignore),
        "compatible for two": lambda p: C.sgd(p, rate(0.1, minibatch_size=2), minibatch_size=ignore),
        "schedule": lambda p: C.sgd(p, rate([(2, 0.1), (1, 0.2)], epoch_size=3)),
        "regularized": lambda p: C.sgd(
            p, rate(0.1), l1_regularization_weight=0.05, l2_regularization_weight=0.1
        ),
        "clipped": lambda p: C.sgd(p, rate(0.1), gradient_clipping_threshold_per_sample=0.5),
        "shortened": lambda p: C.sgd(
            p, rate(0.1), gradient_clipping_threshold_per_sample=0.5, gradient_clipping_with_truncation=False
        ),
        "compatible, clipped": lambda p: C.sgd(
            p, rate(0.1), minibatch_size=ignore, gradient_clipping_threshold_per_sample=0.5
        ),
        "compatible, regularized": lambda p: C.sgd(
            p, rate(0.1), minibatch_size=ignore, l1_regularization_weight=0.05, l2_regularization_weight=0.1
        ),
        "momentum": lambda p: C.momentum_sgd(p, rate(0.1), by(0.9)),
        "momentum without unit gain": lambda p: C.momentum_sgd(p, rate(0.1), by(0.9), unit_gain=False),
        "momentum for two": lambda p: C.momentum_sgd(p, rate(0.1), by(0.9, minibatch_size=2)),
        "compatible momentum for two": lambda p: C.momentum_sgd(
            p, rate(0.1), by(0.9, minibatch_size=2), minibatch_size=ignore
        ),
        "time constant": lambda p: C.momentum_sgd(
            p, rate(0.1, minibatch_size=1), C.momentum_as_time_constant_schedule(10)
        ),
        "nesterov": lambda p: C.nesterov(p, rate(0.1), by(0.9)),
        "nesterov without unit gain": lambda p: C.nesterov(p, rate(0.1), by(0.9), unit_gain=False),
    }


@case
def training_by_each_learner(C):
    """Take four steps with each learner, minibatches of two sizes."""
    found = {}
    for name, make in sorted(learners(C).items()):
        x, y = C.input_variable(2), C.input_variable(1)
        w, b = C.parameter((2, 1), init=np.array([[0.3], [-0.2]], np.float32)), C.parameter(1)
        z = C.tanh(C.times(x, w) + b)
        trainer = C.Trainer(z, (C.squared_error(z, y), C.abs(z - y)), [make(z.parameters)])
        for step in range(4):
            size = 3 - step % 2
            inputs = np.array([[1, 2], [3, -1], [0.5, 0.5]], np.float32)[:size]
            targets = np.array([[1], [2], [-1]], np.float32)[:size]
            trainer.train_minibatch({x: inputs, y: targets})
            kept = [*w.value.ravel(), *b.value, trainer.previous_minibatch_loss_average]
            kept += [trainer.previous_minibatch_evaluation_average, trainer.previous_minibatch_sample_count]
            found["%s, step %d" % (name, step)] = np.array([*kept, trainer.total_number_of_samples_seen])
        found[name + ", tested"] = trainer.test_minibatch({x: inputs, y: targets})
    return found


@case
def training_a_classifier_of_sequences(C):
    """Train two dense layers on ragged sequences, dropout between them."""
    x, y = C.sequence.input_variable(2), C.input_variable(3)
    with C.layers.default_options(init=C.glorot_uniform(seed=3)):
        hidden = C.layers.Recurrence(C.layers.RNNStep(4, activation=C.tanh))(x)
        z = C.layers.Dense(3)(C.dropout(C.sequence.last(hidden), 0.3, seed=9))
    loss, error = C.cross_entropy_with_softmax(z, y), C.classification_error(z, y)
    trainer = C.Trainer(z, (loss, error), C.momentum_sgd(z.parameters, 0.5, 0.5))
    labels, found = np.eye(3, dtype=np.float32), {}
    for step in range(3):
        _, values = trainer.train_minibatch({x: rows(3, 1, 2), y: labels}, outputs=[z.output])
        found["logits %d" % step] = values[z.output]
        found["loss %d" % step] = trainer.previous_minibatch_loss_average
        found["error %d" % step] = trainer.previous_minibatch_evaluation_average
    for number, one in enumerate(sorted(z.parameters, key=lambda one: (one.shape, one.value.sum()))):
        found["parameter %d" % number] = one.value
    return found


@case
def batch_normalization_in_training(C):
    """Normalise by the minibatch, follow gradients back, keep running statistics; of vectors, pictures, sequences."""
    random = np.random.RandomState(1)
    found = {}
    for name, shape, spatial, constant in (
        ("vectors", (3,), False, 100),
        ("averaged vectors", (3,), False, -1),
        ("pictures", (2, 3, 4), True, 50),
        ("volumes by number", (2, 3), False, 0),
        ("sequences", (3,), False, 7),
    ):
        make = C.sequence.input_variable if name == "sequences" else C.input_variable
        x = make(shape, dtype=np.float64, needs_gradient=True)
        kept = (shape[0],) if spatial else shape
        scale = C.parameter(kept, init=random.rand(*kept) + 0.5, dtype=np.float64)
        bias = C.parameter(kept, init=random.rand(*kept), dtype=np.float64)
        mean, variance = (C.constant(one, kept, dtype=np.float64) for one in (0, 1))
        count = C.constant(0, dtype=np.float64)
        normal = C.batch_normalization(
            x * 2, scale, bias, mean, variance, spatial, constant, epsilon=0.01, running_count=count
        )
        loss = normal * normal * C.sin(x)
        for turn in range(3):
            data = [random.rand(length, *shape) for length in (3, 1, 2)]
            data = data if name == "sequences" else np.concatenate(data)
            gradients = loss.grad({x: data}, wrt=[x, scale, bias])
            found["%s: gradient of scale %d" % (name, turn)] = gradients[scale]
            found["%s: gradient of bias %d" % (name, turn)] = gradients[bias]
            for number, one in enumerate(gradients[x]):
                found["%s: gradient of sample %d %d" % (name, number, turn)] = one
            for what, one in (("mean", mean), ("variance", variance), ("count", count)):
                found["%s: %s %d" % (name, what, turn)] = one.value
        for number, one in enumerate(normal.eval({x: data})):
            found["%s: evaluated %d" % (name, number)] = one
    return found


@case
def training_a_convolutional_network(C):
    """Train convolution, batch normalisation, pooling and dense layers; then evaluate with running statistics."""
    random = np.random.RandomState(2)
    x, y = C.input_variable((1, 8, 8)), C.input_variable(3)
    with C.layers.default_options(init=C.glorot_uniform(seed=3), activation=C.relu):
        h = C.layers.Convolution2D((3, 3), 4, pad=True)(x)
        h = C.layers.MaxPooling((2, 2), (2, 2))(C.layers.BatchNormalization(map_rank=1)(h))
        z = C.layers.Dense(3, activation=None)(h)
    trainer = C.Trainer(z, (C.cross_entropy_with_softmax(z, y), None), C.momentum_sgd(z.parameters, 0.1, 0.9))
    found = {}
    for step in range(4):
        data, labels = (
            random.rand(5, 1, 8, 8).astype(np.float32),
            np.eye(3, dtype=np.float32)[[0, 1, 2, 1, 0]],
        )
        trainer.train_minibatch({x: data, y: labels})
        found["loss %d" % step] = trainer.previous_minibatch_loss_average
    found["evaluated"] = z.eval({x: data})
    return found


@case
def classification_error_along_axes(C):
    """Count wrong places along each axis; ties and targets that are no one-hot vectors are wrong."""
    x, t = (C.input_variable((2, 4), needs_gradient=True) for _ in range(2))
    outputs = np.array([[[1, 2, 3, 4], [1, 5, 3, 4]], [[1, 2, 2, 0], [1, 5, 3, 4]]], np.float32)
    targets = np.array([[[0, 1, 0, 0], [0, 1, 0, 0]], [[0, 0, 1, 0], [0, 0.5, 0.5, 0]]], np.float32)
    found = {}
    for axis in (0, 1, -1, -2):
        error = C.classification_error(x, t, axis=axis)
        found["values along %d" % axis] = error.eval({x: outputs, t: targets})
        gradients = error.grad({x: outputs, t: targets}, [x, t])
        for name, one in (("output", x), ("target", t)):
            found["gradient of the %s along %d" % (name, axis)] = gradients[one]
    return found


@case
def reductions_over_ragged_batches(C):
    """Reduce everything in a batch of sequences of different lengths, between other operators."""
    x = C.sequence.input_variable(2, needs_gradient=True, dtype=np.float64)
    w = C.parameter(2, init=np.array([1.5, -0.5]), dtype=np.float64)
    data, found = [one.astype(np.float64) + 0.5 for one in rows(3, 1, 2)], {}
    for kind in ("sum", "mean", "max", "min", "prod", "log_sum_exp"):
        reduced = getattr(C, "reduce_" + kind)(C.exp(x) * w, axis=C.Axis.all_axes())
        result = reduced * 2
        found[kind] = result.eval({x: data})
        gradients = result.grad({x: data}, wrt=[x, w])
        found[kind + ": gradient of w"] = gradients[w]
        for number, one in enumerate(gradients[x]):
            found["%s: gradient %d" % (kind, number)] = one
    return found
