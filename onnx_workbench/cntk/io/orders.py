"""In which order a sweep through the data takes its sequences: as they stand, or shuffled in CNTK's very ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from onnx_workbench.cntk.random_numbers import RandomNumbers

Place = tuple[int, int]


@dataclass(frozen=True)
class Shuffling:
    """How the data is shuffled.

    Parameters
    ----------
    seed
        Of the first sweep; the next sweep has the next.
    window_chunks, window_samples
        How far a sequence may go, in chunks or in samples; None for the other one.
    local
        Whether windows tumble, as for deserializers of users, or slide.
    """

    seed: int
    window_chunks: int | None
    window_samples: int | None
    local: bool


def order_of_sweep(
    count: int, lengths_of: Callable[[int], Sequence[int]], shuffling: Shuffling | None, sweep: int
) -> Iterator[Place]:
    """Yield the chunk and the number in it of each sequence, in the order of a sweep.

    Parameters
    ----------
    count
        How many chunks there are.
    lengths_of
        Returns how many samples each sequence of a chunk has. Of windows that tumble, and without shuffling, only the
        chunks that are reached are asked for.
    shuffling
        None to leave the order.
    sweep
        Which sweep, from 0.
    """
    if shuffling is None:
        for chunk in range(count):
            yield from ((chunk, number) for number in range(len(lengths_of(chunk))))
        return
    seed = shuffling.seed + sweep
    order = list(range(count))
    _swap_anywhere(order, _words(seed))
    if shuffling.local:
        for first, last in _parts(order, lengths_of, shuffling, sweep):
            part = [place for chunk in order[first:last] for place in _places(chunk, lengths_of)]
            _swap_onwards(part, _words(seed + first))
            yield from part
        return
    widths = [sum(lengths_of(chunk)) for chunk in order]
    chunks = [_places(chunk, lengths_of) for chunk in order]
    yield from _slid(chunks, _windows(widths, shuffling), _words(seed))


def _places(chunk: int, lengths_of: Callable[[int], Sequence[int]]) -> list[Place]:
    return [(chunk, number) for number in range(len(lengths_of(chunk)))]


def _words(seed: int) -> Iterator[int]:
    """Yield whole random numbers of 64 bits."""
    random = RandomNumbers(seed)
    while True:
        yield from random.words(4096).tolist()


def _swap_anywhere(items: list[Any], words: Iterator[int]) -> None:
    """Swap each with any of them."""
    count = len(items)
    for place, word in zip(range(count), words, strict=False):
        other = word % count
        items[place], items[other] = items[other], items[place]


def _swap_onwards(items: list[Any], words: Iterator[int]) -> None:
    """Swap each with one from there on (Fisher and Yates)."""
    count = len(items)
    for place, word in zip(range(count), words, strict=False):
        other = place + word % (count - place)
        items[place], items[other] = items[other], items[place]


def _parts(
    order: list[int], lengths_of: Callable[[int], Sequence[int]], shuffling: Shuffling, sweep: int
) -> Iterator[tuple[int, int]]:
    """Yield where windows begin and end in a sweep; they go on over the ends of sweeps, which part them."""
    count, first = len(order), 0
    if shuffling.window_chunks is not None:
        window = shuffling.window_chunks
        last = window - (sweep * count) % window  # what the window that the sweep begins in has left
        while first < count:
            yield first, min(last, count)
            first, last = last, last + window
        return
    while first < count:  # counted in samples, a window begins with each sweep here
        last, left = first, shuffling.window_samples or 1
        while last < count and left > 0:
            left -= sum(lengths_of(order[last]))
            last += 1
        yield first, last
        first = last


def _windows(widths: list[int], shuffling: Shuffling) -> list[tuple[int, int]]:
    """Return for each chunk from which to which its sequences may come, and go."""
    count = len(widths)
    if shuffling.window_chunks is not None:
        window = min(shuffling.window_chunks, count)
        begins = [min(max(place - window // 2, 0), count - window) for place in range(count)]
        return [(begin, begin + window) for begin in begins]
    half = (shuffling.window_samples or 0) // 2
    starts = [0]
    for width in widths:
        starts.append(starts[-1] + width)
    found, begin, end = [], 0, 1
    for place in range(count):  # each window begins as the one before it
        while starts[place] - starts[begin] > half:
            begin += 1
        end = max(end, place + 1)
        while end < count and starts[end + 1] - starts[place] < half:
            end += 1
        found.append((begin, end))
    return found


def _slid(chunks: list[list[Place]], windows: list[tuple[int, int]], words: Iterator[int]) -> list[Place]:
    """Swap each sequence with one in the window of its chunk, if each may lie where the other lay."""
    items = [(one, place) for place, chunk in enumerate(chunks) for one in chunk]
    places = [place for place, chunk in enumerate(chunks) for _ in chunk]
    starts = [0]
    for chunk in chunks:
        starts.append(starts[-1] + len(chunk))
    if len(chunks) == 1:
        only = chunks[0]
        _swap_anywhere(only, words)
        return only
    for here, place in enumerate(places):
        first, last = windows[place]
        low, high = starts[first], starts[last]
        while True:
            there = low + next(words) % (high - low)
            window = windows[places[there]]
            if first <= items[there][1] < last and window[0] <= items[here][1] < window[1]:
                break
        items[here], items[there] = items[there], items[here]
    return [one for one, _ in items]
