"""classify: pictures in, names of classes with probabilities out."""

from __future__ import annotations

import io
import math
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
from onnx_workbench.core.graph_parts import Node, Value
from onnx_workbench.core.images import ImageLike, iterate_images, open_image
from onnx_workbench.core.model import Model
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.runtime.picture_advice import picture_layout
from onnx_workbench.runtime.session import Session, session_of

_BATCH = 32
_BATCH_BYTES = 1 << 28  # of prepared pictures at once: a model's file may ask for large ones
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
    ('yield',)
    """
    session = session_of(model)
    if session.model is None:
        raise InputError(
            "classify takes a model, not a live module. Open it first: open_model(module, example_inputs=x)."
        )
    if top < 1:
        raise InputError(f"top is the number of classes to show, from 1; got {top!r}.")
    if hasattr(pictures, "detach"):  # a torch tensor
        pictures = pictures.detach().cpu().numpy()
    if _is_prepared(pictures, session.model):
        batches = _prepared(pictures, session.model)
    else:
        batches = _batches(pictures, _required(session.model, preprocessing), session.model)
    rows, names, thumbnails, errors = _run_all(session, session.model, batches)
    if not rows:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(errors.items())[:3])
        raise ImageError(f"No picture could be read: {reasons}")
    probabilities = np.concatenate(rows)
    if unclear := int(np.isnan(probabilities).any(axis=1).sum()):
        warnings.warn(
            f"The model's output holds NaN or infinities for {unclear} of {len(names)} pictures.",
            WorkbenchWarning,
            stacklevel=2,
        )
    chosen = _labels(session.model, labels, probabilities.shape[1])
    return Predictions(probabilities, chosen, tuple(names), errors, top, tuple(thumbnails))


@dataclass(frozen=True)
class _Batch:
    array: NDArray[Any] | None
    names: tuple[str, ...]
    thumbnails: tuple[bytes, ...]
    errors: dict[str, str]
    total: int


def _input_shape(model: Model) -> tuple[int | str | None, ...]:
    return (model.inputs[0].shape or ()) if model.inputs else ()


def _is_prepared(pictures: object, model: Model) -> bool:
    if not isinstance(pictures, np.ndarray) or pictures.dtype.kind != "f":
        return False
    return pictures.ndim >= 3 or pictures.ndim == len(_input_shape(model))


def _prepared(pictures: object, model: Model) -> Iterator[_Batch]:
    array = np.asarray(pictures)
    if array.size == 0:
        raise InputError(f"No pictures: the array has shape {format_shape(array.shape)}.")
    if array.ndim != (len(_input_shape(model)) or 4):
        yield _Batch(array, ("0",), (), {}, 1)  # running it says what is wrong
        return
    for start in range(0, len(array), _BATCH):
        part = array[start : start + _BATCH]
        names = tuple(str(index) for index in range(start, start + len(part)))
        yield _Batch(part, names, (), {}, len(array))


def declared_preprocessing(model: Model) -> dict[str, Any]:
    """Return the fields of `Preprocessing` that a model's input tells; a usual size where it tells none."""
    shape = _input_shape(model)
    nhwc = len(shape) == 4 and shape[3] in {1, 3} and shape[1] not in {1, 3}
    height_width = shape[1:3] if nhwc else shape[2:4]
    known = len(shape) == 4 and all(isinstance(d, int) for d in height_width)
    fields: dict[str, Any] = {"size": tuple(height_width) if known else (224, 224)}
    channels = shape[3] if nhwc else shape[1] if len(shape) == 4 else 3
    if nhwc:
        fields["layout"] = "NHWC"
    if channels == 1:
        fields["color"] = "GRAY"
    return fields


def _required(model: Model, given: Preprocessing | None) -> Preprocessing:
    """Return the preprocessing, or raise the error that says how to give it."""
    if (preprocessing := given or model.preprocessing) is not None:
        return preprocessing
    value = model.inputs[0] if model.inputs else Value("?")
    parts = [f"{name}={field!r}" for name, field in declared_preprocessing(model).items()]
    raise PreprocessingError(
        f"The model does not say how a picture becomes its input {clean_text(value.name)!r} "
        f"({value.dtype or '?'} {format_shape(value.shape)}): size, channel order, range, mean and std.\n"
        f"Give what it was trained with:  classify(model, picture, preprocessing=Preprocessing({', '.join(parts)}))\n"
        "To keep it in the file:  model.with_metadata(preprocessing=..., labels=[...]).save('model.onnx')"
    )


def _batches(pictures: object, preprocessing: Preprocessing, model: Model) -> Iterator[_Batch]:
    """Yield prepared batches; a picture of a folder that cannot be read is noted and passed over."""
    listed = list(iterate_images(pictures))
    folder = isinstance(pictures, (str, os.PathLike)) and Path(pictures).expanduser().is_dir()
    step = _pictures_at_once(preprocessing)
    for start in range(0, len(listed), step):
        part = listed[start : start + step]
        names = [_name(item, start + offset) for offset, item in enumerate(part)]
        errors: dict[str, str] = {}
        try:
            array: NDArray[Any] | None = preprocessing(part)
        except ImageError:
            if not folder:
                raise
            array, part, names, errors = _one_by_one(part, names, preprocessing)
        if array is not None:
            _require_fit(array.shape, preprocessing, model)
        thumbnails = tuple(_thumbnail(item) for item in part[: max(0, THUMBNAILS - start)])
        yield _Batch(array, tuple(names), thumbnails, errors, len(listed))


def _require_fit(shape: tuple[int, ...], preprocessing: Preprocessing, model: Model) -> None:
    """Say that it is the preprocessing that does not fit; advice on arrays would miss what the user can mend."""
    wanted = _input_shape(model)
    fits = not wanted or (
        len(shape) == len(wanted)
        and all(w == s or not isinstance(w, int) for s, w in zip(shape[1:], wanted[1:], strict=True))
    )
    if fits:
        return
    mends = []
    if (layout := picture_layout(wanted)) is not None:
        height, width = (wanted[layout.index(axis)] for axis in "HW")
        if layout != preprocessing.layout:
            mends.append(f"layout={layout!r}")
        if isinstance(height, int) and isinstance(width, int) and (height, width) != preprocessing.size:
            mends.append(f"size=({height}, {width})")
        if wanted[layout.index("C")] != preprocessing.channels:
            mends.append("color='GRAY'" if wanted[layout.index("C")] == 1 else "color='RGB'")
    how = f"dataclasses.replace(preprocessing, {', '.join(mends)})" if mends else "a Preprocessing that fits"
    raise PreprocessingError(
        f"The preprocessing makes {format_shape((1, *shape[1:]))} of a picture (layout {preprocessing.layout}), and "
        f"input {clean_text(model.inputs[0].name)!r} takes {format_shape(wanted)}.\n"
        f"Give  preprocessing={how}  and keep it with model.with_metadata(preprocessing=...)."
    )


def _pictures_at_once(preprocessing: Preprocessing) -> int:
    if preprocessing.size is None:
        return _BATCH
    each = preprocessing.channels * math.prod(preprocessing.size) * np.dtype(preprocessing.dtype).itemsize
    return max(1, min(_BATCH, _BATCH_BYTES // each))


def _one_by_one(
    part: list[ImageLike], names: list[str], preprocessing: Preprocessing
) -> tuple[NDArray[Any] | None, list[ImageLike], list[str], dict[str, str]]:
    good: dict[str, ImageLike] = {}
    errors: dict[str, str] = {}
    for item, name in zip(part, names, strict=True):
        try:
            preprocessing.resized(item)
        except ImageError as error:
            errors[name] = str(error)
        else:
            good[name] = item
    array = preprocessing(list(good.values())) if good else None
    return array, list(good.values()), list(good), errors


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
                rows.append(class_probabilities(session, model, batch.array))
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


def class_probabilities(session: Session, model: Model, array: NDArray[Any]) -> NDArray[np.float32]:
    """Return (N, classes) probabilities of a prepared batch."""
    name = _class_output(model).name
    rows = _rows(session, model, name, array)
    last = _last_operator(model, name)
    if last == "Sigmoid":  # the classes do not exclude each other: each has a probability of its own
        return rows.astype(np.float32)
    with np.errstate(invalid="ignore"):  # infinities become NaN, which the caller reports
        if last != "Softmax" and not _are_probabilities(rows):
            rows = np.exp(rows - rows.max(axis=1, keepdims=True))  # right for logits and for LogSoftmax alike
        probabilities: NDArray[np.float32] = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


def _rows(session: Session, model: Model, name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    """Return the class output as (N, classes)."""
    raw = _run_in_batches(session, name, array, _input_shape(model))
    if raw.ndim == 1 and len(array) == 1:
        raw = raw[np.newaxis]
    if raw.ndim < 2 or len(raw) != len(array) or math.prod(raw.shape[2:]) != 1 or raw.shape[1] < 2:
        raise InputError(
            f"This model is no classifier of several classes: for {len(array)} picture(s), its output "
            f"{clean_text(name)!r} has shape {format_shape(raw.shape)}, not one row of numbers for each picture.\n"
            "Give the pictures to run() as arrays, and read its output by what the model means."
        )
    return np.asarray(raw, np.float64).reshape(len(raw), -1)


def _run_in_batches(
    session: Session, name: str, array: NDArray[Any], declared: tuple[int | str | None, ...]
) -> NDArray[Any]:
    """Run at the batch size that the model is fixed at, if it is; the last batch is filled up."""
    size = declared[0] if declared and array.ndim == len(declared) else None
    if not isinstance(size, int) or size < 1 or size == len(array):
        return session.run(array, [name])[name]
    found = []
    for start in range(0, len(array), size):
        part = array[start : start + size]
        filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
        found.append(session.run(filled, [name])[name][: len(part)])
    return np.concatenate(found)


def _are_probabilities(rows: NDArray[np.float64]) -> bool:
    return bool((rows >= 0).all() and np.allclose(rows.sum(axis=1), 1.0, atol=1e-3))


def _class_output(model: Model) -> Value:
    """Return the output with one number for each class: floating, two axes (or more of size 1)."""
    for value in model.outputs:
        shape = value.shape
        floating = value.dtype is None or value.dtype.startswith(("float", "bfloat"))
        if floating and (shape is None or len(shape) in {1, 2} or (shape and all(d == 1 for d in shape[2:]))):
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
    if isinstance(given, (str, bytes)):
        raise InputError(f"labels is a list of {count} names, in the order of the output; got one text.")
    labels = tuple(map(str, given)) if given is not None else model.labels
    if labels is None:
        return tuple(f"class {index}" for index in range(count))
    if len(labels) != count:
        if given is not None:
            raise InputError(f"labels has {len(labels)} names, and the model gives {count} classes.")
        raise InputError(
            f"The model's file has {len(labels)} labels, and the model gives {count} classes. "
            "Give the right ones with labels=[...]."
        )
    return labels
