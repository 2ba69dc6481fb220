"""Training and what is told of it. Runs on Python 3.6, with the real CNTK, and on today's, with ours."""

import os
import re
import sys
import tempfile

import numpy as np

X = np.arange(8).reshape(4, 2).astype(np.float32) / 5
Y = np.eye(2, dtype=np.float32)[[0, 1, 1, 0]]
TIME = re.compile(r"\d+\.\d+s \(.*samples/s\)")


def network(C):
    """Return inputs, parameters, output and criterion."""
    x, y = C.input_variable(2), C.input_variable(2)
    w = C.parameter(init=np.array([[1, -1], [0.5, 2]], np.float32))
    z = C.times(x, w)
    return x, y, w, z, (C.cross_entropy_with_softmax(z, y), C.classification_error(z, y))


def schedules(C):
    """Return learning rates of each unit."""
    return {
        "minibatch": C.learning_parameter_schedule([0.1, 0.2], epoch_size=8),
        "sample": C.learning_parameter_schedule_per_sample(0.01),
        "of size": C.learning_parameter_schedule(0.1, minibatch_size=3),
    }


def lines(C, path, rate, freq, percent):
    """Return the lines of a ProgressPrinter over training, summaries and tests."""
    x, y, w, z, criterion = network(C)
    printer = C.logging.ProgressPrinter(
        freq=freq, first=1, tag="T", num_epochs=3, log_to_file=path, metric_is_pct=percent, test_freq=freq
    )
    learner = C.momentum_sgd([w], schedules(C)[rate], C.momentum_schedule([0.9, 0.5], epoch_size=8))
    trainer = C.Trainer(z, criterion, [learner], [printer])
    for _ in range(2):
        for _ in range(4):
            trainer.train_minibatch({x: X, y: Y})
        trainer.summarize_training_progress()
    trainer.test_minibatch({x: X, y: Y})
    trainer.test_minibatch({x: X[:2], y: Y[:2]})
    trainer.summarize_test_progress()
    with open(path) as file:
        return [TIME.sub("TIME", line) for line in file.read().splitlines()[1:]]


def calls(C, freq):
    """Return what a writer of the user's is called with, and the errors of an evaluator."""
    told = []

    class Writer(C.cntk_py.ProgressWriter):
        def __init__(self):
            super(Writer, self).__init__(freq, 1, freq, 0, sys.maxsize, 0)
            self.__disown__()

        def on_write_training_update(self, *values):
            told.append(["update", values])

        def on_training_update_end(self):
            told.append(["end", []])

        def on_write_training_summary(self, *values):
            told.append(["summary", values[:-1]])

        def on_write_test_update(self, *values):
            told.append(["test", values])

        def on_write_test_summary(self, *values):
            told.append(["tested", values[:-1]])

        def write(self, key, value):
            told.append([key, [float(value)]])

    x, y, w, z, criterion = network(C)
    writer = Writer()
    trainer = C.Trainer(z, criterion, [C.sgd([w], 0.1)], [writer])
    for _ in range(5):
        trainer.train_minibatch({x: X, y: Y})
    trainer.summarize_training_progress()
    evaluator = C.Evaluator(criterion[1], [writer])
    errors = [evaluator.test_minibatch({x: X[:count], y: Y[:count]}) for count in (4, 3, 2)]
    evaluator.summarize_test_progress()
    summaries = []
    callback = C.logging.TrainingSummaryProgressCallback(
        8, lambda *values: summaries.append(["called", values])
    )
    trainer = C.Trainer(z, criterion, [C.sgd([w], 0.1)], [callback])
    for count in (3, 1):
        for _ in range(count):
            trainer.train_minibatch({x: X, y: Y})
        trainer.summarize_training_progress()
    return [*told, ["errors", errors], *summaries]


def from_file(C, path):
    """Return losses, rates and the last parameters of training from a file, over the ends of sweeps."""
    with open(path, "w") as file:
        file.write("".join("|x %g %g |y %d:1\n" % (i, i * i % 5, i % 2) for i in range(7)))
    streams = C.io.StreamDefs(
        x=C.io.StreamDef(field="x", shape=2), y=C.io.StreamDef(field="y", shape=2, is_sparse=True)
    )
    source = C.io.MinibatchSource(C.io.CTFDeserializer(path, streams), max_sweeps=4)
    x, y, w, z, criterion = network(C)
    learner = C.adam([w], C.learning_parameter_schedule([0.1, 0.05, 0.2]), C.momentum_schedule(0.9))
    trainer = C.Trainer(z, criterion, [learner])
    rows = []
    while True:
        data = source.next_minibatch(3, input_map={x: source.streams.x, y: source.streams.y})
        if not data:
            break
        trainer.train_minibatch(data)
        rows.append([trainer.previous_minibatch_loss_average, learner.learning_rate()])
    return [rows, w.value.tolist()]


SESSIONS = (
    (4, 10, 25, 10, 10, True), (4, 5, 20, None, None, True), (4, 100, 20, 100, 100, True),
    (4, None, 20, sys.maxsize, 7, True), (4, "sweep", 21, "sweep", "sweep", True),
    (4, "minibatch", 20, "minibatch", "minibatch", True), (4, 10, 25, 10, 10, False), (5, 8, 12, None, 5, True),
)  # fmt: skip


def session(C, folder, size, checkpoints, most, validation, progress, preserve):
    """Return the checkpoints, what writers and callbacks are called with, and the last parameters of a session."""
    told = []

    class Writer(C.cntk_py.ProgressWriter):
        def __init__(self):
            super(Writer, self).__init__(sys.maxsize, 0, sys.maxsize, 0, sys.maxsize, 0)
            self.__disown__()

        def on_write_training_summary(self, samples, updates, number, loss, metric, _):
            told.append(["train", samples, updates, number, loss, metric])

        def on_write_test_summary(self, samples, updates, number, metric, _):
            told.append(["test", samples, updates, number, metric])

        def on_write_training_update(self, *_):
            pass

        def on_write_test_update(self, *_):
            pass

        def write(self, *_):
            pass

    def frequency(given):
        units = {"sweep": (1, C.train.DataUnit.sweep), "minibatch": (2, C.train.DataUnit.minibatch)}
        return units.get(given, given)

    def called(*values):
        told.append(["validated", *values])
        return True

    path = os.path.join(folder, "data.txt")
    with open(path, "w") as file:
        file.write("".join("|x %g %g |y %d %d\n" % (i, i * i % 5, i % 2, 1 - i % 2) for i in range(7)))
    streams = C.io.StreamDefs(x=C.io.StreamDef(field="x", shape=2), y=C.io.StreamDef(field="y", shape=2))

    def source(**options):
        return C.io.MinibatchSource(C.io.CTFDeserializer(path, streams), randomize=False, **options)

    x, y, w, z, criterion = network(C)
    trainer = C.Trainer(z, criterion, [C.sgd([w], 0.1)], [Writer()])
    data = source()
    more = {"test_config": C.TestConfig(source(max_sweeps=1), minibatch_size=4)}
    if checkpoints is not None:
        more["checkpoint_config"] = C.CheckpointConfig(
            os.path.join(folder, "c"), frequency=frequency(checkpoints), preserve_all=preserve
        )
    if validation is not None:
        more["cv_config"] = C.CrossValidationConfig(
            source(max_sweeps=1), frequency=frequency(validation), minibatch_size=3, callback=called
        )
    C.training_session(
        trainer, data, size, {x: data.streams.x, y: data.streams.y}, max_samples=most,
        progress_frequency=frequency(progress), **more
    ).train()  # fmt: skip
    saved = sorted(name for name in os.listdir(folder) if name[0] == "c" and not name.endswith(".ckp"))
    return [saved, told, trainer.total_number_of_samples_seen, w.value.tolist()]


def by_function(C):
    """Return what Function.train and Function.test return for arrays."""
    x, y, w, _z, criterion = network(C)
    both = C.combine([criterion[0].output, criterion[1].output])
    order = {x.uid: X, y.uid: Y}
    arrays = tuple(np.concatenate([order[one.uid]] * 5) for one in both.arguments)
    config = C.TestConfig(arrays, minibatch_size=7, criterion=both)
    found = both.train(
        arrays,
        minibatch_size=6,
        max_epochs=2,
        epoch_size=20,
        parameter_learners=[C.sgd([w], 0.1)],
        callbacks=[config],
    )
    rows = [[one.loss, one.metric, one.samples] for one in found.epoch_summaries]
    tested = both.test(arrays, minibatch_size=8)
    return [rows, [found.test_summary.metric, found.test_summary.samples], [tested.metric, tested.samples]]


def all_of(C, path):
    """Return every answer, by name."""
    return {
        "lines": {
            "%s %s %s" % (rate, freq, percent): lines(C, path, rate, freq, percent)
            for rate in ("minibatch", "sample", "of size")
            for freq in (0, 2, None)
            for percent in (True, False)
        },
        "calls": {str(freq): calls(C, freq) for freq in (0, 1, 2)},
        "file": from_file(C, path),
        "function": by_function(C),
        "sessions": [session(C, tempfile.mkdtemp(), *one) for one in SESSIONS],
    }
