"""Operators that work number by number."""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.ops.composition import outputs_of
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply, as_block_of, data_type, operand
from onnx_workbench.cntk.seeds import AUTO, chosen_seed
from onnx_workbench.cntk.value_types import dtype_of
from onnx_workbench.cntk.variables import Constant

__all__ = [
    "abs", "acos", "asin", "asinh", "atan", "atanh", "cast", "ceil", "clip", "cos", "cosh", "dropout", "element_and",
    "element_divide", "element_max", "element_min", "element_not", "element_or", "element_select", "element_times",
    "element_xor", "elu", "equal", "exp", "floor", "greater", "greater_equal", "hard_sigmoid", "leaky_relu", "less",
    "less_equal", "log", "log_add_exp", "mean", "minus", "negate", "not_equal", "param_relu", "plus", "pow",
    "reciprocal", "relu", "round", "selu", "sigmoid", "sin", "sinh", "softplus", "softsign", "sqrt", "square",
    "straight_through_impl", "sum", "tan", "tanh",
]  # fmt: skip


def _unary(op_name: str, summary: str) -> Any:
    def operator(x: Any, name: str = "") -> Function:
        return apply(op_name, [x], name=name)

    operator.__doc__, operator.__name__ = summary, _NAMES.get(op_name, op_name.lower())
    return operator


_NAMES = {
    "Plus": "plus", "ElementTimes": "element_times", "LogPlus": "log_add_exp", "NotEqual": "not_equal",
    "LessEqual": "less_equal", "GreaterEqual": "greater_equal", "StableSigmoid": "sigmoid",
    "StraightThrough": "straight_through_impl",
}  # fmt: skip


abs = _unary("Abs", "Return the absolute value.")
acos = _unary("Acos", "Return the arc cosine.")
asin = _unary("Asin", "Return the arc sine.")
asinh = _unary("Asinh", "Return the inverse hyperbolic sine.")
atan = _unary("Atan", "Return the arc tangent.")
atanh = _unary("Atanh", "Return the inverse hyperbolic tangent.")
cos = _unary("Cos", "Return the cosine.")
cosh = _unary("Cosh", "Return the hyperbolic cosine.")
exp = _unary("Exp", "Return e to the power of the operand.")
floor = _unary("Floor", "Round down.")
log = _unary("Log", "Return the natural logarithm; -85.2 for what is not positive.")
negate = _unary("Negate", "Change the sign.")
reciprocal = _unary("Reciprocal", "Return 1 / x.")
relu = _unary("ReLU", "Return what is positive, 0 otherwise.")
sigmoid = _unary("StableSigmoid", "Return 1 / (1 + exp(-x)).")
sin = _unary("Sin", "Return the sine.")
sinh = _unary("Sinh", "Return the hyperbolic sine.")
sqrt = _unary("Sqrt", "Return the square root; 0 for what is negative.")
straight_through_impl = _unary(
    "StraightThrough", "Return 1 or -1; the gradient passes as if nothing had happened."
)
tan = _unary("Tan", "Return the tangent.")
tanh = _unary("Tanh", "Return the hyperbolic tangent.")


def ceil(arg: Any, name: str = "") -> Function:
    """Round up."""
    return negate(floor(negate(arg)), name)  # type: ignore[no-any-return]


def round(arg: Any, name: str = "") -> Function:
    """Round to the nearest whole number, halves up."""
    return floor(plus(arg, 0.5), name)  # type: ignore[no-any-return]


def square(x: Any, name: str = "") -> Function:
    """Multiply by itself."""
    return element_times(x, x, name=name)  # type: ignore[no-any-return]


def _binary(op_name: str, summary: str) -> Any:
    def operator(left: Any, right: Any, name: str = "") -> Function:
        return apply(op_name, [left, right], name=name)

    operator.__doc__, operator.__name__ = summary, _NAMES.get(op_name, op_name.lower())
    return operator


def _of_many(binary: Any) -> Any:
    """Let a binary operator take more operands, as a tree."""

    @wraps(binary)
    def operator(arg1: Any, arg2: Any, *more: Any, name: str = "") -> Function:
        values = [arg1, arg2, *more]
        if not name and more and isinstance(more[-1], str):
            name = values.pop()

        def tree(part: list[Any], called: str) -> Any:
            if len(part) == 1:
                return part[0]
            half = len(part) // 2
            return binary(tree(part[:half], ""), tree(part[half:], ""), name=called)

        return tree(values, name)  # type: ignore[no-any-return]

    return operator


plus = _of_many(_binary("Plus", "Add."))
minus = _binary("Minus", "Subtract.")
element_times = _of_many(_binary("ElementTimes", "Multiply number by number."))
log_add_exp = _of_many(_binary("LogPlus", "Return log(exp(a) + exp(b))."))
pow = _binary("Pow", "Raise to a power.")
equal = _binary("Equal", "Return 1 where equal, 0 elsewhere.")
not_equal = _binary("NotEqual", "Return 1 where different, 0 elsewhere.")
less = _binary("Less", "Return 1 where less, 0 elsewhere.")
less_equal = _binary("LessEqual", "Return 1 where less or equal, 0 elsewhere.")
greater = _binary("Greater", "Return 1 where greater, 0 elsewhere.")
greater_equal = _binary("GreaterEqual", "Return 1 where greater or equal, 0 elsewhere.")


def element_divide(left: Any, right: Any, name: str = "") -> Function:
    """Divide number by number; what is divided by 0 is 0."""
    return as_block_of("ElementDivide", lambda a, b: element_times(a, reciprocal(b)), [left, right], name)


@_of_many
def element_max(left: Any, right: Any, name: str = "") -> Function:
    """Return the greater of two."""
    return as_block_of("ElementMax", lambda a, b: element_select(greater(a, b), a, b), [left, right], name)


@_of_many
def element_min(left: Any, right: Any, name: str = "") -> Function:
    """Return the lesser of two."""
    return as_block_of("ElementMin", lambda a, b: element_select(less(a, b), a, b), [left, right], name)


def _constant(value: float, like: Any) -> Constant:
    return Constant(value, dtype=data_type(like))


def element_not(x: Any, name: str = "") -> Function:
    """Return 1 where the operand is not positive."""
    return as_block_of("Not", lambda a: plus(negate(greater(a, 0)), 1), [x], name)


def softsign(x: Any, steepness: float = 1, name: str = "") -> Function:
    """Return x / (1 + |x|); CNTK does not use the steepness either."""
    return as_block_of("Softsign", lambda a: element_divide(a, plus(abs(a), 1)), [x], name)


def element_and(x: Any, y: Any, name: str = "") -> Function:
    """Return 1 where both are positive."""

    def build(a: Any, b: Any) -> Function:
        zero = _constant(0, a)
        return greater(element_times(greater(a, zero), greater(b, zero)), zero)  # type: ignore[no-any-return]

    return as_block_of("And", build, [x, y], name)


def element_or(x: Any, y: Any, name: str = "") -> Function:
    """Return 1 where either is positive."""

    def build(a: Any, b: Any) -> Function:
        zero = _constant(0, a)
        return greater(plus(greater(a, zero), greater(b, zero)), zero)  # type: ignore[no-any-return]

    return as_block_of("Or", build, [x, y], name)


def element_xor(x: Any, y: Any, name: str = "") -> Function:
    """Return 1 where one is positive and the other is not."""

    def build(a: Any, b: Any) -> Function:
        zero = _constant(0, a)
        return not_equal(greater(a, zero), greater(b, zero))  # type: ignore[no-any-return]

    return as_block_of("Xor", build, [x, y], name)


def element_select(flag: Any, value_if_true: Any, value_if_false: Any, name: str = "") -> Function:
    """Return one value where the flag is not 0, the other elsewhere."""
    return apply("Select", [flag, value_if_true, value_if_false], name=name)


def clip(x: Any, min_value: Any, max_value: Any, name: str = "") -> Function:
    """Keep within bounds."""
    dtype = data_type(x)
    return apply("Clip", [x, operand(min_value, dtype), operand(max_value, dtype)], name=name)


def elu(x: Any, alpha: float = 1.0, name: str = "") -> Function:
    """Return x where positive, alpha (exp(x) - 1) elsewhere."""

    def build(a: Any) -> Function:
        return element_select(less(a, 0), element_times(alpha, apply("ELU", [a], name="_ELU")), a)

    return as_block_of("ELU", build, [x], name)


def selu(
    x: Any, scale: float = 1.0507009873554804934, alpha: float = 1.6732632423543772848, name: str = ""
) -> Function:
    """Return the scaled ELU (Klambauer and others, 2017)."""

    def build(a: Any) -> Function:
        negative = element_times(alpha, apply("ELU", [a]))
        return element_times(scale, element_select(less(a, 0), negative, a))  # type: ignore[no-any-return]

    return as_block_of("SELU", build, [x], name)


def leaky_relu(x: Any, alpha: float = 0.01, name: str = "") -> Function:
    """Return x where positive, alpha x elsewhere."""

    def build(a: Any) -> Function:
        return element_select(less(a, 0), element_times(alpha, a), a)

    return as_block_of("LeakyReLU", build, [x], name)


def param_relu(alpha: Any, x: Any, name: str = "") -> Function:
    """Return x where positive, alpha x elsewhere, alpha being learnt."""

    def build(a: Any, slope: Any) -> Function:
        return element_select(less(a, 0), element_times(slope, a), a)

    return as_block_of("PReLU", build, [x, operand(alpha, data_type(x))], name)


def softplus(x: Any, steepness: float = 1, name: str = "") -> Function:
    """Return log(1 + exp(steepness x)) / steepness."""
    if steepness == 1:
        return as_block_of("Softplus", lambda a: log_add_exp(a, 0), [x], name)
    return as_block_of("softplus", lambda a: element_divide(softplus(steepness * a), steepness), [x], name)


def hard_sigmoid(x: Any, alpha: float, beta: float, name: str = "") -> Function:
    """Return max(0, min(1, alpha x + beta))."""

    def build(a: Any) -> Function:
        zero, one = _constant(0, a), _constant(1, a)
        slope, offset = np.float32(alpha), np.float32(beta)  # CNTK keeps them so in float64 graphs too
        line = plus(element_times(slope, a), offset)
        below = element_select(less(line, one), line, one)
        return element_select(greater(below, zero), below, zero)

    return as_block_of("HardSigmoid", build, [x], name)


def dropout(x: Any, dropout_rate: float = 0.0, seed: int = AUTO, name: str = "") -> Function:
    """Drop values in training; return the operand otherwise.

    Raises
    ------
    ValueError
        Unless 0 <= dropout_rate < 1.
    """
    if not 0 <= dropout_rate < 1:
        raise CntkValueError(f"dropout_rate must be in the interval [0,1); got {dropout_rate}")
    attributes = {"dropoutRate": float(dropout_rate), "rngSeed": chosen_seed(seed), "rngOffset": 0}
    return apply("Dropout", [x], attributes, name)


def cast(node_input: Any, dtype: Any, name: str = "") -> Function:
    """Return the numbers as another dtype."""
    return apply("Cast", [node_input], {"newDataType": np.dtype(dtype_of(dtype)).name}, name)


def sum(*operands: Any, name: str = "") -> Function:
    """Add any number of operands."""
    found = outputs_of(operands)
    return as_block_of(
        "Sum", lambda *parts: plus(*parts) if len(parts) > 1 else plus(parts[0], 0), found, name
    )


def mean(*operands: Any, name: str = "") -> Function:
    """Return the mean of any number of operands."""
    found = outputs_of(operands)

    def build(*parts: Any) -> Function:
        total = plus(*parts) if len(parts) > 1 else parts[0]
        return element_divide(total, len(found))

    return as_block_of("Mean", build, found, name)
