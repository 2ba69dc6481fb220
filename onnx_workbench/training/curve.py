"""The curve of a training as a small SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

_WIDTH, _HEIGHT, _MARGIN = 420, 150, 34


def curve_svg(losses: Sequence[float], accuracies: Sequence[float]) -> str:
    """Return loss (falling) and validation accuracy (rising) over the epochs."""
    count = max(len(losses), 2)
    top = max([*filter(math.isfinite, losses), 1e-9])
    lines = (
        (losses, top, "#c4603c", f"loss {losses[-1]:.3f}" if losses else "loss"),
        (accuracies, 1.0, "#3c86bd", f"accuracy {accuracies[-1]:.1%}" if accuracies else "accuracy"),
    )
    parts = [
        f'<rect x="{_MARGIN}" y="10" width="{_WIDTH - 2 * _MARGIN}" height="{_HEIGHT - 40}" fill="none" '
        'stroke="#8888"/>'
    ]
    for index, (values, largest, color, name) in enumerate(lines):
        points = [
            (
                _MARGIN + (_WIDTH - 2 * _MARGIN) * i / (count - 1),
                10 + (_HEIGHT - 40) * (1 - min(value / largest, 1.0)),
            )
            for i, value in enumerate(values)
            if math.isfinite(value)  # a training may end with NaN
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{color}"/>' for x, y in points]
        x = _MARGIN + 190 * index
        # No colour is legible on white and on black alike: the words take the page's, and a spot tells whose they are.
        parts.append(f'<rect x="{x}" y="{_HEIGHT - 17}" width="9" height="9" rx="2" fill="{color}"/>')
        parts.append(f'<text x="{x + 15}" y="{_HEIGHT - 8}" fill="currentColor" font-size="13">{name}</text>')
    epochs = f"{len(losses)} epoch{'s' * (len(losses) != 1)}"
    label = f"Training curve after {epochs}: {lines[0][3]}, validation {lines[1][3]}"
    return (
        f'<svg role="img" aria-label="{label}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" xmlns="http://www.w3.org/2000/svg" font-family="sans-serif">'
        f"{''.join(parts)}</svg>"
    )
