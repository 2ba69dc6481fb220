"""Where operators computed in Python are registered, and what one of them is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onnx_workbench.cntk.variables import Variable

Values = list[Any]
"""Values as `feeding.batch_of` has them: an array with the batch first, or a list with an array for each sequence."""

Forward = Callable[[Any, Values], tuple[Any, Values]]
"""Function and values of its operands -> what `Backward` needs, and the values of its outputs."""

Backward = Callable[[Any, Any, Values], Values]
"""Function, what `Forward` gave, gradients of the outputs -> gradients of the operands, None where there is none."""


@dataclass(frozen=True)
class PythonOperator:
    """How an operator is computed, and how gradients go back through it; None if they do not.

    Parameters
    ----------
    forward, backward
        See their types.
    effect
        What it changes besides, given the function, its operands and what `forward` kept.
    in_training_only
        Whether evaluation does it in ONNX.
    if_ragged
        Which of its functions are computed in Python, and only where sequences have different lengths.
    """

    forward: Forward
    backward: Backward | None = None
    effect: Callable[[Any, tuple[Variable, ...], Any], None] | None = None
    in_training_only: bool = False
    if_ragged: Callable[[Any], bool] | None = None


PYTHON_OPERATORS: dict[str, PythonOperator] = {}
