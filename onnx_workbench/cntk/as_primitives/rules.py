"""How nodes of ONNX are said in CNTK's operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from onnx_workbench.cntk.as_primitives.node import Call
from onnx_workbench.cntk.as_primitives.window_rules import WINDOW_RULES
from onnx_workbench.cntk.ops import elementwise as e
from onnx_workbench.cntk.ops import reductions, reshaping, tensors
from onnx_workbench.cntk.ops.composition import alias
from onnx_workbench.cntk.ops.operands import as_block_of
from onnx_workbench.cntk.value_types import FREE
from onnx_workbench.cntk.variables import Constant, Variable

Rule = Callable[[Call], Any]


def _unary(function: Callable[[Any], Any]) -> Rule:
    return lambda call: function(call.operand())


def _several(function: Callable[..., Any]) -> Rule:
    """Return the rule for an operator of operands that are broadcast, however many."""

    def rule(call: Call) -> Any:
        found, *rest = call.aligned()
        whole: Any = found
        for one in rest:
            whole = function(whole, one)
        return whole

    return rule


def _mean(call: Call) -> Any:
    return e.element_times(_several(e.plus)(call), 1 / len(call.operands))


def _with_slope(function: Callable[..., Any], default: float) -> Rule:
    return lambda call: function(call.operand(), alpha=float(call.attributes.get("alpha", default)))


def _hard_sigmoid(call: Call) -> Any:
    alpha, beta = (float(call.attributes.get(key, n)) for key, n in (("alpha", 0.2), ("beta", 0.5)))
    return e.hard_sigmoid(call.operand(), alpha, beta)


def _clip(call: Call) -> Any:
    bounds = []
    for index, key, none in ((1, "min", -np.inf), (2, "max", np.inf)):
        known = call.constants.get(index)
        if known is None and index < len(call.operands) and call.operands[index] is not None:
            call.refuse("its bounds are computed")
        limit = float(call.attributes.get(key, none)) if known is None else float(known.ravel()[0])
        bounds.append(float(np.clip(limit, -3e38, 3e38)))
    return e.clip(call.operand(), bounds[0], bounds[1])


def _prelu(call: Call) -> Any:
    x, slope = call.aligned()
    return e.param_relu(slope, x)


def _where(call: Call) -> Any:
    flag, yes, no = call.aligned()
    return e.element_select(flag, yes, no)


def _matrix_product(call: Call) -> Any:
    x, weights = call.operand(0), call.operand(1)
    of_matrices = x.rank == weights.rank == 2  # for each sample, whichever of them is computed
    if weights.rank != 2 or not x.rank or not (of_matrices or (x.dynamic_axes and not weights.dynamic_axes)):
        call.refuse("products of such shapes are not said in CNTK's")
    return as_block_of("MatMul", tensors.times, [x, weights], "")  # as CNTK shows it


def _mean_variance_normalization(call: Call) -> Any:
    x = call.operand()
    given = [int(one) for one in call.attributes.get("axes", (0, 2, 3))]
    axes = [call.static_axis(axis, x) for axis in given]

    def normalized(x: Any) -> Any:
        centred = e.minus(x, reductions.reduce_mean(x, axis=axes))
        deviation = e.sqrt(reductions.reduce_mean(e.square(centred), axis=axes))
        return e.element_divide(centred, e.plus(deviation, 1e-9))

    return as_block_of("MeanVarianceNormalization", normalized, [x], "")


def _gemm(call: Call) -> Any:
    x, weights = call.operand(0), call.operand(1)
    if call.attributes.get("transA") or weights.dynamic_axes or weights.rank != 2:
        call.refuse("its first operand is transposed, or its second is no matrix of weights")
    found = (
        tensors.times_transpose(x, weights) if call.attributes.get("transB") else tensors.times(x, weights)
    )
    if (alpha := float(call.attributes.get("alpha", 1.0))) != 1:
        found = e.element_times(found, alpha)
    if len(call.operands) < 3:
        return found
    bias = call.operand(2)
    if bias.rank == 2 and bias.shape[0] == 1:
        bias = reshaping.reshape(bias, bias.shape[1:]).output
    if (beta := float(call.attributes.get("beta", 1.0))) != 1:
        bias = e.element_times(bias, beta).output
    return e.plus(found, bias)


def _reshape(call: Call) -> Any:
    x = call.operand()
    shape = call.shape() if FREE not in call.outputs[0].shape else _target(call, x)
    if call.outputs[0].dynamic_axes != x.dynamic_axes or math.prod(shape) != math.prod(x.shape):
        call.refuse("it mixes the batch with other axes")
    return reshaping.reshape(x, shape)


def _target(call: Call, x: Variable) -> tuple[int, ...]:
    """Return the shape that a Reshape gives to a sample, where ONNX's shape inference lost it."""
    led, target = len(x.dynamic_axes), call.numbers(1, "shape") if call.op_type == "Reshape" else None
    if target is None or any(n < 1 for n in target[led:]) or any(n > 0 for n in target[:led]):
        call.refuse(f"the shape {call.outputs[0].shape} of its output is not fixed")
    return tuple(target[led:])


def _transpose(call: Call) -> Any:
    x = call.operand()
    led = len(x.dynamic_axes)
    order = list(call.attributes.get("perm", range(x.rank + led)[::-1]))
    if order[:led] != list(range(led)):
        call.refuse("it moves the batch")
    return reshaping.transpose(x, [axis - led for axis in order[led:]])


def _concat(call: Call) -> Any:
    given = [call.operand(index) for index in range(len(call.operands))]
    axis = call.static_axis(int(call.attributes["axis"]), max(given, key=lambda one: len(one.dynamic_axes)))
    return reshaping.splice(*given, axis=axis)


def _slice(call: Call) -> Any:
    x = call.operand()
    starts, ends = call.numbers(1, "starts") or [], call.numbers(2, "ends") or []
    axes = call.numbers(3, "axes") or list(range(len(starts)))
    strides = call.numbers(4) or [1] * len(starts)
    found: Any = x
    for start, end, axis, stride in zip(starts, ends, axes, strides, strict=True):
        row = call.static_axis(axis, x)
        picked = range(x.shape[row])[start:end:stride]
        if stride < 0 or not picked:
            call.refuse("it goes backwards, or takes nothing")
        last = picked[-1] + 1
        found = reshaping.slice(found, row, picked[0], 0 if last == x.shape[row] else last, stride)
    return found


def _pad(call: Call) -> Any:
    x = call.operand()
    amounts = call.numbers(1, "pads") or []
    led, rank = len(x.dynamic_axes), len(amounts) // 2
    mode = call.attributes.get("mode", b"constant")
    if (
        call.numbers(3)
        or any(amounts[:led] + amounts[rank : rank + led])
        or rank != led + x.rank
        or min(amounts) < 0
    ):
        call.refuse("it pads the batch, some axes, or by negative amounts")
    if mode not in {b"constant", b"reflect"}:
        call.refuse(f"its mode is {mode.decode()}")
    pattern = list(zip(amounts[led:rank], amounts[rank + led :], strict=True))
    value = float(call.constants[2].ravel()[0]) if 2 in call.constants else 0.0
    return reshaping.pad(x, pattern, 0 if mode == b"constant" else 1, value)


def _reduction(function: Callable[..., Any]) -> Rule:
    def rule(call: Call) -> Any:
        x = call.operand()
        given = call.numbers(1, "axes")
        if given is None and x.dynamic_axes:
            call.refuse("it reduces the batch too")
        axes = [call.static_axis(axis, x) for axis in given] if given else list(range(x.rank))
        kept = function(x, axis=axes if len(axes) > 1 else axes[0])
        return kept if call.attributes.get("keepdims", 1) else reshaping.reshape(kept, call.shape())

    return rule


def _hardmax(call: Call) -> Any:
    x = call.operand()
    if x.rank != 1 or call.static_axis(int(call.attributes.get("axis", -1)), x):
        call.refuse("CNTK's goes over all axes together")
    return reductions.hardmax(x)


def _best(function: Callable[..., Any]) -> Rule:
    def rule(call: Call) -> Any:
        x = call.operand()
        found = function(x, axis=call.static_axis(int(call.attributes.get("axis", 0)), x))
        return found if call.attributes.get("keepdims", 1) else reshaping.reshape(found, call.shape())

    return rule


def _softmax(function: Callable[..., Any]) -> Rule:
    def rule(call: Call) -> Any:
        x = call.operand()
        return function(x, axis=call.static_axis(int(call.attributes.get("axis", -1)), x))

    return rule


def _identity(call: Call) -> Any:
    return alias(call.operand())


def _dropout(call: Call) -> Any:
    from onnx_workbench.cntk.ops.elementwise import dropout

    given = call.constants.get(1)
    rate = float(call.attributes.get("ratio", 0.5)) if given is None else float(given.ravel()[0])
    return dropout(call.operand(), rate)


def _cast(call: Call) -> Any:
    if call.outputs[0].dtype == np.bool_:
        return e.not_equal(call.operand(), 0)  # CNTK's truth is 0 and 1
    if call.outputs[0].dtype != call.operand().dtype:
        call.refuse("it changes the dtype")
    return alias(call.operand())


def _normalization(call: Call) -> Any:
    from onnx_workbench.cntk.ops.neural import batch_normalization

    x, scale, bias, mean, variance = (call.operand(index) for index in range(5))
    if x.rank < 1 or len(x.dynamic_axes) != 1 or call.attributes.get("training_mode"):
        call.refuse("there is no batch, or it is for training")
    epsilon = float(call.attributes.get("epsilon", 1e-5))
    count = Constant(0.0, (), dtype=scale.dtype)
    # CNTK wrote statistics of every element too, though ONNX has none but those of channels.
    spatial = scale.shape == x.shape[:1] or math.prod(scale.shape) != math.prod(x.shape)
    return batch_normalization(
        x, scale, bias, mean, variance, spatial=spatial, epsilon=epsilon, running_count=count
    )


def _local_response(call: Call) -> Any:
    from onnx_workbench.cntk.ops.neural import local_response_normalization

    size = int(call.attributes["size"])
    if not size % 2:
        call.refuse("CNTK's takes an odd number of channels")
    bias, alpha, beta = (
        float(call.attributes.get(key, n)) for key, n in (("bias", 1.0), ("alpha", 1e-4), ("beta", 0.75))
    )
    return local_response_normalization(call.operand(), (size - 1) // 2, bias, alpha, beta)


RULES: dict[str, Rule] = {
    "Abs": _unary(e.abs), "Ceil": _unary(e.ceil), "Cos": _unary(e.cos), "Exp": _unary(e.exp), "Floor": _unary(e.floor),
    "Log": _unary(e.log), "Neg": _unary(e.negate), "Reciprocal": _unary(e.reciprocal), "Relu": _unary(e.relu),
    "Sigmoid": _unary(e.sigmoid), "Sin": _unary(e.sin), "Softplus": _unary(e.softplus), "Sqrt": _unary(e.sqrt),
    "Softsign": _unary(e.softsign), "Tan": _unary(e.tan), "Tanh": _unary(e.tanh), "Sinh": _unary(e.sinh),
    "Cosh": _unary(e.cosh), "Asin": _unary(e.asin), "Acos": _unary(e.acos), "Atan": _unary(e.atan),
    "Asinh": _unary(e.asinh), "Atanh": _unary(e.atanh),
    "Not": _unary(e.element_not), "Identity": _identity, "Dropout": _dropout, "Cast": _cast,
    "Elu": _with_slope(e.elu, 1.0), "LeakyRelu": _with_slope(e.leaky_relu, 0.01), "HardSigmoid": _hard_sigmoid,
    "Clip": _clip, "PRelu": _prelu, "Where": _where,
    "Add": _several(e.plus), "Sum": _several(e.plus), "Sub": _several(e.minus), "Mul": _several(e.element_times),
    "Div": _several(e.element_divide), "Pow": _several(e.pow), "Max": _several(e.element_max),
    "Min": _several(e.element_min), "Mean": _mean, "Equal": _several(e.equal), "Less": _several(e.less),
    "Greater": _several(e.greater), "LessOrEqual": _several(e.less_equal), "GreaterOrEqual": _several(e.greater_equal),
    "And": _several(e.element_and), "Or": _several(e.element_or), "Xor": _several(e.element_xor),
    "MatMul": _matrix_product, "Gemm": _gemm, "BatchNormalization": _normalization, "LRN": _local_response,
    "Reshape": _reshape, "Flatten": _reshape, "Squeeze": _reshape, "Unsqueeze": _reshape, "Transpose": _transpose,
    "Concat": _concat, "Slice": _slice, "Pad": _pad,
    "Softmax": _softmax(reductions.softmax), "LogSoftmax": _softmax(reductions.log_softmax),
    "Hardmax": _hardmax, "MeanVarianceNormalization": _mean_variance_normalization,
    "ArgMax": _best(reductions.argmax), "ArgMin": _best(reductions.argmin),
    "ReduceSum": _reduction(reductions.reduce_sum), "ReduceMean": _reduction(reductions.reduce_mean),
    "ReduceMax": _reduction(reductions.reduce_max), "ReduceMin": _reduction(reductions.reduce_min),
    "ReduceProd": _reduction(reductions.reduce_prod), "ReduceL1": _reduction(reductions.reduce_l1),
    "ReduceL2": _reduction(reductions.reduce_l2), "ReduceSumSquare": _reduction(reductions.reduce_sum_square),
    "ReduceLogSumExp": _reduction(reductions.reduce_log_sum_exp),
    **WINDOW_RULES,
}  # fmt: skip
"""By op_type."""
