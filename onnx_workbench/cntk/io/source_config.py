"""What a reader is told, as a dictionary: what tools look at that were written for CNTK's bindings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError
from onnx_workbench.cntk.io.deserializers import Deserializer, TextDeserializer
from onnx_workbench.cntk.io.minibatch_source import DEFAULT_RANDOMIZATION_WINDOW_IN_CHUNKS, INFINITELY_REPEAT
from onnx_workbench.cntk.io.picture_reading import PictureDeserializer
from onnx_workbench.cntk.io.transforms import Color, Crop, Mean, Scale, Transform


class _Choice:
    """A yes or no that may be left open."""

    def __init__(self) -> None:
        self._value: bool | None = None

    def set(self, value: bool) -> None:
        """Choose."""
        self._value = bool(value)

    def get(self, default: bool) -> bool:
        """Return what was chosen."""
        return default if self._value is None else self._value


class MinibatchSourceConfig:
    """What a `MinibatchSource` is told.

    Parameters
    ----------
    deserializers
        What it reads from.
    randomize
        Whether the data is shuffled.
    """

    def __init__(self, deserializers: Sequence[Deserializer] = (), randomize: bool = True) -> None:
        self.deserializers = list(deserializers)
        self.max_samples = self.max_sweeps = INFINITELY_REPEAT
        self.randomization_window_in_chunks = DEFAULT_RANDOMIZATION_WINDOW_IN_CHUNKS if randomize else 0
        self.randomization_window_in_samples = self.randomization_seed = 0
        self.trace_level, self.truncation_length, self.max_errors = 1, 0, 0
        self.is_frame_mode_enabled, self.is_multithreaded = False, _Choice()

    def add_deserializer(self, deserializer: Deserializer) -> MinibatchSourceConfig:
        """Read from another one too."""
        self.deserializers.append(deserializer)
        return self


def to_dictionary(config: MinibatchSourceConfig) -> dict[str, Any]:
    """Return what a reader is told, by CNTK's words.

    Raises
    ------
    RuntimeError
        If two things are told that exclude each other.
    """
    if not isinstance(config, MinibatchSourceConfig):
        raise CntkTypeError(f"to_dictionary takes a MinibatchSourceConfig; got a {type(config).__name__}.")
    _check(config)
    chunks, samples = config.randomization_window_in_chunks, config.randomization_window_in_samples
    pictures = any(isinstance(one, PictureDeserializer) for one in config.deserializers)
    found: dict[str, Any] = {
        "multiThreadedDeserialization": config.is_multithreaded.get(pictures),
        "frameMode": bool(config.is_frame_mode_enabled),
        "traceLevel": getattr(config.trace_level, "value", config.trace_level),
        "randomize": bool(chunks or samples),
        "deserializers": [_described(one) for one in config.deserializers],
    }
    if chunks or samples:
        found["randomizationWindow"] = samples or chunks
        found["sampleBasedRandomizationWindow"] = bool(samples)
        found["randomizationSeed"] = config.randomization_seed
    if config.truncation_length:
        found |= {"truncated": True, "truncationLength": config.truncation_length}
    return found


def _check(config: MinibatchSourceConfig) -> None:
    pairs = {
        "max samples and max sweeps": (
            config.max_samples != INFINITELY_REPEAT,
            config.max_sweeps != INFINITELY_REPEAT,
        ),
        "randomization window in chunks and randomization window in samples": (
            config.randomization_window_in_chunks,
            config.randomization_window_in_samples,
        ),
        "truncation and frame mode": (config.truncation_length, config.is_frame_mode_enabled),
    }
    for what, (first, second) in pairs.items():
        if first and second:
            raise CntkRuntimeError(f"MinibatchSourceConfig: {what} are mutually exclusive options.")


def _described(reader: Deserializer) -> dict[str, Any]:
    if isinstance(reader, PictureDeserializer):
        return reader.described(_transform)
    if isinstance(reader, TextDeserializer):
        fields = {
            name: {
                "dim": int(one.dim),
                "format": "sparse" if one.is_sparse else "dense",
                "alias": one.stream_alias,
                "definesMBSize": bool(one.get("defines_mb_size")),
            }
            for name, one in reader.streams.items()
        }
        return {"type": "CNTKTextFormatDeserializer", "file": str(reader.filename), "input": fields}
    return {"type": type(reader).__name__}


def _transform(one: Transform) -> dict[str, Any]:
    if isinstance(one, Crop):
        names = ("cropSize", "sideRatio", "areaRatio", "aspectRatio")
        pairs = zip(names, (one.size, one.side, one.area, one.aspect), strict=True)
        ranges = {name: f"{ends[0]:g}:{ends[1]:g}" for name, ends in pairs}
        jitter = "uniratio" if one.jitter else "none"
        return {"type": "Crop", "cropType": one.kind, **ranges, "jitterType": jitter}
    if isinstance(one, Scale):
        sizes = {"width": one.width, "height": one.height, "channels": one.channels}
        how = {"interpolations": one.interpolation, "scaleMode": one.mode, "padValue": one.pad}
        return {"type": "Scale", **sizes, **how}
    if isinstance(one, Mean):
        return {"type": "Mean", "meanFile": one.filename}
    if isinstance(one, Color):
        radii = {"brightnessRadius": one.brightness, "contrastRadius": one.contrast}
        return {"type": "Color", **radii, "saturationRadius": one.saturation}
    return {"type": type(one).__name__}
