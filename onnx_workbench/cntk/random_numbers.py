"""CNTK's random numbers, the very same for the same seed: Mersenne Twister of 64 bits, and Boost's ways from there.

The generator is MT19937-64 (Nishimura and Matsumoto, 2004). Normal numbers come from it by the ziggurat method
(Marsaglia and Tsang, 2000) with 128 layers, as in Boost.Random 1.56 to 1.59.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_SIZE, _MIDDLE = 312, 156
_WORD = 2**64 - 1
_UPPER, _LOWER = np.uint64(0xFFFFFFFF80000000), np.uint64(0x7FFFFFFF)
_TWIST = np.uint64(0xB5026F5AA96619E9)


@dataclass(frozen=True)
class _Ziggurat:
    """Layers of equal area under a falling density: right edges, and the density there."""

    edges: Array
    heights: Array


def _layers(first: float, start: float, count: int) -> _Ziggurat:
    """Return the layers under exp(-x^2 / 2), the lowest as wide as its area asks for."""
    edges = [first, start]
    area = first * _density(start)
    while len(edges) < count:
        edges.append(math.sqrt(-2 * math.log(area / edges[-1] + _density(edges[-1]))))
    edges.append(0.0)
    return _Ziggurat(np.array(edges), np.array([_density(x) for x in edges]))


def _density(x: float) -> float:
    return math.exp(-x * x / 2)


_NORMAL = _layers(3.7130862467403632609, 3.4426198558966521214, 128)


class RandomNumbers:
    """A stream of random numbers that begins at a seed."""

    def __init__(self, seed: int) -> None:
        state = [seed & _WORD]
        for index in range(1, _SIZE):
            before = state[-1]
            state.append((6364136223846793005 * (before ^ (before >> 62)) + index) & _WORD)
        self._state = np.array(state, np.uint64)
        self._ready = np.zeros(0, np.uint64)

    def _next_words(self) -> Array:
        """Return the next 312 words."""
        old = self._state
        new = old.copy()
        new[:_MIDDLE] = _twisted(old[:_MIDDLE], old[1 : _MIDDLE + 1], old[_MIDDLE:])
        new[_MIDDLE:-1] = _twisted(old[_MIDDLE:-1], old[_MIDDLE + 1 :], new[: _MIDDLE - 1])
        new[-1:] = _twisted(old[-1:], new[:1], new[_MIDDLE - 1 : _MIDDLE])
        self._state = new
        words: Array = new.copy()
        words ^= (words >> np.uint64(29)) & np.uint64(0x5555555555555555)
        words ^= (words << np.uint64(17)) & np.uint64(0x71D67FFFEDA60000)
        words ^= (words << np.uint64(37)) & np.uint64(0xFFF7EEE000000000)
        words ^= words >> np.uint64(43)
        return words

    def _peek(self, count: int) -> Array:
        """Return the next words and leave them to be drawn."""
        parts, have = [self._ready], len(self._ready)
        while have < count:
            parts.append(self._next_words())
            have += _SIZE
        if len(parts) > 1:
            self._ready = np.concatenate(parts)
        return self._ready[:count]

    def words(self, count: int) -> Array:
        """Draw whole numbers of 64 bits."""
        found = self._peek(count)
        self._ready = self._ready[count:]
        return found

    def uniform(self, count: int, low: float = 0.0, high: float = 1.0) -> Array:
        """Draw evenly from low up to, but not including, high."""
        found: Array = self.words(count).astype(np.float64) / float(_WORD) * (high - low) + low
        while (outside := found >= high).any():
            found[outside] = self.uniform(int(outside.sum()), low, high)
        return found

    def normal(self, count: int, mean: float = 0.0, deviation: float = 1.0) -> Array:
        """Draw from a normal distribution."""
        found, done = np.empty(count), 0
        while done < count:
            words = self._peek(count - done)
            layer, part = _split(words)
            sign, layer = (layer & 1) * 2 - 1, layer >> 1
            x = part * _NORMAL.edges[layer]
            doubtful = np.flatnonzero(x >= _NORMAL.edges[layer + 1])
            signed, place = x * sign, 0
            for index in [*doubtful.tolist(), len(words)]:  # one in eighty
                if index < place:  # its word has served for another number
                    continue
                found[done : done + index - place] = signed[place:index]
                done += index - place
                self._ready = self._ready[index - place :]
                place = index
                if index == len(words):
                    break
                self._ready, before = self._ready[1:], len(self._ready)
                value = self._beside(float(x[index]), int(layer[index]))
                if value is not None:
                    found[done] = value * sign[index]
                    done += 1
                if len(self._ready) >= before:  # more words had to be made
                    break
                place += before - len(self._ready)
                if place >= len(words):
                    break
        return found * deviation + mean

    def _beside(self, x: float, layer: int) -> float | None:
        """Return a normal number that is not sure to lie in its layer, or None where it does not."""
        if layer == 0:
            return self._tail()
        low, high = _NORMAL.heights[layer], _NORMAL.heights[layer + 1]
        y = low + float(self.uniform(1)[0]) * (high - low)
        return x if y < _density(x) else None

    def _tail(self) -> float:
        start = float(_NORMAL.edges[1])
        while True:
            x, y = self._exponential() / start, self._exponential()
            if 2 * y > x * x:
                return x + start

    def _exponential(self) -> float:
        return -math.log1p(-float(self.uniform(1)[0]))


def _twisted(high: Array, low: Array, far: Array) -> Array:
    mixed = (high & _UPPER) | (low & _LOWER)
    found: Array = far ^ (mixed >> np.uint64(1)) ^ np.where(mixed & np.uint64(1), _TWIST, np.uint64(0))
    return found


def _split(words: Array) -> tuple[Array, Array]:
    """Return a number of 8 bits, and the other bits as a fraction."""
    return (words & np.uint64(255)).astype(np.int64), (words >> np.uint64(8)).astype(np.float64) / 2.0**56
