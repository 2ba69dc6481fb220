"""classify: pictures in, names of classes with probabilities out."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnx_workbench.analysis.predictions import THUMBNAILS, Predictions
from onnx_workbench.core.errors import ImageError, InputError, PreprocessingError, WorkbenchWarning
from onnx_workbench.core.formatting import clean_text, format_shape
from onnx_workbench.core.images import ImageLike, iterate_images, open_image
from onnx_workbench.core.model import Model, Node, Value
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.runtime.session import Session, session_of

_BATCH = 32
_THUMBNAIL_PIXELS = 64


def classify(
    model: object,
    pictures: object,
    *,
    top: int = 5,
    preprocessing: Preprocessing | None = None,
    labels: Sequence[str] | None = None,
) -> Predictions:
    """Classify one picture, many, or a folder.

    Labels and preprocessing come from the model's file when they are there; arguments win.

    Parameters
    ----------
    model
        A Model (its session is kept for the next call), a Session, or anything that ``open_model`` takes.
    pictures
        A path, bytes, a PIL picture or an HWC uint8 array; a list of these; a folder; an NHWC uint8 array. A
        *prepared* batch is a float array in the model's own layout, fed as it is.
    top
        How many classes are shown for each picture.
    preprocessing, labels
        What the file lacks, or what shall be used instead.

    Returns
    -------
    Predictions
        Probabilities and labels. In a folder, pictures that cannot be read are listed in ``errors``. After Ctrl-C
        it holds the pictures done by then.

    Raises
    ------
    PreprocessingError
        If the file says nothing of preprocessing and none was given.
    ImageError
        If a picture cannot be read.
    InputError
        If the prepared pictures do not fit the model.

    Examples
    --------
    >>> ow.classify("signs.onnx", "picture.png").best
    ('stop',)
    """
    session = session_of(model)
    if session.model is None:
        raise InputError(
            "classify takes a model, not a live module. Open it first: open_model(module, example_inputs=x)."
        )
    how = preprocessing or session.model.preprocessing
    batches = (
        _prepared(pictures) if _is_prepared(pictures) else _batches(pictures, _required(session.model, how))
    )
    rows, names, thumbnails, errors = _run_all(session, session.model, batches)
    if not rows:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(errors.items())[:3])
        raise ImageError(f"No picture could be read: {reasons}")
    probabilities = np.concatenate(rows)
    chosen = _labels(session.model, labels, probabilities.shape[1])
    return Predictions(probabilities, chosen, tuple(names), errors, top, tuple(thumbnails))


@dataclass(frozen=True)
class _Batch:
    array: NDArray[Any] | None
    names: tuple[str, ...]
    thumbnails: tuple[bytes, ...]
    errors: dict[str, str]
    total: int


def _is_prepared(pictures: object) -> bool:
    return isinstance(pictures, np.ndarray) and pictures.dtype.kind == "f" and pictures.ndim >= 3


def _prepared(pictures: object) -> Iterator[_Batch]:
    array = np.asarray(pictures)
    for start in range(0, len(array), _BATCH) if array.ndim > 3 else [0]:
        part = array[start : start + _BATCH] if array.ndim > 3 else array
        names = tuple(str(index) for index in range(start, start + len(part)))
        yield _Batch(part, names if array.ndim > 3 else ("0",), (), {}, len(array))


def _required(model: Model, preprocessing: Preprocessing | None) -> Preprocessing:
    """Return the preprocessing, or raise the error that says how to give it."""
    if preprocessing is not None:
        return preprocessing
    value = model.inputs[0] if model.inputs else Value("?")
    shape = value.shape or ()
    nhwc = len(shape) == 4 and shape[3] in {1, 3} and shape[1] not in {1, 3}
    height_width = shape[1:3] if nhwc else shape[2:4]
    size = height_width if len(shape) == 4 and all(isinstance(d, int) for d in height_width) else (224, 224)
    channels = shape[3] if nhwc else shape[1] if len(shape) == 4 else 3
    parts = [f"size=({size[0]}, {size[1]})"]
    parts += ["layout='NHWC'"] if nhwc else []
    parts += ["color='GRAY'"] if channels == 1 else []
    raise PreprocessingError(
        f"The model does not say how a picture becomes its input {clean_text(value.name)!r} "
        f"({value.dtype or '?'} {format_shape(value.shape)}): size, channel order, range, mean and std.\n"
        f"Give what it was trained with:  classify(model, picture, preprocessing=Preprocessing({', '.join(parts)}))\n"
        "To keep it in the file:  model.with_metadata(preprocessing=..., labels=[...]).save('model.onnx')"
    )


def _batches(pictures: object, preprocessing: Preprocessing) -> Iterator[_Batch]:
    """Yield prepared batches; a picture of a folder that cannot be read is noted and passed over."""
    listed = list(iterate_images(pictures))
    folder = isinstance(pictures, (str, os.PathLike)) and Path(pictures).expanduser().is_dir()
    for start in range(0, len(listed), _BATCH):
        part = listed[start : start + _BATCH]
        names = [_name(item, start + offset) for offset, item in enumerate(part)]
        errors: dict[str, str] = {}
        try:
            array: NDArray[Any] | None = preprocessing(part)
        except (ImageError, PreprocessingError):
            if not folder:
                raise
            array, part, names, errors = _one_by_one(part, names, preprocessing)
        thumbnails = tuple(_thumbnail(item) for item in part[: max(0, THUMBNAILS - start)])
        yield _Batch(array, tuple(names), thumbnails, errors, len(listed))


def _one_by_one(
    part: list[ImageLike], names: list[str], preprocessing: Preprocessing
) -> tuple[NDArray[Any] | None, list[ImageLike], list[str], dict[str, str]]:
    arrays, good, good_names, errors = [], [], [], {}
    for item, name in zip(part, names, strict=True):
        try:
            arrays.append(preprocessing(item))
        except ImageError as error:
            errors[name] = str(error)
            continue
        good.append(item)
        good_names.append(name)
    return (np.concatenate(arrays) if arrays else None), good, good_names, errors


def _name(item: ImageLike, index: int) -> str:
    return Path(item).name if isinstance(item, (str, os.PathLike)) else str(index)


def _thumbnail(item: ImageLike) -> bytes:
    picture = open_image(item).copy()
    picture.thumbnail((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _run_all(
    session: Session, model: Model, batches: Iterator[_Batch]
) -> tuple[list[NDArray[np.float32]], list[str], list[bytes], dict[str, str]]:
    from tqdm.auto import tqdm

    rows: list[NDArray[np.float32]] = []
    names: list[str] = []
    thumbnails: list[bytes] = []
    errors: dict[str, str] = {}
    progress: Any = None
    try:
        for batch in batches:
            if progress is None and batch.total > 4 * _BATCH:
                progress = tqdm(total=batch.total, desc="classify", unit="picture", leave=False)
            if batch.array is not None:
                rows.append(_probabilities(session, model, batch.array))
            names += batch.names
            thumbnails += batch.thumbnails
            errors |= batch.errors
            if progress is not None:
                progress.update(len(batch.names) + len(batch.errors))
    except KeyboardInterrupt:
        if not rows:
            raise
        warnings.warn(f"Stopped: these are the first {len(names)} pictures.", WorkbenchWarning, stacklevel=3)
    finally:
        if progress is not None:
            progress.close()
    return rows, names[: sum(map(len, rows))], thumbnails, errors


def _probabilities(session: Session, model: Model, array: NDArray[Any]) -> NDArray[np.float32]:
    """Return (N, classes) probabilities of a batch; models of fixed batch size 1 get it item by item."""
    declared = model.inputs[0].shape if model.inputs else None
    if declared and declared[0] == 1 and array.ndim == len(declared) and len(array) > 1:
        return np.concatenate(
            [_probabilities(session, model, array[index : index + 1]) for index in range(len(array))]
        )
    value = _class_output(model)
    raw = session.run(array, [value.name])[value.name]
    flat = (
        np.asarray(raw, np.float64).reshape(len(raw), -1)
        if raw.ndim > 1
        else np.asarray(raw, np.float64)[np.newaxis]
    )
    kind = _last_operator(model, value.name)
    if kind == "LogSoftmax":
        flat = np.exp(flat)
    elif kind != "Softmax" and not _are_probabilities(flat):
        flat = np.exp(flat - flat.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float32] = (flat / flat.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


def _are_probabilities(rows: NDArray[np.float64]) -> bool:
    return bool((rows >= 0).all() and np.allclose(rows.sum(axis=1), 1.0, atol=1e-3))


def _class_output(model: Model) -> Value:
    """Return the output with one number for each class: floating, two axes (or more of size 1)."""
    for value in model.outputs:
        shape = value.shape
        floating = value.dtype is None or value.dtype.startswith(("float", "bfloat"))
        if floating and (shape is None or len(shape) <= 2 or all(d == 1 for d in shape[2:])):
            return value
    listed = "; ".join(map(str, model.outputs))
    raise InputError(
        f"This model is no classifier: no output has one number for each class. Its outputs: {listed}."
    )


def _last_operator(model: Model, name: str) -> str:
    """Return the operator that computed an output, past those that only reshape it."""
    node: Node | None = model.producer(name)
    while node is not None and node.op_type in {"Identity", "Flatten", "Reshape", "Squeeze", "Cast"}:
        node = model.producer(node.inputs[0])
    return node.op_type if node else ""


def _labels(model: Model, given: Sequence[str] | None, count: int) -> tuple[str, ...]:
    labels = tuple(given) if given is not None else model.labels
    if labels is None:
        return tuple(f"class {index}" for index in range(count))
    if len(labels) != count:
        where = "labels" if given is not None else "The model's file"
        raise InputError(f"{where} has {len(labels)} names, and the model gives {count} classes.")
    return labels
