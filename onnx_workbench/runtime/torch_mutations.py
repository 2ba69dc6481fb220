"""Operations of PyTorch that change their arguments, as operations that return them changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

Place = int | str
Geometry = tuple[tuple[int, ...], tuple[int, ...], int]


@cache
def functional_twin(operation: Any) -> Any:
    """Return ``relu`` for ``relu_``: the same operation, which changes nothing; None if there is none."""
    import torch

    name = operation.overloadpacket.__name__
    if not name.endswith("_") or name.startswith("_"):
        return None
    packet = getattr(getattr(torch.ops, operation.namespace), name.removesuffix("_"), None)
    twin = getattr(packet, operation._overloadname, None)  # noqa: SLF001  there is no public way to ask
    if twin is None or twin._schema.is_mutable:  # noqa: SLF001
        return None
    same = len(twin._schema.arguments) == len(operation._schema.arguments)  # noqa: SLF001
    return twin if same and len(twin._schema.returns) == 1 else None  # noqa: SLF001


def written_places(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Place, ...]:
    """Return which arguments an operation changes: by place, or by name."""
    found: list[Place] = []
    for index, argument in enumerate(operation._schema.arguments):  # noqa: SLF001  the only place that tells
        if argument.alias_info is not None and argument.alias_info.is_write:
            place: Place = index if index < len(args) else argument.name
            given = args[index] if index < len(args) else kwargs.get(argument.name)
            if given is not None:
                found.append(place)
    return tuple(found)


def on_copies(operation: Any, places: tuple[Place, ...]) -> Callable[..., Any]:
    """Return a function that returns the changed arguments, and then whatever else the operation returns."""

    def call(*args: Any, **kwargs: Any) -> list[Any]:
        given: dict[Place, Any] = dict(enumerate(args))
        given.update(kwargs.items())
        changed: list[Any] = []
        for place in places:
            item = given[place]
            copies = [t.clone() for t in item] if isinstance(item, (list, tuple)) else item.clone()
            given[place] = copies
            changed += copies if isinstance(copies, list) else [copies]
        ordered = [given[index] for index in range(len(args))]
        result = operation(*ordered, **{name: item for name, item in given.items() if isinstance(name, str)})
        returned = result if isinstance(result, (list, tuple)) else [result]
        return [*changed, *(r for r in returned if r is not None and all(r is not c for c in changed))]

    return call


def written_through(old: Any, new: Any, places: Geometry, new_places: Geometry) -> Any:
    """Return what a tensor holds after another one that shares its memory was written.

    Parameters
    ----------
    old, new
        What it held, and what was written.
    places, new_places
        Shape, strides and offset of both in the memory that they share.
    """
    import torch

    size = max(_end(places), _end(new_places))
    memory = torch.empty(size, dtype=old.dtype, device=old.device)
    memory.as_strided(*places).copy_(old)
    memory.as_strided(*new_places).copy_(new)
    return memory.as_strided(*places).clone()


def _end(places: Geometry) -> int:
    shape, strides, offset = places
    if 0 in shape:
        return offset
    return offset + 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
