"""Noise contrastive estimation: learning to tell labels from noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.ops.composition import alias
from onnx_workbench.cntk.ops.elementwise import element_times, log_add_exp, minus, plus
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import as_block_of, data_type, operand
from onnx_workbench.cntk.ops.reductions import reduce_sum
from onnx_workbench.cntk.ops.reshaping import reshape
from onnx_workbench.cntk.ops.sampling import random_sample, random_sample_inclusion_frequency
from onnx_workbench.cntk.ops.tensors import times, times_transpose
from onnx_workbench.cntk.seeds import AUTO, chosen_seed
from onnx_workbench.cntk.value_types import INFERRED
from onnx_workbench.cntk.variables import Constant, Variable

__all__ = ["nce_loss"]


def nce_loss(
    weights: Any,
    biases: Any,
    inputs: Any,
    labels: Any,
    noise_distribution: Any,
    num_samples: int = 32,
    allow_duplicates: bool = True,
    seed: int = AUTO,
    name: str = "",
) -> Function:
    """Return the loss of noise contrastive estimation (Dyer, 2014): labels are told from classes drawn at random.

    Parameters
    ----------
    weights, biases
        (classes, length of the input) and (classes, 1): what gives logits.
    inputs, labels
        Vectors, and one-hot vectors of classes.
    noise_distribution
        How often each class is drawn, in proportion.
    num_samples, allow_duplicates
        How many are drawn for the whole minibatch, and whether one may come twice.
    seed
        Where random numbers begin; the next free seed if not given.
    name
        Name of the result.

    Raises
    ------
    ValueError
        If the noise is no constant vector with a number for each class.
    """
    dtype = data_type(inputs, labels)
    weight, bias, x = operand(weights, dtype), operand(biases, dtype), operand(inputs, dtype)
    noise = _noise(noise_distribution, weight, dtype)
    if INFERRED in weight.shape:
        weight.resolve((weight.shape[0], x.shape[-1]))
    seed = chosen_seed(seed)
    drawn_constants = _constants(noise, num_samples, allow_duplicates, seed, dtype)

    def build(x: Any, t: Any) -> Function:
        log_prior, count, constant, importance, entropy = drawn_constants
        drawn = random_sample(constant, num_samples, allow_duplicates, seed)
        samples = alias(drawn, "negativeSamples")
        logits = plus(
            times_transpose(x, times(samples, weight, name="negativeWeights")),
            reshape(times(samples, bias, name="negativeBiases"), (num_samples,)),
            name="negativeLogits",
        )
        errors = log_add_exp(logits, reshape(times(samples, log_prior), (num_samples,)))
        weighted = element_times(
            times_transpose(importance, samples, name="sampledImportanceWeights"), errors
        )
        on_noise = minus(element_times(count, reduce_sum(weighted)), entropy)
        own = times(t, weight, name="positiveWeights")
        logit = plus(
            reduce_sum(element_times(x, own)),
            reshape(times(t, bias, name="positiveBiases"), ()),
            name="positiveLogits",
        )
        expected = log_add_exp(logit, reshape(times(t, log_prior), ()))
        return plus(minus(expected, logit, name="lossOnPositives"), on_noise)  # type: ignore[no-any-return]

    return as_block_of("NCE", build, [x, labels], name)


def _noise(noise_distribution: Any, weight: Variable, dtype: Any) -> Any:
    """Return the chances of classes."""
    variable = operand(noise_distribution, dtype)
    if not isinstance(variable, Constant) or variable.rank != 1:
        raise CntkValueError(
            f"NCELoss: noiseWeights must be a vector, a constant one; got '{variable}'. Give a NumPy array of "
            "one number for each class."
        )
    if weight.shape[0] != variable.shape[0]:
        raise CntkValueError(
            f"NCELoss: the second axis of weights is of length {weight.shape[0]} but it is expected to be the same "
            f"length as the noiseWeights {variable.shape[0]}"
        )
    return variable.value / variable.value.sum()


def _constants(
    noise: Any, num_samples: int, allow_duplicates: bool, seed: int, dtype: Any
) -> tuple[Constant, ...]:
    """Return the logarithm of what noise is expected of each class, and what goes with it."""
    frequency = random_sample_inclusion_frequency(noise, num_samples, allow_duplicates, seed).eval()
    with np.errstate(divide="ignore", invalid="ignore"):
        prior = np.log(noise * num_samples)
        entropy = num_samples * float(np.where(noise > 0, noise * prior, 0).sum())
        importance = noise / frequency
    return (
        Constant(prior.reshape(-1, 1).astype(dtype), dtype=dtype, name="logNoisePrior"),
        Constant(num_samples, dtype=dtype),
        Constant(noise.astype(dtype), dtype=dtype, name="noise"),
        Constant(importance.astype(dtype), dtype=dtype, name="importanceWeights"),
        Constant(entropy, dtype=dtype, name="noisePriorEntropy"),
    )
