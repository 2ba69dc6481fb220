"""Processor time to name one culprit, against Polygraphy's ``debug reduce``. Target: at most 1/50.

    python benchmarks/bench_time_to_name.py --polygraphy .venv-peers/bin/polygraphy

Polygraphy gets the sound file and its values as golden ones, which is easier than a live module. It needs
``polygraphy==0.53.6 onnx-graphsurgeon==0.6.1`` beside onnx and onnxruntime.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
from fault_cases import cases, exported
from measure import in_turns

KINDS = ("relu made leaky", "weights times 1 01")
INSPECT, TOLERANCES = ("--onnxrt",), ("--atol", "1e-4", "--rtol", "1e-4")


def polygraphy_s(program: Path, folder: Path) -> tuple[float, list[str]]:
    """Return (processor seconds of the reduction, what it left)."""
    environment = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}

    def call(*arguments: str) -> None:
        subprocess.run(
            [str(program), *arguments], cwd=folder, env=environment, check=True, capture_output=True
        )

    call(
        *("run", "sound.onnx", *INSPECT, "--onnx-outputs", "*"),
        *("--save-inputs", "inputs.json", "--save-outputs", "golden.json"),
    )
    call("data", "merge", "inputs.json", "golden.json", "-o", "all.json")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    call(
        *("debug", "reduce", "faulty.onnx", "-o", "reduced.onnx", "--mode=bisect"),
        *("--load-inputs", "all.json", "--check", "polygraphy", "run", "polygraphy_debug.onnx", *INSPECT),
        *("--load-inputs", "all.json", "--load-outputs", "golden.json", *TOLERANCES),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, [node.output[0] for node in onnx.load(folder / "reduced.onnx").graph.node]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polygraphy", type=Path, help="the peer's program; left out if not given")
    chosen = parser.parse_args()
    export = exported("residual", "dynamo", "float32")
    missed = False
    for case in cases(export, list(KINDS)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            onnx.save(export.proto, folder / "sound.onnx")
            onnx.save(case.planted.proto, folder / "faulty.onnx")
            (folder / "x.bin").write_bytes(export.feeds[export.proto.graph.input[0].name].tobytes())
            shape = export.feeds[export.proto.graph.input[0].name].shape
            setup = (
                "import numpy as np, onnxruntime, onnx_workbench as ow\n"
                f"x = np.fromfile({str(folder / 'x.bin')!r}, np.float32).reshape({shape})"
            )
            code = (
                f"found = ow.compare({str(folder / 'faulty.onnx')!r}, {str(folder / 'sound.onnx')!r}, x)\n"
                f"assert [item.key for item in found.blamed] == {sorted(case.planted.culprits)!r}"
            )
            ours = in_turns({"compare": (setup, code)}, runs=3)["compare"].cpu_s
            print(f"{case}\n  compare {ours:.2f} s of processor time")
            if chosen.polygraphy is None:
                print("  Polygraphy left out: --polygraphy was not given")
                continue
            theirs, left = polygraphy_s(chosen.polygraphy.absolute(), folder)
            print(f"  Polygraphy {theirs:.2f} s, leaving {left}: ratio {ours / theirs:.4f}, target {1 / 50}")
            missed |= ours / theirs > 1 / 50
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
