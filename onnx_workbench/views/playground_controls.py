"""The playground's sliders, boxes and buttons, and how they stand beside the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx_workbench.analysis.mistakes import MISTAKES, Mistake
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.views.distortions import DISTORTIONS, Distortion

_WIDE = {"width": "100%"}
_NAMED = {"description_width": "4.5em"}


def make_controls(pictures: Sequence[tuple[str, int]], preprocessing: Preprocessing) -> dict[str, Any]:
    """Return the ipywidgets by name; mistakes that the preprocessing cannot suffer are switched off."""
    from ipywidgets import Button, Dropdown, FileUpload

    return {
        "picture": Dropdown(options=pictures, value=0, description="picture", style=_NAMED, layout=_WIDE),
        **{name: _slider(name, distortion) for name, distortion in DISTORTIONS.items()},
        **{name: _box(mistake, preprocessing) for name, mistake in MISTAKES.items()},
        "upload": FileUpload(
            accept="image/*", description="Your picture", tooltip="Choose a picture file of your own"
        ),
        "again": Button(description="Start again", icon="undo", tooltip="Put every slider and box back"),
    }


def _slider(name: str, distortion: Distortion) -> Any:
    from ipywidgets import IntSlider

    return IntSlider(
        min=distortion.lowest,
        max=distortion.highest,
        step=distortion.step,
        description=name,
        tooltip=distortion.meaning,
        style=_NAMED,
        layout=_WIDE,
    )


def _box(mistake: Mistake, preprocessing: Preprocessing) -> Any:
    from ipywidgets import Checkbox

    possible = mistake.is_possible(preprocessing)
    return Checkbox(
        description=mistake.title,
        tooltip=mistake.consequence if possible else "This model cannot be fed this mistake.",
        disabled=not possible,
        indent=False,
        layout=_WIDE,
    )


def arrange(controls: dict[str, Any], answers: Sequence[Any], status: Any) -> Any:
    """Return one widget: controls on the left, answers on the right (below, where there is no room), status under both.

    ipywidgets' Output is not among them: it makes notebook runners wait for messages that never come.
    """
    from ipywidgets import HBox, VBox

    left = VBox(
        [
            controls["picture"],
            _heading("Change the picture"),
            *(controls[name] for name in DISTORTIONS),
            _heading("Make a mistake"),
            *(controls[name] for name in MISTAKES),
            HBox([controls["upload"], controls["again"]]),
        ],
        layout={"flex": "0 1 320px", "min_width": "280px"},
    )
    right = VBox(answers, layout={"flex": "1 1 380px", "min_width": "300px"})
    columns = HBox([left, right], layout={"flex_flow": "row wrap", "grid_gap": "8px 32px"})
    return VBox([columns, status], layout={"max_width": "940px"})


def _heading(text: str) -> Any:
    from ipywidgets import HTML

    return HTML(f"<div style='font-weight:600;margin-top:4px'>{text}</div>")
