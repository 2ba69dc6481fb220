"""Who is to blame: the walks through both runs, and a look into regions that the other side has no values for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from onnx_workbench.analysis.pairing import Pairing
from onnx_workbench.analysis.verdict import Verdict
from onnx_workbench.core.errors import RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.runtime.onnx_steps import OnnxSteps
from onnx_workbench.runtime.steps import Step, StepwiseRun

_MOST_WALKS = 12
_MUCH_LARGER = 2.0
_FEW_UNITS = 0.2


@dataclass(frozen=True)
class Blame:
    """A node that adds more error than rounding explains.

    Attributes
    ----------
    key
        The node: the first value that it writes.
    op_type
        Its operator.
    own_error, carried_error, threshold
        As for `ComparedValue`.
    why
        What is wrong, in words.
    module_path, source_line
        Where it comes from, as far as the exporter noted it.
    region
        Keys of all nodes that may have done it, if the other side has no values between them; else the one.
    twin
        Name on the other side of the value that is wrong.
    """

    key: str
    op_type: str
    own_error: float
    carried_error: float
    threshold: float
    why: str
    module_path: str
    source_line: str
    region: tuple[str, ...]
    twin: str | None = None

    @property
    def is_certain(self) -> bool:
        """Whether it is one node, known by its name on the other side."""
        return self.region == (self.key,) and self.twin == self.key

    def __str__(self) -> str:
        """Return the node, where it comes from, and what is wrong with it."""
        where = f" in {self.module_path}" if self.module_path else ""
        line = f" ({self.source_line})" if self.source_line else ""
        return f"{clean_text(self.op_type)} {clean_text(self.key)!r}{where}{line} {self.why}"


@dataclass(frozen=True)
class Walk:
    """What a walk through both runs found; not complete if it was stopped."""

    verdicts: list[Verdict]
    complete: bool


def walk_through(
    tested: StepwiseRun,
    right: StepwiseRun,
    feeds: Mapping[str, Any],
    right_feeds: Mapping[str, Any],
    *,
    carried: bool = True,
) -> Walk:
    """Walk through both runs, once more wherever the way was lost behind a fault."""
    from tqdm.auto import tqdm

    doubtful: set[int] = set()
    best: list[Verdict] | None = None
    for _ in range(_MOST_WALKS):
        pairing = Pairing(tested, right, feeds, right_feeds, carried=carried, doubtful=doubtful)
        verdicts: list[Verdict] = []
        progress = tqdm(total=len(tested.steps), desc="compare", unit="node", leave=False, delay=1)
        try:
            for found in pairing.walk():
                verdicts += found
                for verdict in found:
                    verdict.let_go()
                progress.update()
        except KeyboardInterrupt:
            return Walk(verdicts, complete=False)
        finally:
            progress.close()
        # Twins told by what follows must explain more, not less, than the walk that did without them.
        if best is None or _failures(verdicts) <= _failures(best):
            best = verdicts
        if pairing.lost <= doubtful:
            break
        doubtful |= pairing.lost
    return Walk(best or [], complete=True)


def _failures(verdicts: list[Verdict]) -> int:
    """Return how many steps are off, or passed for no good reason."""
    return len({verdict.step.index for verdict in verdicts if verdict.failed or verdict.is_excused})


def float_steps(verdicts: list[Verdict]) -> set[int]:
    """Return the steps that write floating-point numbers."""
    return {v.step.index for v in verdicts if v.dtype.startswith(("float", "bfloat", "complex"))}


def blames(verdicts: list[Verdict]) -> tuple[Blame, ...]:
    """Return the steps to blame, in order."""
    floats = float_steps(verdicts)
    overflown = {verdict.step.index for verdict in verdicts if not verdict.is_finite}
    found: dict[str, Blame] = {}
    for verdict in verdicts:
        if verdict.failed:
            blame = _blame(verdict, floats, overflown)
            found.setdefault(blame.key, blame)
    return tuple(found.values())


def looked_into(
    walk: Walk,
    tested: OnnxSteps,
    right: StepwiseRun,
    module: Any,
    feeds: Mapping[str, Any],
    right_feeds: Mapping[str, Any],
) -> tuple[tuple[Blame, ...], tuple[str, ...]]:
    """Return whom to blame when the module is exported anew, and the nodes are compared with those; and what to note.

    Inside one operation of PyTorch, which ONNX writes as several nodes, PyTorch has no values. A fresh export has
    them. It is believed only as far as it agrees with PyTorch itself: what it does wrong as well is the exporter's
    fault, and stays with the nodes that PyTorch's own values accuse.
    """
    from onnx_workbench.sources.pytorch_again import export_again

    blamed = blames(walk.verdicts)
    if not _needs_a_closer_look(walk, blamed, tested):
        return blamed, ()
    again = export_again(module, list(right_feeds.values()), tested.model)
    if again is None or len(again.inputs) != len(feeds):
        return blamed, ()
    fresh = OnnxSteps(again)
    fresh_feeds = dict(zip(fresh.input_names, feeds.values(), strict=True))
    try:
        inside = walk_through(tested, fresh, feeds, fresh_feeds, carried=False)
        exporters = walk_through(fresh, right, fresh_feeds, right_feeds, carried=False)
    except RunError:
        return blamed, ()
    return _sharpened(walk, inside, exporters, same_kernels=tested.kernels == fresh.kernels)


def _needs_a_closer_look(walk: Walk, blamed: tuple[Blame, ...], tested: OnnxSteps) -> bool:
    """Tell whether PyTorch's own values leave open who did it, or whether it was done at all."""
    if any(not blame.is_certain or blame.own_error <= blame.threshold for blame in blamed):
        return True
    floats = float_steps(walk.verdicts)
    return any(
        verdict.is_doubtful
        # It may have read what it should, if what it read has changed places with another value.
        or (verdict.failed and verdict.reads_otherwise)
        # A layer whose value nobody knows, though all is well behind it: a normalization may have hidden its fault.
        or (verdict.twin is None and verdict.step.index in floats and tested.summed_terms(verdict.step) > 1)
        for verdict in walk.verdicts
    )


def _sharpened(
    walk: Walk, inside: Walk, exporters: Walk, *, same_kernels: bool
) -> tuple[tuple[Blame, ...], tuple[str, ...]]:
    """Return whom to blame by the values of PyTorch, of a fresh export beside them, and of that export by PyTorch."""
    blamed = blames(walk.verdicts)
    twins = {verdict.name: verdict.twin for verdict in inside.verdicts}
    # Other kernels round otherwise: their last digits say nothing of each other.
    doubted = _confirmed_doubts(walk, inside, exporters, twins) if same_kernels else set()
    suspects = {key for blame in blamed for key in blame.region} | doubted
    surely = {
        verdict.step.outputs[0]
        for verdict in inside.verdicts
        if verdict.failed and not verdict.fails_by_units
    }
    accused = [blame for blame in blames(inside.verdicts) if blame.key in suspects | surely]
    wrong_as_well = {blame.key: blame for blame in blames(exporters.verdicts)}
    kept, notes = [], []
    for blame in blamed:
        same = wrong_as_well.get(twins.get(blame.key) or "")
        only_precision = same is not None and same.why == blame.why and same.own_error <= same.threshold
        if only_precision and (accused or blame.own_error <= blame.threshold):
            notes.append(f"{clean_text(blame.key)!r} {blame.why}: so PyTorch's exporter writes it.")
        elif same is not None or not accused:
            kept.append(blame)
    carried = {verdict.name: verdict for verdict in walk.verdicts}
    chosen = {blame.key: blame for blame in kept}
    chosen |= {blame.key: _joined(blame, carried.get(blame.key)) for blame in accused}
    by_name = {verdict.name: verdict for verdict in inside.verdicts}
    floats, overflown = float_steps(inside.verdicts), set[int]()
    for name in doubted - chosen.keys():
        chosen[name] = _joined(_blame(by_name[name], floats, overflown, alone=True), carried.get(name))
    order = {verdict.name: index for index, verdict in enumerate(walk.verdicts)}
    return tuple(sorted(chosen.values(), key=lambda blame: order.get(blame.key, 0))), tuple(notes)


def _confirmed_doubts(walk: Walk, inside: Walk, exporters: Walk, twins: Mapping[str, str | None]) -> set[str]:
    """Return the nodes behind errors that a fresh export of the same nodes does not make, or makes much smaller."""
    fresh = {verdict.name: verdict for verdict in exporters.verdicts}
    inner = {verdict.step.index: verdict for verdict in inside.verdicts if verdict.own is not None}
    found = set()
    for verdict in walk.verdicts:
        same = fresh.get(twins.get(verdict.name) or "")
        if not verdict.is_doubtful or same is None or same.own is None or same.twin != verdict.twin:
            continue
        if verdict.own is None or verdict.own.units <= _MUCH_LARGER * same.own.units + _FEW_UNITS:
            continue
        steps = verdict.origin.steps() if verdict.origin is not None else [verdict.step]
        moved = [inner[step.index] for step in steps if step.index in inner]
        worst = max(moved, key=lambda item: item.own.relative if item.own else 0.0, default=None)
        if worst is not None and worst.own is not None and worst.own.largest > 0:
            found.add(worst.name)
    return found


def _joined(sharper: Blame, before: Verdict | None) -> Blame:
    """Return a blame with the error that was carried, which only the first walk measured."""
    if before is None or before.carried is None:
        return sharper
    return replace(sharper, carried_error=before.carried.relative)


def _blame(verdict: Verdict, floats: set[int], overflown: set[int], *, alone: bool = False) -> Blame:
    steps: list[Step] = [verdict.step]
    if verdict.origin is not None and not verdict.reason and not alone:
        before = [
            step for step in verdict.origin.steps() if step.index in floats and step is not verdict.step
        ]
        steps = [*before, verdict.step]
    culprit = steps[-1]
    if verdict.own is not None and verdict.own.problem:
        culprit = next((step for step in steps if step.index in overflown), culprit)
        steps = [step for step in steps if step.index <= culprit.index] if culprit is not steps[-1] else steps
    own = verdict.own
    if verdict.reason:
        why = verdict.reason
    elif own is None or own.problem:
        why = own.problem if own else "cannot be compared"
    elif alone:
        why = "adds errors in its last digits that a fresh export of the module does not add"
    else:
        why = f"adds {own.relative:.2g} of the value's scale, where rounding explains {verdict.threshold:.2g}"
    return Blame(
        culprit.outputs[0] if culprit.outputs else verdict.name,
        culprit.operator,
        own.relative if own else math.nan,
        verdict.carried.relative if verdict.carried else math.nan,
        verdict.threshold,
        why,
        culprit.module_path,
        culprit.source_line,
        tuple(step.outputs[0] for step in steps if step.outputs),
        verdict.twin,
    )
