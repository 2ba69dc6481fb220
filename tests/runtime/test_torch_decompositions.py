"""Which operations of PyTorch are left whole: as its own exporter says."""

from __future__ import annotations

from onnx_workbench.runtime.quiet_torch import quiet_torch
from onnx_workbench.runtime.torch_decompositions import with_onnx_function


def test_the_operations_with_an_onnx_function_are_those_of_the_exporters_registry():
    from torch.onnx._internal.exporter import _decomp, _registration

    with quiet_torch():
        registry = _registration.ONNXRegistry.from_torchlib()
    assert with_onnx_function() == set(_decomp.get_onnx_implemented_overloads(registry))
