"""Layout, rank, dtype and order: what makes an array fit an input, and what may be wrong with one that fits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from onnx_workbench.analysis.diagnosing.steps import Array, Axes, Step, axes_of
from onnx_workbench.core.errors import InputError
from onnx_workbench.core.graph_parts import Value
from onnx_workbench.core.model import Model
from onnx_workbench.core.preprocessing import Preprocessing

_CHANNELS = (1, 3, 4)
_LARGEST = 1e30  # the square of more would overflow
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's "L"


@dataclass(frozen=True)
class PictureInput:
    """The one input of a model that takes pictures: its axes, and what is known of its sizes."""

    value: Value
    axes: Axes
    channels: int
    size: tuple[int, int] | None

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the model takes; float32 where it does not say."""
        return np.dtype(self.value.dtype or "float32")

    @property
    def dimensions(self) -> tuple[int | None, ...]:
        """Size of each axis; None where any will do."""
        shape = self.value.shape
        sizes = [d if isinstance(d, int) else None for d in shape or (None,) * self.axes.rank]
        known = dict(zip((self.axes.height, self.axes.width), self.size or (None, None), strict=True))
        known[self.axes.channels] = self.channels
        found = [known.get(axis, size) for axis, size in enumerate(sizes)]
        if self.axes.layout[0] != "C" and found:
            found[0] = None  # a fixed batch is run in parts
        return tuple(found)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tell whether the model runs arrays of this shape."""
        return len(shape) == self.axes.rank and all(
            want is None or want == got for want, got in zip(self.dimensions, shape, strict=True)
        )


def picture_input(model: Model, preprocessing: Preprocessing | None) -> PictureInput:
    """Return the model's input, or say why the doctor cannot help.

    Raises
    ------
    InputError
        If the model does not take one array of pictures.
    """
    if len(model.inputs) != 1:
        listed = "; ".join(map(str, model.inputs)) or "none"
        raise InputError(
            f"The doctor looks at models with one input, a picture; this one has {len(model.inputs)}: {listed}.\n"
            "Give the arrays to run(): it names what does not fit."
        )
    value = model.inputs[0]
    try:
        numeric = np.dtype(value.dtype or "float32").kind in "fiu"
    except TypeError:
        numeric = False
    if not numeric or (value.shape is not None and not 2 <= len(value.shape) <= 4):
        raise InputError(
            f"The doctor looks at inputs that are pictures: numbers with 2 to 4 axes. This model takes {value}."
        )
    axes = axes_of(_layout(value, preprocessing))
    shape = value.shape or (None,) * axes.rank
    declared = None if axes.channels is None else shape[axes.channels]
    fallback = preprocessing.channels if preprocessing else 3
    channels = declared if isinstance(declared, int) else 1 if axes.channels is None else fallback
    return PictureInput(value, axes, channels, _size(shape, axes, preprocessing))


def _layout(value: Value, preprocessing: Preprocessing | None) -> str:
    shape = value.shape
    if shape is None or len(shape) == 4:
        if shape is not None and shape[3] in _CHANNELS and shape[1] not in _CHANNELS:
            return "NHWC"
        if shape is not None and shape[1] in _CHANNELS and shape[3] not in _CHANNELS:
            return "NCHW"
        return preprocessing.layout if preprocessing else "NCHW"
    if len(shape) == 2:
        return "flat"
    if shape[0] in _CHANNELS:
        return "CHW"
    return "HWC" if shape[2] in _CHANNELS else "NHW"


def _size(
    shape: tuple[int | str | None, ...], axes: Axes, preprocessing: Preprocessing | None
) -> tuple[int, int] | None:
    if axes.height is None or axes.width is None:
        return None
    height, width = shape[axes.height], shape[axes.width]
    if isinstance(height, int) and isinstance(width, int):
        return height, width
    return preprocessing.size if preprocessing else None


@dataclass(frozen=True)
class Fitting:
    """Steps after which an array has the rank, layout and dtype of the input; `cost` counts odd guesses."""

    steps: tuple[Step, ...]
    cost: int


def fittings(array: Array, wanted: PictureInput, *, limit: int = 4) -> tuple[Fitting, ...]:
    """Return the ways to make an array fit, the usual ones first; none if there is no way."""
    if wanted.fits(array.shape):
        return (Fitting(_cast(array, wanted), 0),)
    found: dict[tuple[str, ...], Fitting] = {}
    for steps, shape, cost in _ranks(array.shape, wanted):
        for transpose, odd in _transposes(shape, wanted):
            every = (*_cast(array, wanted), *steps, *transpose)
            templates = tuple(step.template for step in every)
            if templates not in found or found[templates].cost > cost + odd:
                found[templates] = Fitting(every, cost + odd)
    return tuple(sorted(found.values(), key=lambda fitting: (fitting.cost, len(fitting.steps))))[:limit]


def _cast(array: Array, wanted: PictureInput) -> tuple[Step, ...]:
    """Return the conversion to the model's dtype; to bytes it comes last, after the numbers are right."""
    if array.dtype == wanted.dtype or wanted.dtype.kind != "f":
        return ()
    words = f"dtype {array.dtype} where the model takes {wanted.dtype}"
    return (Step("dtype", words, f"{{x}}.astype(np.{wanted.dtype})", lambda x: x.astype(wanted.dtype)),)


def to_whole_numbers(wanted: PictureInput, given: np.dtype[Any]) -> Step:
    """Return the last step to an input of whole numbers."""
    limits = np.iinfo(wanted.dtype)
    low, high = max(0, int(limits.min)), min(255, int(limits.max))
    return Step(
        "dtype",
        f"dtype {given} where the model takes {wanted.dtype}",
        f"np.clip(np.rint({{x}}), {low}, {high}).astype(np.{wanted.dtype})",
        lambda x: np.clip(np.rint(x), low, high).astype(wanted.dtype),
    )


def _ranks(
    shape: tuple[int, ...], wanted: PictureInput
) -> Iterator[tuple[tuple[Step, ...], tuple[int, ...], int]]:
    """Yield ways to the right number of axes: (steps, shape, cost)."""
    rank = wanted.axes.rank
    if wanted.axes.layout == "flat":
        yield from _flattened(shape, wanted)
        return
    if len(shape) == rank:
        yield (), shape, 0
    if len(shape) in {rank - 1, rank - 2}:
        yield from _widened(shape, wanted)
    if rank < len(shape) <= rank + 2:
        for axis in (index for index, size in enumerate(shape) if size == 1):
            step = _squeeze(axis)
            rest = (*shape[:axis], *shape[axis + 1 :])
            yield from (((step, *steps), found, cost) for steps, found, cost in _ranks(rest, wanted))
    if len(shape) <= 2:
        yield from _unflattened(shape, wanted)


def _widened(
    shape: tuple[int, ...], wanted: PictureInput
) -> Iterator[tuple[tuple[Step, ...], tuple[int, ...], int]]:
    rank, channels = wanted.axes.rank, wanted.axes.channels
    missing = rank - len(shape)
    batch = _new_axis(0, "batch axis", "the batch axis is missing")
    if missing == 1 and wanted.axes.layout[0] == "N":
        yield (batch,), (1, *shape), 0
    if channels is not None and channels <= len(shape):
        place = channels if missing == 1 else channels - 1
        channel = _new_axis(place, "channels", "the channel axis is missing")
        widened = (*shape[:place], 1, *shape[place:])
        if missing == 1:
            yield (channel,), widened, 1 if shape[0] in _CHANNELS else 0
        elif wanted.axes.layout[0] == "N":
            yield (channel, batch), (1, *widened), 0


def _new_axis(axis: int, slip: str, words: str) -> Step:
    code = "{x}[np.newaxis]" if axis == 0 else f"np.expand_dims({{x}}, {axis})"
    return Step(slip, words, code, lambda x: np.expand_dims(x, axis))


def _squeeze(axis: int) -> Step:
    code = "{x}[0]" if axis == 0 else f"np.squeeze({{x}}, {axis})"
    return Step("batch axis", "there is an axis too many", code, lambda x: np.squeeze(x, axis))


def _reshape(words: str, inner: tuple[int, ...]) -> Step:
    code = f"{{x}}.reshape(-1, {', '.join(map(str, inner))})"
    return Step("axes", words, code, lambda x: x.reshape(-1, *inner))


def _flattened(
    shape: tuple[int, ...], wanted: PictureInput
) -> Iterator[tuple[tuple[Step, ...], tuple[int, ...], int]]:
    """Yield ways from pictures to rows: the first axis is the batch, or there is none."""
    width, total = wanted.dimensions[1], math.prod(shape)
    for count in (shape[0], 1) if shape else ():
        if width in {None, total // count}:
            row = total // count
            yield (_reshape("pictures where the model takes rows", (row,)),), (count, row), int(count == 1)


def _unflattened(
    shape: tuple[int, ...], wanted: PictureInput
) -> Iterator[tuple[tuple[Step, ...], tuple[int, ...], int]]:
    """Yield ways from rows of numbers to pictures: channels first, and channels last."""
    if wanted.size is None or wanted.axes.layout not in {"NCHW", "NHWC"}:
        return
    height, width = wanted.size
    item, total = height * width * wanted.channels, math.prod(shape)
    if total % item or (len(shape) == 2 and shape[1] != item):
        return
    for inner in ((wanted.channels, height, width), (height, width, wanted.channels)):
        step = _reshape("rows of numbers where the model takes pictures", inner)
        yield (step,), (total // item, *inner), 0


def _transposes(shape: tuple[int, ...], wanted: PictureInput) -> Iterator[tuple[tuple[Step, ...], int]]:
    """Yield orders of the axes, and numbers of channels, that fit: (steps, cost)."""
    for order in permutations(range(len(shape))):
        ordered = tuple(shape[axis] for axis in order)
        channel = _channel_step(ordered, wanted)
        if channel is None:
            continue
        steps, cost = _transposed(order, wanted.axes), _oddity(order, wanted.axes)
        if steps and channel:
            cost += 1
        yield (*steps, *channel), cost


def _transposed(order: tuple[int, ...], axes: Axes) -> tuple[Step, ...]:
    if order == tuple(range(len(order))):
        return ()
    slip, words = "layout", f"the axes stand in another order than {axes.layout}"
    if order in {(0, 3, 1, 2), (0, 2, 3, 1)}:
        other = "NHWC (channels last)" if order == (0, 3, 1, 2) else "NCHW (channels first)"
        words = f"{other} where the model takes {axes.layout}"
    elif axes.height is not None and order == _swapped_order(axes):
        slip, words = "swapped", "height and width are swapped"
    return (Step(slip, words, f"np.transpose({{x}}, {order})", lambda x: np.transpose(x, order)),)


def _oddity(order: tuple[int, ...], axes: Axes) -> int:
    """Return 0 for the usual layouts, more for those that hardly anybody makes."""
    if order == tuple(range(len(order))) or order in {(0, 3, 1, 2), (0, 2, 3, 1), (2, 0, 1), (1, 2, 0)}:
        return 0
    return 1 if axes.height is not None and order == _swapped_order(axes) else 2 + (order[0] != 0)


def _swapped_order(axes: Axes) -> tuple[int, ...]:
    order = list(range(axes.rank))
    if axes.height is not None and axes.width is not None:
        order[axes.height], order[axes.width] = axes.width, axes.height
    return tuple(order)


def _channel_step(shape: tuple[int, ...], wanted: PictureInput) -> tuple[Step, ...] | None:
    """Return what brings a shape to the model's channels, or None if it does not fit even then."""
    if wanted.fits(shape):
        return ()
    axis = wanted.axes.channels
    if axis is None or len(shape) != wanted.axes.rank:
        return None
    got, want = shape[axis], wanted.channels
    if not wanted.fits((*shape[:axis], want, *shape[axis + 1 :])):
        return None
    slice_ = ", ".join(":" for _ in range(axis))
    if (got, want) == (1, 3):
        code = f"np.repeat({{x}}, 3, {axis})"
        return (
            Step(
                "channels", "one channel where the model takes three", code, lambda x: np.repeat(x, 3, axis)
            ),
        )
    if (got, want) == (4, 3):
        code = f"{{x}}[{slice_}, :3]" if axis else "{x}[:3]"
        return (Step("channels", "an alpha channel too many", code, lambda x: np.take(x, range(3), axis)),)
    if (got, want) == (3, 1):
        return (_to_grey(wanted),)
    return None


def _to_grey(wanted: PictureInput) -> Step:
    axis, axes = wanted.axes.channels, wanted.axes
    tail = (1,) * (axes.rank - 1 - (axis or 0))
    place = f".reshape{(3, *tail)}" if tail else ""
    code = f"({{x}} * np.array({list(_GREY)}, np.float32){place}).sum({axis}, keepdims=True)"
    weights = axes.per_channel(_GREY, np.dtype(np.float32))
    return Step(
        "channels",
        "three channels where the model takes one",
        code,
        lambda x: (x * weights).sum(axis, keepdims=True),
    )


def orders(shape: tuple[int, ...], wanted: PictureInput) -> tuple[tuple[Step, ...], ...]:
    """Return what may have to be undone in an array that fits: no step, one, or two, each pair in both orders."""
    axes = wanted.axes
    if axes.height is None or axes.width is None:
        return ((),)
    single = [_unswap(shape, axes)]
    if axes.channels is not None and wanted.channels == 3:
        single += [_reverse_channels(axes), _undo_reshape(shape, axes)]
    pairs = [(one, other) for one in single for other in single if one is not other]
    commuting = {("bgr", "swapped")}  # the same as ("swapped", "bgr")
    return (
        (),
        *((step,) for step in single),
        *(pair for pair in pairs if (pair[0].slip, pair[1].slip) not in commuting),
    )


def _reverse_channels(axes: Axes) -> Step:
    axis = axes.channels or 0
    before = {0: "", axes.rank - 1: "..., "}.get(axis, ":, " * axis)
    return Step("bgr", "red and blue are swapped", f"{{x}}[{before}::-1]", lambda x: np.flip(x, axis))


def _unswap(shape: tuple[int, ...], axes: Axes) -> Step:
    order = _swapped_order(axes)
    words, code = "height and width are swapped", f"np.transpose({{x}}, {order})"
    turned = [shape[axis] for axis in order]
    if list(shape) == turned:
        return Step("swapped", words, code, lambda x: np.transpose(x, order))
    # Of a picture that is not square, swapped axes fit only after a reshape, which the undoing begins with.
    inner = _inner(turned, axes)
    code = f"np.transpose({{x}}.reshape({', '.join(map(str, inner))}), {order})"
    return Step("swapped", words, code, lambda x: np.transpose(x.reshape(inner), order))


def _inner(shape: list[int], axes: Axes) -> tuple[int, ...]:
    """Return a shape with -1 for the batch."""
    return (-1, *shape[1:]) if axes.layout[0] == "N" else tuple(shape)


def _undo_reshape(shape: tuple[int, ...], axes: Axes) -> Step:
    """Return the undoing of a reshape from the other layout: numbers back in their order, then a transpose."""
    letters = [letter for letter in axes.layout if letter != "C"]
    other = [*letters, "C"] if axes.layout[-1] != "C" else [*letters[:-2], "C", *letters[-2:]]
    sizes = dict(zip(axes.layout, shape, strict=True))
    inner = _inner([sizes[letter] for letter in other], axes)
    order = tuple(other.index(letter) for letter in axes.layout)
    words = "reshaped instead of transposed: the pixels are mixed"
    code = f"{{x}}.reshape({', '.join(map(str, inner))}).transpose{order}"
    return Step("reshape", words, code, lambda x: x.reshape(inner).transpose(order))


def roughness(array: Array, axes: Axes) -> float:
    """Return how much neighbouring pixels differ, relative to the contrast of their plane: mixed pixels are rough."""
    height, width = axes.height, axes.width
    if height is None or width is None or min(array.shape[height], array.shape[width]) < 2:
        return 1.0
    values = np.clip(array.astype(np.float64), -_LARGEST, _LARGEST)
    steps = sum(float(np.abs(np.diff(values, axis=axis)).mean()) for axis in (height, width))
    contrast = float(np.sqrt(values.var(axis=(height, width)).mean()))
    return max(steps / (contrast + 1e-12), 1e-6)
