"""A bound on the work of code that is given hostile input: processor time of this process, whatever else runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bounded_work(seconds: float) -> Iterator[None]:
    """Fail where a block takes more processor time.

    Choose twenty times what it takes, or more, and less than it took before it was bounded: speed is measured in
    benchmarks/, and what grows without measure is found all the same.
    """
    begun = time.process_time()
    yield
    taken = time.process_time() - begun
    assert taken < seconds, f"{taken:.1f} s of processor time, and {seconds:g} s are far more than it needs"
