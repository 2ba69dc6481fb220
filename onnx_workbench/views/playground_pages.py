"""The playground's pictures, bars and sentence as HTML; every text is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnx_workbench.analysis.predictions import Predictions
from onnx_workbench.core.formatting import escape

_MOST_BARS = 10
_PIXELS = 176
_BAR_COLOR, _TRACK_COLOR = "#4878a8", "#8883"


def pictures_html(picture: NDArray[np.uint8], seen: NDArray[np.uint8]) -> str:
    """Return the picture as a person sees it beside the one that the model sees."""
    figures = _figure(picture, "as you see it") + _figure(seen, "as the model sees it")
    return f"<div style='display:flex;flex-wrap:wrap;gap:20px'>{figures}</div>"


def _figure(picture: NDArray[np.uint8], caption: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    # Enlarged pixels stay visible as squares: they are what the model gets.
    style = (
        f"width:{_PIXELS}px;height:{_PIXELS}px;object-fit:contain;image-rendering:pixelated;display:block;"
        f"outline:1px solid {_TRACK_COLOR}"
    )
    return (
        f"<figure style='margin:0'><img alt='The picture {caption}' style='{style}' src='data:image/png;base64,{data}'>"
        f"<figcaption style='line-height:1.6'>{caption}</figcaption></figure>"
    )


def bars_html(predictions: Predictions, expected: str | None) -> str:
    """Return the probabilities as bars: few classes keep their places, of many the first are shown."""
    few = len(predictions.labels) <= _MOST_BARS
    pairs = (
        list(zip(predictions.labels, predictions.probabilities[0].tolist(), strict=True))
        if few
        else predictions.top(0, _MOST_BARS)
    )
    best = predictions.best[0]
    rows = "".join(
        _bar(label, p, mark="✓" if label == expected else "", bold=label == best) for label, p in pairs
    )
    title = "probabilities; ✓ marks what the picture shows" if expected else "probabilities"
    caption = f"<caption style='text-align:left'>{title}</caption>"
    return f"<table style='border-spacing:0;line-height:1.5'>{caption}{rows}</table>"


def _bar(label: str, probability: float, *, mark: str, bold: bool) -> str:
    weight = "600" if bold else "400"
    style = "display:block;width:8em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    name = f"<span style='{style}' title='{escape(label)}'>{escape(label)}</span>"
    return (
        f"<tr style='font-weight:{weight}'><td style='width:1.3em'>{mark}</td><td>{name}</td>"
        f"<td><span style='display:block;width:160px;background:{_TRACK_COLOR}'><span style='display:block;height:11px;"
        f"width:{160 * probability:.0f}px;background:{_BAR_COLOR}'></span></span></td>"
        f"<td style='padding-left:8px;text-align:right'>{probability:.1%}</td></tr>"
    )


def status_html(verdict: str, consequences: Sequence[str] = ()) -> str:
    """Return a verdict, and what mistakes do, as text that screen readers read out when it changes."""
    rest = " ".join(escape(sentence, limit=400) for sentence in consequences)
    text = f"<strong>{escape(verdict, limit=600)}</strong> {rest}"
    return f"<div role='status' style='line-height:1.5;min-height:3em'>{text}</div>"
