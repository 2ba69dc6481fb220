"""Model: an ONNX graph without its weights, and the way to those weights."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from onnx import AttributeProto, ModelProto, TensorProto, printer

from onnx_workbench.core import graph_order
from onnx_workbench.core.errors import ModelFileError, NameNotFoundError, PreprocessingError, no_such
from onnx_workbench.core.files import write_atomic
from onnx_workbench.core.formatting import clean_text, escape, format_count, format_shape, html_table
from onnx_workbench.core.graph_parts import Node, Tensor, Value, describe, value_of
from onnx_workbench.core.inference import inferred_graph
from onnx_workbench.core.memory import require_memory
from onnx_workbench.core.metadata import labels_from, labels_to, preprocessing_from, preprocessing_to
from onnx_workbench.core.payloads import Payloads, is_utf8
from onnx_workbench.core.protos import ONNX_ERRORS, with_readable_strings
from onnx_workbench.core.serialization import (
    bytes_memory,
    graph_with_weights,
    proto_memory,
    save_memory,
    single_file,
    two_files,
)

if TYPE_CHECKING:
    from onnx_workbench.core.preprocessing import Preprocessing


class Model:
    """An ONNX model: graph and metadata in memory, weights where they lie.

    Made by ``open_model``. The large tensors stay in their file and are mapped when somebody asks, so a model
    of many gigabytes opens at once and in little memory. A model is not changed by this package; methods that
    change something return a new one.

    Attributes
    ----------
    proto
        The ``onnx.ModelProto``; contents of 1 KiB or more are external-data references.
    path
        The file it came from; None for models that came from memory.
    source
        Where it came from, in words.
    inputs, outputs
        What the graph needs and gives, as `Value`; initializers are not inputs.
    nodes
        The calls of operators in execution order, as `Node`.
    """

    def __init__(
        self, proto: ModelProto, payloads: Payloads, *, source: str, path: Path | None = None
    ) -> None:
        self.proto, self.payloads, self.source, self.path = proto, payloads, source, path
        self.engine: object = None  # kept by runtime.session, so that run(model, ...) loads it once
        self.preflight: object = None  # what analysis.preflight found, if the model was exported here
        self._initializers = {tensor.name: tensor for tensor in proto.graph.initializer}
        graph = proto.graph
        self.outputs = tuple(value_of(info) for info in graph.output)
        held = {*self._initializers, *self.sparse_initializers}
        self.inputs = tuple(value_of(info) for info in graph.input if info.name not in held)
        nodes = graph_order.execution_order(graph)
        self.nodes = tuple(
            Node(i, node, node.name, node.op_type, node.domain, tuple(node.input), tuple(node.output))
            for i, node in enumerate(nodes)
        )

    def __reduce__(self) -> tuple[Callable[..., Model], tuple[object, ...]]:
        """Let a model go to another process: its graph, and where its weights lie."""
        return _restored, (self.proto.SerializeToString(), self.payloads, self.source, self.path)

    @property
    def name(self) -> str:
        """The file's name without its ending, or the graph's name."""
        return self.path.stem if self.path else str(self.proto.graph.name) or "model"

    @property
    def opsets(self) -> dict[str, int]:
        """Opset of each domain; ONNX's own domain is ``ai.onnx``."""
        return {entry.domain or "ai.onnx": entry.version for entry in self.proto.opset_import}

    @property
    def ir_version(self) -> int:
        """Version of the file format."""
        return int(self.proto.ir_version)

    @property
    def producer_name(self) -> str:
        """The program that wrote the model, with its version."""
        return clean_text(f"{self.proto.producer_name} {self.proto.producer_version}".strip())

    @property
    def sparse_initializers(self) -> tuple[str, ...]:
        """Names of the sparse initializers."""
        return tuple(tensor.values.name for tensor in self.proto.graph.sparse_initializer)

    @cached_property
    def initializers(self) -> dict[str, Tensor]:
        """The graph's constants by name; contents are not read."""
        return {name: describe(tensor) for name, tensor in self._initializers.items()}

    @cached_property
    def _constant_tensors(self) -> dict[str, TensorProto]:
        return {
            node.key: attribute.t
            for node in self.nodes
            if node.label == "Constant"
            for attribute in node.proto.attribute
            if attribute.type == AttributeProto.TENSOR
        }

    @cached_property
    def constants(self) -> dict[str, Tensor]:
        """Tensors held by Constant nodes, by the name of the node's output; old exporters keep weights there."""
        return {name: describe(tensor, name) for name, tensor in self._constant_tensors.items()}

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata_props of the file."""
        return {entry.key: entry.value for entry in self.proto.metadata_props}

    @cached_property
    def labels(self) -> tuple[str, ...] | None:
        """Names of the classes, if the file holds them."""
        return labels_from(self.metadata)

    @cached_property
    def preprocessing(self) -> Preprocessing | None:
        """How a picture becomes the model's input, if the file says so."""
        return preprocessing_from(self.metadata)

    @cached_property
    def values(self) -> dict[str, Value]:
        """Every value of the main graph with the dtype and shape that ONNX's shape inference finds."""
        inferred = inferred_graph(self.proto)
        values = {name: Value(name, t.dtype, t.shape) for name, t in self.initializers.items()}
        for node in self.nodes:
            values.update({name: Value(name) for name in node.outputs if name})
        for info in (*inferred.value_info, *inferred.input, *inferred.output):
            if info.name not in self._initializers:
                values[info.name] = value_of(info)
        return values

    @cached_property
    def _producers(self) -> dict[str, Node]:
        return {name: node for node in self.nodes for name in node.outputs if name}

    @cached_property
    def _consumers(self) -> dict[str, tuple[Node, ...]]:
        readers: dict[str, dict[int, Node]] = {}
        for node in self.nodes:
            for name in (*node.inputs, *graph_order.captured(node.proto)):
                readers.setdefault(name, {})[node.index] = node
        return {name: tuple(nodes.values()) for name, nodes in readers.items()}

    def producer(self, value_name: str) -> Node | None:
        """Return the node that writes a value; None for inputs and initializers."""
        return self._producers.get(value_name)

    def consumers(self, value_name: str) -> tuple[Node, ...]:
        """Return the nodes that read a value, in execution order."""
        return self._consumers.get(value_name, ())

    def node(self, key: str) -> Node:
        """Return the node that writes the value `key`, or that has this name.

        Raises
        ------
        NameNotFoundError
            If there is none.
        """
        found = self._producers.get(key) or next((node for node in self.nodes if node.name == key), None)
        if found is None:
            raise NameNotFoundError(
                no_such("value or node", key, [*self._producers, *(n.name for n in self.nodes)])
            )
        return found

    def weight(self, name: str) -> NDArray[np.generic]:
        """Return the content of an initializer, or of a Constant node.

        Parameters
        ----------
        name
            Name of the initializer, or of the Constant's output.

        Returns
        -------
        ndarray
            Read-only, of the declared shape and dtype; mapped from the file, so that only the parts that
            are used are read.

        Raises
        ------
        NameNotFoundError
            If there is none of this name.
        ModelFileError
            If the file that holds it is missing, damaged, or was changed since.
        """
        tensor = self._initializers.get(name) or self._constant_tensors.get(name)
        if tensor is None:
            raise NameNotFoundError(
                no_such("initializer", name, [*self._initializers, *self._constant_tensors])
            )
        return self.payloads.array(tensor)

    def with_metadata(
        self,
        *,
        labels: Sequence[str] | None = None,
        preprocessing: Preprocessing | None = None,
        **entries: str,
    ) -> Model:
        """Return the model with more in its metadata; what is not named stays.

        Parameters
        ----------
        labels
            Names of the classes, in the order of the model's output.
        preprocessing
            How a picture becomes the model's input.
        **entries
            Other metadata_props.

        Raises
        ------
        PreprocessingError
            If labels are not a list of strings, or another entry is no text.

        Examples
        --------
        >>> model = model.with_metadata(labels=["cat", "dog"], preprocessing=ow.Preprocessing(size=(224, 224)))
        >>> model.save("pets.onnx").name
        'pets.onnx'
        """
        for key, value in entries.items():
            if not isinstance(value, str):
                raise PreprocessingError(
                    f"{key}={value!r:.80}: metadata is text. Give {key}=str({value!r:.80})."
                )
            if not is_utf8(value):
                raise PreprocessingError(f"{key}={value!r:.80}: metadata is text in UTF-8.")
        metadata = self.metadata | entries
        if labels is not None:
            metadata |= labels_to(labels)
        if preprocessing is not None:
            metadata |= preprocessing_to(preprocessing)
        proto = ModelProto()
        proto.CopyFrom(self.proto)
        del proto.metadata_props[:]
        for key, value in metadata.items():
            proto.metadata_props.add(key=key, value=value)
        model = Model(proto, self.payloads, source=self.source, path=self.path)
        model.preflight = self.preflight  # metadata changes nothing of what was found
        return model

    def to_proto(self) -> ModelProto:
        """Return a ModelProto of its own, with the weights inside.

        Raises
        ------
        NotEnoughMemoryError
            If less memory is left than that needs.
        """
        require_memory(
            "make a ModelProto with the weights inside",
            proto_memory(self.proto),
            remedy="Work on model.proto, which refers to the weights in their file; or save(path) and open the copy.",
        )
        return graph_with_weights(self.proto, self.payloads)

    def to_bytes(self) -> bytes:
        """Return the model as the content of one file.

        Raises
        ------
        ModelFileError
            If that would be more than 2 GiB.
        NotEnoughMemoryError
            If less memory is left than that needs.
        """
        require_memory(
            "make bytes of the model",
            bytes_memory(self.proto),
            remedy="Save it to a file: save(path) needs hardly any.",
        )
        buffer = io.BytesIO()  # joining a list of pieces would hold everything twice
        for piece in single_file(self.proto, self.payloads):
            buffer.write(piece)
        return buffer.getvalue()

    def save(self, path: str | os.PathLike[str], *, external_data: bool = False) -> Path:
        """Write the model to a file, whole or not at all.

        Parameters
        ----------
        path
            The file, such as ``"signs.onnx"``.
        external_data
            Write the weights to a second file, ``<path>.data``, page-aligned. Needed above 2 GiB.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ModelFileError
            If one file would be larger than 2 GiB, or the weights cannot be read any more.
        WriteError
            If there is no such folder, or the path is a folder itself.
        """
        target = Path(path).expanduser()
        require_memory(
            "save the model",
            save_memory(self.proto),
            remedy="Close what else holds memory: the tensors of its Constant nodes are written from there.",
        )
        if external_data:
            content, pieces = two_files(self.proto, self.payloads, f"{target.name}.data")
            write_atomic(target.with_name(f"{target.name}.data"), pieces)
            return write_atomic(target, content)
        return write_atomic(target, single_file(self.proto, self.payloads))

    def text(self) -> str:
        """Return the graph in ONNX's own text form, without the large weights.

        Raises
        ------
        ModelFileError
            If the model is too wrong inside to be written so.
        """
        try:
            return str(printer.to_text(self.proto))
        except UnicodeDecodeError:  # string attributes may hold any bytes
            return str(printer.to_text(with_readable_strings(self.proto)))
        except ONNX_ERRORS as error:
            raise ModelFileError(
                f"The model cannot be written as text: {clean_text(str(error), limit=400)}"
            ) from error

    def __str__(self) -> str:
        """Return a few lines: source, inputs, outputs, size."""
        lines = [f"Model {clean_text(self.name)!r} ({self.source})"]
        lines += [f"  input   {value}" for value in self.inputs]
        lines += [f"  output  {value}" for value in self.outputs]
        lines.append(f"  {self._size()}")
        return "\n".join(lines)

    __repr__ = __str__

    def _size(self) -> str:
        parameters = sum(tensor.parameters for tensor in (self.constants | self.initializers).values())
        opsets = ", ".join(f"{clean_text(domain)} {version}" for domain, version in self.opsets.items())
        return f"{len(self.nodes):,} nodes, {format_count(parameters)} parameters, opset {opsets}, IR {self.ir_version}"

    def _repr_html_(self) -> str:
        rows = [("input", v.name, v.dtype or "?", format_shape(v.shape)) for v in self.inputs]
        rows += [("output", v.name, v.dtype or "?", format_shape(v.shape)) for v in self.outputs]
        table = html_table(rows, header=("", "name", "dtype", "shape"))
        return (
            f"<div><strong>{escape(self.name)}</strong> <span>{escape(self.source)}</span>{table}"
            f"<div>{escape(self._size())}</div></div>"
        )


def _restored(content: bytes, payloads: Payloads, source: str, path: Path | None) -> Model:
    proto = ModelProto()
    proto.ParseFromString(content)
    return Model(proto, payloads, source=source, path=path)


_opener: list[Callable[[object], Model]] = []


def set_opener(opener: Callable[[object], Model]) -> None:
    """Install the function that makes a Model of anything; called once, by sources/open.py."""
    _opener[:] = [opener]


def as_model(source: object) -> Model:
    """Return a Model unchanged, and anything else opened.

    Layers below `sources` call this: they may not import it, and yet take whatever it opens.
    """
    if isinstance(source, Model):
        return source
    if not _opener:
        raise ModelFileError(f"No way to open a {type(source).__name__}: import onnx_workbench first.")
    return _opener[0](source)
