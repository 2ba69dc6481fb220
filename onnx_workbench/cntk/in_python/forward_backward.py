"""Connectionist temporal classification (Graves et al., 2006), which ONNX has no words for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.in_python.registry import PYTHON_OPERATORS, PythonOperator, Values

Array = NDArray[Any]

_NEVER = -1e11
"""CNTK's logarithm of 0 in sums over paths."""
_ALMOST_NEVER, _NEGLIGIBLE = -5e9, -9.2103
"""Below the first a sum is 0; terms smaller by the second, a factor of 10,000, are left out of sums, as CNTK does."""
_FIRST_FRAME = 2
"""What marks the first frame of a label; other frames have 1."""


def _log_add(first: Array, second: Array) -> Array:
    high, low = np.maximum(first, second), np.minimum(first, second)
    alone = np.where(high < _ALMOST_NEVER, np.asarray(_NEVER, high.dtype), high)
    found: Array = np.where(low - high < _NEGLIGIBLE, alone, high + np.log1p(np.exp(low - high)))
    return found


@dataclass(frozen=True)
class _Alignment:
    """States that a sequence passes through: a blank, then for each label it and a blank; and what CNTK allows.

    `last_frames` says until which frame each state may be, with a constraint on delays.
    """

    classes: Array
    blank: int
    last_frames: Array

    def skips(self, classes: Array) -> Array:
        """Return for states in this order whether the state two before may come directly before."""
        found = np.zeros(len(classes), bool)
        found[2:] = (classes[2:] != self.blank) & (classes[2:] != classes[:-2])
        return found

    @classmethod
    def of(cls, labels: Array, blank: int, delay: int) -> _Alignment:
        starts = np.flatnonzero(labels.max(axis=1) == _FIRST_FRAME)
        tokens = labels[starts].argmax(axis=1)
        classes = np.full(2 * len(tokens) + 1, blank)
        classes[1::2] = tokens
        frames = len(labels)
        last = np.full(len(classes), frames)
        if delay != -1:
            bounds = np.append(np.repeat(starts, 2), [frames, frames])
            last[:-1] = bounds[2:] + delay
            last[classes == blank] -= 1
            # CNTK reads beyond the list for the last blank and finds 0; 0 - 1 is there a very large number.
            last[-1] = delay - 1 if delay else frames
        return cls(classes, blank, last)


def _spread(log_probabilities: Array, alignment: _Alignment, *, backwards: bool) -> Array:
    """Return the logarithm of the probability of all ways from the start, or to the end, for frames and states."""
    here = log_probabilities[:, alignment.classes]
    frames, count = here.shape
    never = np.asarray(_NEVER, here.dtype)
    found = np.full_like(here, never)
    if backwards:
        here, found = here[::-1, ::-1], found[::-1, ::-1]
    # On the way back CNTK looks at the class that is left: another answer only where a label is the blank itself.
    skips = alignment.skips(alignment.classes[::-1] if backwards else alignment.classes)
    found[0, :2] = here[0, :2]
    for step in range(1, frames):
        before = np.concatenate([np.full(2, never, here.dtype), found[step - 1]])
        arriving = _log_add(np.full(count, never, here.dtype), np.where(skips, before[:-2], never))
        found[step] = _log_add(_log_add(arriving, before[1:-1]), before[2:]) + here[step]
        frame = frames - 1 - step if backwards else step
        late = frame > alignment.last_frames
        found[step][late[::-1] if backwards else late] = never
    return found[::-1, ::-1] if backwards else found


def _of_sequence(labels: Array, outputs: Array, blank: int, delay: int) -> tuple[Any, Array]:
    """Return minus the logarithm of the probability of the labels, and its gradient."""
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    alignment = _Alignment.of(labels, blank, delay)
    forth = _spread(log_probabilities, alignment, backwards=False)
    back = _spread(log_probabilities, alignment, backwards=True)
    through = forth + back - log_probabilities[:, alignment.classes]
    shares = np.exp(through - through.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    gradient = np.exp(log_probabilities)
    for state, token in enumerate(alignment.classes):
        gradient[:, token] -= shares[:, state]
    start = back[0, :1] if len(alignment.classes) == 1 else _log_add(back[0, :1], back[0, 1:2])
    return -start[0], gradient


def _forward(function: Any, values: Values) -> tuple[Any, Values]:
    blank, delay = (int(function.attributes[key]) for key in ("BlankTokenId", "DelayConstraint"))
    classes = function.inputs[1].shape[-1]
    if not 0 <= blank < classes:
        raise CntkValueError(
            f"forward_backward: the blank token {blank} is none of the {classes} classes, 0 to {classes - 1}."
        )
    total, gradients = 0.0, []
    for labels, outputs in zip(*values, strict=True):
        labels, outputs = (np.asarray(one).reshape(len(one), -1) for one in (labels, outputs))
        if len(labels) != len(outputs):
            raise CntkValueError(
                f"forward_backward: a sequence of {len(labels)} labels and one of {len(outputs)} outputs; expected "
                "as many. Repeat the last label with 1 in place of 2 until both are of one length."
            )
        one, gradient = _of_sequence(labels, outputs, blank, delay)
        total += float(one)
        gradients.append(gradient)
    return gradients, [np.asarray(total, function.output.dtype)]


def _backward(_function: Any, state: Any, gradients: Values) -> Values:
    factor = np.asarray(gradients[0]).reshape(())
    return [None, [(one * factor).astype(one.dtype) for one in state]]


PYTHON_OPERATORS["ForwardBackward"] = PythonOperator(_forward, _backward)
