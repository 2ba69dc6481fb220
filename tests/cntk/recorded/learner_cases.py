"""Learners and how they are called: each entry makes one of its parameters. Runs on Python 3.6 and on today's.

Imported by make_learner_answers.py, with the real CNTK, and by test_learners_against_cntk.py, with ours.
"""

import numpy as np

COUNTS = (4, 4, 1, 7, 4, 3, 4, 4, 10, 2, 4, 5, 1, 6)
SWEEP_ENDS = (3, 7, 10)
SHAPES = {"w": (3, 4), "b": (4,)}

RMSPROP = {"gamma": 0.9, "inc": 1.2, "dec": 0.7, "max": 3.0, "min": 0.01}


def gradients(dtype):
    """Return one dictionary of gradients for each minibatch, with some numbers that are 0."""
    state = np.random.RandomState(11)
    found = []
    for count in COUNTS:
        one = {name: state.normal(size=shape) * count for name, shape in sorted(SHAPES.items())}
        for value in one.values():
            value[..., -1] *= state.uniform() < 0.5
        found.append({name: value.astype(dtype) for name, value in one.items()})
    return found


def starts(dtype):
    """Return the first values of the parameters."""
    state = np.random.RandomState(5)
    return {name: state.normal(size=shape).astype(dtype) for name, shape in sorted(SHAPES.items())}


def _calls(C):
    per_sample = C.learning_parameter_schedule_per_sample
    rate, momentum = C.learning_parameter_schedule, C.momentum_schedule
    sweeps = [0.1, 0.05, 0.2]
    by_samples = {"schedule": [(2, 0.1), (1, 0.03), 0.2], "epoch_size": 7}
    return {
        "sgd": lambda p, **o: C.sgd(p, rate(0.1), **o),
        "sgd_sweeps": lambda p, **o: C.sgd(p, rate(sweeps), **o),
        "sgd_per_sample": lambda p, **o: C.sgd(p, per_sample(0.03), **o),
        "sgd_number_of_size": lambda p, **o: C.sgd(p, 0.1, minibatch_size=3, **o),
        "sgd_list_of_size": lambda p, **o: C.sgd(p, [0.1, 0.3, 0.05], minibatch_size=3, epoch_size=9, **o),
        "sgd_two_sizes": lambda p, **o: C.sgd(p, rate(0.1, minibatch_size=5), minibatch_size=2, **o),
        "sgd_mean": lambda p, **o: C.sgd(p, rate(0.1), minibatch_size=0, **o),
        "sgd_mean_old": lambda p, **o: C.sgd(p, rate(0.1), use_mean_gradient=True, **o),
        "sgd_mean_per_sample_old": lambda p, **o: C.sgd(p, per_sample(0.1), use_mean_gradient=True, **o),
        "sgd_mean_of_size": lambda p, **o: C.sgd(p, rate(0.1, minibatch_size=5), minibatch_size=0, **o),
        "momentum": lambda p, **o: C.momentum_sgd(p, rate(0.1), momentum(0.9), **o),
        "momentum_no_gain": lambda p, **o: C.momentum_sgd(p, rate(0.1), momentum(0.9), False, **o),
        "momentum_by_samples": lambda p, **o: C.momentum_sgd(
            p, rate(**by_samples), momentum([0.5, 0.9, 0.2], epoch_size=10), **o
        ),
        "momentum_time": lambda p, **o: C.momentum_sgd(
            p, per_sample(0.05), C.momentum_as_time_constant_schedule(12), unit_gain=True, **o
        ),
        "momentum_of_size": lambda p, **o: C.momentum_sgd(
            p, 0.1, momentum(0.8, minibatch_size=4), minibatch_size=8, **o
        ),
        "momentum_number": lambda p, **o: C.momentum_sgd(p, 0.1, 0.8, minibatch_size=8, **o),
        "momentum_mean": lambda p, **o: C.momentum_sgd(
            p, rate(0.1), momentum(0.8, minibatch_size=4), minibatch_size=0, **o
        ),
        "nesterov": lambda p, **o: C.nesterov(p, rate(0.1), momentum(0.9), **o),
        "nesterov_no_gain": lambda p, **o: C.nesterov(p, rate(sweeps), momentum(0.7), unit_gain=False, **o),
        "nesterov_per_sample": lambda p, **o: C.nesterov(
            p, per_sample(0.05), C.momentum_schedule_per_sample(0.95), **o
        ),
        "adagrad": lambda p, **o: C.adagrad(p, rate(0.1), **o),
        "adagrad_no_multiplier": lambda p, **o: C.adagrad(p, rate(0.1), need_ave_multiplier=False, **o),
        "adagrad_per_sample": lambda p, **o: C.adagrad(p, per_sample([0.1, 0.05], epoch_size=12), **o),
        "adagrad_mean": lambda p, **o: C.adagrad(p, rate(0.2), False, minibatch_size=0, **o),
        "adadelta": lambda p, **o: C.adadelta(p, **o),
        "adadelta_rate": lambda p, **o: C.adadelta(p, rate(sweeps), **o),
        "adadelta_rho": lambda p, **o: C.adadelta(p, per_sample(0.5), rho=0.8, epsilon=1e-3, **o),
        "adadelta_mean": lambda p, **o: C.adadelta(p, 2.0, 0.9, 1e-4, use_mean_gradient=True, **o),
        "adadelta_of_size": lambda p, **o: C.adadelta(p, lr=0.4, minibatch_size=32, **o),
        "fsadagrad": lambda p, **o: C.fsadagrad(p, rate(0.1), momentum(0.9), **o),
        "fsadagrad_no_gain": lambda p, **o: C.fsadagrad(
            p, rate(0.1), momentum(0.9), False, momentum(0.99), **o
        ),
        "fsadagrad_time": lambda p, **o: C.fsadagrad(
            p, per_sample(0.1), C.momentum_as_time_constant_schedule([20, 40], epoch_size=20), **o
        ),
        "fsadagrad_mean": lambda p, **o: C.fsadagrad(
            p, 0.1, 0.9, variance_momentum=0.95, minibatch_size=0, **o
        ),
        "fsadagrad_still": lambda p, **o: C.fsadagrad(
            p, rate(0.1), momentum(0.0), variance_momentum=C.momentum_schedule_per_sample(0.97), **o
        ),
        "adam": lambda p, **o: C.adam(p, rate(0.01), momentum(0.9), **o),
        "adam_usual": lambda p, **o: C.adam(
            p, rate(0.01), momentum(0.9), variance_momentum=momentum(0.999), unit_gain=False, **o
        ),
        "adam_sweeps": lambda p, **o: C.adam(
            p, rate(sweeps), momentum([0.9, 0.5]), variance_momentum=momentum(0.99), epsilon=1e-3, **o
        ),
        "adam_per_sample": lambda p, **o: C.adam(
            p, per_sample(0.01), C.momentum_as_time_constant_schedule(30), **o
        ),
        "adam_mean": lambda p, **o: C.adam(
            p, 0.01, 0.9, variance_momentum=0.999, minibatch_size=0, **o
        ),
        "adam_of_size": lambda p, **o: C.adam(p, 0.4, momentum=0.9, variance_momentum=0.9, minibatch_size=32, **o),
        "adamax": lambda p, **o: C.adam(p, rate(0.01), momentum(0.9), adamax=True, **o),
        "adamax_usual": lambda p, **o: C.adam(
            p, rate(0.02), momentum(0.9), False, momentum(0.99), adamax=True, epsilon=1e-6, **o
        ),
        "rmsprop": lambda p, **o: C.rmsprop(p, rate(0.1), **dict(RMSPROP, **o)),
        "rmsprop_no_multiplier": lambda p, **o: C.rmsprop(
            p, rate(0.01), need_ave_multiplier=False, **dict(RMSPROP, **o)
        ),
        "rmsprop_bounds": lambda p, **o: C.rmsprop(p, rate(0.1), 0.5, 2.0, 0.1, 0.03, 0.015, False, **o),
        "rmsprop_per_sample": lambda p, **o: C.rmsprop(p, per_sample([0.1, 0.2], 9), **dict(RMSPROP, **o)),
        "rmsprop_mean": lambda p, **o: C.rmsprop(p, rate(sweeps), minibatch_size=0, **dict(RMSPROP, **o)),
    }  # fmt: skip


OPTIONS = {
    "noise": {"gaussian_noise_injection_std_dev": 0.2},
    "l1": {"l1_regularization_weight": 0.02},
    "l2": {"l2_regularization_weight": 0.03},
    "cut": {"gradient_clipping_threshold_per_sample": 0.4},
    "scaled": {
        "gradient_clipping_threshold_per_sample": 0.5,
        "gradient_clipping_with_truncation": False,
        "l2_regularization_weight": 0.01,
        "l1_regularization_weight": 0.005,
    },
}
WITH_OPTIONS = (
    "sgd", "sgd_per_sample", "sgd_mean", "momentum", "momentum_mean", "nesterov", "adagrad", "adagrad_mean",
    "adadelta", "adadelta_mean", "fsadagrad", "fsadagrad_mean", "adam", "adam_mean", "adamax", "rmsprop",
    "rmsprop_mean",
)  # fmt: skip


def names():
    """Return the names of the cases: a call, and options after a slash."""
    return sorted(_calls(_Nothing())) + ["%s/%s" % (one, o) for one in WITH_OPTIONS for o in sorted(OPTIONS)]


class _Nothing(object):
    """Stands for CNTK where only names are asked for."""

    def __getattr__(self, name):
        return None


def made(C, name, parameters):
    """Return the learner of a case."""
    call, _, options = name.partition("/")
    return _calls(C)[call](parameters, **OPTIONS.get(options, {}))


def course(C, name, dtype=np.float32):
    """Return the numbers of the parameters after each minibatch, in a row, and the rates before them."""
    if "noise" in name:
        C.cntk_py.reset_random_seed(3)
    parameters = {
        key: C.parameter(init=value, dtype=dtype, name=key) for key, value in sorted(starts(dtype).items())
    }
    learner = made(C, name, [parameters[key] for key in sorted(parameters)])
    rows, rates = [], []
    for step, one in enumerate(gradients(dtype)):
        rates.append(learner.learning_rate())
        if step == 9 and name == "momentum_by_samples":
            learner.reset_learning_rate(C.learning_parameter_schedule([0.3, 0.1], epoch_size=6))
        if step == 6 and name == "adam_sweeps":
            learner.reset_learning_rate(C.learning_parameter_schedule_per_sample([0.01, 0.002]))
        learner.update(
            {parameters[key]: value for key, value in one.items()}, COUNTS[step], step in SWEEP_ENDS
        )
        rows.append(np.concatenate([parameters[key].value.ravel() for key in sorted(parameters)]))
    return {"values": np.stack(rows), "rates": np.asarray(rates)}


def own_rule(C, keep):
    """Return a rule for `universal` that smooths squares of gradients in constants of its own."""

    def rule(parameters, gradients):
        squares = [C.constant(0, shape=p.shape, dtype=p.dtype) for p in parameters]
        done = []
        for index, p in enumerate(parameters):
            g, s = gradients[index], squares[index]
            new = C.assign(s, keep * s + (1 - keep) * g * g)
            done.append(C.assign(p, p - 0.1 * g / C.sqrt(new + 1e-3)))
        return C.combine(done)

    return rule


def network(C, learner_of):
    """Return a trainer of a small network, its inputs, and the parameters in order."""
    state = np.random.RandomState(3)
    x, y = C.input_variable(3), C.input_variable(2)
    layers = [(state.normal(size=shape) * 0.5).astype(np.float32) for shape in ((3, 5), (5,), (5, 2), (2,))]
    w1, b1, w2, b2 = [C.parameter(init=one) for one in layers]
    z = C.times(C.tanh(C.times(x, w1) + b1), w2) + b2
    criterion = (C.cross_entropy_with_softmax(z, y), C.classification_error(z, y))
    learnt = [w1, b1, w2, b2]
    return C.Trainer(z, criterion, [learner_of(learnt)]), x, y, learnt


TRAINED = ("sgd", "momentum_of_size", "adam", "fsadagrad", "rmsprop", "adadelta", "adagrad", "universal")


def training(C, name):
    """Return losses, metrics and last parameters of the network, trained on batches of different sizes."""
    if name == "universal":
        trainer, x, y, learnt = network(C, lambda p: C.universal(own_rule(C, 0.8), p))
    else:
        trainer, x, y, learnt = network(C, lambda p: made(C, name, p))
    state = np.random.RandomState(8)
    rows = []
    for count in COUNTS:
        data = state.normal(size=(count, 3)).astype(np.float32)
        labels = np.eye(2, dtype=np.float32)[(data.sum(axis=1) > 0).astype(int)]
        trainer.train_minibatch({x: data, y: labels})
        rows.append((trainer.previous_minibatch_loss_average, trainer.previous_minibatch_evaluation_average))
    values = np.concatenate([one.value.ravel() for one in learnt])
    return {"progress": np.asarray(rows, np.float64), "values": values}
