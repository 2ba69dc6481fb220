"""What `variable[...]` means."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.errors import CntkIndexError
from onnx_workbench.cntk.ops.reshaping import slice as slice_of


def indexed(x: Any, key: Any) -> Any:
    """Return part of a variable; unlike in NumPy, one number keeps the axis.

    Raises
    ------
    KeyError
        For other than the number of an output, where there are several.
    IndexError
        For other than numbers, slices and `...`.
    """
    if len(getattr(x, "outputs", ())) > 1:
        return _output(x, key)
    keys = list(key) if isinstance(key, tuple) else [key]
    result, first = x, 0
    for axis, one in enumerate(keys):
        if one is Ellipsis:  # what follows counts from the end
            first = -len(keys)
            continue
        axis += first
        if isinstance(one, int):
            begin, end, step = one, one + 1, 1
        elif isinstance(one, slice):
            begin, end, step = one.start or 0, one.stop or 0, one.step or 1
        elif isinstance(one, tuple | list):
            from onnx_workbench.cntk.ops.reshaping import splice

            parts = [slice_of(result, axis, index, index + 1) for index in one]
            result = splice(*parts, axis=axis) if len(parts) > 1 else parts[0]
            continue
        else:
            raise CntkIndexError(
                f"type {type(one).__name__} is not supported as index; use numbers and slices."
            )
        if (begin, end, step) != (0, 0, 1):
            result = slice_of(result, axis, begin, end, step)
    return result


def _output(x: Any, key: Any) -> Any:
    try:
        return x.outputs[key]
    except (TypeError, IndexError) as error:
        raise KeyError(
            f"Slices of a Function with several outputs are not supported; index one of its {len(x.outputs)} outputs "
            f"first. Got {key!r}."
        ) from error
