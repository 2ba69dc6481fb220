"""A softmax in two steps, over groups of classes and over the classes of a group: little work for many classes."""

from __future__ import annotations

import math
from typing import Any

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.initializer import glorot_normal
from onnx_workbench.cntk.ops.elementwise import element_divide, element_times, floor, minus, plus, round
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.reductions import softmax
from onnx_workbench.cntk.ops.replacing import as_variable
from onnx_workbench.cntk.ops.reshaping import one_hot, reshape
from onnx_workbench.cntk.ops.tensors import times, times_transpose
from onnx_workbench.cntk.variables import Constant, Parameter

__all__ = ["hierarchical_softmax_layer"]


def hierarchical_softmax_layer(
    input_var: Any, label_index: Any, label_dim: int, label_classes: int | None = None
) -> tuple[Function, Function, list[Function]]:
    """Return the probability of a label by those of its group and of it in the group.

    Parameters
    ----------
    input_var
        A vector.
    label_index
        The number of the label, in a vector of one entry.
    label_dim
        How many labels there are.
    label_classes
        How many groups of following labels they make; about the square root of that if not given.

    Returns
    -------
    output_prob
        The probability of the label, of shape (1, 1).
    class_probs
        The probabilities of the groups.
    all_probs
        For each group the probabilities of its labels.

    Raises
    ------
    ValueError
        If the vector has another rank, or there are no labels.

    Examples
    --------
    >>> x, label = C.input_variable(4), C.input_variable(1)
    >>> probability, of_groups, of_labels = C.hierarchical_softmax_layer(x, label, 10)
    >>> of_groups.shape, len(of_labels), of_labels[0].shape
    ((4,), 4, (3,))
    """
    x = as_variable(input_var)
    if x.rank != 1 or label_dim < 1:
        raise CntkValueError(
            f"hierarchical_softmax_layer takes a vector and how many labels there are; got '{x}' and {label_dim!r}."
        )
    groups = label_classes or math.ceil(math.sqrt(label_dim))
    size, width = math.ceil(label_dim / groups), x.shape[0]

    def parameter(name: str, *shape: int) -> Parameter:
        return Parameter(shape, init=glorot_normal(), dtype=x.dtype, name=f"hsoftmax_{name}")

    weights, biases = parameter("w1", width, groups), parameter("b1", groups)
    inner_weights, inner_biases = parameter("w2s", groups, width, size), parameter("b2s", groups, size)
    group = floor(element_divide(plus(label_index, 0.5), float(size)))
    place = round(minus(label_index, element_times(group, float(size))))
    of_groups = softmax(plus(biases, times(x, weights)))

    def within(chosen: Any) -> Any:
        """Return the probabilities in the group that a one-hot vector, or a row of one, tells."""
        matrix = reshape(times(chosen, inner_weights, output_rank=2), (width, size))
        bias = reshape(times(chosen, inner_biases), (size,))
        return softmax(plus(bias, times(x, matrix)))

    chosen = one_hot(group, groups)
    in_group = times_transpose(one_hot(place, size), within(chosen))
    label = element_times(in_group, times_transpose(chosen, of_groups))
    rows = [one_hot(Constant(number, dtype=x.dtype), groups) for number in range(groups)]
    labels = [element_times(within(row), times_transpose(row, of_groups)) for row in rows]
    return label, of_groups, labels
