"""Parity: whether two sides give the same outputs for the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import InputError, ParityError, RunError
from onnx_workbench.core.formatting import clean_text, escape, html_table, text_table
from onnx_workbench.runtime.session import Session, session_of


@dataclass(frozen=True)
class OutputParity:
    """How one output agrees at one batch size. Differences are absolute, in the output's own units.

    `required_atol` is the smallest `atol` (at the `rtol` used) with which it would pass.
    """

    output: str
    batch_size: int | None
    shape: tuple[int, ...]
    largest_difference: float
    required_atol: float
    differing: int
    count: int
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether the output agrees."""
        return not self.problem


@dataclass(frozen=True)
class Parity:
    """The verdict of `check_parity`: true when every output agrees at every batch size."""

    outputs: tuple[OutputParity, ...]
    rtol: float
    atol: float
    note: str = ""

    def __bool__(self) -> bool:
        """Tell whether everything agrees."""
        return all(output.passed for output in self.outputs)

    @property
    def largest_difference(self) -> float:
        """Largest absolute difference of all outputs; NaN if something could not be compared."""
        return max((output.largest_difference for output in self.outputs), default=float("nan"))

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON can hold it."""
        return {"passed": bool(self), **asdict(self)}

    def _verdict(self) -> str:
        sizes = sorted({o.batch_size for o in self.outputs if o.batch_size is not None})
        at = f" at batch size{'s' if len(sizes) > 1 else ''} {', '.join(map(str, sizes))}" if sizes else ""
        word = "Outputs agree" if self else "Outputs differ"
        return f"{word}{at} (rtol {self.rtol:g}, atol {self.atol:g}).{' ' + self.note if self.note else ''}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (o.output, o.batch_size or "", o.shape, f"{o.largest_difference:.3g}", o.problem or "agrees")
            for o in self.outputs
        ]

    def __str__(self) -> str:
        """Return the verdict and a line for each output."""
        return f"{self._verdict()}\n{text_table(self._rows(), header=_HEADER)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        mark = "✓" if self else "✗"
        return f"<div><strong>{mark} {escape(self._verdict())}</strong>{html_table(self._rows(), header=_HEADER)}</div>"


_HEADER = ("output", "batch", "shape", "largest difference", "verdict")


def check_parity(
    actual: object,
    expected: object,
    inputs: object,
    *,
    rtol: float = 1e-3,
    atol: float = 1e-5,
    batch_sizes: Sequence[int] | None = None,
) -> Parity:
    """Check that two models give the same outputs, at other batch sizes than the example's too.

    Nothing is converted: a live torch module is run by PyTorch (in eval mode), a model by onnxruntime.

    Parameters
    ----------
    actual
        What is checked: a Model, anything that ``open_model`` takes, a Session, or a live module.
    expected
        What it is checked against; as `actual`.
    inputs
        Arrays, as for ``run``: one array, a list in the order of the inputs, or a dict by the names of `actual`.
    rtol, atol
        Outputs agree where ``|actual - expected| <= atol + rtol * |expected|``, numpy's rule. NaN and infinities
        never agree.
    batch_sizes
        Batch sizes to try; the items of `inputs` are repeated to make them. None tries the given one, 1, and one
        more than given, as far as the model's batch is dynamic.

    Returns
    -------
    Parity
        The verdict with a row for each output; true.

    Raises
    ------
    ParityError
        If they differ; the message names the first value that does, where, and by how much.

    Examples
    --------
    >>> model = ow.open_model(network, example_inputs=data.example)
    >>> bool(ow.check_parity(model, network, data.example))
    True
    """
    sides = (session_of(actual), session_of(expected))
    arrays = _arrays(sides[0], inputs)
    sizes, note = _batch_sizes(sides[0], arrays, batch_sizes)
    found: list[OutputParity] = []
    for size in sizes:
        batch = arrays if size is None else [resized(array, size) for array in arrays]
        results = [_run(s, batch, size, side) for s, side in zip(sides, ("actual", "expected"), strict=True)]
        found += _compare(results[0], results[1], size, rtol=rtol, atol=atol)
    parity = Parity(tuple(found), rtol, atol, note)
    if not parity:
        first = next(output for output in found if not output.passed)
        at = "" if first.batch_size is None else f" at batch size {first.batch_size}"
        raise ParityError(f"Output {clean_text(first.output)!r}{at}: {first.problem}")
    return parity


def _arrays(session: Session, inputs: object) -> list[Any]:
    """Return the inputs as arrays (sequences as lists) in the order of the session's inputs."""
    if isinstance(inputs, dict):
        names = [value.name for value in session.inputs]
        if set(names) != set(inputs):
            raise InputError(
                f"inputs has {sorted(map(str, inputs))}, and the inputs of `actual` are {names}."
            )
        items = [inputs[name] for name in names]
    else:
        items = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    dtypes = [value.dtype or "" for value in session.inputs]
    if len(items) != len(dtypes):
        dtypes = [""] * len(items)
    return [
        list(item) if dtype.startswith("sequence(") else _as_array(item)
        for item, dtype in zip(items, dtypes, strict=True)
    ]


def _as_array(item: Any) -> NDArray[Any]:
    return np.asarray(item.detach().cpu() if hasattr(item, "detach") else item)


def _batch_sizes(
    session: Session, arrays: list[Any], wanted: Sequence[int] | None
) -> tuple[list[int | None], str]:
    """Return the batch sizes to try, and a note on what could not be tried."""
    lengths = {len(array) if isinstance(array, np.ndarray) and array.ndim else None for array in arrays}
    length = lengths.pop() if len(lengths) == 1 else None
    if wanted is not None:
        return [int(size) for size in wanted], ""
    if not length or session.model is None:
        return [None], ""
    if not has_free_batch(session):
        return [length], "The model does not say that its batch size can change, so that no other was tried."
    return list(dict.fromkeys((length, 1, length + 1))), ""


def has_free_batch(session: Session) -> bool:
    """Tell whether all inputs begin with the same free dimension; nameless ones of two inputs may be two."""
    firsts = {value.shape[0] if value.shape else 0 for value in session.inputs}
    first = firsts.pop() if firsts else 0
    return not firsts and (isinstance(first, str) or (first is None and len(session.inputs) == 1))


def resized(array: Any, size: int) -> Any:
    """Return a batch of another size, of the same items in turn; what is no batch stays."""
    if not isinstance(array, np.ndarray) or array.ndim == 0 or len(array) == size:
        return array
    if not len(array):
        raise InputError("inputs has no items to repeat: give at least one, or leave batch_sizes out.")
    return np.take(array, np.arange(size) % len(array), axis=0)


def _run(session: Session, arrays: list[Any], size: int | None, side: str) -> dict[str, NDArray[Any]]:
    """Return a side's outputs; a model that fails at another batch size than the example's has not passed."""
    feeds: object = arrays
    if len(arrays) == len(session.inputs):
        feeds = {value.name: array for value, array in zip(session.inputs, arrays, strict=True)}
    try:
        return session.run(feeds)
    except RunError as error:
        if size is None:
            raise
        raise ParityError(
            f"{side} fails at batch size {size}. If it runs at others, then its batch is dynamic by name only: a "
            f"fixed size is left inside (a Reshape, for one).\n{error}"
        ) from error


def _compare(
    actual: dict[str, NDArray[Any]],
    expected: dict[str, NDArray[Any]],
    size: int | None,
    *,
    rtol: float,
    atol: float,
) -> list[OutputParity]:
    actual, expected = _without_sequences(actual), _without_sequences(expected)
    if len(actual) != len(expected):
        raise ParityError(
            f"actual has {len(actual)} output(s) ({', '.join(actual)}), expected has {len(expected)} "
            f"({', '.join(expected)}): they cannot be paired."
        )
    other = expected if set(actual) == set(expected) else dict(zip(actual, expected.values(), strict=True))
    return [_compare_output(name, a, other[name], size, rtol=rtol, atol=atol) for name, a in actual.items()]


def _without_sequences(outputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return outputs with the parts of sequences as outputs of their own, named ``name[0]``."""
    flat: dict[str, NDArray[Any]] = {}
    for name, output in outputs.items():
        if isinstance(output, list) and all(isinstance(part, np.ndarray) for part in output):
            flat.update({f"{name}[{index}]": part for index, part in enumerate(output)})
        else:
            flat[name] = np.asarray(output)
    return flat


def _comparable(array: NDArray[Any]) -> NDArray[Any] | None:
    """Return an array in the precision in which differences are taken; None if it does not hold numbers."""
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    if array.dtype.kind in "fiub" or array.dtype.name.startswith(("bfloat", "float", "int", "uint")):
        return array.astype(np.float64)
    return None


def _compare_output(
    name: str, actual: NDArray[Any], expected: NDArray[Any], size: int | None, *, rtol: float, atol: float
) -> OutputParity:
    def verdict(
        problem: str, largest: float = float("nan"), required: float = float("nan"), differing: int = 0
    ) -> OutputParity:
        return OutputParity(name, size, actual.shape, largest, required, differing, actual.size, problem)

    if actual.shape != expected.shape:
        return verdict(f"its shape is {actual.shape}, and {expected.shape} was expected.")
    if actual.dtype != expected.dtype:
        return verdict(f"its dtype is {actual.dtype}, and {expected.dtype} was expected.")
    a, e = _comparable(actual), _comparable(expected)
    if a is None or e is None:
        same = bool(np.array_equal(actual, expected))
        return verdict("" if same else "its contents differ.", 0.0 if same else float("nan"))
    for side, values in (("actual", a), ("expected", e)):
        if not np.isfinite(values).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
            return verdict(
                f"{side} holds {values[where]} at {where}; {int((~np.isfinite(values)).sum())} of {a.size:,} elements "
                "are not finite."
            )
    difference = np.abs(a - e)
    excess = difference - rtol * np.abs(e)
    wrong = excess > atol
    largest = float(difference.max(initial=0.0))
    required = max(0.0, float(excess.max(initial=0.0)))
    if not wrong.any():
        return verdict("", largest, required)
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    worst = tuple(int(i) for i in np.unravel_index(int(difference.argmax()), difference.shape))
    return verdict(
        f"the first value that differs is at {first}: actual {a[first]:.6g}, expected {e[first]:.6g}. "
        f"{int(wrong.sum()):,} of {a.size:,} differ; the largest difference is {largest:.3g} at {worst}. "
        f"It would pass with atol={required:.2g}.",
        largest,
        required,
        int(wrong.sum()),
    )
