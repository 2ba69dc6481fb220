"""Preprocessing: every step from a picture to the array that a model expects, said and not guessed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from itertools import pairwise, starmap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnx_workbench.core.errors import PreprocessingError
from onnx_workbench.core.formatting import escape
from onnx_workbench.core.images import ImageLike, iterate_images, open_image
from onnx_workbench.core.resizing import INTERPOLATIONS, resize

_LARGEST_SIZE_PIXELS = 1 << 26  # a model's file may ask for any size
_CHOICES = {
    "resize": ("stretch", "crop", "pad"),
    "color": ("RGB", "BGR", "GRAY"),
    "layout": ("NCHW", "NHWC"),
    "interpolation": tuple(INTERPOLATIONS),
    "dtype": ("float32", "float16", "float64", "uint8"),
}


@dataclass(frozen=True)
class Preprocessing:
    """How a picture (HWC uint8 RGB) becomes a model's input.

    The steps, in order: resize; swap or join channels; multiply by `scale`; subtract `mean` and divide by
    `std`; change HWC to CHW; add the batch axis; convert to `dtype`.

    Parameters
    ----------
    size
        (height, width) in pixels that the model takes; None leaves pictures as large as they are.
    resize
        ``"stretch"`` to the size; ``"crop"``: shrink until the shorter side fits, then cut out the centre;
        ``"pad"``: shrink until the longer side fits, then add black borders.
    crop_fraction
        With ``"crop"``, the share of the shorter side that is kept: 0.875 for the usual 256 then 224.
    color
        Order of the channels that the model takes: ``"RGB"``, ``"BGR"``, or ``"GRAY"`` for one channel.
    layout
        ``"NCHW"`` (PyTorch, CNTK) or ``"NHWC"`` (TensorFlow).
    scale
        Factor on the values 0..255: 1/255 for models that take 0..1, 1 for those that take 0..255.
    mean, std
        Per channel in the order of `color`, or one number; in units after `scale`.
    dtype
        dtype of the array.
    interpolation
        Filter of the resize: nearest, bilinear, bicubic, lanczos or box, as Pillow defines them.

    Raises
    ------
    PreprocessingError
        If a field has a value that cannot be.

    Examples
    --------
    >>> imagenet = ow.Preprocessing(
    ...     size=(224, 224), resize="crop", crop_fraction=0.875, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ... )
    >>> imagenet("cat.jpg").shape
    (1, 3, 224, 224)
    """

    size: tuple[int, int] | None = None
    resize: str = "stretch"
    crop_fraction: float = 1.0
    color: str = "RGB"
    layout: str = "NCHW"
    scale: float = 1 / 255
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    dtype: str = "float32"
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise PreprocessingError(
                    f"Preprocessing({name}={getattr(self, name)!r}): possible are {', '.join(map(repr, allowed))}."
                )
        if self.size is not None:
            object.__setattr__(self, "size", _size(self.size))
        if not 0 < _number("crop_fraction", self.crop_fraction) <= 1:
            raise PreprocessingError(
                f"crop_fraction is a share, above 0 and up to 1; got {self.crop_fraction!r}."
            )
        if _number("scale", self.scale) == 0:
            raise PreprocessingError(
                "scale=0 would make every picture black. For values 0..255, give scale=1."
            )
        for name in ("crop_fraction", "scale"):
            object.__setattr__(self, name, float(getattr(self, name)))  # numpy's numbers are no JSON
        for name in ("mean", "std"):
            object.__setattr__(self, name, self._per_channel(name, getattr(self, name)))
        if np.any(np.asarray(self.std) == 0):
            raise PreprocessingError("std=0 would divide by zero.")
        if self.dtype == "uint8" and (
            self.scale != 1 or np.any(np.asarray(self.mean)) or np.any(np.asarray(self.std) != 1)
        ):
            raise PreprocessingError(
                "dtype='uint8' goes with scale=1, mean=0 and std=1: bytes hold no fractions."
            )

    def _per_channel(self, name: str, value: object) -> float | tuple[float, ...]:
        if isinstance(value, (int, float)) or (
            isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0
        ):
            return _number(name, value.item() if isinstance(value, np.ndarray) else value)
        if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, str):
            raise PreprocessingError(f"{name} is a number, or one number for each channel; got {value!r}.")
        numbers = tuple(_number(name, item) for item in value)
        if len(numbers) != self.channels:
            raise PreprocessingError(
                f"{name} has {len(numbers)} number(s), and color={self.color!r} has {self.channels} channel(s)."
            )
        return numbers

    @property
    def channels(self) -> int:
        """Number of channels."""
        return 1 if self.color == "GRAY" else 3

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Preprocessing:
        """Return the Preprocessing that `to_dict` described.

        Raises
        ------
        PreprocessingError
            If an entry is unknown or has an impossible value.
        """
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(entries) - known):
            raise PreprocessingError(
                f"Preprocessing has no {', '.join(map(repr, unknown))[:200]}. It has {', '.join(sorted(known))}."
            )
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in entries.items()}
        return cls(**values)

    def __call__(self, pictures: object) -> NDArray[Any]:
        """Return pictures as one batch.

        Parameters
        ----------
        pictures
            One picture (a path, bytes, PIL picture, HWC uint8 array), a list of them, an NHWC uint8 array, or
            a folder. Files are decoded on all cores.

        Returns
        -------
        ndarray
            (N, C, height, width), or (N, height, width, C) for ``"NHWC"``; of `dtype`; contiguous.

        Raises
        ------
        ImageError
            If a picture cannot be read.
        PreprocessingError
            If pictures of several sizes would need a `size`.
        """
        if isinstance(pictures, np.ndarray) and self._is_ready(pictures):
            return self._converted(pictures)
        listed = list(iterate_images(pictures))
        first = self.resized(listed[0])
        shape = (len(listed), self.channels, *np.asarray(first).shape[:2])
        batch = np.empty(
            shape if self.layout == "NCHW" else (*shape[:1], *shape[2:], shape[1]), np.dtype(self.dtype)
        )
        self._fill(batch, 0, first)

        def work_through(stretch: range) -> None:
            for index in stretch:
                self._fill(batch, index, self.resized(listed[index]))

        threads = min(_cores(), len(listed) - 1)
        if threads < 2:
            work_through(range(1, len(listed)))
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(threads) as pool:
                # One task for a stretch of pictures: a task for each would cost more than a small picture does.
                bounds = np.linspace(1, len(listed), min(len(listed) - 1, threads * 8) + 1).astype(int)
                list(pool.map(work_through, starmap(range, pairwise(bounds))))
        return batch

    def _is_ready(self, pictures: NDArray[Any]) -> bool:
        """Tell whether an array is a batch of RGB pictures of the right size already."""
        return (
            pictures.ndim == 4
            and pictures.dtype == np.uint8
            and pictures.shape[3] == self.channels == 3
            and self.size in {None, pictures.shape[1:3]}
            and pictures.size > 0
        )

    def _converted(self, pictures: NDArray[np.uint8]) -> NDArray[Any]:
        """Return a ready batch as the model's array, all pictures at once."""
        count, height, width, channels = pictures.shape
        shape = (count, channels, height, width) if self.layout == "NCHW" else pictures.shape
        batch = np.empty(shape, np.dtype(self.dtype))
        self._write(
            batch if self.layout == "NCHW" else batch.transpose(0, 3, 1, 2), pictures.transpose(0, 3, 1, 2)
        )
        return batch

    def resized(self, picture: ImageLike) -> Image.Image:
        """Return a picture as the RGB or grey PIL picture that the model's size asks for."""
        image = open_image(picture)
        if self.color == "GRAY":
            image = image.convert("L")
        if self.size is None or (image.height, image.width) == self.size:
            return image
        return resize(image, self.size, self.resize, INTERPOLATIONS[self.interpolation], self.crop_fraction)

    @cached_property
    def _factor_and_offset(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """scale, mean and std as one multiplication and one addition per channel, shaped (C, 1, 1)."""
        mean = np.broadcast_to(np.asarray(self.mean, np.float64), (self.channels,))
        std = np.broadcast_to(np.asarray(self.std, np.float64), (self.channels,))
        shape = (self.channels, 1, 1)
        return (
            (self.scale / std).astype(np.float32).reshape(shape),
            (-mean / std).astype(np.float32).reshape(shape),
        )

    def _fill(self, batch: NDArray[Any], index: int, picture: Image.Image) -> None:
        """Write one resized picture into its place in the batch."""
        planes = _planes(picture)
        target = batch[index] if self.layout == "NCHW" else batch[index].transpose(2, 0, 1)
        if planes.shape != target.shape:
            raise PreprocessingError(
                f"Picture 0 is {target.shape[1]} x {target.shape[2]} (height x width) and picture {index} is "
                f"{planes.shape[1]} x {planes.shape[2]}: one batch needs one size. Give Preprocessing(size=...)."
            )
        self._write(target, planes)

    def _write(self, target: NDArray[Any], planes: NDArray[np.uint8]) -> None:
        """Write RGB or grey planes (..., C, height, width) as channels, range and dtype ask for."""
        if self.color == "BGR":
            planes = planes[..., ::-1, :, :]
        if self.dtype == "uint8":
            target[...] = planes
            return
        factor, offset = self._factor_and_offset
        if self.dtype == "float32":
            np.multiply(planes, factor, out=target, dtype=np.float32)
            if offset.any():
                target += offset
        else:
            target[...] = planes * factor.astype(np.float64) + offset

    def picture_of(self, array: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the picture that a model with this preprocessing takes an array for.

        It goes back through the steps: what a model "sees" when an array is fed to it, right or wrong.

        Parameters
        ----------
        array
            One item of a batch (C, height, width), or a batch of one; (height, width, C) for ``"NHWC"``.

        Returns
        -------
        ndarray
            (height, width, 3) uint8 RGB; values outside 0..255 are clipped.
        """
        item = np.asarray(array, np.float32)
        if item.ndim == 4 and item.shape[0] == 1:
            item = item[0]
        planes = item if self.layout == "NCHW" else np.moveaxis(item, -1, 0)
        if planes.ndim != 3 or planes.shape[0] != self.channels:
            axes = "(C, height, width)" if self.layout == "NCHW" else "(height, width, C)"
            raise PreprocessingError(
                f"An item of shape {axes} with C = {self.channels} was expected; got {np.shape(array)}."
            )
        factor, offset = self._factor_and_offset
        values = np.clip(np.rint((planes - offset) / factor), 0, 255)
        pixels = np.nan_to_num(values).astype(np.uint8).transpose(1, 2, 0)
        if self.color == "GRAY":
            return np.repeat(pixels, 3, axis=2)
        return np.ascontiguousarray(pixels[:, :, ::-1] if self.color == "BGR" else pixels)

    def show(self, picture: ImageLike) -> Image.Image:
        """Return a sheet with the picture, what the model sees, and every plane of the array in grey.

        Parameters
        ----------
        picture
            One picture.

        Returns
        -------
        PIL.Image.Image
            Shown by a notebook as it is, light or dark; ``save("sheet.png")`` writes it to a file.
        """
        from onnx_workbench.core.picture_sheet import plane_tile, sheet

        item = self(picture)[0]
        original, seen = open_image(picture), Image.fromarray(self.picture_of(item))
        planes = item if self.layout == "NCHW" else np.moveaxis(item, -1, 0)
        names = "Y" if self.color == "GRAY" else self.color
        taken = f"what the model sees\n{seen.height} x {seen.width}, {self.layout} {self.dtype}"
        tiles = [(original, f"the picture\n{original.height} x {original.width}, HWC uint8"), (seen, taken)]
        tiles += [plane_tile(plane, f"plane {i}: {names[i]}") for i, plane in enumerate(planes)]
        return sheet(tiles)

    @property
    def steps(self) -> tuple[str, ...]:
        """What is done to a picture, step by step, in words."""
        how = {
            "stretch": "stretch",
            "crop": "shrink, then cut out the centre",
            "pad": "shrink, then add borders",
        }
        size = "size" if self.size is None else f"{self.size[0]} x {self.size[1]}"
        steps = ["HWC uint8 RGB, 0..255"]
        if self.size is not None:
            fraction = (
                f" (keep {self.crop_fraction:.1%} of the shorter side)" if self.crop_fraction < 1 else ""
            )
            steps.append(f"{how[self.resize]} to {size} (height x width), {self.interpolation}{fraction}")
        if self.color != "RGB":
            steps.append({"BGR": "swap RGB to BGR", "GRAY": "join RGB to one grey channel"}[self.color])
        if self.scale != 1:
            inverse = 1 / self.scale
            steps.append(f"divide by {inverse:g}" if inverse > 1 else f"multiply by {self.scale:g}")
        if np.any(self.mean):
            steps.append(f"subtract mean {_shown(self.mean)}")
        if np.any(np.asarray(self.std) != 1):
            steps.append(f"divide by std {_shown(self.std)}")
        if self.layout == "NCHW":
            steps.append("HWC -> CHW: np.transpose(picture, (2, 0, 1))")
        steps.append(f"add the batch axis: {self.layout}")
        steps.append(f"dtype {self.dtype}")
        return tuple(steps)

    def __str__(self) -> str:
        """Return the steps, numbered."""
        return "Preprocessing\n" + "\n".join(f"  {i}. {step}" for i, step in enumerate(self.steps))

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(step)}</li>" for step in self.steps)
        return f"<div><strong>Preprocessing</strong><ol start='0'>{items}</ol></div>"


def _planes(picture: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(picture)
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise PreprocessingError(f"{name} takes numbers; got {value!r}.")
    # Beyond float32's range, and within its subnormal numbers, nothing is left of a picture.
    magnitude: Any = abs(value)
    if not (value == 0 or 1e-30 < magnitude < 1e30):  # NaN fails as well
        raise PreprocessingError(f"{name} takes finite numbers that float32 can hold; got {value!r:.40}.")
    return float(value)


def _size(size: object) -> tuple[int, int]:
    if isinstance(size, (int, np.integer)) and not isinstance(size, bool):
        size = (size, size)
    if (
        not isinstance(size, (tuple, list))
        or len(size) != 2
        or not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in size)
    ):
        raise PreprocessingError(f"size is (height, width) in pixels, or one number for both; got {size!r}.")
    if not all(0 < n <= 32768 for n in size):
        raise PreprocessingError(f"size is (height, width), each from 1 to 32,768 pixels; got {size!r:.80}.")
    if size[0] * size[1] > _LARGEST_SIZE_PIXELS:
        raise PreprocessingError(
            f"size is {size[0]:,} x {size[1]:,}; at most {_LARGEST_SIZE_PIXELS:,} pixels are prepared."
        )
    return int(size[0]), int(size[1])


def _shown(value: float | tuple[float, ...]) -> str:
    return f"{value:g}" if isinstance(value, float) else f"({', '.join(f'{item:g}' for item in value)})"
