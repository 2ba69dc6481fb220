"""Layers over sequences: delay, window, recurrence, fold and unfold."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

from onnx_workbench.cntk.default_options import default_override_or, options_of
from onnx_workbench.cntk.layers.blocks import ForwardDeclaration, initial_state_or_default
from onnx_workbench.cntk.layers.shapes import named
from onnx_workbench.cntk.ops import combine, reconcile_dynamic_axes, sequence, splice
from onnx_workbench.cntk.ops.functions import BlockFunction, Function

__all__ = ["Delay", "Fold", "PastValueWindow", "Recurrence", "RecurrenceFrom", "UnfoldFrom"]

_MOST_STATES = 10


def Delay(T: int = 1, initial_state: Any = default_override_or(0), name: str = "") -> Any:
    """Return each step's input `T` steps ago; negative `T` looks ahead."""
    (initial_state,) = options_of(Delay, initial_state=initial_state)
    initial = initial_state_or_default(initial_state)

    @BlockFunction("Delay", name)
    def delay(x: Any) -> Any:
        return sequence.delay(x, initial_state=initial, time_step=T)

    return delay


def PastValueWindow(
    window_size: int, axis: int, go_backwards: Any = default_override_or(False), name: str = ""
) -> Any:
    """Return the last steps of a sequence, stacked along a static axis, and which of them there were."""
    (go_backwards,) = options_of(PastValueWindow, go_backwards=go_backwards)
    final = sequence.first if go_backwards else sequence.last

    def steps_back(x: Any, count: int) -> Any:
        return final(Delay(-count if go_backwards else count)(x))

    @BlockFunction("PastValueWindow", name)
    def past_value_window(x: Any) -> Any:
        ones = sequence.broadcast_as(1, x)
        values = [steps_back(x, count) for count in range(window_size)]
        valids = [steps_back(ones, count) for count in range(window_size)]
        return splice(*values, axis=axis, name="value"), splice(*valids, axis=axis, name="valid")

    return past_value_window


def _as_function(f: Any) -> Any:
    return Function(f) if isinstance(f, FunctionType) else f


def _step_function(f: Any, layer: str) -> Any:
    """Return a step as a Function; Python functions must not use variables or parameters from elsewhere."""
    if isinstance(f, FunctionType):
        names = list(inspect.signature(f).parameters)
        try:
            f = Function(f)
        except TypeError as error:
            if "parameters cannot be created inside" not in str(error):
                raise
            raise TypeError(
                "Parameter cannot be created inside Recurrence Python step function: make the layers outside, and "
                "call them inside."
            ) from error
        foreign = [variable.name or variable.uid for variable in f.arguments if variable.name not in names]
        if foreign:
            raise TypeError(
                f"Recurrence Python step function makes use of additional CNTK variables or placeholders: {foreign}. "
                f"Its own arguments are {names}, which must be (state..., input) and all that it reads."
            )
    if len(f.outputs) != len(f.signature) - 1:
        raise TypeError(
            f"{layer}: number of state variables inconsistent between create_placeholder() and recurrent block: the "
            f"step function takes {len(f.signature) - 1} and returns {len(f.outputs)}."
        )
    return f


def RecurrenceFrom(
    step_function: Any,
    go_backwards: Any = default_override_or(False),
    return_full_state: bool = False,
    name: str = "",
) -> Any:
    """Return a recurrence whose initial states are its first arguments: ``(state..., input) -> output``."""
    (go_backwards,) = options_of(RecurrenceFrom, go_backwards=go_backwards)
    step = _step_function(step_function, "RecurrenceFrom")
    states = step.signature[:-1]
    if not 0 < len(states) <= _MOST_STATES:
        raise ValueError(
            f"RecurrenceFrom() currently supports recurrence with up to {_MOST_STATES} state variables; "
            f"got {len(states)}."
        )

    def recurrence_from(*arguments: Any) -> Any:
        *initial, x = arguments
        declared = [ForwardDeclaration(name=state.name) for state in states]
        delayed = [
            sequence.delay(one, initial_state=start, time_step=-1 if go_backwards else 1)
            for one, start in zip(declared, initial, strict=True)
        ]
        out = step(*delayed, x)
        for one, new in zip(declared, list(out.outputs), strict=True):
            one.resolve_to(new)
        return out if return_full_state else combine([out.outputs[0]])

    return named(Function(_with_arguments(recurrence_from, len(states))), name)


def _with_arguments(function: Any, states: int) -> Any:
    """Give a function of any number of arguments the names that CNTK gives to the states: h, c, a, b, ..."""
    names = ["h", "c", "a", "b", "d", "e", "f", "g", "i", "j"][:states]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in (*names, "x")])
    return function


def Recurrence(
    step_function: Any,
    go_backwards: Any = default_override_or(False),
    initial_state: Any = default_override_or(0),
    return_full_state: bool = False,
    name: str = "",
) -> Any:
    """Apply a step to every element of a sequence, with its own output of the step before.

    Parameters
    ----------
    step_function
        ``(state..., input) -> (state...)``, such as `LSTM(100)`, or a Python function of that form.
    go_backwards
        Whether to begin at the end.
    initial_state
        One value for all states, or a tuple with one for each.
    return_full_state
        Whether to return all states, not just the first.
    name
        Name of the result.

    Examples
    --------
    >>> layer = C.layers.Recurrence(C.layers.LSTM(100))
    """
    go_backwards, initial_state = options_of(
        Recurrence, go_backwards=go_backwards, initial_state=initial_state
    )
    step = _step_function(step_function, "Recurrence")
    initial = initial_state_or_default(initial_state)
    if isinstance(initial, tuple) and len(initial) == 1:
        initial = initial[0]
    if not isinstance(initial, tuple):
        initial = (initial,) * (len(step.signature) - 1)
    recurrence_from = RecurrenceFrom(step, go_backwards, return_full_state)

    @Function
    def recurrence(x: Any) -> Any:
        return recurrence_from(*initial, x)

    return named(recurrence, name)


def Fold(
    folder_function: Any,
    go_backwards: Any = default_override_or(False),
    initial_state: Any = default_override_or(0),
    return_full_state: bool = False,
    name: str = "",
) -> Any:
    """Apply a recurrence and return only its final output."""
    go_backwards, initial_state = options_of(Fold, go_backwards=go_backwards, initial_state=initial_state)
    recurrence = Recurrence(
        folder_function,
        go_backwards=go_backwards,
        initial_state=initial_state,
        return_full_state=return_full_state,
    )
    final = sequence.first if go_backwards else sequence.last
    return named(recurrence >> tuple(final for _ in recurrence.outputs), name)


def UnfoldFrom(
    generator_function: Any, until_predicate: Any = None, length_increase: float = 1, name: str = ""
) -> Any:
    """Generate a sequence from an initial state, as long as another sequence or until a predicate holds.

    Parameters
    ----------
    generator_function
        ``state -> output`` or ``state -> (output, new state)``.
    until_predicate
        ``output -> 1`` where the sequence ends.
    length_increase
        How many times as long as the other sequence it may become.
    name
        Name of the result.
    """
    generate, until = _as_function(generator_function), _as_function(until_predicate)
    if len(generate.signature) != 1 or len(generate.outputs) not in {1, 2}:
        raise TypeError(
            "generator_function should take 1 positional argument (state) and return a single output or a tuple "
            f"(output, new state); it takes {len(generate.signature)} and returns {len(generate.outputs)}."
        )

    @Function
    def unfold_from(initial_state: Any, dynamic_axes_like: Any) -> Any:
        out_axis = dynamic_axes_like
        if length_increase != 1:  # each step counts so many times: the values of the result do not matter
            out_axis = sequence.where(sequence.broadcast_as(length_increase, out_axis))
        declared = ForwardDeclaration(name="unfold_state_fwd")
        before = sequence.delay(declared, initial_state=initial_state, name="unfold_prev_state")
        generated = generate(before)
        output = generated.outputs[0]
        state = generated.outputs[1] if len(generated.outputs) > 1 else output
        state = combine([reconcile_dynamic_axes(state, out_axis)], name="unfold_new_state")
        declared.resolve_to(state.output)
        output = combine([output], name="unfold_output")
        if until is None:
            return output
        still = Recurrence(
            lambda h, x: (1 - sequence.past_value(x)) * h, initial_state=1, name="valid_frames"
        )(until(output))
        return sequence.gather(output, still, name="valid_output")

    return named(unfold_from, name)
