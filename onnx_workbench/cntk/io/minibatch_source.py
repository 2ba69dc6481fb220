"""Minibatches from deserializers, in the order and of the sizes that CNTK's have."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import Any

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError, UnsupportedOperatorError
from onnx_workbench.cntk.io.deserializers import Deserializer, Sequences
from onnx_workbench.cntk.io.orders import Place, Shuffling, order_of_sweep
from onnx_workbench.cntk.io.streams import MinibatchData, StreamInformation
from onnx_workbench.cntk.value_types import Record

INFINITELY_REPEAT = 2**64 - 1
FULL_DATA_SWEEP = 2**64 - 2
DEFAULT_RANDOMIZATION_WINDOW_IN_CHUNKS = 128


class MinibatchSource:
    """Reads minibatches.

    Parameters
    ----------
    deserializers
        What it reads from, one or several; sequences of several are put together by their numbers.
    max_samples
        After how many samples it ends; `FULL_DATA_SWEEP` for once through the data.
    max_sweeps
        After how often through the data it ends.
    randomization_window_in_chunks, randomization_window_in_samples
        How far sequences are shuffled; 0 for both leaves the order.
    randomization_seed
        Where the random numbers of the first sweep begin; the next sweep begins at the next.
    frame_mode
        Refuse sequences of more than one sample.
    truncation_length
        Only 0: sequences are not parted here.
    randomize
        Whether the data is shuffled. For a seed the order is CNTK's own.
    trace_level, multithreaded_deserializer, max_errors
        Accepted. Errors in the data are always raised, as CNTK's reader of text does whatever `max_errors` is.

    Raises
    ------
    RuntimeError
        If limits or windows are given in two ways, or streams have the same name.

    Examples
    --------
    >>> with open("train.ctf", "w") as file:
    ...     print("|features 1 2", "|features 3 4", sep=chr(10), file=file)
    >>> reader = C.io.CTFDeserializer(
    ...     "train.ctf", C.io.StreamDefs(features=C.io.StreamDef("features", shape=2))
    ... )
    >>> source = C.io.MinibatchSource(reader, randomize=False, max_sweeps=1)
    >>> while data := source.next_minibatch(64):
    ...     print(data[source.streams.features].num_samples)
    2
    """

    def __init__(
        self,
        deserializers: Any,
        max_samples: int = INFINITELY_REPEAT,
        max_sweeps: int = INFINITELY_REPEAT,
        randomization_window_in_chunks: int = DEFAULT_RANDOMIZATION_WINDOW_IN_CHUNKS,
        randomization_window_in_samples: int = 0,
        randomization_seed: int = 0,
        trace_level: Any = None,
        multithreaded_deserializer: bool | None = None,
        frame_mode: bool = False,
        truncation_length: int = 0,
        randomize: bool = True,
        max_errors: int = 0,
    ) -> None:
        parts = list(deserializers) if isinstance(deserializers, list | tuple) else [deserializers]
        _check(parts, max_samples, max_sweeps, frame_mode=frame_mode, truncation_length=truncation_length)
        self._max_samples, self._max_sweeps, self._frames = max_samples, max_sweeps, frame_mode
        if max_samples == FULL_DATA_SWEEP:
            self._max_samples, self._max_sweeps = INFINITELY_REPEAT, 1
        chunks, samples = randomization_window_in_chunks, randomization_window_in_samples
        if randomize and chunks and samples:
            raise CntkRuntimeError(
                "MinibatchSourceConfig: randomization window in chunks and randomization window in samples are "
                "mutually exclusive options and cannot have non-zero values at the same time."
            )
        self._data = _Bundle(parts, keep=2 + (chunks if randomize else 0))
        self._shuffling = None
        if randomize and (chunks or samples):
            self._shuffling = Shuffling(
                randomization_seed, chunks or None, samples or None, self._data.tumbles
            )
        self._infos = [one for part in parts for one in part.stream_infos()]
        names = [one.name for one in self._infos]
        for name in names:
            if names.count(name) > 1:
                raise CntkRuntimeError(
                    f"Two streams with the same name '{name}' have been found. Please rename the duplicate."
                )
        self._streams = Record(**{one.name: one for one in self._infos})
        self._samples = self._sweep = self._sequence = 0
        self._ahead: Place | None = None
        self._go_to(0, 0)

    def stream_infos(self) -> list[StreamInformation]:
        """Return what streams there are."""
        return list(self._infos)

    @property
    def streams(self) -> Record:
        """The streams by name."""
        return self._streams

    def stream_info(self, name: str) -> StreamInformation:
        """Return the stream of a name."""
        return found_stream(self._infos, name)

    def __getitem__(self, name: str) -> StreamInformation:
        return self.stream_info(name)

    def is_infinite(self) -> bool:
        """Tell whether it never ends."""
        return self._max_samples == self._max_sweeps == INFINITELY_REPEAT

    def next_minibatch(
        self,
        minibatch_size_in_samples: int,
        input_map: dict[Any, StreamInformation] | None = None,
        device: Any = None,
        num_data_partitions: int | None = None,
        partition_index: int | None = None,
    ) -> dict[Any, MinibatchData]:
        """Return the next minibatch.

        Parameters
        ----------
        minibatch_size_in_samples
            How many samples at most; a longer sequence comes alone. Of streams of different lengths the longest counts,
            or the one that defines the size.
        input_map
            Streams by what the minibatch has as keys.
        device
            Accepted and not used.
        num_data_partitions, partition_index
            Only 1 and 0: there is one worker.

        Returns
        -------
        Data by stream, or by the keys of `input_map`; empty after the end.
        """
        if minibatch_size_in_samples <= 0:
            raise CntkValueError(
                f"GetNextMinibatch: Requested minibatch size must be > 0; got {minibatch_size_in_samples}."
            )
        if num_data_partitions not in {None, 1}:
            raise UnsupportedOperatorError(
                "next_minibatch reads for one worker: data is not parted among several."
            )
        chosen, ended = self._take(int(minibatch_size_in_samples))
        if not chosen:
            return {}
        sequences = [self._data.sequence(place) for place in chosen]
        data = {info: self._minibatch(info, sequences, ended) for info in self._infos}
        if not input_map:
            return data
        return {key: data[stream] for key, stream in input_map.items()}

    def _minibatch(self, info: StreamInformation, sequences: Sequences, ended: bool) -> MinibatchData:
        values = [one[info.name] for one in sequences]
        shapes = {one.shape[1:] for one in values if not info.is_sparse}
        if len(shapes) > 1:
            raise CntkRuntimeError(
                f"Packer currently does not support samples with varying shapes: the stream '{info.name}' has "
                f"{sorted(shapes)[:4]}. For pictures give transforms that bring all to one size, such as scale(...)."
            )
        longest = max(len(one) for one in values)
        if self._frames and longest > 1:
            raise CntkRuntimeError(f"Detected a non-frame sequence of size {longest} in frame mode.")
        return MinibatchData(values, len(values), sum(len(one) for one in values), ended)

    def _take(self, size: int) -> tuple[list[Place], bool]:
        """Return where the next sequences are, and whether the data ends among them."""
        chosen: list[Place] = []
        taken, ended = 0, False
        while taken < size and self._samples < self._max_samples and self._sweep < self._max_sweeps:
            place = self._peek()
            if place is None:  # what tumbles notes an end of the data when it goes on after it
                ended = True
                self._go_to(self._sweep + 1, 0)
                continue
            length = self._data.lengths_of(place[0])[place[1]]
            if chosen and taken + length > size:
                break
            chosen.append(place)
            taken += length
            self._samples += length
            self._sequence, self._ahead = self._sequence + 1, None
            if not self._data.tumbles and self._peek() is None:
                ended = True
                self._go_to(self._sweep + 1, 0)
        return chosen, ended

    def _peek(self) -> Place | None:
        """Return where the next sequence of this sweep is, None at its end."""
        if self._ahead is None:
            self._ahead = next(self._order, None)
        return self._ahead

    def _go_to(self, sweep: int, sequence: int) -> None:
        data = self._data
        self._sweep, self._sequence, self._ahead = sweep, sequence, None
        order = order_of_sweep(data.count, data.lengths_of, self._shuffling, sweep)
        self._order = itertools.islice(order, sequence, None)

    def get_checkpoint_state(self) -> dict[str, int]:
        """Return where it is."""
        return {
            "minibatchSourcePosition": self._samples,
            "sweep": self._sweep,
            "sequence": self._sequence,
        }

    def restore_from_checkpoint(self, checkpoint: dict[str, int]) -> None:
        """Go on from where `get_checkpoint_state` was asked."""
        try:
            samples, sweep, sequence = (
                int(checkpoint[key]) for key in ("minibatchSourcePosition", "sweep", "sequence")
            )
        except (KeyError, TypeError) as error:
            raise CntkValueError(
                f"This is no state of a MinibatchSource: it has {sorted(map(str, checkpoint))}."
            ) from error
        if min(samples, sweep, sequence) < 0:
            raise CntkValueError(f"This is no state of a MinibatchSource: {checkpoint}.")
        self._samples = samples
        self._go_to(sweep, sequence)

    @property
    def current_position(self) -> dict[str, int]:
        """Where it is; set it to go there."""
        return self.get_checkpoint_state()

    @current_position.setter
    def current_position(self, position: dict[str, int]) -> None:
        self.restore_from_checkpoint(position)


def found_stream(infos: list[StreamInformation], name: str) -> StreamInformation:
    """Return the stream of a name.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    found = [one for one in infos if one.name == name]
    if not found:
        names = ", ".join(one.name for one in infos)
        raise CntkRuntimeError(f"No stream found matching given name '{name}'. There are: {names}.")
    return found[0]


def _check(
    parts: list[Any], max_samples: int, max_sweeps: int, *, frame_mode: bool, truncation_length: int
) -> None:
    if not parts:
        raise CntkValueError("Could not find deserializers in the reader config: give one or more.")
    for one in parts:
        if not isinstance(one, Deserializer):
            raise CntkValueError(
                f"MinibatchSource reads from deserializers, such as CTFDeserializer(...); got a {type(one).__name__}."
            )
    if len(parts) > 1 and any(one.keys() is None for one in parts):
        raise CntkValueError("Currently composition for user defined deserializers is not supported.")
    if max_samples != INFINITELY_REPEAT and max_sweeps != INFINITELY_REPEAT:
        raise CntkRuntimeError(
            "MinibatchSourceConfig: max samples and max sweeps are mutually exclusive options and cannot have "
            "non-default values at the same time."
        )
    if frame_mode and truncation_length:
        raise CntkRuntimeError(
            "MinibatchSourceConfig: truncation and frame mode are mutually exclusive options."
        )
    if truncation_length:
        raise UnsupportedOperatorError(
            "MinibatchSource(truncation_length=...) is not supported: sequences are trained on as a whole here."
        )


class _Bundle:
    """Sequences of one or several deserializers, put together by their numbers; chunks are those of the first."""

    def __init__(self, parts: list[Deserializer], keep: int) -> None:
        self._parts, self._keep = parts, max(keep, 2)
        self._kept: OrderedDict[tuple[int, int], Sequences] = OrderedDict()
        self.tumbles = all(one.tumbles for one in parts)
        for one in parts:
            one.open()
        counting = [
            number
            for number, one in enumerate(parts)
            for info in one.stream_infos()
            if info.m_defines_mb_size
        ]
        if len(counting) > 1:
            raise CntkRuntimeError("Only one stream can define the minibatch size; several do.")
        self.count = parts[0].count()
        self._rows: list[list[tuple[Place, ...]]] | None = None
        if len(parts) > 1:
            self._rows = self._joined()
            self._counted = [[self._length(row, counting) for row in rows] for rows in self._rows]

    def _length(self, row: tuple[Place, ...], counting: list[int]) -> int:
        sizes = [
            part.lengths_of(chunk)[number] for part, (chunk, number) in zip(self._parts, row, strict=True)
        ]
        return sizes[counting[0]] if counting else max(sizes)

    def _joined(self) -> list[list[tuple[Place, ...]]]:
        """Return for each chunk of the first where the parts of its sequences are: those that all others have."""
        wheres: list[dict[Any, Place]] = []
        for part in self._parts:
            places = [
                (chunk, number)
                for chunk in range(part.count())
                for number in range(len(part.lengths_of(chunk)))
            ]
            pairs = zip(part.keys() or [], places, strict=True)
            wheres.append(dict(reversed(list(pairs))))
        first, *others = wheres
        rows: list[list[tuple[Place, ...]]] = [[] for _ in range(self.count)]
        for key, place in sorted(first.items(), key=lambda pair: pair[1]):
            if all(key in other for other in others):
                rows[place[0]].append((place, *(other[key] for other in others)))
        if not any(rows):
            raise CntkRuntimeError(
                "The deserializers have no sequence in common: the numbers of their sequences are all different."
            )
        return rows

    def lengths_of(self, chunk: int) -> list[int]:
        """Return how many samples each sequence of a chunk counts as."""
        return self._parts[0].lengths_of(chunk) if self._rows is None else self._counted[chunk]

    def sequence(self, place: Place) -> dict[str, Any]:
        """Return a sequence, all streams together."""
        row = (place,) if self._rows is None else self._rows[place[0]][place[1]]
        found: dict[str, Any] = {}
        for part, (chunk, number) in enumerate(row):
            found.update(self._chunk(part, chunk)[number])
        return found

    def _chunk(self, part: int, chunk: int) -> Sequences:
        key = (part, chunk)
        if not self._parts[part].kept:
            return self._parts[part].read(chunk)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        self._kept[key] = found = self._parts[part].read(chunk)
        while len(self._kept) > self._keep * len(self._parts):
            self._kept.popitem(last=False)
        return found
