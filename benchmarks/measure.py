"""Measure pieces of code in processes of their own, contestants taking turns, so that ratios hold on a busy machine."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass

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
