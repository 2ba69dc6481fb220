"""Every tensor of ResNet-50, torch against onnxruntime: processor time and growth of memory against the peers.

    python benchmarks/bench_compare.py --peers .venv-peers/bin/python      # or the variable PEERS_PYTHON
    python benchmarks/bench_compare.py --container                         # export and comparison in 768 MiB

Targets: every tensor in at most 0.6 times the processor time of onnx-diagnostic's side-by-side and 1/40 of PyTorch's
own verifier, growing by at most 0.25 times as much; carried and added error together in at most the time in which
onnx-diagnostic tells the carried one. `compare` tells both errors in one walk, which is held to all of them: there is
no faster way that tells the carried error alone. The peers' Python needs ``torch==2.13.0 onnx-diagnostic==0.9.3
transformers`` with the versions of constraints.txt; a peer that is missing is left out, and said to be.

Each contestant is its own process, takes its turn with the others, and starts with the live module and the file at
hand, the module's weights in memory. The side-by-side needs an exported program, so that it appears twice: with that
export, which is what somebody with a module has to wait for, and without. Growth: the kernel's high-water mark over
what the process held before, mapped files included; private growth: without those, looked at from outside in a run of
its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from control_group import control_group
from measure import private_growth

HERE = str(Path(__file__).parent)
MIB = 2**20

_BEGIN = f"""
import json, os, resource, sys, time, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, {HERE!r})
import numpy as np, onnx, onnxruntime, torch
torch.set_num_threads(1)
folder = sys.argv[1]
x = torch.load(folder + "/x.pt")
"""

_MODULE = """
from torch_networks import NETWORKS
module = NETWORKS["ResNet-50"][0]()
module.load_state_dict(torch.load(folder + "/weights.pt"), assign=True)
module.eval()
"""

_MEASURED = """
def status(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key + ":")) / 1024

def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

with open("/proc/self/clear_refs", "w") as marks:  # begin the high-water mark anew
    marks.write("5")
held, cpu, wall = status("VmRSS"), spent(), time.perf_counter()
{code}
print(json.dumps([spent() - cpu, time.perf_counter() - wall, status("VmHWM") - held, status("VmHWM"), compared]))
"""

_PREPARE = (
    _BEGIN.replace('x = torch.load(folder + "/x.pt")', "")
    + """
from torch_networks import calibrated, NETWORKS
make, shape = NETWORKS["ResNet-50"]
module = calibrated(make, shape)
torch.manual_seed(1)
x = torch.randn(shape)
torch.save(x, folder + "/x.pt")
torch.save(module.state_dict(), folder + "/weights.pt")
program = torch.export.export(module, (x,))
torch.export.save(program, folder + "/program.pt2")
torch.onnx.export(program, (x,), folder + "/model.onnx", dynamo=True, external_data=False, verbose=False)
"""
)

_OURS = (
    _BEGIN
    + _MODULE
    + """
import onnx_workbench as ow
"""
)

_DIAGNOSTIC = (
    _BEGIN
    + """
from onnx_diagnostic.reference import OnnxruntimeEvaluator
from onnx_diagnostic.torch_onnx.sbs import run_aligned
program = torch.export.load(folder + "/program.pt2")
proto = onnx.load(folder + "/model.onnx")
"""
)

_DIAGNOSTIC_LIVE = _DIAGNOSTIC.replace('program = torch.export.load(folder + "/program.pt2")\n', _MODULE)

_VERIFIER = (
    _BEGIN
    + """
from torch.onnx.verification import verify_onnx_program
program = torch.export.load(folder + "/program.pt2")
exported = torch.onnx.export(program, (x,), dynamo=True, verbose=False)
"""
)


@dataclass(frozen=True)
class Contestant:
    """A comparison: what it needs at hand, its code, and whether the peers' Python runs it."""

    setup: str
    code: str
    is_peer: bool = True
    runs: int = 3


OURS = "compare, carried and added error"
VERIFIER = "torch.onnx.verification"
CONTESTANTS = {
    OURS: Contestant(
        _OURS,
        "found = ow.compare(folder + '/model.onnx', module, x.numpy())\ncompared = len(found.values)",
        is_peer=False,
    ),
    "compare, added error alone": Contestant(
        _OURS,
        "found = ow.compare(folder + '/model.onnx', module, x.numpy(), carried=False)\n"
        "compared = len(found.values)",
        is_peer=False,
    ),
    # Its added error (run_onnx_with_torch_inputs) and torch tensors (use_tensor) fail against onnxruntime 1.32.
    "onnx-diagnostic, from the module": Contestant(
        _DIAGNOSTIC_LIVE,
        "program = torch.export.export(module, (x,))\n"
        "compared = len(list(run_aligned(program, proto, OnnxruntimeEvaluator, (x,))))",
    ),
    "onnx-diagnostic, exported before": Contestant(
        _DIAGNOSTIC, "compared = len(list(run_aligned(program, proto, OnnxruntimeEvaluator, (x,))))"
    ),
    VERIFIER: Contestant(
        _VERIFIER,
        "compared = len(verify_onnx_program(exported, (x,), compare_intermediates=True))",
        runs=1,
    ),
}


@dataclass(frozen=True)
class Figures:
    """Medians of one contestant."""

    cpu_s: float
    wall_s: float
    growth_mib: float
    peak_mib: float
    compared: float
    private_mib: float = math.nan


def run(python: str, script: str, folder: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.run(
        [python, "-c", script, folder], capture_output=True, text=True, check=False, env=environment
    )


def contest(folder: str, peers: str | None, skipped: list[str]) -> dict[str, Figures]:
    """Let the contestants take turns; those that cannot run are told about."""
    found: dict[str, list[list[float]]] = {}
    failed: dict[str, str] = {}
    for turn in range(max(item.runs for item in CONTESTANTS.values())):
        for name, item in CONTESTANTS.items():
            python = peers if item.is_peer else sys.executable
            if name in skipped or name in failed or turn >= item.runs or python is None:
                continue
            script = item.setup + _MEASURED.format(code=item.code)
            done = run(python, script, folder)
            if done.returncode:
                failed[name] = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            else:
                found.setdefault(name, []).append(json.loads(done.stdout.splitlines()[-1]))
    for name, item in CONTESTANTS.items():
        if name not in found:
            reason = failed.get(name) or ("--peers was not given" if item.is_peer else "not asked for")
            print(f"  {name}: left out ({reason[:200]})")
    return {
        name: Figures(
            *(statistics.median(column) for column in zip(*rows, strict=True)),
            private_mib=grown_privately(CONTESTANTS[name], folder, peers),
        )
        for name, rows in found.items()
    }


def grown_privately(item: Contestant, folder: str, peers: str | None) -> float:
    """Return by how much a contestant's private memory grows, in MiB; not asked where it takes minutes."""
    if item.setup == _VERIFIER:
        return math.nan
    python = peers if item.is_peer else sys.executable
    return private_growth(item.setup, item.code, python=python or sys.executable, arguments=[folder])


def verdict(what: str, ratio: float, target: float) -> None:
    print(f"  {what:84s} {ratio:7.3f}  target {target:.3f}  {'met' if ratio <= target else 'MISSED'}")


def report(found: dict[str, Figures]) -> None:
    for name, item in found.items():
        print(
            f"  {name:36s} {item.cpu_s:8.2f} s cpu {item.wall_s:8.2f} s wall {item.growth_mib:8.1f} MiB growth "
            f"{item.private_mib:8.1f} MiB private {item.peak_mib:8.1f} MiB peak {item.compared:6.0f} compared"
        )
    ours = found.get(OURS)
    for name, peer in found.items():
        if ours is None or not CONTESTANTS[name].is_peer:
            continue
        if name == VERIFIER:
            verdict(f"cpu, every tensor, to {name}", ours.cpu_s / peer.cpu_s, 1 / 40)
            continue
        verdict(f"cpu, every tensor, to {name}", ours.cpu_s / peer.cpu_s, 0.6)
        verdict(f"cpu, carried and added error, to the carried of {name}", ours.cpu_s / peer.cpu_s, 1.0)
        verdict(f"growth of memory, to {name}", ours.growth_mib / peer.growth_mib, 0.25)
        verdict(f"private growth, to {name}", ours.private_mib / peer.private_mib, 0.25)


_CONTAINED = f"""
import sys, time
sys.path.insert(0, {HERE!r})
import numpy as np, torch
from torch_networks import NETWORKS
torch.set_num_threads(1)
import onnx_workbench as ow
make, shape = NETWORKS["ResNet-50"]
module = make()
module.load_state_dict(torch.load(sys.argv[1] + "/weights.pt", mmap=True), assign=True)
module.eval()
x = torch.load(sys.argv[1] + "/x.pt").numpy()
start = time.perf_counter()
model = ow.open_model(module, example_inputs=x)
exported = time.perf_counter()
found = ow.compare(model, module, x)
compared = time.perf_counter()
print(f"exported {{exported - start:.1f}} s, compared {{compared - exported:.1f}} s:", str(found).splitlines()[0])
"""


def in_a_container(folder: str, limit_bytes: int) -> bool:
    """Export ResNet-50 and compare every tensor in a control group, torch included."""
    print(f"\nExport and comparison of ResNet-50 in a control group of {limit_bytes / MIB:.0f} MiB")
    with control_group(limit_bytes) as group:
        if group is None:
            print("  left out: this user may not make a control group")
            return False
        done = group.run(
            [sys.executable, "-c", _CONTAINED, folder],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        last = (done.stdout.strip().splitlines() or [""])[-1]
        fate = last if not done.returncode else f"exit status {done.returncode} {done.stderr[-300:]}"
        print(f"  peak {group.peak_bytes / MIB:.0f} MiB: {fate}")
        return not done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=os.environ.get("PEERS_PYTHON"), help="Python that has the peers")
    parser.add_argument("--skip", nargs="*", default=[], choices=list(CONTESTANTS))
    parser.add_argument("--container", action="store_true", help="only the run in a control group")
    parser.add_argument("--limit-mib", type=int, default=768)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepared = run(sys.executable, _PREPARE, folder)
        if prepared.returncode:
            raise SystemExit(prepared.stderr)
        if chosen.container:
            return 0 if in_a_container(folder, chosen.limit_mib * MIB) else 1
        print("Every tensor of ResNet-50, torch against onnxruntime")
        report(contest(folder, chosen.peers, chosen.skip))
    return 0


if __name__ == "__main__":
    sys.exit(main())
