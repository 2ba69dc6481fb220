"""The recorder of a torch module's run: PyTorch hands it each operation, and it notes what reads and writes what."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from onnx_workbench.core.formatting import clean_text
from onnx_workbench.runtime.torch_calls import Call, Recording, Ref
from onnx_workbench.runtime.torch_decompositions import decomposition
from onnx_workbench.runtime.torch_mutations import (
    Geometry,
    functional_twin,
    on_copies,
    written_places,
    written_through,
)


@cache
def mode_class() -> Any:
    """Return the class by which PyTorch hands over its operations; it needs torch, which is imported only now."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Mode(TorchDispatchMode):
        supports_higher_order_operators = True

        def __init__(self, recorder: Recorder) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.recorder = recorder

        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            return False  # saying yes would import the compiler, which takes longer than the run

        @classmethod
        def ignore_compile_internals(cls) -> bool:
            return True  # torch.cond compiles itself

        def __torch_dispatch__(
            self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
        ) -> Any:
            del types
            return self.recorder.take(self, operation, args, kwargs or {})

    return Mode


class Recorder:
    """Takes what PyTorch dispatches, one operation after the other."""

    def __init__(self) -> None:
        from torch.utils.weak import WeakTensorKeyDictionary

        self.recording = Recording()
        self.path: list[str] = []
        self._numbers: Any = WeakTensorKeyDictionary()
        self._constants: Any = WeakTensorKeyDictionary()
        self._constant_storages: set[int] = set()
        self._saved: dict[int, tuple[Any, Any]] = {}
        self._count = self._depth = 0
        self._line = ""

    def take(self, mode: Any, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record an operation that the module calls, or the operations that it is taken apart into."""
        if self._depth == 0:
            self._line = _line()
        self._depth += 1
        try:
            return self._take(mode, operation, args, kwargs)
        finally:
            self._depth -= 1

    def _take(self, mode: Any, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        import torch

        if isinstance(operation, torch._ops.HigherOrderOperator):  # noqa: SLF001  it has no public name
            if (inner := _CONTROL_FLOW.get(operation.name())) is not None:
                with mode:
                    return inner(*args, **kwargs)
        elif operation is torch.ops.aten.lift_fresh.default:
            result = torch.ops.aten.alias(args[0])  # a number that the program writes, and exports copy
            self._record(operation, args, kwargs, result, label="clone")
            return result
        elif (apart := decomposition(operation)) is not None:
            with mode:
                result = apart(*args, **kwargs)
            if result is not NotImplemented:
                return result
        elif operation is torch.ops.aten.detach_.default:
            return args[0]
        elif operation._schema.is_mutable:  # noqa: SLF001  as above
            return self._mutate(mode, operation, args, kwargs)
        result = operation(*args, **kwargs)
        if isinstance(result, torch.Tensor) and any(result is given for given in args):
            result = torch.ops.aten.alias(result)  # the operation had nothing to do, and is one all the same
        self._record(operation, args, kwargs, result)
        return result

    def _record(
        self,
        function: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: Any,
        label: str | None = None,
    ) -> None:
        """Add a call, if it returns tensors that nobody knows yet."""
        import torch

        reads: list[int] = []
        held = _mapped(args, lambda tensor: self._held(tensor, reads))
        held_by_name = {name: _mapped(item, lambda t: self._held(t, reads)) for name, item in kwargs.items()}
        is_sequence = isinstance(result, (list, tuple))
        parts = list(result) if is_sequence else [result]
        news = [isinstance(part, torch.Tensor) and part not in self._numbers for part in parts]
        if not any(news):
            return
        is_random = torch.Tag.nondeterministic_seeded in getattr(function, "tags", ())
        self.recording.calls.append(
            Call(
                function,
                label or getattr(function, "__name__", str(function)).removesuffix(".default"),
                held,
                held_by_name,
                tuple(reads),
                tuple(self.number(part) if new else None for part, new in zip(parts, news, strict=True)),
                is_sequence,
                _is_view(function),
                self._module_path(),
                self._line,
                _mapped(result, lambda tensor: tensor.clone()) if is_random else None,
            )
        )

    def number(self, tensor: Any) -> int:
        """Return the number of a tensor that was given or computed, giving it one if it has none."""
        if (known := self._numbers.get(tensor)) is None:
            known = self._rename(tensor)
        return int(known)

    def _rename(self, tensor: Any) -> int:
        """Give a tensor a number of its own: it holds something new."""
        self._numbers[tensor] = self._count
        self.recording.kinds[self._count] = (tensor.dtype, tensor.dim())
        self._count += 1
        return self._count - 1

    def number_of_result(self, tensor: Any) -> int:
        """Return the number of what the module returns; a weight or a constant becomes the result of a call."""
        if (known := self._known(tensor)) is not None:
            return known
        held = self._held(tensor, [])
        number = self._rename(tensor)
        self.recording.calls.append(Call(_same, "constant", (held,), {}, (), (number,)))
        return number

    def _held(self, tensor: Any, reads: list[int]) -> Any:
        """Return what a call keeps of a tensor among its arguments: the number of a value, or a constant itself."""
        if (number := self._known(tensor)) is not None:
            reads.append(number)
            return Ref(number)
        storage = _storage(tensor)
        if storage in self._saved and tensor not in self._constants:
            return tensor.clone()  # seen for the first time, and changed already
        self._constants[tensor] = True
        self._constant_storages.add(storage)
        return tensor

    def _known(self, tensor: Any) -> int | None:
        """Return the number of a value; one that was made behind PyTorch's back is known by its memory."""
        number = self._numbers.get(tensor)
        if number is not None or tensor in self._constants:
            return None if number is None else int(number)
        storage = _storage(tensor)
        if not storage or storage in self._constant_storages:
            return None
        if (alias := self._same_place(tensor, storage)) is not None:
            self._numbers[tensor] = number = self._numbers[alias]
        return None if number is None else int(number)

    def _same_place(self, tensor: Any, storage: int) -> Any:
        return next(
            (
                other
                for other in list(self._numbers)
                if _storage(other) == storage and _lie_alike(other, tensor)
            ),
            None,
        )

    def _mutate(self, mode: Any, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record an operation that changes its arguments as one that returns them changed, and change them."""
        import torch

        places = written_places(operation, args, kwargs)
        targets = [args[place] if isinstance(place, int) else kwargs[place] for place in places]
        tensors = [
            t for target in targets for t in (target if isinstance(target, (list, tuple)) else [target])
        ]
        for tensor in tensors:
            self._save(tensor)
        twin = functional_twin(operation)
        if twin is not None and len(tensors) == 1 and torch.Tag.inplace_view not in operation.tags:
            with mode:
                changed = twin(*args, **kwargs)
            if changed.dtype == tensors[0].dtype and changed.shape == tensors[0].shape:
                tensors[0].copy_(changed)
                self._becomes(tensors[0], self.number_of_result(changed))
                return tensors[0]
        function = on_copies(operation, places)
        self._constants_first(tensors)
        before = (_mapped(args, lambda t: t), dict(kwargs))
        result = operation(*args, **kwargs)
        others = [
            r for r in (result if isinstance(result, (list, tuple)) else [result]) if _is_new(r, tensors)
        ]
        changed_all = [tensor.clone() for tensor in tensors]
        self._record(function, *before, [*changed_all, *others], label=str(operation.__name__))
        for tensor, changed in zip(tensors, changed_all, strict=True):
            self._becomes(tensor, self.number(changed))
        return result

    def _constants_first(self, tensors: list[Any]) -> None:
        """Note those tensors that are constants, before they are changed."""
        for tensor in tensors:
            self._held(tensor, [])

    def _save(self, tensor: Any) -> None:
        """Keep what a weight, buffer or constant holds before it is changed for the first time."""
        storage = _storage(tensor)
        if self._known(tensor) is None or storage in self._constant_storages:
            self._held(tensor, [])
            if storage and storage not in self._saved:
                memory = tensor.untyped_storage()
                self._saved[storage] = (memory, memory.clone())

    def _becomes(self, tensor: Any, number: int) -> None:
        """Note that a tensor holds a new value, and with it whatever shares its memory."""
        storage = _storage(tensor)
        before = [t for t in {*self._numbers, *self._constants} if t is not tensor and _storage(t) == storage]
        self._numbers[tensor] = number
        self.recording.changed.add(number)
        for other in before if storage else ():
            if _lie_alike(other, tensor):
                self._numbers[other] = number
                continue
            self.recording.calls.append(self._rewritten(other, tensor, number))

    def _rewritten(self, other: Any, tensor: Any, number: int) -> Call:
        """Return the call that gives what a tensor holds now that one which shares its memory was written."""
        held = self._numbers.get(other)
        old = other if held is None else Ref(held)
        args = (old, Ref(number), _geometry(other), _geometry(tensor))
        reads = (number,) if held is None else (held, number)
        return Call(
            written_through,
            "slice_scatter",
            args,
            {},
            reads,
            (self._rename(other),),
            module_path=self._module_path(),
            source_line=self._line,
            kept=None if other.dtype == tensor.dtype else other.clone(),
        )

    def _module_path(self) -> str:
        return clean_text(self.path[-1]) if self.path else ""

    def restore(self) -> None:
        """Give weights and buffers back what they held before the run."""
        for memory, saved in self._saved.values():
            memory.copy_(saved)


def _same(value: Any) -> Any:
    return value


def _is_new(result: Any, tensors: list[Any]) -> bool:
    return result is not None and all(result is not tensor for tensor in tensors)


def _is_view(function: Any) -> bool:
    schema = getattr(function, "_schema", None)
    return schema is not None and any(returned.alias_info is not None for returned in schema.returns)


def _storage(tensor: Any) -> int:
    """Return what tells the memory of a tensor; 0 if it has none of its own, as sparse ones."""
    try:
        return int(tensor.untyped_storage()._cdata)  # noqa: SLF001  torch compares storages so itself
    except (NotImplementedError, RuntimeError):
        return 0


def _geometry(tensor: Any) -> Geometry:
    return tuple(tensor.shape), tensor.stride(), tensor.storage_offset()


def _lie_alike(one: Any, other: Any) -> bool:
    return bool(one.dtype == other.dtype and _geometry(one) == _geometry(other))


def _mapped(item: Any, function: Callable[[Any], Any]) -> Any:
    """Return arguments with each tensor replaced."""
    import torch

    if isinstance(item, torch.Tensor):
        return function(item)
    if isinstance(item, (list, tuple)):
        parts = [_mapped(part, function) for part in item]
        return parts if isinstance(item, list) else tuple(parts)
    return item


def _cond(pred: Any, true_fn: Any, false_fn: Any, operands: Any = ()) -> Any:
    return (true_fn if bool(pred) else false_fn)(*operands)


def _while_loop(cond_fn: Any, body_fn: Any, carried: Any, additional: Any = ()) -> Any:
    values = tuple(carried)
    while bool(cond_fn(*values, *additional)):
        values = tuple(body_fn(*values, *additional))
    return values


_FOLDER = Path(__file__).parent.as_posix()
_OURS = frozenset(
    f"{_FOLDER}/{name}.py" for name in ("torch_recorder", "torch_decompositions", "torch_mutations")
)
_START = f"{_FOLDER}/torch_recording.py"
_CONTROL_FLOW: dict[str, Callable[..., Any]] = {"cond": _cond, "while_loop": _while_loop}


def _line() -> str:
    """Return ``file:line`` of the innermost frame of the module that is not PyTorch's own; of PyTorch's if all are."""
    frame: Any = sys._getframe(2)  # noqa: SLF001  the way that has no cost
    first = ""
    while frame is not None:
        name = frame.f_code.co_filename.replace("\\", "/")
        if name == _START:
            break
        if name not in _OURS:
            line = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            if "/torch/" not in name and not name.startswith("<"):
                return clean_text(line)
            first = first or line
        frame = frame.f_back
    return clean_text(first)
