"""Who is to blame: the walks through both runs, and a look into regions that the other side has no values for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onnx_workbench.analysis.pairing import Pairing, Verdict
from onnx_workbench.core.errors import RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.runtime.onnx_steps import OnnxSteps
from onnx_workbench.runtime.steps import Step, StepwiseRun

_MOST_WALKS = 12


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
    verdicts: list[Verdict] = []
    for _ in range(_MOST_WALKS):
        pairing = Pairing(tested, right, feeds, right_feeds, carried=carried, doubtful=doubtful)
        verdicts = []
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
        if pairing.lost <= doubtful:
            break
        doubtful |= pairing.lost
    return Walk(verdicts, complete=True)


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
    blamed: tuple[Blame, ...],
    tested: OnnxSteps,
    right: StepwiseRun,
    module: Any,
    feeds: Mapping[str, Any],
    right_feeds: Mapping[str, Any],
) -> tuple[Blame, ...]:
    """Return whom to blame when the module is exported anew, and the nodes are compared one by one with those.

    Inside one operation of PyTorch, which ONNX writes as several nodes, PyTorch has no values. A fresh export has
    them. It is believed only as far as it agrees with PyTorch itself: what it does wrong as well is the exporter's
    fault, and stays with the nodes that PyTorch's own values accuse.
    """
    from onnx_workbench.sources.pytorch_again import export_again

    if all(blame.is_certain for blame in blamed):
        return blamed
    again = export_again(module, list(right_feeds.values()), tested.model)
    if again is None or len(again.inputs) != len(feeds):
        return blamed
    fresh = OnnxSteps(again)
    fresh_feeds = dict(zip(fresh.input_names, feeds.values(), strict=True))
    try:
        inside = walk_through(tested, fresh, feeds, fresh_feeds, carried=False)
        accused = blames(inside.verdicts)
        if not accused:
            return blamed
        exporters = walk_through(fresh, right, fresh_feeds, right_feeds, carried=False)
    except RunError:
        return blamed
    twins = {verdict.name: verdict.twin for verdict in inside.verdicts}
    wrong_as_well = {blame.key for blame in blames(exporters.verdicts)}
    kept = [blame for blame in blamed if twins.get(blame.key) in wrong_as_well]
    carried = {blame.key: blame for blame in blamed}
    sharper = [_joined(blame, carried.get(blame.key)) for blame in accused]
    order = {name: index for index, step in enumerate(tested.steps) for name in step.outputs}
    chosen = {blame.key: blame for blame in [*kept, *sharper]}
    return tuple(sorted(chosen.values(), key=lambda blame: order.get(blame.key, 0)))


def _joined(sharper: Blame, before: Blame | None) -> Blame:
    """Return a blame with the error that was carried, which only the first walk measured."""
    from dataclasses import replace

    return sharper if before is None else replace(sharper, carried_error=before.carried_error)


def _blame(verdict: Verdict, floats: set[int], overflown: set[int]) -> Blame:
    steps: list[Step] = [verdict.step]
    if verdict.origin is not None and not verdict.reason:
        steps = [step for step in verdict.origin.steps() if step.index in floats] or steps
    culprit = steps[-1]
    if verdict.own is not None and verdict.own.problem:
        culprit = next((step for step in steps if step.index in overflown), culprit)
        steps = [step for step in steps if step.index <= culprit.index] if culprit is not steps[-1] else steps
    own = verdict.own
    if verdict.reason:
        why = verdict.reason
    elif own is None or own.problem:
        why = own.problem if own else "cannot be compared"
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
