"""Names of CNTK's readers, so that scripts load; reading by them is not supported here."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.errors import UnsupportedOperatorError
from onnx_workbench.cntk.value_types import Record

INFINITELY_REPEAT = 2**64 - 1
FULL_DATA_SWEEP = 2**64 - 2
DEFAULT_RANDOMIZATION_WINDOW_IN_CHUNKS = 4


class StreamDef(Record):
    """What a field of a file is: its name, its shape, whether it is sparse."""

    def __init__(
        self,
        field: str | None = None,
        shape: Any = None,
        is_sparse: bool = False,
        transforms: Any = None,
        **more: Any,
    ) -> None:
        given = {"stream_alias": field, "dim": shape, "is_sparse": is_sparse, "transforms": transforms or []}
        super().__init__(**{key: value for key, value in given.items() if value is not None}, **more)


class StreamDefs(Record):
    """What the streams of a reader are called."""


class _Unsupported:
    """Something that reads, which is not done here."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise UnsupportedOperatorError(
            f"cntk.io.{type(self).__name__} is not supported: read the data with NumPy and give arrays to eval() and "
            "train_minibatch()."
        )


class MinibatchSource(_Unsupported):
    """CNTK's reader of files."""


class MinibatchSourceFromData(_Unsupported):
    """CNTK's reader of arrays."""


class UserMinibatchSource(_Unsupported):
    """Base of readers written by users."""


class MinibatchData(_Unsupported):
    """A minibatch of a reader."""


class CTFDeserializer(_Unsupported):
    """Reader of CNTK's text format."""


class CBFDeserializer(_Unsupported):
    """Reader of CNTK's binary format."""


class ImageDeserializer(_Unsupported):
    """Reader of pictures."""


class Base64ImageDeserializer(_Unsupported):
    """Reader of pictures in text."""


class HTKFeatureDeserializer(_Unsupported):
    """Reader of HTK's features."""


class HTKMLFDeserializer(_Unsupported):
    """Reader of HTK's labels."""


class UserDeserializer(_Unsupported):
    """Base of deserializers written by users."""
