"""Binder, as far as it can be checked without Docker: what repo2docker would build, and what runs in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

PROJECT = Path(__file__).resolve().parents[2]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory):
    """What repo2docker's dry run prints for a checkout's files that matter to it."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copytree(PROJECT / "binder", checkout / "binder")
    for name in ("environment.yml", "pyproject.toml"):
        shutil.copy(PROJECT / name, checkout)
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(checkout)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + done.stderr


def test_binders_own_environment_file_is_used(dockerfile):
    assert '--file "binder/environment.yml"' in dockerfile
    assert '--file "environment.yml"' not in dockerfile


def test_the_pinned_python_is_recognised(dockerfile):
    """An unrecognised pin falls back to Python 3.10 without a word."""
    assert re.findall(r"Building conda environment for python=([\d.]+)", dockerfile) == ["3.12"]


def test_both_scripts_are_run(dockerfile):
    assert "RUN ./binder/postBuild" in dockerfile
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in dockerfile


def test_a_dockerfile_would_switch_all_of_this_off():
    assert not (PROJECT / "binder/Dockerfile").exists()
    assert not (PROJECT / ".binder").exists()


@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_are_valid_shell(script):
    subprocess.run(["bash", "-n", PROJECT / script], check=True)


@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_are_executable(script):
    assert os.access(PROJECT / script, os.X_OK)
    listed = subprocess.run(
        ["git", "ls-files", "--stage", script], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout
    if listed:
        assert listed.startswith("100755")


@pytest.mark.parametrize("script", ["binder/postBuild", ".ci/run"])
def test_a_failing_line_stops_the_script(script):
    assert "\nset -euo pipefail\n" in (PROJECT / script).read_text()


def test_the_package_is_installed_without_a_second_torch():
    assert re.search(r"pip install .*--no-deps \.", (PROJECT / "binder/postBuild").read_text())


@pytest.mark.parametrize(
    ("limit", "threads"),
    [
        ("1", "1"),
        ("2", "2"),
        ("1.0", "1"),
        ("2.7", "2"),
        ("0.5", "1"),
        ("", "1"),
        ("0", "1"),
        ("none; id", "1"),
    ],
)
def test_start_sets_as_many_threads_as_there_are_cpus(limit, threads):
    assert variables_after_start({"CPU_LIMIT": limit}) == dict.fromkeys(THREAD_VARIABLES, threads)


def test_start_sets_one_thread_where_no_limit_is_known():
    assert variables_after_start({}) == dict.fromkeys(THREAD_VARIABLES, "1")


def variables_after_start(variables):
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        [PROJECT / "binder/start", sys.executable, "-c", show],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    return {name: seen[name] for name in THREAD_VARIABLES}


def test_start_hands_its_arguments_on_unchanged():
    show = "import sys; print(sys.argv[1:])"
    command = [PROJECT / "binder/start", sys.executable, "-c", show, "two words", "*", ""]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['two words', '*', '']"


def test_the_settings_for_jupyterlab_exist_there():
    """A key that JupyterLab does not know would be ignored without a word."""
    schemas = Path(sys.prefix) / "share/jupyter/lab/schemas"
    overrides = json.loads((PROJECT / "binder/overrides.json").read_text())
    assert overrides
    for plugin, settings in overrides.items():
        package, name = plugin.split(":")
        known = json.loads((schemas / package / f"{name}.json").read_text())["properties"]
        assert set(settings) <= set(known)


def test_each_badge_opens_a_notebook_that_exists():
    addresses = re.findall(r"https://mybinder\.org/v2/[^\s)\"'>]+", (PROJECT / "README.md").read_text())
    assert addresses
    for address in addresses:
        (notebook,) = re.findall(r"[?&]urlpath=lab/tree/([^&]+\.ipynb)", unquote(address))
        assert (PROJECT / notebook).is_file()
