"""The reader and writer of CNTKv2 files, against protobuf's own parser; and what they say to spoilt files."""

from __future__ import annotations

import random
import struct
import tracemalloc

import numpy as np
import pytest
from cntk_proto import PROTO, plain
from native_samples import DATA, as_proto_has_it, every_kind, real_files
from processor_time import bounded_work

from onnx_workbench.cntk.native.file import is_native, read_buffer, read_file
from onnx_workbench.cntk.native.values import StoredArray
from onnx_workbench.cntk.native.writing import serialize
from onnx_workbench.core.errors import ExportError, ModelFileError
from onnx_workbench.core.wire import field_header


def parsed(content: bytes):
    """What protobuf itself makes of the bytes of a dictionary."""
    message = PROTO["Dictionary"].FromString(content)
    return {entry.key: plain(entry.value) for entry in message.data}


def every_kind_as_bytes(seed: int = 0) -> bytes:
    return b"".join(serialize(every_kind(np.random.default_rng(seed))))


def test_protobuf_reads_what_is_written_and_the_reader_reads_the_same():
    values = every_kind(np.random.default_rng(1))
    content = b"".join(serialize(values))
    expected = {key: as_proto_has_it(value) for key, value in values.items()}
    assert parsed(content) == expected
    assert {key: as_proto_has_it(value) for key, value in read_buffer(content).items()} == expected


@pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not on this machine")
@pytest.mark.parametrize("path", real_files("v2") + real_files("dict"), ids=lambda path: path.name)
def test_real_files_are_read_as_protobuf_reads_them_and_written_back(path):
    expected = parsed(path.read_bytes())
    found = read_file(path)
    assert {key: as_proto_has_it(value) for key, value in found.items()} == expected
    assert parsed(b"".join(serialize(found))) == expected
    assert is_native(path.read_bytes()[:512])


def test_contents_may_stand_behind_the_message_as_in_files_of_two_gibibytes():
    values = every_kind(np.random.default_rng(2))
    content = b"".join(serialize(values, largest_message_bytes=0))
    (size,) = struct.unpack("<I", content[4:8])
    assert content[:4] == b"ktnc"
    message = PROTO["Dictionary"].FromString(content[8 : 8 + size])
    assert not any(entry.value.nd_array_view_value.float_values.value for entry in message.data)
    arrays = [value for value in values.values() if isinstance(value, np.ndarray)]
    assert content[8 + size :] == b"".join(array.tobytes() for array in arrays)
    assert is_native(content)
    found = read_buffer(content)
    for key, value in values.items():
        assert as_proto_has_it(found[key]) == as_proto_has_it(value)
    with pytest.raises(ModelFileError, match=r"weights should go on to byte"):
        read_buffer(content[:-1])
    with pytest.raises(ModelFileError, match=r"weights end at byte .* and the file has"):
        read_buffer(content + b"\0")


def test_float16_is_stored_as_float32():
    half = np.array([[1.5, -2.0]], np.float16)
    content = b"".join(serialize({"w": half}))
    array = PROTO["Dictionary"].FromString(content).data[0].value.nd_array_view_value
    assert (array.data_type, list(array.float_values.value)) == (4, [1.5, -2.0])
    found = read_buffer(content)["w"]
    assert isinstance(found, StoredArray)
    np.testing.assert_array_equal(found.values(), half)
    assert found.values().dtype == np.float16


def test_numbers_that_are_not_packed_are_read_as_well():
    numbers = b"".join(b"\x0d" + struct.pack("<f", value) for value in (1, 2, 3, 4))
    shape = field_header(1, 2) + b"\x02\x02"
    array = b"\x08\x01" + field_header(3, len(shape)) + shape + field_header(4, len(numbers)) + numbers
    value = b"\x10\x0b" + field_header(13, len(array)) + array
    entry = field_header(1, 1) + b"w" + field_header(2, len(value)) + value
    content = field_header(2, len(entry)) + entry
    assert parsed(content)["w"] == (11, (1, [2, 2], [1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(read_buffer(content)["w"].values(), [[1, 2], [3, 4]])


def test_weights_of_a_file_are_maps_of_it_and_cost_no_memory(tmp_path):
    weights = np.arange(4_000_000, dtype=np.float32).reshape(2000, 2000)
    path = tmp_path / "large.model"
    path.write_bytes(b"".join(serialize({"w": weights})))
    tracemalloc.start()
    found = read_file(path)["w"].values()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < weights.nbytes / 20
    assert not found.flags.owndata
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, weights)


def test_an_array_of_a_kind_that_cntk_does_not_have_is_refused():
    with pytest.raises(ExportError, match="int64 cannot stand in a CNTK file; these can: float32"):
        b"".join(serialize({"w": np.arange(3)}))


def test_onnx_files_and_others_are_not_taken_for_native_ones():
    from tiny_models import convnet

    assert is_native(every_kind_as_bytes()[:512])
    named = convnet()
    named.producer_name = "\n\x04name\x12"  # no name, but allowed
    for head in (
        convnet().SerializeToString()[:512],
        b"",
        b"\x08",
        b"\x08\x07",
        b"PK\x03\x04",
        b"BCN",
        b"ktnc",
    ):
        assert not is_native(head)


def array_value(shape: list[int], content: bytes, *, data_type: int = 1, storage: int = 0) -> bytes:
    message = PROTO["Dictionary"]()
    value = message.data.add(key="w").value
    value.value_type = 11
    array = value.nd_array_view_value
    array.data_type, array.storage_format = data_type, storage
    array.shape.shape_dim.extend(shape)
    array.float_values.value.extend(np.frombuffer(content, np.float32))
    return message.SerializeToString()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no dictionary"),
        (b"\x08\x01", "no dictionary"),
        (array_value([3], bytes(8)), r"claims the shape 3, which is 12 bytes, and 8 are there"),
        (array_value([2**40, 2**40], bytes(8)), r"claims the shape 1099511627776 x 1099511627776"),
        (array_value([2**64 - 1], bytes(8)), r"impossible shape \(-1,\)"),
        (array_value([1] * 65, bytes(4)), "more than 64 dimensions"),
        (array_value([1], bytes(4), data_type=9), r"data type 9; known are 1 \(float32\)"),
        (array_value([1], bytes(4), storage=1), "is sparse; only dense"),
        (b"ktnc\xff\xff\xff\xff", "claims a message of 4,294,967,295 bytes, and has 0"),
        (b"\x12\xff\xff\xff\xff\x0f\x0a", r"claims 4,294,967,295 bytes, and 1 are left"),
    ],
)
def test_what_lies_is_told(content, says):
    with pytest.raises(ModelFileError, match=says):
        read_buffer(content)


def test_absurd_nesting_is_refused():
    value = b"\x10\x01"
    for _ in range(3000):
        vector = field_header(1, len(value)) + value
        value = b"\x10\x09" + field_header(11, len(vector)) + vector
    entry = field_header(1, 1) + b"w" + field_header(2, len(value)) + value
    with pytest.raises(ModelFileError, match="nested more than 100 deep"):
        read_buffer(field_header(2, len(entry)) + entry)


def test_millions_of_empty_values_are_refused_in_bounded_time_and_memory():
    vector = b"\x0a\x00" * 5_000_000
    value = b"\x10\x09" + field_header(11, len(vector)) + vector
    entry = field_header(1, 1) + b"w" + field_header(2, len(value)) + value
    with (
        bounded_work(30),
        pytest.raises(ModelFileError, match=r"more than [\d,]+ fields, which no model needs"),
    ):
        read_buffer(field_header(2, len(entry)) + entry)


def test_every_truncation_is_an_error_or_a_shorter_dictionary():
    content = every_kind_as_bytes()
    whole = read_buffer(content)
    for length in range(len(content)):
        try:
            found = read_buffer(content[:length])
        except ModelFileError:
            continue
        assert list(found) == list(whole)[: len(found)]
        assert parsed(content[:length]).keys() == found.keys()


@pytest.mark.parametrize("seed", range(8))
def test_spoilt_bytes_are_read_or_refused_and_never_crash(seed):
    chance = random.Random(seed)
    content = every_kind_as_bytes(seed)
    for _ in range(300):
        spoilt = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            spoilt[chance.randrange(len(spoilt))] = chance.choice(
                (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))
            )
        try:
            found = read_buffer(bytes(spoilt))
        except ModelFileError:
            continue
        for value in found.values():
            if isinstance(value, StoredArray):
                assert value.values().shape == value.shape


def test_a_file_that_shrinks_after_it_was_opened_is_an_error(tmp_path):
    path = tmp_path / "m.model"
    path.write_bytes(b"".join(serialize({"w": np.ones((100, 100), np.float32)})))
    found = read_file(path)["w"]
    path.write_bytes(b"short")
    with pytest.raises(ModelFileError, match="shrank since it was opened"):
        found.values()
