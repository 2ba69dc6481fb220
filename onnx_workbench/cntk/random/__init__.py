"""Random numbers as operators: for the same seed the very numbers that CNTK draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from onnx_workbench.cntk.default_options import default_override_or, get_default_override
from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.cntk.ops.functions import Function, composite, primitive
from onnx_workbench.cntk.ops.operands import operand
from onnx_workbench.cntk.seeds import AUTO, chosen_seed
from onnx_workbench.cntk.value_types import dtype_of, shape_of

__all__ = [
    "bernoulli", "bernoulli_like", "gumbel", "gumbel_like", "normal", "normal_like", "uniform", "uniform_like",
]  # fmt: skip


def _made(
    kind: str, operands: list[Any], arguments: tuple[float, ...], seed: int, name: str, **more: Any
) -> Function:
    _CHECKS[kind](*arguments)
    attributes = {
        **more,
        "randomDistributionType": kind,
        "randomDistributionArgs": [float(one) for one in arguments],
        "rngSeed": chosen_seed(seed),
        "rngOffset": 0,
    }
    return composite(primitive("RandomDistribution", operands, attributes, name))


def _given(kind: str, shape: Any, dtype: Any, arguments: tuple[float, ...], seed: int, name: str) -> Function:
    dtype = get_default_override(uniform, dtype=dtype)
    sizes = shape_of(shape)
    if any(size < 0 for size in sizes):
        raise CntkValueError(f"RandomDistribution: Output shape {sizes} must not have an unbound dimension.")
    wide = np.dtype(dtype_of(np.float32 if dtype is None else dtype)).name
    return _made(kind, [], arguments, seed, name, newShape=sizes, newDataType=wide)


def _check_uniform(low: float, high: float) -> None:
    if low >= high:
        raise CntkRuntimeError(
            f"UniformRandom: low end of the range ({low}) must be < high end of the range ({high})"
        )


def _check_normal(_mean: float, scale: float) -> None:
    if scale < 0:
        raise CntkRuntimeError(f"NormalRandom: standard deviation ({scale}) must be non-negative")


def _check_gumbel(_place: float, scale: float) -> None:
    if scale < 0:
        raise CntkRuntimeError(f"GumbelRandom: scale ({scale}) must be non-negative")


def _check_bernoulli(mean: float) -> None:
    if not 0 <= mean <= 1:
        raise CntkRuntimeError(f"BernoulliRandom: mean ({mean}) must be between 0 and 1")


_CHECKS: dict[str, Any] = {
    "uniform": _check_uniform,
    "normal": _check_normal,
    "gumbel": _check_gumbel,
    "bernoulli": _check_bernoulli,
}


def uniform(
    shape: Any,
    dtype: Any = default_override_or(np.float32),
    low: float = 0.0,
    high: float = 1.0,
    seed: int = AUTO,
    name: str = "",
) -> Function:
    """Draw evenly from low up to, but not including, high.

    Parameters
    ----------
    shape, dtype
        Of what is drawn.
    low, high
        Ends of the range.
    seed
        Where the numbers begin; the next free seed if not given.
    name
        Name of the result.

    Examples
    --------
    >>> C.random.uniform((2, 3), seed=98052).eval()
    array([[0.93178475, 0.8147218 , 0.4796064 ],
           [0.93746835, 0.00435097, 0.18513146]], dtype=float32)
    """
    return _given("uniform", shape, dtype, (low, high), seed, name)


def normal(
    shape: Any,
    dtype: Any = default_override_or(np.float32),
    mean: float = 0.0,
    scale: float = 1.0,
    seed: int = AUTO,
    name: str = "",
) -> Function:
    """Draw from the normal distribution of this mean and this standard deviation."""
    return _given("normal", shape, dtype, (mean, scale), seed, name)


def gumbel(
    shape: Any,
    dtype: Any = default_override_or(np.float32),
    loc: float = 0.0,
    scale: float = 1.0,
    seed: int = AUTO,
    name: str = "",
) -> Function:
    """Draw from the Gumbel distribution, whose greatest picks classes by their logits."""
    return _given("gumbel", shape, dtype, (loc, scale), seed, name)


def bernoulli(
    shape: Any,
    dtype: Any = default_override_or(np.float32),
    mean: float = 0.5,
    seed: int = AUTO,
    name: str = "",
) -> Function:
    """Draw ones with this chance, zeros otherwise."""
    return _given("bernoulli", shape, dtype, (mean,), seed, name)


def uniform_like(x: Any, low: float = 0.0, high: float = 1.0, seed: int = AUTO, name: str = "") -> Function:
    """Draw evenly, in the shape, the dtype and the dynamic axes of a variable."""
    return _made("uniform", [operand(x)], (low, high), seed, name)


def normal_like(x: Any, mean: float = 0.0, scale: float = 1.0, seed: int = AUTO, name: str = "") -> Function:
    """Draw from a normal distribution, in the shape, the dtype and the dynamic axes of a variable."""
    return _made("normal", [operand(x)], (mean, scale), seed, name)


def gumbel_like(x: Any, loc: float = 0.0, scale: float = 1.0, seed: int = AUTO, name: str = "") -> Function:
    """Draw from a Gumbel distribution, in the shape, the dtype and the dynamic axes of a variable."""
    return _made("gumbel", [operand(x)], (loc, scale), seed, name)


def bernoulli_like(x: Any, mean: float = 0.5, seed: int = AUTO, name: str = "") -> Function:
    """Draw ones with this chance, in the shape, the dtype and the dynamic axes of a variable."""
    return _made("bernoulli", [operand(x)], (mean,), seed, name)
