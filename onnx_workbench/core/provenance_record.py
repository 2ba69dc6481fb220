"""Provenance kept beside the graph: a record of the nodes as they were exported, in the model's metadata.

Optimisers, slimmers and opset converters drop what the exporter noted on nodes, and keep the model's own
metadata_props. The record is one entry there, ``onnx_workbench.provenance``: an ``onnx.GraphProto`` without attributes,
types and contents (nodes with their names, operators, inputs, outputs and notes; names of inputs and initializers),
compressed by zlib, in base64. ResNet-50's has 6 KB.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable

from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto

from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_order import execution_order
from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance import NOTES, has_provenance
from onnx_workbench.core.soundness import check_text

RECORD_KEY = "onnx_workbench.provenance"
_MOST_BYTES = 32 << 20
_MOST_NODES = 50_000


def skeleton(graph: GraphProto) -> GraphProto:
    """Return the nodes of a graph with the exporter's notes, and nothing of what they compute."""
    bare = GraphProto()
    for node in graph.node:
        copy = bare.node.add(name=node.name, op_type=node.op_type, domain=node.domain)
        copy.input.extend(node.input)
        copy.output.extend(node.output)
        copy.metadata_props.extend(entry for entry in node.metadata_props if entry.key in NOTES)
    for tensor in graph.initializer:
        bare.initializer.add(name=tensor.name)
    for value in graph.input:
        bare.input.add(name=value.name)
    return bare


def with_record(model: Model) -> Model:
    """Return the model with a record of its provenance; unchanged if there is none, one already, or too much of it."""
    nodes = model.proto.graph.node
    if RECORD_KEY in model.metadata or len(nodes) > _MOST_NODES or not any(map(has_provenance, nodes)):
        return model
    content = skeleton(model.proto.graph).SerializeToString()
    if len(content) > _MOST_BYTES:
        return model
    text = base64.b64encode(zlib.compress(content, 9)).decode()
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    proto.metadata_props.add(key=RECORD_KEY, value=text)
    return Model(proto, model.payloads, source=model.source, path=model.path)


def recorded(proto: ModelProto) -> GraphProto | None:
    """Return the graph as it was recorded; None if there is no record.

    Raises
    ------
    ModelFileError
        If there is one, and it is damaged or too large to be meant well.
    """
    text = next((entry.value for entry in proto.metadata_props if entry.key == RECORD_KEY), None)
    if text is None:
        return None
    try:
        packed = base64.b64decode(text, validate=True)
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(packed, _MOST_BYTES)
        if unpacking.unconsumed_tail or not unpacking.eof:
            raise ModelFileError(f"it is cut off, or longer than {_MOST_BYTES >> 20} MiB")
        graph = GraphProto()
        graph.ParseFromString(content)
        check_text(ModelProto(graph=graph))
        execution_order(graph)
    except (binascii.Error, ValueError, zlib.error, DecodeError) as error:
        raise ModelFileError(
            f"The record of provenance in the model's metadata ({RECORD_KEY}) cannot be read: "
            f"{clean_text(str(error), limit=200)}."
        ) from error
    if len(graph.node) > _MOST_NODES:
        raise ModelFileError(f"The record of provenance holds more than {_MOST_NODES:,} nodes.")
    return graph


def lacks_notes(nodes: Iterable[NodeProto], record: GraphProto) -> bool:
    """Tell whether nodes have lost notes that the record has."""
    noted = {name for node in record.node if has_provenance(node) for name in node.output if name}
    known = [node for node in nodes if noted.intersection(node.output)]
    return not known or any(not has_provenance(node) for node in known)
