"""Measure pieces of code in processes of their own, contestants taking turns, so that ratios hold on a busy machine."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from onnx_workbench.core.memory import private_bytes

_TEMPLATE = """
import json, resource, time
{setup}
before = resource.getrusage(resource.RUSAGE_SELF)
start = time.perf_counter()
{code}
wall = time.perf_counter() - start
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps([wall, cpu, after.ru_maxrss / 1024]))
"""


@dataclass(frozen=True)
class Figures:
    """Medians over the runs: wall and processor seconds of the code, peak resident MiB of the whole process."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def in_turns(contestants: dict[str, tuple[str, str]], *, runs: int = 5) -> dict[str, Figures]:
    """Run each (setup, code) `runs` times in fresh processes, one after the other, after one round of warm-up."""
    found: dict[str, list[list[float]]] = {name: [] for name in contestants}
    for turn in range(runs + 1):
        for name, (setup, code) in contestants.items():
            script = _TEMPLATE.format(setup=setup, code=code)
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr}")
            if turn:
                found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        name: Figures(*(statistics.median(column) for column in zip(*rows, strict=True)))
        for name, rows in found.items()
    }


def report(title: str, figures: dict[str, Figures], *, ours: str, peer: str) -> None:
    """Print a table and the ratios of ours to the peer."""
    print(f"\n{title}")
    for name, figure in figures.items():
        print(
            f"  {name:42s} {figure.wall_s:9.4f} s wall  {figure.cpu_s:9.4f} s cpu  {figure.peak_mib:8.1f} MiB peak"
        )
    mine, other = figures[ours], figures[peer]
    print(
        f"  ratio to {peer}: {mine.wall_s / other.wall_s:.3f} wall, {mine.cpu_s / max(other.cpu_s, 1e-9):.3f} cpu, "
        f"{mine.peak_mib / other.peak_mib:.3f} memory"
    )


_STEPPED = """
import sys
import threading
{setup}
print("ready", flush=True)
sys.stdin.readline()
{code}
print("done", flush=True)
sys.stdin.readline()
"""


def private_growth(
    setup: str, code: str, *, python: str = sys.executable, arguments: Sequence[str] = ()
) -> float:
    """Return by how many MiB a piece of code raises the private memory of its process at its peak.

    Looked at from outside, a thousand times a second: pages of mapped files do not count, other than in the
    high-water mark that `in_turns` reports.
    """
    process = subprocess.Popen(
        [python, "-c", _STEPPED.format(setup=setup, code=code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        if process.stdout.readline().strip() != "ready":
            raise SystemExit(f"The setup failed:\n{setup}")
        before = peak = private_bytes(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        finished = threading.Thread(target=process.stdout.readline)
        finished.start()
        while finished.is_alive():
            peak = max(peak, private_bytes(process.pid) or 0)
            finished.join(0.001)
        peak = max(peak, private_bytes(process.pid) or 0)
        process.stdin.write("\n")
    if process.returncode:
        raise SystemExit(f"The code failed:\n{code}")
    return (peak - before) / 2**20
