"""What onnxruntime makes of a model before it runs it, kernel by kernel: one side of "optimised against plain"."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from onnx import ModelProto, NodeProto, helper

from onnx_workbench.core.errors import WriteError
from onnx_workbench.core.graph_parts import Node
from onnx_workbench.core.model import Model
from onnx_workbench.core.provenance import module_path, qualified_name, source_line
from onnx_workbench.core.reading import read_path
from onnx_workbench.runtime.onnx_steps import OnnxSteps, interface
from onnx_workbench.runtime.optimised_graph import with_node_names, write_optimised
from onnx_workbench.runtime.pieces import PieceRunner, PiecesInChild
from onnx_workbench.runtime.placement import place, same_values
from onnx_workbench.runtime.steps import Step

_BLOCKS = "com.microsoft.nchwc"
_BLOCK_SIZES = 8
_MOVERS = frozenset(
    {"Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "ReorderInput", "ReorderOutput"}
    | {"Reshape", "Squeeze", "Transpose", "Unsqueeze"}
)
"""What the optimiser puts around a kernel, and computes nothing that could be blamed."""
_ADDED = "onnx_workbench: layout"
_ELEMENTWISE = frozenset({"Add", "Sum", "Mul", "Relu", "Sigmoid", "Tanh", "Concat", "BatchNormalization"})


class OptimisedSteps(OnnxSteps):
    """The kernels of the graph that onnxruntime really runs, as steps.

    The optimised graph, with its folded and packed weights, is written to a temporary file, from which the weights
    are mapped: memory stays at what one session takes while it is made. Values in blocks of channels (NCHWc) are laid
    out plainly once each, so that they have their twins.

    Parameters
    ----------
    model
        The model as it is in its file.
    level
        How far it is optimised, as ``Session`` takes it.
    runner
        Who computes them; None for onnxruntime in this process. Where that is a child process, the model is optimised
        there too.
    """

    def __init__(self, model: Model, *, level: str, runner: PieceRunner | None = None) -> None:
        try:
            folder = TemporaryDirectory(prefix="onnx_workbench_", ignore_cleanup_errors=True)
        except OSError as error:
            raise WriteError(
                f"The optimised graph needs a temporary folder: {error.strerror or error}."
            ) from error
        weakref.finalize(self, folder.cleanup)
        named = with_node_names(model)
        write = runner.worker.call if isinstance(runner, PiecesInChild) else _call
        written = read_path(write(write_optimised, named, Path(folder.name), level))
        self._origins = _origins(named, written)
        self._known = {*model.values, *(value.name for value in model.outputs)}
        super().__init__(_laid_out_plainly(named, written), runner=runner)

    @property
    def kernels(self) -> str:
        """Whose kernels compute: other ones than node by node."""
        return f"{self.runner.backend}, optimised"

    def _grouped(self) -> list[list[Node]]:
        """Return each kernel together with the changes of layout around it."""
        added = [node for node in self.model.nodes if node.name.startswith(_ADDED)]
        before = {node.outputs[0]: node for node in added if node.op_type == "ReorderInput"}
        behind = {node.inputs[0]: node for node in added if node.op_type == "ReorderOutput"}
        kernels = [
            [node for node in piece if not node.name.startswith(_ADDED)] for piece in super()._grouped()
        ]
        pieces = []
        for piece in self._joined([kernel for kernel in kernels if kernel]):
            read = [before[name] for node in piece for name in node.inputs if name in before]
            written = [behind[name] for node in piece for name in node.outputs if name in behind]
            pieces.append([*read, *piece, *written])
        return pieces

    def _joined(self, kernels: list[list[Node]]) -> list[list[Node]]:
        """Return kernels together with what only moves their numbers, where the file has no value between them.

        Only a kernel whose one value is read by one other is joined to that one: pieces cannot wait for each other.
        """
        readers: dict[str, set[int]] = {}
        for index, piece in enumerate(kernels):
            for name in interface(piece)[0]:
                readers.setdefault(name, set()).add(index)
        joined: dict[int, list[Node]] = {}
        for index, piece in enumerate(kernels):
            nodes = [*joined.pop(index, []), *piece]
            written = interface(piece)[1]
            behind = readers.get(written[0], set()) if len(written) == 1 else set()
            if len(behind) == 1 and written[0] not in self._known:
                (reader,) = behind
                if any(node.op_type in _MOVERS for node in (piece[-1], kernels[reader][0])):
                    joined[reader] = [*joined.get(reader, []), *nodes]
                    continue
            joined[index] = nodes
        return [joined[index] for index in sorted(joined)]

    def _step(self, index: int, nodes: list[Node]) -> Step:
        """Return a step that says from which nodes of the file its kernel was made."""
        step = super()._step(index, nodes)
        own = [node for node in nodes if not node.name.startswith(_ADDED)]
        within = {name for node in nodes for name in node.inputs}
        kernels = [node for node in own if node.op_type not in _MOVERS] or own
        operator = " + ".join(dict.fromkeys(node.label for node in kernels))
        step = replace(
            step, outputs=tuple(name for name in step.outputs if name not in within), operator=operator
        )
        origins = [origin for node in own for origin in self._origins.get(node.name, ())]
        if not origins:
            return step
        made_of = " + ".join(dict.fromkeys(node.label for node in origins))
        if made_of != operator:
            step = replace(step, operator=f"{operator} (of {made_of})")
        last = origins[-1]
        return replace(step, module_path=qualified_name(module_path(last)), source_line=source_line(last))


def _call(function: Callable[..., Path], *arguments: object) -> Path:
    return function(*arguments)


def _origins(original: Model, optimised: Model) -> dict[str, list[Node]]:
    """Return the nodes of the file that each kernel stands for, by the kernel's name."""
    by_key = {node.key: node for node in original.nodes}
    return {
        kernel.name: [by_key[key] for key in kernel.nodes if key in by_key]
        for kernel in place(original.proto.graph, optimised.proto.graph)
        if not kernel.layout
    }


def _laid_out_plainly(original: Model, optimised: Model) -> Model:
    """Return an optimised model in which values in blocks of channels are plain NCHW between kernels.

    Each kernel that reads one puts it into blocks again: both ways only move numbers.
    """
    same = same_values(original.proto.graph, optimised.proto.graph)
    proto = ModelProto()
    proto.CopyFrom(optimised.proto)
    taken = {name for node in proto.graph.node for name in (*node.input, *node.output)}
    plain: dict[str, str] = {}
    blocked: set[str] = set()
    nodes: list[NodeProto] = []
    for node in proto.graph.node:
        writes_blocks = _writes_blocks(node, blocked)
        for position, name in enumerate(node.input):
            if name in plain:
                node.input[position] = f"{plain[name]}:{len(nodes)}"
                nodes.append(_reordered("ReorderInput", plain[name], node.input[position]))
        nodes.append(node)
        for name in node.output if writes_blocks else ():
            blocked.add(name)
            twins = same.get(name, set()) - taken
            twin = twins.pop() if len(twins) == 1 else ""
            if channels := _channels(original, twin):
                taken.add(twin)
                plain[name] = twin
                nodes.append(_reordered("ReorderOutput", name, twin, channels=channels))
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return Model(proto, optimised.payloads, source=original.source, path=optimised.path)


def _reordered(operator: str, read: str, written: str, *, channels: int = 0) -> NodeProto:
    node = helper.make_node(operator, [read], [written], f"{_ADDED} {written}", domain=_BLOCKS)
    if channels:
        node.attribute.append(helper.make_attribute("channels", channels))
    return node


def _channels(model: Model, name: str) -> int:
    """Return how many channels a value has, if they fill their blocks; else 0."""
    value = model.values.get(name)
    channels = value.shape[1] if value is not None and value.shape and len(value.shape) > 1 else None
    return channels if isinstance(channels, int) and channels % _BLOCK_SIZES == 0 else 0


def _writes_blocks(node: NodeProto, blocked: set[str]) -> bool:
    if node.domain == _BLOCKS:
        return node.op_type not in {"ReorderInput", "ReorderOutput"}
    return node.op_type in _ELEMENTWISE and not blocked.isdisjoint(node.input)
