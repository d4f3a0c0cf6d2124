"""The pods of a workload as they are, kept up to date by a watch, and what they say."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resource_manager.kubernetes.client import Api
from resource_manager.kubernetes.pods import CONTAINER, NAMESPACE
from resource_manager.kubernetes.waiting import states

_AGAIN_S = 0.5
_LONG_S = 24 * 3600.0
_PIECE_BYTES = 1 << 14


class Pods:
    """The pods that a selector chooses; watched until ``close``.

    Attributes:
        gone: names of pods that were there and are no more.
        unheard_s: how long the API has not answered; 0 while it does.
        patience: how many times as long as usual an answer may take.
    """

    def __init__(self, api: Api, selector: str) -> None:
        self._api, self._selector, self.patience = api, selector, api.patience
        self._pods: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._silent_since: float | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True, name=f"pods {selector}")
        self._thread.start()

    def all(self) -> list[Any]:
        """Those there are."""
        with self._changed:
            return list(self._pods.values())

    def last(self, name: str) -> tuple[Any | None, bool]:
        """What was last known of a pod, and whether it still exists."""
        with self._changed:
            return self._seen.get(name), name in self._pods

    @property
    def unheard_s(self) -> float:
        """How long the API has not answered; 0 while it does."""
        since = self._silent_since
        return 0.0 if since is None else time.monotonic() - since

    def wait(self, done: Callable[[list[Any]], bool], timeout_s: float) -> bool:
        """Wait until the pods are as wanted; False when they are not in time."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not done(list(self._pods.values())):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, _AGAIN_S))
        return True

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()

    def _watch(self) -> None:
        deadline = time.monotonic() + _LONG_S
        listing = self._api.core.list_namespaced_pod
        selection = {"namespace": NAMESPACE, "label_selector": self._selector}
        stop, patience = self._closed.is_set, self.patience
        for objects in states(listing, deadline, selection, heard=self._heard, stop=stop, patience=patience):
            with self._changed:
                self._pods = dict(objects)
                self._seen.update(objects)
                self._changed.notify_all()

    def _heard(self, is_heard: bool) -> None:
        """Note whether the API answers."""
        if is_heard:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = time.monotonic()


def copy_log(api: Api, name: str, log: Path, ended: Callable[[], bool], container: str = CONTAINER) -> None:
    """Append what a container of a pod says to a file, in a thread, until the pod has ended.

    A connection that is lost is made anew; what was copied by then is not copied again.
    """

    def follow() -> None:
        copied = 0
        with log.open("ab", buffering=0) as file:
            while True:
                over = ended()
                with contextlib.suppress(Exception):  # it is tried again
                    copied = _copy(api, (name, container), file.write, copied)
                if over:
                    return
                time.sleep(_AGAIN_S)

    threading.Thread(target=follow, daemon=True, name=f"log of {name}").start()


def _copy(api: Api, what: tuple[str, str], write: Callable[[bytes], Any], copied: int) -> int:
    """Copy what comes after the first ``copied`` bytes; how many there are then."""
    passed, (name, container) = 0, what
    answer = api.core.read_namespaced_pod_log(
        name, NAMESPACE, container=container, follow=True, _preload_content=False
    )
    try:
        while piece := answer.read1(_PIECE_BYTES):
            fresh = piece[max(0, copied - passed) :]
            passed += len(piece)
            if fresh:
                write(fresh)
                copied = passed
    finally:
        answer.release_conn()
    return copied
