"""Predictions: what a classifier said of each picture, as text, as HTML and as numbers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.formatting import clean_text, escape, text_table

THUMBNAILS = 24
"""Pictures that are shown beside their probabilities; of more there would be too much to look at."""

_LABEL_STYLE = "flex:none;width:7em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_BAR_STYLE = "display:block;background:#4878a8;height:10px"
_IMAGE_STYLE = "width:64px;height:64px;object-fit:contain;image-rendering:pixelated"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a classifier said of each picture.

    Attributes
    ----------
    probabilities
        (pictures, classes) float32, each row with sum 1; of a model that ends with a sigmoid, and so gives each
        class a probability of its own, as they come.
    labels
        Names of the classes, in the order of the columns.
    pictures
        Names of the pictures: paths, or numbers.
    errors
        Pictures of a folder that could not be read, with the reason.
    """

    probabilities: NDArray[np.float32]
    labels: tuple[str, ...]
    pictures: tuple[str, ...]
    errors: dict[str, str] = field(default_factory=dict)
    shown: int = 5
    thumbnails: tuple[bytes, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.pictures)

    @property
    def indices(self) -> NDArray[np.int64]:
        """Index of the most probable class of each picture."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def best(self) -> tuple[str, ...]:
        """Label of the most probable class of each picture."""
        return tuple(self.labels[index] for index in self.indices)

    def top(self, picture: int = 0, count: int | None = None) -> tuple[tuple[str, float], ...]:
        """Return the most probable (label, probability) pairs of one picture."""
        row = self.probabilities[picture]
        order = np.argsort(-row, kind="stable")[: self.shown if count is None else count]
        return tuple((self.labels[index], float(row[index])) for index in order)

    def accuracy(self, expected: Sequence[int | str] | NDArray[Any]) -> float:
        """Return the share of pictures whose most probable class is the expected one, an index or a label; 0 to 1."""
        wanted = np.asarray(expected)
        if wanted.shape != (len(self),) or wanted.dtype.kind not in "iuU":
            raise InputError(
                f"{len(self)} class indices are needed, one for each picture (or labels); got {wanted.dtype} of shape "
                f"{wanted.shape}."
            )
        if wanted.dtype.kind == "U" and (unknown := set(wanted.tolist()) - set(self.labels)):
            raise InputError(
                f"No class is called {clean_text(min(unknown))!r}; they are {', '.join(self.labels)}."
            )
        found = np.asarray(self.best) if wanted.dtype.kind == "U" else self.indices
        return float((found == wanted).mean())

    def to_dict(self) -> dict[str, Any]:
        """Return the predictions as JSON can hold them."""
        found = [
            {"picture": name, "top": [{"label": label, "probability": p} for label, p in self.top(index)]}
            for index, name in enumerate(self.pictures)
        ]
        return {"predictions": found, "errors": self.errors}

    def __str__(self) -> str:
        """Return a line for each picture."""
        rows = [
            (name, "  ".join(f"{clean_text(label)} {p:.1%}" for label, p in self.top(index)))
            for index, name in enumerate(self.pictures)
        ]
        shown = [*rows[:50], (f"... and {len(rows) - 50:,} more", "")] if len(rows) > 50 else rows
        failed = [f"not read: {clean_text(name)}: {reason}" for name, reason in self.errors.items()]
        return "\n".join((text_table(shown), *failed))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cards = "".join(self._card(index) for index in range(min(len(self), THUMBNAILS)))
        more = f"<p>and {len(self) - THUMBNAILS:,} more pictures</p>" if len(self) > THUMBNAILS else ""
        failed = "".join(
            f"<li>not read: {escape(n)}: {escape(r, limit=400)}</li>" for n, r in self.errors.items()
        )
        grid = "display:grid;grid-template-columns:repeat(auto-fill,minmax(290px,1fr));gap:12px 20px"
        return f"<div style='{grid}'>{cards}</div>{more}{f'<ul>{failed}</ul>' if failed else ''}"

    def _card(self, index: int) -> str:
        bars = "".join(
            f"<div style='display:flex;align-items:center;gap:6px;line-height:1.35'>"
            f"<span style='{_LABEL_STYLE}' title='{escape(label)}'>{escape(label)}</span>"
            f"<span style='flex:none;width:80px'><span style='{_BAR_STYLE};width:{80 * p:.0f}px'></span></span>"
            f"<span style='font-size:85%'>{p:.1%}</span></div>"
            for label, p in self.top(index)
        )
        name = escape(self.pictures[index], limit=40)
        picture = ""
        if index < len(self.thumbnails):
            data = base64.b64encode(self.thumbnails[index]).decode("ascii")
            picture = f"<img alt='picture {name}' src='data:image/png;base64,{data}' style='{_IMAGE_STYLE}'>"
        alone = self.pictures == ("0",)  # one array: its number says nothing
        heading = "" if alone else f"<div><strong>{name}</strong></div>"
        return f"<div style='display:flex;gap:8px'>{picture}<div>{heading}{bars}</div></div>"
