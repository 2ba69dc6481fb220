"""What is done with a function: it is computed, followed back, searched, trained, tested and saved."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.ops.choices import ModelFormat
from onnx_workbench.cntk.ops.function_description import FunctionDescription
from onnx_workbench.cntk.variables import Variable


class FunctionUse(FunctionDescription):
    """The side of a Function that is used; how, stands in modules of their own, loaded when called for."""

    def eval(
        self: Any, arguments: Any = None, outputs: Any = None, device: Any = None, as_numpy: bool = True
    ) -> Any:
        """Compute: one output gives its value, several a dictionary keyed by Variable.

        Parameters
        ----------
        arguments
            Values by Variable or name, or the value itself if there is one argument. A value is an array with the
            whole batch, a list of arrays, one for each sample or sequence, or one sample.
        outputs
            Variables to compute; all outputs if not given.
        device
            Accepted and not used.
        as_numpy
            False to get each value as a `Value`, which can be fed as it is.
        """
        values = self.forward(arguments, outputs, device=device, as_numpy=as_numpy)[1]
        return values if len(values) > 1 else next(iter(values.values()))

    def forward(
        self: Any,
        arguments: Any,
        outputs: Any = None,
        keep_for_backward: Any = None,
        device: Any = None,
        as_numpy: bool = True,
    ) -> tuple[Any, dict[Variable, Any]]:
        """Compute, and keep what `backward` needs."""
        from onnx_workbench.cntk.evaluation import forward

        state, values = forward(self, arguments, outputs, keep_for_backward)
        return state, values if as_numpy else _as_values(values)

    def backward(
        self: Any,
        state: Any,
        root_gradients: Any,
        variables: Any,
        as_numpy: bool = True,
    ) -> dict[Variable, Any]:
        """Return the gradients of what `forward` computed, given those of its outputs."""
        from onnx_workbench.cntk.gradients import backward

        found = backward(self, state, root_gradients, variables)
        return found if as_numpy else _as_values(found)

    def grad(
        self: Any,
        at: Any,
        wrt: Any = None,
        outputs: Any = None,
        device: Any = None,
        as_numpy: bool = True,
        grad_root: Any = None,
    ) -> Any:
        """Return the gradients of the sum of the output."""
        from onnx_workbench.cntk.gradients import gradients

        found = gradients(self, at, wrt, outputs, grad_root)
        return found if as_numpy else _as_values(found)

    def find_all_with_name(self: Any, name: str, depth: int = 0) -> list[Any]:
        """Return everything with this name; `depth=-1` looks into blocks."""
        from onnx_workbench.cntk.logging.graph import find_all_with_name

        return find_all_with_name(self, name, depth)

    def find_by_name(self: Any, name: str, depth: int = 0) -> Any:
        """Return the only thing with this name, or None.

        Raises
        ------
        ValueError
            If several have it.
        """
        from onnx_workbench.cntk.logging.graph import find_by_name

        return find_by_name(self, name, depth)

    def save(
        self: Any,
        filename: Any,
        format: Any = ModelFormat.CNTKv2,
        use_external_files_to_store_parameters: bool = False,
    ) -> None:
        """Write the graph to a file, as ONNX or in CNTK's native format."""
        from onnx_workbench.cntk.files import save

        save(self, filename, format, external=use_external_files_to_store_parameters)

    def train(
        self: Any,
        minibatch_source: Any,
        minibatch_size: Any = 32,
        streams: Any = None,
        model_inputs_to_streams: Any = None,
        parameter_learners: Any = (),
        callbacks: Any = (),
        progress_frequency: int | None = None,
        max_epochs: float | None = None,
        epoch_size: int | None = None,
        max_samples: int | None = None,
    ) -> Any:
        """Train a criterion, a loss or a loss and a metric, from a source or a tuple of arrays.

        Returns
        -------
        A Record of `updates` and `epoch_summaries`, each with `loss`, `metric` and `samples`; of `test_summary` too
        where there is a `TestConfig` among the callbacks.
        """
        from onnx_workbench.cntk.train import by_function

        learners = list(parameter_learners) if isinstance(parameter_learners, tuple) else parameter_learners
        return by_function.train(
            self, minibatch_source, minibatch_size, streams, model_inputs_to_streams, learners, list(callbacks),
            progress_frequency, max_epochs, epoch_size, max_samples,
        )  # fmt: skip

    def test(
        self: Any,
        minibatch_source: Any,
        minibatch_size: Any = 32,
        streams: Any = None,
        model_inputs_to_streams: Any = None,
        callbacks: Any = None,
    ) -> Any:
        """Test a criterion on a source or a tuple of arrays; return a Record of `metric` and `samples`."""
        from onnx_workbench.cntk.train import by_function

        given = list(callbacks or ())
        return by_function.test(
            self, minibatch_source, minibatch_size, streams, model_inputs_to_streams, given
        )

    def restore(self: Any, filename: Any) -> None:
        """Give this graph the parameters that the same graph has in a file of CNTK's native format."""
        from onnx_workbench.cntk.files import restore

        restore(self, filename)


def _as_values(found: Any) -> Any:
    """Return arrays and lists of sequences as `Value`, in whatever holds them."""
    from onnx_workbench.cntk.core import Value

    if isinstance(found, dict):
        return {key: _as_values(one) for key, one in found.items()}
    if isinstance(found, tuple):
        return tuple(_as_values(one) for one in found)
    return Value(found)
