"""Which operations of PyTorch are left whole: as its own exporter says."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from onnx_workbench.runtime import torch_decompositions
from onnx_workbench.runtime.quiet_torch import quiet_torch
from onnx_workbench.runtime.torch_decompositions import decomposition, names_with_onnx_function

PROGRAM = """
import sys, torch
from onnx_workbench.runtime.torch_decompositions import names_with_onnx_function
names = names_with_onnx_function()
assert "onnxscript" not in sys.modules
print(*sorted(names))
"""


@pytest.fixture(scope="module")
def exporters():
    """The operations that the exporter's registry has functions for, and the table that it takes others apart by."""
    from torch.onnx._internal.exporter import _decomp, _registration

    with quiet_torch():
        registry = _registration.ONNXRegistry.from_torchlib()
    operations = set(_decomp.get_onnx_implemented_overloads(registry))
    return operations, _decomp.create_onnx_friendly_decomposition_table(operations)


def test_the_operations_with_an_onnx_function_are_those_of_the_exporters_registry(exporters):
    expected = {
        known if isinstance(known, str) else known.name() for known in exporters[0] if _is_named(known)
    }
    assert torch_decompositions._TORCHLIB in sys.modules
    names_with_onnx_function.cache_clear()
    asked = names_with_onnx_function()
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    read = set(done.stdout.split())
    for found in (asked, read):
        assert expected <= found
        # Beyond the registry are names of Python's own functions, and of libraries that are not installed.
        others = {name for name in found - expected if name.startswith("aten::")}
        assert others <= {"aten::getitem"}
    assert read == asked


def _is_named(operation) -> bool:
    return isinstance(operation, (str, torch._ops.OpOverload))


def test_operations_are_taken_apart_as_the_exporter_does(exporters):
    registered, table = exporters
    checked = 0
    for operation in {*table, *filter(_is_named, registered)}:
        if isinstance(operation, str) or operation._schema.is_mutable or _may_alias(operation):
            continue  # those the exporter replaces before it looks into its table
        expected, found = table.get(operation), decomposition(operation)
        assert (found is None) == (expected is None), operation
        if found is not None and not _is_composite(operation):
            assert found is expected, operation
        checked += 1
    assert checked > 700


def _may_alias(operation) -> bool:
    from torch._decomp import _should_decompose_because_unsafe_op

    aliases = any(argument.alias_info for argument in operation._schema.arguments)
    return aliases or _should_decompose_because_unsafe_op(operation)


def _is_composite(operation) -> bool:
    return torch._C._dispatch_has_kernel(operation.name()) and operation._can_decompose()
