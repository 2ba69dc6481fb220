"""Spoilt models through every verb, in isolation: no death of this process, no hang, and errors that are clear.

    python benchmarks/fuzz_models.py --count 1000 --seed 0

What is only looked at (open, summarize, view) may neither crash its child nor raise an error that is not the
workbench's own: people do that without isolation. A run may crash its child, by a fault of onnxruntime: those are
listed. A trace and a comparison of a model with itself may too, but an error of Python's in them is ours.
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
RUNS = {
    "run": hostile_checks.run_once,
    "trace": hostile_checks.trace_once,
    "compare": hostile_checks.compare_with_itself,
}
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
        for check in (LOOKS[options.only % 2], *RUNS.values()):
            print(check(content), flush=True)
        return 0
    verbs, faults, crashes, slow, slow_runs = Counter(), [], [], [], []
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
        for verb, check in RUNS.items():
            death, found, seconds = outcome(runner, check, content)
            verbs.update((name, kind_of(message)) for name, message in found.items() if name != "open")
            slow_runs.append((seconds, number, f"{verb} of {what}"))
            if death:
                verbs[(verb, f"contained: {kind_of(death)}")] += 1
                is_ours = "exit status" in death  # how a child ends by an error of Python's
                (faults if is_ours else crashes).append((number, f"{verb} of {what}", death))
                if is_ours:
                    print(f"FAULT {number} ({verb} of {what}): {death}", flush=True)
    print(f"\n{options.count} spoilt models of {len(sound)} sound ones, seed {options.seed}")
    for (verb, kind), count in sorted(verbs.items()):
        print(f"  {verb:10s} {kind:40s} {count:6d}")
    print(f"Faults: {len(faults)}")
    print(f"Runs that took their child with them, and nothing else: {len(crashes)}")
    for number, what, death in crashes:
        print(f"  {number} ({what}): {death.splitlines()[0]}")
    for name, taken in (("looks", slow), ("runs", slow_runs)):
        slowest = [(round(seconds, 2), number, what) for seconds, number, what in sorted(taken)[-5:]]
        print(f"Slowest {name}: {slowest}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
