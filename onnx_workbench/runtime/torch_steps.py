"""A live torch module, run operation by operation by PyTorch itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.runtime.live_module import TorchBackend
from onnx_workbench.runtime.quiet_torch import quiet_torch
from onnx_workbench.runtime.session import Session
from onnx_workbench.runtime.steps import Step
from onnx_workbench.runtime.torch_decompositions import decompositions


class TorchSteps:
    """The operations of a module as steps, as ``torch.export`` finds them; module by module where it cannot.

    Parameters
    ----------
    module
        A live ``torch.nn.Module``; it is run in eval mode, and its own modes are restored.
    inputs
        The inputs that the steps are found with: arrays as for ``Session.run``.
    """

    def __init__(self, module: Any, inputs: object) -> None:
        self._module = module
        self._tensors = self._tensors_of(inputs)
        with _evaluating(module):
            self._take_apart()

    def _tensors_of(self, inputs: object) -> dict[str, Any]:
        import torch

        named = _feeds(self._module, inputs)
        device = next((parameter.device for parameter in self._module.parameters()), None)
        return {name: torch.tensor(array, device=device) for name, array in named.items()}

    def _take_apart(self) -> None:
        import torch

        positional = TorchBackend(self._module).takes_any
        args = tuple(self._tensors.values()) if positional else ()
        kwargs = {} if positional else dict(self._tensors)
        try:
            with quiet_torch(), torch.no_grad():
                program = torch.export.export(self._module, args, kwargs, strict=False)
                program = program.run_decompositions(decompositions())
                self._graph = program.module(check_guards=False)
        except Exception as error:
            self.note = f"torch.export cannot take it apart ({clean_text(str(error).partition(chr(10))[0], limit=120)})"
            raise RunError(self.note) from error
        self._interpreter = torch.fx.Interpreter(self._graph, garbage_collect_values=False)
        self._read_graph()

    def _read_graph(self) -> None:
        self._nodes: list[Any] = []
        self.steps: list[Step] = []
        self._constants: dict[str, Any] = {}
        placeholders: list[str] = []
        for node in list(self._graph.graph.nodes):
            if node.op == "placeholder":
                placeholders.append(node.name)
            elif node.op == "get_attr":
                self._constants[node.name] = self._interpreter.run_node(node)
            elif node.op == "output":
                self._output = node
            elif node.users or _is_tensor(node):
                read = tuple(n.name for n in node.all_input_nodes if n.op != "get_attr")
                if (product := self._product_of(node)) is not None:
                    self._add_step(product, read, like=node)
                    read = (*read, product.name)
                self._add_step(node, read, like=node)
        self.input_names = tuple(placeholders)
        flat: list[str] = []
        _flatten(self._output.args, flat)
        self.output_names = tuple(flat)

    def _add_step(self, node: Any, read: tuple[str, ...], *, like: Any) -> None:
        self._nodes.append(node)
        self.steps.append(
            Step(len(self.steps), read, (node.name,), _operator(node), _path(like), _line(like))
        )

    def _product_of(self, node: Any) -> Any:
        """Return a linear layer without its bias: exporters write a MatMul and an Add for more than two dimensions."""
        import torch

        if node.target is not torch.ops.aten.linear.default or len(node.args) < 3 or node.args[2] is None:
            return None
        if getattr(node.args[0].meta.get("val"), "ndim", 2) == 2:
            return None
        with self._graph.graph.inserting_before(node):
            product = self._graph.graph.create_node(
                "call_function", node.target, node.args[:2], name=f"{node.name}_without_bias"
            )
        product.meta["val"] = node.meta.get("val")
        return product

    @staticmethod
    def summed_terms(step: Step) -> float:
        """Return 1: what a torch operation sums is not known."""
        del step
        return 1.0

    def feeds(self, inputs: object) -> dict[str, Any]:
        """Return the inputs by the names that the graph uses."""
        tensors = self._tensors_of(inputs)
        if len(tensors) != len(self.input_names):
            raise RunError(f"The module takes {len(self.input_names)} inputs; got {len(tensors)}.")
        return dict(zip(self.input_names, tensors.values(), strict=True))

    @staticmethod
    def array(value: Any) -> NDArray[Any] | None:
        """Return a value as an array; None for a tuple of tensors."""
        return _as_array(value)

    def compute(self, step: Step, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the operation gives: a tensor, or a tuple of them."""
        import torch

        node = self._nodes[step.index]
        self._interpreter.env = {
            n: self._constants[n.name] if n.op == "get_attr" else _as_tensor(values[n.name])
            for n in node.all_input_nodes
        }
        try:
            with torch.no_grad():
                return {node.name: self._interpreter.run_node(node)}
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise RunError(
                f"{step.operator} {node.name!r} failed in PyTorch: {clean_text(str(error))}"
            ) from error


def _feeds(module: Any, inputs: object) -> dict[str, Any]:
    """Return arrays by the names of forward's arguments, in forward's order."""
    session = Session(module)
    feeds = session.named_arrays(inputs)
    order = [value.name for value in session.inputs if value.name in feeds]
    return {name: feeds[name] for name in [*order, *(n for n in feeds if n not in order)]}


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def _is_tensor(node: Any) -> bool:
    return hasattr(node.meta.get("val"), "dtype")


def _operator(node: Any) -> str:
    return clean_text(str(getattr(node.target, "__name__", node.target)).removesuffix(".default"))


def _path(node: Any) -> str:
    """Return the innermost module around an operation."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [entry[0] for entry in stack.values() if entry and entry[0]]
    return clean_text(paths[-1]) if paths else ""


def _line(node: Any) -> str:
    from onnx_workbench.core.provenance import line_of_trace

    return line_of_trace(str(node.meta.get("stack_trace") or ""))


def _flatten(item: Any, into: list[str]) -> None:
    """Gather the names of nodes in an output, in the order in which torch flattens them."""
    if isinstance(item, (list, tuple)):
        for part in item:
            _flatten(part, into)
    elif isinstance(item, dict):
        for part in item.values():
            _flatten(part, into)
    elif hasattr(item, "name") and hasattr(item, "meta"):
        into.append(item.name)


def _as_tensor(value: Any) -> Any:
    """Return an array as a tensor; what is none stays as it is."""
    import torch

    return torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value


def _as_array(tensor: Any) -> NDArray[Any] | None:
    """Return a tensor as an array that shares its memory; bfloat16, which numpy lacks, as float32."""
    import torch

    if not isinstance(tensor, torch.Tensor):
        return np.asarray(tensor) if isinstance(tensor, (bool, int, float)) else None
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    return np.asarray((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())
