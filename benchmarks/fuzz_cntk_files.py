"""Spoilt native CNTK files through loading, looking, exporting and opening: no crash, no hang, errors that are clear.

    python benchmarks/fuzz_cntk_files.py --count 2000 --seed 0

Bytes are cut, changed and put in; and well-formed files are written whose names go in circles, whose sizes lie, whose
entries are missing, of another type, or nested absurdly. Each is looked at in a child of bounded memory and time.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import hostile_cntk

from onnx_workbench.core.errors import IsolationError
from onnx_workbench.runtime.isolation import Limits, Worker

LIMITS = Limits(memory_bytes=1500 << 20, time_s=20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one number, in this process, to see where it fails")
    options = parser.parse_args()
    sound = hostile_cntk.sound_models()
    verbs, faults, slow = Counter(), [], []
    worker = Worker(LIMITS)
    numbers = range(options.count) if options.only is None else [options.only]
    for number in numbers:
        chance = random.Random(f"{options.seed}/{number}")
        name = chance.choice(list(sound))
        what, content = hostile_cntk.spoilt(sound[name], chance)
        start = time.monotonic()
        try:
            found = (hostile_cntk.looked_at if options.only is not None else worker.call)(
                *([content] if options.only is not None else [hostile_cntk.looked_at, content])
            )
        except IsolationError as error:
            found = {"child": f"UNCLEAR {type(error).__name__}: {error}"}
        slow.append((round(time.monotonic() - start, 2), number, f"{what} in {name}"))
        for verb, message in found.items():
            verbs[(verb, message.partition(":")[0] or "works")] += 1
            if message.startswith("UNCLEAR"):
                faults.append(number)
                print(f"FAULT {number} ({what} in {name}): {verb}: {message}", flush=True)
    print(f"\n{len(numbers)} spoilt files of {len(sound)} sound ones, seed {options.seed}")
    for (verb, kind), count in sorted(verbs.items()):
        print(f"  {verb:10s} {kind:40s} {count:6d}")
    print(f"Faults: {len(faults)}\nSlowest: {sorted(slow)[-5:]}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
