"""A small convolutional network that fits whatever pictures it is given."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from onnx_workbench.core.errors import InputError, require
from onnx_workbench.training.dataset import Dataset

if TYPE_CHECKING:
    import torch


def small_convnet(data: Dataset, *, width: int = 16, seed: int = 0) -> torch.nn.Sequential:
    """Return an untrained classifier for a data set: up to three convolutions, then one linear layer.

    Parameters
    ----------
    data
        Gives the number of channels, the size of the pictures and the number of classes.
    width
        Channels of the first convolution; the following have twice as many.
    seed
        Seed of the random weights; torch's own random state is left as it was.

    Returns
    -------
    torch.nn.Sequential
        From (N, C, height, width) float32 to logits (N, classes).

    Raises
    ------
    InputError
        If the data set's preprocessing gives NHWC.

    Examples
    --------
    >>> network = training.small_convnet(training.signs())
    """
    require("torch", purpose="to make and train networks", extra="torch")
    if data.preprocessing.layout != "NCHW":
        raise InputError(
            f"torch's convolutions take NCHW, and the preprocessing of {data.name} gives "
            f"{data.preprocessing.layout}: give the Dataset a Preprocessing with layout='NCHW'."
        )
    import torch
    from torch import nn

    _, channels, height, columns = data.example.shape
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for stage in range(3):
            out = width if stage == 0 else 2 * width
            layers[f"conv{stage}"] = nn.Conv2d(channels, out, 3, padding=1, bias=False)
            layers[f"norm{stage}"] = nn.BatchNorm2d(out)
            layers[f"relu{stage}"] = nn.ReLU()
            channels = out
            if min(height, columns) >= 4:
                layers[f"pool{stage}"] = nn.MaxPool2d(2)
                height, columns = height // 2, columns // 2
        layers["flatten"] = nn.Flatten()
        layers["classify"] = nn.Linear(channels * height * columns, len(data.labels))
    return nn.Sequential(layers)
