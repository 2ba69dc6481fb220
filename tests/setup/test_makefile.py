"""The Makefile: torch first and pinned, nothing done twice, and no check skipped in CI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
STAMPS = (".made", ".torch", ".installed", ".tested-with")


@pytest.fixture
def checkout(tmp_path):
    """The files that make reads, without an environment."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(PROJECT / name, tmp_path)
    server = tmp_path / "onnx_workbench/server"
    server.mkdir(parents=True)
    shutil.copy(PROJECT / "onnx_workbench/server/jupyter_server_config.json", server)
    return tmp_path


def make(folder, *arguments, **variables):
    environment = {
        name: value for name, value in os.environ.items() if name not in {"CI", "MAKEFLAGS", "MAKELEVEL"}
    }
    done = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_demo_installs_the_pinned_torch_before_all_else(checkout):
    _, commands = make(checkout, "--dry-run", "demo", "PIP_FLAGS=--some-index")
    installs = [line for line in commands.splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert "grep '^torch=='" in installs[0]
    assert installs[1].endswith('-e ".[all]"')
    assert all("--some-index" in line and "-c constraints.txt" in line for line in installs)
    assert commands.splitlines()[-1] == ".venv/bin/onnx-workbench demo"


def test_a_second_demo_installs_nothing(checkout):
    environment = checkout / ".venv"
    environment.mkdir()
    for stamp in STAMPS:
        (environment / stamp).touch()
    _, commands = make(checkout, "--dry-run", "demo")
    assert commands.strip() == ".venv/bin/onnx-workbench demo"


@pytest.mark.parametrize(("user", "flag"), [("0", " --allow-root"), ("1000", "")])
def test_the_lab_opens_for_root_too(checkout, user, flag):
    tools = checkout / "tools"
    tools.mkdir()
    (tools / "id").write_text(f"#!/bin/sh\necho {user}\n")
    (tools / "id").chmod(0o755)
    _, commands = make(checkout, "--dry-run", "lab", PATH=f"{tools}:{os.environ['PATH']}")
    last = commands.splitlines()[-1].split()
    assert last == f".venv/bin/jupyter lab{flag} notebooks/00_start_here.ipynb".split()


def test_a_changed_requirement_is_installed(checkout):
    environment = checkout / ".venv"
    environment.mkdir()
    for stamp in STAMPS:
        (environment / stamp).touch()
    os.utime(checkout / "pyproject.toml", (4_000_000_000, 4_000_000_000))
    _, commands = make(checkout, "--dry-run", "demo")
    assert commands.count("pip install") == 1


def test_an_old_python_is_refused_in_words(checkout):
    old = checkout / "old_python"
    old.write_text('#!/bin/sh\necho "Python 3.11 or newer is needed" >&2\nexit 1\n')
    old.chmod(0o755)
    status, text = make(checkout, "demo", f"PYTHON={old}")
    assert status != 0
    assert "Python 3.11 or newer is needed" in text
    assert not (checkout / ".venv").exists()


def test_every_check_is_part_of_make_test():
    _, commands = make(PROJECT, "--dry-run", "test")
    for check in (
        "ruff format --check .",
        "ruff check .",
        "bin/mypy",
        "npm run check",
        'pytest -m "not notebook and not browser and not online"',
        "pytest -m notebook",
        "pytest -m browser",
    ):
        assert check in commands


def test_without_node_the_javascript_check_fails_in_ci_and_is_announced_at_home(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("make", "sh"):
        (tools / tool).symlink_to(shutil.which(tool))
    at_home = make(PROJECT, "javascript", PATH=str(tools))
    assert at_home[0] == 0
    assert "not checked" in at_home[1]
    in_ci = make(PROJECT, "javascript", PATH=str(tools), CI="true")
    assert in_ci[0] != 0
    assert "cannot be checked" in in_ci[1]


def test_help_names_every_target_that_a_reader_needs():
    _, text = make(PROJECT, "help")
    assert re.findall(r"^make (\w+)", text, re.MULTILINE) == ["demo", "lab", "test"]
