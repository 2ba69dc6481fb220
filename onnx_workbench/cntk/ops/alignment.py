"""Connectionist temporal classification: labels without the frames that they belong to."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.ops.operands import apply

__all__ = ["forward_backward", "labels_to_graph"]


def labels_to_graph(labels: Any, name: str = "") -> Function:
    """Return labels for `forward_backward`: one-hot rows, 2 at the first frame of a label and 1 at its others."""
    return apply("LabelsToGraph", [labels], name=name)


def forward_backward(
    graph: Any, features: Any, blankTokenId: int, delayConstraint: int = -1, name: str = ""
) -> Function:
    """Return minus the logarithm of the probability that outputs spell labels, summed over the batch.

    Parameters
    ----------
    graph
        What `labels_to_graph` gave.
    features
        Logits, of as many frames.
    blankTokenId
        The class that stands for no label.
    delayConstraint
        How many frames a label may come too late; -1 for any number.
    name
        Name of the result.
    """
    attributes = {"BlankTokenId": int(blankTokenId), "DelayConstraint": int(delayConstraint)}
    return apply("ForwardBackward", [graph, features], attributes, name)
