"""Waiting for what the page draws in a later frame, or the kernel answers: however slow the machine is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

Seen = TypeVar("Seen")

PATIENCE_S = 60.0
WHOLE_TEST_S = 400.0  # for one test with all that it waits for


def becomes(page: Page, look: Callable[[], Seen], expected: Seen) -> None:
    """Look again and again until what is seen is what is expected; after a long while, fail with both."""
    until = time.monotonic() + PATIENCE_S
    while look() != expected and time.monotonic() < until:
        page.wait_for_timeout(50)
    assert look() == expected


def rests(page: Page, look: Callable[[], Seen]) -> Seen:
    """Look until the same is seen for three looks and ten frames: nothing moves any more."""
    until, seen = time.monotonic() + PATIENCE_S, [look()]
    while time.monotonic() < until and (len(seen) < 3 or len({repr(one) for one in seen[-3:]}) > 1):
        page.evaluate(
            "frames => new Promise(done => { const step = () => frames-- ? requestAnimationFrame(step)"
            " : done(); step(); })",
            10,
        )
        seen.append(look())
    return seen[-1]
