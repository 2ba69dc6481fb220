"""Errors of sequences and of ranks, which ONNX has no words for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.in_python.registry import PYTHON_OPERATORS, PythonOperator, Values

Array = NDArray[Any]


def _tokens(sequence: Array, *, squash: bool, ignored: frozenset[int]) -> list[int]:
    found: list[int] = []
    for token in np.asarray(sequence).reshape(len(sequence), -1).argmax(axis=1):
        if int(token) not in ignored and not (squash and found and found[-1] == token):
            found.append(int(token))
    return found


def count_edits(first: list[int], second: list[int], penalties: tuple[float, float, float]) -> int:
    """Return how many substitutions, deletions and insertions the cheapest way between two sequences takes.

    The penalties (of a substitution, a deletion, an insertion) choose the way, and the steps are counted.
    """
    substitution, deletion, insertion = penalties
    costs = [column * insertion for column in range(len(second) + 1)]
    counts = list(range(len(second) + 1))
    for row, token in enumerate(first, start=1):
        new_costs, new_counts = [row * deletion], [row]
        for column, other in enumerate(second, start=1):
            if token == other:
                cost, count = costs[column - 1], counts[column - 1]
            else:
                by_substitution = costs[column - 1] + substitution
                by_deletion = costs[column] + deletion
                by_insertion = new_costs[column - 1] + insertion
                if by_substitution <= by_deletion and by_substitution <= by_insertion:
                    cost, count = by_substitution, counts[column - 1] + 1
                elif by_deletion < by_insertion:
                    cost, count = by_deletion, counts[column] + 1
                else:
                    cost, count = by_insertion, new_counts[column - 1] + 1
            new_costs.append(cost)
            new_counts.append(count)
        costs, counts = new_costs, new_counts
    return counts[-1]


def _as_sequences(value: Any) -> list[Array]:
    """Return sequences; samples without steps are sequences of one."""
    return value if isinstance(value, list) else [one[None] for one in np.asarray(value)]


def _edit_distance(function: Any, values: Values) -> tuple[Any, Values]:
    """Return the edits as CNTK weighs them: times the number of steps, over that of the second sequences' tokens."""
    attributes = function.attributes
    ignored = frozenset(int(one) for one in attributes["TokensToIgnore"])
    penalties = tuple(
        float(attributes[f"{name}Penalty"]) for name in ("Substitution", "Deletion", "Insertion")
    )
    first, second = (_as_sequences(value) for value in values)
    edits = steps = total = 0
    for left, right in zip(first, second, strict=True):
        found = [_tokens(one, squash=attributes["SquashInputs"], ignored=ignored) for one in (left, right)]
        edits += count_edits(found[0], found[1], penalties)  # type: ignore[arg-type]
        steps += len(left)
        total += len(found[1])
    error = edits * steps / total if total else 0.0
    return None, [np.asarray(error, function.output.dtype)]


def _groups(function: Any, values: Values) -> Iterator[tuple[Array, Array, Array]]:
    """Yield places, scores and gains of the samples of each group; those of a group follow each other."""
    scores, gains, groups = (np.asarray(value, np.float64).reshape(-1) for value in values)
    if not len(scores) == len(gains) == len(groups):
        raise CntkValueError(
            f"{function.op_name}: {len(scores)} scores, {len(gains)} gains and {len(groups)} groups; expected one each "
            "for every sample."
        )
    starts = [0, *(np.flatnonzero(np.diff(groups)) + 1), len(groups)]
    for start, end in pairwise(starts):
        yield np.arange(start, end), scores[start:end], gains[start:end]


def _ndcg(function: Any, values: Values) -> tuple[Any, Values]:
    """Return 100 times the number of samples times the mean gain of the best score; gains come in falling order."""
    found = [
        gains[np.argmax(scores)] / gains[0] if gains[0] else 0.0
        for _, scores, gains in _groups(function, values)
    ]
    count = len(np.asarray(values[0]).reshape(-1))
    return None, [np.asarray(100.0 * count * np.mean(found), function.output.dtype)]


def _weights(count: int) -> Array:
    """Return how much each rank counts."""
    found: Array = 1 / np.log(np.arange(count) + 2.0)
    return found


def _lambda_rank(function: Any, values: Values) -> tuple[Any, Values]:
    """Return 1 minus the normalised discounted gain, and keep the gradients (Burges, 2010); gains fall in a group."""
    shape = np.shape(values[0])
    gradient = np.zeros(len(np.asarray(values[0]).reshape(-1)))
    ratios = []
    for places, scores, gains in _groups(function, values):
        weights = _weights(len(gains))
        ideal = float((gains * weights).sum())
        ranks = np.empty(len(gains), np.int64)
        ranks[np.argsort(-scores, kind="stable")] = np.arange(len(gains))
        ratios.append(float((gains * weights[ranks]).sum()) / ideal if ideal else 0.0)
        if ideal:
            gradient[places] = _pulls(scores, gains, weights[ranks]) / ideal
    total = np.asarray(100.0 * len(gradient) * (1 - np.mean(ratios)), function.output.dtype)
    return gradient.astype(function.output.dtype).reshape(shape), [total]


def _pulls(scores: Array, gains: Array, weights: Array) -> Array:
    """Return the sum over pairs of what pulls a better sample up and a worse one down."""
    better = np.triu(gains[:, None] > gains[None, :])
    change = np.abs((gains[:, None] - gains[None, :]) * (weights[:, None] - weights[None, :]))
    pull = np.where(better, change / (1 + np.exp(scores[:, None] - scores[None, :])), 0.0)
    found: Array = pull.sum(axis=0) - pull.sum(axis=1)
    return found


def _lambda_rank_backward(_function: Any, gradient: Any, gradients: Values) -> Values:
    return [gradient * np.asarray(gradients[0]).reshape(()), None, None]


PYTHON_OPERATORS |= {
    "EditDistanceError": PythonOperator(_edit_distance),
    "NDCG": PythonOperator(_ndcg),
    "LambdaRank": PythonOperator(_lambda_rank, _lambda_rank_backward),
}
