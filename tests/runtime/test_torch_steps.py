"""A live module is recorded as PyTorch dispatches it: with the steps and names of an export, whatever it does."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from tiny_models import random_weights
from torch import nn
from torch.nn import functional

import onnx_workbench as ow
from onnx_workbench.core.errors import RunError
from onnx_workbench.runtime.quiet_torch import quiet_torch
from onnx_workbench.runtime.steps import run_all
from onnx_workbench.runtime.torch_steps import TorchSteps


def values_of(run: TorchSteps, inputs) -> dict[str, np.ndarray]:
    found = {}
    for _, written in run_all(run, run.feeds(inputs)):
        arrays = {name: run.array(value) for name, value in written.items()}
        found |= {name: array.copy() for name, array in arrays.items() if array is not None}
    return found


def outputs_of(run: TorchSteps, inputs) -> list[np.ndarray]:
    feeds = {name: run.array(value) for name, value in run.feeds(inputs).items()}
    values = feeds | values_of(run, inputs)
    return [values[name] for name in run.output_names]


def eager(module, *arrays):
    """What PyTorch itself returns, flat."""
    with torch.no_grad():
        result = module(*(torch.tensor(array) for array in arrays))
    return [item.numpy() for item in torch.utils._pytree.tree_leaves(result)]


class Block(nn.Module):
    """Normalization, a residual sum, changes in place, a view of what was changed, a split and a matrix product."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.act, self.drop = nn.ReLU(inplace=True), nn.Dropout(inplace=True)
        self.head = nn.Linear(8 * 36, 12)

    def forward(self, image):
        x = self.act(self.norm(self.conv(image)))
        x += functional.silu(x)
        left, right = self.drop(self.head(x.flatten(1))).chunk(2, -1)
        unused = left.sin() + 1
        del unused
        return torch.softmax(left @ right.T, -1), right.max(1), image.type_as(left) + torch.tensor(0.5)


class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation="gelu")
        self.gru = nn.GRU(16, 8, batch_first=True)

    def forward(self, x, padding):
        y, last = self.gru(self.layer(x, src_key_padding_mask=padding))
        return y.mean(1), last


IMAGE = random_weights(4, 3, 6, 6)
WORDS, PADDING = random_weights(2, 5, 16), np.array([[False] * 5, [False] * 3 + [True] * 2])


@pytest.mark.timeout(300)  # the exporter's registry compiles each of its functions
@pytest.mark.parametrize(
    ("make", "inputs"), [(Block, [IMAGE]), (Attends, [WORDS, PADDING])], ids=["block", "attends"]
)
def test_steps_are_those_of_an_export_by_name_operation_module_and_value(make, inputs):
    from torch.onnx._internal.exporter import _decomp, _registration

    torch.manual_seed(0)
    module = make().eval()
    with quiet_torch(), torch.no_grad():
        registry = _registration.ONNXRegistry.from_torchlib()
        operations = set(_decomp.get_onnx_implemented_overloads(registry))
        table = _decomp.create_onnx_friendly_decomposition_table(operations)
        program = torch.export.export(module, tuple(map(torch.tensor, inputs)), strict=False)
        graph = program.run_decompositions(table).module(check_guards=False)
        interpreter = torch.fx.Interpreter(graph, garbage_collect_values=False)
        interpreter.run(*map(torch.tensor, inputs))
    run = TorchSteps(module, inputs)
    expected = {
        node.name: (node, value)
        for node, value in interpreter.env.items()
        if node.op == "call_function" and (node.users or isinstance(value, torch.Tensor))
    }
    steps = {step.outputs[0]: step for step in run.steps if not step.outputs[0].endswith("_without_bias")}
    assert list(steps) == list(expected)
    values = values_of(run, inputs)
    for name, (node, value) in expected.items():
        assert steps[name].operator == node.target.__name__.removesuffix(".default")
        scopes = [entry[0] for entry in (node.meta.get("nn_module_stack") or {}).values() if entry[0]]
        if steps[name].operator != "view":  # of which the export says where they are read
            assert steps[name].module_path == (scopes[-1] if scopes else "")
        if isinstance(value, torch.Tensor):
            np.testing.assert_allclose(values[name], value.numpy(), rtol=1e-5, atol=1e-6)
    assert any("test_torch_steps.py:" in step.source_line for step in run.steps)


class Sigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x)
        return x.sigmoid() * factor

    @staticmethod
    def backward(_ctx, gradient):
        return gradient, None


class Wild(nn.Module):
    """What nobody can export: control flow by data, gradients of its own, numpy, sizes by data, a dict."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x, **options):
        y = self.linear(x)
        y = y * 2 if y.sum().item() > 0 else y - 1
        for _ in range(int((x > 0).sum()) % 5 + 1):
            y = y.relu() + x
        y = Sigmoid.apply(y, 3.0)
        chosen = x[:, torch.nonzero(x[0] > 0)[:, 0]]
        fixed = torch.from_numpy(np.arange(6, dtype=np.float32))
        return {"y": y + fixed, "parts": [chosen, y.detach() - options["shift"]], "same": x}


def test_what_cannot_be_exported_is_recorded_too():
    torch.manual_seed(0)
    module = Wild().eval()
    for seed in range(3):
        inputs = {"x": random_weights(4, 6, seed=seed), "shift": np.float32([2.0])}
        run = TorchSteps(module, inputs)
        with torch.no_grad():
            result = module(torch.tensor(inputs["x"]), shift=torch.tensor(inputs["shift"]))
        expected = [item.numpy() for item in torch.utils._pytree.tree_leaves(result)]
        for found, array in zip(outputs_of(run, inputs), expected, strict=True):
            np.testing.assert_allclose(found, array, rtol=1e-6)
        found = ow.trace(module, inputs)
        assert found.complete
        assert {"sigmoid", "nonzero", "linear"} <= {value.name for value in found.values}
        assert next(value for value in found.values if value.name == "linear").module_path == "linear"


class Writes(nn.Module):
    """Changes its buffers, its input, and parts of values of which it holds other views."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("cache", torch.ones(4, 6))

    def forward(self, x):
        self.count += 1
        row = self.cache[1]
        self.cache[1:3, :4] = x[:2, :4]
        y = x.clone()
        turned, flat = y.T, y.view(-1)
        y[:, 2] *= 5
        flat[::3] += self.count
        torch.add(y, 1, out=turned.T)
        x.mul_(2).unsqueeze_(0)
        return row * 1, self.cache.sum(1), turned + 0, flat.cumsum(0), y.sum(), x, self.cache


def test_what_is_changed_in_place_is_followed_and_buffers_are_left_as_they_were():
    module = Writes()
    first, second = random_weights(4, 6), random_weights(4, 6, seed=1)
    run = TorchSteps(module, first)
    assert (module.count.item(), module.cache.unique().tolist()) == (0, [1])
    for inputs in (first, second):  # the steps compute: they do not repeat what was recorded
        found = outputs_of(run, inputs)
        for array, expected in zip(found, eager(Writes(), inputs), strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-6)
    assert module.count.item() == 0


class Branches(nn.Module):
    def forward(self, x):
        x = torch.cond(x.sum() > 0, lambda x: x.sin() + 1, lambda x: x.cos(), (x,))
        return torch._higher_order_ops.while_loop(lambda x: x.sum() < 50, lambda x: (x + 1,), (x,))


class Forces(nn.Module):
    """A potential: its forces are gradients, taken in forward."""

    def __init__(self):
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1))

    def forward(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.energy(x).sum(), x)[0]


class Compiled(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.compile(nn.Sequential(nn.Linear(6, 6), nn.Tanh()), backend="eager")
        self.scripted = torch.jit.script(nn.Sequential(nn.Linear(6, 3), nn.ReLU()))

    def forward(self, x):
        return self.scripted(self.inner(x))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "inner"), [(Branches, {"cos", "add"}), (Forces, {"tanh"}), (Compiled, {"tanh", "relu"})]
)
def test_branches_gradients_and_compiled_parts_are_opened(make, inner):
    torch.manual_seed(0)
    module = make().eval()
    x = random_weights(4, 6) - 1
    run = TorchSteps(module, x)
    assert inner <= {step.outputs[0] for step in run.steps}
    (found,) = outputs_of(run, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (expected,) = eager(module, x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


class Sparse(nn.Module):
    def forward(self, x):
        return torch.sparse.mm(x.relu().to_sparse(), x.T) + torch.tensor([1.0, 2.0, 3.0, 4.0])


def test_sparse_tensors_are_followed():
    x = random_weights(4, 6)
    (found,), (expected,) = outputs_of(TorchSteps(Sparse(), x), x), eager(Sparse(), x)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


class Noisy(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5, training=True) + torch.rand(3).mul_(0.5).add_(0.25)


def test_random_numbers_are_drawn_once():
    x = np.ones((5, 3), np.float32)
    run = TorchSteps(Noisy(), x)
    (first,), (second,) = outputs_of(run, x), outputs_of(run, x)
    np.testing.assert_array_equal(first, second)
    kept = first > 1
    assert 0 < kept.mean() < 1
    noise = np.where(kept, first - 2, first)
    np.testing.assert_allclose(noise, np.broadcast_to(noise[0], noise.shape), atol=1e-6)
    assert 0.25 <= noise.min() <= noise.max() <= 0.75


def test_two_live_modules_are_compared_in_half_precision_too():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)).bfloat16()
    x = random_weights(5, 8)

    class Fed(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x.bfloat16())

    import copy

    other = copy.deepcopy(module)
    assert ow.compare(Fed(other), Fed(module), x).passed
    with torch.no_grad():
        other[2].weight[0] *= 1.5
    assert [blame.op_type for blame in ow.compare(Fed(other), Fed(module), x).blamed] == ["linear"]


def test_a_module_that_fails_is_refused_with_pytorchs_reason():
    module = nn.Linear(4, 4).train()
    with pytest.raises(RunError, match=r"Linear failed in PyTorch on inputs input \(3, 5\): mat1 and mat2"):
        TorchSteps(module, random_weights(3, 5))
    assert module.training
    assert not module._forward_hooks
    assert not module._forward_pre_hooks


PROGRAM = """
import sys, numpy as np, torch
from torch import nn
import onnx_workbench as ow
network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
found = ow.trace(network, np.ones((1, 3, 8, 8), "f"))
assert found["relu"].shape == (1, 4, 6, 6)
print([name for name in ("torch._dynamo", "torch.export._trace", "onnxscript") if name in sys.modules])
"""


def test_neither_compiler_nor_exporter_is_loaded():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
