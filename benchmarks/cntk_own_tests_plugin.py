"""Let pytest run the tests in CNTK's wheel on our `cntk`: see cntk_own_tests.py, which loads this."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import onnx_workbench.cntk

WHEEL = Path(os.environ["CNTK_WHEEL"])
TEST_FOLDERS = {"tests", "test"}


class TestFolders:
    """Finds `cntk.ops.tests.linear_test` and its like in the wheel, whose relative imports then meet our `cntk`."""

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002
        """Answer for modules in test folders only."""
        parts = name.split(".")
        if parts[0] != "cntk" or not TEST_FOLDERS & set(parts):
            return None
        place = WHEEL.joinpath(*parts[1:])
        if place.is_dir():
            first = place / "__init__.py"
            if first.exists():
                return importlib.util.spec_from_file_location(
                    name, first, submodule_search_locations=[str(place)]
                )
            spec = importlib.util.spec_from_loader(name, None)
            spec.submodule_search_locations = [str(place)]
            return spec
        if place.with_suffix(".py").exists():
            return importlib.util.spec_from_file_location(name, place.with_suffix(".py"))
        return None


def give_back_what_numpy_and_python_dropped() -> None:
    """Restore the names of NumPy 1 and Python 3.6 that the tests use, and how arrays were printed then."""
    dropped = {"float": float, "int": int, "bool": bool, "object": object, "str": str}
    dropped |= {
        "product": np.prod,
        "alltrue": np.all,
        "sometrue": np.any,
        "asscalar": lambda array: array.item(),
    }
    for name, kept in dropped.items():
        if name not in np.__dict__:
            setattr(np, name, kept)
    inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]
    np.set_printoptions(precision=6, suppress=True, legacy="1.13")


give_back_what_numpy_and_python_dropped()
onnx_workbench.cntk.install()
sys.meta_path.insert(0, TestFolders())
cntk = importlib.import_module("cntk")
cntk.set_global_option("onnx_batch_axis", False)  # as 2.7, whose tests these are, and not as 2.5


class WheelModule(pytest.Module):
    """A test file of the wheel, imported by its name inside `cntk`."""

    def _getobj(self):
        parts = Path(self.path).relative_to(WHEEL).with_suffix("").parts
        return importlib.import_module(".".join(("cntk", *(part for part in parts if part != "__init__"))))


class Examples(pytest.Module):
    """The examples in the docstrings of a module of the wheel, run on the module of ours with the same name."""

    def collect(self):
        """Read them from the source, which is not imported."""
        import ast
        import doctest

        from _pytest.doctest import DoctestItem

        inner = Path(self.path).relative_to(WHEEL).with_suffix("").parts
        name = ".".join(("cntk", *(part for part in inner if part != "__init__")))
        namespace = {**vars(importlib.import_module(name)), "np": np, "C": cntk, "__name__": name}
        runner = doctest.DebugRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
        for full_name, text in docstrings(ast.parse(Path(self.path).read_text("utf-8-sig")), name):
            test = doctest.DocTestParser().get_doctest(text, namespace, full_name, str(self.path), 0)
            if test.examples:
                yield DoctestItem.from_parent(self, name=full_name, runner=runner, dtest=test)


def docstrings(tree, name):
    """Yield the docstrings of a module, its functions, classes and methods."""
    import ast

    text = ast.get_docstring(tree, clean=False)
    if text:
        yield name, text
    for child in tree.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from (
                docstrings(child, f"{name}.{child.name}")
                if isinstance(child, ast.ClassDef)
                else [(f"{name}.{child.name}", ast.get_docstring(child, clean=False) or "")]
            )


def pytest_collect_file(file_path, parent):
    """Take over the collection of the wheel's files."""
    if file_path.suffix == ".py" and WHEEL in file_path.parents:
        if parent.config.option.doctestmodules:
            return Examples.from_parent(parent, path=file_path)
        return None
    return None


def pytest_pycollect_makemodule(module_path, parent):
    """Import test files by the name they have inside the package."""
    return WheelModule.from_parent(parent, path=module_path)


def pytest_generate_tests(metafunc):
    """Give every test the processor as its device."""
    if "device_id" in metafunc.fixturenames:
        metafunc.parametrize("device_id", [-1])


@pytest.fixture(autouse=True)
def _reset_random_seed():
    cntk.cntk_py.reset_random_seed(0)
