"""What a recorded run of a torch module consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ref:
    """A value among the arguments of a call, by its number."""

    number: int


@dataclass(frozen=True)
class Call:
    """One operation of a recorded run.

    Attributes
    ----------
    function
        What is called, on arguments with a `Ref` for each value that was given or computed.
    label
        Its name in PyTorch's words.
    writes
        Numbers of what it returns; None for what is no tensor, or nothing new.
    is_sequence
        Whether it returns a sequence.
    is_view
        Whether what it returns shares the memory of what it reads.
    kept
        What it returned, if it would return something else the next time.
    """

    function: Callable[..., Any]
    label: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    reads: tuple[int, ...]
    writes: tuple[int | None, ...]
    is_sequence: bool = False
    is_view: bool = False
    module_path: str = ""
    source_line: str = ""
    kept: Any = None


@dataclass
class Recording:
    """The calls of a run, and the numbers of the values that were given and returned."""

    calls: list[Call] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    kinds: dict[int, tuple[Any, int]] = field(default_factory=dict)
    """Dtype and rank of each value."""
    changed: set[int] = field(default_factory=set)
    """Values that tensors were changed to in their place."""
