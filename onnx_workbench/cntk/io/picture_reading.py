"""Pictures and their classes, from the lists that CNTK's reader of pictures takes."""

from __future__ import annotations

import base64
import binascii
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.io.deserializers import Deserializer, Sequences
from onnx_workbench.cntk.io.streams import SparseSamples, StreamInformation
from onnx_workbench.cntk.io.transforms import Draws, Scale, Transform
from onnx_workbench.cntk.value_types import UNKNOWN_SHAPE, Record
from onnx_workbench.core.errors import ImageError
from onnx_workbench.core.images import open_image

Array = NDArray[Any]
_WHOLE = re.compile(r"\s*[+-]?\d+")


@dataclass(frozen=True)
class Entry:
    """A line of the list: the number of its sequence, where the picture is, its class as it stands there."""

    key: Any
    where: str
    label: str
    line: int


class PictureDeserializer(Deserializer):
    """What reads pictures: each is a chunk of its own, decoded whenever it is its turn."""

    kept = False
    name = "ImageDeserializer"

    def __init__(self, filename: Any, streams: Record) -> None:
        self.filename, self.streams = Path(filename).expanduser(), streams
        self._picture: str | None = None
        self._label: str | None = None
        self._classes = 0
        transforms: list[Any] = []
        for key, one in streams.items():
            if one.stream_alias == "image":
                self._picture, transforms = key, one.get("transforms") or []
            elif one.stream_alias == "label":
                self._label, self._classes = key, self._size(key, one)
            else:
                raise CntkValueError(
                    f"{self.name}: invalid field name '{one.stream_alias}', allowed are 'image' and 'label'"
                )
        if self._picture is None:
            raise CntkValueError(f"{self.name}: stream name ('image' or 'label') must be specified")
        self._transforms = self._checked(transforms)
        scales = [one for one in self._transforms if isinstance(one, Scale)]
        self._grey = bool(scales) and scales[-1].channels == 1
        last = scales[-1] if scales else None
        self._shape = (last.channels, last.height, last.width) if last else UNKNOWN_SHAPE
        self._draws = [Draws() for _ in self._transforms]
        self._entries: list[Entry] | None = None

    def _size(self, key: str, stream: Record) -> int:
        size = stream.get("dim")
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise CntkValueError(
                f"{self.name}: the shape of the stream {key!r} is how many classes there are; got {size!r}."
            )
        return int(size)

    def _checked(self, transforms: Any) -> list[Transform]:
        if not isinstance(transforms, list | tuple) or not all(
            isinstance(one, Transform) for one in transforms
        ):
            raise CntkTypeError(
                f"{self.name}: transforms is a list of what cntk.io.transforms has: crop(...), scale(...), mean(...), "
                f"color(...); got {transforms!r}."
            )
        return list(transforms)

    def described(self, transform: Callable[[Transform], dict[str, Any]]) -> dict[str, Any]:
        """Return what it is told, in CNTK's words; those for a transform are given."""
        steps = [*map(transform, self._transforms), {"type": "Transpose"}]
        fields: dict[str, Any] = {str(self._picture): {"transforms": steps}}
        if self._label is not None:
            fields[self._label] = {"labelDim": self._classes}
        return {"type": self.name, "file": str(self.filename), "input": fields}

    def open(self) -> None:
        """Read the list."""
        self._entries = self._read()

    def _read(self) -> list[Entry]:
        try:
            text = self.filename.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise CntkRuntimeError(
                f"{self.name}: could not open the file {str(self.filename)!r} ({error.strerror or error})."
            ) from error
        found = list(self._entries_of(text))
        if not found:
            raise CntkRuntimeError(f"{self.name}: there is no picture in the file {str(self.filename)!r}.")
        return found

    def _entries_of(self, text: str) -> Iterator[Entry]:
        for number, line in enumerate(text.split("\n")):
            parts = line.rstrip("\r").split("\t")
            if line == "" and text.count("\n") == number:
                return
            if len(parts) < 2:
                raise CntkRuntimeError(
                    f"Invalid map file format, must contain 2 or 3 tab-delimited columns, line {number} in file "
                    f"{self.filename}: it is {line[:80]!r}. A line is a picture and its class, or the number of the "
                    "sequence before them."
                )
            key = number if len(parts) == 2 else _as_key(parts.pop(0))
            yield self._entry(key, parts[0], parts[1], number)

    def _entry(self, key: Any, first: str, second: str, line: int) -> Entry:
        return Entry(key, first, second, line)

    @property
    def _known(self) -> list[Entry]:
        if self._entries is None:
            self._entries = self._read()
        return self._entries

    def stream_infos(self) -> list[StreamInformation]:
        """Return what streams there are."""
        found = []
        if self._label is not None:
            found.append(StreamInformation(self._label, 0, "sparse", np.float32, (self._classes,)))
        return [*found, StreamInformation(str(self._picture), len(found), "dense", np.float32, self._shape)]

    def count(self) -> int:
        """Return how many pictures there are."""
        return len(self._known)

    def lengths_of(self, chunk: int) -> list[int]:
        """Return that there is one picture."""
        del chunk
        return [1]

    def keys(self) -> list[Any]:
        """Return the numbers of the sequences in the list, or of its lines."""
        return [one.key for one in self._known]

    def read(self, chunk: int) -> Sequences:
        """Decode a picture, and do to it what is to be done."""
        entry = self._known[chunk]
        found: dict[str, Any] = {}
        if self._label is not None:
            place = np.array([self._class_of(entry)])
            one = np.ones(1, np.float32)
            found[self._label] = SparseSamples(np.array([0, 1]), place, one, self._classes)
        pixels = self._decoded(entry)
        for transform, draws in zip(self._transforms, self._draws, strict=True):
            pixels = transform.apply(pixels, draws)
        planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0), np.float32)
        return [{**found, str(self._picture): planes[None]}]

    def _class_of(self, entry: Entry) -> int:
        number = _WHOLE.match(entry.label)
        if number is None:
            raise CntkRuntimeError(
                f"Cannot parse label value on line {entry.line}, second column, in file {self.filename}: a class is a "
                f"whole number; got {entry.label[:40]!r}."
            )
        found = int(number.group())
        if not 0 <= found < self._classes:
            raise CntkRuntimeError(
                f"Image '{_shown(entry)}' has invalid class id '{found}'. It is exceeding the label dimension of "
                f"'{self._classes}'. Line {entry.line} in file {self.filename}. Classes are counted from 0."
            )
        return found

    def _decoded(self, entry: Entry) -> Array:
        """Return rows, columns and channels, blue first, as OpenCV decodes a picture; or grey."""
        try:
            colours = np.asarray(open_image(self._contents(entry), background=None))
        except (ImageError, OSError, KeyError, zipfile.BadZipFile) as error:
            raise CntkRuntimeError(
                f"Cannot open file '{_shown(entry)}', of line {entry.line} in {self.filename}: {error}"
            ) from error
        if not self._grey:
            return np.asarray(colours[:, :, ::-1])
        red, green, blue = np.moveaxis(colours.astype(np.int64), 2, 0)
        grey = (red * 4899 + green * 9617 + blue * 1868 + 8192) >> 14
        return np.asarray(grey, np.uint8)[:, :, None]

    def _contents(self, entry: Entry) -> Any:
        """Return a file, or its bytes; three dots stand for the folder of the list, and @ for what is in an archive."""
        where = entry.where
        if where.startswith("..."):
            where = str(self.filename.parent) + where[3:]
        if "@" not in where or Path(where).exists():
            return Path(where)
        archive, _, inside = where.partition("@")
        with zipfile.ZipFile(archive) as files:
            return files.read(inside.lstrip("/\\"))


class TextPictureDeserializer(PictureDeserializer):
    """Pictures that stand in the list itself, in base 64, after their class."""

    name = "Base64ImageDeserializer"

    def _entry(self, key: Any, first: str, second: str, line: int) -> Entry:
        return Entry(key, second, first, line)

    def _contents(self, entry: Entry) -> Any:
        try:
            return base64.b64decode(entry.where.strip(), validate=True)
        except binascii.Error as error:
            raise CntkRuntimeError(
                f"No picture can be read from line {entry.line} in {self.filename}: what stands there is no base 64 "
                f"({error})."
            ) from error


def _as_key(given: str) -> Any:
    return int(given) if given.isdecimal() else given


def _shown(entry: Entry) -> str:
    return entry.where if len(entry.where) <= 120 else f"{entry.where[:60]}..."


def ImageDeserializer(filename: Any, streams: Any) -> PictureDeserializer:
    """Return what reads pictures and their classes.

    Parameters
    ----------
    filename
        The list: a line has a picture's path and its class, or the number of its sequence before them, parted by tabs.
        Paths are seen from the working folder; ``...`` at the beginning is the folder of the list; ``a.zip@/b.png``
        lies in an archive.
    streams
        `StreamDefs`: the field ``image`` with its ``transforms``, and ``label`` with ``shape``, how many classes there
        are. Pictures come as float32 from 0 to 255, channels first, blue first; classes as sparse one-hot vectors.

    Raises
    ------
    ValueError, TypeError
        If a field is another one, or a transform is none.

    Notes
    -----
    Sizes and colours are computed as CNTK's OpenCV does, to the last bit. Where something is random the numbers go on
    from picture to picture, while CNTK draws the same ones in every minibatch.

    Examples
    --------
    >>> transforms = C.io.transforms
    >>> streams = C.io.StreamDefs(
    ...     features=C.io.StreamDef(field="image", transforms=[transforms.scale(width=32, height=32, channels=3)]),
    ...     labels=C.io.StreamDef(field="label", shape=10),
    ... )
    >>> C.io.ImageDeserializer("train_map.txt", streams).stream_infos()
    [labels([10]), features([3 x 32 x 32])]
    """
    return PictureDeserializer(filename, streams)


def Base64ImageDeserializer(filename: Any, streams: Any) -> TextPictureDeserializer:
    """Return what reads pictures that stand in a text file in base 64: class, tab, picture.

    Parameters
    ----------
    filename, streams
        As for `ImageDeserializer`; the number of a sequence may stand before the class.

    Examples
    --------
    >>> streams = C.io.StreamDefs(pictures=C.io.StreamDef(field="image"))
    >>> C.io.Base64ImageDeserializer("pictures.txt", streams).stream_infos()
    [pictures([???])]
    """
    return TextPictureDeserializer(filename, streams)
