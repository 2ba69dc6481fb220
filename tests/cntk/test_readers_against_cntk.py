"""Readers against what the real CNTK 2.7 read from the same files and arrays."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.errors import (
    CntkRuntimeError,
    CntkTypeError,
    CntkValueError,
    UnsupportedOperatorError,
)
from onnx_workbench.cntk.io import orders

RECORDED = Path(__file__).parent / "recorded"
spec = importlib.util.spec_from_file_location("cntk_reader_cases", RECORDED / "reader_cases.py")
CASES = importlib.util.module_from_spec(spec)
spec.loader.exec_module(CASES)
ANSWERS = json.loads((RECORDED / "reader_answers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(CASES.FILES))
def test_a_file_holds_what_cntk_reads_from_it(name, tmp_path):
    assert CASES.content(C, str(tmp_path / "f.txt"), CASES.FILES[name]) == ANSWERS["files"][name]


@pytest.mark.parametrize("text", CASES.NUMBERS)
def test_a_number_is_what_cntk_takes_it_for(text, tmp_path):
    assert CASES.number(C, str(tmp_path / "f.txt"), text) == ANSWERS["numbers"][text]


@pytest.mark.parametrize("group", sorted(CASES.TAKEN))
def test_minibatches_have_the_order_and_the_sizes_of_cntks(group, tmp_path):
    for one, expected in zip(CASES.TAKEN[group], ANSWERS["taken"][group], strict=True):
        assert CASES.taken(C, str(tmp_path / "f.txt"), **one) == expected, one


def test_arrays_are_read_as_cntk_reads_them():
    assert CASES.of_arrays(C) == ANSWERS["arrays"]


def test_deserializers_of_users_are_shuffled_as_cntk_shuffles_them():
    assert CASES.of_users(C, []) == ANSWERS["users"]


def test_sequences_are_written_as_cntk_writes_them():
    assert CASES.texts(C) == ANSWERS["texts"]


def test_windows_over_chunks_of_a_file_slide_as_cntks():
    # Recorded from a file of 100 lines of 1 MiB, which has chunks of 31, 31, 31 and 7 lines.
    sizes = [31, 31, 31, 7]

    def begin(window):
        shuffling = orders.Shuffling(0, window, None, local=False)
        order = orders.order_of_sweep(4, lambda chunk: [1] * sizes[chunk], shuffling, 0)
        return [31 * chunk + number for chunk, number in order]

    assert begin(1)[:12] == [74, 76, 78, 77, 63, 67, 88, 86, 71, 66, 62, 92]
    assert begin(2)[:12] == [74, 76, 81, 75, 11, 64, 88, 1, 66, 21, 17, 92]
    assert begin(3)[:12] == [84, 81, 62, 77, 6, 63, 70, 79, 78, 90, 22, 20]
    assert begin(4)[-12:] == [84, 94, 77, 0, 14, 39, 73, 7, 45, 2, 24, 71]
    for window in (1, 2, 3, 4, 9):
        assert sorted(begin(window)) == list(range(100))


def test_a_source_goes_on_from_where_it_was_saved(tmp_path):
    path = tmp_path / "f.txt"
    path.write_text("".join(f"|A {number}\n" for number in range(7)), encoding="utf-8")

    def source():
        return C.io.MinibatchSource(C.io.CTFDeserializer(path, C.io.StreamDefs(a=C.io.StreamDef("A", 1))))

    first = source()
    for _ in range(4):
        first.next_minibatch(3)
    state, second = first.get_checkpoint_state(), source()
    second.restore_from_checkpoint(state)
    for _ in range(6):
        a, b = first.next_minibatch(3), second.next_minibatch(3)
        np.testing.assert_array_equal(a[first.streams.a].asarray(), b[second.streams.a].asarray())
    with pytest.raises(CntkValueError, match="no state of a MinibatchSource"):
        second.restore_from_checkpoint({"cursor": 3})


def test_streams_of_several_files_are_put_together_by_number(tmp_path):
    (tmp_path / "x.txt").write_text("3 |x 1:1\n3 |x 2:1\n5 |x 0:1\n9 |x 0:2\n", encoding="utf-8")
    (tmp_path / "y.txt").write_text("5 |y 50\n3 |y 30\n7 |y 70\n", encoding="utf-8")
    source = C.io.MinibatchSource(
        [
            C.io.CTFDeserializer(
                tmp_path / "x.txt", C.io.StreamDefs(x=C.io.StreamDef("x", 3, is_sparse=True))
            ),
            C.io.CTFDeserializer(tmp_path / "y.txt", C.io.StreamDefs(y=C.io.StreamDef("y", 1))),
        ],
        randomize=False,
        max_sweeps=1,
    )
    data = source.next_minibatch(10)
    assert data[source.streams.y].asarray().ravel().tolist() == [30, 50]
    expected = [[[0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 0]]]
    assert data[source.streams.x].data.data.asarray().tolist() == expected
    assert data[source.streams.x].mask.tolist() == [[2, 1], [2, 0]]
    assert not source.next_minibatch(10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|A 1 2 |B 0:1\n|A 3 x |B 1:1\n", r"f\.txt, line 2: 'x' in the dense stream 'a' is not a number"),
        (
            "|A 1 2 |B 0:1\n|A 3 4 |B 7:1\n",
            r"line 2: the index 7 in the sparse stream 'b' exceeds the largest, 2",
        ),
        ("|A 1 2 |B 0:1\n|A 3 4 5 |B 1:1\n", r"line 2: a sample of 3 numbers .* exceeds its size, 2"),
        ("4 |A 1 2 |B 0:1\n5 |A 3 4\n", r"line 2: stream 'b' of the sequence 5 that begins here is empty"),
        ("|A 1 2 |B 0:1\n| 3\n", "line 2: expected the name of a stream after"),
        ("hello <b>world</b>\n", "line 1: expected a sequence number or"),
        ("", "is empty"),
    ],
)
def test_what_is_broken_is_named_with_its_line(text, message, tmp_path):
    (tmp_path / "f.txt").write_text(text, encoding="utf-8")
    with pytest.raises(CntkRuntimeError, match=message):
        C.io.MinibatchSource(
            C.io.CTFDeserializer(tmp_path / "f.txt", CASES.definitions(C.io)), randomize=False
        ).next_minibatch(9)


def test_random_bytes_never_do_worse_than_a_clear_error(tmp_path):
    random = np.random.default_rng(2)
    good = b"".join(b"%d |A 1 2.5 |B 0:1 2:3\n" % number for number in range(6))
    path, read, said = tmp_path / "f.txt", 0, set()
    for number in range(300):
        spoilt = bytearray(good)
        for place, other in random.integers(0, len(good), (1 + number % 2, 2)):
            spoilt[place] = random.integers(0, 256) if number % 3 == 0 else good[other]
        path.write_bytes(bytes(spoilt))
        try:
            source = C.io.MinibatchSource(C.io.CTFDeserializer(path, CASES.definitions(C.io)), max_sweeps=1)
            read += bool(source.next_minibatch(99))
        except CntkRuntimeError as error:
            said.add("f.txt" in str(error))
    assert said == {True}
    assert 5 < read < 280


def test_wrong_calls_say_what_is_wrong(tmp_path):
    (tmp_path / "f.txt").write_text("|A 1\n", encoding="utf-8")
    streams = C.io.StreamDefs(a=C.io.StreamDef("A", 1))
    reader = C.io.CTFDeserializer(tmp_path / "f.txt", streams)
    with pytest.raises(CntkRuntimeError, match="cannot be opened"):
        C.io.MinibatchSource(C.io.CTFDeserializer(tmp_path / "none.txt", streams))
    with pytest.raises(CntkValueError, match="stream name for key a must be specified"):
        C.io.CTFDeserializer("f", C.io.StreamDefs(a=C.io.StreamDef(shape=1)))
    with pytest.raises(CntkRuntimeError, match="mutually exclusive"):
        C.io.MinibatchSource(reader, max_samples=3, max_sweeps=2)
    with pytest.raises(CntkRuntimeError, match="same name 'a'"):
        C.io.MinibatchSource([reader, C.io.CTFDeserializer(tmp_path / "f.txt", streams)])
    with pytest.raises(UnsupportedOperatorError, match="truncation_length"):
        C.io.MinibatchSource(reader, truncation_length=4)
    with pytest.raises(CntkValueError, match="must be > 0"):
        C.io.MinibatchSource(reader).next_minibatch(0)
    with pytest.raises(CntkRuntimeError, match="given name 'z'"):
        C.io.MinibatchSource(reader).stream_info("z")
    with pytest.raises(CntkTypeError, match="same first dimension"):
        C.io.MinibatchSourceFromData({"x": np.zeros((2, 1)), "y": np.zeros((3, 1))})


def test_functions_are_fed_with_minibatches(tmp_path):
    (tmp_path / "f.txt").write_text("|A 1 2 3 4\n|A 5 6 7 8\n", encoding="utf-8")
    streams = C.io.StreamDefs(a=C.io.StreamDef("A", 4))
    source = C.io.MinibatchSource(C.io.CTFDeserializer(tmp_path / "f.txt", streams), randomize=False)
    for x in (C.input_variable(4), C.input_variable((1, 2, 2))):
        data = source.next_minibatch(2, input_map={x: source.streams.a})
        np.testing.assert_array_equal((x * 2).eval(data).ravel(), [2, 4, 6, 8, 10, 12, 14, 16])
    with pytest.raises(CntkValueError, match=r"sample shape|trailing dimensions"):
        (C.input_variable(3) * 2).eval(source.next_minibatch(2)[source.streams.a])


def test_windows_counted_in_samples_are_cntks():
    # Recorded from a list of 600 pictures, each of which is a chunk.
    def begin(**window):
        shuffling = orders.Shuffling(0, window.get("chunks"), window.get("samples"), local=False)
        return [chunk for chunk, _ in orders.order_of_sweep(600, lambda _: [1], shuffling, 0)][:8]

    assert begin(samples=40) == [1, 263, 349, 128, 507, 252, 342, 251]
    assert begin(chunks=C.io.DEFAULT_RANDOMIZATION_WINDOW_IN_CHUNKS) == [
        354,
        315,
        129,
        584,
        507,
        81,
        251,
        594,
    ]
