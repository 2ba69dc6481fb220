"""The house keeps its shape: layers, front door, docstrings, imports."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import onnx_workbench as ow

ROOT = Path(ow.__file__).parent
LAYERS = (
    "core",
    "runtime",
    "cntk",
    "sources",
    "analysis",
    "training",
    "views",
    "server",
    "deploy",
    "lessons",
    "demo",
    "cli",
)
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
FRONTS = {"", "training", "cntk", "lessons"}
"""Packages whose __init__ offers names."""

HEAVY = ("torch", "onnxruntime", "ipywidgets", "anywidget", "matplotlib", "IPython", "tqdm", "jupyter_server")


def imported(path: Path) -> list[str]:
    """Return every module that a file imports, inside functions too."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_its_own_layer_and_those_above(path):
    own = LAYERS.index(layer_of(path))
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "onnx_workbench":
            continue
        if parts[1] not in LAYERS:  # the version number, say; nothing else is in the root
            pytest.fail(f"{path.name} imports {name} from the root package")
        assert LAYERS.index(parts[1]) <= own, f"{path.name} imports {name}, a layer below its own"


def test_every_folder_is_a_layer():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= set(LAYERS)


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in ROOT.rglob("__init__.py")
        if path.parent.relative_to(ROOT).as_posix() not in {*FRONTS, "."}
        and path.relative_to(ROOT).parts[0] != "cntk"  # CNTK's packages offer names, and so do ours for them
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_init_of_a_package_holds_one_docstring_line(path):
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert len(ast.get_docstring(ast.Module(body, [])).splitlines()) == 1


def test_the_front_door_has_at_most_twenty_names_sorted_and_listed():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    names = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert names == set(ow.__all__)
    assert list(ow.__all__) == sorted(ow.__all__)
    assert len(ow.__all__) <= 20


def functions_of_the_front_door():
    found = []
    for name in ow.__all__:
        item = getattr(ow, name)
        found.append((name, item))
        if inspect.isclass(item):
            found += [
                (f"{name}.{key}", member)
                for key, member in vars(item).items()
                if inspect.isfunction(member) and not key.startswith("_")
            ]
    return found


@pytest.mark.parametrize(("name", "item"), functions_of_the_front_door())
def test_public_names_say_what_they_do_in_one_line(name, item):
    lines = inspect.getdoc(item).splitlines()
    assert lines[0].endswith(".")
    assert len(lines) == 1 or lines[1] == ""


@pytest.mark.parametrize("name", [name for name in ow.__all__ if inspect.isfunction(getattr(ow, name))])
def test_public_functions_have_numpydoc_sections_for_everything(name):
    function = getattr(ow, name)
    text = inspect.getdoc(function)
    for section in ("Parameters", "Returns", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text, f"{name} lacks {section}"
    described = re.search(r"Parameters\n-+\n(.*?)\n\n\w+\n-+", text, re.DOTALL)[1]
    listed = {
        part.strip("* ")
        for line in re.findall(r"^\S.*$", described, re.MULTILINE)
        for part in line.split(",")
    }
    assert listed == set(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", [name for name in ow.__all__ if inspect.isfunction(getattr(ow, name))])
def test_public_functions_take_at_most_three_positional_arguments(name):
    parameters = inspect.signature(getattr(ow, name)).parameters.values()
    assert sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) <= 3


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, onnx_workbench; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def public_definitions(path: Path) -> list[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    names = [node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return [name for name in names if not name.startswith("_")]


def test_a_name_without_underscore_is_used_outside_its_module_or_documented_as_a_result():
    """What only its own module uses is no interface, and should not look like one."""
    readers = [
        path
        for folder in (ROOT, ROOT.parent / "tests", ROOT.parent / "benchmarks", ROOT.parent / "notebooks")
        for path in folder.rglob("*")
        if path.suffix in {".py", ".ipynb"} and "node_modules" not in path.parts
    ]
    words = {path: set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) for path in readers}
    lonely = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        for name in public_definitions(path):
            used = any(name in found for other, found in words.items() if other != path)
            part_of_a_result = re.search(rf": .*\b{name}\b|-> .*\b{name}\b|raise {name}", text)
            if layer_of(path) in {"core", "runtime", "analysis", "sources"} and not (
                used or part_of_a_result
            ):
                lonely.append(f"{path.relative_to(ROOT)}: {name}")
    assert lonely == []


@pytest.mark.parametrize("name", ["Comparison", "Model", "Predictions", "Profile", "Summary", "Trace"])
def test_a_result_reads_the_same_at_a_prompt_as_printed(name):
    result = getattr(ow, name)
    assert result.__repr__ is result.__str__


def test_no_error_is_raised_but_our_own():
    """Bare builtin errors would not teach; internal ones are named Unknown...Error in their own module."""
    allowed = {"KeyboardInterrupt", "FileNotFoundError", "UnknownShapeError"}
    wrong = []
    for path in MODULES:
        if layer_of(path) not in {"core", "runtime", "analysis", "sources"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Raise)
                and isinstance(node.exc, ast.Call)
                and isinstance(node.exc.func, ast.Name)
            ):
                name = node.exc.func.id
                if name in dir(builtins) and name not in allowed:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} raises {name}")
    assert wrong == []


def test_each_test_file_has_a_name_of_its_own():
    """Pytest imports test files by their bare names: two of one name cannot be collected together."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []
