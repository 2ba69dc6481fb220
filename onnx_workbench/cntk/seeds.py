"""Where random numbers begin: seeds counted up from 0, as in CNTK, or one fixed seed for all."""

from __future__ import annotations

from typing import Any

AUTO = 2**64 - 2
"""What CNTK's callers pass for "choose a seed for me"."""

_state: dict[str, Any] = {"next": 0, "fixed": None}


def set_fixed_random_seed(seed: int) -> None:
    """Let everything that chooses no seed of its own begin at this one."""
    _state["fixed"] = int(seed)


def reset_random_seed(seed: int = 0) -> None:
    """Count seeds up from this one again."""
    _state.update(next=int(seed), fixed=None)


def get_fixed_random_seed() -> int:
    """Return the seed that was set; the next one that is given out if none was."""
    return int(_state["next"] if _state["fixed"] is None else _state["fixed"])


def is_random_seed_fixed() -> bool:
    """Tell whether one seed was set for all."""
    return _state["fixed"] is not None


def chosen_seed(seed: int | None = None) -> int:
    """Return a seed that a caller named, or for None and `AUTO` the next one."""
    if seed is not None and seed != AUTO:
        return int(seed)
    if _state["fixed"] is not None:
        return int(_state["fixed"])
    _state["next"] += 1
    return int(_state["next"]) - 1
