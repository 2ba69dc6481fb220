"""Progress for TensorBoard, as CNTK writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from onnx_workbench.cntk.core import Value
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.graph import file_order
from onnx_workbench.cntk.logging.event_files import EventFile, as_bytes
from onnx_workbench.cntk.logging.progress_writer import ProgressWriter, mean_since, share

Node = tuple[str, str, list[str], tuple[int, ...], int]


class TensorBoardProgressWriter(ProgressWriter):
    """Writes means of loss and metric, and what users give, to files that TensorBoard shows.

    Parameters
    ----------
    freq
        After how many minibatches the means are written; None for summaries alone.
    log_dir
        The folder of the files.
    rank
        Number of the worker; only the first one, or None, writes.
    model
        A graph to show: blocks are its groups.

    Examples
    --------
    >>> writer = C.logging.TensorBoardProgressWriter(freq=10, log_dir="log")
    >>> writer.write_value("accuracy", 0.9, step=1)
    >>> writer.close()
    """

    def __init__(
        self, freq: int | None = None, log_dir: Any = ".", rank: int | None = None, model: Any = None
    ) -> None:
        super().__init__(sys.maxsize if freq is None else freq)
        self.writer = None if rank else EventFile(log_dir)
        self.closed = False
        if self.writer is not None and model is not None:
            self.writer.write_graph(nodes_of(model))

    def _open(self) -> EventFile | None:
        if self.closed:
            raise CntkRuntimeError("Attempting to use a closed TensorBoardProgressWriter")
        return self.writer

    def write_value(self, name: Any, value: Any, step: Any) -> None:
        """Write a number of a name at a step."""
        writer = self._open()
        if writer is not None:
            writer.write_number(str(name), float(value), int(step))

    def write_image(self, name: Any, data: dict[Any, Any], step: Any) -> None:
        """Write pictures of a name at a step.

        Parameters
        ----------
        name
            What they are called; several get numbers.
        data
            Arrays by variable: pictures with channels first, blue first, 0 to 255; one, or a batch.
        step
            When.
        """
        writer = self._open()
        if writer is None:
            return
        for given in data.values():
            array = np.asarray(given.asarray() if isinstance(given, Value) else given)
            pictures = array.reshape(-1, *array.shape[-3:])
            if array.ndim < 3 or pictures.shape[1] not in {1, 3}:
                raise CntkValueError(
                    f"write_image takes pictures of shape (1 or 3 channels, height, width), or a batch of them; got "
                    f"{array.shape}."
                )
            for number, picture in enumerate(pictures):
                tag = f"{name}/image" if len(pictures) == 1 else f"{name}/image/{number}"
                pixels = np.moveaxis(as_bytes(picture), 0, 2)
                writer.write_picture(tag, np.ascontiguousarray(pixels[:, :, ::-1]), int(step))

    def flush(self) -> None:
        """Let what is written be on the disk."""
        writer = self._open()
        if writer is not None:
            writer.flush()

    def close(self) -> None:
        """Close the file; nothing can be written afterwards."""
        writer = self._open()
        if writer is not None:
            writer.close()
            self.closed = True

    def on_write_training_update(
        self, samples: Any, updates: Any, aggregate_loss: Any, aggregate_metric: Any
    ) -> None:
        """Write the means over some minibatches of training."""
        step = self.total_training_updates()
        self.write_value("minibatch/avg_loss", mean_since(aggregate_loss, samples), step)
        self.write_value("minibatch/avg_metric", mean_since(aggregate_metric, samples), step)

    def on_write_test_update(self, samples: Any, updates: Any, aggregate_metric: Any) -> None:
        """Refuse, as CNTK does: it is never asked to."""
        raise NotImplementedError(
            "TensorBoardProgressWriter does not support recording per-minibatch cross-validation results"
        )

    def on_write_training_summary(
        self,
        samples: int,
        updates: int,
        summaries: int,
        aggregate_loss: float,
        aggregate_metric: float,
        elapsed_milliseconds: float,
    ) -> None:
        """Write the means over all minibatches since the last summary."""
        self.write_value("summary/avg_loss", share(aggregate_loss, samples), summaries)
        self.write_value("summary/avg_metric", share(aggregate_metric, samples), summaries)

    def on_write_test_summary(
        self,
        samples: int,
        updates: int,
        summaries: int,
        aggregate_metric: float,
        elapsed_milliseconds: float,
    ) -> None:
        """Write the mean over a test, at the minibatch that training has come to."""
        step = self.total_training_updates()
        name = "minibatch/test_avg_metric" if step else "summary/test_avg_metric"
        self.write_value(name, share(aggregate_metric, samples), step or summaries)


def nodes_of(model: Any) -> Iterator[Node]:
    """Yield the nodes of a graph as TensorBoard knows them, with blocks opened.

    Names are those in CNTK with the blocks around them, and numbers where they would be the same.
    """
    walk = _Walk()
    todo = [walk.root(model.root_function)]
    seen: set[int] = set()
    while todo:
        node, scope = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        primitive = hasattr(node, "op_name")
        operands = [walk.resolved(one, scope) for one in file_order(node)] if primitive else []
        shown = node.outputs[0] if primitive else node
        operator = node.op_name if primitive else _KINDS.get(type(node).__name__, "Input")
        names = [walk.name(*one) for one in operands]
        dtype = 2 if shown.dtype == np.float64 else 1
        yield walk.name(node, scope), operator, names, tuple(shown.shape)[::-1], dtype
        todo += reversed(operands)


_KINDS = {"Parameter": "Parameter", "Constant": "Const"}


class _Walk:
    """Where variables come from when blocks are opened, and what things are called then."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._taken: set[str] = set()
        self._outside: dict[Any, tuple[Any, str]] = {}

    def root(self, function: Any) -> tuple[Any, str]:
        """Return the primitive at the root, and the blocks that it is in."""
        if function.is_block and len(function.outputs) == 1:
            return self.resolved(function.outputs[0], "")
        return function, ""

    def resolved(self, variable: Any, scope: str) -> tuple[Any, str]:
        """Return the primitive or leaf that a variable comes from, and the blocks that it is in."""
        while True:
            if variable in self._outside:
                variable, scope = self._outside[variable]
            elif variable.is_output and variable.owner.is_block:
                block = variable.owner
                inner = self.name(block, scope)
                self._outside.update({hole: (outer, scope) for hole, outer in block.block_arguments_mapping})
                place = next(place for place, one in enumerate(block.outputs) if one is variable)
                variable, scope = block.block_root.outputs[place], f"{inner}/"
            else:
                return (variable.owner if variable.is_output else variable), scope

    def name(self, node: Any, scope: str) -> str:
        """Return what something is called, in the blocks where it was met first."""
        if id(node) not in self._names:
            name, number = f"{scope}{node.name or node.uid}", 0
            while f"{name}_{number}" in self._taken or (not number and name in self._taken):
                number += 1
            self._names[id(node)] = f"{name}_{number}" if number else name
            self._taken.add(self._names[id(node)])
        return self._names[id(node)]
