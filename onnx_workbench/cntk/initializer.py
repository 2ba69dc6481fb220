"""Initial values of parameters: for the same seed the very numbers that CNTK draws."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.random_numbers import RandomNumbers
from onnx_workbench.cntk.seeds import AUTO, chosen_seed

DEFAULT_SCALE = 1.0
INFERRED_RANK = 2**31 - 1
"""What CNTK's callers pass for "the usual rank": one output axis, no filter axes."""


@dataclass(frozen=True)
class Initializer:
    """A way to draw initial values, asked once the shape is known.

    Parameters
    ----------
    kind
        CNTK's name of the distribution.
    scale
        Factor; for ``uniform`` half the width, for ``normal`` the standard deviation, for ``constant`` the value.
    output_rank, filter_rank
        How many axes are outputs (the last ones before the filter's; where negative: the first ones) and how many
        belong to a filter (the last ones).
    seed
        None draws with the seed of the process.
    kernel
        (width, height), for ``bilinear``.
    """

    kind: str
    scale: float = DEFAULT_SCALE
    output_rank: int = INFERRED_RANK
    filter_rank: int = INFERRED_RANK
    seed: int | None = None
    kernel: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.kind not in {"constant", "bilinear"} and not self.scale > 0:
            raise CntkValueError(
                f"scale value for initializer '{self.kind}' must be greater than 0; got {self.scale}."
            )

    def values(self, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Return the initial values of a parameter.

        Raises
        ------
        ValueError
            If the shape has fewer axes than the ranks ask for.
        """
        return np.asarray(_DRAWN[self.kind](self, shape), dtype=dtype)

    def seeded(self) -> Initializer:
        """Return the same with a seed, the next one if it named none: parameters choose theirs when they are made."""
        if self.kind in {"constant", "bilinear"} or self.seed not in {None, AUTO}:
            return self
        return dataclasses.replace(self, seed=chosen_seed())

    def fans(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return how many inputs each output has and how many outputs each input has, the filter's area included."""
        output_rank = 1 if self.output_rank == INFERRED_RANK else self.output_rank
        filter_rank = 0 if self.filter_rank == INFERRED_RANK else self.filter_rank
        if not 0 <= filter_rank + output_rank <= len(shape):
            raise ValueError(
                f"Sum of filter rank ({filter_rank}) and output rank ({output_rank}) of the parameter initializer "
                f"cannot exceed the rank ({len(shape)}) of the Parameter shape {list(shape)}"
            )
        rest, area = shape[: len(shape) - filter_rank], math.prod(shape[len(shape) - filter_rank :])
        split = len(rest) - output_rank if output_rank >= 0 else -output_rank
        first, last = math.prod(rest[:split]), math.prod(rest[split:])
        fan_in, fan_out = (first, last) if output_rank >= 0 else (last, first)
        return fan_in * area, fan_out * area


def _constant(init: Initializer, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.full(shape, init.scale)


def _random(init: Initializer) -> RandomNumbers:
    return RandomNumbers(chosen_seed(init.seed))


def _uniform(init: Initializer, shape: tuple[int, ...], limit: float = 1.0) -> NDArray[Any]:
    width = limit * init.scale
    return _random(init).uniform(math.prod(shape), -width, width).reshape(shape)


def _normal(init: Initializer, shape: tuple[int, ...], deviation: float = 1.0) -> NDArray[Any]:
    return _random(init).normal(math.prod(shape), 0.0, deviation * init.scale).reshape(shape)


def _truncated_normal(init: Initializer, shape: tuple[int, ...]) -> NDArray[Any]:
    """Draw one after the other, and each again while it lies outside of two deviations."""
    random, count = _random(init), math.prod(shape)
    kept = np.zeros(0)
    while len(kept) < count:  # one in twenty-two lies outside, so this ends soon
        drawn = random.normal(count - len(kept))
        kept = np.concatenate([kept, drawn[np.abs(drawn) <= 2]])
    return kept.reshape(shape) * init.scale


def _by_fans(
    draw: Callable[[Initializer, tuple[int, ...], float], NDArray[Any]], width: Callable[[int, int], float]
) -> Callable[[Initializer, tuple[int, ...]], NDArray[Any]]:
    return lambda init, shape: draw(init, shape, width(*init.fans(shape)))


def _bilinear(init: Initializer, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return kernels that enlarge each channel by interpolation."""
    if len(shape) != 4 or shape[-2:] != init.kernel[::-1]:
        raise ValueError(
            f"bilinear: the parameter has shape {list(shape)}; expected (channels, channels, height, width) with "
            f"width and height {init.kernel}."
        )
    sides = []
    for length in shape[-2:]:
        factor = (length + 1) // 2
        centre = factor - 1 if length % 2 else factor - 0.5
        sides.append(1 - np.abs(np.arange(length) - centre) / factor)
    kernels: NDArray[Any] = np.eye(shape[0], shape[1])[:, :, None, None] * np.outer(*sides) * init.scale
    return kernels


_DRAWN: dict[str, Callable[[Initializer, tuple[int, ...]], NDArray[Any]]] = {
    "constant": _constant,
    "uniform": _uniform,
    "normal": _normal,
    "truncated_normal": _truncated_normal,
    "bilinear": _bilinear,
    "xavier": _by_fans(_uniform, lambda fan_in, _: math.sqrt(3 / max(fan_in, 1))),
    "glorot_uniform": _by_fans(_uniform, lambda fan_in, fan_out: math.sqrt(6 / max(fan_in + fan_out, 1))),
    "glorot_normal": _by_fans(_normal, lambda fan_in, fan_out: math.sqrt(2 / max(fan_in + fan_out, 1))),
    "he_uniform": _by_fans(_uniform, lambda fan_in, _: math.sqrt(6 / max(fan_in, 1))),
    "he_normal": _by_fans(_normal, lambda fan_in, _: math.sqrt(2 / max(fan_in, 1))),
}


def uniform(scale: float, seed: int | None = None) -> Initializer:
    """Draw evenly from -scale to scale."""
    return Initializer("uniform", scale, seed=seed)


def normal(
    scale: float,
    output_rank: int = INFERRED_RANK,
    filter_rank: int = INFERRED_RANK,
    seed: int | None = None,
) -> Initializer:
    """Draw from a normal distribution with standard deviation `scale`."""
    return Initializer("normal", scale, output_rank, filter_rank, seed)


def truncated_normal(stdev: float, seed: int | None = None) -> Initializer:
    """Draw from a normal distribution of which only two standard deviations are kept."""
    return Initializer("truncated_normal", stdev, seed=seed)


def xavier(
    scale: float = DEFAULT_SCALE,
    output_rank: int = INFERRED_RANK,
    filter_rank: int = INFERRED_RANK,
    seed: int | None = None,
) -> Initializer:
    """Draw evenly within scale * sqrt(3 / fan_in)."""
    return Initializer("xavier", scale, output_rank, filter_rank, seed)


def glorot_uniform(
    scale: float = DEFAULT_SCALE,
    output_rank: int = INFERRED_RANK,
    filter_rank: int = INFERRED_RANK,
    seed: int | None = None,
) -> Initializer:
    """Draw evenly within scale * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    return Initializer("glorot_uniform", scale, output_rank, filter_rank, seed)


def glorot_normal(
    scale: float = DEFAULT_SCALE,
    output_rank: int = INFERRED_RANK,
    filter_rank: int = INFERRED_RANK,
    seed: int | None = None,
) -> Initializer:
    """Draw with standard deviation scale * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    return Initializer("glorot_normal", scale, output_rank, filter_rank, seed)


def he_uniform(
    scale: float = DEFAULT_SCALE,
    output_rank: int = INFERRED_RANK,
    filter_rank: int = INFERRED_RANK,
    seed: int | None = None,
) -> Initializer:
    """Draw evenly within scale * sqrt(6 / fan_in) (He and others, 2015)."""
    return Initializer("he_uniform", scale, output_rank, filter_rank, seed)


def he_normal(
    scale: float = DEFAULT_SCALE,
    output_rank: int = INFERRED_RANK,
    filter_rank: int = INFERRED_RANK,
    seed: int | None = None,
) -> Initializer:
    """Draw with standard deviation scale * sqrt(2 / fan_in) (He and others, 2015)."""
    return Initializer("he_normal", scale, output_rank, filter_rank, seed)


def bilinear(kernel_width: int, kernel_height: int) -> Initializer:
    """Return the kernels of a transposed convolution that interpolates."""
    return Initializer("bilinear", kernel=(kernel_width, kernel_height))


def initializer_with_rank(
    initializer: Initializer, output_rank: int | None = None, filter_rank: int | None = None
) -> Initializer:
    """Return an initializer with other ranks; those that it names itself stay."""
    own_output, own_filter = initializer.output_rank, initializer.filter_rank
    return dataclasses.replace(
        initializer,
        output_rank=output_rank if own_output == INFERRED_RANK and output_rank is not None else own_output,
        filter_rank=filter_rank if own_filter == INFERRED_RANK and filter_rank is not None else own_filter,
    )
