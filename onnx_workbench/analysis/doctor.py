"""doctor(): the front door to the diagnosis of inputs; the practice is imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from onnx_workbench.core.preprocessing import Preprocessing

if TYPE_CHECKING:
    from onnx_workbench.analysis.diagnosing.diagnosis import Diagnosis
    from onnx_workbench.analysis.diagnosing.trials import Label


def doctor(
    model: object,
    picture_or_array: object,
    expected_label: Label | Sequence[Label] | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    labels: Sequence[str] | None = None,
) -> Diagnosis:
    """Find out what is wrong with a model's input, and the line that mends it.

    Rules come first: shape, layout, dtype and range of the values against what the model and its file declare. Then
    the few plausible corrections are tried: the model runs on each, and its answers are weighed with how likely such
    values are at all. One picture tells little, several with their labels tell nearly everything.

    Parameters
    ----------
    model
        A classifier: a Model, a Session, or anything that ``open_model`` takes. Of other models of pictures, the
        rules alone judge.
    picture_or_array
        An array that was meant to be the input, whether it runs or not, or a list of such arrays. Or pictures: a
        path, bytes, a PIL picture, a list of these, a folder. A uint8 array whose size is not the model's counts as
        a picture.
    expected_label
        What the picture shows: a label or the index of a class; a list with one for each of several pictures.
    preprocessing, labels
        What the file lacks, or what shall be used instead.

    Returns
    -------
    Diagnosis
        ``verdict``, ``code`` and everything tried. After Ctrl-C it holds the trials done by then.

    Raises
    ------
    InputError
        If there is nothing to judge: no numbers, NaN, no picture, or a model that takes none.
    NameNotFoundError
        If an expected label is none of the model's.
    ImageError
        If a picture cannot be read.

    Examples
    --------
    >>> diagnosis = ow.doctor("signs.onnx", batch[:, ::-1], list(data.test_labels[:16]))
    >>> diagnosis.code
    'x[:, ::-1]'
    """
    from onnx_workbench.analysis.diagnosing.examination import examine

    return examine(model, picture_or_array, expected_label, preprocessing=preprocessing, labels=labels)
