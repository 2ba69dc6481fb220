"""Progress that scripts tell themselves, and what TensorBoard is told. Runs on Python 3.6, and on today's."""

import contextlib
import io
import os
import re
import struct

import numpy as np


def fields(data):
    """Return the fields of a protobuf message: numbers, floats, bytes."""
    found, place = [], 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(data, place)
        elif kind == 1:
            value, place = struct.unpack("<d", data[place : place + 8])[0], place + 8
        elif kind == 5:
            value, place = struct.unpack("<f", data[place : place + 4])[0], place + 4
        else:
            size, place = _varint(data, place)
            value, place = data[place : place + size], place + size
        found.append((key >> 3, value))
    return found


def _varint(data, place):
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def records(folder):
    """Return what stands in the only event file of a folder: length, its checksum, data, its checksum."""
    (name,) = os.listdir(folder)
    with open(os.path.join(folder, name), "rb") as file:
        data = file.read()
    found = []
    while data:
        size = struct.unpack("<Q", data[:8])[0]
        found.append((data[:8], data[8:12], data[12 : 12 + size], data[12 + size : 16 + size]))
        data = data[16 + size :]
    return found


def _told(text):
    return re.sub(r"([A-Za-z]{2,})\d+", r"\1", text.decode("utf-8"))


def events(folder):
    """Return numbers, and nodes without the numbers in their names, in alphabetical order."""
    numbers, nodes = [], []
    for _, _, data, _ in records(folder):
        event = dict(fields(data))
        if 5 in event:
            value = dict(fields(dict(fields(event[5]))[1]))
            numbers.append([_told(value[1]), event.get(2, 0), round(value[2], 4)])
        for _, node in fields(event.get(4, b"")):
            parts = fields(node)
            attributes = sorted(_attribute(one) for key, one in parts if key == 5)
            nodes.append([[_told(one) for key, one in parts if key in (1, 2, 3)], attributes])
    return [numbers, sorted(nodes)]


def _attribute(data):
    entry = dict(fields(data))
    return [entry[1].decode("ascii"), "".join("%02x" % byte for byte in entry[2])]


def tensorboard(C, folder):
    """Train and test with a writer."""
    x, y = C.input_variable(3, name="x"), C.input_variable(2, name="y")
    init = C.uniform(0.3, seed=7)
    hidden = C.layers.Dense(4, C.relu, init=init, name="hid")
    model = C.layers.Sequential([hidden, C.layers.Dense(2, init=init)])(x)
    writer = C.logging.TensorBoardProgressWriter(freq=2, log_dir=folder, model=model)
    criterion = (C.cross_entropy_with_softmax(model, y), C.classification_error(model, y))
    trainer = C.Trainer(model, criterion, C.sgd(model.parameters, 0.1), [writer])
    data = {
        x: np.arange(12).reshape(4, 3).astype(np.float32) / 10,
        y: np.eye(2, dtype=np.float32)[[0, 1, 1, 0]],
    }
    for _ in range(5):
        trainer.train_minibatch(data)
    trainer.summarize_training_progress()
    for parameter in model.parameters:
        writer.write_value(parameter.name + "/mean", parameter.value.mean(), 3)
    trainer.test_minibatch(data)
    trainer.summarize_test_progress()
    writer.close()
    return events(folder)


def lines(C):
    """Return what scripts that feed a printer themselves print, times left out, and what they get."""
    file, got = io.StringIO(), []
    with contextlib.redirect_stdout(file):
        for freq, first in ((2, 0), (3, 2), (0, 0), (None, 0)):
            printer = C.logging.ProgressPrinter(
                freq=freq, first=first, tag="T", num_epochs=4, metric_is_pct=freq != 3
            )
            for number in range(7):
                printer.update(0.5 + number, 10 + number, 0.25 * number)
            got.append(
                [printer.avg_loss_since_last(), printer.avg_metric_since_last(), printer.samples_since_last]
            )
            got.append([printer.avg_loss_since_start(), printer.avg_metric_since_start()])
            printer.update(1, 0)
            got.append(list(printer.reset_last()))
            for number in range(4):
                printer.update(number, 5)
            printer.on_write_distributed_sync_update((3, 9), (1, 3), None)
            got.append(list(printer.reset_start()))
            got.append([printer.total_training_updates(), printer.total_test_updates()])
    return [_without_build(file.getvalue()), got]


def of_trainer(C):
    """Return what a printer tells of a trainer that does not know it."""
    x, y = C.input_variable(2), C.input_variable(2)
    model = C.layers.Dense(2, init=0.5)(x)
    trainer = C.Trainer(
        model, (C.squared_error(model, y), C.squared_error(model, y)), C.sgd(model.parameters, 0.1)
    )
    data = {x: np.ones((3, 2), np.float32), y: np.zeros((3, 2), np.float32)}
    file = io.StringIO()
    with contextlib.redirect_stdout(file):
        printer = C.logging.ProgressPrinter(freq=2, first=1)
        for _ in range(4):
            trainer.train_minibatch(data)
            printer.update_with_trainer(trainer, with_metric=True)
        printer.update_with_trainer(trainer)
    return _without_build(file.getvalue())


def _without_build(text):
    """Leave out what CNTK tells of its build."""
    text = re.sub(r"-{60,}\n.*?-{60,}\n", "", text, flags=re.DOTALL)
    return text.split("\n")


def counted(C):
    """Return what is told of parameters, and levels."""
    x = C.input_variable(3)
    file = io.StringIO()
    with contextlib.redirect_stdout(file):
        for level in (0, 1):
            C.logging.log_number_of_parameters(C.layers.Dense(4)(x), level)
        C.logging.log_number_of_parameters(C.layers.Dense(4), 1)
        C.logging.progress_print.log_number_of_parameters(C.plus(x, C.parameter(())), trace_level=1)
    levels = [C.logging.get_trace_level()]
    for level in (C.logging.TraceLevel.Info, 0):
        C.logging.set_trace_level(level)
        levels.append(C.logging.get_trace_level())
    C.logging.set_trace_level(1)
    told = [C.logging.TraceLevel.Error == 0, C.logging.TraceLevel.Info == C.logging.TraceLevel.Warning]
    return [file.getvalue().split("\n"), levels, told]
