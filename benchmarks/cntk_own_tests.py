"""How many of CNTK's own Python tests pass with `cntk` answered by `onnx_workbench.cntk`.

The tests lie in CNTK's wheel and are run from there, each file in a process of its own; nothing of them is copied.

    python benchmarks/cntk_own_tests.py --wheel .../site-packages/cntk                     # count
    python benchmarks/cntk_own_tests.py --wheel ... --record --oracle ".../python3.6"      # record the real one's

`cntk_own_tests.json.gz` beside this file holds what the real CNTK 2.7 passes: file -> names of tests.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
RECORD = HERE / "cntk_own_tests.json.gz"
RANDOM_NUMBER = re.compile(r"\d\.\d{5,}(e-?\d+)?")
DOCTESTS = "docstrings:"


def test_files(wheel: Path) -> list[str]:
    """Return the test files and, marked, the modules with examples in docstrings."""
    tests = [
        path.relative_to(wheel).as_posix()
        for path in sorted(wheel.rglob("*.py"))
        if {"tests", "test"} & set(path.relative_to(wheel).parts) and path.name != "__init__.py"
    ]
    examples = [
        DOCTESTS + path.relative_to(wheel).as_posix()
        for path in sorted(wheel.rglob("*.py"))
        if not {"tests", "test"} & set(path.relative_to(wheel).parts)
        and ">>> " in path.read_text(encoding="utf-8", errors="replace")
    ]
    return tests + examples


def canonical(name: str) -> str:
    """Return a test's name without random numbers, its parameters sorted: pytest's versions order them otherwise."""
    function, bracket, parameters = RANDOM_NUMBER.sub("~", name).partition("[")
    return function + (bracket and f"[{' '.join(sorted(parameters.rstrip(']').split('-')))}]")


def outcomes(report: Path) -> dict[str, tuple[str, str]]:
    """Read pytest's JUnit report: name of a test -> (outcome, last line of the error).

    Names that are the same, as of tests with random numbers as parameters, are counted.
    """
    found: dict[str, tuple[str, str]] = {}
    for case in ET.parse(report).iter("testcase"):
        name = canonical(case.get("name", ""))
        group = case.get("classname", "").rsplit(".", 1)[-1]
        name = f"{group}::{name}" if group[:4] in {"Test", "test"} and group[-4:] == "Test" else name
        count = 1
        while name in found:
            count += 1
            name = f"{name.split(' #')[0]} #{count}"
        bad = next((child for child in case if child.tag in {"failure", "error", "skipped"}), None)
        found[name] = ("passed", "") if bad is None else (bad.tag, bad.get("message") or "")
    return found


def examples_of(name: str, results: dict, wheel: Path) -> dict:
    """Keep the examples of one module: pytest collects the whole folder for an __init__.py, its tests as well."""
    place = Path(name.removeprefix(DOCTESTS)).with_suffix("")
    place = place.parent if place.name == "__init__" else place
    module = ".".join(("cntk", *place.parts))

    def is_own(test: str) -> bool:
        inner = wheel / place / test.removeprefix(f"{module}.").split(".")[0]
        return test.startswith(module) and not inner.with_suffix(".py").exists() and not inner.is_dir()

    return {test: outcome for test, outcome in results.items() if is_own(test) or test == module}


def run_file(name: str, python: list[str], wheel: Path, timeout_s: int, environment: dict[str, str]):
    """Run one file in a process of its own; return its outcomes, and what stopped it where something did."""
    examples = name.startswith(DOCTESTS)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [*python, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
        command += ["--junitxml", str(report), "--timeout", str(min(timeout_s, 120)), "--rootdir", str(wheel)]
        command += ["-c", str(wheel / "pytest.ini")] if not environment else ["-c", os.devnull]
        command += ["--doctest-modules"] if examples else []
        command += ["-o", "addopts=", "-o", "doctest_optionflags=NORMALIZE_WHITESPACE"]
        command += ["-o", "python_files=*.py", "-o", "python_classes=*Test", "-o", "junit_family=xunit1"]
        command += [str(wheel / name.removeprefix(DOCTESTS))]
        if environment:
            # plain: with python_files=*.py pytest would rewrite the assertions of every module, onnx's included
            command += ["--noconftest", "--import-mode", "importlib", "--assert", "plain"]
            command += ["-p", "cntk_own_tests_plugin"]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                env=os.environ | environment,
            )
        except subprocess.TimeoutExpired:
            return {}, f"no end after {timeout_s} s"
        if not report.exists():
            return {}, f"ended with {done.returncode}: {done.stdout[-300:]} {done.stderr[-300:]}"
        results = outcomes(report)
        return (examples_of(name, results, wheel) if examples else results), ""


def run_all(names, python, wheel, *, jobs, timeout_s, environment):
    """Run every file; return {file: (outcomes, trouble)}."""
    with ThreadPoolExecutor(jobs) as pool:
        work = {name: pool.submit(run_file, name, python, wheel, timeout_s, environment) for name in names}
        found = {}
        for number, (name, job) in enumerate(work.items(), start=1):
            found[name] = job.result()
            if sys.stderr.isatty():
                print(f"\r{number}/{len(names)} {name:60s}", end="", file=sys.stderr)
    return found


def kind_of(message: str) -> str:
    """Shorten an error to what many tests have in common."""
    line = message.strip().splitlines()[0] if message.strip() else "?"
    return re.sub(r"0x[0-9a-f]+|[A-Za-z]+\d+(_Output_\d+)?|\d+(\.\d+)?", "#", line)[:150]


def table(found, promised) -> str:
    """Lay out the counts of each file, tests first, then examples."""
    lines = [f"{'file':62s} {'ours':>5s} {'real':>5s}"]
    sums = {"tests": [0, 0], "examples": [0, 0]}
    for name, (results, trouble) in found.items():
        wanted = set(promised.get(name, ()))
        if not wanted:
            continue
        good = sum(results.get(test, ("missing",))[0] == "passed" for test in wanted)
        each = sums["examples" if name.startswith(DOCTESTS) else "tests"]
        each[0], each[1] = each[0] + good, each[1] + len(wanted)
        lines.append(f"{name:62s} {good:5d} {len(wanted):5d}  {' '.join(trouble.split())[:120]}")
    for title, (good, wanted) in sums.items():
        lines.append(f"{'all ' + title:62s} {good:5d} {wanted:5d}")
    return "\n".join(lines)


def failures(found, promised, *, limit: int) -> str:
    """Group the errors of tests that the real one passes, the commonest first."""
    groups = collections.defaultdict(list)
    for name, (results, trouble) in found.items():
        for test in promised.get(name, ()):
            outcome, message = results.get(
                test, ("missing", trouble or "not collected: its file does not import")
            )
            if outcome != "passed":
                groups[kind_of(message)].append(f"{name}::{test}")
    lines = []
    for message, tests in sorted(groups.items(), key=lambda item: -len(item[1]))[:limit]:
        files = collections.Counter(test.split("::")[0] for test in tests)
        lines.append(f"{len(tests):5d}  {message}")
        lines.append("         " + ", ".join(f"{file} {count}" for file, count in files.most_common(4)))
        lines.append("         e.g. " + "; ".join(test.split("::", 1)[1][:70] for test in tests[:3]))
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--wheel", type=Path, required=True, help="the folder cntk of the unpacked or installed wheel"
    )
    parser.add_argument("--only", default="", help="only files whose name holds this regular expression")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=int, default=300, help="seconds a file may take")
    parser.add_argument("--errors", type=int, default=60, help="how many kinds of errors are listed")
    parser.add_argument("--record", action="store_true", help="record what the real CNTK passes")
    parser.add_argument("--oracle", default="", help="with --record: the command that starts its Python")
    return parser.parse_args()


def main() -> None:
    """Record, or count and list."""
    options = arguments()
    wheel = options.wheel.resolve()
    names = [name for name in test_files(wheel) if re.search(options.only, name)]
    if options.record:
        python = shlex.split(options.oracle)
        found = run_all(names, python, wheel, jobs=options.jobs, timeout_s=options.timeout, environment={})
        good = {
            name: sorted(test for test, (outcome, _) in results.items() if outcome == "passed")
            for name, (results, _) in found.items()
        }
        RECORD.write_bytes(gzip.compress(json.dumps(good, indent=0).encode(), mtime=0))
        print(f"{sum(map(len, good.values()))} of {sum(len(results) for results, _ in found.values())} pass")
        print("\n".join(f"{name}: {trouble}" for name, (_, trouble) in found.items() if trouble))
        return
    promised = json.loads(gzip.decompress(RECORD.read_bytes()))
    path = os.pathsep.join([str(HERE), str(HERE.parent)])
    environment = {"PYTHONPATH": path, "CNTK_WHEEL": str(wheel), "OMP_NUM_THREADS": "1"}
    names = [name for name in names if promised.get(name)]
    found = run_all(
        names, [sys.executable], wheel, jobs=options.jobs, timeout_s=options.timeout, environment=environment
    )
    print(table(found, promised))
    print("\nWhat the real one passes and ours does not, by error:\n")
    print(failures(found, promised, limit=options.errors))


if __name__ == "__main__":
    main()
