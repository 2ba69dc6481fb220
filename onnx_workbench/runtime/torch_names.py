"""Names of values as PyTorch's exporter gives them: what a file of it calls them, a recorded run calls them too."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_workbench.runtime.torch_calls import Call, Recording


def names_of(recording: Recording, inputs: Sequence[str]) -> tuple[dict[int, str], list[str]]:
    """Return the name of each value by its number, and of each call.

    They are named after their operation and numbered, whether or not anything comes of them.
    """
    namer = _Namer(recording, inputs)
    calls = [namer.take(call) for call in recording.calls]
    for number in recording.outputs:
        namer.see(number)
    return namer.names, calls


class _Namer:
    def __init__(self, recording: Recording, inputs: Sequence[str]) -> None:
        import torch

        self._graph = torch.fx.Graph()
        self._taken = set(inputs)
        self._changed = recording.changed
        self._unseen: dict[int, list[tuple[str, int]]] = {}
        self._views: dict[int, list[tuple[str, int]]] = {}
        self.names: dict[int, str] = dict(zip(recording.inputs, inputs, strict=True))

    def take(self, call: Call) -> str:
        """Name what a call returns."""
        for number in call.reads:
            self.see(number)
        name = self._new(call.label)
        for written in call.writes:
            if written is not None:
                self.names[written] = self._new("getitem") if call.is_sequence else name
        if call.is_view and not call.is_sequence and call.reads and call.writes[0] is not None:
            self._note_view(call, call.writes[0])
        return name

    def _note_view(self, call: Call, number: int) -> None:
        base = call.reads[0]
        if base in self._changed or base in self._views:
            self._views[number] = [*self._views.get(base, []), (call.label, number)]
            self._unseen[number] = self._views[number]

    def see(self, number: int) -> None:
        """Name anew what is read for the first time, if it is a view of what was changed in its place.

        Before such a view is read, the exporter makes it once more, and all views on the way to it.
        """
        for label, view in self._unseen.pop(number, []):
            self.names[view] = self._new(label)

    def _new(self, label: str) -> str:
        operation = label.partition(".")[0].rstrip("_") or label
        namespace = self._graph._graph_namespace  # noqa: SLF001  the rules change with the version
        name = str(namespace.create_name(self._graph._target_to_str(operation), None))  # noqa: SLF001
        while name in self._taken:
            name = str(namespace.create_name(name, None))
        return name
