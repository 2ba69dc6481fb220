"""Planted faults: is the culprit named, and only the culprit? Target: in 95 % of all, and no alarm on sound files.

    python benchmarks/bench_blame.py                                  # everything: more than a thousand comparisons
    python benchmarks/bench_blame.py --networks residual --kinds "relu made leaky" --sites 5 --keep failures/
    python benchmarks/bench_blame.py --against onnx                   # the sound file as the truth, not the module

A file with a fault is reloaded from disk and compared with the live module (or with the sound file). "Only it": all
that is blamed is the node in which the fault was planted. "Its region": the other side has no value between the
culprit and the nodes around it, and it is among those that may have done it. "First": it is blamed first, and others
after it.
"Sound" are files without a fault: as exported, after onnxruntime's offline optimizations, in another opset.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import onnx
import torch
from fault_cases import DTYPES, EXPORTERS, Case, Export, cases, exported, sound_variants
from faults import FAULTS
from small_networks import SMALL

import onnx_workbench as ow

TARGET = 0.95
VERDICTS = ("only it", "its region", "first", "among others", "others", "nothing", "error")


@dataclass
class Tally:
    """What became of all comparisons."""

    verdicts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    groups: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    sound: int = 0


def verdict(blamed: list[str], regions: list[tuple[str, ...]], culprits: frozenset[str]) -> str:
    named = [key in culprits for key in blamed]
    if len(regions) == 1 and not any(named) and culprits.intersection(regions[0]):
        return "its region"
    if not named:
        return "nothing"
    if not any(named):
        return "others"
    return "only it" if all(named) else "first" if named[0] else "among others"


def blamed_of(path: Path, export: Export, truth: object) -> tuple[list[str], list[tuple[str, ...]], str]:
    """Return (first outputs of the blamed nodes in order, their regions, what else is worth saying)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        comparison = ow.compare(path, truth, export.feeds)
    told = [f"{item.key} {item.own_error:.2g} > {item.threshold:.2g}" for item in comparison.blamed[:5]]
    if comparison.passed != (not comparison.blamed):
        told.append(f"passed is {comparison.passed}")
    return (
        [item.key for item in comparison.blamed],
        [item.region for item in comparison.blamed],
        "; ".join(told),
    )


def try_case(case: Case, path: Path, truth: object, tally: Tally, keep: Path | None) -> None:
    onnx.save(case.planted.proto, path)
    started = time.perf_counter()
    try:
        blamed, regions, told = blamed_of(path, case.export, truth)
        outcome = verdict(blamed, regions, case.planted.culprits)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure to be listed
        outcome, told = "error", f"{type(error).__name__}: {str(error)[:300]}"
    tally.seconds.append(time.perf_counter() - started)
    tally.verdicts[case.kind][outcome] += 1
    for group in (case.export.network, case.export.exporter, case.export.dtype):
        tally.groups[group][outcome] += 1
    if outcome != "only it":
        number = len(tally.failures)
        tally.failures.append(f"{number}: {case}: {outcome}. {told}")
        print(f"  {tally.failures[-1]}", flush=True)
        if keep is not None:
            onnx.save(case.planted.proto, keep / f"{number}.onnx")


def try_sound(export: Export, folder: Path, truth: object, tally: Tally) -> None:
    for what, proto in sound_variants(export, folder):
        onnx.save(proto, folder / "sound.onnx")
        tally.sound += 1
        try:
            blamed, _, told = blamed_of(folder / "sound.onnx", export, truth)
        except Exception as error:  # noqa: BLE001
            blamed, told = ["error"], f"{type(error).__name__}: {str(error)[:300]}"
        if blamed or told:
            tally.alarms.append(f"{export}, {what}: {told}")
            print(f"  FALSE ALARM {tally.alarms[-1]}", flush=True)


def table(title: str, rows: dict[str, Counter[str]]) -> None:
    print(f"\n{title:42s} {'planted':>8s} " + " ".join(f"{name:>12s}" for name in VERDICTS))
    for name, found in rows.items():
        counts = " ".join(f"{found[verdict] or '':>12}" for verdict in VERDICTS)
        print(f"{name:42s} {found.total():8d} {counts}")


def report(tally: Tally) -> bool:
    table("kind of fault", dict(sorted(tally.verdicts.items())))
    table("network, exporter, precision", tally.groups)
    total = sum(tally.verdicts.values(), Counter())
    share = total["only it"] / max(1, total.total())
    table("all", {"all": total})
    print(f"\nThe culprit, and only it: {share:.1%} of {total.total()} (target {TARGET:.0%})")
    print(f"False alarms on sound files: {len(tally.alarms)} of {tally.sound} (target 0)")
    if tally.seconds:
        print(
            f"Time to name it: median {statistics.median(tally.seconds):.2f} s, most {max(tally.seconds):.2f} s"
        )
    return share >= TARGET and not tally.alarms


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(SMALL), choices=list(SMALL))
    parser.add_argument("--exporters", nargs="+", default=EXPORTERS, choices=EXPORTERS)
    parser.add_argument("--dtypes", nargs="+", default=list(DTYPES), choices=list(DTYPES))
    parser.add_argument("--kinds", nargs="*", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--sites", type=int, default=1, help="nodes in which each kind is planted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--against", choices=("torch", "onnx"), default="torch")
    parser.add_argument("--keep", type=Path, help="folder for the files whose culprit was not named alone")
    return parser.parse_args()


def main() -> int:
    chosen = options()
    torch.set_num_threads(1)
    tally = Tally()
    if chosen.keep:
        chosen.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.networks:
            for exporter in [item for item in SMALL[name].exporters if item in chosen.exporters]:
                for dtype in chosen.dtypes:
                    try:
                        export = exported(name, exporter, dtype, seed=chosen.seed)
                    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
                        print(
                            f"{name}, {exporter}, {dtype}: not exported: {str(error).splitlines()[0][:100]}"
                        )
                        continue
                    print(export, flush=True)
                    sound = Path(folder) / "truth.onnx"
                    onnx.save(export.proto, sound)
                    truth = export.module if chosen.against == "torch" else sound
                    try_sound(export, Path(folder), truth, tally)
                    for case in cases(export, chosen.kinds, sites=chosen.sites, seed=chosen.seed):
                        try_case(case, Path(folder) / "faulty.onnx", truth, tally, chosen.keep)
    return 0 if report(tally) else 1


if __name__ == "__main__":
    sys.exit(main())
