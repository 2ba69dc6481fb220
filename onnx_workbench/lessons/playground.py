"""playground(): the front door to the playground; what shows it is imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from onnx_workbench.core.errors import require

if TYPE_CHECKING:
    from onnx_workbench.views.playground_widget import Playground


def playground(model: object, pictures: object, *, expected: Sequence[int | str] | None = None) -> Playground:
    """Play with a classifier: turn, dim and blur a picture, prepare it wrongly, and see what the model sees.

    Parameters
    ----------
    model
        Anything that ``open_model`` takes; a classifier whose file says how pictures are prepared.
    pictures
        The pictures to choose from: one, a list, a folder, or an NHWC uint8 array.
    expected
        What they show, one label or class index for each; None if nobody knows.

    Returns
    -------
    Playground
        Displays itself in a notebook. ``.controls`` holds the sliders and boxes by name, ``.predictions`` what
        the model says now, ``.array`` what it was fed.

    Raises
    ------
    PreprocessingError
        If the model does not say how a picture becomes its input.
    ImageError
        If the first picture cannot be read.
    InputError
        If `expected` does not fit, or the model takes no floating numbers.
    MissingPackageError
        If the packages for notebooks are not installed.

    Examples
    --------
    >>> from onnx_workbench import lessons
    >>> play = lessons.playground("signs.onnx", data.test_images[:8], expected=data.test_labels[:8])
    >>> play.controls["bgr"].value = True
    >>> play.mistakes
    ('bgr',)
    """
    require("ipywidgets", purpose="to play with sliders", extra="notebook")
    from onnx_workbench.views.playground_widget import Playground

    return Playground(model, pictures, expected=expected)
