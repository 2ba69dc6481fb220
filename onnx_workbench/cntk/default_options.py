"""Defaults of layers, overridden for a while: `with default_options(activation=relu): ...`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

_RESERVED = {"_scope", "_outer"}


@dataclass(frozen=True)
class _Scope:
    """One `with` block: the functions it is for (None: all), and what it sets."""

    functions: tuple[Any, ...] | None
    options: dict[str, Any]


_scopes: ContextVar[tuple[_Scope, ...]] = ContextVar("cntk_default_options", default=())
_global_options: dict[str, Any] = {}


class default_override_or:  # noqa: N801 - CNTK's name
    """Marks a default that `default_options` may override; holds the value used otherwise."""

    def __init__(self, value: Any) -> None:
        self.value = value


@contextmanager
def _scope(functions: tuple[Any, ...] | None, options: dict[str, Any]) -> Iterator[None]:
    token = _scopes.set((_Scope(functions, options), *_scopes.get()))
    try:
        yield
    finally:
        _scopes.reset(token)


def default_options(**options: Any) -> Any:
    """Override defaults of all functions inside a `with` block.

    Raises
    ------
    ValueError
        For the names ``_scope`` and ``_outer``, which CNTK reserves.

    Examples
    --------
    >>> with C.layers.default_options(activation=C.relu, pad=True):
    ...     layer = C.layers.Convolution2D((3, 3), 16)
    """
    return default_options_for(None, **options)


def default_options_for(functions: Any, **options: Any) -> Any:
    """Override defaults of one function, or of a list of functions, inside a `with` block."""
    if _RESERVED & set(options):
        raise ValueError("default_options: _scope and _outer are names that CNTK keeps for itself.")
    chosen = tuple(functions) if isinstance(functions, list) else None if functions is None else (functions,)
    return _scope(chosen, options)


def is_default_override(value: Any) -> bool:
    """Tell whether an argument was left at its default."""
    return isinstance(value, default_override_or)


def get_default_override(function: Callable[..., Any] | None, **option: Any) -> Any:
    """Return the value given, else that of the innermost `with` block for this function, else the default.

    Parameters
    ----------
    function
        Who asks, a function or class with an argument of that name; None asks for everyone.
    **option
        One keyword: the option's name and the value that was passed.
    """
    if len(option) != 1:
        raise TypeError(f"get_default_override() takes 1 keyword argument but {len(option)} were given")
    ((name, value),) = option.items()
    if function is not None:
        _check_argument(function, name)
    if not isinstance(value, default_override_or):
        return value
    for scope in _scopes.get():
        applies = scope.functions is None or function is None or function in scope.functions
        if applies and name in scope.options:
            return scope.options[name]
    return value.value


def options_of(function: Callable[..., Any], **options: Any) -> tuple[Any, ...]:
    """Return the value in force of each option of a layer, in the order given."""
    return tuple(get_default_override(function, **{name: value}) for name, value in options.items())


def _check_argument(function: Callable[..., Any], name: str) -> None:
    if not (inspect.isfunction(function) or inspect.isclass(function)):
        raise ValueError(f"get_default_override() expects a Python function or class; got {function!r}.")
    if name not in inspect.signature(function).parameters:
        raise TypeError(f"{function.__name__}() has no argument named {name!r}")


def set_global_option(key: str, value: Any) -> None:
    """Set an option for the whole process."""
    _global_options[key] = value


def get_global_option(key: str, default_value: Any) -> Any:
    """Return an option of the whole process, or the default."""
    return _global_options.get(key, default_value)
