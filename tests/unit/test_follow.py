"""Logs of pods as the API hands them out: pure."""

import pytest

from resource_manager.kubernetes.follow import said

AT = b"2026-11-21T09:40:00.123456789Z "
REFUSED = b"failed to create fsnotify watcher: too many open files"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_come_without_their_times_however_they_are_cut(size: int) -> None:
    log = AT + b"one\n" + AT + b"\n" + AT.replace(b"Z", b"+02:00") + b"three \xff\n"
    pieces = [log[start : start + size] for start in range(0, len(log), size)]
    assert list(said(pieces)) == [b"one\n", b"\n", b"three \xff\n"]


def test_what_a_kubelet_says_of_itself_is_not_taken_for_the_programs_words() -> None:
    assert list(said([REFUSED])) == []
    assert list(said([AT, b"one\n", REFUSED])) == [b"one\n"]
    assert list(said([AT + b"one\n" + REFUSED + b"\n" + AT + b"two\n"])) == [b"one\n", b"two\n"]
