"""Spoilt models through open, summarize, view and run, in isolation: no death of this process, no hang, clear errors.

    python benchmarks/fuzz_models.py --count 1000 --seed 0

What is only looked at (open, summarize, view) may neither crash its child nor raise an error that is not the
workbench's own: people do that without isolation. A run may crash its child, by a fault of onnxruntime: those are
listed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import hostile_checks
import model_mutations

from onnx_workbench.core.errors import IsolationError
from onnx_workbench.runtime.isolation import Limits, Worker

OLD_FILES = Path(__file__).parents[2] / "shared" / "data" / "cntk" / "onnx"
LOOKS = (hostile_checks.look, hostile_checks.look_at_file)
LIMITS = Limits(memory_bytes=1500 << 20, time_s=20)


def seeds() -> dict[str, bytes]:
    found = model_mutations.sound_models()
    return found | {path.stem: path.read_bytes() for path in sorted(OLD_FILES.glob("*.onnx"))}


def spoilt(number: int, seed: int, sound: dict[str, bytes]) -> tuple[str, bytes]:
    """Return the model of a number, the same each time."""
    chance = random.Random(f"{seed}/{number}")
    name = chance.choice(list(sound))
    done, content = model_mutations.spoilt(sound[name], chance)
    return f"{name}: {done}", content


def outcome(worker: Worker, check, content: bytes) -> tuple[str, dict[str, str], float]:
    """Return (what became of the child, what the verbs gave, seconds)."""
    start = time.monotonic()
    try:
        found = worker.call(check, content)
    except IsolationError as error:
        return f"{type(error).__name__}: {error}", {}, time.monotonic() - start
    return "", found, time.monotonic() - start


def kind_of(message: str) -> str:
    return message.partition(":")[0] or "works"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one number, in this process, to see where it fails")
    parser.add_argument("--without-run", action="store_true")
    options = parser.parse_args()
    sound = seeds()
    if options.only is not None:
        what, content = spoilt(options.only, options.seed, sound)
        print(what, len(content))
        Path("spoilt.onnx").write_bytes(content)
        print(LOOKS[options.only % 2](content))
        return 0
    verbs, faults, crashes, slow = Counter(), [], [], []
    looker, runner = Worker(LIMITS), Worker(LIMITS)
    for number in range(options.count):
        what, content = spoilt(number, options.seed, sound)
        death, found, seconds = outcome(looker, LOOKS[number % 2], content)
        verbs.update((verb, kind_of(message)) for verb, message in found.items())
        if death:
            faults.append((number, what, death))
            print(f"FAULT {number} ({what}): {death}", flush=True)
        slow.append((seconds, number, what))
        if options.without_run or found.get("open", "x"):
            continue
        death, found, _ = outcome(runner, hostile_checks.run_once, content)
        verbs.update((verb, kind_of(message)) for verb, message in found.items() if verb == "run")
        if death:
            verbs[("run", f"contained: {kind_of(death)}")] += 1
            crashes.append((number, what, death))
    print(f"\n{options.count} spoilt models of {len(sound)} sound ones, seed {options.seed}")
    for (verb, kind), count in sorted(verbs.items()):
        print(f"  {verb:10s} {kind:40s} {count:6d}")
    print(f"Faults while looking: {len(faults)}")
    print(f"Runs that took their child with them, and nothing else: {len(crashes)}")
    for number, what, death in crashes:
        print(f"  {number} ({what}): {death.splitlines()[0]}")
    print(
        "Slowest looks:", [(round(seconds, 2), number, what) for seconds, number, what in sorted(slow)[-5:]]
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
