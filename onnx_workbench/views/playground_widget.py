"""Playground: change a picture, make mistakes with it, and see at once what the model makes of it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnx_workbench.analysis.classification import classify
from onnx_workbench.analysis.mistakes import MISTAKES, prepare
from onnx_workbench.analysis.predictions import Predictions
from onnx_workbench.core.errors import ImageError, InputError, PreprocessingError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.images import ImageLike, iterate_images, load_image
from onnx_workbench.core.model import as_model
from onnx_workbench.core.picture_sheet import sheet
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.views.distortions import DISTORTIONS, distorted
from onnx_workbench.views.playground_controls import arrange, make_controls
from onnx_workbench.views.playground_pages import bars_html, pictures_html, status_html


class Playground:
    """Sliders and boxes beside a picture, what the model sees of it, and what it says.

    Attributes
    ----------
    controls
        ipywidgets by name: ``picture``, ``rotate``, ``dim``, ``blur``, ``noise``; ``reshape``, ``bgr``,
        ``unscaled``, ``swapped``; ``upload``, ``again``. Setting a ``.value`` does what a hand would do.
    picture
        The changed picture as a person sees it: HWC uint8 RGB.
    array
        What the model was fed.
    predictions
        What it said.
    sentence
        Both in words.
    """

    picture: NDArray[np.uint8]
    array: NDArray[Any]
    predictions: Predictions
    sentence: str

    def __init__(self, model: object, pictures: object, *, expected: Sequence[int | str] | None) -> None:
        import ipywidgets

        self.model = as_model(model)
        self._preprocessing = _usable(self.model.preprocessing)
        self._pictures: list[ImageLike] = list(iterate_images(pictures))
        if not self._pictures:
            raise InputError("A playground needs at least one picture.")
        self._expected: list[str | None] = [None] * len(self._pictures)
        first = classify(self.model, prepare(self._preprocessing, self._pictures[0]))
        if expected is not None:
            self._expected = _names(expected, first.labels, len(self._pictures))
        self._chosen: tuple[int, NDArray[np.uint8]] | None = None
        self.controls = make_controls(self._options(), self._preprocessing)
        self._status, self._seen, self._bars = (ipywidgets.HTML() for _ in range(3))
        self.widget = arrange(self.controls, [self._seen, self._bars], self._status)
        self._refresh()
        for name, control in self.controls.items():
            if name == "again":
                control.on_click(lambda _button: self.start_again())
            else:
                control.observe(self._add_picture if name == "upload" else self._refresh, names="value")

    def start_again(self) -> None:
        """Put every slider and box back."""
        for name in (*DISTORTIONS, *MISTAKES):
            self.controls[name].value = 0 if name in DISTORTIONS else False

    @property
    def mistakes(self) -> tuple[str, ...]:
        """The mistakes that are being made."""
        return tuple(name for name in MISTAKES if self.controls[name].value)

    def _options(self) -> list[tuple[str, int]]:
        return [
            (f"{index + 1}: {clean_text(label)}" if label else f"picture {index + 1}", index)
            for index, label in enumerate(self._expected)
        ]

    def _refresh(self, _change: object = None) -> None:
        index = self.controls["picture"].value
        amounts = {name: self.controls[name].value for name in DISTORTIONS}
        try:
            self.picture = distorted(self._at_model_size(index), amounts)
        except ImageError as error:
            self._status.value = status_html(str(error))
            return
        self.array = prepare(self._preprocessing, self.picture, self.mistakes)
        self.predictions = classify(self.model, self.array)
        verdict = _verdict(self.predictions, self._expected[index])
        consequences = [MISTAKES[name].consequence for name in self.mistakes]
        self.sentence = " ".join((verdict, *consequences))
        seen = self._preprocessing.picture_of(self.array[0])
        self._seen.value = pictures_html(self.picture, seen)
        self._bars.value = bars_html(self.predictions, self._expected[index])
        self._status.value = status_html(verdict, consequences)

    def _at_model_size(self, index: int) -> NDArray[np.uint8]:
        """Return a picture in colour, as large as the model takes it: the sliders mean the same for all."""
        if self._chosen is None or self._chosen[0] != index:
            in_color = Preprocessing(
                size=self._preprocessing.size,
                resize=self._preprocessing.resize,
                crop_fraction=self._preprocessing.crop_fraction,
                interpolation=self._preprocessing.interpolation,
            )
            # Kept while the sliders move: a photograph takes long to decode and to shrink.
            self._chosen = (index, np.asarray(in_color.resized(self._pictures[index])))
        return self._chosen[1]

    def _add_picture(self, change: dict[str, Any]) -> None:
        for file in change["new"]:
            try:
                picture = load_image(bytes(file["content"]))
            except ImageError as error:
                self._status.value = status_html(str(error))
                continue
            self._pictures.append(picture)
            self._expected.append(None)
            chooser = self.controls["picture"]
            options = [*chooser.options, (clean_text(file["name"], limit=40), len(self._pictures) - 1)]
            chooser.options = options
            chooser.value = len(self._pictures) - 1

    def __str__(self) -> str:
        """Return what the model says now."""
        return f"Playground of {clean_text(self.model.name)!r}. {self.sentence}"

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """Return widget, picture and text at once: each reader takes the best it can show."""
        seen = Image.fromarray(self._preprocessing.picture_of(self.array[0]))
        best, probability = self.predictions.top()[0]
        says = f"as the model sees it:\n{clean_text(best, limit=16)} {probability:.1%}"
        buffer = io.BytesIO()
        sheet([(Image.fromarray(self.picture), "as you see it"), (seen, says)]).save(buffer, "PNG")
        return {
            **(self.widget._repr_mimebundle_() or {}),
            "image/png": base64.b64encode(buffer.getvalue()).decode("ascii"),
            "text/plain": str(self),
        }


def _usable(preprocessing: Preprocessing | None) -> Preprocessing:
    if preprocessing is None:
        raise PreprocessingError(
            "A playground needs a model that says how a picture becomes its input, and this file does not.\n"
            "Give it:  model.with_metadata(preprocessing=Preprocessing(size=(height, width), ...), labels=[...])"
        )
    if preprocessing.dtype == "uint8":
        raise InputError(
            "A playground needs a model that takes floating numbers; this one takes the bytes of a picture as they "
            "are, and there is little to get wrong."
        )
    return preprocessing


def _names(expected: Sequence[int | str], labels: tuple[str, ...], count: int) -> list[str | None]:
    """Return what the pictures show as names of classes."""
    if len(expected) != count:
        raise InputError(f"expected has {len(expected)} entries, and there are {count} pictures.")
    names = [entry if isinstance(entry, str) else _label(labels, entry) for entry in expected]
    if unknown := sorted(set(names) - set(labels)):
        listed = ", ".join(clean_text(label) for label in labels[:12])
        raise InputError(
            f"expected holds {clean_text(unknown[0])!r}, which is no class of the model: {listed}."
        )
    return list(names)


def _label(labels: tuple[str, ...], index: int) -> str:
    if not 0 <= index < len(labels):
        raise InputError(f"expected holds the class index {index}; there are {len(labels)} classes, from 0.")
    return labels[index]


def _verdict(predictions: Predictions, expected: str | None) -> str:
    """Return what the model says, and whether that is right."""
    best, probability = predictions.top()[0]
    judged = ""
    if expected is not None:
        judged = ", and that is right" if best == expected else f", but it is {clean_text(expected)}"
    return f"The model says {clean_text(best)} ({probability:.1%}){judged}."
