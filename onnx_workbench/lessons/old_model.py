"""The old model of lesson 03: a sign classifier trained by the real CNTK 2.7, and what it answered then."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FILES = Path(__file__).parent / "old_cntk_files"


@dataclass(frozen=True)
class OldModel:
    """Two files that CNTK 2.7 wrote of one network, and its answers to some pictures.

    Parameters
    ----------
    native
        In CNTK's own format.
    onnx
        As CNTK exported it.
    names
        Of the eight signs, in the order of the outputs.
    images
        (32, 32, 32, 3) uint8: pictures, HWC.
    labels
        Which sign each of them shows.
    logits
        (32, 8) float32: what CNTK 2.7 answered to them, CHW, as 0 to 255.
    """

    native: Path
    onnx: Path
    names: tuple[str, ...]
    images: NDArray[np.uint8] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    logits: NDArray[np.float32] = field(repr=False)

    def __str__(self) -> str:
        """Say what there is."""
        return (
            f"a sign classifier of CNTK 2.7: {self.native.name} ({self.native.stat().st_size:,} bytes), "
            f"{self.onnx.name} ({self.onnx.stat().st_size:,} bytes), and its answers to {len(self.images)} pictures"
        )

    def _repr_html_(self) -> str:
        """Say it in a notebook."""
        return f"<p>{html.escape(str(self))}</p>"

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of it, without the arrays."""
        return {"native": str(self.native), "onnx": str(self.onnx), "names": list(self.names)}


def old_cntk_model() -> OldModel:
    """Return the files of a road-sign classifier that the real CNTK 2.7 trained, and its answers.

    Examples
    --------
    >>> old = lessons.old_cntk_model()
    >>> model = C.load_model(old.native)
    """
    with np.load(_FILES / "answers.npz") as kept:
        names = tuple(str(name) for name in kept["names"])
        return OldModel(
            _FILES / "signs.model",
            _FILES / "signs_by_cntk.onnx",
            names,
            kept["images"],
            kept["labels"],
            kept["logits"],
        )
