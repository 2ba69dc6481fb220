"""What callers give for arguments, and the arrays that it becomes: a batch, or a list of sequences."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.value_types import FREE, INFERRED
from onnx_workbench.cntk.variables import Variable
from onnx_workbench.core.formatting import clean_text

Array = NDArray[Any]
Given = dict[Variable, Any]


def arguments_of(function: Any, arguments: Any) -> Given:
    """Return values by variable, for what callers pass: a dictionary by variable or name, or the only value.

    Raises
    ------
    ValueError
        For names that there are not, or that several have, and for one value where several are needed.
    """
    wanted = function.arguments
    if isinstance(arguments, tuple) and len(arguments) == 2 and _are_flags(arguments[1]):
        arguments = arguments[0]  # flags say where sequences start: each list entry is one here
    if arguments is None:
        if wanted:
            raise CntkValueError(f"function expects {len(wanted)} arguments: {_listed(wanted)}; got none.")
        return {}
    if not isinstance(arguments, Mapping):
        if len(wanted) != 1:
            raise CntkValueError(
                f"non-dict argument ({type(arguments).__name__}) is not supported for nodes with more than one input: "
                f"give a dictionary with values for {_listed(wanted)}."
                if len(wanted) > 1
                else f"the Function has no arguments; got a {type(arguments).__name__}. Call eval() without one."
            )
        return {wanted[0]: arguments}
    found = {_variable(key, wanted): value for key, value in arguments.items()}
    return {key: value for key, value in found.items() if key.kind != "Input" or key in wanted}


def _are_flags(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(flag, bool | np.bool_) for flag in value)


def _variable(key: Any, wanted: Iterable[Variable]) -> Variable:
    """Return the argument of a name or uid; a variable is returned as it is."""
    if isinstance(key, Variable):
        return key
    if not isinstance(key, str):
        raise CntkTypeError(
            f"Variable expected, but got a {type(key).__name__}: arguments are keyed by Variable or by name, such as "
            "model.arguments[0]; of a Function that is an argument, that is its .output."
        )
    wanted = list(wanted)
    found = [one for one in wanted if one.name == key] or [one for one in wanted if one.uid == key]
    if len(found) > 1:
        raise CntkValueError(
            f'node name "{clean_text(key)}" is not unique: {len(found)} arguments have it. Key the value by Variable.'
        )
    if not found:
        names = ", ".join(one.name or one.uid for one in wanted)
        raise CntkValueError(
            f'variable with name "{clean_text(key)}" does not exist in the network. Available variable names: {names}'
        )
    return found[0]


def _listed(variables: Iterable[Variable]) -> str:
    return ", ".join(f"'{one}'" for one in variables)


def batch_of(variable: Variable, value: Any) -> Array | list[Array]:
    """Return a value as one array with the batch first, as one sample where there is no batch, or as sequences.

    Raises
    ------
    ValueError
        If its rank, shape or dtype does not fit the variable; the transposition that would help is named.
    """
    shape, axes = variable._shape, len(variable._axes)
    if (
        axes == 1
        and type(value) is np.ndarray
        and value.dtype == variable._dtype
        and value.shape[1:] == shape
        and value.ndim  # one number for a scalar is no batch yet
        and len(value)
    ):
        return value  # the usual case, at once
    found = _converted(variable, value)
    if axes and not all(map(len, [found, *(found if isinstance(found, list) else [])])):
        raise CntkRuntimeError(
            f"The values for '{variable}' hold no sample, or a sequence without a step; each needs at least one."
        )
    return found


def _converted(variable: Variable, value: Any) -> Array | list[Array]:
    if isinstance(value, tuple) and len(value) == 2 and _are_flags(value[1]):
        if isinstance(value[0], list) and len(value[0]) != len(value[1]):
            raise CntkValueError(
                f"you have {len(value[0])} sequences for '{variable}', but only {len(value[1])} sequence begin markers"
            )
        value = value[0]
    _check_storage(variable, value)
    if hasattr(value, "as_batch"):
        return _of_value(variable, value.as_batch(variable))
    if hasattr(value, "toarray"):
        value = value.toarray()
    elif hasattr(value, "asarray") and not isinstance(value, np.ndarray):
        return _of_value(variable, value.asarray())
    if isinstance(value, list | tuple):
        return _of_list(variable, list(value))
    if not isinstance(value, np.ndarray):
        raise CntkValueError(
            f"batch must be a list of NumPy arrays or SciPy CSR matrices; got a {type(value).__name__} "
            f"for '{variable}'."
        )
    return _of_array(variable, _typed(variable, value))


def _check_storage(variable: Variable, value: Any) -> None:
    """Refuse sparse matrices that are not in rows of floats or int64, and lists of dense and sparse ones.

    CNTK refuses dense data for sparse inputs too; here it is the same to compute with, and taken.
    """
    items = value if isinstance(value, list | tuple) else [value]
    sparse = [hasattr(one, "toarray") for one in items]
    for one in items:
        kind = getattr(one, "format", "csr")
        if hasattr(one, "toarray") and kind != "csr":
            raise CntkValueError(
                f"batch must be a list of NumPy arrays or SciPy CSR matrices; got a {type(one).__name__} for "
                f"'{variable}'. Convert it: value.tocsr()."
            )
        if hasattr(one, "toarray") and one.dtype.kind in "iu" and one.dtype != np.int64:
            raise CntkValueError(
                f"only integer, bool, float32, float64 and float16 are supported, and of sparse matrices floats and "
                f"int64; you gave {one.dtype} for '{variable}'. Convert it: value.astype(np.float32)."
            )
    if any(sparse) and not all(sparse):
        raise CntkValueError(
            f"All items of a list must have the same storage format; of the {len(items)} for '{variable}' "
            f"{sum(sparse)} are sparse and {len(items) - sum(sparse)} dense."
        )


def _of_value(variable: Variable, batch: Array | list[Array]) -> Array | list[Array]:
    """Return the content of a Value, which is never cast, and whose list holds sequences."""
    for one in batch if isinstance(batch, list) else [batch]:
        if one.dtype != (variable.dtype or one.dtype):
            raise CntkRuntimeError(
                f"The Variable '{variable}' DataType {np.dtype(variable.dtype)} does not match the corresponding "
                f"Value's DataType {one.dtype}. Make the Value with dtype=np.{np.dtype(variable.dtype)}."
            )
    if not isinstance(batch, list):
        return _of_array(variable, batch)
    longest = max((len(one) for one in batch), default=0)
    if len(variable.dynamic_axes) < 2 and longest != 1:
        _refuse_steps(variable, (len(batch), longest, *batch[0].shape[1:]))
    return _of_list(variable, batch)


def _of_list(variable: Variable, items: list[Any]) -> Array | list[Array]:
    shape, axes = variable.shape, len(variable.dynamic_axes)
    if not items:
        raise CntkValueError(f"the list of values for '{variable}' is empty.")
    arrays = [
        _typed(
            variable, np.asarray(one.toarray() if hasattr(one, "toarray") else one), plain=not _is_array(one)
        )
        for one in items
    ]
    if axes == 0:
        return _of_array(variable, np.stack(arrays))
    if axes > 1 and shape == (1,):  # numbers in a row are steps there, as in CNTK
        arrays = [one[:, None] if one.ndim == 1 else one for one in arrays]
    for number, one in enumerate(arrays):
        spare = one.ndim - len(shape)
        if spare not in {0, 1} or not _fits(one.shape[spare:], shape):
            if spare < 0 and len(shape) == 1 and all(a.ndim == 0 for a in arrays):
                raise CntkValueError(
                    f"batch must be a list of NumPy arrays or SciPy CSR matrices: '{variable}' takes vectors, and the "
                    f"list holds {len(items)} numbers. Put one sample into a list of its own: [[1, 2, 3]]."
                )
            raise CntkValueError(
                f"Value::Create: The shape '{_text(one.shape)}' of sequence #{number} is not compatible with the "
                f"sample shape '{_text(shape)}' of '{variable}'.{_hint(one.shape[max(spare, 0) :], shape)}"
            )
    sequences = [one if one.ndim > len(shape) else one[None] for one in arrays]
    if axes > 1:
        return sequences
    for one in sequences:
        if len(one) != 1:
            _refuse_steps(variable, one.shape)
    return sequences[0] if len(sequences) == 1 else np.concatenate(sequences)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) or hasattr(value, "toarray")


def _of_array(variable: Variable, value: Array) -> Array | list[Array]:
    shape, axes = variable.shape, len(variable.dynamic_axes)
    spare = value.ndim - len(shape)
    if spare < 0:
        raise CntkValueError(
            f"Value's rank ({value.ndim}) should be >= the Variable's rank ({len(shape)}); Variable = '{variable}', "
            f"Value shape = '{_text(value.shape)}'."
        )
    if not _fits(value.shape[spare:], shape):
        raise CntkValueError(
            f"The trailing dimensions of the Value shape '{_text(value.shape)}' do not match the Variable '{variable}' "
            f"shape '{_text(shape)}'.{_hint(value.shape[spare:], shape)}"
        )
    if spare > 2:
        raise CntkValueError(
            f"Value rank ({value.ndim}) should be larger than the Variable rank ({len(shape)}) at most by number of "
            f"dynamic axes ({axes}); Variable = '{variable}', Value shape = '{_text(value.shape)}'."
        )
    if axes == 0:
        if any(size != 1 for size in value.shape[:spare]):
            _refuse_steps(variable, value.shape)
        return value.reshape(value.shape[spare:])
    if axes == 1:
        if spare == 2 and value.shape[1] != 1:
            _refuse_steps(variable, value.shape)
        return value[None] if spare == 0 else value if spare == 1 else value[:, 0]
    return [value[None]] if spare == 0 else [value] if spare == 1 else list(value)


def _refuse_steps(variable: Variable, shape: tuple[int, ...]) -> None:
    size = shape[len(shape) - variable.rank - 1]
    raise CntkValueError(
        f"The dimension size ({size}) of the Value ('{_text(shape)}') in front of the axes of a sample must be 1, "
        f"because this axis is not specified as a dynamic axis of the Variable ('{variable}')."
    )


def _fits(given: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return all(a == b or b in {FREE, INFERRED} for a, b in zip(given, shape, strict=True))


def _hint(given: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Return the transposition that would make a value fit, if one does."""
    if len(given) != len(shape) or len(shape) > 4 or len(shape) < 2 or sorted(given) != sorted(shape):
        return ""
    order = next(p for p in permutations(range(len(shape))) if tuple(given[i] for i in p) == tuple(shape))
    layout = " It looks like a picture in HWC order:" if order == (2, 0, 1) else ""
    return f"{layout} np.transpose(value, {order}) has the shape {_text(shape)}."


def _text(shape: tuple[int, ...]) -> str:
    return f"[{' x '.join(str(size) for size in shape)}]"


def _typed(variable: Variable, value: Array, *, plain: bool = False) -> Array:
    """Return numbers in the dtype of a variable; whole numbers are cast with a warning, unless from plain lists."""
    dtype = variable.dtype or np.float32  # a placeholder left open may have none
    if value.dtype == dtype:
        return value
    if value.dtype.kind == "b" or (value.dtype.kind in "iu" and plain):
        return value.astype(dtype)
    if value.dtype.kind == "i" or value.dtype.type in {np.float16, np.float32, np.float64}:
        if not plain:
            warnings.warn(
                f'your data is of type "{value.dtype}", but your input variable (uid "{variable.uid}") expects '
                f'"{np.dtype(dtype)}". Please convert your data beforehand to speed up training.',
                stacklevel=2,
            )
        return value.astype(dtype)
    mend = (
        "Give numbers alone, and one array for each sample or sequence where they differ in length."
        if value.dtype.kind == "O"
        else "Convert it: value.astype(np.float32)."
    )
    raise CntkValueError(
        f"only integer, bool, float32, float64 and float16 are supported, you gave {value.dtype} for '{variable}'. "
        + mend
    )
