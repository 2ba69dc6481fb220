"""ONNX's operators, those that graphs of CNTK are written in, as torch computes them; for gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper

Tensor = Any
Operator = Callable[[list[Tensor], dict[str, Any]], Any]


def numbers(tensor: Tensor) -> list[int]:
    """Return a vector of whole numbers."""
    return [int(one) for one in tensor.reshape(-1).tolist()]


def torch_dtype(code: int) -> torch.dtype:
    """Return torch's dtype for ONNX's number of it."""
    return torch.from_numpy(np.zeros(0, helper.tensor_dtype_to_np_dtype(code))).dtype


def _many(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    def operator(x: list[Tensor], _: dict[str, Any]) -> Tensor:
        found = x[0]
        for one in x[1:]:
            found = function(found, one)
        return found

    return operator


def _one(function: Callable[..., Tensor]) -> Operator:
    return lambda x, _: function(*x)


def _reshape(x: list[Tensor], _: dict[str, Any]) -> Tensor:
    target = [x[0].shape[i] if size == 0 else size for i, size in enumerate(numbers(x[1]))]
    return x[0].reshape(target)


def _slice(x: list[Tensor], _: dict[str, Any]) -> Tensor:
    data, starts, ends = x[0], numbers(x[1]), numbers(x[2])
    axes = numbers(x[3]) if len(x) > 3 else list(range(len(starts)))
    steps = numbers(x[4]) if len(x) > 4 else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places = range(*slice(start, end, step).indices(data.shape[axis]))
        data = data.index_select(axis, torch.tensor(list(places), dtype=torch.int64))
    return data


def _expand(x: list[Tensor], _: dict[str, Any]) -> Tensor:
    return x[0].expand(torch.broadcast_shapes(tuple(x[0].shape), tuple(numbers(x[1]))))


def _unsqueeze(x: list[Tensor], _: dict[str, Any]) -> Tensor:
    rank = x[0].dim() + x[1].numel()
    data = x[0]
    for axis in sorted(one % rank for one in numbers(x[1])):
        data = data.unsqueeze(axis)
    return data


def _squeeze(x: list[Tensor], _: dict[str, Any]) -> Tensor:
    return x[0].squeeze(tuple(numbers(x[1]))) if len(x) > 1 else x[0].squeeze()


def _shape(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    return torch.tensor(
        list(x[0].shape)[attributes.get("start", 0) : attributes.get("end")], dtype=torch.int64
    )


def _gather(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    axis, data, index = attributes.get("axis", 0), x[0], x[1].long()
    axis %= data.dim()
    picked = data.index_select(axis, index.reshape(-1) % max(data.shape[axis], 1))
    return picked.reshape(data.shape[:axis] + index.shape + data.shape[axis + 1 :])


def _gather_nd(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    data, index = x[0], x[1].long()
    if not attributes.get("batch_dims", 0):
        return data[tuple(index.unbind(-1))]
    rows = torch.arange(data.shape[0]).reshape(-1, *[1] * (index.dim() - 2))
    return data[(rows, *index.unbind(-1))]


def _scatter_nd(x: list[Tensor], _: dict[str, Any]) -> Tensor:
    return x[0].index_put(tuple(x[1].long().unbind(-1)), x[2])


def _extreme(function: Callable[..., Tensor]) -> Operator:
    def operator(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
        return function(x[0], dim=attributes.get("axis", 0), keepdim=bool(attributes.get("keepdims", 1)))

    return operator


def _reduce(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Operator:
    def operator(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
        axes = tuple(numbers(x[1])) if len(x) > 1 else tuple(range(x[0].dim()))
        if not axes or not x[0].dim():
            return function(x[0].reshape(1), (0,), False) if not x[0].dim() else x[0]
        return function(x[0], axes, bool(attributes.get("keepdims", 1)))

    return operator


def _product(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _sum_of_squares(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    return (x * x).sum(axes, keepdim=keep)


def _all_extremes(pick: Callable[..., Tensor]) -> Callable[[Tensor, tuple[int, ...], bool], Tensor]:
    """Give the gradient to each of several that are equal, as CNTK does."""

    def function(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        found = pick(x.detach(), axes, keepdim=True)
        whole = found + torch.where(x.detach() == found, x - x.detach(), 0).sum(axes, keepdim=True)
        return whole if keep else whole.reshape(pick(x.detach(), axes, keepdim=False).shape)

    return function


def _first_greatest(x: Tensor, axes: tuple[int, ...], _: bool) -> Tensor:
    """Give the gradient to the first of several that are equal, as pooling does in CNTK."""
    first, last = min(axes), max(axes)
    flat = x.flatten(first, last)
    return flat.gather(first, flat.argmax(first, keepdim=True)).reshape([*x.shape[:first], *[1] * len(axes)])


def _hardmax(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    axis = attributes.get("axis", -1)
    index = x[0].argmax(axis, keepdim=True)
    return torch.zeros_like(x[0]).scatter(axis, index, 1.0)


def _top_k(x: list[Tensor], attributes: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Take the first of several that are equal, as CNTK does."""
    axis = attributes.get("axis", -1)
    found = torch.sort(x[0], dim=axis, descending=True, stable=True)
    count = numbers(x[1])[0]
    return found.values.narrow(axis, 0, count), found.indices.narrow(axis, 0, count)


def _pad(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    data, amounts = x[0], numbers(x[1])
    rank = data.dim()
    if attributes.get("mode", "constant") == "constant":
        pairs = [amount for axis in reversed(range(rank)) for amount in (amounts[axis], amounts[axis + rank])]
        return torch.nn.functional.pad(data, pairs, value=float(x[2]) if len(x) > 2 else 0.0)
    for axis in range(rank):
        if amounts[axis] or amounts[axis + rank]:
            places = np.pad(
                np.arange(data.shape[axis]), (amounts[axis], amounts[axis + rank]), mode="reflect"
            )
            data = data.index_select(axis, torch.from_numpy(places))
    return data


def _filled(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    value = torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
    return value.reshape(()).expand(numbers(x[0])).clone()


def _eye(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    dtype = torch_dtype(attributes["dtype"]) if "dtype" in attributes else x[0].dtype
    return torch.eye(x[0].shape[0], x[0].shape[1], dtype=dtype)


def _one_hot(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    depth = numbers(x[1])[0]
    flags = torch.nn.functional.one_hot(x[0].long() % depth, depth).to(x[2].dtype)
    axis = attributes.get("axis", -1)
    return flags.movedim(-1, axis) * (x[2][1] - x[2][0]) + x[2][0]


def _batch_normalization(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    data, *parameters = x
    shape = (1, -1, *[1] * (data.dim() - 2))
    scale, bias, mean, variance = (one.reshape(shape) for one in parameters)
    return (data - mean) / torch.sqrt(variance + attributes.get("epsilon", 1e-5)) * scale + bias


def _cast(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    return x[0].bool() if attributes["to"] == TensorProto.BOOL else x[0].to(torch_dtype(attributes["to"]))


def _transpose(x: list[Tensor], attributes: dict[str, Any]) -> Tensor:
    return x[0].permute(*attributes.get("perm", reversed(range(x[0].dim()))))


def _softmax(function: Callable[..., Tensor]) -> Operator:
    return lambda x, attributes: function(x[0], dim=attributes.get("axis", -1))


def _global(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Operator:
    return lambda x, _: function(x[0], tuple(range(2, x[0].dim())), True)


def _mean(x: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    return x.mean(tuple(axes), keepdim=keep)


def _larger(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the larger; equal ones hand the gradient to the first, as at the bounds of CNTK's clip."""
    return torch.where(a < b, b, a)


def _smaller(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.where(a > b, b, a)


OPERATORS: dict[str, Operator] = {
    **{name: _many(getattr(torch, name.lower())) for name in ("Add", "Sub", "Mul", "Div")},
    "Max": _many(_larger),
    "Min": _many(_smaller),
    "Pow": _one(torch.pow),
    "Mod": _one(torch.remainder),
    "MatMul": _one(torch.matmul),
    **{
        name: _one(getattr(torch, name.lower()))
        for name in (
            *("Neg", "Abs", "Sqrt", "Exp", "Log", "Floor", "Ceil", "Reciprocal", "Relu", "Sigmoid", "Tanh"),
            *("Sin", "Cos", "Tan", "Sinh", "Cosh", "Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh"),
        )
    },
    "Elu": lambda x, attributes: torch.nn.functional.elu(x[0], attributes.get("alpha", 1.0)),
    "Equal": _one(torch.eq),
    "Less": _one(torch.lt),
    "And": _one(torch.logical_and),
    "LessOrEqual": _one(torch.le),
    "Greater": _one(torch.gt),
    "GreaterOrEqual": _one(torch.ge),
    "Not": _one(torch.logical_not),
    "Where": _one(torch.where),
    "Cast": _cast,
    "Identity": _one(lambda x: x),
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Slice": _slice,
    "Concat": lambda x, attributes: torch.cat(x, dim=attributes["axis"]),
    "Expand": _expand,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Shape": _shape,
    "Range": lambda x, _: torch.arange(*(one.item() for one in x), dtype=x[0].dtype),
    "Gather": _gather,
    "GatherND": _gather_nd,
    "ScatterND": _scatter_nd,
    "NonZero": lambda x, _: torch.nonzero(x[0]).T,
    "ArgMax": _extreme(torch.argmax),
    "ArgMin": _extreme(torch.argmin),
    "TopK": _top_k,
    "Hardmax": _hardmax,
    "Softmax": _softmax(torch.softmax),
    "LogSoftmax": _softmax(torch.log_softmax),
    "ReduceSum": _reduce(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "ReduceMean": _reduce(_mean),
    "ReduceProd": _reduce(_product),
    "ReduceMax": _reduce(_all_extremes(torch.amax)),
    "ReduceMin": _reduce(_all_extremes(torch.amin)),
    "ReduceLogSumExp": _reduce(lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep)),
    "ReduceSumSquare": _reduce(_sum_of_squares),
    "ReduceL1": _reduce(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    "ReduceL2": _reduce(lambda x, axes, keep: torch.sqrt(_sum_of_squares(x, axes, keep))),
    "Pad": _pad,
    "ConstantOfShape": _filled,
    "EyeLike": _eye,
    "OneHot": _one_hot,
    "BatchNormalization": _batch_normalization,
    "GlobalAveragePool": _global(_mean),
    "GlobalMaxPool": _global(_first_greatest),
}
