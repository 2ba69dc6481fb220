"""Learners whose rule is the caller's: a CNTK function, or a class of Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.learners.learner import Learner, checked_parameters, plain
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.variables import Constant, Parameter


class UserLearner(Learner):
    """Base of learners written by users: derive from it and write `update`.

    Parameters
    ----------
    parameters
        What it changes.
    lr_schedule
        Its learning rate.
    as_numpy
        Accepted: gradients are arrays of NumPy.
    """

    def __init__(self, parameters: Iterable[Parameter], lr_schedule: Any, as_numpy: bool = True) -> None:
        super().__init__(parameters, lr_schedule)
        self.as_numpy = as_numpy

    def update(
        self, gradient_values: dict[Parameter, Any], training_sample_count: int, is_sweep_end: bool = False
    ) -> bool:
        """Change the parameters; to be written by users."""
        raise NotImplementedError(
            f"UserLearner.update must be overriden: write "
            f"{type(self).__name__}.update(gradient_values, training_sample_count, is_sweep_end), "
            "which changes self.parameters and returns True."
        )


class UniversalLearner(Learner):
    """Runs a function that assigns parameters, made of constants that hold the gradients."""

    def __init__(self, parameters: Sequence[Parameter], gradients: list[Constant], rule: Function) -> None:
        super().__init__(parameters, 1.0)
        self._gradients, self._rule = gradients, rule

    def learning_rate(self) -> float:
        """Refuse: rates are in the rule."""
        raise CntkRuntimeError(
            "a universal learner has no learning rate: its rule is the function it was made of."
        )

    def rates(self) -> dict[str, float]:
        """Return nothing: rates are in the rule."""
        return {}

    def update(
        self, gradient_values: dict[Parameter, Any], training_sample_count: int, is_sweep_end: bool = False
    ) -> bool:
        """Run the rule for the gradients of a minibatch, which are sums over its samples."""
        for parameter, constant in zip(self._parameters, self._gradients, strict=True):
            if parameter not in gradient_values:
                raise CntkValueError(f"Learner.update: gradients are missing for {parameter}.")
            constant.value = np.asarray(plain(gradient_values[parameter]), constant.dtype).reshape(
                constant.shape
            )
        self._rule.eval()
        self._samples += training_sample_count
        self._minibatches += 1
        self._sweeps += bool(is_sweep_end)
        return True

    def _memory(self) -> list[Any]:
        """Return what the rule keeps from one minibatch to the next."""
        mine = {*self._parameters, *self._gradients}
        return [one for one in (*self._rule.parameters, *self._rule.constants) if one not in mine]

    def create_checkpoint(self) -> dict[str, Any]:
        """Return counts, and what the rule keeps in constants and parameters of its own."""
        kept = {str(number): one.value for number, one in enumerate(self._memory())}
        return {**super().create_checkpoint(), "memory": kept}

    def restore_from_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from where a checkpoint was made."""
        super().restore_from_checkpoint(checkpoint)
        memory, kept = self._memory(), checkpoint["memory"]
        if len(memory) != len(kept):
            raise CntkRuntimeError(
                f"This checkpoint is of a rule that keeps {len(kept)} values; the learner's keeps {len(memory)}."
            )
        for number, one in enumerate(memory):
            one.value = np.asarray(kept[str(number)], one.dtype)


def universal(update_func: Callable[[Any, Any], Any], parameters: Sequence[Parameter]) -> Learner:
    """Return a learner whose rule is a CNTK function.

    Parameters
    ----------
    update_func
        Is given the parameters and their gradients, summed over the minibatch, and returns a Function that changes
        parameters by means of `assign`.
    parameters
        What is learnt.

    Raises
    ------
    ValueError
        If `update_func` does not take two arguments, or a parameter has no shape yet.

    Examples
    --------
    >>> def rule(parameters, gradients):
    ...     return C.combine([C.assign(p, p - 0.01 * g) for p, g in zip(parameters, gradients)])
    >>> z = C.layers.Dense(2)(C.input_variable(3))
    >>> learner = C.universal(rule, z.parameters)
    """
    from onnx_workbench.cntk.internal.utils import get_python_function_arguments

    names, _ = get_python_function_arguments(update_func)
    if len(names) != 2:
        raise CntkValueError(
            f"update_func must be a function that accepts two arguments (parameters, gradients); it takes {names}."
        )
    parameters = checked_parameters(parameters)
    gradients = [Constant(0, shape=one.shape, dtype=one.dtype, name="grad") for one in parameters]
    return UniversalLearner(parameters, gradients, update_func(parameters, gradients))
