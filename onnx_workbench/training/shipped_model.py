"""The small sign classifier that comes with the package, so that a first lesson needs no torch."""

from __future__ import annotations

from pathlib import Path

from onnx_workbench.core.model import Model
from onnx_workbench.sources.open import open_model

SIGNS_MODEL = Path(__file__).parent / "assets" / "signs.onnx"


def signs_model() -> Model:
    """Return a classifier of road signs, trained on ``signs(seed=1)``; labels and preprocessing are in it.

    ``python -m onnx_workbench.training.make_signs_model`` makes its file anew.

    Examples
    --------
    >>> data = training.signs()
    >>> ow.classify(training.signs_model(), data.test_images[:1]).best
    ('yield',)
    """
    return open_model(SIGNS_MODEL)
