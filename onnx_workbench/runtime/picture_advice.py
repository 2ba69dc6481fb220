"""What is wrong with the shape of a batch of pictures, where more than one thing may be, and the line that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_CHANNELS = (1, 3, 4)
_SMALLEST_SIDE = 4  # a table of fewer rows is hardly a grey picture
# How the axes of an array may be meant, by their number; what is met more often stands first.
_READINGS = {4: ("NCHW", "NHWC", "NCWH", "NWHC"), 3: ("CHW", "HWC", "NHW", "CWH", "WHC"), 2: ("HW", "WH")}
_NAMES = {
    "NHWC": "NHWC (channels last)",
    "NCHW": "NCHW (channels first)",
    "HWC": "one HWC picture (channels last, no batch axis)",
    "CHW": "one CHW picture (channels first, no batch axis)",
    "NHW": "grey pictures without an axis for the channel",
    "HW": "one grey picture without axes for batch and channel",
    "NCWH": "NCHW with width before height",
    "NWHC": "NHWC with width before height",
    "CWH": "one CHW picture with width before height, and no batch axis",
    "WHC": "one HWC picture with width before height, and no batch axis",
    "WH": "one grey picture with width before height, without axes for batch and channel",
}


@dataclass(frozen=True)
class _Reading:
    """One way to understand an array as pictures."""

    axes: str
    sizes: dict[str, int]
    wanted: dict[str, int | str | None]
    layout: str

    @property
    def channels(self) -> int:
        return self.sizes.get("C", 1)

    @property
    def resized(self) -> bool:
        return any(
            isinstance(self.wanted[axis], int) and self.wanted[axis] != self.sizes[axis] for axis in "HW"
        )

    def side(self, axis: str) -> int:
        """Return the height or the width that the model takes; its own where the model takes any."""
        wanted = self.wanted[axis]
        return wanted if isinstance(wanted, int) else self.sizes[axis]

    @property
    def batch_differs(self) -> bool:
        batch = self.wanted["N"]
        return isinstance(batch, int) and batch != self.sizes.get("N", 1)

    @property
    def possible(self) -> bool:
        """Whether pictures can have these sizes: known channels, and the rarer readings only where they fit."""
        turned = self.axes.index("W") < self.axes.index("H")
        thin = "C" not in self.axes and min(self.sizes["H"], self.sizes["W"]) < _SMALLEST_SIDE
        stack = self.axes == "NHW" and self.wanted["C"] != 1
        return self.channels in _CHANNELS and not thin and not ((turned or stack) and self.resized)

    @property
    def slips(self) -> int:
        moved = self.axes != "".join(axis for axis in self.layout if axis in self.axes)
        missing = len(self.layout) - len(self.axes)
        return missing + moved + (self.channels != self.wanted["C"]) + 2 * self.resized + self.batch_differs


def advise_on_pictures(
    expected: Sequence[int | str | None], shape: Sequence[int], dtype: str | None, *, resized: bool = True
) -> str | None:
    """Return what an array of pictures is, and the line that mends it; None where no pictures can be seen.

    Parameters
    ----------
    expected
        Declared shape of the input: four axes, one of them for 1, 3 or 4 channels.
    shape
        Shape of the array.
    dtype
        Declared dtype of the input.
    resized
        Whether pictures of another size count.
    """
    layout = picture_layout(expected)
    if layout is None:
        return None
    wanted = dict(zip(layout, expected, strict=True))
    readings = [
        _Reading(axes, dict(zip(axes, shape, strict=True)), wanted, layout)
        for axes in _READINGS.get(len(shape), ())
    ]
    possible = [reading for reading in readings if reading.possible and (resized or not reading.resized)]
    best = min(possible, key=lambda reading: reading.slips, default=None)
    if best is None or not best.slips:
        return None
    return f": {_what(best)}.\n{_remedy(best, dtype)}"


def picture_layout(expected: Sequence[int | str | None]) -> str | None:
    """Return ``"NCHW"`` or ``"NHWC"`` if the shape of an input tells which, by where the channels stand."""
    if len(expected) != 4:
        return None
    first, last = expected[1] in _CHANNELS, expected[3] in _CHANNELS
    return None if first == last else "NCHW" if first else "NHWC"


def _what(reading: _Reading) -> str:
    wrong = []
    if reading.axes != reading.layout:
        wrong.append(f"it is {_NAMES[reading.axes]}, and the model takes {reading.layout}")
    if reading.channels != reading.wanted["C"]:
        wrong.append(
            f"it has {reading.channels} channel(s), and the model takes {reading.wanted['C']} channel(s)"
        )
    if reading.resized:
        wrong.append("pictures of another size")
    if reading.batch_differs:
        wrong.append(f"the model's batch size is fixed at {reading.wanted['N']}")
    return "; ".join(wrong)


def _remedy(reading: _Reading, dtype: str | None) -> str:
    """Return the line that mends the array, or the Preprocessing that makes a right one."""
    wanted = reading.wanted["C"]
    other_colors = reading.channels != wanted and wanted != 3
    if wanted == 4 and reading.channels != 4:
        return (
            "Pictures of three colours do not say what the fourth channel is: ask where the model comes from."
        )
    if not reading.resized and not other_colors:
        line = _line(reading)
        warning = "  (not reshape, which would mix the pixels)" if "transpose" in line else ""
        return f"Give  {line}{warning}.{_batch_advice(reading)}"
    call = _preprocessing(reading, dtype)
    if reading.axes == reading.layout and not other_colors:
        return f"Resize them:  {call}  does."
    return (
        f"Make it of the pictures themselves (files, or HWC uint8 arrays):  {call}(pictures)  does all of it."
    )


def _preprocessing(reading: _Reading, dtype: str | None) -> str:
    """Return the call that makes what the model takes; numbers of its own training are not known here."""
    fields = []
    if reading.resized:
        fields.append(f"size=({reading.side('H')}, {reading.side('W')})")
    if reading.wanted["C"] == 1:
        fields.append("color='GRAY'")
    if reading.layout == "NHWC":
        fields.append("layout='NHWC'")
    if dtype == "uint8":
        fields.append("scale=1, dtype='uint8'")
    return f"Preprocessing({', '.join(fields)})"


def _line(reading: _Reading) -> str:
    """Return the expression that moves axes, adds those that miss, and mends the channels."""
    present = [axis for axis in reading.layout if axis in reading.axes]
    order = tuple(reading.axes.index(axis) for axis in present)
    line = "x" if order == tuple(range(len(order))) else f"np.transpose(x, {order})"
    if len(present) < 4:
        index = [":" if axis in present else "np.newaxis" for axis in reading.layout]
        while index[-1] == ":":
            index.pop()
        line += f"[{', '.join(index)}]"
    if reading.channels == reading.wanted["C"]:
        return line
    axis = reading.layout.index("C")
    if reading.channels == 1:
        return f"np.repeat({line}, 3, axis={axis})"
    return f"{line}[:, :3]" if axis == 1 else f"{line}[..., :3]"


def _batch_advice(reading: _Reading) -> str:
    if not reading.batch_differs:
        return ""
    return f"\nThen give {reading.wanted['N']} at a time, or export the model with a dynamic batch."
