"""Dataset: pictures with labels, in two parts, and the preprocessing that goes with them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.formatting import escape
from onnx_workbench.core.picture_sheet import sheet
from onnx_workbench.core.preprocessing import Preprocessing

_EXAMPLE_COUNT = 4


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures for training and for testing.

    Attributes
    ----------
    train_images, test_images
        (N, height, width, 3) uint8 RGB.
    train_labels, test_labels
        (N,) int64, indices into `labels`.
    labels
        Names of the classes.
    preprocessing
        How the pictures become a network's input.
    """

    name: str
    train_images: NDArray[np.uint8] = field(repr=False)
    train_labels: NDArray[np.int64] = field(repr=False)
    test_images: NDArray[np.uint8] = field(repr=False)
    test_labels: NDArray[np.int64] = field(repr=False)
    labels: tuple[str, ...]
    preprocessing: Preprocessing

    def __post_init__(self) -> None:
        for part, images, labels in (
            ("train", self.train_images, self.train_labels),
            ("test", self.test_images, self.test_labels),
        ):
            if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or len(images) == 0:
                raise InputError(
                    f"{part}_images are uint8 pictures of shape (N, height, width, 3), at least one; "
                    f"got {images.dtype} {images.shape}."
                )
            if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
                raise InputError(
                    f"{part}_labels are {len(images)} whole numbers, one for each picture; "
                    f"got {labels.dtype} {labels.shape}."
                )
            if labels.min() < 0 or labels.max() >= len(self.labels):
                raise InputError(
                    f"{part}_labels go from {labels.min()} to {labels.max()}, and there are {len(self.labels)} labels: "
                    f"0 to {len(self.labels) - 1} are possible."
                )

    @cached_property
    def train_inputs(self) -> NDArray[Any]:
        """The training pictures, preprocessed: (N, C, height, width) float32."""
        return self.preprocessing(self.train_images)

    @cached_property
    def test_inputs(self) -> NDArray[Any]:
        """The test pictures, preprocessed: (N, C, height, width) float32."""
        return self.preprocessing(self.test_images)

    @cached_property
    def example(self) -> NDArray[Any]:
        """A small preprocessed batch of test pictures, to export with and to check with."""
        return self.preprocessing(self.test_images[:_EXAMPLE_COUNT])

    def show(self, count: int = 24, *, columns: int = 8) -> Image.Image:
        """Return a sheet of test pictures with their labels; the first `count`, `columns` in a row."""
        if count < 1 or columns < 1:
            raise InputError(
                f"show(count={count}, columns={columns}): both are whole numbers from 1, pictures and those in a row."
            )
        tiles = [
            (Image.fromarray(image), self.labels[label])
            for image, label in zip(self.test_images[:count], self.test_labels[:count], strict=True)
        ]
        return sheet(tiles, columns=columns, tile=96)

    def __str__(self) -> str:
        """Return one line: name, sizes, classes."""
        height, width = self.train_images.shape[1:3]
        return (
            f"{self.name}: {len(self.train_images):,} pictures to train with and {len(self.test_images):,} to test "
            f"with, {height} x {width}, {len(self.labels)} classes: {', '.join(self.labels)}"
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        buffer = io.BytesIO()
        self.show(16).save(buffer, "PNG")
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        alt = escape(f"Sixteen pictures of {self.name} with their labels")
        return f"<p>{escape(str(self), limit=600)}</p><img alt='{alt}' src='data:image/png;base64,{data}'>"
