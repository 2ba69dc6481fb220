"""What is told of progress against what the real CNTK 2.7 told."""

import importlib.util
import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.logging.event_files import masked_checksum
from onnx_workbench.cntk.logging.tensorboard import nodes_of

RECORDED = Path(__file__).parent / "recorded"
spec = importlib.util.spec_from_file_location("cntk_progress_cases", RECORDED / "progress_cases.py")
CASES = importlib.util.module_from_spec(spec)
spec.loader.exec_module(CASES)
ANSWERS = json.loads((RECORDED / "progress_answers.json").read_text(encoding="utf-8"))


def test_tensorboard_is_told_what_cntk_tells_it(tmp_path):
    (numbers, nodes), (expected, expected_nodes) = (
        CASES.tensorboard(C, tmp_path / "log"),
        ANSWERS["tensorboard"],
    )
    assert [one[:2] for one in numbers] == [one[:2] for one in expected]
    np.testing.assert_allclose([one[2] for one in numbers], [one[2] for one in expected], atol=2e-4)
    assert nodes == expected_nodes


def test_scripts_that_feed_a_printer_print_what_they_did():
    (lines, got), (expected, expected_got) = CASES.lines(C), ANSWERS["lines"]
    assert lines == expected
    for found, wanted in zip(got, expected_got, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_printer_asks_a_trainer_as_cntks_does():
    assert CASES.of_trainer(C) == ANSWERS["of_trainer"]


def test_parameters_are_counted_in_cntks_words_and_levels_are_its():
    assert CASES.counted(C) == ANSWERS["counted"]
    with pytest.raises(CntkTypeError, match=r"takes a TraceLevel .* got 'loud'"):
        C.logging.set_trace_level("loud")


def test_an_epoch_is_told_and_begun_anew(capsys):
    printer = C.logging.ProgressPrinter(freq=100, num_epochs=2)
    printer.update(2.0, 10, 0.5)
    assert printer.epoch_summary(with_metric=True) == (2.0, 0.5, 10)
    printer.update(1.0, 10)
    assert printer.epoch_summary() == (1.0, 0.0, 10)
    assert C.logging.ProgressPrinter(freq=0).epoch_summary() is None
    first, second = (line.split(" 0.")[0] for line in capsys.readouterr().out.split("\n")[:2])
    assert first == "Finished Epoch[1 of 2]: loss = 2.000000 * 10, metric = 50.00% * 10"
    assert second == "Finished Epoch[2 of 2]: loss = 1.000000 * 10"


def test_checksums_are_those_of_the_standard():
    # CRC-32C of these digits is published with the polynomial; the mask is TensorFlow's.
    crc = 0xE3069283
    assert masked_checksum(b"123456789") == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_records_hold_their_checksums_and_pictures(tmp_path):
    writer = C.logging.TensorBoardProgressWriter(log_dir=tmp_path)
    picture = np.zeros((3, 2, 4), np.float32)
    picture[0] = 300  # blue, and more than there is
    writer.write_image("seen", {C.input_variable((3, 2, 4)): picture[None]}, 7)
    writer.write_image("seen", {"x": np.zeros((2, 1, 2, 2))}, 8)
    writer.write_value("v", -1, 2**40)
    writer.flush()
    found = CASES.records(tmp_path)
    for length, length_sum, data, data_sum in found:
        assert struct.unpack("<I", length_sum)[0] == masked_checksum(length)
        assert struct.unpack("<I", data_sum)[0] == masked_checksum(data)
    events = [dict(CASES.fields(data)) for _, _, data, _ in found]
    values = [dict(CASES.fields(dict(CASES.fields(one[5]))[1])) for one in events[1:]]
    assert [one[1] for one in values] == [b"seen/image", b"seen/image/0", b"seen/image/1", b"v"]
    assert [one[2] for one in events[1:]] == [7, 8, 8, 2**40]
    image = dict(CASES.fields(values[0][4]))
    assert (image[1], image[2], image[3]) == (2, 4, 3)
    pixels = np.asarray(Image.open(io.BytesIO(image[4])))
    np.testing.assert_array_equal(pixels, np.broadcast_to(np.array([0, 0, 255], np.uint8), (2, 4, 3)))
    with pytest.raises(CntkValueError, match=r"1 or 3 channels, height, width\), .* got \(2, 2\)"):
        writer.write_image("seen", {"x": np.zeros((2, 2))}, 8)


def test_a_closed_writer_says_so_and_other_workers_write_nothing(tmp_path):
    writer = C.logging.TensorBoardProgressWriter(log_dir=tmp_path / "a")
    writer.close()
    for use in (writer.flush, writer.close, lambda: writer.write_value("x", 1, 1)):
        with pytest.raises(CntkRuntimeError, match="closed TensorBoardProgressWriter"):
            use()
    other = C.logging.TensorBoardProgressWriter(log_dir=tmp_path / "b", rank=1)
    other.write_value("x", 1, 1)
    other.write_image("x", {}, 1)
    other.close()
    assert not (tmp_path / "b").exists()
    assert not other.closed  # as in CNTK
    with pytest.raises(NotImplementedError, match="per-minibatch cross-validation"):
        C.logging.TensorBoardProgressWriter(log_dir=tmp_path).on_write_test_update((0, 1), (0, 1), (0, 1))


def test_names_in_a_graph_are_given_once_and_operands_are_in_it():
    x = C.sequence.input_variable(3)
    step = C.layers.Recurrence(C.layers.GRU(3), name="rec")
    layers = [
        C.layers.Dense(4, name="d"),
        C.layers.Dense(4, name="d"),
        step,
        C.sequence.last,
        C.layers.Dropout(0.5),
    ]
    model = C.layers.Sequential(layers)(x)
    nodes = list(nodes_of(C.combine([model, C.reduce_sum(model)])))
    names = [one[0] for one in nodes]
    assert len(set(names)) == len(names)
    assert {operand for one in nodes for operand in one[2]} <= set(names)
    assert {"d/W", "d_1/W", "d/b", "d_1/b"} <= set(names)
    assert nodes[0][1] == "Combine"
    assert sorted(one[1] for one in nodes if one[1] in {"PastValue", "Input", "Tanh"}) == [
        "Input",
        "PastValue",
        "Tanh",
    ]
