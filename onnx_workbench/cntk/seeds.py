"""Where random numbers begin: one fixed seed, or another at every start, and a count of those who drew."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

import numpy as np

AUTO = 2**64 - 2
"""What CNTK's callers pass for "choose a seed for me"."""

_state: dict[str, Any] = {"seed": None, "drawn": itertools.count()}


def set_fixed_random_seed(seed: int) -> None:
    """Make what follows draw the same numbers in every run."""
    _state["seed"] = int(seed)
    _state["drawn"] = itertools.count()


def reset_random_seed(seed: int = 0) -> None:
    """Begin again with this seed, as `set_fixed_random_seed` does."""
    set_fixed_random_seed(seed)


def get_fixed_random_seed() -> int:
    """Return the seed that was set, or 0."""
    return _state["seed"] or 0


def is_random_seed_fixed() -> bool:
    """Tell whether a seed was set."""
    return _state["seed"] is not None


def generator(seed: int | None = None) -> np.random.Generator:
    """Return a generator of random numbers for this seed, or for the next one of this process."""
    if seed is not None and seed != AUTO:
        return np.random.default_rng(seed)
    if _state["seed"] is None:
        return np.random.default_rng(secrets.randbits(64))
    return np.random.default_rng([_state["seed"], next(_state["drawn"])])
