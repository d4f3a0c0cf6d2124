"""Logs of pods as the API hands them out, and threads that follow pods."""

import threading
from pathlib import Path
from typing import Any

import pytest

from resource_manager.kubernetes.api_client import Api
from resource_manager.kubernetes.pod_watch import PodWatch, said

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


class Silent:
    """An API that does not answer, until the way to it is closed."""

    def __init__(self) -> None:
        self.is_cut = threading.Event()

    def list_namespaced_pod(self, *_: Any, **__: Any) -> Any:
        """Wait for an answer."""
        self.is_cut.wait(60)
        raise OSError

    read_namespaced_pod_log = list_namespaced_pod


def test_no_thread_is_left_of_pods_whose_api_is_gone(tmp_path: Path) -> None:
    silent, before = Silent(), set(threading.enumerate())
    followed = PodWatch(Api(silent, None, None), "a=b")
    followed.copy_log("orphan", tmp_path / "log", lambda: False)
    assert len(set(threading.enumerate()) - before) == 2
    followed.end(silent.is_cut.set)
    assert set(threading.enumerate()) <= before
