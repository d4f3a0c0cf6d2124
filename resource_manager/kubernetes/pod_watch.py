"""The pods of a workload, kept up to date by a watch, and their logs."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from resource_manager.kubernetes.api_client import Api
from resource_manager.kubernetes.pod_spec import CONTAINER, NAMESPACE
from resource_manager.kubernetes.readiness import states

_AGAIN_S = 0.5
_END_S = 3.0
"""Longest wait for threads: first for those of logs to end by themselves, then for all, without the API."""

_LONG_S = 24 * 3600.0
_PIECE_BYTES = 1 << 14
_STAMPED = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) ")


class PodWatch:
    """The pods that a label selector chooses; watched until ``close``.

    Attributes:
        timeout_scale: factor on time-outs, see ``continuum.model.node.Node``.
    """

    def __init__(self, api: Api, selector: str) -> None:
        self._api, self._selector, self.timeout_scale = api, selector, api.timeout_scale
        self._pods: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._silent_since: float | None = None
        self._logs: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._watch, daemon=True, name=f"pods {selector}")
        self._thread.start()

    def all(self) -> list[Any]:
        """All pods that exist."""
        with self._changed:
            return list(self._pods.values())

    def last(self, name: str) -> tuple[Any | None, bool]:
        """The last state of a pod, None if it was never seen, and whether it still exists."""
        with self._changed:
            return self._seen.get(name), name in self._pods

    @property
    def unheard_s(self) -> float:
        """Seconds since the API last answered; 0 while it answers."""
        since = self._silent_since
        return 0.0 if since is None else time.monotonic() - since

    def wait(self, done: Callable[[list[Any]], bool], timeout_s: float) -> bool:
        """Wait until a condition on the pods holds; False after the time-out."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not done(list(self._pods.values())):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, _AGAIN_S))
        return True

    def close(self) -> None:
        """Stop watching; threads end when the connection to the API is closed."""
        self._closed.set()

    def end(self, cut: Callable[[], None]) -> None:
        """Stop watching and wait for all threads; one that still runs at interpreter exit may crash it.

        Args:
            cut: closes the connection to the API, on which threads wait.
        """
        self.close()
        _join(self._logs)  # the last lines of pods that have ended are on their way
        cut()
        _join([*self._logs, self._thread])

    def copy_log(self, name: str, log: Path, ended: Callable[[], bool], container: str = CONTAINER) -> None:
        """Append the log of a container to a file, in a thread, until the pod has ended.

        A lost connection is opened again; lines are not copied twice.
        """

        def is_over() -> bool:
            return self._closed.is_set() or ended()

        arguments = (self._api, (name, container), log, is_over)
        thread = threading.Thread(target=_follow, args=arguments, daemon=True, name=f"log of {name}")
        self._logs.append(thread)
        thread.start()

    def _watch(self) -> None:
        deadline = time.monotonic() + _LONG_S
        listing = self._api.core.list_namespaced_pod
        selection = {"namespace": NAMESPACE, "label_selector": self._selector}
        stop, timeout_scale = self._closed.is_set, self.timeout_scale
        for objects in states(
            listing, deadline, selection, heard=self._heard, stop=stop, timeout_scale=timeout_scale
        ):
            with self._changed:
                self._pods = dict(objects)
                self._seen.update(objects)
                self._changed.notify_all()

    def _heard(self, is_heard: bool) -> None:
        """Record whether the API answers."""
        if is_heard:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = time.monotonic()


def _join(threads: Iterable[threading.Thread]) -> None:
    deadline = time.monotonic() + _END_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _follow(api: Api, what: tuple[str, str], log: Path, is_over: Callable[[], bool]) -> None:
    """Copy the log of a container; a last time after its end."""
    copied = 0
    with log.open("ab", buffering=0) as file:
        while True:
            last = is_over()
            with contextlib.suppress(Exception):  # it is tried again
                for line in _lines(api, *what, copied):
                    file.write(line)
                    copied += 1
            if last:
                return
            time.sleep(_AGAIN_S)


def _lines(api: Api, name: str, container: str, passed: int) -> Iterator[bytes]:
    """The lines of a container's log after some number of lines, as they come."""
    answer = api.core.read_namespaced_pod_log(
        name, NAMESPACE, container=container, follow=True, timestamps=True, _preload_content=False
    )
    try:
        pieces = iter(lambda: answer.read1(_PIECE_BYTES), b"")
        yield from islice(said(pieces), passed, None)
    finally:
        answer.release_conn()


def said(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a log with timestamps, without the timestamps; pure.

    A kubelet that cannot follow a log any more writes a message into it. Such lines have no timestamp and are
    left out: they are not the program's, and would be counted as copied lines.

    Args:
        pieces: of the log, in order.
    """
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if match := _STAMPED.match(line):
                yield line[match.end() :] + b"\n"
