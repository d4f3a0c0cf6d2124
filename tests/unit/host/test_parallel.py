"""Calls in parallel, and polling."""

from __future__ import annotations

import threading
import time

import pytest

from continuum.host.parallel import in_parallel
from continuum.host.polling import poll


def test_results_are_in_the_order_of_the_items() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def act(number: int) -> int:
        meeting.wait()  # passes only when three calls run at the same time
        return number * number

    assert in_parallel(act, iter([3, 1, 2])) == [9, 1, 4]
    assert in_parallel(act, []) == []


def test_every_call_ends_before_the_first_error_is_raised() -> None:
    done: list[int] = []

    def act(number: int) -> None:
        if number < 2:
            raise ValueError(number)
        done.append(number)

    with pytest.raises(ValueError, match="0"):
        in_parallel(act, range(20), threads=3)
    assert sorted(done) == list(range(2, 20))


def test_polling_ends_with_the_first_true_result() -> None:
    answers = iter([0, 0, 7, 8])
    assert poll(lambda: next(answers), time.monotonic() + 60, 0) == 7


def test_polling_tries_once_even_after_the_deadline() -> None:
    assert poll(lambda: "", time.monotonic() - 1, 60) == ""
    assert poll(lambda: "x", time.monotonic() - 1, 60) == "x"
