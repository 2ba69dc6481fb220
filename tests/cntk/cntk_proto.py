"""CNTK.proto as its publisher's library has it, for protobuf's own parser: what the reader is measured against."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES = {
    "bool": 8,
    "int32": 5,
    "uint64": 4,
    "float": 2,
    "double": 1,
    "string": 9,
    "bytes": 12,
    "sint32": 17,
}

_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "NDShape": {"shape_dim": (1, "repeated uint64")},
    "Axis": {
        "static_axis_idx": (1, "int32"),
        "name": (2, "string"),
        "is_ordered_dynamic_axis": (3, "bool"),
    },
    "FloatValues": {"value": (1, "repeated float")},
    "DoubleValues": {"value": (1, "repeated double")},
    "BytesValue": {"value": (1, "bytes")},
    "IntValues": {"value": (1, "repeated sint32")},
    "NDArrayView": {
        "data_type": (1, "int32"),
        "storage_format": (2, "int32"),
        "shape": (3, "NDShape"),
        "float_values": (4, "FloatValues"),
        "double_values": (5, "DoubleValues"),
        "bytes_value": (6, "BytesValue"),
        "sint32_values": (7, "IntValues"),
    },
    "Vector": {"value": (1, "repeated DictionaryValue")},
    "DataEntry": {"key": (1, "string"), "value": (2, "DictionaryValue")},
    "Dictionary": {"version": (1, "uint64"), "data": (2, "repeated DataEntry")},
    "DictionaryValue": {
        "version": (1, "uint64"),
        "value_type": (2, "int32"),
        "bool_value": (3, "bool"),
        "int_value": (4, "int32"),
        "size_t_value": (5, "uint64"),
        "float_value": (6, "float"),
        "double_value": (7, "double"),
        "string_value": (8, "string"),
        "nd_shape_value": (9, "NDShape"),
        "axis_value": (10, "Axis"),
        "vector_value": (11, "Vector"),
        "dictionary_value": (12, "Dictionary"),
        "nd_array_view_value": (13, "NDArrayView"),
    },
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="CNTK.proto", package="CNTK.proto", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            *repeated, kind = kind.split()
            field = message.field.add(name=field_name, number=number, label=3 if repeated else 1)
            if kind in _TYPES:
                field.type = _TYPES[kind]
            else:
                field.type, field.type_name = 11, f".CNTK.proto.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"CNTK.proto.{name}"))
        for name in _MESSAGES
    }


PROTO = _classes()


def plain(value: Any) -> Any:
    """Return a DictionaryValue as (type code, value in the file's own order)."""
    code = value.value_type
    if not 1 <= code <= 11:
        return None
    if code <= 6:
        names = ["bool_value", "int_value", "size_t_value", "float_value", "double_value", "string_value"]
        return code, getattr(value, names[code - 1])
    if code == 7:
        return code, list(value.nd_shape_value.shape_dim)
    if code == 8:
        axis = value.axis_value
        return code, (axis.static_axis_idx, axis.name, axis.is_ordered_dynamic_axis)
    if code == 9:
        return code, [plain(item) for item in value.vector_value.value]
    if code == 10:
        return code, {entry.key: plain(entry.value) for entry in value.dictionary_value.data}
    array = value.nd_array_view_value
    content = array.bytes_value.value or list(array.float_values.value) or list(array.double_values.value)
    return code, (array.data_type, list(array.shape.shape_dim), content)
