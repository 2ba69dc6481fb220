"""The four lists of requirements say the same: pyproject, conda, Binder, and the tested versions."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = Path(__file__).resolve().parents[2]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
ONLY_ON_BINDER = {"pytorch-cpu>=2.13", "nomkl"}
NOT_ON_BINDER = {"pytorch>=2.13", "scikit-learn>=1.5"}
ENVIRONMENTS = ["environment.yml", "binder/environment.yml"]
# What Binder's base image held in 2026: a higher floor would install JupyterLab a second time at each build.
BINDER_BASE = {"jupyterlab": "4.4.9", "ipywidgets": "8.1.7"}


def environment(path):
    return yaml.safe_load((PROJECT / path).read_text())


def entries(path):
    """Return the environment's packages, those that pip installs included."""
    listed = environment(path)["dependencies"]
    return [e for e in listed if isinstance(e, str)] + [
        e for part in listed if isinstance(part, dict) for e in part["pip"]
    ]


def conda_requirements(path):
    return [Requirement(entry) for entry in entries(path) if not entry.startswith("python=")]


@pytest.mark.parametrize("path", ENVIRONMENTS)
def test_pip_installs_nothing_that_could_bring_a_second_torch(path):
    (part,) = (part for part in environment(path)["dependencies"] if isinstance(part, dict))
    needed = importlib.metadata.requires("onnxscript") or []
    assert [Requirement(entry).name for entry in part["pip"]] == ["onnxscript"]
    assert not [entry for entry in needed if Requirement(entry).name == "torch" and "extra" not in entry]


def project():
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


def runtime_requirements():
    """Return the dependencies of the package and of its extras, without those for its own development."""
    extras = project()["optional-dependencies"]
    entries = [
        *project()["dependencies"],
        *(e for name in ("notebook", "torch", "digits") for e in extras[name]),
    ]
    return {requirement.name: requirement for requirement in map(Requirement, entries)}


def floor(requirement):
    (specifier,) = requirement.specifier
    assert specifier.operator == ">="
    return Version(specifier.version)


def pinned_versions():
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", pin) for pin in pins)
    return {canonicalize_name(name): Version(version) for name, version in (pin.split("==") for pin in pins)}


def test_all_extras_together_are_the_extra_all():
    assert project()["optional-dependencies"]["all"] == ["onnx-workbench[notebook,torch,digits]"]


@pytest.mark.parametrize("name", sorted(runtime_requirements()))
def test_each_dependency_has_its_conda_twin_with_the_same_floor(name):
    twins = {requirement.name: requirement for requirement in conda_requirements("environment.yml")}
    assert floor(twins[CONDA_NAMES.get(name, name)]) == floor(runtime_requirements()[name])


def test_conda_installs_nothing_that_the_package_does_not_need():
    wanted = {CONDA_NAMES.get(name, name) for name in runtime_requirements()} | {"pip"}
    assert {requirement.name for requirement in conda_requirements("environment.yml")} == wanted


def test_the_two_environment_files_differ_only_as_agreed():
    home, binder = (set(entries(path)) for path in ENVIRONMENTS)
    assert binder - home == ONLY_ON_BINDER
    assert home - binder == NOT_ON_BINDER


@pytest.mark.parametrize("path", ENVIRONMENTS)
def test_only_conda_forge_is_asked_and_no_cuda(path):
    assert environment(path)["channels"] == ["conda-forge", "nodefaults"]
    assert not re.search(r"cuda|gpu|nvidia", " ".join(entries(path)), re.IGNORECASE)


@pytest.mark.parametrize("path", ENVIRONMENTS)
def test_python_is_pinned_in_the_one_form_that_binder_recognises(path):
    (pin,) = (entry for entry in entries(path) if re.match(r"python\b", entry))
    assert re.fullmatch(r"python=3\.1[1-3]", pin)
    assert f"Programming Language :: Python :: {pin.removeprefix('python=')}" in project()["classifiers"]


@pytest.mark.parametrize(("name", "version"), BINDER_BASE.items())
def test_floors_do_not_exceed_what_binder_brings(name, version):
    assert floor(runtime_requirements()[name]) <= Version(version)


@pytest.mark.parametrize("name", sorted(runtime_requirements()))
def test_each_dependency_has_a_tested_version_above_its_floor(name):
    assert pinned_versions()[canonicalize_name(name)] >= floor(runtime_requirements()[name])


def test_tested_versions_name_no_build_and_not_the_project_itself():
    assert all(version.local is None for version in pinned_versions().values())
    assert "onnx-workbench" not in pinned_versions()


def test_conda_floors_match_the_netron_that_the_view_was_made_for():
    from onnx_workbench.server.netron_page import KNOWN_RANGE

    known = Requirement(f"netron{KNOWN_RANGE}").specifier
    assert known.contains(floor(runtime_requirements()["netron"]))
    assert known.contains(pinned_versions()["netron"])


def test_the_installed_package_enables_the_server_extension():
    try:
        distribution = importlib.metadata.distribution("onnx-workbench")
    except importlib.metadata.PackageNotFoundError:
        if os.environ.get("CI"):
            raise
        pytest.skip("the package is not installed: make test installs it")
    (entry,) = (file for file in distribution.files or () if file.name == "onnx_workbench.json")
    assert "etc/jupyter/jupyter_server_config.d" in entry.as_posix()
    extensions = json.loads(Path(entry.locate()).read_text())["ServerApp"]["jpserver_extensions"]
    assert extensions == {"onnx_workbench.server.extension": True}


def test_jupyter_itself_finds_the_extension_and_can_load_it():
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "server", "extension", "list"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = re.sub(r"\x1b\[\d+m", "", done.stdout + done.stderr)
    assert re.search(r"onnx_workbench\.server\.extension\s+.*OK", lines)
