"""Waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def poll(attempt: Callable[[], T], deadline: float, poll_s: float) -> T:
    """Call `attempt` until its result is true or the deadline has passed; returns the last result.

    Args:
        attempt: called at least once.
        deadline: on `time.monotonic`.
        poll_s: pause between two calls.
    """
    while not (result := attempt()) and time.monotonic() < deadline:
        time.sleep(poll_s)
    return result
