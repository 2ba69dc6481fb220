"""Drawing classes by weights."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.in_python.randomness import checked_weights
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, operand
from onnx_workbench.cntk.seeds import AUTO, chosen_seed
from onnx_workbench.cntk.variables import Constant

__all__ = ["random_sample", "random_sample_inclusion_frequency"]


def random_sample(
    weights: Any, num_samples: int, allow_duplicates: bool, seed: int = AUTO, name: str = ""
) -> Function:
    """Draw classes with chances in proportion to their weights; return a row of a one for each.

    Parameters
    ----------
    weights
        One for each class, none negative.
    num_samples
        How many classes are drawn.
    allow_duplicates
        Whether a class may be drawn twice.
    seed
        Where the numbers begin; the next free seed if not given.
    name
        Name of the result.
    """
    return _sampling("RandomSample", weights, num_samples, allow_duplicates, seed, name)


def random_sample_inclusion_frequency(
    weights: Any, num_samples: int, allow_duplicates: bool, seed: int = AUTO, name: str = ""
) -> Function:
    """Return how often each class is among the samples of `random_sample` on average."""
    return _sampling("RandomSampleInclusionFrequency", weights, num_samples, allow_duplicates, seed, name)


def _sampling(
    op_name: str, weights: Any, num_samples: int, allow_duplicates: bool, seed: int, name: str
) -> Function:
    variable = operand(weights) if hasattr(weights, "outputs") else weights
    attributes = {
        "numSamples": int(num_samples),
        "allowDuplicates": bool(allow_duplicates),
        "rngSeed": chosen_seed(seed),
        "rngOffset": 0,
    }
    made = apply(op_name, [variable], attributes, name)
    known = made.root_function.inputs[0]
    if isinstance(known, Constant):
        checked_weights(known.value, int(num_samples), allow_duplicates=bool(allow_duplicates))
    return made
