"""What a walk found about one value: its twin, the error it adds and carries, and whether rounding explains that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from onnx_workbench.analysis.differences import Difference
from onnx_workbench.analysis.rounding import Limits, Origin
from onnx_workbench.runtime.steps import Step

Array = NDArray[Any]


@dataclass
class Verdict:
    """What was found about one value of the run under test."""

    name: str
    step: Step
    shape: tuple[int, ...]
    dtype: str
    twin: str | None = None
    own: Difference | None = None
    limits: Limits | None = None
    carried: Difference | None = None
    origin: Origin | None = field(default=None, repr=False)
    expected: Array | None = field(default=None, repr=False)
    reason: str = ""
    is_finite: bool = True
    reads_otherwise: bool = False
    """Whether its twin is computed from other values than those which its step has read."""

    @property
    def failed(self) -> bool:
        """Whether more error was added than rounding explains."""
        if self.reason:
            return True
        return self.own is not None and self.limits is not None and not self.limits.explain(self.own)

    @property
    def is_excused(self) -> bool:
        """Whether it passes only because rounding before a choice may turn the value into nearly anything."""
        return (
            not self.failed
            and self.own is not None
            and self.limits is not None
            and self.limits.excuse(self.own)
        )

    @property
    def fails_by_units(self) -> bool:
        """Whether it fails by units in the last place alone, which prove something between runs of the same kernels."""
        own, found = self.own, self.limits
        return not self.reason and own is not None and found is not None and own.relative <= found.relative

    @property
    def is_doubtful(self) -> bool:
        """Whether rounding explains the error, but would seldom make it."""
        return (
            not self.failed
            and self.own is not None
            and self.limits is not None
            and self.limits.is_doubtful(self.own)
        )

    def let_go(self) -> None:
        """Keep the arrays only where something is wrong: they are the replay."""
        if not self.failed and not self.is_doubtful:
            self.origin = self.expected = None

    @property
    def threshold(self) -> float:
        """The share of the value's scale that rounding explains."""
        return float("nan") if self.limits is None else self.limits.relative
