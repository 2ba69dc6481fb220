"""Provenance put back onto the nodes of a model that an optimiser, a slimmer or an opset converter has changed."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator

from onnx import GraphProto, ModelProto, NodeProto

from onnx_workbench.core.errors import ModelFileError, WorkbenchWarning
from onnx_workbench.core.graph_order import execution_order
from onnx_workbench.core.graph_parts import Node
from onnx_workbench.core.model import Model, as_model
from onnx_workbench.core.provenance import NOTES, SCOPES, has_provenance, module_path
from onnx_workbench.core.provenance_record import lacks_notes, recorded, skeleton, with_record
from onnx_workbench.runtime.optimised_graph import name_nodes
from onnx_workbench.runtime.placement import address, place

_MOST_PAIRS = 1_000_000  # files are untrusted: the time of placing may grow with it, to some seconds here
_LARGEST_REGION = 64  # a node that stands for more comes from no module in particular


def with_provenance_of(model: object, original: object) -> Model:
    """Return a model whose nodes say where they come from, as those of the original do from which it was made.

    Files that this package exported hold a record of their provenance, and get it back by themselves when they are
    opened, whatever a tool has made of their graph. This is for the others.

    Parameters
    ----------
    model
        A model that a tool made of the original: slimmed, optimised, or converted to another opset.
    original
        The model as it was exported.

    Returns
    -------
    Model
        With notes on its nodes; those that it has already stay. It keeps a record of them in its metadata.

    Raises
    ------
    ModelFileError
        If nothing in the original says where its nodes come from.

    Examples
    --------
    >>> exported = ow.open_model(network, example_inputs=data.example)
    >>> slim = with_provenance_of("signs.onnx", exported)
    """
    source, changed = as_model(original), as_model(model)
    if not any(map(has_provenance, source.proto.graph.node)):
        raise ModelFileError(
            f"{source.name!r} has no provenance to give: no node of it says which module it comes from. torch's "
            "exporters note that; give the file as they wrote it, before any other tool."
        )
    proto = ModelProto()
    proto.CopyFrom(changed.proto)
    _attach(proto.graph, skeleton(source.proto.graph))
    return with_record(Model(proto, changed.payloads, source=changed.source, path=changed.path))


def restored(model: Model) -> Model:
    """Return a model that was just opened, with the notes of its own record on nodes that have lost them.

    Warns
    -----
    WorkbenchWarning
        If the record cannot be read; it is passed over then.
    """
    try:
        record = recorded(model.proto)
    except ModelFileError as error:
        warnings.warn(
            f"{error} It is passed over: the model itself is not concerned.", WorkbenchWarning, stacklevel=4
        )
        return model
    nodes = model.proto.graph.node
    if record is None or not lacks_notes(nodes, record):
        return model
    if not _attach(model.proto.graph, record, most_pairs=_MOST_PAIRS):
        warnings.warn(
            "Some nodes have lost their provenance to a tool, and are too many to place whenever the file is opened. "
            "with_provenance_of(model, original), in onnx_workbench.runtime.reattachment, does it once.",
            WorkbenchWarning,
            stacklevel=4,
        )
    return model


def _attach(graph: GraphProto, original: GraphProto, *, most_pairs: int | None = None) -> bool:
    """Note on each node of a graph where the nodes of the original come from that it stands for; in place.

    Nodes that still write a value of the original, by the same operator, are the same node. For the others the two
    graphs are laid over each other, unless that is more work than `most_pairs` allow; return whether it was done.
    """
    name_nodes(original.node)
    by_address = {address(node): node for node in original.node}
    ordered = execution_order(graph)
    changed = skeleton(GraphProto(node=ordered, initializer=graph.initializer, input=graph.input))
    _take_original_names(changed, original)
    origins: list[list[NodeProto]] = []
    for node in changed.node:
        same = by_address.get(address(node))
        origins.append([same] if same is not None and same.op_type == node.op_type else [])
    pairs = len(changed.node) * len(original.node)
    complete = all(origins) or most_pairs is None or pairs <= most_pairs
    if complete and not all(origins):
        for found, placed in zip(origins, place(original, changed), strict=True):
            if not found and len(placed.nodes) <= _LARGEST_REGION:
                found += [by_address[key] for key in placed.nodes]
    for node, found in zip(ordered, origins, strict=True):
        if not has_provenance(node):
            for key, text in _notes_of(node, found).items():
                node.metadata_props.add(key=key, value=text)
    return complete


def _notes_of(node: NodeProto, origins: list[NodeProto]) -> dict[str, str]:
    """Return the notes of the node that gives a fused one its operator (the convolution, not its Relu), or the last."""
    noted = [origin for origin in origins if has_provenance(origin)]
    if not noted:
        return {}
    chosen = next((origin for origin in noted if origin.op_type in node.op_type), noted[-1])
    found = {entry.key: entry.value for entry in chosen.metadata_props if entry.key in NOTES}
    return found or _scopes_of_name(chosen)


def _scopes_of_name(node: NodeProto) -> dict[str, str]:
    """Return the modules in a name that torch's older exporter gave, in the words of its newer one."""
    path = module_path(Node(0, node, node.name, node.op_type, node.domain, (), ()))
    return {SCOPES: repr(["", *path, node.op_type])} if path else {}


def _take_original_names(changed: GraphProto, original: GraphProto) -> None:
    """Give renamed values the names that the original has for them, where operators and inputs leave no doubt.

    Values are followed from the inputs on: nodes of the same operator that read the same values are the same node.
    If several are, they are told apart by their order, as long as both graphs have as many of them.
    """
    known = {name for node in original.node for name in node.output if name}
    written = {name for node in changed.node for name in node.output if name}
    if not written - known:
        return
    told = known | {value.name for value in original.input}
    told |= {t.name for t in original.initializer} & {t.name for t in changed.initializer}
    theirs: dict[tuple[str, ...], list[NodeProto]] = defaultdict(list)
    for node in execution_order(original):
        theirs[_signature(node, told, set())].append(node)
    names: dict[str, str] = {}
    for level in _levels(changed):
        mine: dict[tuple[str, ...], list[NodeProto]] = defaultdict(list)
        for node in level:
            for index, name in enumerate(node.input):
                node.input[index] = names.get(name, name)
            mine[_signature(node, told, written)].append(node)
        for signature, nodes in mine.items():
            if told.intersection(signature[2:]) and len(nodes) == len(theirs[signature]):
                for node, other in zip(nodes, theirs[signature], strict=True):
                    _rename_outputs(node, other, known, names)


def _signature(node: NodeProto, told: set[str], written: set[str]) -> tuple[str, ...]:
    """Return a node's operator and what it reads: names that both graphs have, "?" for values not told yet."""
    read = (name if name in told else "?" if name in written else "" for name in node.input)
    return (node.domain, node.op_type, *read)


def _levels(graph: GraphProto) -> Iterator[list[NodeProto]]:
    """Yield nodes in groups that do not read one another, each group behind those that it reads."""
    depths: dict[str, int] = {}
    levels: dict[int, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        depth = 1 + max((depths.get(name, 0) for name in node.input), default=0)
        depths.update(dict.fromkeys(node.output, depth))
        levels[depth].append(node)
    yield from (levels[depth] for depth in sorted(levels))


def _rename_outputs(node: NodeProto, other: NodeProto, known: set[str], names: dict[str, str]) -> None:
    for index, (name, original) in enumerate(zip(node.output, other.output, strict=False)):
        if name and original and name not in known:
            names[name] = original
            node.output[index] = original
