"""Readers: data from files and arrays, minibatch by minibatch, as CNTK 2.7 reads it."""

from __future__ import annotations

from onnx_workbench.cntk.io import transforms
from onnx_workbench.cntk.io.deserializers import (
    CBFDeserializer,
    CTFDeserializer,
    HTKFeatureDeserializer,
    HTKMLFBinaryDeserializer,
    HTKMLFDeserializer,
    LatticeDeserializer,
    UserDeserializer,
)
from onnx_workbench.cntk.io.minibatch_source import (
    DEFAULT_RANDOMIZATION_WINDOW_IN_CHUNKS,
    FULL_DATA_SWEEP,
    INFINITELY_REPEAT,
    MinibatchSource,
)
from onnx_workbench.cntk.io.picture_reading import Base64ImageDeserializer, ImageDeserializer
from onnx_workbench.cntk.io.streams import (
    MinibatchData,
    StreamConfiguration,
    StreamDef,
    StreamDefs,
    StreamInformation,
)
from onnx_workbench.cntk.io.text_writing import _is_tensor as _is_tensor
from onnx_workbench.cntk.io.text_writing import sequence_to_cntk_text_format
from onnx_workbench.cntk.io.user_sources import MinibatchSourceFromData, UserMinibatchSource

__all__ = [
    "DEFAULT_RANDOMIZATION_WINDOW_IN_CHUNKS", "FULL_DATA_SWEEP", "INFINITELY_REPEAT", "Base64ImageDeserializer",
    "CBFDeserializer", "CTFDeserializer", "HTKFeatureDeserializer", "HTKMLFBinaryDeserializer", "HTKMLFDeserializer",
    "ImageDeserializer", "LatticeDeserializer", "MinibatchData", "MinibatchSource", "MinibatchSourceFromData",
    "StreamConfiguration", "StreamDef", "StreamDefs", "StreamInformation", "UserDeserializer", "UserMinibatchSource",
    "sequence_to_cntk_text_format", "transforms",
]  # fmt: skip
