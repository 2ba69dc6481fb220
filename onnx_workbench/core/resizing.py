"""Three ways to bring a picture to the size that a model takes."""

from __future__ import annotations

from PIL import Image

from onnx_workbench.core.errors import ImageError
from onnx_workbench.core.images import LARGEST_PIXELS

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}


def resize(
    image: Image.Image,
    size: tuple[int, int],
    how: str,
    interpolation: Image.Resampling,
    crop_fraction: float,
) -> Image.Image:
    """Return a picture of `size` (height, width): stretched, cropped or padded, as `how` says.

    Raises
    ------
    ImageError
        If the picture would have to be enlarged beyond measure before it is cropped.
    """
    height, width = size
    if how == "stretch":
        return image.resize((width, height), interpolation)
    if how == "crop":
        return _cropped(image, height, width, interpolation, crop_fraction)
    ratio = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image.resize(inner, interpolation), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def _cropped(
    image: Image.Image, height: int, width: int, interpolation: Image.Resampling, crop_fraction: float
) -> Image.Image:
    ratio = max(width / image.width, height / image.height) / crop_fraction
    whole = (max(width, round(image.width * ratio)), max(height, round(image.height * ratio)))
    if whole[0] * whole[1] > LARGEST_PIXELS:
        raise ImageError(
            f"A picture of {image.height:,} x {image.width:,} would be enlarged to {whole[1]:,} x {whole[0]:,} "
            f"before its centre is cut out, more than {LARGEST_PIXELS:,} pixels.\n"
            "Use resize='stretch' or 'pad' for pictures so long, or a larger crop_fraction."
        )
    left, top = round((whole[0] - width) / 2), round((whole[1] - height) / 2)
    return image.resize(whole, interpolation).crop((left, top, left + width, top + height))
