"""Write a model whole again: its graph, and the weights streamed from where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import GraphProto, ModelProto, TensorProto

from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.formatting import format_bytes
from onnx_workbench.core.payloads import Payloads, clear_reference, is_external
from onnx_workbench.core.protos import content_bytes, tensors_of_model
from onnx_workbench.core.skim import LARGE_BYTES
from onnx_workbench.core.wire import field_header

LARGEST_PROTO_BYTES = (1 << 31) - 1  # no protobuf parser reads more
_PIECE_BYTES = 1 << 24
_ALIGNMENT_BYTES = 4096  # so that weights can be mapped page by page

# Field numbers of onnx.proto3.
_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW_DATA = 7, 5, 9


def _contents(proto: ModelProto) -> list[int]:
    """Return the sizes of the contents outside the proto."""
    external = (t for t in tensors_of_model(proto) if is_external(t))
    return [content_bytes(t.data_type, t.dims) or 0 for t in external]


def bytes_memory(proto: ModelProto) -> int:
    """Return the memory that a model takes as bytes, while they are put together."""
    return 115 * (int(proto.ByteSize()) + sum(_contents(proto))) // 100


def proto_memory(proto: ModelProto) -> int:
    """Return the memory that a ModelProto with the weights inside takes, while they are filled in."""
    contents = _contents(proto)
    return 120 * (int(proto.ByteSize()) + sum(contents)) // 100 + max(contents, default=0)


def save_memory(proto: ModelProto) -> int:
    """Return the memory that writing one file takes: initializers are streamed, other tensors held."""
    held = sum(_contents(proto)) - sum(
        content_bytes(t.data_type, t.dims) or 0 for t in proto.graph.initializer if is_external(t)
    )
    return 2 * held + 2 * _PIECE_BYTES


def single_file(proto: ModelProto, payloads: Payloads) -> Iterator[bytes]:
    """Yield a model with its weights inside, one tensor in memory at a time.

    Raises
    ------
    ModelFileError
        If the result would be larger than the 2 GiB that a protobuf message can have, or a file that holds
        weights is missing or was changed; nothing was yielded by then.
    """
    payloads.verify_unchanged(proto)
    shell = _without_initializers(proto, payloads)
    graph_shell = shell.graph.SerializeToString()
    shell.ClearField("graph")
    lengths = [_tensor_length(tensor) for tensor in proto.graph.initializer]
    graph_length = len(graph_shell) + sum(len(field_header(_GRAPH_INITIALIZER, n)) + n for n in lengths)
    rest = shell.SerializeToString()
    total = len(rest) + graph_length
    if total > LARGEST_PROTO_BYTES:
        raise ModelFileError(
            f"The model has {format_bytes(total)}, and one ONNX file holds at most 2 GiB.\n"
            "Save it with external_data=True: the weights then go to a second file beside it."
        )
    yield rest + field_header(_MODEL_GRAPH, graph_length) + graph_shell
    for tensor, length in zip(proto.graph.initializer, lengths, strict=True):
        yield field_header(_GRAPH_INITIALIZER, length)
        yield from _tensor_pieces(tensor, payloads)


def two_files(proto: ModelProto, payloads: Payloads, data_name: str) -> tuple[bytes, Iterable[bytes]]:
    """Return (the model referring to `data_name`, the pieces of that file)."""
    payloads.verify_unchanged(proto)
    model = ModelProto()
    model.CopyFrom(proto)
    moved: list[tuple[TensorProto, int]] = []
    position = 0
    for tensor, original in zip(tensors_of_model(model), tensors_of_model(proto), strict=True):
        length = _content_length(original)
        if length is None or length < LARGE_BYTES:
            if is_external(tensor):
                payloads.fill(tensor)
            continue
        padding = -position % _ALIGNMENT_BYTES
        moved.append((original, padding))
        position += padding
        clear_reference(tensor)
        for content_field in ("raw_data", "float_data", "double_data"):
            tensor.ClearField(content_field)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", data_name), ("offset", position), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        position += length
    return model.SerializeToString(), _data_pieces(moved, payloads)


def _content_length(tensor: TensorProto) -> int | None:
    """Return the bytes of a tensor's content if it can stand in a file of its own, else None."""
    if is_external(tensor) or tensor.HasField("raw_data"):
        return content_bytes(tensor.data_type, tensor.dims)
    return None


def _data_pieces(moved: list[tuple[TensorProto, int]], payloads: Payloads) -> Iterator[bytes]:
    for tensor, padding in moved:
        yield b"\0" * padding
        if is_external(tensor):
            yield from payloads.pieces(tensor)
        else:
            yield tensor.raw_data


def _without_initializers(proto: ModelProto, payloads: Payloads) -> ModelProto:
    """Return a copy without the graph's initializers, in which tensors of nodes have their content."""
    shell = ModelProto()
    for descriptor, value in proto.ListFields():
        if descriptor.name == "graph":
            for inner, inner_value in value.ListFields():
                if inner.name != "initializer":
                    _copy_field(shell.graph, inner.name, inner_value)
        else:
            _copy_field(shell, descriptor.name, value)
    for tensor in tensors_of_model(shell):
        if is_external(tensor):
            payloads.fill(tensor)
    return shell


def _copy_field(target: ModelProto | GraphProto, name: str, value: object) -> None:
    if isinstance(value, (int, float, str, bytes)):
        setattr(target, name, value)
    else:
        getattr(target, name).MergeFrom(value)


def _tensor_shell(tensor: TensorProto) -> bytes:
    """Return a tensor without its content or its reference."""
    shell = TensorProto()
    shell.CopyFrom(tensor)
    clear_reference(shell)
    content: bytes = shell.SerializeToString()
    return content


def _tensor_length(tensor: TensorProto) -> int:
    if not is_external(tensor):
        size: int = tensor.ByteSize()
        return size
    content = content_bytes(tensor.data_type, tensor.dims)
    if content is None:
        raise ModelFileError(f"Tensor {tensor.name!r} has external data of a dtype that cannot have any.")
    return len(_tensor_shell(tensor)) + len(field_header(_TENSOR_RAW_DATA, content)) + content


def _tensor_pieces(tensor: TensorProto, payloads: Payloads) -> Iterator[bytes]:
    if not is_external(tensor):
        yield tensor.SerializeToString()
        return
    yield _tensor_shell(tensor)
    yield field_header(_TENSOR_RAW_DATA, content_bytes(tensor.data_type, tensor.dims) or 0)
    yield from payloads.pieces(tensor)


def graph_with_weights(proto: ModelProto, payloads: Payloads) -> ModelProto:
    """Return a copy of a model with every content inside."""
    payloads.verify_unchanged(proto)
    whole = ModelProto()
    whole.CopyFrom(proto)
    for tensor in tensors_of_model(whole):
        if is_external(tensor):
            payloads.fill(tensor)
    return whole
