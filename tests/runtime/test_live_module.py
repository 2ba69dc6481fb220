"""A live torch module is run by PyTorch: by the names of forward's arguments, and left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import onnx_workbench as ow
from onnx_workbench.core.errors import InputError, NameNotFoundError, RunError

ONE, TWO = np.array([1.0], np.float32), np.array([2.0], np.float32)


class Difference(nn.Module):
    def forward(self, a, b, *, factor=None):
        return a - 2 * b if factor is None else factor * (a - 2 * b)


class Total(nn.Module):
    def forward(self, *parts):
        return sum(parts)


class Nested(nn.Module):
    def forward(self, x):
        return {"first": x, "rest": (x + 1, [x + 2])}


def test_arguments_go_by_name_in_whatever_order_they_are_given():
    for inputs in ({"a": ONE, "b": TWO}, {"b": TWO, "a": ONE}, [ONE, TWO], (torch.tensor(ONE), TWO)):
        assert ow.run(Difference(), inputs)["output_0"].tolist() == [-3]


def test_any_number_of_arguments_goes_in_order():
    for inputs in ([ONE, TWO, TWO], {"x": ONE, "y": TWO, "z": TWO}):
        assert ow.run(Total(), inputs)["output_0"].tolist() == [5]


def test_wrong_and_missing_arguments_are_named():
    with pytest.raises(InputError, match=r"no argument 'c'; missing: 'b'\. It takes 'a', 'b'"):
        ow.run(Difference(), {"a": ONE, "c": TWO})
    with pytest.raises(InputError, match=r"forward of Difference lacks an argument; missing: 'b'"):
        ow.run(Difference(), [ONE])
    with pytest.raises(InputError, match=r"has 2 input\(s\): 'a', 'b'; got 3"):
        ow.run(Difference(), [ONE, ONE, ONE])


def test_outputs_are_flattened_as_the_exporter_does_and_can_be_chosen():
    outputs = ow.run(Nested(), ONE)
    assert {name: array.tolist() for name, array in outputs.items()} == {
        "output_0": [1],
        "output_1": [2],
        "output_2": [3],
    }
    assert list(ow.run(Nested(), ONE, ["output_2"])) == ["output_2"]
    with pytest.raises(NameNotFoundError, match="no output 'output_9'"):
        ow.run(Nested(), ONE, ["output_9"])


def test_the_modules_modes_and_gradients_are_left_as_they_were():
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.9), nn.BatchNorm1d(4)).train()
    module[2].eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    x = np.ones((3, 4), np.float32)
    first, second = ow.run(module, x)["output_0"], ow.run(module, x)["output_0"]
    np.testing.assert_array_equal(first, second)  # dropout is off
    assert [part.training for part in module.modules()] == [True, True, True, False]
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None for parameter in module.parameters())


def test_modes_come_back_after_a_failure_too():
    module = nn.Linear(4, 4).train()
    with pytest.raises(RunError, match=r"Linear failed in PyTorch on inputs input \(3, 5\): mat1 and mat2"):
        ow.run(module, np.ones((3, 5), np.float32))
    assert module.training


def test_arrays_that_are_read_only_are_taken_without_a_warning(recwarn):
    x = np.ones((1, 4), np.float32)
    x.flags.writeable = False
    ow.run(nn.Linear(4, 4), x)
    assert not recwarn.list


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.complex64])
def test_every_dtype_of_torch_comes_out(dtype):
    class Cast(nn.Module):
        def forward(self, x):
            return x.to(dtype)

    output = ow.run(Cast(), ONE)["output_0"]
    assert output.tolist() == [1]
    assert output.dtype == (
        np.float32 if dtype == torch.bfloat16 else torch.empty(0, dtype=dtype).numpy().dtype
    )


def test_outputs_that_are_no_tensors_are_named():
    class Odd(nn.Module):
        def forward(self, x):
            return x, "text"

    with pytest.raises(RunError, match="Odd returns tuple with parts that are no tensors"):
        ow.run(Odd(), ONE)


def test_a_live_module_goes_with_no_other_backend():
    with pytest.raises(RunError, match="does not go with a Linear: a live module is run by 'torch'"):
        ow.Session(nn.Linear(1, 1), backend="onnxruntime")


def test_torch_agrees_with_onnxruntime_on_the_same_weights():
    weight = torch.randn(3, 5)
    module = nn.Linear(5, 3)
    module.weight.data, module.bias.data = weight, torch.arange(3.0)
    from tiny_models import model

    proto = model(
        "g (float[N,5] x) => (float[N,3] y) { y = Gemm<transB=1>(x, w, b) }",
        w=weight.numpy(),
        b=np.arange(3, dtype=np.float32),
    )
    x = np.random.default_rng(0).random((4, 5), np.float32)
    np.testing.assert_allclose(ow.run(module, x)["output_0"], ow.run(proto, x)["y"], rtol=1e-4, atol=1e-5)


def test_cards_are_held_to_float32_while_a_module_runs_and_left_as_they_were():
    """Whether that holds on a card is seen where there is one; the settings are the same without."""
    places = (torch.backends.cudnn.conv, torch.backends.cudnn.rnn, torch.backends.cuda.matmul)
    before = [place.fp32_precision for place in places]
    seen = []

    class Watching(torch.nn.Module):
        def forward(self, x):
            seen.append([place.fp32_precision for place in places])
            return x + 1

    module = Watching()
    ow.run(module, np.zeros(2, np.float32))
    ow.trace(module, np.zeros(2, np.float32))
    assert seen
    assert all(one == ["ieee"] * 3 for one in seen)
    assert [place.fp32_precision for place in places] == before
    assert isinstance(
        torch.backends.cudnn.allow_tf32, bool
    )  # torch refuses to tell it of settings that disagree
