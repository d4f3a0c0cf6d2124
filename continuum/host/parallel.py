"""The same call for many items at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

THREADS = 16


def in_parallel(act: Callable[[S], T], items: Iterable[S], threads: int = THREADS) -> list[T]:
    """The result of `act` for each item, in the order of the items.

    Every call runs to its end; after that, the first error in the order of the items is raised.

    Args:
        act: called once per item, from several threads.
        items: its arguments.
        threads: the largest number of calls at the same time.
    """
    todo = list(items)
    if not todo:
        return []
    with ThreadPoolExecutor(min(threads, len(todo))) as pool:
        calls = [pool.submit(act, item) for item in todo]
    return [call.result() for call in calls]
