"""Corrections of an array: every plausible history of one that was meant to be the model's input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from onnx_workbench.analysis.diagnosing.diagnosis import UNCHANGED
from onnx_workbench.analysis.diagnosing.layout import (
    Fitting,
    PictureInput,
    fittings,
    orders,
    to_whole_numbers,
)
from onnx_workbench.analysis.diagnosing.steps import Array, Step, apply_all, expression
from onnx_workbench.analysis.diagnosing.trials import MOST_PICTURES, SLIP_PENALTY, Correction
from onnx_workbench.analysis.diagnosing.values import (
    ValueRange,
    conversion,
    declared_range,
    odd_ranges,
    plausibility,
    sampled_planes,
    slipped_ranges,
    usual_ranges,
)
from onnx_workbench.core.preprocessing import Preprocessing

_MOST_SLIPS = 2
_FRESH = 0.3
_FAR_FETCHED = 30.0  # behind the best by this much (e^30), a correction is not tried


def array_corrections(
    array: Array, wanted: PictureInput, preprocessing: Preprocessing | None, *, base: str
) -> list[Correction]:
    """Return the corrections worth a trial, the array as it is among them if the model runs it.

    Parameters
    ----------
    base
        The expression of the array itself, in ``x``.
    """
    found: list[Correction] = []
    for fitting in fittings(array, wanted):
        found += _Histories(array, fitting, wanted, preprocessing, base).corrections()
    best = max((correction.prior for correction in found), default=0.0)
    return [correction for correction in found if correction.prior > best - _FAR_FETCHED]


@dataclass(frozen=True)
class _Past:
    """The range that the values are in (None: whichever it is, it stays) and the one wanted."""

    given: ValueRange | None
    wanted: ValueRange | None

    @property
    def slips(self) -> int:
        return int(self.given is not self.wanted)


@dataclass(frozen=True)
class _Draft:
    """Steps of one possible history, and how well the values agree with it."""

    order: tuple[Step, ...]
    past: _Past
    steps: tuple[Step, ...]
    agreement: float


@dataclass(frozen=True, eq=False)
class _Histories:
    """All histories of an array, given one way to make it fit the input."""

    array: Array
    fitting: Fitting
    wanted: PictureInput
    preprocessing: Preprocessing | None
    base: str
    agreements: dict[tuple[str, ValueRange], float] = field(default_factory=dict)

    def corrections(self) -> list[Correction]:
        fitted = apply_all(self.fitting.steps, self.array)
        if self.wanted.axes.layout[0] == "N":
            fitted = fitted[:MOST_PICTURES]
        drafts = [
            draft for order in orders(fitted.shape, self.wanted) for draft in self._drafts(order, fitted)
        ]
        best = max(draft.agreement for draft in drafts)
        return [self._correction(draft, fitted, best) for draft in drafts]

    def _drafts(self, order: tuple[Step, ...], fitted: Array) -> Iterator[_Draft]:
        """Yield histories that end with this order: it came about before the values were changed, or after."""
        axes, dtype = self.wanted.axes, self.wanted.dtype
        ordered = apply_all(order, fitted)
        for past in self._pasts(len(order)):
            given, wanted = past.given, past.wanted
            if given is None or wanted is None:
                best = max(self._agreement(order, ordered, one) for one in _all_ranges(self.wanted.channels))
                yield _Draft(order, past, order, best)
                continue
            steps = (*order, *conversion(given, wanted, axes, dtype))
            yield _Draft(order, past, steps, self._agreement(order, ordered, given))
            if order and not given.is_uniform:
                raw = replace(given, mean=(0.0,) * len(given.mean), std=(1.0,) * len(given.std))
                undo, redo = conversion(given, raw, axes, dtype), conversion(raw, wanted, axes, dtype)
                yield _Draft(order, past, (*undo, *order, *redo), self._agreement((), fitted, given))

    def _pasts(self, order_slips: int) -> Iterator[_Past]:
        yield from (past for past in self.every_past if order_slips + past.slips <= _MOST_SLIPS)

    @cached_property
    def every_past(self) -> tuple[_Past, ...]:
        """What may have become of the values, as far as their dtype can hold it."""
        return tuple(
            past for past in self._imaginable() if past.given is None or past.given.can_be(self.array.dtype)
        )

    def _imaginable(self) -> Iterator[_Past]:
        """Yield what may have become of values: with a preprocessing, what is right is known."""
        channels = self.wanted.channels
        if self.preprocessing is not None:
            right = declared_range(self.preprocessing, channels)
            yield from (_Past(given, right) for given in slipped_ranges(right, self.preprocessing.color))
            return
        ranges = _all_ranges(channels)
        if self.wanted.dtype.kind != "f":  # what takes whole numbers takes bytes
            yield from (_Past(given, ranges[0]) for given in slipped_ranges(ranges[0], "RGB"))
            return
        yield _Past(None, None)
        yield from (_Past(one, other) for one in ranges for other in ranges if one is not other)
        yield from (_Past(slipped, one) for one in ranges for slipped in odd_ranges(one))

    def _agreement(self, undone: tuple[Step, ...], seen: Array, given: ValueRange) -> float:
        """Return how well the values agree with the range that they are said to be in."""
        key = ("" if given.is_uniform else expression(undone), given)
        if key not in self.agreements:
            precision = float(np.finfo(self.array.dtype).eps) if self.array.dtype.kind == "f" else 0.0
            self.agreements[key] = plausibility(sampled_planes(seen, self.wanted.axes), given, precision)
        return self.agreements[key]

    def _correction(self, draft: _Draft, fitted: Array, best: float) -> Correction:
        steps = (*draft.steps, *self._rounding(draft.steps))
        named = (*self.fitting.steps, *draft.order, *steps[len(draft.steps) :])
        slips, words = [step.slip for step in named], [step.words for step in named]
        is_known = self.preprocessing is not None or self.wanted.dtype.kind != "f"
        if draft.past.given is not None and draft.past.slips:
            slips.append(draft.past.given.slip)
            words.append(_range_words(draft.past, is_known=is_known))
        cost = len(draft.order) + self._range_cost(draft.past) + self.fitting.cost
        return Correction(
            tuple(dict.fromkeys(slips)),
            "; ".join(dict.fromkeys(words)) or UNCHANGED[0],
            expression((*self.fitting.steps, *steps), self.base),
            draft.agreement - best - SLIP_PENALTY * cost,
            lambda: apply_all(steps, fitted),
            into=draft.past.wanted.words if draft.past.wanted and draft.past.slips and not is_known else "",
        )

    def _range_cost(self, past: _Past) -> float:
        """Return what a change of range counts: bytes for a model of which nothing is known are rarely left as such."""
        is_fresh = self.preprocessing is None and self.array.dtype.kind != self.wanted.dtype.kind
        return past.slips * (_FRESH if is_fresh else 1.0)

    def _rounding(self, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """Return the rounding to an input of whole numbers, if the values are not such already."""
        is_whole = self.array.dtype == self.wanted.dtype and not any(step.is_sum for step in steps)
        return (
            ()
            if self.wanted.dtype.kind == "f" or is_whole
            else (to_whole_numbers(self.wanted, self.array.dtype),)
        )


def _all_ranges(channels: int) -> tuple[ValueRange, ...]:
    """Return the usual ranges, those with constants for each channel in both orders of colours."""
    found = list(usual_ranges(channels))
    found += [
        other for other in usual_ranges(channels, color="BGR") if not any(other.is_same(one) for one in found)
    ]
    return tuple(found)


def _range_words(past: _Past, *, is_known: bool) -> str:
    given, wanted = past.given, past.wanted
    if given is None or wanted is None:
        return ""
    return f"values {given.words}, {'not' if is_known else 'turned into'} {wanted.words}"
