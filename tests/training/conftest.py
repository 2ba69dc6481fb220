"""Pictures and a trained network that several tests share: training takes seconds."""

from __future__ import annotations

import pytest

from onnx_workbench import training


@pytest.fixture(scope="session")
def pictures() -> training.Dataset:
    return training.signs(800, 400, seed=3)


@pytest.fixture(scope="session")
def few() -> training.Dataset:
    """Enough to train something, in a moment."""
    return training.signs(64, 16, seed=4)


@pytest.fixture(scope="session")
def trained(pictures):
    """A network after eight short epochs; tests leave it as it is."""
    return training.fit(training.small_convnet(pictures), pictures, epochs=8, batch_size=32, threads=1)
