"""Random numbers by ONNX's operators: other numbers than CNTK's, of the same distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from onnx_workbench.cntk.as_onnx.emitter import Emitted, Emitter, refuse
from onnx_workbench.cntk.as_onnx.rule_parts import Rule, number
from onnx_workbench.cntk.native.graph import Primitive
from onnx_workbench.cntk.native.values import DATA_TYPES, Shape


def _random_distribution(emit: Emitter, primitive: Primitive, inputs: list[Emitted]) -> list[Emitted]:
    """Draw in the shape of an operand, or in the one given."""
    kind = str(primitive.attributes.get("randomDistributionType"))
    arguments = primitive.attributes.get("randomDistributionArgs")
    if kind not in _DRAWN or not isinstance(arguments, list):
        raise refuse(primitive, f"the distribution {kind!r} is not known.")
    if inputs:
        like = inputs[0]
    else:
        shape, code = primitive.attributes.get("newShape"), int(number(primitive, "newDataType", 1))
        if not isinstance(shape, Shape) or code not in DATA_TYPES:
            raise refuse(primitive, "it has neither an operand nor a shape and a data type.")
        like = Emitted("", tuple(shape), 0, DATA_TYPES[code][0])
    values = [float(one) for one in arguments if isinstance(one, int | float)]
    name = _DRAWN[kind](emit, like, float(number(primitive, "rngSeed", 0)), values)
    return [Emitted(name, like.shape, like.axes, like.dtype)]


def _node(emit: Emitter, op_type: str, like: Emitted, **attributes: Any) -> str:
    if like.name:
        return emit.node(f"{op_type}Like", [like], **attributes)
    code = int(helper.np_dtype_to_tensor_dtype(like.dtype))
    return emit.node(op_type, [], shape=list(like.shape), dtype=code, **attributes)


def _uniform(emit: Emitter, like: Emitted, seed: float, arguments: list[float]) -> str:
    low, high = arguments
    return _node(emit, "RandomUniform", like, low=low, high=high, seed=seed)


def _normal(emit: Emitter, like: Emitted, seed: float, arguments: list[float]) -> str:
    mean, scale = arguments
    return _node(emit, "RandomNormal", like, mean=mean, scale=scale, seed=seed)


def _bernoulli(emit: Emitter, like: Emitted, seed: float, arguments: list[float]) -> str:
    drawn = _uniform(emit, like, seed, [0.0, 1.0])
    below = emit.node("Less", [drawn, emit.scalar(arguments[0], like.dtype)])
    return emit.node("Cast", [below], to=int(helper.np_dtype_to_tensor_dtype(like.dtype)))


def _gumbel(emit: Emitter, like: Emitted, seed: float, arguments: list[float]) -> str:
    """Place - scale log(-log(u)), u kept away from 0 and 1."""
    place, scale = arguments
    tiny = emit.scalar(float(np.finfo(like.dtype).tiny), like.dtype)
    drawn = emit.node("Max", [_uniform(emit, like, seed, [0.0, 1.0]), tiny])
    inner = emit.node("Max", [emit.node("Neg", [emit.node("Log", [drawn])]), tiny])
    scaled = emit.node("Mul", [emit.node("Log", [inner]), emit.scalar(scale, like.dtype)])
    return emit.node("Sub", [emit.scalar(place, like.dtype), scaled])


_DRAWN: dict[str, Callable[[Emitter, Emitted, float, list[float]], str]] = {
    "uniform": _uniform,
    "normal": _normal,
    "bernoulli": _bernoulli,
    "gumbel": _gumbel,
}

RANDOM_RULES: dict[str, Rule] = {"RandomDistribution": _random_distribution}
