"""Attributes of a native file's functions, as the rules of shapes here have them: Python's axes and order of axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.native.codes import SPECIAL_AXES
from onnx_workbench.cntk.native.values import DATA_TYPES, Dictionary, NativeAxis, Shape, StoredArray


def attributes_of(operator: str, attributes: Dictionary) -> dict[str, Any]:
    """Return the attributes of a function; those that older files do not have get the values they stood for.

    Raises
    ------
    KeyError, TypeError, ValueError
        If they are not those of the operator.
    """
    read = _READERS.get(operator, _all_as_python)
    return read(attributes)


def axis_of(axis: object) -> Axis:
    """Return an axis of the file, which counts static ones from the last, as Python's."""
    if not isinstance(axis, NativeAxis):
        raise TypeError("an axis is expected")
    if axis.index in SPECIAL_AXES:
        return Axis(SPECIAL_AXES[axis.index])
    if axis.index == max(SPECIAL_AXES) + 1:
        return Axis(axis.name, axis.ordered)
    return Axis(-1 - axis.index)


def _as_python(value: Any) -> Any:
    if isinstance(value, NativeAxis):
        return axis_of(value)
    if isinstance(value, Shape):
        return tuple(value)
    if isinstance(value, list):
        return [_as_python(item) for item in value]
    if isinstance(value, dict):
        return _all_as_python(value)
    if isinstance(value, StoredArray):
        return value.values()
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return int(value) if isinstance(value, int) else float(value)


def _all_as_python(attributes: Dictionary) -> dict[str, Any]:
    return {key: _as_python(value) for key, value in attributes.items()}


def _axes(attributes: Dictionary) -> list[Axis]:
    several = attributes.get("axisVec")
    return [axis_of(one) for one in (several if isinstance(several, list) else [attributes["axis"]])]


def _times(attributes: Dictionary) -> dict[str, Any]:
    return {"outputRank": 1, "inferInputRankToMap": -1} | _all_as_python(attributes)


def _reduce(attributes: Dictionary) -> dict[str, Any]:
    return {
        "reductionOpName": attributes["reductionOpName"],
        "axisVec": _axes(attributes),
        "reductionKeepDimensions": bool(attributes.get("reductionKeepDimensions", True)),
    }


def _transpose(attributes: Dictionary) -> dict[str, Any]:
    several = attributes.get("axisVec")
    if not isinstance(several, list):
        return {"axis1": axis_of(attributes["axis1"]), "axis2": axis_of(attributes["axis2"])}
    return {"axisVec": [axis_of(one).static_axis_index() % len(several) for one in reversed(several)]}


def _slice(attributes: Dictionary) -> dict[str, Any]:
    if "axisVec" in attributes:
        plain = _all_as_python(attributes)
        return {"sliceStridesVec": [1] * len(plain["axisVec"])} | plain
    return {
        "axisVec": [axis_of(attributes["axis"])],
        "beginIndexVec": [_as_python(attributes["beginIndex"])],
        "endIndexVec": [_as_python(attributes["endIndex"])],
        "sliceStridesVec": [_as_python(attributes.get("sliceStrides", 1))],
    }


def _reshape(attributes: Dictionary) -> dict[str, Any]:
    """Turn borders between column-major axes into those between row-major ones."""
    return {
        "newShape": tuple(cast(Shape, attributes["newShape"])),
        "beginAxis": _border(attributes.get("endAxis"), Axis.new_leading_axis()),  # behind the last
        "endAxis": _border(attributes.get("beginAxis"), None),
    }


def _border(axis: object, of_zero: Axis | None) -> Axis | None:
    if not isinstance(axis, NativeAxis) or axis.index in SPECIAL_AXES:
        return None
    return Axis(-axis.index) if axis.index else of_zero


def _where(attributes: Dictionary) -> dict[str, Any]:
    plain = _all_as_python(attributes)
    new = [axis for axis in plain.get("newDynamicAxes", ()) if axis.is_sequence_axis]
    return plain | {"newDynamicAxes": new[0] if new else None}


def _to_sequence(attributes: Dictionary) -> dict[str, Any]:
    """Return the new axis, which the file has together with the batch, and with the beginning of its name."""
    (new,) = (axis for axis in _all_as_python(attributes)["newDynamicAxes"] if axis.is_sequence_axis)
    return {"newDynamicAxis": new}


def _one_hot(attributes: Dictionary) -> dict[str, Any]:
    plain = _all_as_python(attributes)
    return {
        "numClass": plain["numClass"],
        "oneHotOutputSparse": plain.get("oneHotOutputSparse", False),
        "oneHotAxis": axis_of(attributes.get("onehotAxis", attributes.get("oneHotAxis"))),
    }


def _pad(attributes: Dictionary) -> dict[str, Any]:
    plain = _all_as_python(attributes)
    return plain | {key: plain[key][::-1] for key in ("paddingHead", "paddingFoot")}


def _windows(attributes: Dictionary) -> dict[str, Any]:
    plain = _all_as_python(attributes)
    for key in ("autoPadding", "sharing"):
        if key in plain:
            plain[key] = plain[key][::-1]
    return plain


def _convolution(attributes: Dictionary) -> dict[str, Any]:
    defaults = {
        "strides": (1,),
        "dilation": (1,),
        "groups": 1,
        "sequential": False,
        "transpose": False,
        "outputShape": (0,),
        "reductionRank": 1,
    }
    return defaults | _windows(attributes)


def _pooling(attributes: Dictionary) -> dict[str, Any]:
    return {"ceilOutDim": False, "includePad": False, "lowerPad": (0,), "upperPad": (0,)} | _windows(
        attributes
    )


def _unpooling(attributes: Dictionary) -> dict[str, Any]:
    plain = {"lowerPad": (0,), "upperPad": (0,)} | _windows(attributes)
    return {("poolingWindowShape" if key == "unpoolingWindowShape" else key): v for key, v in plain.items()}


def _batch_normalization(attributes: Dictionary) -> dict[str, Any]:
    return {"disableRegularization": False} | _all_as_python(attributes)


def _cast(attributes: Dictionary) -> dict[str, Any]:
    return {"newDataType": np.dtype(DATA_TYPES[int(cast(int, attributes["newDataType"]))][0]).name}


def _gather(attributes: Dictionary) -> dict[str, Any]:
    return {"axis": axis_of(attributes["axis"]) if "axis" in attributes else None}


def _squeeze(attributes: Dictionary) -> dict[str, Any]:
    return {"axisVec": _axes(attributes) if "axisVec" in attributes or "axis" in attributes else None}


_READERS: dict[str, Callable[[Dictionary], dict[str, Any]]] = {
    "Times": _times,
    "TransposeTimes": _times,
    "ReduceElements": _reduce,
    "TransposeAxes": _transpose,
    "Slice": _slice,
    "Reshape": _reshape,
    "OneHotOp": _one_hot,
    "Pad": _pad,
    "Convolution": _convolution,
    "Pooling": _pooling,
    "Unpooling": _unpooling,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Where": _where,
    "ToSequenceOp": _to_sequence,
    "Gather": _gather,
    "Squeeze": _squeeze,
}
